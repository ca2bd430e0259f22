/* SPDX-License-Identifier: MIT */
/*
 * The tables, how a file of an older version gets them, and whether a file has them and nothing
 * that acts. Loop thread.
 *
 * Every store, a new one too, comes about by the same steps, so the text SQLite keeps of each table
 * is the text below and is compared as a whole: a dropped NOT NULL, a generated column or a CHECK
 * put in by somebody else shows. Other plain tables are let be. Refused: triggers, views and
 * virtual tables even if harmless, for they run when we write; repairing a schema. The row number
 * and not the id joins uses to passwords, so that a row whose id is damaged can still be deleted
 * whole.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"

/* As SQLite writes them: "CREATE TABLE name", no blank before the bracket. */
#define PASSWORD                                                                                   \
	"CREATE TABLE password("                                                                   \
	"number INTEGER PRIMARY KEY, id TEXT NOT NULL, label TEXT NOT NULL, "                      \
	"label_key TEXT NOT NULL, account TEXT NOT NULL, scopes TEXT NOT NULL, "                   \
	"hash TEXT NOT NULL, state INTEGER NOT NULL, created_at INTEGER NOT NULL, "                \
	"expires_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL, "                             \
	"last_used_scope TEXT NOT NULL, last_used_from TEXT NOT NULL, "                            \
	"use_count INTEGER NOT NULL, version INTEGER NOT NULL) STRICT"
#define PASSWORD_BY_ID "CREATE UNIQUE INDEX password_id ON password(id)"
#define PASSWORD_BY_LABEL "CREATE INDEX password_label ON password(label_key, account)"
#define PASSWORD_BY_EXPIRY "CREATE INDEX password_expiry ON password(expires_at)"
#define PASSWORD_USE                                                                               \
	"CREATE TABLE password_use("                                                               \
	"password INTEGER NOT NULL, scope TEXT NOT NULL, count INTEGER NOT NULL, "                 \
	"PRIMARY KEY (password, scope)) STRICT, WITHOUT ROWID"
#define EVENT                                                                                      \
	"CREATE TABLE event("                                                                      \
	"serial INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, "                        \
	"kind TEXT NOT NULL, password TEXT NOT NULL, label TEXT NOT NULL, "                        \
	"scope TEXT NOT NULL, remote TEXT NOT NULL, account TEXT NOT NULL, "                       \
	"reason TEXT NOT NULL, count INTEGER NOT NULL, mistyped_group INTEGER NOT NULL) STRICT"
#define EVENT_BY_PASSWORD "CREATE INDEX event_password ON event(password)"

#define OWNER                                                                                      \
	"CREATE TABLE owner("                                                                      \
	"number INTEGER PRIMARY KEY, hash TEXT NOT NULL, sealed BLOB NOT NULL, "                   \
	"step INTEGER NOT NULL) STRICT"
#define RECOVERY_CODE                                                                              \
	"CREATE TABLE recovery_code("                                                              \
	"number INTEGER PRIMARY KEY, hash TEXT NOT NULL, used_at INTEGER NOT NULL) STRICT"

#define TEXT_OF(value) #value
#define NUMBER_OF(value) TEXT_OF(value)

static const char *const steps[DB_VERSION] = {
	PASSWORD ";" PASSWORD_BY_ID ";" PASSWORD_BY_LABEL ";" PASSWORD_BY_EXPIRY ";" PASSWORD_USE
		 ";" EVENT ";" EVENT_BY_PASSWORD ";"
		 "PRAGMA application_id = " NUMBER_OF(DB_APPLICATION_ID) ";",
	OWNER ";" RECOVERY_CODE ";",
};

/* What a file of this version holds. */
static const struct object {
	const char *name;
	const char *sql;
} objects[] = {
	{ "password", PASSWORD },
	{ "password_id", PASSWORD_BY_ID },
	{ "password_label", PASSWORD_BY_LABEL },
	{ "password_expiry", PASSWORD_BY_EXPIRY },
	{ "password_use", PASSWORD_USE },
	{ "event", EVENT },
	{ "event_password", EVENT_BY_PASSWORD },
	{ "owner", OWNER },
	{ "recovery_code", RECOVERY_CODE },
};

#define OBJECTS (sizeof(objects) / sizeof(objects[0]))

static int run_steps(sqlite3 *db, const char *const texts[], int count)
{
	char text[64];
	int64_t version = 0;
	int result = db_number(db, "PRAGMA user_version", &version);

	if (result == 0 && (version < 0 || version > count)) {
		return -EPERM;
	}
	for (int64_t i = version; i < count && result == 0; i++) {
		result = db_exec(db, texts[i]);
	}
	if (result == 0) {
		(void)snprintf(text, sizeof(text), "PRAGMA user_version = %d", count);
		result = db_exec(db, text);
	}
	return result;
}

int schema_upgrade(sqlite3 *db, const char *const texts[], int count)
{
	/* Another process may have been quicker: the version counts that is read under the lock. */
	int result = db_exec(db, "BEGIN EXCLUSIVE");

	if (result != 0) {
		return result;
	}
	result = run_steps(db, texts, count);
	if (result == 0) {
		result = db_exec(db, "COMMIT");
	}
	if (result != 0 && sqlite3_get_autocommit(db) == 0) {
		(void)db_exec(db, "ROLLBACK");
	}
	return result;
}

int schema_make(sqlite3 *db)
{
	return schema_upgrade(db, steps, DB_VERSION);
}

static int refuse_object(struct store *store, sqlite3_stmt *row)
{
	char type[16] = "object";
	char name[64] = "?";

	(void)row_text(row, 0, 1, sizeof(type) - 1, type);
	(void)row_text(row, 1, 1, sizeof(name) - 1, name);
	return db_refuse(store, -EPERM,
	                 "%s: another program has put %s '%s' into it; put back a backup, or "
	                 "remove that with sqlite3",
	                 store->path, type, name);
}

/* Everything that is neither a table nor an index with a place in the file, and indexes of others
 * on our tables. */
static int check_foreign(struct store *store)
{
	sqlite3_stmt *rows = NULL;
	int result = 0;
	int code = sqlite3_prepare_v2(
		store->db,
		"SELECT CASE WHEN sql LIKE 'create virtual%' THEN 'virtual table' ELSE type END, "
		"name"
		" FROM sqlite_schema WHERE type NOT IN ('table', 'index')"
		" OR typeof(rootpage) <> 'integer' OR rootpage < 2"
		" OR (type = 'index' AND tbl_name IN"
		" ('password', 'password_use', 'event', 'owner', 'recovery_code')"
		" AND sql IS NOT NULL AND name NOT IN"
		" ('password_id', 'password_label', 'password_expiry', 'event_password')) LIMIT 1",
		-1, &rows, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(rows);
		result = code == SQLITE_ROW ? refuse_object(store, rows)
		                            : db_result(store->db, code);
	} else {
		result = db_result(store->db, code);
	}
	(void)sqlite3_finalize(rows);
	return result;
}

/* 0: the row is the object as we make it. */
static int compare_object(struct store *store, sqlite3_stmt *row, const struct object *object)
{
	const void *sql = sqlite3_column_blob(row, 1);
	size_t length = (size_t)sqlite3_column_bytes(row, 1);

	if (sql == NULL || length != strlen(object->sql) || memcmp(sql, object->sql, length) != 0) {
		return db_refuse(store, -EUCLEAN,
		                 "%s: the definition of '%s' is damaged; put back a backup, or "
		                 "move it away to start anew",
		                 store->path, object->name);
	}
	return 0;
}

/* Compares a row if it is one of ours; the others are let be. */
static int check_object(struct store *store, sqlite3_stmt *row, bool is_there[static OBJECTS])
{
	char name[32];

	if (!row_text(row, 0, 1, sizeof(name) - 1, name)) {
		return 0;
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		if (strcmp(objects[i].name, name) == 0) {
			is_there[i] = true;
			return compare_object(store, row, &objects[i]);
		}
	}
	return 0;
}

/* All by one question, since each is a transaction with its locks. */
static int check_objects(struct store *store)
{
	bool is_there[OBJECTS] = { false };
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(store->db, "SELECT name, sql FROM sqlite_schema", -1, &row,
	                              NULL);
	int result = 0;

	while (result == 0 && code == SQLITE_OK && (code = sqlite3_step(row)) == SQLITE_ROW) {
		result = check_object(store, row, is_there);
		code = SQLITE_OK;
	}
	if (result == 0 && code != SQLITE_DONE) {
		result = db_result(store->db, code);
	}
	(void)sqlite3_finalize(row);
	for (size_t i = 0; i < OBJECTS && result == 0; i++) {
		if (!is_there[i]) {
			result = db_refuse(store, -EUCLEAN,
			                   "%s: '%s' is missing in it; put back a backup, or move "
			                   "it away to start anew",
			                   store->path, objects[i].name);
		}
	}
	return result;
}

static int check_version(struct store *store)
{
	int64_t version = 0;
	int result = db_number(store->db, "PRAGMA user_version", &version);

	if (result != 0 || version == DB_VERSION) {
		return result;
	}
	if (version > DB_VERSION) {
		return db_refuse(store, -EPERM,
		                 "%s: has been taken over by a newer Sparekey; update Sparekey",
		                 store->path);
	}
	return store->writing ? -EUCLEAN : schema_upgrade(store->db, steps, DB_VERSION);
}

int schema_check(struct store *store)
{
	int result = check_foreign(store);

	if (result == 0) {
		result = check_version(store);
	}
	if (result == 0) {
		result = check_objects(store);
	}
	if (result == 0) {
		result = db_number(store->db, "PRAGMA schema_version", &store->schema_cookie);
	}
	return result;
}

int schema_recheck(struct store *store)
{
	int64_t cookie = 0;
	int result;
	{
		DB_AUTO row = NULL;

		result = db_prepare(store, DB_SCHEMA_COOKIE, &row);
		if (result == 0) {
			result = db_step(store, row);
		}
		if (result == 1) {
			cookie = sqlite3_column_int64(row, 0);
			result = 0;
		}
	}
	if (result != 0 || cookie == store->schema_cookie) {
		return result;
	}
	return schema_check(store);
}
