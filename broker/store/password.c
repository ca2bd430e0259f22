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

/* Rows a part of a walk looks at: whole ones, and ids alone. A millisecond or two. */
#define LOOKS_BY_ID 500u
#define LOOKS_BY_NUMBER 2000u

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
	uint32_t left;  /* to be handed out; 0: no bound */
	uint32_t looks; /* rows that may still be looked at; 0: no bound */
	bool has_more;  /* a bound was reached */
	bool live;      /* which ones: live, or expired */
	bool named;     /* which ones: by id (false: by number) */
	char *place;    /* behind the last row looked at; NULL: nobody asks */
	store_password_fn *row;
	void *data;
};

static bool is_named(const struct store_password *password)
{
	return password->id[0] != '_';
}

static bool wanted(const struct walk *walk, const struct store_password *password)
{
	return password_live(password, walk->now) == walk->live &&
	       is_named(password) == walk->named;
}

/* Notes that a row is done with; whether the walk ends here. By id it can only go on behind a row
 * that has one. */
static bool is_enough(struct walk *walk, const struct store_password *password, bool handed_out)
{
	bool looked_enough = walk->looks > 0 && --walk->looks == 0;
	bool handed_enough = handed_out && walk->left > 0 && --walk->left == 0;

	if (walk->named && !is_named(password)) {
		walk->looks += looked_enough ? 1 : 0;
		return false;
	}
	if (walk->place != NULL) {
		memcpy(walk->place, password->id, sizeof(password->id));
	}
	walk->has_more = looked_enough || handed_enough;
	return walk->has_more;
}

/* Hands out the rows of a statement whose values are bound. */
static int walk_rows(struct store *store, sqlite3_stmt *rows, struct walk *walk)
{
	struct store_password password;
	int result = db_step(store, rows);

	while (result == 1) {
		password_load(rows, &password);
		bool is_wanted = wanted(walk, &password);

		if (is_wanted) {
			store->walks++;
			result = walk->row(walk->data, &password);
			store->walks--;
			if (result != 0) {
				return result;
			}
		}
		if (is_enough(walk, &password, is_wanted)) {
			return 0;
		}
		result = db_step(store, rows);
	}
	return result;
}

static int walk_named(struct store *store, struct walk *walk)
{
	char after[24];
	DB_AUTO rows = NULL;
	int result = db_prepare(store, DB_PASSWORD_EACH, &rows);

	memcpy(after, walk->place, sizeof(after));
	if (result == 0) {
		result = db_result(store->db, db_bind_text(rows, 1, after));
	}
	walk->named = true;
	walk->looks = LOOKS_BY_ID;
	return result != 0 ? result : walk_rows(store, rows, walk);
}

/* Those whose id is sound are passed by without a look at the rest of them. */
static int hand_out_misnamed(struct store *store, sqlite3_stmt *row, struct walk *walk)
{
	struct store_password password;
	char named[24];
	int result = 0;

	if (load_id(row, named)) {
		return 0;
	}
	password_load(row, &password);
	store->walks++;
	result = walk->row(walk->data, &password);
	store->walks--;
	walk->has_more = result == 0 && walk->left > 0 && --walk->left == 0;
	return result;
}

/* All rows by number: which of them have no sound id no index can be trusted to say. */
static int walk_misnamed(struct store *store, int64_t after, struct walk *walk)
{
	DB_AUTO rows = NULL;
	int result = db_prepare(store, DB_PASSWORD_EACH_NUMBER, &rows);

	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(rows, 1, after));
	}
	if (result == 0) {
		result = db_step(store, rows);
	}
	for (walk->looks = LOOKS_BY_NUMBER; result == 1; result = db_step(store, rows)) {
		result = hand_out_misnamed(store, rows, walk);
		if (result != 0) {
			return result;
		}
		(void)snprintf(walk->place, 24, "_%" PRId64,
		               (int64_t)sqlite3_column_int64(rows, 0));
		walk->has_more = --walk->looks == 0 || walk->has_more;
		if (walk->has_more) {
			return 0;
		}
	}
	return result;
}

int store_password_each(struct store *store, char place[static 24], uint32_t limit, int64_t now,
                        store_password_fn *row, void *data, bool *ret_has_more)
{
	struct walk walk = {
		.now = now, .left = limit, .live = true, .place = place, .row = row, .data = data
	};
	int64_t number = INT64_MIN;
	bool behind_named = read_number_name(place, &number);
	int result = db_ready(store);

	if (result == 0 && !behind_named) {
		number = INT64_MIN;
		result = walk_named(store, &walk);
	}
	if (result == 0 && !walk.has_more) {
		result = walk_misnamed(store, number, &walk);
	}
	*ret_has_more = walk.has_more;
	return result;
}

int store_password_each_expired(struct store *store, int64_t now, uint32_t limit,
                                store_password_fn *row, void *data)
{
	struct walk walk = { .now = now, .left = limit, .named = true, .row = row, .data = data };
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
