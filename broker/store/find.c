/* SPDX-License-Identifier: MIT */
/*
 * Questions about all passwords: how many, which one has this label, when the next one expires.
 * Loop thread.
 *
 * Whether a row counts is asked of the row as it was read, as in password.c. Refused: a count in
 * SQL of what has not expired, which would leave out a damaged row whose expiry has passed.
 */
#include <string.h>

#include "sparekey.h"
#include "store/db.h"

/* They are looked at one by one, in one turn of the loop. More than a few wait only where nothing
 * can be written, or for the seconds their end takes. */
#define COUNTED_EXPIRED 2000u

static int count_one(void *data, const struct store_password *password)
{
	(void)password;
	++*(int64_t *)data;
	return 0;
}

static int count_all(struct store *store, int64_t *ret_count)
{
	DB_AUTO row = NULL;
	int result = db_prepare(store, DB_PASSWORD_COUNT, &row);

	if (result == 0) {
		result = db_step(store, row);
	}
	if (result == 1) {
		*ret_count = sqlite3_column_int64(row, 0);
		return 0;
	}
	return result;
}

int store_password_count(struct store *store, int64_t now, uint32_t *ret_count)
{
	int64_t all = 0;
	int64_t expired = 0;
	int result = store_password_each_expired(store, now, COUNTED_EXPIRED, count_one, &expired);

	if (result == 0) {
		result = count_all(store, &all);
	}
	if (result == 0) {
		all = all > expired ? all - expired : 0;
		*ret_count = all < UINT32_MAX ? (uint32_t)all : UINT32_MAX;
	}
	return result;
}

/* The first live row in order of account; `several`: another live one has another account. */
static int find_first(struct store *store, sqlite3_stmt *rows, int64_t now,
                      struct store_password *ret_first, bool *ret_several)
{
	struct store_password password;
	bool found = false;
	int result;

	while ((result = db_step(store, rows)) == 1) {
		password_load(rows, &password);
		if (!password_live(&password, now)) {
			continue;
		}
		if (found && strcmp(password.account, ret_first->account) != 0) {
			*ret_several = true;
			return 0;
		}
		if (!found) {
			*ret_first = password;
			found = true;
		}
	}
	return result == 0 && !found ? SPAREKEY_UNKNOWN_OBJECT : result;
}

int store_password_find(struct store *store, const char *label_key, const char *account,
                        int64_t now, char ret_id[static 24])
{
	struct store_password first;
	bool several = false;
	DB_AUTO rows = NULL;
	int result = db_ready(store);

	if (result == 0) {
		result = db_prepare(store, DB_PASSWORD_FIND, &rows);
	}
	if (result == 0) {
		result = db_result(store->db, db_bind_text(rows, 1, label_key));
	}
	if (result == 0 && account != NULL) {
		result = db_result(store->db, db_bind_text(rows, 2, account));
	}
	if (result == 0) {
		result = find_first(store, rows, now, &first, &several);
	}
	if (result != 0) {
		return result;
	}
	if (several && first.account[0] != '\0') {
		return SPAREKEY_INVALID_ARGS;
	}
	memcpy(ret_id, first.id, sizeof(first.id));
	return 0;
}

int store_next_expiry(struct store *store, int64_t now, int64_t *ret_at)
{
	DB_AUTO row = NULL;
	int result = db_ready(store);

	if (result == 0) {
		result = db_prepare(store, DB_PASSWORD_NEXT_EXPIRY, &row);
	}
	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(row, 1, now > 0 ? now : 0));
	}
	if (result == 0) {
		result = db_step(store, row);
	}
	if (result == 1) {
		*ret_at = sqlite3_column_int64(row, 0);
		return 0;
	}
	return result;
}
