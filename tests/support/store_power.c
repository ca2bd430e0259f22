/* SPDX-License-Identifier: MIT */
/*
 * See store_power.h: the disk's side, a record played back up to a moment. What fills the record is
 * in store_power_vfs.c. Tests are one thread; no failure is expected here, so each ends the test.
 *
 * Refused: a real block device (dm-flakey, dm-log-writes), which needs root and shows one order of
 * many; orders of whole file systems (ext4 would keep more than this disk does).
 */
#include "tests/support/store_power_log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u
#define FILE_MOST ((size_t)1 << 20)

/* One file while the record is played back. */
struct image {
	unsigned char *bytes;
	size_t size;
};

/* A moment: what is surely on the disk, and from where on each thing is unsure. */
struct moment {
	const struct power *power;
	size_t length;
	struct image images[POWER_FILES];
	size_t synced[POWER_FILES];             /* records of that file before it count */
	size_t names_synced[POWER_DIRECTORIES]; /* the same for names */
	uint64_t seed;
	unsigned int keep; /* of 8: how many of the unsure things are there */
};

static uint64_t draw(struct moment *moment)
{
	/* splitmix64 */
	uint64_t z = moment->seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static bool lucky(struct moment *moment)
{
	return draw(moment) % 8 < moment->keep;
}

static void set_size(struct image *image, size_t size, struct moment *rubbish)
{
	assert(size <= FILE_MOST);
	if (size > image->size) {
		memset(image->bytes + image->size, 0, size - image->size);
		for (size_t at = image->size; rubbish != NULL && at < size; at++) {
			image->bytes[at] = (unsigned char)draw(rubbish);
		}
	}
	image->size = size;
}

static void put(struct image *image, size_t at, const unsigned char *bytes, size_t size)
{
	if (at + size > image->size) {
		set_size(image, at + size, NULL);
	}
	memcpy(image->bytes + at, bytes, size);
}

/* A write of which nothing is sure: by sectors of the file. */
static void put_torn(struct moment *moment, struct image *image, const struct power_record *record)
{
	size_t end = record->at + record->size;

	/* The length of a file may be on the disk before what was written to it. */
	if (end > image->size && lucky(moment)) {
		set_size(image, end, draw(moment) % 2 == 0 ? moment : NULL);
	}
	for (size_t at = record->at; at < end;) {
		size_t next = (at / SECTOR + 1) * SECTOR;
		size_t size = (next < end ? next : end) - at;

		if (lucky(moment)) {
			put(image, at, record->bytes + (at - record->at), size);
		}
		at += size;
	}
}

static void play_file(struct moment *moment, size_t file)
{
	struct image *image = &moment->images[file];

	for (size_t i = 0; i < moment->length; i++) {
		const struct power_record *record = &moment->power->records[i];
		bool is_sure = i < moment->synced[file];

		if (record->file != file) {
			continue;
		}
		if (record->kind == POWER_WRITE && is_sure) {
			put(image, record->at, record->bytes, record->size);
		} else if (record->kind == POWER_WRITE) {
			put_torn(moment, image, record);
		} else if (record->kind == POWER_TRUNCATE && (is_sure || lucky(moment))) {
			set_size(image, record->at, NULL);
		}
	}
}

/* Which file has which name below the root; POWER_NONE: that name is not there. */
static void play_names(struct moment *moment, size_t directory, size_t ret_files[POWER_NAMES])
{
	for (size_t i = 0; i < moment->length; i++) {
		const struct power_record *record = &moment->power->records[i];
		bool is_name = record->kind == POWER_LINK || record->kind == POWER_UNLINK;

		if (!is_name || moment->power->names[record->name].directory != directory) {
			continue;
		}
		if (i < moment->names_synced[directory] || lucky(moment)) {
			ret_files[record->name] = record->kind == POWER_LINK ? record->file
			                                                     : POWER_NONE;
		}
	}
}

static void find_synced(struct moment *moment)
{
	for (size_t i = 0; i < moment->length; i++) {
		const struct power_record *record = &moment->power->records[i];

		if (record->kind == POWER_SYNC) {
			moment->synced[record->file] = i;
		} else if (record->kind == POWER_SYNC_NAMES) {
			moment->names_synced[record->file] = i;
		}
	}
}

static void write_file(const char *root, const char *name, const struct image *image)
{
	char path[PATH_MAX + 80];
	int fd;

	(void)snprintf(path, sizeof(path), "%.4000s/%.64s", root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0);
	assert(write(fd, image->bytes, image->size) == (ssize_t)image->size);
	(void)close(fd);
}

static void build(struct moment *moment, const char *root)
{
	size_t files[POWER_NAMES];
	const struct power *power = moment->power;
	char path[PATH_MAX];

	for (size_t i = 0; i < POWER_NAMES; i++) {
		files[i] = i < power->names_count ? power->names[i].at_first : POWER_NONE;
	}
	play_names(moment, POWER_ROOT, files);
	play_names(moment, POWER_DATA, files);
	assert(mkdir(root, 0700) == 0);
	if (files[POWER_NAME_OF_DATA] == POWER_NONE) {
		return;
	}
	(void)snprintf(path, sizeof(path), "%.4000s/data", root);
	assert(mkdir(path, 0700) == 0);
	for (size_t i = 0; i < power->names_count; i++) {
		if (i != POWER_NAME_OF_DATA && files[i] != POWER_NONE) {
			write_file(path, power->names[i].text, &moment->images[files[i]]);
		}
	}
}

void power_lose(const struct power *power, size_t length, uint64_t seed, const char *root)
{
	/* All of it lost, all of it there, and all shades between. */
	static const unsigned int shades[] = { 0, 8, 4, 1, 7, 4, 2, 6 };
	struct moment moment = { .power = power, .length = length, .seed = seed };

	moment.keep = shades[draw(&moment) % (sizeof(shades) / sizeof(shades[0]))];
	find_synced(&moment);
	for (size_t i = 0; i < power->files_count; i++) {
		struct image *image = &moment.images[i];

		image->bytes = malloc(FILE_MOST);
		assert(image->bytes != NULL);
		image->size = power->files[i].size;
		if (image->size > 0) {
			memcpy(image->bytes, power->files[i].bytes, image->size);
		}
		play_file(&moment, i);
	}
	build(&moment, root);
	for (size_t i = 0; i < power->files_count; i++) {
		free(moment.images[i].bytes);
	}
}

size_t power_length(const struct power *power)
{
	return power->count;
}

struct power *power_free(struct power *power)
{
	for (size_t i = 0; i < power->count; i++) {
		free(power->records[i].bytes);
	}
	for (size_t i = 0; i < power->files_count; i++) {
		free(power->files[i].bytes);
	}
	free(power->records);
	free(power);
	return NULL;
}
