/* SPDX-License-Identifier: MIT */
/*
 * Records kept between two questions: never older than the last commit, whoever made it. Another
 * program's connection stands for another process: SQLite's locks tell them apart the same way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

#define NFS_MAGIC 0x6969

static bool is_remote;

int __real_statfs(const char *path, struct statfs *status);
int __wrap_statfs(const char *path, struct statfs *status);

int __wrap_statfs(const char *path, struct statfs *status)
{
	int result = __real_statfs(path, status);

	if (is_remote) {
		status->f_type = NFS_MAGIC;
	}
	return result;
}

static sqlite3 *open_as_another(const struct store_files *files)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(files->path, &db), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void check_label(struct store *store, const char *label)
{
	struct store_password password;

	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_string_equal(password.label, label);
}

static struct store *make_with_one(const struct store_files *files)
{
	struct store *store = store_files_make(files);

	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	check_label(store, "A");
	return store;
}

/* That it is kept at all: it is there while another holds the lock, and what the other has written
 * and not committed is not. */
static void what_was_read_needs_no_lock(void **state)
{
	struct store *store = make_with_one(*state);
	sqlite3 *other = open_as_another(*state);

	run(other, "BEGIN EXCLUSIVE; UPDATE password SET label = 'B'");
	check_label(store, "A");
	run(other, "COMMIT");
	check_label(store, "B");
	run(other, "BEGIN EXCLUSIVE; UPDATE password SET label = 'C'");
	check_label(store, "B");
	run(other, "ROLLBACK");
	check_label(store, "B");
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_free(store);
}

static void every_commit_counts_at_once(void **state)
{
	struct store *store = make_with_one(*state);
	sqlite3 *other = open_as_another(*state);
	struct store_password password;
	char label[16];
	char sql[80];

	for (unsigned int i = 0; i < 300; i++) {
		(void)snprintf(label, sizeof label, "label %u", i);
		(void)snprintf(sql, sizeof sql, "UPDATE password SET label = '%s'", label);
		run(other, sql);
		check_label(store, label);
		check_label(store, label);
	}
	run(other, "DELETE FROM password");
	assert_int_equal(store_password_get(store, "00000", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_free(store);
}

/* A row that was kept longer than another one is not older than it. */
static void all_that_is_kept_is_of_one_moment(void **state)
{
	struct store *store = make_with_one(*state);
	sqlite3 *other = open_as_another(*state);
	struct store_password password;

	assert_int_equal(store_files_insert(store, "00001", "Z"), 0);
	check_label(store, "A");
	run(other, "UPDATE password SET label = label || '2'");
	assert_int_equal(store_password_get(store, "00001", &password), 0);
	assert_string_equal(password.label, "Z2");
	check_label(store, "A2");
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_free(store);
}

static void what_was_not_there_is_found_once_it_is(void **state)
{
	struct store *store = make_with_one(*state);
	struct store *two = store_files_open(*state);
	struct store_password password;
	sqlite3 *other = open_as_another(*state);

	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(store_password_get(store, "00001", &password),
		                 SPAREKEY_UNKNOWN_OBJECT);
	}
	run(other, "BEGIN EXCLUSIVE");
	assert_int_equal(store_password_get(store, "00001", &password), SPAREKEY_UNKNOWN_OBJECT);
	run(other, "ROLLBACK");
	assert_int_equal(store_files_insert(two, "00001", "Late"), 0);
	assert_int_equal(store_password_get(store, "00001", &password), 0);
	assert_string_equal(password.label, "Late");
	assert_int_equal(store_files_delete(two, "00001"), 0);
	assert_int_equal(store_password_get(store, "00001", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_free(two);
	store_free(store);
}

/* A commit in WAL mode leaves the counter in the header as it was. */
/* Two hundred ids, so that every place is met: what was kept there is worth nothing after a commit,
 * and is then not found by the name that says so. */
static void the_empty_id_is_nobodys(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password;
	char id[24];

	for (unsigned int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "%05u", i);
		assert_int_equal(store_files_insert(store, id, id), 0);
		assert_int_equal(store_password_get(store, id, &password), 0);
		assert_int_equal(store_files_delete(store, id), 0);
		assert_int_equal(store_password_get(store, "zzzzz", &password),
		                 SPAREKEY_UNKNOWN_OBJECT);
		assert_int_equal(store_password_get(store, "", &password), SPAREKEY_UNKNOWN_OBJECT);
	}
	store_free(store);
}

static void in_wal_mode_nothing_is_kept(void **state)
{
	struct store *store = make_with_one(*state);
	sqlite3 *other = open_as_another(*state);

	run(other, "PRAGMA journal_mode = WAL");
	check_label(store, "A");
	run(other, "UPDATE password SET label = 'B'");
	check_label(store, "B");
	run(other, "UPDATE password SET label = 'C'");
	check_label(store, "C");
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_free(store);
}

static void a_transaction_sees_what_it_has_written(void **state)
{
	struct store *store = make_with_one(*state);
	struct store_password password;

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	(void)snprintf(password.label, sizeof password.label, "B");
	assert_int_equal(store_password_update(store, &password), 0);
	check_label(store, "B");
	store_rollback(store);
	check_label(store, "A");
	assert_int_equal(store_files_delete(store, "00000"), 0);
	assert_int_equal(store_password_get(store, "00000", &password), SPAREKEY_UNKNOWN_OBJECT);
	store_free(store);
}

/* There a read may be older than what another machine has written: the lock is what brings it up to
 * date. */
static void on_another_machines_disk_nothing_is_kept(void **state)
{
	struct store_password password;
	struct store *store = NULL;
	sqlite3 *other = NULL;

	is_remote = true;
	store = make_with_one(*state);
	other = open_as_another(*state);
	run(other, "BEGIN EXCLUSIVE");
	assert_int_equal(store_password_get(store, "00000", &password), -EBUSY);
	is_remote = false;
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	store_free(store);
}

#define ON_FILES(test)                                                                             \
	cmocka_unit_test_setup_teardown(test, store_files_setup, store_files_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FILES(what_was_read_needs_no_lock),
		ON_FILES(every_commit_counts_at_once),
		ON_FILES(all_that_is_kept_is_of_one_moment),
		ON_FILES(what_was_not_there_is_found_once_it_is),
		ON_FILES(the_empty_id_is_nobodys),
		ON_FILES(in_wal_mode_nothing_is_kept),
		ON_FILES(a_transaction_sees_what_it_has_written),
		ON_FILES(on_another_machines_disk_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
