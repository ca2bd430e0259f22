/* SPDX-License-Identifier: MIT */
/*
 * The store's life and its transactions. One owner, the loop thread; several processes may share
 * the file.
 *
 * Every writing transaction takes the exclusive lock at once, so waiting for others happens before
 * anything is done and a commit never fails for being busy. A failure inside leaves the transaction
 * usable for nothing but rollback: SQLite ends it by itself on some errors, and a statement after
 * that would commit alone. Refused: a second connection for reading; retrying here, since only the
 * caller can do a whole transaction again.
 */
#include "store/store.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "sparekey.h"
#include "store/db.h"

static char *join(const char *directory, size_t length, const char *rest)
{
	size_t rest_size = strlen(rest) + 1;
	char *text = malloc(length + rest_size);

	if (text != NULL) {
		memcpy(text, directory, length);
		memcpy(text + length, rest, rest_size);
	}
	return text;
}

/* SQLite's own reserves of memory are 140 KiB that it writes through at the first opening, for a
 * rate of allocations we do not have: without them a broker starts sooner and idles smaller.
 * Refused once SQLite has begun, which does no harm. */
static void be_frugal(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	(void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

int store_new(const char *directory, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	size_t length = strlen(directory);

	if (store == NULL) {
		return -ENOMEM;
	}
	be_frugal();
	while (length > 1 && directory[length - 1] == '/') {
		length--;
	}
	store->directory = join(directory, length, "");
	store->path = join(directory, length, "/" DB_FILE);
	if (store->directory == NULL || store->path == NULL) {
		store_free(store);
		return -ENOMEM;
	}
	*ret_store = store;
	return 0;
}

struct store *store_free(struct store *store)
{
	if (store != NULL) {
		store_rollback(store);
		db_close(store);
		free(store->directory);
		free(store->path);
		free(store);
	}
	return NULL;
}

const char *store_refusal(const struct store *store)
{
	return store->refusal;
}

int store_open(struct store *store)
{
	int result = db_ready(store);

	if (result == -ESTALE && !store->writing && store->walks == 0) {
		db_close(store);
		result = db_open(store);
	}
	return result;
}

/* A connection that was opened for reading only stays so: look whether the cause is gone. */
static int ready_to_begin(struct store *store)
{
	int result = db_ready(store);

	if (result != 0 || sqlite3_db_readonly(store->db, "main") == 0) {
		return result;
	}
	db_close(store);
	result = db_open(store);
	if (result != 0) {
		return result;
	}
	/* BEGIN EXCLUSIVE would quietly begin a reading transaction. */
	return sqlite3_db_readonly(store->db, "main") == 0 ? 0 : -EROFS;
}

void store_rest(struct store *store)
{
	if (store->db != NULL && !store->writing && store->walks == 0) {
		(void)sqlite3_db_release_memory(store->db);
		(void)malloc_trim(0);
	}
}

int store_begin(struct store *store)
{
	int result;

	if (store->writing || store->walks > 0) {
		return -EINVAL;
	}
	result = ready_to_begin(store);
	if (result == 0) {
		result = db_run(store, DB_BEGIN);
	}
	if (result == -EIO) {
		/* A lock half taken may stay with the kernel, and keep all others out: closing the
		 * file gives it back. */
		db_close(store);
	}
	if (result != 0) {
		return result;
	}
	store->writing = true;
	store->failed = 0;
	doubt_begin(store);
	result = schema_recheck(store);
	if (result != 0) {
		store_rollback(store);
		db_close(store);
	}
	return result;
}

int store_begin_revocation(struct store *store)
{
	int result;

	reserve_free_if_full(store);
	result = store_begin(store);
	if (result == -ENOSPC) {
		reserve_free(store);
		result = store_begin(store);
	}
	if (result == 0) {
		store->revoking = true;
	}
	return result;
}

int store_commit(struct store *store)
{
	bool revoking = store->revoking;
	int result = db_ready_to_write(store);

	if (result != 0) {
		store_rollback(store);
		return result;
	}
	result = db_run(store, DB_COMMIT);
	if (result != 0) {
		store_rollback(store);
		result = doubt_settle(store, result);
	}
	store->writing = false;
	store->revoking = false;
	if (result != 0) {
		return result;
	}
	/* What was written to a file that has just been replaced is not acknowledged. That this
	 * cannot be told is no reason: it is on the disk. */
	if (db_ready(store) == -ESTALE) {
		return -ESTALE;
	}
	if (!revoking) {
		reserve_make(store);
	}
	return 0;
}

void store_rollback(struct store *store)
{
	int result = 0;

	if (!store->writing) {
		return;
	}
	if (store->db != NULL && sqlite3_get_autocommit(store->db) == 0) {
		result = db_run(store, DB_ROLLBACK);
	}
	/* After these SQLite refuses to write on this connection, or cannot be sure of its pages.
	 */
	if (result != 0 || store->failed == -EUCLEAN || store->failed == -EIO) {
		db_close(store);
	}
	store->writing = false;
	store->revoking = false;
	store->failed = 0;
}
