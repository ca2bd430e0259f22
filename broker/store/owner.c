/* SPDX-License-Identifier: MIT */
/*
 * The owner's row and the recovery codes. Loop thread.
 *
 * Rows are read with the same suspicion as those of passwords: what is damaged proves nothing, and
 * is never taken for "nothing was set yet", which would let anybody set it. Nothing here knows what
 * the sealed bytes are. Refused: columns for each part of them, since they are of use only whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sparekey.h"
#include "store/db.h"

static bool load_sealed(sqlite3_stmt *row, struct store_owner *ret_owner)
{
	const void *bytes = sqlite3_column_blob(row, 1);
	size_t length = (size_t)sqlite3_column_bytes(row, 1);

	if (sqlite3_column_type(row, 1) != SQLITE_BLOB || length > STORE_SEALED_BYTES ||
	    (length > 0 && bytes == NULL)) {
		return false;
	}
	if (length > 0) {
		memcpy(ret_owner->sealed, bytes, length);
	}
	ret_owner->sealed_length = length;
	return true;
}

int store_owner_get(struct store *store, struct store_owner *ret_owner)
{
	DB_AUTO row = NULL;
	int result = db_ready(store);

	if (result == 0) {
		result = db_prepare(store, DB_OWNER_GET, &row);
	}
	if (result != 0) {
		return result;
	}
	result = db_step(store, row);
	if (result != 1) {
		return result == 0 ? SPAREKEY_NOT_INITIALIZED : result;
	}
	*ret_owner = (struct store_owner){ .is_damaged = true };
	bool is_sound = row_text(row, 0, 1, STORE_HASH_BYTES, ret_owner->hash);

	is_sound = load_sealed(row, ret_owner) && is_sound;
	is_sound = row_number(row, 2, 0, &ret_owner->step) && is_sound;
	ret_owner->is_damaged = !is_sound;
	return 0;
}

/* A row that is no place of a set is nobody's. */
static void load_code(sqlite3_stmt *row, struct store_codes *codes)
{
	int64_t number = 0;
	int64_t used_at = 0;

	if (!row_number(row, 0, 1, &number) || number > (int64_t)STORE_CODES) {
		return;
	}
	struct store_code *code = &codes->codes[number - 1];

	codes->count = (unsigned int)number;
	code->is_used = true;
	if (row_text(row, 1, 1, STORE_HASH_BYTES, code->hash) && row_number(row, 2, 0, &used_at)) {
		code->is_used = used_at != 0;
	}
	codes->left += code->is_used ? 0 : 1;
}

int store_codes_get(struct store *store, struct store_codes *ret_codes)
{
	DB_AUTO row = NULL;
	int result = db_ready(store);

	*ret_codes = (struct store_codes){ .count = 0 };
	if (result == 0) {
		result = db_prepare(store, DB_CODE_EACH, &row);
	}
	if (result != 0) {
		return result;
	}
	result = db_step(store, row);
	while (result == 1) {
		load_code(row, ret_codes);
		result = db_step(store, row);
	}
	return result;
}

int store_owner_put(struct store *store, const struct store_owner *owner)
{
	DB_AUTO row = NULL;
	int result = db_ready_to_write(store);
	int code = SQLITE_OK;

	if (result == 0 && (owner->is_damaged || owner->hash[0] == '\0' || owner->step < 0 ||
	                    owner->sealed_length > STORE_SEALED_BYTES)) {
		result = -EINVAL;
	}
	if (result == 0) {
		result = db_prepare(store, DB_OWNER_PUT, &row);
	}
	if (result != 0) {
		return result;
	}
	code = db_bind_text(row, 1, owner->hash);
	if (code == SQLITE_OK) {
		/* Never NULL, which would bind an SQL NULL. */
		code = sqlite3_bind_blob(row, 2, owner->sealed, (int)owner->sealed_length,
		                         SQLITE_STATIC);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(row, 3, owner->step);
	}
	result = code == SQLITE_OK ? db_step(store, row) : db_result(store->db, code);
	if (result == 0) {
		doubt_owner(store, owner);
	}
	return result;
}

static int insert_code(struct store *store, unsigned int place, const char *hash)
{
	DB_AUTO row = NULL;
	int result = db_prepare(store, DB_CODE_INSERT, &row);

	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(row, 1, place + 1));
	}
	if (result == 0) {
		result = db_result(store->db, db_bind_text(row, 2, hash));
	}
	return result == 0 ? db_step(store, row) : result;
}

int store_codes_put(struct store *store, const struct store_codes *codes)
{
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = db_run(store, DB_CODE_DELETE);
	}
	for (unsigned int i = 0; i < codes->count && result == 0; i++) {
		result = insert_code(store, i, codes->codes[i].hash);
	}
	return result;
}

int store_code_use(struct store *store, unsigned int place, int64_t at)
{
	DB_AUTO row = NULL;
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = db_prepare(store, DB_CODE_USE, &row);
	}
	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(row, 1, place + 1));
	}
	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(row, 2, at > 0 ? at : 1));
	}
	if (result == 0) {
		result = db_step(store, row);
	}
	if (result == 0 && sqlite3_changes(store->db) == 0) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	return result;
}

static int erase_events(struct store *store, unsigned int most, bool *ret_has_more)
{
	DB_AUTO row = NULL;
	int result = db_prepare(store, DB_ERASE_EVENTS, &row);

	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(row, 1, most));
	}
	if (result == 0) {
		result = db_step(store, row);
	}
	*ret_has_more = result == 0 && sqlite3_changes(store->db) > 0;
	return result;
}

int store_owner_erase(struct store *store, unsigned int most, bool *ret_has_more)
{
	static const enum db_statement statements[] = { DB_CODE_DELETE, DB_OWNER_DELETE,
		                                        DB_ERASE_USES, DB_ERASE_PASSWORDS };
	int result = db_ready_to_write(store);

	*ret_has_more = false;
	if (result == 0) {
		result = erase_events(store, most, ret_has_more);
	}
	for (size_t i = 0;
	     i < sizeof(statements) / sizeof(statements[0]) && result == 0 && !*ret_has_more; i++) {
		result = db_run(store, statements[i]);
	}
	return result;
}

static int write_zeros(int fd, off_t size)
{
	static const char zeros[16384];

	for (off_t at = 0; at < size;) {
		size_t left = (size_t)(size - at);
		ssize_t count = pwrite(fd, zeros, left < sizeof(zeros) ? left : sizeof(zeros), at);

		if (count < 0 && errno != EINTR) {
			return db_errno(errno);
		}
		at += count > 0 ? count : 0;
	}
	return fdatasync(fd) == 0 ? 0 : db_errno(errno);
}

static bool is_zero(int fd, off_t size)
{
	char bytes[4096];
	off_t at = 0;

	while (at < size) {
		ssize_t count = pread(fd, bytes, sizeof(bytes), at);

		if (count <= 0 || bytes[0] != 0 ||
		    memcmp(bytes, bytes + 1, (size_t)count - 1) != 0) {
			return false;
		}
		at += count;
	}
	return true;
}

/* Zeros over all of the file, if it has anything else. Closing it drops no lock: SQLite locks the
 * store's file alone. */
static int overwrite(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int result = -EIO;

	if (fd < 0) {
		return errno == ENOENT ? 0 : db_errno(errno);
	}
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		result = is_zero(fd, status.st_size) ? 0 : write_zeros(fd, status.st_size);
	}
	close(fd);
	return result;
}

/* Under the lock, and before this transaction has written to it: what is in it then undoes nothing.
 */
int store_scrub(struct store *store)
{
	char path[4096];
	int result = store_begin(store);

	if (result != 0) {
		return result;
	}
	if (snprintf(path, sizeof(path), "%s/" DB_JOURNAL, store->directory) >= (int)sizeof(path)) {
		result = -EIO;
	} else {
		result = overwrite(path);
	}
	store_rollback(store);
	return result;
}
