/* SPDX-License-Identifier: MIT */
/*
 * Records of passwords: reading rows with suspicion, walking, finding, changing. Loop thread.
 *
 * A row with any value that cannot be right is handed out as damaged, with that value left empty:
 * it verifies nothing, yet it is listed and can be revoked. A row whose id is damaged goes by "_N",
 * its row number, and comes after all others when walking by id. Such a row is live whatever its
 * expiry says, so that it does not vanish before its owner has seen it. Refused: failing the whole
 * list because of one row; repairing a row; deciding liveness in SQL, which cannot tell a damaged
 * row.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/label.h"
#include "sparekey.h"
#include "store/db.h"

enum column {
	COLUMN_NUMBER = 0,
	COLUMN_ID,
	COLUMN_LABEL,
	COLUMN_ACCOUNT,
	COLUMN_SCOPES,
	COLUMN_HASH,
	COLUMN_STATE,
	COLUMN_CREATED_AT,
	COLUMN_EXPIRES_AT,
	COLUMN_LAST_USED_AT,
	COLUMN_LAST_USED_SCOPE,
	COLUMN_LAST_USED_FROM,
	COLUMN_USE_COUNT,
	COLUMN_VERSION,
};

static bool load_id(sqlite3_stmt *row, char ret_id[static 24])
{
	char id[24];

	if (row_text(row, COLUMN_ID, PASSWORD_ID, PASSWORD_ID, id) && password_id_valid(id)) {
		memcpy(ret_id, id, PASSWORD_ID + 1);
		return true;
	}
	(void)snprintf(ret_id, 24, "_%" PRId64, (int64_t)sqlite3_column_int64(row, COLUMN_NUMBER));
	return false;
}

static bool load_scopes(sqlite3_stmt *row, struct scope_set *ret_scopes)
{
	char text[SCOPE_SET_TEXT];

	return row_text(row, COLUMN_SCOPES, 0, sizeof(text) - 1, text) &&
	       scope_set_parse(text, ',', ret_scopes) == 0;
}

static bool load_words(sqlite3_stmt *row, struct store_password *ret)
{
	bool sound = row_text(row, COLUMN_LABEL, 1, LIMIT_LABEL_BYTES, ret->label);

	sound = row_text(row, COLUMN_ACCOUNT, 0, LIMIT_ACCOUNT_BYTES, ret->account) && sound;
	sound = row_text(row, COLUMN_HASH, 1, STORE_HASH_BYTES, ret->hash) && sound;
	sound = row_text(row, COLUMN_LAST_USED_SCOPE, 0, LIMIT_SCOPE_BYTES, ret->last_used_scope) &&
	        sound;
	sound = row_text(row, COLUMN_LAST_USED_FROM, 0, LIMIT_REMOTE_SHOWN_BYTES,
	                 ret->last_used_from) &&
	        sound;
	return load_scopes(row, &ret->scopes) && sound;
}

static bool load_numbers(sqlite3_stmt *row, struct store_password *ret)
{
	int64_t uses = 0;
	bool sound = row_number(row, COLUMN_CREATED_AT, 0, &ret->created_at);

	sound = row_number(row, COLUMN_EXPIRES_AT, 0, &ret->expires_at) && sound;
	sound = row_number(row, COLUMN_LAST_USED_AT, 0, &ret->last_used_at) && sound;
	sound = row_number(row, COLUMN_VERSION, 1, &ret->version) && sound;
	sound = row_number(row, COLUMN_USE_COUNT, 0, &uses) && sound;
	ret->use_count = (uint64_t)uses;
	return sound;
}

static enum store_state load_state(sqlite3_stmt *row)
{
	int64_t state = 0;

	if (row_number(row, COLUMN_STATE, 0, &state) && state == STORE_STATE_ACTIVE) {
		return STORE_STATE_ACTIVE;
	}
	return state == STORE_STATE_FROZEN ? STORE_STATE_FROZEN : STORE_STATE_DAMAGED;
}

void password_load(sqlite3_stmt *row, struct store_password *ret_password)
{
	bool sound;

	memset(ret_password, 0, sizeof(*ret_password));
	sound = load_id(row, ret_password->id);
	sound = load_words(row, ret_password) && sound;
	sound = load_numbers(row, ret_password) && sound;
	ret_password->state = sound ? load_state(row) : STORE_STATE_DAMAGED;
}

bool password_live(const struct store_password *password, int64_t now)
{
	return password->state == STORE_STATE_DAMAGED || password->expires_at == 0 ||
	       password->expires_at > now;
}

static bool read_number_name(const char *id, int64_t *ret_number)
{
	char again[24];
	long long number;

	if (id[0] != '_' || strnlen(id, sizeof(again)) == sizeof(again)) {
		return false;
	}
	number = strtoll(id + 1, NULL, 10);
	/* One row, one name: no blanks, signs or leading zeros. */
	(void)snprintf(again, sizeof(again), "_%lld", number);
	*ret_number = number;
	return strcmp(again, id) == 0;
}

/* Steps to the row with that id; a row whose id is sound does not answer to "_N". -EUCLEAN: an
 * index that leads to a row of another id, which may be one that was revoked. */
static int seek(struct store *store, const char *id, sqlite3_stmt **ret_row)
{
	int64_t number = 0;
	bool by_id = password_id_valid(id);
	char named[24];
	int result;

	if (!by_id && !read_number_name(id, &number)) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	result = db_prepare(store, by_id ? DB_PASSWORD_GET : DB_PASSWORD_GET_NUMBER, ret_row);
	if (result != 0) {
		return result;
	}
	result = db_result(store->db, by_id ? db_bind_text(*ret_row, 1, id)
	                                    : sqlite3_bind_int64(*ret_row, 1, number));
	if (result == 0) {
		result = db_step(store, *ret_row);
	}
	if (result < 0) {
		return result;
	}
	if (result != 1 || load_id(*ret_row, named) != by_id) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	return by_id && strcmp(named, id) != 0 ? -EUCLEAN : 0;
}

int password_number(struct store *store, const char *id, int64_t *ret_number)
{
	DB_AUTO row = NULL;
	int result = seek(store, id, &row);

	if (result == 0) {
		*ret_number = sqlite3_column_int64(row, COLUMN_NUMBER);
	}
	return result;
}

int store_password_get(struct store *store, const char *id, struct store_password *ret_password)
{
	DB_AUTO row = NULL;
	int result = db_ready(store);

	if (result != 0 || recent_get(store, id, ret_password, &result)) {
		return result;
	}
	result = seek(store, id, &row);
	if (result == 0) {
		password_load(row, ret_password);
		recent_keep(store, id, ret_password);
	} else if (result == SPAREKEY_UNKNOWN_OBJECT) {
		recent_keep(store, id, NULL);
	}
	return result;
}

/* One walk over rows of any of the statements that give whole records. */
struct walk {
	int64_t now;
	uint32_t left; /* 0: no bound */
	bool ended;    /* the bound was reached */
	bool live;     /* which ones: live, or expired */
	bool named;    /* which ones: by id (false: by number) */
	store_password_fn *row;
	void *data;
};

static bool wanted(const struct walk *walk, const struct store_password *password)
{
	return password_live(password, walk->now) == walk->live &&
	       (password->id[0] != '_') == walk->named;
}

/* Hands out the rows of a statement whose values are bound. */
static int walk_rows(struct store *store, sqlite3_stmt *rows, struct walk *walk)
{
	struct store_password password;
	int result = db_step(store, rows);

	while (result == 1) {
		password_load(rows, &password);
		if (wanted(walk, &password)) {
			store->walks++;
			result = walk->row(walk->data, &password);
			store->walks--;
			if (result != 0) {
				return result;
			}
			if (walk->left > 0 && --walk->left == 0) {
				walk->ended = true;
				return 0;
			}
		}
		result = db_step(store, rows);
	}
	return result;
}

static int walk_named(struct store *store, const char *after, struct walk *walk)
{
	DB_AUTO rows = NULL;
	int result = db_prepare(store, DB_PASSWORD_EACH, &rows);

	if (result == 0) {
		result = db_result(store->db, db_bind_text(rows, 1, after));
	}
	walk->named = true;
	return result != 0 ? result : walk_rows(store, rows, walk);
}

static int walk_misnamed(struct store *store, int64_t after, struct walk *walk)
{
	DB_AUTO rows = NULL;
	int result = db_prepare(store, DB_PASSWORD_EACH_MISNAMED, &rows);

	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(rows, 1, after));
	}
	walk->named = false;
	return result != 0 ? result : walk_rows(store, rows, walk);
}

int store_password_each(struct store *store, const char *after, uint32_t limit, int64_t now,
                        store_password_fn *row, void *data)
{
	struct walk walk = { .now = now, .left = limit, .live = true, .row = row, .data = data };
	int64_t number = INT64_MIN;
	bool behind_named = read_number_name(after, &number);
	int result = db_ready(store);

	if (result == 0 && !behind_named) {
		number = INT64_MIN;
		result = walk_named(store, after, &walk);
	}
	if (result == 0 && !walk.ended) {
		result = walk_misnamed(store, number, &walk);
	}
	return result;
}

int store_password_each_expired(struct store *store, int64_t now, store_password_fn *row,
                                void *data)
{
	struct walk walk = { .now = now, .named = true, .row = row, .data = data };
	DB_AUTO rows = NULL;
	int result = db_ready(store);

	if (result == 0) {
		result = db_prepare(store, DB_PASSWORD_EACH_EXPIRED, &rows);
	}
	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(rows, 1, now));
	}
	return result != 0 ? result : walk_rows(store, rows, &walk);
}
