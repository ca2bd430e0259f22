/* SPDX-License-Identifier: MIT */
/*
 * What is refused, and that it stays as it was: each case spoils a sound store in one way, opens it
 * in every way there is, and compares file, journal and directory afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sparekey.h"
#include "store/db.h"
#include "tests/support/store_files.h"

static void patch(const struct store_files *files, off_t offset, const void *bytes, size_t size)
{
	int fd = open(files->path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, offset), size);
	(void)close(fd);
}

static void emptied(const struct store_files *files)
{
	assert_int_equal(truncate(files->path, 0), 0);
}

static void a_text(const struct store_files *files)
{
	store_files_write(files->path, "hello\n", 6);
}

static void a_long_text(const struct store_files *files)
{
	char text[5000];

	memset(text, 'x', sizeof(text));
	store_files_write(files->path, text, sizeof(text));
}

static void zeroed(const struct store_files *files)
{
	char zeros[8192] = { 0 };

	store_files_write(files->path, zeros, sizeof(zeros));
}

static void cut_within_the_header(const struct store_files *files)
{
	assert_int_equal(truncate(files->path, 50), 0);
}

static void cut_within_a_page(const struct store_files *files)
{
	assert_int_equal(truncate(files->path, 4096 + 100), 0);
}

static void cut_at_a_page(const struct store_files *files)
{
	assert_int_equal(truncate(files->path, 4096), 0);
}

static void newer(const struct store_files *files)
{
	static const char version[] = { 0, 0, 0, DB_VERSION + 1 };

	patch(files, 60, version, sizeof(version));
}

static void much_newer(const struct store_files *files)
{
	patch(files, 60, "\xff\xff\xff\xff", 4);
}

static void without_version(const struct store_files *files)
{
	patch(files, 60, "\0\0\0\0", 4);
}

static void of_another_program(const struct store_files *files)
{
	patch(files, 68, "\x0f\x05\x51\x12", 4);
}

static void a_plain_database(const struct store_files *files)
{
	assert_int_equal(unlink(files->path), 0);
	store_files_sql(files, "CREATE TABLE password (id)");
	assert_int_equal(chmod(files->path, 0600), 0);
}

static void in_utf16(const struct store_files *files)
{
	patch(files, 56, "\0\0\0\2", 4);
}

static void of_no_page_size(const struct store_files *files)
{
	patch(files, 16, "\x10\x01", 2);
}

static void switched_to_wal(const struct store_files *files)
{
	store_files_sql(files, "PRAGMA journal_mode = WAL");
}

static void with_a_wal_file(const struct store_files *files)
{
	store_files_write(store_files_name(files, "sparekey.db-wal"), "x", 1);
}

static void with_a_trigger(const struct store_files *files)
{
	store_files_sql(files,
	                "CREATE TRIGGER t AFTER INSERT ON password BEGIN DELETE FROM event; END");
}

static void with_a_view(const struct store_files *files)
{
	store_files_sql(files, "CREATE VIEW v AS SELECT * FROM password");
}

static void with_a_virtual_table(const struct store_files *files)
{
	store_files_sql(files, "CREATE VIRTUAL TABLE w USING fts5(a)");
}

static void with_a_virtual_table_of_an_unknown_module(const struct store_files *files)
{
	store_files_sql(files,
	                "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES"
	                " ('table', 'w', 'w', 0, 'CREATE VIRTUAL TABLE w USING unheard(a)')");
}

static void with_an_index_on_our_table(const struct store_files *files)
{
	store_files_sql(files, "CREATE UNIQUE INDEX i ON password (account)");
}

static void with_a_table_dropped(const struct store_files *files)
{
	store_files_sql(files, "DROP TABLE event");
}

static void with_an_index_dropped(const struct store_files *files)
{
	store_files_sql(files, "DROP INDEX password_id");
}

static void with_a_column_dropped(const struct store_files *files)
{
	store_files_sql(files, "ALTER TABLE event DROP COLUMN reason");
}

static void with_a_null_hash_allowed(const struct store_files *files)
{
	store_files_sql(
		files,
		"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET"
		" sql = replace(sql, 'hash TEXT NOT NULL', 'hash TEXT') WHERE name = 'password'");
}

static void without_strictness(const struct store_files *files)
{
	store_files_sql(files, "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET"
	                       " sql = replace(sql, ' STRICT', '') WHERE name = 'password'");
}

static void with_a_schema_that_is_no_sql(const struct store_files *files)
{
	store_files_sql(files,
	                "PRAGMA writable_schema = ON;"
	                "UPDATE sqlite_schema SET sql = 'CREATE TABLE (' WHERE name = 'event'");
}

static void with_a_spoilt_first_page(const struct store_files *files)
{
	char bytes[200];

	memset(bytes, 0xa5, sizeof(bytes));
	patch(files, 100, bytes, sizeof(bytes));
}

static void readable_by_all(const struct store_files *files)
{
	assert_int_equal(chmod(files->path, 0666), 0);
}

static void readable_by_the_group(const struct store_files *files)
{
	assert_int_equal(chmod(files->path, 0640), 0);
}

static void in_an_open_directory(const struct store_files *files)
{
	assert_int_equal(chmod(files->directory, 0755), 0);
}

static void behind_a_link(const struct store_files *files)
{
	assert_int_equal(rename(files->path, store_files_name(files, "elsewhere")), 0);
	assert_int_equal(symlink("elsewhere", files->path), 0);
}

static void behind_a_link_to_nothing(const struct store_files *files)
{
	assert_int_equal(unlink(files->path), 0);
	assert_int_equal(symlink("nowhere", files->path), 0);
}

static void a_fifo(const struct store_files *files)
{
	assert_int_equal(unlink(files->path), 0);
	assert_int_equal(mkfifo(files->path, 0600), 0);
}

static void a_directory(const struct store_files *files)
{
	assert_int_equal(unlink(files->path), 0);
	assert_int_equal(mkdir(files->path, 0700), 0);
}

static void with_an_open_journal(const struct store_files *files)
{
	assert_int_equal(chmod(store_files_name(files, "sparekey.db-journal"), 0644), 0);
}

static void with_a_linked_journal(const struct store_files *files)
{
	const char *journal = store_files_name(files, "sparekey.db-journal");

	assert_int_equal(unlink(journal), 0);
	assert_int_equal(symlink("elsewhere", journal), 0);
}

static void of_another_owner(const struct store_files *files)
{
	assert_int_equal(chown(files->path, 65534, 65534), 0);
}

static void in_a_directory_of_another_owner(const struct store_files *files)
{
	assert_int_equal(chown(files->directory, 65534, 65534), 0);
}

static void foreign_with_a_hot_journal(const struct store_files *files)
{
	/* A journal header with one page, as a killed writer leaves it: SQLite would write it back.
	 */
	unsigned char journal[512] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 1 };

	store_files_write(store_files_name(files, "sparekey.db-journal"), journal, sizeof(journal));
	of_another_program(files);
}

static const struct spoiling {
	const char *name;
	void (*spoil)(const struct store_files *files);
	int result;
	const char *says;
	bool as_root;
} spoilings[] = {
	{ "emptied", emptied, -EUCLEAN, "emptied", false },
	{ "a text", a_text, -EPERM, "not a store", false },
	{ "a long text", a_long_text, -EPERM, "not a store", false },
	{ "zeroed", zeroed, -EPERM, "not a store", false },
	{ "cut within the header", cut_within_the_header, -EUCLEAN, "cut off", false },
	{ "cut within a page", cut_within_a_page, -EUCLEAN, "damaged", false },
	{ "cut at a page", cut_at_a_page, -EUCLEAN, "damaged", false },
	{ "newer", newer, -EPERM, "newer", false },
	{ "much newer", much_newer, -EPERM, "newer", false },
	{ "without version", without_version, -EUCLEAN, "header", false },
	{ "of another program", of_another_program, -EPERM, "another program", false },
	{ "a plain database", a_plain_database, -EPERM, "another program", false },
	{ "in UTF-16", in_utf16, -EUCLEAN, "header", false },
	{ "of no page size", of_no_page_size, -EUCLEAN, "header", false },
	{ "switched to WAL", switched_to_wal, -EPERM, "WAL", false },
	{ "with a WAL file", with_a_wal_file, -EPERM, "-wal", false },
	{ "with a trigger", with_a_trigger, -EPERM, "trigger 't'", false },
	{ "with a view", with_a_view, -EPERM, "view 'v'", false },
	{ "with a virtual table", with_a_virtual_table, -EPERM, "virtual table 'w'", false },
	{ "with an unknown module", with_a_virtual_table_of_an_unknown_module, -EPERM,
	  "virtual table 'w'", false },
	{ "with an index", with_an_index_on_our_table, -EPERM, "index 'i'", false },
	{ "table dropped", with_a_table_dropped, -EUCLEAN, "'event' is missing", false },
	{ "index dropped", with_an_index_dropped, -EUCLEAN, "'password_id' is missing", false },
	{ "column dropped", with_a_column_dropped, -EUCLEAN, "'event' is damaged", false },
	{ "NULL hash allowed", with_a_null_hash_allowed, -EUCLEAN, "'password' is damaged", false },
	{ "not strict", without_strictness, -EUCLEAN, "'password' is damaged", false },
	{ "schema that is no SQL", with_a_schema_that_is_no_sql, -EUCLEAN, "damaged", false },
	{ "first page spoilt", with_a_spoilt_first_page, -EUCLEAN, "damaged", false },
	{ "mode 0666", readable_by_all, -EPERM, "chmod 600", false },
	{ "mode 0640", readable_by_the_group, -EPERM, "chmod 600", false },
	{ "directory 0755", in_an_open_directory, -EPERM, "chmod 700", false },
	{ "link", behind_a_link, -EPERM, "symbolic link", false },
	{ "dangling link", behind_a_link_to_nothing, -EPERM, "symbolic link", false },
	{ "FIFO", a_fifo, -EPERM, "FIFO", false },
	{ "directory", a_directory, -EPERM, "directory", false },
	{ "journal 0644", with_an_open_journal, -EPERM, "db-journal", false },
	{ "journal link", with_a_linked_journal, -EPERM, "db-journal", false },
	{ "hot journal", foreign_with_a_hot_journal, -EPERM, "another program", false },
	{ "other owner", of_another_owner, -EPERM, "uid 65534", true },
	{ "directory of another owner", in_a_directory_of_another_owner, -EPERM, "uid 65534",
	  true },
};

/* Names, kinds, rights and bytes of all that is in the directory. */
static void describe(const struct store_files *files, char *ret_text, size_t size)
{
	struct dirent **entries = NULL;
	int count = scandir(files->directory, &entries, NULL, alphasort);
	size_t length = 0;

	for (int i = 0; i < count; i++) {
		const char *path = store_files_name(files, entries[i]->d_name);
		struct stat status;
		unsigned long sum = 0;

		assert_int_equal(lstat(path, &status), 0);
		if (S_ISREG(status.st_mode)) {
			size_t bytes = 0;
			unsigned char *content = store_files_read(path, &bytes);

			for (size_t at = 0; at < bytes; at++) {
				sum = sum * 31 + content[at];
			}
			free(content);
		}
		length += (size_t)snprintf(
			ret_text + length, size - length, "%s %o %lld %lx %lld.%ld\n",
			entries[i]->d_name, status.st_mode, (long long)status.st_size, sum,
			(long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
		free(entries[i]);
	}
	free(entries);
}

static void assert_refused(const struct store_files *files, const struct spoiling *spoiling)
{
	struct store_password password;
	struct store *store = NULL;

	assert_int_equal(store_new(files->directory, &store), 0);
	if (store_open(store) != spoiling->result) {
		fail_msg("%s: %d: %s", spoiling->name, store_open(store), store_refusal(store));
	}
	assert_int_equal(store_make(store), spoiling->result);
	assert_int_equal(store_begin(store), spoiling->result);
	assert_int_equal(store_begin_revocation(store), spoiling->result);
	assert_int_equal(store_password_get(store, "00000", &password), spoiling->result);
	if (strstr(store_refusal(store), files->directory) == NULL ||
	    strstr(store_refusal(store), spoiling->says) == NULL ||
	    strchr(store_refusal(store), ';') == NULL ||
	    strchr(store_refusal(store), '\n') != NULL) {
		fail_msg("%s: %s", spoiling->name, store_refusal(store));
	}
	store_free(store);
}

static void check(const struct spoiling *spoiling)
{
	char before[2048] = "";
	char after[2048] = "";
	struct store *store;
	void *state = NULL;
	struct store_files *files;

	assert_int_equal(store_files_setup(&state), 0);
	files = state;
	store = store_files_make(files);
	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	store_free(store);
	spoiling->spoil(files);
	describe(files, before, sizeof(before));
	assert_refused(files, spoiling);
	describe(files, after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(store_files_teardown(&state), 0);
}

static void a_spoilt_store_is_refused_and_left_as_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spoilings) / sizeof(spoilings[0]); i++) {
		if (!spoilings[i].as_root || geteuid() == 0) {
			check(&spoilings[i]);
		}
	}
}

static void refusals_end_when_the_cause_does(void **state)
{
	const struct store_files *files = *state;
	struct store *store = store_files_make(files);

	store_free(store);
	assert_int_equal(chmod(files->path, 0644), 0);
	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_open(store), -EPERM);
	assert_int_equal(chmod(files->path, 0600), 0);
	assert_int_equal(store_open(store), 0);
	assert_string_equal(store_refusal(store), "");
	store_free(store);
}

static void a_directory_that_cannot_be_one_is_refused(void **state)
{
	struct store_files *files = *state;
	struct store *store = NULL;
	char text[8192];

	store_files_write(files->directory, "x", 1);
	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_open(store), -EPERM);
	assert_non_null(strstr(store_refusal(store), files->directory));
	assert_int_equal(store_make(store), -EPERM);
	store_free(store);
	memset(text, 'x', sizeof(text) - 1);
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(store_new(text, &store), 0);
	assert_int_equal(store_open(store), -EPERM);
	assert_int_equal(store_make(store), -EPERM);
	store_free(store);
}

/* Every single bit of the header: refused with a text and left alone, or of no consequence. */
static void any_flipped_bit_in_the_header_is_refused_or_harmless(void **state)
{
	const struct store_files *files = *state;
	struct store_password password;
	struct store *store = store_files_make(files);
	unsigned char *sound;
	size_t size = 0;

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	store_free(store);
	sound = store_files_read(files->path, &size);
	for (unsigned int bit = 0; bit < 800; bit++) {
		unsigned char *after;
		size_t after_size = 0;
		int result;

		sound[bit / 8] ^= (unsigned char)(1u << bit % 8);
		patch(files, 0, sound, 100);
		assert_int_equal(store_new(files->directory, &store), 0);
		result = store_password_get(store, "00000", &password);
		if (result != 0 && (result != -EPERM && result != -EUCLEAN)) {
			fail_msg("bit %u: %d", bit, result);
		}
		if (result != 0 && strstr(store_refusal(store), files->path) == NULL) {
			fail_msg("bit %u: %d '%s'", bit, result, store_refusal(store));
		}
		store_free(store);
		after = store_files_read(files->path, &after_size);
		assert_int_equal(after_size, size);
		assert_memory_equal(after, sound, size);
		free(after);
		sound[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	free(sound);
}

/* Run as somebody without privileges where we are root, for whom rights do not count. */
static int in_child(int (*body)(const struct store_files *files), const struct store_files *files)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		_exit(geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0) ? 99
		                                                                   : body(files));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int read_but_not_write(const struct store_files *files)
{
	struct store_password password;
	struct store *store = NULL;
	bool as_told;

	if (store_new(files->directory, &store) != 0) {
		return 98;
	}
	as_told = store_password_get(store, "00000", &password) == 0 &&
	          store_begin(store) == -EROFS && store_begin_revocation(store) == -EROFS &&
	          store_password_get(store, "00000", &password) == 0 &&
	          chmod(files->path, 0600) == 0 && store_files_insert(store, "00001", "B") == 0;
	store_free(store);
	return as_told ? 0 : 97;
}

static void a_store_that_may_only_be_read_is_read(void **state)
{
	const struct store_files *files = *state;
	struct store *store = store_files_make(files);

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	store_free(store);
	assert_int_equal(chmod(files->path, 0400), 0);
	if (geteuid() == 0) {
		assert_int_equal(chmod(files->root, 0711), 0);
		assert_int_equal(chown(files->directory, 65534, 65534), 0);
		assert_int_equal(chown(files->path, 65534, 65534), 0);
		assert_int_equal(
			chown(store_files_name(files, "sparekey.db-journal"), 65534, 65534), 0);
		assert_int_equal(chown(store_files_name(files, "sparekey.reserve"), 65534, 65534),
		                 0);
	}
	assert_int_equal(in_child(read_but_not_write, files), 0);
}

static int make_in_a_closed_place(const struct store_files *files)
{
	struct store *store = NULL;
	int result;

	if (store_new(files->directory, &store) != 0) {
		return 98;
	}
	result = store_make(store);
	store_free(store);
	return result == -EROFS ? 0 : 97;
}

static void making_where_nothing_may_be_written_says_so(void **state)
{
	const struct store_files *files = *state;

	assert_int_equal(chmod(files->root, 0555), 0);
	assert_int_equal(in_child(make_in_a_closed_place, files), 0);
	assert_int_equal(chmod(files->root, 0700), 0);
}

static void a_store_on_a_read_only_file_system_is_read(void **state)
{
	const struct store_files *files = *state;
	struct store *store;
	struct store_password password;

	store = store_files_make(files);
	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	store_free(store);
	if (geteuid() != 0 || mount(files->directory, files->directory, "", MS_BIND, NULL) != 0) {
		skip();
	}
	assert_int_equal(mount("", files->directory, "", MS_BIND | MS_REMOUNT | MS_RDONLY, NULL),
	                 0);
	store = store_files_open(files);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_int_equal(store_begin(store), -EROFS);
	assert_int_equal(store_begin_revocation(store), -EROFS);
	store_free(store);
	assert_int_equal(umount(files->directory), 0);
}

static int64_t number_in(sqlite3 *db, const char *sql)
{
	int64_t number = -1;

	assert_int_equal(db_number(db, sql, &number), 0);
	return number;
}

static void an_older_file_is_upgraded_step_by_step_or_not_at_all(void **state)
{
	static const char *const steps[] = { "CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y",
		                             "CREATE TABLE b (x)", "no sql" };
	const struct store_files *files = *state;
	sqlite3 *db = NULL;

	assert_int_equal(mkdir(files->directory, 0700), 0);
	store_files_write(files->path, "", 0);
	assert_int_equal(db_connect(files->path, &db), 0);
	assert_int_equal(schema_upgrade(db, steps, 1), 0);
	assert_int_equal(number_in(db, "PRAGMA user_version"), 1);
	assert_int_equal(schema_upgrade(db, steps, 4), -EUCLEAN);
	assert_int_equal(number_in(db, "PRAGMA user_version"), 1);
	assert_int_equal(number_in(db, "SELECT count(*) FROM sqlite_schema"), 1);
	assert_int_equal(schema_upgrade(db, steps, 3), 0);
	assert_int_equal(schema_upgrade(db, steps, 3), 0);
	assert_int_equal(number_in(db, "PRAGMA user_version"), 3);
	assert_int_equal(number_in(db, "SELECT count(y) FROM a"), 0);
	assert_int_equal(schema_upgrade(db, steps, 2), -EPERM);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spoilt_store_is_refused_and_left_as_it_is),
		TEST(refusals_end_when_the_cause_does),
		TEST(a_directory_that_cannot_be_one_is_refused),
		TEST(any_flipped_bit_in_the_header_is_refused_or_harmless),
		TEST(a_store_that_may_only_be_read_is_read),
		TEST(making_where_nothing_may_be_written_says_so),
		TEST(a_store_on_a_read_only_file_system_is_read),
		TEST(an_older_file_is_upgraded_step_by_step_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
