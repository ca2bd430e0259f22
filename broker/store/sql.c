/* SPDX-License-Identifier: MIT */
/*
 * The text of every statement the store keeps. Pure data, no owner, any thread.
 *
 * Liveness is not decided here: a damaged row is live whatever its columns say, and what is damaged
 * is decided where the row is read (password.c). Nor is how far a walk goes in one turn of the
 * loop. Sums are held below 2^63 by CASE, since SQLite would turn an overflow into a REAL, which a
 * STRICT table refuses. One password is read by its row number, or SQLite would take the id from
 * the index, which a hostile file may have say what it likes. Refused: text put together at run
 * time; a partial index over bad ids, which a hostile edit would not maintain.
 */
#include "store/db.h"

#define COLUMNS                                                                                    \
	"number, id, label, account, scopes, hash, state, created_at, expires_at, last_used_at, "  \
	"last_used_scope, last_used_from, use_count, version"
#define MOST "9223372036854775807"
#define ADD(column, more)                                                                          \
	"CASE WHEN " column " > " MOST " - " more " THEN " MOST " ELSE " column " + " more " END"
#define USE_COUNT ADD("use_count", "?5")
#define SCOPE_COUNT ADD("count", "excluded.count")
#define IF_LATER(then, otherwise)                                                                  \
	"CASE WHEN ?2 >= last_used_at THEN " then " ELSE " otherwise " END"
#define USED_SCOPE IF_LATER("?3", "last_used_scope")
#define USED_FROM IF_LATER("?4", "last_used_from")
#define EVENT_COLUMNS                                                                              \
	"serial, time, kind, password, label, scope, remote, account, reason, count, "             \
	"mistyped_group"

static const char *const texts[DB_STATEMENTS] = {
	[DB_BEGIN] = "BEGIN EXCLUSIVE",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_SCHEMA_COOKIE] = "PRAGMA schema_version",
	[DB_PASSWORD_COUNT] = "SELECT count(*) FROM password",
	[DB_PASSWORD_GET] = "SELECT " COLUMNS " FROM password"
			    " WHERE number = (SELECT number FROM password WHERE id = ?1)",
	[DB_PASSWORD_GET_NUMBER] = "SELECT " COLUMNS " FROM password WHERE number = ?1",
	[DB_PASSWORD_FIND] = "SELECT " COLUMNS " FROM password WHERE label_key = ?1"
			     " AND (?2 IS NULL OR account = ?2) ORDER BY account, number",
	[DB_PASSWORD_EACH] = "SELECT " COLUMNS " FROM password WHERE id > ?1 ORDER BY id",
	[DB_PASSWORD_EACH_NUMBER] = "SELECT " COLUMNS
				    " FROM password WHERE number > ?1 ORDER BY number",
	[DB_PASSWORD_EACH_EXPIRED] = "SELECT " COLUMNS " FROM password"
				     " WHERE expires_at > 0 AND expires_at <= ?1"
				     " ORDER BY expires_at, number",
	[DB_PASSWORD_NEXT_EXPIRY] = "SELECT min(expires_at) FROM password"
				    " WHERE expires_at > ?1 AND expires_at <= " MOST,
	[DB_PASSWORD_INSERT] =
		"INSERT INTO password (id, label, label_key, account, scopes, hash, state,"
		" created_at, expires_at, last_used_at, last_used_scope, last_used_from,"
		" use_count, version)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1)",
	[DB_PASSWORD_UPDATE] =
		"UPDATE password SET label = ?2, label_key = ?3, scopes = ?4, hash = ?5,"
		" state = ?6, expires_at = ?7, version = version + 1 WHERE id = ?1",
	[DB_PASSWORD_DELETE] = "DELETE FROM password WHERE number = ?1",
	[DB_PASSWORD_USED] = "UPDATE password SET use_count = " USE_COUNT
			     ", last_used_scope = " USED_SCOPE ", last_used_from = " USED_FROM
			     ", last_used_at = max(last_used_at, ?2)"
			     " WHERE number = ?1",
	[DB_USE_EACH] = "SELECT scope, count FROM password_use WHERE password = ?1 ORDER BY scope",
	[DB_USE_ADD] =
		"INSERT INTO password_use (password, scope, count) SELECT ?1, ?2, ?3 WHERE EXISTS"
		" (SELECT 1 FROM password_use WHERE password = ?1 AND scope = ?2)"
		" OR (SELECT count(*) FROM password_use WHERE password = ?1) < ?4"
		" ON CONFLICT (password, scope) DO UPDATE SET count = " SCOPE_COUNT,
	[DB_USE_DELETE] = "DELETE FROM password_use WHERE password = ?1",
	[DB_EVENT_APPEND] =
		"INSERT INTO event (time, kind, password, label, scope, remote, account,"
		" reason, count, mistyped_group)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[DB_EVENT_EACH] = "SELECT " EVENT_COLUMNS " FROM event WHERE serial < ?1"
			  " ORDER BY serial DESC",
	[DB_EVENT_EACH_OF] = "SELECT " EVENT_COLUMNS " FROM event WHERE password = ?2"
			     " AND serial < ?1 ORDER BY serial DESC",
	[DB_OWNER_GET] = "SELECT hash, sealed, step FROM owner WHERE number = 1",
	[DB_OWNER_PUT] = "INSERT INTO owner (number, hash, sealed, step) VALUES (1, ?1, ?2, ?3)"
			 " ON CONFLICT (number) DO UPDATE SET hash = excluded.hash,"
			 " sealed = excluded.sealed, step = excluded.step",
	[DB_OWNER_DELETE] = "DELETE FROM owner",
	[DB_CODE_EACH] = "SELECT number, hash, used_at FROM recovery_code ORDER BY number LIMIT 10",
	[DB_CODE_INSERT] = "INSERT INTO recovery_code (number, hash, used_at) VALUES (?1, ?2, 0)",
	[DB_CODE_USE] = "UPDATE recovery_code SET used_at = ?2 WHERE number = ?1 AND used_at = 0",
	[DB_CODE_DELETE] = "DELETE FROM recovery_code",
	[DB_ERASE_EVENTS] = "DELETE FROM event WHERE serial <"
			    " (SELECT min(serial) FROM event) + ?1",
	[DB_ERASE_USES] = "DELETE FROM password_use",
	[DB_ERASE_PASSWORDS] = "DELETE FROM password",
};

const char *sql_text(enum db_statement which)
{
	return texts[which];
}
