/* SPDX-License-Identifier: MIT */
/*
 * Rows that cannot be right: each is handed out as damaged with what is sound in it, can be deleted
 * by the name it is given, and disturbs no other row. The damage is done with the rules of the
 * table lifted, as by a program that edits the schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

static const struct damage {
	const char *sql; /* what is done to row 2, "00002" */
	const char *name;
} damages[] = {
	{ "hash = NULL", "00002" },
	{ "hash = x'00ff'", "00002" },
	{ "hash = ''", "00002" },
	{ "hash = printf('%.*c', 1048576, 'x')", "00002" },
	{ "hash = printf('%.*c', 128, 'x')", "00002" },
	{ "hash = '$argon2id' || char(0) || 'x'", "00002" },
	{ "label = ''", "00002" },
	{ "label = NULL", "00002" },
	{ "label = CAST(x'c0af' AS TEXT)", "00002" },
	{ "label = CAST(x'eda080' AS TEXT)", "00002" },
	{ "label = CAST(x'f4908080' AS TEXT)", "00002" },
	{ "label = CAST(x'c3' AS TEXT)", "00002" },
	{ "label = 'a' || char(27) || '[2J'", "00002" },
	{ "label = 'a' || char(127)", "00002" },
	{ "label = printf('%.*c', 256, 'x')", "00002" },
	{ "account = x'61'", "00002" },
	{ "scopes = 'imap;rm'", "00002" },
	{ "scopes = 'IMAP,,'", "00002" },
	{ "scopes = x''", "00002" },
	{ "state = 0", "00002" },
	{ "state = 3", "00002" },
	{ "state = 4", "00002" },
	{ "state = 4294967297", "00002" },
	{ "state = 'active'", "00002" },
	{ "created_at = -1", "00002" },
	{ "expires_at = -1", "00002" },
	{ "expires_at = 'never'", "00002" },
	{ "expires_at = NULL", "00002" },
	{ "expires_at = 1, hash = NULL", "00002" },
	{ "last_used_at = 1.5", "00002" },
	{ "last_used_scope = printf('%.*c', 33, 'x')", "00002" },
	{ "last_used_from = NULL", "00002" },
	{ "use_count = -1", "00002" },
	{ "use_count = 'many'", "00002" },
	{ "version = 0", "00002" },
	{ "version = NULL", "00002" },
	{ "id = NULL", "_2" },
	{ "id = ''", "_2" },
	{ "id = '0000'", "_2" },
	{ "id = 'ILOUx'", "_2" },
	{ "id = '00002' || char(0)", "_2" },
	{ "id = x'3030303032'", "_2" },
	{ "id = x'ff'", "_2" },
	{ "id = 'zzzzzzz'", "_2" },
	{ "id = '_2'", "_2" },
};

struct seen {
	unsigned int sound;
	unsigned int damaged;
	struct store_password password; /* the last damaged one */
};

static int look(void *data, const struct store_password *password)
{
	struct seen *seen = data;

	if (password->state == STORE_STATE_DAMAGED) {
		seen->damaged++;
		seen->password = *password;
	} else {
		seen->sound++;
	}
	return 0;
}

static void assert_one_damaged(struct store *store, const struct damage *damage)
{
	struct seen seen = { .sound = 0 };
	struct store_password password;
	uint32_t count = 0;

	assert_int_equal(store_files_each(store, "", 0, 5000, look, &seen), 0);
	if (seen.sound != 2 || seen.damaged != 1 || strcmp(seen.password.id, damage->name) != 0) {
		fail_msg("%s: %u, %u, '%s'", damage->sql, seen.sound, seen.damaged,
		         seen.password.id);
	}
	assert_int_equal(store_password_count(store, 5000, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(store_password_get(store, damage->name, &password), 0);
	assert_memory_equal(&password, &seen.password, sizeof(password));
	assert_int_equal(store_password_get(store, "00001", &password), 0);
	assert_int_equal(password.state, STORE_STATE_ACTIVE);
	seen.damaged = 0;
	assert_int_equal(store_password_each_expired(store, 5000, 0, look, &seen), 0);
	assert_int_equal(seen.damaged, 0);
}

static void check(const struct damage *damage)
{
	struct store_use use = { .id = "00002", .scope = "imap", .at = 5, .count = 1 };
	char sql[256];
	void *state = NULL;
	struct store *store;
	struct store_files *files;
	uint32_t count = 0;

	assert_int_equal(store_files_setup(&state), 0);
	files = state;
	store = store_files_make(files);
	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	assert_int_equal(store_files_insert(store, "00003", "C"), 0);
	store_free(store);
	(void)snprintf(sql, sizeof(sql), "UPDATE password SET %s WHERE number = 2", damage->sql);
	store_files_sql_lawless(files, sql);
	store = store_files_open(files);
	assert_one_damaged(store, damage);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_use_add(store, &use), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_files_delete(store, damage->name), 0);
	assert_int_equal(store_password_count(store, 5000, &count), 0);
	assert_int_equal(count, 2);
	store_free(store);
	assert_int_equal(store_files_teardown(&state), 0);
}

static void a_damaged_row_is_shown_and_can_be_deleted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		check(&damages[i]);
	}
}

static void what_is_sound_in_a_damaged_row_is_kept(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password;
	char id[24];

	assert_int_equal(store_files_insert(store, "00001", "Phone"), 0);
	store_free(store);
	store_files_sql_lawless(*state, "UPDATE password SET hash = NULL, id = 7");
	store = store_files_open(*state);
	assert_int_equal(store_password_find(store, "phone", NULL, 0, id), 0);
	assert_string_equal(id, "_1");
	assert_int_equal(store_password_get(store, id, &password), 0);
	assert_string_equal(password.label, "Phone");
	assert_string_equal(password.hash, "");
	assert_int_equal(store_password_get(store, "_01", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "_+1", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "_ 1", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "_2", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "_", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "_99999999999999999999", &password),
	                 SPAREKEY_UNKNOWN_OBJECT);
	store_free(store);
}

/* What would be read as damaged is not written in the first place. */
static void a_record_that_would_be_damaged_is_not_written(void **state)
{
	struct store *store = store_files_make(*state);
	const struct store_password sound = store_files_record("00001", "A");
	struct store_password bad[14];
	struct store_password password;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bad[i] = sound;
	}
	memcpy(bad[0].id, "0000", 5);
	memcpy(bad[1].id, "_1", 3);
	bad[2].label[0] = '\0';
	memcpy(bad[3].label, "a\nb", 4);
	memcpy(bad[4].label, "\xff", 2);
	memcpy(bad[5].account, "\x1b[2J", 5);
	bad[6].hash[0] = '\0';
	memcpy(bad[7].hash, "$\xc3", 3);
	memcpy(bad[8].last_used_from, "\x7f", 2);
	bad[9].state = STORE_STATE_DAMAGED;
	bad[10].state = (enum store_state)0;
	bad[11].expires_at = -1;
	bad[12].created_at = -1;
	bad[13].use_count = (uint64_t)INT64_MAX + 1;
	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_begin(store), 0);
		assert_int_equal(store_password_update(store, &bad[i]), -EINVAL);
		assert_int_equal(store_password_delete(store, "00001"), 0);
		assert_int_equal(store_password_insert(store, &bad[i]), -EINVAL);
		store_rollback(store);
		assert_int_equal(store_password_get(store, "00001", &password), 0);
		assert_int_equal(password.version, 1);
	}
	store_free(store);
}

static int keep_last(void *data, const struct store_password *password)
{
	memcpy(data, password->id, sizeof(password->id));
	return 0;
}

static void paging_by_one_meets_every_row_once(void **state)
{
	static const char *const expected[] = { "00001", "00004", "00005", "_2", "_3", "_3" };
	struct store *store = store_files_make(*state);
	char after[24] = "";

	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	assert_int_equal(store_files_insert(store, "00003", "C"), 0);
	assert_int_equal(store_files_insert(store, "00004", "D"), 0);
	assert_int_equal(store_files_insert(store, "00005", "E"), 0);
	store_free(store);
	store_files_sql_lawless(*state, "UPDATE password SET id = '00003!' WHERE number = 3;"
	                                "UPDATE password SET id = x'00' WHERE number = 2");
	store = store_files_open(*state);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		char id[24];

		memcpy(id, after, sizeof(id));
		assert_int_equal(store_files_each(store, after, 1, 0, keep_last, id), 0);
		assert_string_equal(id, expected[i]);
		memcpy(after, id, sizeof(id));
	}
	store_free(store);
}

/* What SQL and what C call a well-formed id must be the same, or a row is in neither walk. */
static void a_row_with_any_letter_in_its_id_is_met_once(void **state)
{
	struct store *store = store_files_make(*state);
	struct seen seen = { .sound = 0 };

	store_free(store);
	store_files_sql(
		*state,
		"WITH RECURSIVE n(c) AS (SELECT 1 UNION ALL SELECT c + 1 FROM n WHERE c < 300)"
		" INSERT INTO password SELECT c, '0000' || char(c), 'A', 'a', '', '', 'x', 1,"
		" 0, 0, 0, '', '', 0, 1 FROM n");
	store = store_files_open(*state);
	assert_int_equal(store_files_each(store, "", 0, 0, look, &seen), 0);
	assert_int_equal(seen.sound, 32);
	assert_int_equal(seen.damaged, 300 - 32);
	store_free(store);
}

static int count_uses(void *data, const char *scope, uint64_t count)
{
	(void)scope;
	(void)count;
	++*(unsigned int *)data;
	return 0;
}

static void uses_of_a_misnamed_row_are_read_and_deleted(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_use use = { .id = "00001", .scope = "imap", .at = 5, .count = 1 };
	unsigned int count = 0;

	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_use_add(store, &use), 0);
	assert_int_equal(store_commit(store), 0);
	store_free(store);
	store_files_sql_lawless(*state, "UPDATE password SET id = 'bad'");
	store_files_sql(*state, "INSERT INTO password_use VALUES (1, 'smtp', -1), (1, '', 1)");
	store = store_files_open(*state);
	assert_int_equal(store_use_each(store, "_1", count_uses, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(store_files_delete(store, "_1"), 0);
	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_use_each(store, "00001", count_uses, &count), 0);
	assert_int_equal(count, 1);
	store_free(store);
}

static int look_at_event(void *data, const struct store_event *event)
{
	*(struct store_event *)data = *event;
	return 0;
}

static void a_damaged_journal_line_is_left_empty_where_it_is_damaged(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_event event = {
		.kind = "created", .id = "00001", .label = "A", .time = 5, .count = 3
	};

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_event_append(store, &event, NULL), 0);
	assert_int_equal(store_commit(store), 0);
	store_free(store);
	store_files_sql(*state, "UPDATE event SET label = printf('%.*c', 9999, 'x'), count = -1,"
	                        " remote = 'a' || char(10)");
	store = store_files_open(*state);
	assert_int_equal(store_files_events(store, 0, 0, "", 1, look_at_event, &event), 0);
	assert_string_equal(event.kind, "created");
	assert_string_equal(event.label, "");
	assert_string_equal(event.remote, "");
	assert_int_equal(event.count, 0);
	store_free(store);
}

/* Any byte anywhere in the file: never a crash, never a row that was not there. */
static void any_spoilt_byte_gives_rows_or_a_clear_error(void **state)
{
	const struct store_files *files = *state;
	struct store *store = store_files_make(files);
	unsigned char *sound;
	size_t size = 0;

	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	store_free(store);
	sound = store_files_read(files->path, &size);
	for (size_t at = 100; at < size; at += 29) {
		struct seen seen = { .sound = 0 };
		int result;

		sound[at] ^= 0x55;
		store_files_write(files->path, sound, size);
		assert_int_equal(store_new(files->directory, &store), 0);
		result = store_files_each(store, "", 0, 0, look, &seen);
		if (result != 0 && result != -EUCLEAN && result != -EPERM) {
			fail_msg("byte %zu: %d", at, result);
		}
		assert_true(seen.sound + seen.damaged <= 2);
		store_free(store);
		sound[at] ^= 0x55;
	}
	free(sound);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_row_is_shown_and_can_be_deleted),
		TEST(what_is_sound_in_a_damaged_row_is_kept),
		TEST(a_record_that_would_be_damaged_is_not_written),
		TEST(paging_by_one_meets_every_row_once),
		TEST(a_row_with_any_letter_in_its_id_is_met_once),
		TEST(uses_of_a_misnamed_row_are_read_and_deleted),
		TEST(a_damaged_journal_line_is_left_empty_where_it_is_damaged),
		TEST(any_spoilt_byte_gives_rows_or_a_clear_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
