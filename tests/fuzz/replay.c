/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files and all files of directories, once each: the committed corpus as a
 * regression test, with any compiler. The last file named is the one that ended it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_BYTES 65536u

static unsigned int done;

static bool run_file(const char *path)
{
	static uint8_t bytes[INPUT_BYTES];
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		return false;
	}
	size_t size = fread(bytes, 1, sizeof(bytes), file);

	(void)fclose(file);
	printf("%s\n", path);
	(void)fflush(stdout);
	uint8_t *input = copy_bytes(bytes, size);

	LLVMFuzzerTestOneInput(input, size);
	free(input);
	done++;
	return true;
}

static bool run_directory(const char *path)
{
	char name[4096];
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, NULL, alphasort);
	bool is_right = count >= 0;

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			(void)snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
			is_right = run_file(name) && is_right;
		}
		free(entries[i]);
	}
	free(entries);
	return is_right;
}

int main(int argc, char **argv)
{
	bool is_right = true;

	for (int i = 1; i < argc; i++) {
		struct stat status;

		is_right = stat(argv[i], &status) == 0 &&
		           (S_ISDIR(status.st_mode) ? run_directory(argv[i]) : run_file(argv[i])) &&
		           is_right;
	}
	printf("%u inputs\n", done);
	return is_right && done > 0 ? 0 : 1;
}
