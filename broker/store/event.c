/* SPDX-License-Identifier: MIT */
/*
 * The journal: what happened, in order of serial numbers that never come back. Loop thread.
 *
 * Events name a password by the text of its id, since they outlive it. A damaged line is handed out
 * with what is damaged left empty. Refused: order by time, which the clock may turn back.
 */
#include <errno.h>

#include "store/db.h"

static int bind_event(sqlite3_stmt *statement, const struct store_event *event)
{
	const char *const texts[] = { event->kind,   event->id,      event->label, event->scope,
		                      event->remote, event->account, event->reason };
	int code = sqlite3_bind_int64(statement, 1, event->time);

	for (int i = 0; i < 7 && code == SQLITE_OK; i++) {
		code = db_bind_text(statement, 2 + i, texts[i]);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 9, event->count);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 10, event->group);
	}
	return code;
}

int store_event_append(struct store *store, const struct store_event *event, int64_t *ret_serial)
{
	DB_AUTO statement = NULL;
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = db_prepare(store, DB_EVENT_APPEND, &statement);
	}
	if (result == 0) {
		result = db_result(store->db, bind_event(statement, event));
	}
	if (result == 0) {
		result = db_step(store, statement);
	}
	if (result == 0) {
		int64_t serial = sqlite3_last_insert_rowid(store->db);

		doubt_event(store, serial);
		if (ret_serial != NULL) {
			*ret_serial = serial;
		}
	}
	return result;
}

static uint32_t small_number(sqlite3_stmt *row, int column)
{
	int64_t number = 0;

	return row_number(row, column, 0, &number) && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static void load(sqlite3_stmt *row, struct store_event *ret_event)
{
	*ret_event = (struct store_event){ .serial = sqlite3_column_int64(row, 0) };
	(void)row_number(row, 1, 0, &ret_event->time);
	(void)row_text(row, 2, 0, STORE_KIND_BYTES, ret_event->kind);
	(void)row_text(row, 3, 0, sizeof(ret_event->id) - 1, ret_event->id);
	(void)row_text(row, 4, 0, LIMIT_LABEL_BYTES, ret_event->label);
	(void)row_text(row, 5, 0, LIMIT_SCOPE_BYTES, ret_event->scope);
	(void)row_text(row, 6, 0, LIMIT_REMOTE_SHOWN_BYTES, ret_event->remote);
	(void)row_text(row, 7, 0, LIMIT_ACCOUNT_BYTES, ret_event->account);
	(void)row_text(row, 8, 0, STORE_REASON_BYTES, ret_event->reason);
	ret_event->count = small_number(row, 9);
	ret_event->group = small_number(row, 10);
}

/* Lines a part of a walk looks at, most of them at their time alone. */
#define LOOKS 2000u

struct walk {
	int64_t not_before;
	int64_t *before; /* the last one looked at */
	uint32_t left;   /* to be handed out; 0: no bound */
	bool has_more;   /* a bound was reached */
	store_event_fn *row;
	void *data;
};

/* A line whose time is damaged may be of any. */
static int hand_out(struct store *store, sqlite3_stmt *row, struct walk *walk)
{
	struct store_event event;
	int64_t time = 0;
	int result = 0;

	if (row_number(row, 1, 0, &time) && time < walk->not_before) {
		return 0;
	}
	load(row, &event);
	store->walks++;
	result = walk->row(walk->data, &event);
	store->walks--;
	walk->has_more = result == 0 && walk->left > 0 && --walk->left == 0;
	return result;
}

static int walk_rows(struct store *store, sqlite3_stmt *rows, struct walk *walk)
{
	unsigned int looks = 0;
	int result = db_step(store, rows);

	for (; result == 1; result = db_step(store, rows)) {
		result = hand_out(store, rows, walk);
		if (result != 0) {
			return result;
		}
		*walk->before = sqlite3_column_int64(rows, 0);
		walk->has_more = ++looks == LOOKS || walk->has_more;
		if (walk->has_more) {
			return 0;
		}
	}
	return result;
}

int store_event_each(struct store *store, int64_t not_before, int64_t *before, const char *id,
                     uint32_t limit, store_event_fn *row, void *data, bool *ret_has_more)
{
	struct walk walk = { not_before, before, limit, false, row, data };
	DB_AUTO rows = NULL;
	int result = db_ready(store);

	if (result == 0) {
		result = db_prepare(store, id[0] != '\0' ? DB_EVENT_EACH_OF : DB_EVENT_EACH, &rows);
	}
	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(rows, 1, *before));
	}
	if (result == 0 && id[0] != '\0') {
		result = db_result(store->db, db_bind_text(rows, 2, id));
	}
	if (result == 0) {
		result = walk_rows(store, rows, &walk);
	}
	*ret_has_more = walk.has_more;
	return result;
}
