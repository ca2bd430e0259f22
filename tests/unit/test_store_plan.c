/* SPDX-License-Identifier: MIT */
/*
 * How the store uses SQLite: the switches in force, the way each statement goes through the tables,
 * what that costs with many rows, and what is left of what was deleted. What is counted here does
 * not depend on how fast or busy the machine is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparekey.h"
#include "store/db.h"
#include "tests/support/store_files.h"

#define MANY 20000u

static void assert_switch(struct store *store, int option, int wanted)
{
	int value = -1;

	assert_int_equal(sqlite3_db_config(store->db, option, -1, &value), SQLITE_OK);
	assert_int_equal(value, wanted);
}

static void assert_number(struct store *store, const char *sql, int64_t wanted)
{
	int64_t number = -1;

	assert_int_equal(db_number(store->db, sql, &number), 0);
	assert_int_equal(number, wanted);
}

static void assert_switches(struct store *store)
{
	sqlite3_stmt *mode = NULL;
	char text[16] = "";

	assert_number(store, "PRAGMA synchronous", 3); /* EXTRA */
	assert_number(store, "PRAGMA secure_delete", 1);
	assert_number(store, "PRAGMA cell_size_check", 1);
	assert_number(store, "PRAGMA trusted_schema", 0);
	assert_number(store, "PRAGMA temp_store", 2); /* MEMORY */
	assert_number(store, "PRAGMA application_id", DB_APPLICATION_ID);
	assert_number(store, "PRAGMA user_version", DB_VERSION);
	assert_switch(store, SQLITE_DBCONFIG_DEFENSIVE, 1);
	assert_switch(store, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0);
	assert_switch(store, SQLITE_DBCONFIG_ENABLE_VIEW, 0);
	assert_switch(store, SQLITE_DBCONFIG_DQS_DML, 0);
	assert_switch(store, SQLITE_DBCONFIG_DQS_DDL, 0);
	assert_int_equal(sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, -1), 0);
	assert_int_equal(sqlite3_prepare_v2(store->db, "PRAGMA journal_mode", -1, &mode, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(mode), SQLITE_ROW);
	assert_true(row_text(mode, 0, 1, sizeof text - 1, text));
	assert_string_equal(text, "persist");
	assert_int_equal(sqlite3_finalize(mode), SQLITE_OK);
}

static void the_switches_are_in_force(void **state)
{
	struct store *store = store_files_make(*state);

	assert_switches(store);
	store_free(store);
	store = store_files_open(*state);
	assert_switches(store);
	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	assert_switches(store);
	store_free(store);
}

/* The plan of a statement, its steps divided by " | ". */
static void plan(struct store *store, const char *sql, char *ret_text, size_t size)
{
	char explain[2048];
	sqlite3_stmt *rows = NULL;
	size_t length = 0;

	ret_text[0] = '\0';
	(void)snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
	assert_int_equal(sqlite3_prepare_v2(store->db, explain, -1, &rows, NULL), SQLITE_OK);
	while (sqlite3_step(rows) == SQLITE_ROW) {
		char step[200];

		assert_true(row_text(rows, 3, 1, sizeof step - 1, step));
		length += (size_t)snprintf(ret_text + length, size - length, "%s%s",
		                           length > 0 ? " | " : "", step);
	}
	assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
}

static void every_search_goes_by_an_index(void **state)
{
	struct store *store = store_files_make(*state);

	for (unsigned int which = DB_PASSWORD_COUNT; which < DB_STATEMENTS; which++) {
		char text[1000];

		plan(store, sql_text(which), text, sizeof text);
		assert_null(strstr(text, "TEMP B-TREE"));
		if (which == DB_PASSWORD_COUNT) { /* all of the smallest index */
			assert_non_null(strstr(text, "USING COVERING INDEX"));
		} else if (strstr(text, "SCAN event") != NULL ||
		           strstr(text, "SCAN password") != NULL) {
			fail_msg("%s: %s", sql_text(which), text);
		}
	}
	store_free(store);
}

static void fill(struct store *store, unsigned int from, unsigned int count)
{
	assert_int_equal(store_begin(store), 0);
	for (unsigned int i = from; i < from + count; i++) {
		char id[24];
		struct store_password password;

		(void)snprintf(id, sizeof id, "%05u", i);
		password = store_files_record(id, id);
		password.expires_at = 1000000 + i;
		assert_int_equal(store_password_insert(store, &password), 0);
	}
	assert_int_equal(store_commit(store), 0);
}

static int stop_at_ten(void *data, const struct store_password *password)
{
	unsigned int *count = data;

	(void)password;
	return ++*count == 10 ? 77 : 0;
}

static int steps_of(struct store *store, enum db_statement which)
{
	return sqlite3_stmt_status(store->statements[which], SQLITE_STMTSTATUS_VM_STEP, 1);
}

/* Asks each question once, of what lies in the middle. */
static void ask(struct store *store, unsigned int count, int ret_steps[static 6])
{
	struct store_password password;
	unsigned int seen = 0;
	char id[24];
	int64_t at = 0;
	uint32_t live = 0;

	(void)snprintf(id, sizeof id, "%05u", count / 2);
	assert_int_equal(store_password_get(store, id, &password), 0);
	assert_int_equal(store_password_find(store, id, NULL, 0, id), 0);
	assert_int_equal(store_files_each(store, id, 5, 0, stop_at_ten, &seen), 0);
	assert_int_equal(seen, 5);
	seen = 0;
	assert_int_equal(store_password_each_expired(store, INT64_MAX, 0, stop_at_ten, &seen), 77);
	assert_int_equal(store_next_expiry(store, 1000000 + count / 2, &at), 0);
	assert_int_equal(at, 1000000 + count / 2 + 1);
	assert_int_equal(store_password_count(store, 1000002, &live), 0);
	assert_int_equal(live, count - 3);
	ret_steps[0] = steps_of(store, DB_PASSWORD_GET);
	ret_steps[1] = steps_of(store, DB_PASSWORD_FIND);
	ret_steps[2] = steps_of(store, DB_PASSWORD_EACH);
	ret_steps[3] = steps_of(store, DB_PASSWORD_EACH_EXPIRED);
	ret_steps[4] = steps_of(store, DB_PASSWORD_NEXT_EXPIRY);
	ret_steps[5] = steps_of(store, DB_PASSWORD_COUNT);
}

static void questions_cost_the_same_with_many_rows(void **state)
{
	struct store *store = store_files_make(*state);
	int few[6];
	int many[6];

	fill(store, 0, 20);
	ask(store, 20, few);
	fill(store, 20, MANY - 20);
	ask(store, MANY, many);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(many[i], few[i]);
		assert_true(few[i] > 0);
	}
	store_free(store);
}

static int ignore_event(void *data, const struct store_event *event)
{
	(void)data;
	(void)event;
	return 0;
}

/* The greatest number of steps one part of a walk takes. */
#define STEPS_A_PART 100000

static void assert_part(struct store *store, enum db_statement which)
{
	int steps = store->statements[which] != NULL ? steps_of(store, which) : 0;

	if (steps > STEPS_A_PART) {
		fail_msg("%d steps: %s", steps, sql_text(which));
	}
}

/* However many rows there are behind one another of which none is asked for. */
static void no_part_of_a_walk_goes_far(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_event event = { .time = 5, .kind = "verified", .id = "00001", .count = 1 };
	unsigned int seen = 0;
	unsigned int parts = 0;
	int64_t before = INT64_MAX;
	bool has_more = true;
	char place[24] = "";

	fill(store, 0, MANY);
	assert_int_equal(store_begin(store), 0);
	for (unsigned int i = 0; i < MANY; i++) {
		assert_int_equal(store_event_append(store, &event, NULL), 0);
	}
	assert_int_equal(store_commit(store), 0);
	/* All have expired. */
	for (; has_more; parts++) {
		assert_int_equal(store_password_each(store, place, 10, INT64_MAX, stop_at_ten,
		                                     &seen, &has_more),
		                 0);
		assert_part(store, DB_PASSWORD_EACH);
		assert_part(store, DB_PASSWORD_EACH_NUMBER);
	}
	assert_in_range(parts, 10, MANY);
	/* All are too old. */
	for (parts = 0, has_more = true; has_more; parts++) {
		assert_int_equal(store_event_each(store, 6, &before, parts % 2 == 0 ? "" : "00001",
		                                  10, ignore_event, NULL, &has_more),
		                 0);
		assert_part(store, DB_EVENT_EACH);
		assert_part(store, DB_EVENT_EACH_OF);
	}
	assert_in_range(parts, 5, MANY);
	assert_int_equal(seen, 0);
	store_free(store);
}

static bool holds(const char *path, const char *needle)
{
	size_t size = 0;
	unsigned char *bytes = store_files_read(path, &size);
	bool found = memmem(bytes, size, needle, strlen(needle)) != NULL;

	free(bytes);
	return found;
}

/* The file keeps nothing of a deleted row, nor of a hash that was renewed. */
static void nothing_deleted_is_left_in_the_file(void **state)
{
	const struct store_files *files = *state;
	struct store *store = store_files_make(files);
	struct store_password password = store_files_record("00001", "NeedleLabel");
	struct store_use use = { .id = "00001", .scope = "needlescope", .at = 1, .count = 1 };

	(void)snprintf(use.from, sizeof use.from, "NeedleSource");
	(void)snprintf(password.hash, sizeof password.hash, "$argon2id$NeedleHash1");
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_insert(store, &password), 0);
	assert_int_equal(store_use_add(store, &use), 0);
	assert_int_equal(store_commit(store), 0);
	assert_true(holds(files->path, "NeedleLabel"));
	assert_true(holds(files->path, "NeedleHash1"));
	assert_true(holds(files->path, "NeedleSource"));
	(void)snprintf(password.hash, sizeof password.hash, "$argon2id$v=19$NeedleHash2");
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_update(store, &password), 0);
	assert_int_equal(store_commit(store), 0);
	assert_false(holds(files->path, "NeedleHash1"));
	assert_true(holds(files->path, "NeedleHash2"));
	assert_int_equal(store_files_delete(store, "00001"), 0);
	assert_false(holds(files->path, "Needle"));
	assert_false(holds(files->path, "needle"));
	store_free(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_switches_are_in_force),
		TEST(every_search_goes_by_an_index),
		TEST(questions_cost_the_same_with_many_rows),
		TEST(no_part_of_a_walk_goes_far),
		TEST(nothing_deleted_is_left_in_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
