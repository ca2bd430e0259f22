/* SPDX-License-Identifier: MIT */
/*
 * When, where and for what a password was used. Loop thread.
 *
 * Uses arrive gathered, after the fact, so they never fail a login: a password that is gone or
 * damaged meanwhile swallows them. Scopes come from outside, so only LIMIT_USE_SCOPES of them are
 * counted apart for one password; beyond that the record's own count alone grows. Refused: a row
 * for each use.
 */
#include <errno.h>

#include "sparekey.h"
#include "store/db.h"

int store_use_each(struct store *store, const char *id, store_use_fn *row, void *data)
{
	char scope[LIMIT_SCOPE_BYTES + 1];
	int64_t number = 0;
	int64_t count = 0;
	DB_AUTO rows = NULL;
	int result = db_ready(store);

	if (result == 0) {
		result = password_number(store, id, &number);
	}
	if (result != 0) {
		return result == SPAREKEY_UNKNOWN_OBJECT ? 0 : result;
	}
	result = db_prepare(store, DB_USE_EACH, &rows);
	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(rows, 1, number));
	}
	if (result == 0) {
		result = db_step(store, rows);
	}
	while (result == 1) {
		if (row_text(rows, 0, 1, LIMIT_SCOPE_BYTES, scope) &&
		    row_number(rows, 1, 0, &count)) {
			store->walks++;
			result = row(data, scope, (uint64_t)count);
			store->walks--;
			if (result != 0) {
				return result;
			}
		}
		result = db_step(store, rows);
	}
	return result;
}

static int64_t clamp(uint64_t count)
{
	return count < INT64_MAX ? (int64_t)count : INT64_MAX;
}

/* A damaged row may refuse the sum; that is its own affair. */
static int step_leniently(struct store *store, sqlite3_stmt *statement)
{
	int result = db_step(store, statement);

	return result == -EINVAL ? 0 : result;
}

static int add_to_record(struct store *store, int64_t number, const struct store_use *use)
{
	DB_AUTO statement = NULL;
	int result = db_prepare(store, DB_PASSWORD_USED, &statement);
	int code;

	if (result != 0) {
		return result;
	}
	code = sqlite3_bind_int64(statement, 1, number);
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 2, use->at);
	}
	if (code == SQLITE_OK) {
		code = db_bind_text(statement, 3, use->scope);
	}
	if (code == SQLITE_OK) {
		code = db_bind_text(statement, 4, use->from);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 5, clamp(use->count));
	}
	return code != SQLITE_OK ? db_result(store->db, code) : step_leniently(store, statement);
}

static int add_to_scope(struct store *store, int64_t number, const struct store_use *use)
{
	DB_AUTO statement = NULL;
	int result = db_prepare(store, DB_USE_ADD, &statement);
	int code;

	if (result != 0) {
		return result;
	}
	code = sqlite3_bind_int64(statement, 1, number);
	if (code == SQLITE_OK) {
		code = db_bind_text(statement, 2, use->scope);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 3, clamp(use->count));
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int(statement, 4, (int)LIMIT_USE_SCOPES);
	}
	return code != SQLITE_OK ? db_result(store->db, code) : step_leniently(store, statement);
}

int store_use_add(struct store *store, const struct store_use *use)
{
	int64_t number = 0;
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = password_number(store, use->id, &number);
	}
	if (result == 0) {
		result = add_to_record(store, number, use);
	}
	if (result == 0 && use->scope[0] != '\0') {
		result = add_to_scope(store, number, use);
	}
	return result == SPAREKEY_UNKNOWN_OBJECT ? 0 : result;
}
