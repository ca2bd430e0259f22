/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_STORE_FILES_H
#define SUPPORT_STORE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* A directory of its own for each test, and what tests of the store do behind its back. */
struct store_files {
	char root[64];      /* mkdtemp */
	char directory[96]; /* root/data, not made */
	char path[128];     /* directory/sparekey.db */
};

int store_files_setup(void **state);    /* a cmocka setup: *state is a struct store_files */
int store_files_teardown(void **state); /* removes it with all that is in it */

/* A path in the directory; from a ring of four buffers. */
const char *store_files_name(const struct store_files *files, const char *name);

/* Opens a store (made if need be), failing the test otherwise. */
struct store *store_files_open(const struct store_files *files);
struct store *store_files_make(const struct store_files *files);

/* A record with every field filled that must be. */
struct store_password store_files_record(const char *id, const char *label);
/* Inserts it in a transaction of its own; returns the first result that is not 0. */
int store_files_insert(struct store *store, const char *id, const char *label);
int store_files_delete(struct store *store, const char *id);

/* A walk with all its parts; `before` 0: all. */
int store_files_each(struct store *store, const char *after, uint32_t limit, int64_t now,
                     store_password_fn *row, void *data);
int store_files_events(struct store *store, int64_t not_before, int64_t before, const char *id,
                       uint32_t limit, store_event_fn *row, void *data);

/* Runs SQL on the file as any other program would. */
void store_files_sql(const struct store_files *files, const char *sql);
/* Runs SQL with the rules of the password table lifted, and puts the schema back as it was. */
void store_files_sql_lawless(const struct store_files *files, const char *sql);

/* The whole content; the caller frees it. */
unsigned char *store_files_read(const char *path, size_t *ret_size);
void store_files_write(const char *path, const void *bytes, size_t size);

#endif
