/* SPDX-License-Identifier: MIT */
/*
 * The store at work: making and opening, records, uses, journal, transactions, two at once, a file
 * that is replaced. Real files in a directory of each test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

static mode_t mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777u;
}

/* A walk gathers the ids of what it is given. */
struct ids {
	char text[512];
	unsigned int count;
	unsigned int stop_at;
};

static int gather(void *data, const struct store_password *password)
{
	struct ids *ids = data;
	size_t length = strlen(ids->text);

	(void)snprintf(ids->text + length, sizeof(ids->text) - length, "%s ", password->id);
	ids->count++;
	return ids->stop_at != 0 && ids->count == ids->stop_at ? 77 : 0;
}

static void assert_each(struct store *store, const char *after, uint32_t limit, int64_t now,
                        const char *expected)
{
	struct ids ids = { .count = 0 };

	assert_int_equal(store_files_each(store, after, limit, now, gather, &ids), 0);
	assert_string_equal(ids.text, expected);
}

static void a_missing_store_is_not_made_by_opening(void **state)
{
	const struct store_files *files = *state;
	struct store *store = NULL;
	struct store_password password;

	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_open(store), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_begin(store), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_begin_revocation(store), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_password_get(store, "00000", &password), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(access(files->directory, F_OK), -1);
	assert_int_equal(mkdir(files->directory, 0700), 0);
	assert_int_equal(store_open(store), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(rmdir(files->directory), 0);
	assert_string_equal(store_refusal(store), "");
	store_free(store);
}

static void making_makes_directories_and_file_for_the_owner_only(void **state)
{
	struct store_files *files = *state;
	struct store *store = NULL;
	char deep[128];
	mode_t mask = umask(0);

	(void)snprintf(deep, sizeof(deep), "%s/a/b/data/", files->root);
	assert_int_equal(store_new(deep, &store), 0);
	assert_int_equal(store_make(store), 0);
	(void)umask(mask);
	(void)snprintf(deep, sizeof(deep), "%s/a/b/data/sparekey.db", files->root);
	assert_int_equal(mode_of(deep), 0600);
	(void)snprintf(deep, sizeof(deep), "%s/a", files->root);
	assert_int_equal(mode_of(deep), 0700);
	(void)snprintf(deep, sizeof(deep), "%s/a/b/data", files->root);
	assert_int_equal(mode_of(deep), 0700);
	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	(void)snprintf(deep, sizeof(deep), "%s/a/b/data/sparekey.db-journal", files->root);
	assert_int_equal(mode_of(deep), 0600);
	(void)snprintf(deep, sizeof(deep), "%s/a/b/data/sparekey.reserve", files->root);
	assert_int_equal(mode_of(deep), 0600);
	store_free(store);
}

static void making_again_keeps_what_is_there(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password;

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	store_free(store);
	store = store_files_make(*state);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	store_free(store);
}

static void making_clears_away_what_killed_makers_left(void **state)
{
	const struct store_files *files = *state;
	struct store *store = NULL;
	int lock;

	assert_int_equal(mkdir(files->directory, 0700), 0);
	store_files_write(store_files_name(files, "sparekey.new-aaaaaa"), "x", 1);
	assert_int_equal(symlink("elsewhere", store_files_name(files, "sparekey.new-link")), 0);
	lock = open(files->directory, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_make(store), -EBUSY);
	assert_int_equal(access(store_files_name(files, "sparekey.new-aaaaaa"), F_OK), 0);
	assert_int_equal(close(lock), 0);
	assert_int_equal(store_make(store), 0);
	assert_int_equal(access(store_files_name(files, "sparekey.new-aaaaaa"), F_OK), -1);
	assert_int_equal(unlink(store_files_name(files, "sparekey.new-link")), 0); /* not ours */
	store_free(store);
	/* Killed between link and unlink. */
	assert_int_equal(link(files->path, store_files_name(files, "sparekey.new-bbbbbb")), 0);
	store = store_files_open(files);
	assert_int_equal(access(store_files_name(files, "sparekey.new-bbbbbb"), F_OK), -1);
	store_free(store);
}

static void the_reserve_is_made_whole_again(void **state)
{
	const struct store_files *files = *state;
	const char *reserve = store_files_name(files, "sparekey.reserve");
	struct store *store = store_files_make(files);
	struct stat status;

	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	assert_int_equal(truncate(reserve, 100), 0);
	assert_int_equal(store_files_insert(store, "00001", "B"), 0);
	assert_int_equal(stat(reserve, &status), 0);
	assert_true(status.st_size >= 262144);
	/* In the place of one that another program has put there, nothing is done. */
	assert_int_equal(unlink(reserve), 0);
	assert_int_equal(symlink("victim", reserve), 0);
	assert_int_equal(store_files_insert(store, "00002", "C"), 0);
	assert_int_equal(access(store_files_name(files, "victim"), F_OK), -1);
	store_free(store);
}

static void a_record_comes_back_as_it_was_written(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password in = store_files_record("k7mq3", "Phone \xf0\x9f\x93\xb1");
	struct store_password out;

	in.expires_at = 5000;
	in.state = STORE_STATE_FROZEN;
	in.use_count = 3;
	in.last_used_at = 1500;
	(void)snprintf(in.account, sizeof(in.account), "ann@example.org");
	(void)snprintf(in.last_used_scope, sizeof(in.last_used_scope), "imap");
	(void)snprintf(in.last_used_from, sizeof(in.last_used_from), "192.0.2.7");
	assert_int_equal(scope_set_add(&in.scopes, "smtp"), 0);
	assert_int_equal(scope_set_add(&in.scopes, "imap"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_insert(store, &in), 0);
	assert_int_equal(store_password_insert(store, &in), -EEXIST);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_password_get(store, "k7mq3", &out), 0);
	in.version = 1;
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(store_password_get(store, "k7mq4", &out), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "", &out), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "_1", &out), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_get(store, "'); DROP TABLE password;--", &out),
	                 SPAREKEY_UNKNOWN_OBJECT);
	store_free(store);
}

static void updating_raises_the_version_and_moves_the_label(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password;
	char id[24];

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	(void)snprintf(password.label, sizeof(password.label), "TABLET");
	password.state = STORE_STATE_FROZEN;
	password.expires_at = 9;
	assert_int_equal(store_password_update(store, &password), 0);
	(void)snprintf(password.id, sizeof(password.id), "00001");
	assert_int_equal(store_password_update(store, &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_int_equal(password.version, 2);
	assert_int_equal(password.state, STORE_STATE_FROZEN);
	assert_int_equal(password.expires_at, 9);
	assert_int_equal(store_password_find(store, "tablet", "", 0, id), 0);
	assert_string_equal(id, "00000");
	assert_int_equal(store_password_find(store, "phone", "", 0, id), SPAREKEY_UNKNOWN_OBJECT);
	store_free(store);
}

static void deleting_takes_the_uses_along(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_use use = { .id = "00000", .scope = "imap", .at = 1, .count = 1 };
	struct store_password password;

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_use_add(store, &use), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_files_delete(store, "00000"), 0);
	assert_int_equal(store_password_get(store, "00000", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_files_delete(store, "00000"), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	assert_int_equal(store_use_each(store, "00000", NULL, NULL), 0);
	store_free(store);
}

static void walking_pages_by_id_and_leaves_out_the_expired(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password expiring = store_files_record("00003", "Old");
	struct ids ids = { .stop_at = 2 };
	uint32_t count = 0;
	int64_t at = -1;

	expiring.expires_at = 100;
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_files_insert(store, "00004", "D"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_insert(store, &expiring), 0);
	assert_int_equal(store_commit(store), 0);
	assert_each(store, "", 0, 99, "00001 00002 00003 00004 ");
	assert_each(store, "", 0, 100, "00001 00002 00004 ");
	assert_each(store, "", 2, 99, "00001 00002 ");
	assert_each(store, "00002", 2, 99, "00003 00004 ");
	assert_each(store, "00004", 2, 99, "");
	assert_int_equal(store_files_each(store, "", 0, 0, gather, &ids), 77);
	assert_int_equal(ids.count, 2);
	ids = (struct ids){ .count = 0 };
	assert_int_equal(store_password_each_expired(store, 100, 0, gather, &ids), 0);
	assert_string_equal(ids.text, "00003 ");
	assert_int_equal(store_password_count(store, 99, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(store_password_count(store, 100, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(store_next_expiry(store, 99, &at), 0);
	assert_int_equal(at, 100);
	assert_int_equal(store_next_expiry(store, 100, &at), 0);
	assert_int_equal(at, 0);
	store_free(store);
}

static void insert_for(struct store *store, const char *id, const char *label, const char *account,
                       int64_t expires_at)
{
	struct store_password password = store_files_record(id, label);

	(void)snprintf(password.account, sizeof(password.account), "%s", account);
	password.expires_at = expires_at;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_insert(store, &password), 0);
	assert_int_equal(store_commit(store), 0);
}

static void a_label_is_found_within_an_account_or_if_it_is_clear(void **state)
{
	struct store *store = store_files_make(*state);
	char id[24] = "untouched";

	insert_for(store, "00001", "Phone", "ann", 0);
	insert_for(store, "00002", "PHONE", "bob", 0);
	insert_for(store, "00003", "Tablet", "bob", 0);
	insert_for(store, "00004", "phone", "old", 100);
	assert_int_equal(store_password_find(store, "phone", NULL, 0, id), SPAREKEY_INVALID_ARGS);
	assert_int_equal(store_password_find(store, "phone", "", 0, id), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_password_find(store, "phone", "old", 100, id),
	                 SPAREKEY_UNKNOWN_OBJECT);
	assert_string_equal(id, "untouched");
	assert_int_equal(store_password_find(store, "phone", "old", 99, id), 0);
	assert_string_equal(id, "00004");
	assert_int_equal(store_password_find(store, "phone", "bob", 0, id), 0);
	assert_string_equal(id, "00002");
	assert_int_equal(store_password_find(store, "tablet", NULL, 0, id), 0);
	assert_string_equal(id, "00003");
	/* Twice in one account, as two processes may bring about: that is still one account. */
	insert_for(store, "00006", "Tablet", "bob", 0);
	assert_int_equal(store_password_find(store, "tablet", NULL, 0, id), 0);
	assert_string_equal(id, "00003");
	insert_for(store, "00005", "phone", "", 0);
	assert_int_equal(store_password_find(store, "phone", NULL, 0, id), 0);
	assert_string_equal(id, "00005");
	store_free(store);
}

struct uses {
	char text[256];
	unsigned int count;
	uint64_t sum;
};

static int gather_use(void *data, const char *scope, uint64_t count)
{
	struct uses *uses = data;
	size_t length = strlen(uses->text);

	(void)snprintf(uses->text + length, sizeof(uses->text) - length, "%s=%llu ", scope,
	               (unsigned long long)count);
	uses->count++;
	uses->sum += count;
	return 0;
}

static void uses_add_up_and_the_latest_time_wins(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_use uses[] = {
		{ .id = "00000", .scope = "smtp", .from = "192.0.2.1", .at = 200, .count = 2 },
		{ .id = "00000", .scope = "imap", .from = "192.0.2.2", .at = 100, .count = 5 },
		{ .id = "00000", .scope = "smtp", .from = "192.0.2.3", .at = 150, .count = 1 },
		{ .id = "zzzzz", .scope = "smtp", .from = "192.0.2.3", .at = 150, .count = 1 },
		{ .id = "00000", .scope = "", .from = "192.0.2.4", .at = 150, .count = UINT64_MAX },
		{ .id = "00000",
		  .scope = "imap",
		  .from = "192.0.2.4",
		  .at = 150,
		  .count = UINT64_MAX },
	};
	struct store_password password;
	struct uses seen = { .count = 0 };

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	assert_int_equal(store_begin(store), 0);
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		assert_int_equal(store_use_add(store, &uses[i]), 0);
	}
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_int_equal(password.last_used_at, 200);
	assert_string_equal(password.last_used_scope, "smtp");
	assert_string_equal(password.last_used_from, "192.0.2.1");
	assert_true(password.use_count == INT64_MAX);
	assert_int_equal(password.version, 1);
	assert_int_equal(store_use_each(store, "00000", gather_use, &seen), 0);
	assert_string_equal(seen.text, "imap=9223372036854775807 smtp=3 ");
	assert_int_equal(store_use_each(store, "zzzzz", gather_use, &seen), 0);
	/* Of two in one second the one that is told later is the later one. */
	uses[0].count = 1;
	(void)snprintf(uses[0].scope, sizeof(uses[0].scope), "pop3");
	(void)snprintf(uses[0].from, sizeof(uses[0].from), "192.0.2.9");
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_use_add(store, &uses[0]), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_string_equal(password.last_used_scope, "pop3");
	assert_string_equal(password.last_used_from, "192.0.2.9");
	store_free(store);
}

static void uses_are_counted_apart_for_a_bounded_number_of_scopes(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_use use = { .id = "00000", .at = 1, .count = 1 };
	struct store_password password;
	struct uses seen = { .count = 0 };

	assert_int_equal(store_files_insert(store, "00000", "Phone"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_use_add(store, &use), 0); /* without a scope: takes no place */
	for (unsigned int i = 0; i < LIMIT_USE_SCOPES + 10; i++) {
		(void)snprintf(use.scope, sizeof(use.scope), "s%u", i);
		assert_int_equal(store_use_add(store, &use), 0);
	}
	(void)snprintf(use.scope, sizeof(use.scope), "s0");
	assert_int_equal(store_use_add(store, &use), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_int_equal(password.use_count, LIMIT_USE_SCOPES + 12);
	assert_int_equal(store_use_each(store, "00000", gather_use, &seen), 0);
	assert_int_equal(seen.count, LIMIT_USE_SCOPES);
	assert_int_equal(seen.sum, LIMIT_USE_SCOPES + 1);
	store_free(store);
}

static int gather_event(void *data, const struct store_event *event)
{
	char *text = data;
	size_t length = strlen(text);

	(void)snprintf(text + length, 256 - length, "%lld:%s:%s ", (long long)event->serial,
	               event->kind, event->label);
	return 0;
}

static void assert_events(struct store *store, int64_t not_before, int64_t before, const char *id,
                          uint32_t limit, const char *expected)
{
	char text[256] = "";

	assert_int_equal(
		store_files_events(store, not_before, before, id, limit, gather_event, text), 0);
	assert_string_equal(text, expected);
}

static void the_journal_is_read_newest_first(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_event events[] = {
		{ .time = 10,
		  .kind = "created",
		  .id = "00000",
		  .label = "A",
		  .scope = "imap",
		  .remote = "192.0.2.7",
		  .account = "ann",
		  .reason = "r",
		  .count = 4,
		  .group = 3 },
		{ .time = 30, .kind = "created", .id = "00001", .label = "B" },
		{ .time = 20, .kind = "revoked", .id = "00000", .label = "A" },
	};
	int64_t serial = 0;

	assert_int_equal(store_begin(store), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_event_append(store, &events[i], i == 1 ? NULL : &serial), 0);
	}
	assert_int_equal(serial, 3);
	assert_int_equal(store_commit(store), 0);
	assert_events(store, 0, 0, "", 0, "3:revoked:A 2:created:B 1:created:A ");
	assert_events(store, 0, 3, "", 1, "2:created:B ");
	assert_events(store, 20, 0, "", 0, "3:revoked:A 2:created:B ");
	assert_events(store, 0, 0, "00000", 0, "3:revoked:A 1:created:A ");
	assert_events(store, 0, 2, "00001", 0, "");
	store_free(store);
}

static void nothing_is_written_outside_a_transaction_or_after_rollback(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password = store_files_record("00000", "Phone");
	struct store_use use = { .id = "00000", .count = 1 };
	struct store_event event = { .kind = "x" };

	assert_int_equal(store_password_insert(store, &password), -EINVAL);
	assert_int_equal(store_password_update(store, &password), -EINVAL);
	assert_int_equal(store_password_delete(store, "00000"), -EINVAL);
	assert_int_equal(store_use_add(store, &use), -EINVAL);
	assert_int_equal(store_event_append(store, &event, NULL), -EINVAL);
	assert_int_equal(store_commit(store), -EINVAL);
	store_rollback(store);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_begin(store), -EINVAL);
	assert_int_equal(store_password_insert(store, &password), 0);
	store_rollback(store);
	assert_int_equal(store_password_get(store, "00000", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_begin(store), 0);
	password.label[0] = '\0';
	assert_int_equal(store_password_insert(store, &password), -EINVAL);
	password = store_files_record("00000", "Phone");
	assert_int_equal(store_password_insert(store, &password), 0);
	store_free(store); /* rolls back */
	store = store_files_open(*state);
	assert_int_equal(store_password_get(store, "00000", &password), SPAREKEY_UNKNOWN_OBJECT);
	store_free(store);
}

struct visits {
	struct store *store;
	unsigned int count;
};

static int write_from_walk(void *data, const struct store_password *password)
{
	struct visits *visits = data;

	(void)password;
	visits->count++;
	assert_int_equal(store_begin(visits->store), -EINVAL);
	assert_int_equal(store_files_each(visits->store, "", 0, 0, write_from_walk, data), -EINVAL);
	return 0;
}

static void a_walk_is_not_disturbed_by_its_row_function(void **state)
{
	struct store *store = store_files_make(*state);
	struct visits visits = { .store = store };

	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	assert_int_equal(store_files_insert(store, "00001", "B"), 0);
	assert_int_equal(store_files_insert(store, "00002", "C"), 0);
	assert_int_equal(store_files_each(store, "", 0, 0, write_from_walk, &visits), 0);
	assert_int_equal(visits.count, 3);
	store_free(store);
}

static void two_stores_see_each_other_and_never_wait(void **state)
{
	struct store *one = store_files_make(*state);
	struct store *two = store_files_open(*state);
	struct store_password password = store_files_record("00000", "Phone");
	struct timespec before;
	struct timespec after;

	assert_int_equal(store_files_insert(one, "00000", "Phone"), 0);
	assert_int_equal(store_files_insert(one, "00002", "Laptop"), 0);
	assert_int_equal(store_password_get(two, "00000", &password), 0);
	assert_int_equal(store_begin(one), 0);
	assert_int_equal(store_password_delete(one, "00000"), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(store_begin(two), -EBUSY);
	assert_int_equal(store_begin_revocation(two), -EBUSY);
	assert_int_equal(store_password_get(two, "00002", &password), -EBUSY);
	assert_int_equal(store_password_get(two, "00000", &password), 0); /* read before */
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec <= 1);
	assert_int_equal(store_commit(one), 0);
	assert_int_equal(store_password_get(two, "00000", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(store_files_insert(two, "00001", "Tablet"), 0);
	assert_int_equal(store_password_get(one, "00001", &password), 0);
	store_free(two);
	store_free(one);
}

static void a_replaced_file_is_noticed(void **state)
{
	const struct store_files *files = *state;
	struct store *store = store_files_make(files);
	struct store_password password = store_files_record("00001", "B");
	const char *aside = store_files_name(files, "aside");
	unsigned char *backup;
	size_t size = 0;

	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	backup = store_files_read(files->path, &size);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_password_insert(store, &password), 0);
	assert_int_equal(rename(files->path, aside), 0);
	assert_int_equal(store_commit(store), -ESTALE);
	assert_int_equal(store_password_get(store, "00000", &password), -ESTALE);
	assert_int_equal(store_begin(store), -ESTALE);
	store_files_write(files->path, backup, size);
	assert_int_equal(store_begin_revocation(store), -ESTALE);
	assert_int_equal(store_password_get(store, "00000", &password), -ESTALE);
	assert_int_equal(store_open(store), 0);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_int_equal(store_password_get(store, "00001", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_int_equal(unlink(files->path), 0);
	assert_int_equal(store_open(store), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_make(store), 0);
	store_free(store);
	free(backup);
}

/* The schema is looked at again when another program has changed it. */
static void a_trigger_put_in_later_is_refused(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password;

	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	store_files_sql(*state,
	                "CREATE TRIGGER t AFTER INSERT ON password BEGIN DELETE FROM event; END");
	assert_int_equal(store_begin(store), -EPERM);
	assert_non_null(strstr(store_refusal(store), "trigger 't'"));
	assert_int_equal(store_password_get(store, "00000", &password), -EPERM);
	store_files_sql(*state, "DROP TRIGGER t; CREATE TABLE harmless (a)");
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	assert_int_equal(store_begin(store), 0);
	store_rollback(store);
	store_free(store);
}

/* What the system refuses for a limit of the process is told as a full disk, and passes. */
static void a_limit_on_file_size_is_told_as_a_full_disk(void **state)
{
	struct store *store = store_files_make(*state);
	struct rlimit before;
	struct rlimit small;
	struct store_password password;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){ .rlim_cur = 8192, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(store_files_insert(store, "00002", "B"), -ENOSPC);
	assert_int_equal(store_password_get(store, "00001", &password), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	store_free(store);
}

/* A journal that a killed writer left would be written back over whatever takes the store's place.
 */
static void making_beside_the_journal_of_a_lost_store_is_refused(void **state)
{
	const struct store_files *files = *state;
	const char *journal = store_files_name(files, "sparekey.db-journal");
	struct store *store = NULL;

	assert_int_equal(mkdir(files->directory, 0700), 0);
	store_files_write(journal, "\xd9\xd5\x05\xf9", 4);
	assert_int_equal(store_new(files->directory, &store), 0);
	assert_int_equal(store_open(store), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_make(store), -EPERM);
	assert_non_null(strstr(store_refusal(store), journal));
	assert_int_equal(access(files->path, F_OK), -1);
	store_files_write(journal, "\0\0\0\0", 4);
	assert_int_equal(store_make(store), 0);
	store_free(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_missing_store_is_not_made_by_opening),
		TEST(making_makes_directories_and_file_for_the_owner_only),
		TEST(making_again_keeps_what_is_there),
		TEST(making_clears_away_what_killed_makers_left),
		TEST(the_reserve_is_made_whole_again),
		TEST(a_record_comes_back_as_it_was_written),
		TEST(updating_raises_the_version_and_moves_the_label),
		TEST(deleting_takes_the_uses_along),
		TEST(walking_pages_by_id_and_leaves_out_the_expired),
		TEST(a_label_is_found_within_an_account_or_if_it_is_clear),
		TEST(uses_add_up_and_the_latest_time_wins),
		TEST(uses_are_counted_apart_for_a_bounded_number_of_scopes),
		TEST(the_journal_is_read_newest_first),
		TEST(nothing_is_written_outside_a_transaction_or_after_rollback),
		TEST(a_walk_is_not_disturbed_by_its_row_function),
		TEST(two_stores_see_each_other_and_never_wait),
		TEST(a_replaced_file_is_noticed),
		TEST(a_trigger_put_in_later_is_refused),
		TEST(a_limit_on_file_size_is_told_as_a_full_disk),
		TEST(making_beside_the_journal_of_a_lost_store_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
