/* SPDX-License-Identifier: MIT */
/*
 * See store_power.h: fills the record. Below SQLite by the shim of store_shim.h; what the store
 * does itself - directories, the name of a new store, its own syncs - by the linker's --wrap. State
 * is of the file, for neither has a user pointer; tests are one thread.
 */
#include "tests/support/store_power_log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/store_shim.h"

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags);
int __real_linkat(int from_directory, const char *from, int directory, const char *name, int flags);
int __wrap_linkat(int from_directory, const char *from, int directory, const char *name, int flags);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);

static struct power *open_record;

static void note(struct power_record record)
{
	struct power *power = open_record;

	if (power->count == power->room) {
		power->room = power->room == 0 ? 256 : 2 * power->room;
		power->records = realloc(power->records, power->room * sizeof(*power->records));
		assert(power->records != NULL);
	}
	power->records[power->count++] = record;
}

static unsigned char *copy(const void *bytes, size_t size)
{
	unsigned char *kept = malloc(size + 1);

	assert(kept != NULL);
	memcpy(kept, bytes, size);
	return kept;
}

/* The name behind the last slash, if it lies below the recorded root; else NULL. */
static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return open_record != NULL && slash != NULL &&
	                       strncmp(path, open_record->root, strlen(open_record->root)) == 0
	               ? slash + 1
	               : NULL;
}

static size_t name_of(const char *text, enum power_directory directory)
{
	struct power *power = open_record;

	for (size_t i = 0; i < power->names_count; i++) {
		if (strcmp(power->names[i].text, text) == 0) {
			return i;
		}
	}
	assert(power->names_count < POWER_NAMES);
	struct power_name *name = &power->names[power->names_count];

	(void)snprintf(name->text, sizeof(name->text), "%s", text);
	name->directory = directory;
	name->at_first = POWER_NONE;
	name->now = POWER_NONE;
	return power->names_count++;
}

static size_t file_of_inode(ino_t inode)
{
	for (size_t i = 0; i < open_record->files_count; i++) {
		if (open_record->files[i].inode == inode) {
			return i;
		}
	}
	return POWER_NONE;
}

static size_t new_file(ino_t inode)
{
	size_t file = open_record->files_count++;

	assert(file < POWER_FILES);
	open_record->files[file] = (struct power_file){ .inode = inode };
	return file;
}

static size_t file_of(const char *path)
{
	const char *base = base_of(path);

	return base != NULL ? open_record->names[name_of(base, POWER_DATA)].now : POWER_NONE;
}

static void note_link(size_t name, size_t file)
{
	open_record->names[name].now = file;
	note((struct power_record){ .kind = POWER_LINK, .name = name, .file = file });
}

static void note_unlink(const char *base)
{
	size_t name = name_of(base, POWER_DATA);
	size_t file = open_record->names[name].now;

	open_record->names[name].now = POWER_NONE;
	/* Its number may be given to another file. */
	for (size_t i = 0; i < open_record->names_count; i++) {
		if (open_record->names[i].now == file) {
			file = POWER_NONE;
		}
	}
	if (file != POWER_NONE) {
		open_record->files[file].inode = 0;
	}
	note((struct power_record){ .kind = POWER_UNLINK, .name = name, .file = POWER_NONE });
}

static void made(const char *path)
{
	const char *base = base_of(path);
	struct stat status;

	if (base != NULL && stat(path, &status) == 0) {
		note_link(name_of(base, POWER_DATA), new_file(status.st_ino));
	}
}

static void written(const char *path, const void *bytes, size_t size, size_t at)
{
	size_t file = file_of(path);

	if (file != POWER_NONE) {
		note((struct power_record){ .kind = POWER_WRITE,
		                            .file = file,
		                            .at = at,
		                            .size = size,
		                            .bytes = copy(bytes, size) });
	}
}

static void cut(const char *path, size_t size)
{
	size_t file = file_of(path);

	if (file != POWER_NONE) {
		note((struct power_record){ .kind = POWER_TRUNCATE, .file = file, .at = size });
	}
}

static void synced(const char *path)
{
	size_t file = file_of(path);

	if (file != POWER_NONE) {
		note((struct power_record){ .kind = POWER_SYNC, .file = file });
	}
}

static void names_synced(const char *path)
{
	if (base_of(path) != NULL) {
		note((struct power_record){ .kind = POWER_SYNC_NAMES, .file = POWER_DATA });
	}
}

static void removed(const char *path)
{
	const char *base = base_of(path);

	if (base != NULL) {
		note_unlink(base);
	}
}

static void descriptor_synced(int fd)
{
	struct stat status;
	struct stat root;

	assert(fstat(fd, &status) == 0);
	if (open_record == NULL) {
		return;
	}
	if (!S_ISDIR(status.st_mode)) {
		size_t file = file_of_inode(status.st_ino);

		assert(file != POWER_NONE);
		note((struct power_record){ .kind = POWER_SYNC, .file = file });
		return;
	}
	assert(stat(open_record->root, &root) == 0);
	note((struct power_record){ .kind = POWER_SYNC_NAMES,
	                            .file = status.st_ino == root.st_ino ? POWER_ROOT
	                                                                 : POWER_DATA });
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	int result = __real_mkdir(path, mode);

	if (result == 0 && base_of(path) != NULL) {
		note_link(POWER_NAME_OF_DATA, 0);
	}
	return result;
}

int __wrap_mkostemp(char *path, int flags)
{
	int fd = __real_mkostemp(path, flags);

	if (fd >= 0) {
		made(path);
	}
	return fd;
}

int __wrap_linkat(int from_directory, const char *from, int directory, const char *name, int flags)
{
	int result = __real_linkat(from_directory, from, directory, name, flags);

	if (result == 0 && open_record != NULL) {
		note_link(name_of(name, POWER_DATA), file_of(from));
	}
	return result;
}

int __wrap_unlink(const char *path)
{
	int result = __real_unlink(path);

	if (result == 0) {
		removed(path);
	}
	return result;
}

/* The reserve, whose content nobody reads, is not recorded. */
int __wrap_unlinkat(int directory, const char *name, int flags)
{
	int result = __real_unlinkat(directory, name, flags);

	if (result == 0 && open_record != NULL && strcmp(name, "sparekey.reserve") != 0) {
		note_unlink(name);
	}
	return result;
}

static void load(const char *text)
{
	char path[PATH_MAX + 80];
	struct stat status;
	size_t file;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/data/%s", open_record->root, text);
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		return;
	}
	assert(fstat(fd, &status) == 0);
	file = new_file(status.st_ino);
	open_record->files[file].size = (size_t)status.st_size;
	open_record->files[file].bytes = malloc((size_t)status.st_size + 1);
	assert(read(fd, open_record->files[file].bytes, (size_t)status.st_size) == status.st_size);
	(void)close(fd);
	open_record->names[name_of(text, POWER_DATA)].at_first = file;
	open_record->names[name_of(text, POWER_DATA)].now = file;
}

struct power *power_record(const char *root)
{
	static const struct shim_watch watch = {
		made, written, cut, synced, names_synced, removed, descriptor_synced
	};
	char data[PATH_MAX + 8];

	assert(open_record == NULL);
	open_record = calloc(1, sizeof(*open_record));
	assert(open_record != NULL);
	assert(realpath(root, open_record->root) != NULL);
	(void)snprintf(data, sizeof(data), "%s/data", open_record->root);
	name_of("data", POWER_ROOT);
	if (access(data, F_OK) == 0) {
		open_record->names[POWER_NAME_OF_DATA].at_first = 0;
	}
	load("sparekey.db");
	load("sparekey.db-journal");
	shim_watch(&watch);
	return open_record;
}

void power_stop(void)
{
	shim_watch(NULL);
	open_record = NULL;
}

int power_start(void)
{
	return shim_start();
}
