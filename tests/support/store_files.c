/* SPDX-License-Identifier: MIT */
/*
 * Files for the tests of the store. One owner, the test. Refused: databases in memory, since what
 * is tested is what happens to files; the sqlite3 tool, which need not be installed.
 */
#include "tests/support/store_files.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int store_files_setup(void **state)
{
	struct store_files *files = calloc(1, sizeof(*files));

	if (files == NULL) {
		return -1;
	}
	(void)snprintf(files->root, sizeof(files->root), "/tmp/sparekey-store-XXXXXX");
	if (mkdtemp(files->root) == NULL) {
		free(files);
		return -1;
	}
	(void)snprintf(files->directory, sizeof(files->directory), "%s/data", files->root);
	(void)snprintf(files->path, sizeof(files->path), "%s/sparekey.db", files->directory);
	*state = files;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

int store_files_teardown(void **state)
{
	struct store_files *files = *state;

	(void)chmod(files->directory, 0700);
	(void)nftw(files->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(files);
	return 0;
}

const char *store_files_name(const struct store_files *files, const char *name)
{
	static _Thread_local char names[4][192];
	static _Thread_local unsigned int next;
	char *text = names[next++ % 4];

	(void)snprintf(text, sizeof(names[0]), "%s/%s", files->directory, name);
	return text;
}

struct store *store_files_open(const struct store_files *files)
{
	struct store *store = NULL;

	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_open(store), 0);
	return store;
}

struct store *store_files_make(const struct store_files *files)
{
	struct store *store = NULL;

	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_make(store), 0);
	return store;
}

struct store_password store_files_record(const char *id, const char *label)
{
	struct store_password password = { .state = STORE_STATE_ACTIVE, .created_at = 1000 };

	(void)snprintf(password.id, sizeof(password.id), "%s", id);
	(void)snprintf(password.label, sizeof(password.label), "%s", label);
	(void)snprintf(password.hash, sizeof(password.hash),
	               "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA");
	return password;
}

int store_files_insert(struct store *store, const char *id, const char *label)
{
	struct store_password password = store_files_record(id, label);
	int result = store_begin(store);

	if (result != 0) {
		return result;
	}
	result = store_password_insert(store, &password);
	if (result != 0) {
		store_rollback(store);
		return result;
	}
	return store_commit(store);
}

int store_files_delete(struct store *store, const char *id)
{
	int result = store_begin_revocation(store);

	if (result != 0) {
		return result;
	}
	result = store_password_delete(store, id);
	if (result != 0) {
		store_rollback(store);
		return result;
	}
	return store_commit(store);
}

void store_files_sql(const struct store_files *files, const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	assert_int_equal(sqlite3_open(files->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
		fail_msg("%s: %s", sql, error);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void store_files_sql_lawless(const struct store_files *files, const char *sql)
{
	store_files_sql(
		files, "CREATE TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = 'password';"
		       "PRAGMA writable_schema = ON;"
		       "UPDATE sqlite_schema SET sql = replace(replace(sql, ' NOT NULL', ''), ' "
		       "STRICT', '')"
		       " WHERE name = 'password'");
	store_files_sql(files, sql);
	store_files_sql(
		files,
		"PRAGMA writable_schema = ON;"
		"UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = 'password';"
		"DROP TABLE kept");
}

unsigned char *store_files_read(const char *path, size_t *ret_size)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	unsigned char *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	bytes = calloc(1, (size_t)status.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, (size_t)status.st_size), status.st_size);
	(void)close(fd);
	*ret_size = (size_t)status.st_size;
	return bytes;
}

void store_files_write(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	(void)close(fd);
}

/* How many may still be handed out to `row`. */
struct limited {
	uint32_t left;
	store_password_fn *row;
	store_event_fn *event;
	void *data;
};

static int count_row(void *data, const struct store_password *password)
{
	struct limited *limited = data;

	limited->left--;
	return limited->row(limited->data, password);
}

static int count_event(void *data, const struct store_event *event)
{
	struct limited *limited = data;

	limited->left--;
	return limited->event(limited->data, event);
}

int store_files_each(struct store *store, const char *after, uint32_t limit, int64_t now,
                     store_password_fn *row, void *data)
{
	struct limited limited = { limit > 0 ? limit : UINT32_MAX, row, NULL, data };
	char place[24] = "";
	bool has_more = true;
	int result = 0;

	(void)snprintf(place, sizeof(place), "%s", after);
	while (result == 0 && has_more && limited.left > 0) {
		result = store_password_each(store, place, limited.left, now, count_row, &limited,
		                             &has_more);
	}
	return result;
}

int store_files_events(struct store *store, int64_t not_before, int64_t before, const char *id,
                       uint32_t limit, store_event_fn *row, void *data)
{
	struct limited limited = { limit > 0 ? limit : UINT32_MAX, NULL, row, data };
	int64_t place = before > 0 ? before : INT64_MAX;
	bool has_more = true;
	int result = 0;

	while (result == 0 && has_more && limited.left > 0) {
		result = store_event_each(store, not_before, &place, id, limited.left, count_event,
		                          &limited, &has_more);
	}
	return result;
}
