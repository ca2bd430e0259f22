/* SPDX-License-Identifier: MIT */
/*
 * A plain SQLite insert and commit: committer FILE, then lines of `insert LABEL`. FILE is a copy of
 * a store, so that schema and size are the broker's, opened in its mode: PERSIST, EXTRA,
 * secure_delete. What is inserted is one line of the journal.
 */
#include <sqlite3.h>

#include "bench/command.h"

#define INSERT                                                                                     \
	"INSERT INTO event (time, kind, password, label, scope, remote, account, reason, count,"   \
	" mistyped_group) VALUES (1, 'revoked', 'k7mq3', ?1, '', '', '', '', 0, 0)"

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		give_up(sqlite3_errmsg(db));
	}
}

int main(int argc, char **argv)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *insert = NULL;
	char line[512];
	const char *word[COMMAND_WORDS];

	if (argc != 2 || sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		give_up("committer FILE");
	}
	run(db,
	    "PRAGMA secure_delete = ON; PRAGMA journal_mode = PERSIST; PRAGMA synchronous = EXTRA");
	if (sqlite3_prepare_v2(db, INSERT, -1, &insert, NULL) != SQLITE_OK) {
		give_up(sqlite3_errmsg(db));
	}
	while (next_command(line, word)) {
		uint64_t start = now_ns();

		run(db, "BEGIN EXCLUSIVE");
		sqlite3_bind_text(insert, 1, word[1], -1, SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE) {
			give_up(sqlite3_errmsg(db));
		}
		sqlite3_reset(insert);
		run(db, "COMMIT");
		answer(start, 1, "");
	}
	sqlite3_finalize(insert);
	sqlite3_close(db);
	return 0;
}
