/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_STORE_POWER_LOG_H
#define SUPPORT_STORE_POWER_LOG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tests/support/store_power.h"

/* The record, shared by what fills it and what plays it back; nobody else includes this. */

#define POWER_FILES 32u
#define POWER_NAMES 32u
#define POWER_NONE SIZE_MAX
#define POWER_NAME_OF_DATA 0u /* the name of the store's directory is the first one known */

/* The root holds one name, "data"; that directory holds all others. */
enum power_directory { POWER_ROOT = 0, POWER_DATA, POWER_DIRECTORIES };

enum power_kind {
	POWER_WRITE = 1,
	POWER_TRUNCATE,
	POWER_SYNC,
	POWER_SYNC_NAMES, /* `file` is the directory */
	POWER_LINK,       /* a name is made for a file */
	POWER_UNLINK,
};

struct power_record {
	enum power_kind kind;
	size_t file;
	size_t name;
	size_t at; /* truncate: the size */
	size_t size;
	unsigned char *bytes; /* owned */
};

/* A file, whatever it is called, and what it held when the record began. */
struct power_file {
	ino_t inode;
	unsigned char *bytes; /* owned */
	size_t size;
};

struct power_name {
	char text[64];
	enum power_directory directory;
	size_t at_first; /* the file it named when the record began */
	size_t now;
};

struct power {
	char root[PATH_MAX];
	struct power_record *records;
	size_t count;
	size_t room;
	struct power_file files[POWER_FILES];
	size_t files_count;
	struct power_name names[POWER_NAMES];
	size_t names_count;
};

#endif
