/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what is read from disk. An input that begins with "P" is a stored hash, any other a
 * settings file, its first byte the plan of failures. Nothing that computes a hash is linked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "crypto/phc.h"
#include "tests/fuzz/fuzz.h"

/* Whether a hash that was read is within `most` and the minimum, and written again as it was. */
static void check_hash(const struct phc *phc, const struct phc_cost *most, const char *text,
                       size_t length)
{
	char again[PHC_TEXT + 1];

	MUST(phc_cost_valid(&phc->cost));
	MUST(phc->cost.memory_kib >= PHC_MEMORY_KIB_MIN &&
	     phc->cost.memory_kib <= most->memory_kib);
	MUST(phc->cost.passes >= 1 && phc->cost.passes <= most->passes);
	MUST(phc->cost.lanes >= 1 && phc->cost.lanes <= most->lanes);
	phc_format(phc, again);
	MUST(strlen(again) == length && memcmp(again, text, length) == 0);
}

static void read_hash(const uint8_t *data, size_t size)
{
	static const struct phc_cost everything = { PHC_MEMORY_KIB_MAX, PHC_PASSES_MAX,
		                                    PHC_LANES_MAX };
	static const struct phc_cost little = { 19456, 2, 1 };
	struct phc phc = { .cost = { 7, 7, 7 } };
	char *text = (char *)copy_bytes(data, size);
	int result = phc_parse(text, size, &everything, &phc);

	if (result == 0) {
		check_hash(&phc, &everything, text, size);
	} else {
		MUST(result == -EINVAL || result == -ERANGE);
		MUST(phc.cost.memory_kib == 7 && phc.cost.passes == 7 && phc.cost.lanes == 7);
	}
	if (phc_parse(text, size, &little, &phc) == 0) {
		MUST(result == 0);
		check_hash(&phc, &little, text, size);
	}
	free(text);
}

/* A hash made of the input, written and read. */
static void write_hash(struct source source)
{
	static const struct phc_cost most = { PHC_MEMORY_KIB_MAX, PHC_PASSES_MAX, PHC_LANES_MAX };
	struct phc phc;
	struct phc again;
	char text[PHC_TEXT + 1];

	phc.cost.memory_kib = source_uint32(&source);
	phc.cost.passes = source_byte(&source) % 20u;
	phc.cost.lanes = source_byte(&source) % 6u;
	for (size_t i = 0; i < PHC_SALT; i++) {
		phc.salt[i] = source_byte(&source);
	}
	for (size_t i = 0; i < PHC_TAG; i++) {
		phc.tag[i] = source_byte(&source);
	}
	phc_format(&phc, text);
	int result = phc_parse(text, strlen(text), &most, &again);

	MUST(result == (phc_cost_valid(&phc.cost) ? 0 : -ERANGE));
	if (result == 0) {
		MUST(memcmp(&phc, &again, sizeof(phc)) == 0);
	}
}

struct findings {
	unsigned int errors;
	unsigned int warnings;
};

static void report(void *data, bool is_error, const char *line)
{
	struct findings *findings = data;

	*(is_error ? &findings->errors : &findings->warnings) += 1;
	MUST(is_harmless(line) && strlen(line) < 4500);
}

static void check_settings(const struct settings *settings)
{
	MUST(settings->max_passwords >= 1 && settings->max_passwords <= 1000000);
	MUST(settings->max_lifetime_s <= UINT64_C(100) * 366 * 86400);
	MUST(settings->cache_seconds <= 86400 && settings->idle_exit_seconds <= 86400);
	MUST(settings->argon2_memory_kib >= 1024 && settings->argon2_memory_kib <= 1048576);
	MUST(settings->argon2_passes >= 1 && settings->argon2_passes <= 16);
	MUST(settings->workers >= 1 && settings->workers <= 16);
	MUST(settings->default_scopes.count <= LIMIT_SCOPES);
	MUST(*(const unsigned char *)&settings->inline_secrets <= 1);
}

/* A file in memory that looks like a settings file of one's own. */
static int make_file(const uint8_t *data, size_t size, char *ret_path, size_t path_size)
{
	int fd = memfd_create("settings", MFD_CLOEXEC);

	MUST(fd >= 0 && fchmod(fd, 0600) == 0);
	MUST(size == 0 || write(fd, data, size) == (ssize_t)size);
	(void)snprintf(ret_path, path_size, "/proc/self/fd/%d", fd);
	return fd;
}

static void read_settings(struct source source)
{
	static struct settings before, after;
	struct findings findings = { 0, 0 };
	struct faults faults;
	char path[64];

	faults_read(&source, &faults);
	int fd = make_file(source.at, source.left, path, sizeof(path));

	memset(&before, 0, sizeof(before));
	settings_default(&before);
	memcpy(&after, &before, sizeof(after));
	faults_begin(&faults);
	int result = config_load(path, report, &findings, &after);

	faults_pause();
	MUST(result == 0 || result == -EINVAL);
	MUST((result == 0) == (findings.errors == 0));
	MUST(result == 0 || memcmp(&before, &after, sizeof(after)) == 0);
	MUST(result != 0 || faults_happened() == 0);
	check_settings(&after);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == 'P') {
		read_hash(data + 1, size - 1);
		write_hash((struct source){ data + 1, size - 1 });
	} else {
		read_settings((struct source){ data, size });
	}
	return 0;
}
