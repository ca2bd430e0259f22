/* SPDX-License-Identifier: MIT */
/*
 * The connection to SQLite: opening with the switches we rely on, kept statements, and what its
 * results mean to us. Owned by the store, loop thread only.
 *
 * Refused: a busy timeout, which sleeps; mmap, where an I/O error is a signal; WAL, which lost
 * acknowledged commits in simulated power losses and cannot delete on a full disk; a second
 * descriptor on the file for looking at it, because closing it would drop SQLite's POSIX locks - so
 * the file is watched by path, with lstat.
 */
#include "store/db.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int db_errno(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case EROFS:
	case EACCES:
	case EPERM:
		return -EROFS;
	case ENOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* The extended codes that mean something else than their class. */
static int extended_result(int code)
{
	switch (code) {
	case SQLITE_IOERR_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR_CORRUPTFS:
		return -EUCLEAN;
	case SQLITE_READONLY_DBMOVED:
		return -ESTALE;
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return -EEXIST;
	default:
		return 0;
	}
}

int db_result(sqlite3 *db, int code)
{
	int result = extended_result(code);

	if (result != 0) {
		return result;
	}
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return db_errno(db != NULL ? sqlite3_system_errno(db) : EIO);
	case SQLITE_CONSTRAINT:
	case SQLITE_MISUSE:
	case SQLITE_RANGE:
		return -EINVAL;
	default:
		/* CORRUPT, NOTADB, FORMAT; and ERROR, which to fixed statements means: not our
		 * schema. */
		return -EUCLEAN;
	}
}

int db_refuse(struct store *store, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(store->refusal, sizeof(store->refusal), format, arguments);
	va_end(arguments);
	return result;
}

/* None of these touches the file. */
static int harden(sqlite3 *db)
{
	static const struct {
		int option;
		int value;
	} switches[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },        { SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	int code = SQLITE_OK;

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]) && code == SQLITE_OK; i++) {
		code = sqlite3_db_config(db, switches[i].option, switches[i].value, NULL);
	}
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	if (code != SQLITE_OK) {
		return db_result(db, code);
	}
	return db_exec(db, "PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON;"
	                   "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0");
}

int db_connect(const char *path, sqlite3 **ret_db)
{
	sqlite3 *db = NULL;
	int code;
	int result;

	code = sqlite3_open_v2(path, &db,
	                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
	                               SQLITE_OPEN_EXRESCODE,
	                       NULL);
	result = code == SQLITE_OK ? harden(db) : db_result(db, code);
	if (result != 0) {
		(void)sqlite3_close(db);
		return result;
	}
	*ret_db = db;
	return 0;
}

int db_exec(sqlite3 *db, const char *sql)
{
	return db_result(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int db_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
	}
	if (code == SQLITE_ROW) {
		*ret_number = sqlite3_column_int64(statement, 0);
	}
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? -EUCLEAN : db_result(db, code);
}

/* What is read from or depends on the file. */
static int settle(struct store *store)
{
	char mode[16] = "";
	sqlite3_stmt *statement = NULL;
	int result;
	int code;

	/* The answer is the mode in force, which need not be the one asked for. */
	code = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = PERSIST", -1, &statement, NULL);
	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
	}
	if (code == SQLITE_ROW) {
		(void)row_text(statement, 0, 1, sizeof(mode) - 1, mode);
	}
	(void)sqlite3_finalize(statement);
	if (code != SQLITE_ROW) {
		return code == SQLITE_DONE ? -EIO : db_result(store->db, code);
	}
	if (strcmp(mode, "persist") != 0) {
		return -EIO;
	}
	result = db_exec(store->db, "PRAGMA synchronous = EXTRA");
	return result != 0 ? result : schema_check(store);
}

/* Whether the file is still the one in its place: 0 or -ESTALE. That it cannot be told is another
 * matter, for what is stale is opened anew and done again. */
static int in_place(const struct store *store)
{
	struct stat status;

	if (lstat(store->path, &status) != 0) {
		return errno == ENOENT || errno == ENOTDIR ? -ESTALE : db_errno(errno);
	}
	return status.st_dev == store->device && status.st_ino == store->inode ? 0 : -ESTALE;
}

/* SQLite takes no symbolic link in the directory's path, so it gets the real one. */
static int connect_file(struct store *store)
{
	char path[PATH_MAX];
	size_t length;

	if (realpath(store->directory, path) == NULL) {
		return db_errno(errno);
	}
	length = strlen(path);
	if (length + sizeof("/" DB_FILE) > sizeof(path)) {
		return -EIO;
	}
	memcpy(path + length, "/" DB_FILE, sizeof("/" DB_FILE));
	return db_connect(path, &store->db);
}

int db_open(struct store *store)
{
	struct header_file file;
	int result;

	store->refusal[0] = '\0';
	result = header_check(store, &file);
	if (result != 0) {
		return result;
	}
	if (file.links > 1) {
		make_clean(store);
	}
	store->device = file.device;
	store->inode = file.inode;
	result = connect_file(store);
	if (result == 0) {
		result = in_place(store);
	}
	if (result == 0) {
		result = settle(store);
	}
	if (result == 0) {
		recent_open(store);
	} else {
		db_close(store);
	}
	if (result == -EUCLEAN && store->refusal[0] == '\0') {
		return db_refuse(store, result,
		                 "%s: is damaged; put back a backup, or move it away to start anew",
		                 store->path);
	}
	return result;
}

void db_close(struct store *store)
{
	for (size_t i = 0; i < DB_STATEMENTS; i++) {
		(void)sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
	recent_close(store);
	(void)sqlite3_close(store->db);
	store->db = NULL;
}

int db_ready(struct store *store)
{
	if (store->db == NULL) {
		/* A transaction whose connection is gone must not go on in another one. */
		return store->writing ? -EINVAL : db_open(store);
	}
	return in_place(store);
}

int db_ready_to_write(struct store *store)
{
	int result;

	if (!store->writing) {
		return -EINVAL;
	}
	if (store->failed == 0) {
		result = db_ready(store);
		store->failed = result;
	}
	return store->failed;
}

/* Within a transaction nothing but rollback is left after this: SQLite may have rolled back by
 * itself, and what followed would be on its own. */
static int fail(struct store *store, int result)
{
	if (store->writing) {
		store->failed = result;
		if (store->revoking && result == -ENOSPC) {
			reserve_free(store);
		}
	}
	return result;
}

int db_prepare(struct store *store, enum db_statement which, sqlite3_stmt **ret_statement)
{
	int code;

	if (store->statements[which] == NULL) {
		code = sqlite3_prepare_v3(store->db, sql_text(which), -1, SQLITE_PREPARE_PERSISTENT,
		                          &store->statements[which], NULL);
		if (code != SQLITE_OK) {
			return fail(store, db_result(store->db, code));
		}
	}
	if (sqlite3_stmt_busy(store->statements[which]) != 0) {
		return -EINVAL;
	}
	*ret_statement = store->statements[which];
	return 0;
}

int db_step(struct store *store, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	int result = db_result(store->db, code);

	if (code == SQLITE_ROW) {
		return 1;
	}
	return result == 0 || (code & 0xff) == SQLITE_CONSTRAINT ? result : fail(store, result);
}

int db_run(struct store *store, enum db_statement which)
{
	DB_AUTO statement = NULL;
	int result = db_prepare(store, which, &statement);

	return result != 0 ? result : db_step(store, statement);
}

void db_reset(sqlite3_stmt **statement)
{
	if (*statement != NULL) {
		(void)sqlite3_reset(*statement);
		(void)sqlite3_clear_bindings(*statement);
	}
}

int db_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
	return sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}
