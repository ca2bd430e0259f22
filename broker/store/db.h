/* SPDX-License-Identifier: MIT */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/store.h"

/*
 * What the files of the store share, and nobody else sees: the connection, its kept statements, and
 * the steps of opening. Results are those of store.h.
 */
#define DB_FILE "sparekey.db"
#define DB_JOURNAL DB_FILE "-journal"
#define DB_WAL DB_FILE "-wal"
#define DB_TEMPORARY "sparekey.new-" /* and six random characters: a store being made */
#define DB_RESERVE "sparekey.reserve"
#define DB_RESERVE_BYTES 262144
#define DB_REFUSAL_BYTES 6144u

#define DB_APPLICATION_ID 0x53704b79 /* "SpKy" */
#define DB_VERSION 2

/* Statements are prepared at their first use and kept until the file is closed. */
enum db_statement {
	DB_BEGIN = 0,
	DB_COMMIT,
	DB_ROLLBACK,
	DB_SCHEMA_COOKIE,
	DB_PASSWORD_COUNT,
	DB_PASSWORD_GET,
	DB_PASSWORD_GET_NUMBER,
	DB_PASSWORD_FIND,
	DB_PASSWORD_EACH,
	DB_PASSWORD_EACH_NUMBER,
	DB_PASSWORD_EACH_EXPIRED,
	DB_PASSWORD_NEXT_EXPIRY,
	DB_PASSWORD_INSERT,
	DB_PASSWORD_UPDATE,
	DB_PASSWORD_DELETE,
	DB_PASSWORD_USED,
	DB_USE_EACH,
	DB_USE_ADD,
	DB_USE_DELETE,
	DB_EVENT_APPEND,
	DB_EVENT_EACH,
	DB_EVENT_EACH_OF,
	DB_OWNER_GET,
	DB_OWNER_PUT,
	DB_OWNER_DELETE,
	DB_CODE_EACH,
	DB_CODE_INSERT,
	DB_CODE_USE,
	DB_CODE_DELETE,
	DB_ERASE_EVENTS,
	DB_ERASE_USES,
	DB_ERASE_PASSWORDS,
	DB_STATEMENTS,
};

/* What the file said when the records kept were read. */
struct recent_stamp {
	unsigned char header[24];
};

#define RECENT_RECORDS 32u

struct recent {
	bool is_usable;             /* the file system shows what others have written */
	struct recent_stamp before; /* the question that is under way */
	bool is_stamped;            /* `before` is known */
	struct recent_stamp stamp;  /* of everything kept */
	struct store_password
		*records[RECENT_RECORDS]; /* owned; id "": worth nothing, state 0: there was none */
};

/* The last of what this transaction has written, by which it is known again. */
struct doubt {
	struct store_password password; /* id "": none; state 0: deleted */
	struct store_owner owner;       /* hash "": none */
	int64_t serial;                 /* of an event; 0: none */
};

struct store {
	char *directory; /* owned, as named by the caller */
	char *path;      /* owned, directory/sparekey.db */
	sqlite3 *db;     /* NULL: not open */
	sqlite3_stmt *statements[DB_STATEMENTS];
	dev_t device; /* of the file that was opened */
	ino_t inode;
	int64_t schema_cookie; /* of the schema that was checked */
	unsigned int walks;    /* rows are being handed out: the file must stay open */
	bool writing;          /* between begin and commit */
	bool revoking;
	struct recent recent;
	struct doubt doubt;
	int failed; /* why this transaction can only be rolled back */
	char refusal[DB_REFUSAL_BYTES];
};

/* db.c */

/* A result of SQLite as one of ours. -EEXIST: a value that must be unique is there; -EINVAL:
 * another constraint. */
int db_result(sqlite3 *db, int code);
/* An errno of a file operation as one of ours. */
int db_errno(int error);
/* Notes the text of a refusal and returns `result`. */
int db_refuse(struct store *store, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Opens a file that exists, with the switches that need no reading. The caller closes `ret_db` with
 * sqlite3_close. */
int db_connect(const char *path, sqlite3 **ret_db);
int db_exec(sqlite3 *db, const char *sql);
/* The first column of the first row. */
int db_number(sqlite3 *db, const char *sql, int64_t *ret_number);

/* Checks and opens the file; the store must not be open. */
int db_open(struct store *store);
void db_close(struct store *store);
/* Opens it if need be; -ESTALE if it was open and is no longer the file in its place. */
int db_ready(struct store *store);
/* As db_ready, for what may only be done between begin and commit (-EINVAL otherwise). */
int db_ready_to_write(struct store *store);

/* A kept statement, reset and ready for binding; -EINVAL if it is in use (a row function that calls
 * back). */
int db_prepare(struct store *store, enum db_statement which, sqlite3_stmt **ret_statement);
/* 1: a row; 0: done; or a failure, which within a transaction also marks it as failed (constraints
 * do not). */
int db_step(struct store *store, sqlite3_stmt *statement);
/* Prepares and runs one that takes no values and gives no rows. */
int db_run(struct store *store, enum db_statement which);
void db_reset(sqlite3_stmt **statement);

#define DB_AUTO __attribute__((cleanup(db_reset))) sqlite3_stmt *

/* Binds text that outlives the statement's reset. */
int db_bind_text(sqlite3_stmt *statement, int index, const char *text);

/* sql.c */
const char *sql_text(enum db_statement which);

/* header.c */
struct header_file {
	dev_t device;
	ino_t inode;
	nlink_t links;
};

/* Opens the directory after checking owner and rights; the caller closes it.
 * SPAREKEY_NOT_INITIALIZED: there is none. */
int header_directory(struct store *store, int *ret_fd);
/* Checks directory, journal file, file and header without SQLite; leaves nothing open. */
int header_check(struct store *store, struct header_file *ret_file);

/* make.c */

/* Removes what makers that were killed have left, unless one is at work. */
void make_clean(struct store *store);

/* schema.c */

/* Runs steps[version..count-1] on the file and sets user_version to `count`, in one transaction. */
int schema_upgrade(sqlite3 *db, const char *const steps[], int count);
/* The same with the steps of this version. */
int schema_make(sqlite3 *db);
/* Checks that the schema is ours and nothing in it acts by itself, upgrades it, remembers its
 * cookie. */
int schema_check(struct store *store);
/* Within a transaction: checks again if somebody has changed the schema since. */
int schema_recheck(struct store *store);

/* row.c */

/* Whether text is what a column of ours may hold: UTF-8 without control characters. */
bool row_text_sound(const void *bytes, size_t length);
/* Copies a column if it is TEXT of `least` to `most` bytes, UTF-8 without control characters;
 * `ret_text` holds most + 1. */
bool row_text(sqlite3_stmt *row, int column, size_t least, size_t most, char *ret_text);
/* Takes a column if it is an INTEGER of at least `least`. */
bool row_number(sqlite3_stmt *row, int column, int64_t least, int64_t *ret_number);

/* password.c */

/* Reads a row of any statement that gives whole records; what is damaged is left empty. */
void password_load(sqlite3_stmt *row, struct store_password *ret_password);
bool password_live(const struct store_password *password, int64_t now);
/* The row number behind an id or "_N". SPAREKEY_UNKNOWN_OBJECT. */
int password_number(struct store *store, const char *id, int64_t *ret_number);

/* recent.c */

/* The file was just opened, is about to be closed. */
void recent_open(struct store *store);
void recent_close(struct store *store);
/* After db_ready, before reading: whether it is known what was there, and nothing was committed
 * since; then 0 and the record, or SPAREKEY_UNKNOWN_OBJECT. */
bool recent_get(struct store *store, const char *id, struct store_password *ret_password,
                int *ret_result);
/* After reading: keeps the record, or, NULL, that there is none. */
void recent_keep(struct store *store, const char *id, const struct store_password *password);

/* doubt.c */
void doubt_begin(struct store *store);
void doubt_written(struct store *store, const struct store_password *password);
void doubt_deleted(struct store *store, const char *id);
void doubt_owner(struct store *store, const struct store_owner *owner);
void doubt_event(struct store *store, int64_t serial);
/* After a commit that failed with `result`: 0 if it is done and on the disk all the same, else
 * `result`. Opens the file anew. */
int doubt_settle(struct store *store, int result);

/* reserve.c */

/* Gives the reserve back to the file system, if it is there. */
void reserve_free(struct store *store);
/* The same if the file system has less room than the reserve's size. */
void reserve_free_if_full(struct store *store);
/* Makes it if it is not there; a disk too full for it is no error. */
void reserve_make(struct store *store);

#endif
