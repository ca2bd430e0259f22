/* SPDX-License-Identifier: MIT */
/*
 * Faults: the n-th operation on files, write or allocation fails, for n = 1, 2, ... until nothing
 * fails any more. Whatever fails, the store afterwards holds the old state or the new one, what was
 * acknowledged is there, the error is one of those store.h names, and the same store goes on when
 * the cause is gone. Then full disks, simulated and real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sparekey.h"
#include "tests/support/store_files.h"
#include "tests/support/store_shim.h"

#define ROUNDS_MOST 5000u

static int freeze(struct store *store)
{
	struct store_password password = store_files_record("00002", "B");

	password.state = STORE_STATE_FROZEN;
	return store_password_update(store, &password);
}

/* One transaction that takes away 00001, freezes 00002 and gives 00003. */
static int change(struct store *store)
{
	struct store_password password = store_files_record("00003", "C");
	struct store_event event = { .kind = "revoked", .id = "00001", .time = 1 };
	struct store_use use = { .id = "00002", .scope = "imap", .at = 1, .count = 1 };
	int result = store_begin(store);

	if (result != 0) {
		return result;
	}
	result = store_password_delete(store, "00001");
	if (result == 0) {
		result = store_password_insert(store, &password);
	}
	if (result == 0) {
		result = freeze(store);
	}
	if (result == 0) {
		result = store_use_add(store, &use);
	}
	if (result == 0) {
		result = store_event_append(store, &event, NULL);
	}
	if (result != 0) {
		store_rollback(store);
		return result;
	}
	return store_commit(store);
}

/* The same by a caller that looks at nothing but the end: after a failure nothing may be written
 * any more, for SQLite may have rolled back by itself and would commit what follows on its own. */
static int change_without_looking(struct store *store)
{
	struct store_password password = store_files_record("00003", "C");
	struct store_event event = { .kind = "revoked", .id = "00001", .time = 1 };
	int result = store_begin(store);

	if (result != 0) {
		return result;
	}
	(void)store_event_append(store, &event, NULL);
	(void)store_password_delete(store, "00001");
	(void)store_password_insert(store, &password);
	(void)freeze(store);
	return store_commit(store);
}

static int look(void *data, const struct store_password *password)
{
	char *text = data;

	text += strlen(text);
	(void)snprintf(text, 3, "%c%s", password->id[4],
	               password->state == STORE_STATE_FROZEN ? "*" : "");
	return 0;
}

static bool is_clear(int result)
{
	return result == 0 || result == -EIO || result == -ENOSPC || result == -ENOMEM ||
	       result == -EROFS || result == -EBUSY;
}

/* The ids there are, by their last symbols; a frozen one is followed by "*". */
static void read_ids(struct store *store, char *ret_text)
{
	ret_text[0] = '\0';
	assert_int_equal(store_files_each(store, "", 0, 0, look, ret_text), 0);
}

/* Where everything works again after one fault, what is told is also what is there. */
static void assert_old_or_new(struct store *store, int result, unsigned int nth, bool sticky)
{
	char ids[16];

	read_ids(store, ids);
	if (!is_clear(result) ||
	    (strcmp(ids, "2*3") != 0 && (result == 0 || strcmp(ids, "12") != 0)) ||
	    (!sticky && result != 0 && strcmp(ids, "12") != 0)) {
		fail_msg("round %u: %d, '%s'", nth, result, ids);
	}
}

/* A store with 00001 and 00002, as bytes, so that each round begins with the same. */
static unsigned char *make_template(const struct store_files *files, size_t *ret_size)
{
	struct store *store = store_files_make(files);

	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	store_free(store);
	return store_files_read(files->path, ret_size);
}

/* One round; whether the fault was met. */
static bool fault_in_change(const struct store_files *files, int (*body)(struct store *store),
                            enum shim_fault fault, unsigned int nth, bool sticky)
{
	struct store *store = NULL;
	bool met;
	int result;

	shim_arm(fault, nth, sticky);
	result = store_new(files->directory, &store);
	if (result == 0) {
		result = body(store);
	}
	met = shim_disarm();
	if (store == NULL) {
		assert_int_equal(result, -ENOMEM);
		return met;
	}
	assert_old_or_new(store, result, nth, sticky); /* the same store goes on */
	store_free(store);
	store = store_files_open(files);
	assert_old_or_new(store, result, nth, sticky);
	if (result != 0 && store_files_insert(store, "00004", "D") != 0) {
		fail_msg("round %u: cannot go on", nth);
	}
	store_free(store);
	return met;
}

/* Opening allocates a thousand times: then every `step`-th is enough to keep the test short. */
static void loop(const struct store_files *files, int (*body)(struct store *store),
                 enum shim_fault fault, bool sticky, unsigned int step)
{
	size_t size = 0;
	unsigned char *template = make_template(files, &size);
	unsigned int nth = 1;

	while (nth < ROUNDS_MOST && fault_in_change(files, body, fault, nth, sticky)) {
		(void)unlink(store_files_name(files, "sparekey.db-journal"));
		store_files_write(files->path, template, size);
		nth += step;
	}
	assert_in_range(nth, 10, ROUNDS_MOST - 1);
	free(template);
}

static void any_failing_operation_leaves_old_or_new(void **state)
{
	loop(*state, change, SHIM_IO, false, 1);
}

static void any_operation_after_which_all_fail_leaves_old_or_new(void **state)
{
	loop(*state, change, SHIM_IO, true, 1);
}

static void any_failing_operation_ends_a_transaction(void **state)
{
	loop(*state, change_without_looking, SHIM_IO, false, 1);
	assert_int_equal(unlink(((struct store_files *)*state)->path), 0);
	(void)unlink(store_files_name(*state, "sparekey.db-journal"));
	loop(*state, change_without_looking, SHIM_MEMORY, false, 5);
}

static void any_write_that_finds_the_disk_full_leaves_old_or_new(void **state)
{
	loop(*state, change, SHIM_FULL, false, 1);
	assert_int_equal(unlink(((struct store_files *)*state)->path), 0);
	(void)unlink(store_files_name(*state, "sparekey.db-journal"));
	loop(*state, change, SHIM_FULL, true, 1);
}

static void any_failing_allocation_leaves_old_or_new(void **state)
{
	loop(*state, change, SHIM_MEMORY, false, 3);
	assert_int_equal(unlink(((struct store_files *)*state)->path), 0);
	(void)unlink(store_files_name(*state, "sparekey.db-journal"));
	loop(*state, change, SHIM_MEMORY, true, 7);
}

/* A store is made whole or not at all. */
static bool fault_in_make(const struct store_files *files, enum shim_fault fault, unsigned int nth)
{
	struct store *store = NULL;
	bool met;
	int result;

	shim_arm(fault, nth, false);
	result = store_new(files->directory, &store);
	if (result == 0) {
		result = store_make(store);
	}
	met = shim_disarm();
	assert_true(is_clear(result));
	if (store != NULL) {
		assert_int_equal(store_make(store), 0);
		assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	}
	store_free(store);
	(void)unlink(files->path);
	(void)unlink(store_files_name(files, "sparekey.db-journal"));
	return met;
}

static void any_fault_in_making_leaves_nothing_or_all(void **state)
{
	static const enum shim_fault faults[] = { SHIM_IO, SHIM_FULL, SHIM_MEMORY };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		unsigned int nth = 1;

		while (nth < ROUNDS_MOST && fault_in_make(*state, faults[i], nth)) {
			nth += faults[i] == SHIM_MEMORY ? 7 : 1;
		}
		assert_in_range(nth, 10, ROUNDS_MOST - 1);
	}
}

static int look_at_event(void *data, const struct store_event *event)
{
	(void)event;
	++*(unsigned int *)data;
	return 0;
}

static int look_at_use(void *data, const char *scope, uint64_t count)
{
	(void)scope;
	(void)count;
	++*(unsigned int *)data;
	return 0;
}

/* All that reads, one after another, up to the first that fails. */
static int read_everything(struct store *store)
{
	struct store_password password;
	unsigned int seen = 0;
	uint32_t count = 0;
	int64_t at = 0;
	char ids[16] = "";
	char id[24];
	int result = store_open(store);

	result = result != 0 ? result : store_password_get(store, "00002", &password);
	result = result != 0 ? result : store_password_count(store, 0, &count);
	result = result != 0 ? result : store_next_expiry(store, 0, &at);
	result = result != 0 ? result : store_password_find(store, "b", NULL, 0, id);
	result = result != 0 ? result : store_files_each(store, "", 0, 0, look, ids);
	result = result != 0 ? result : store_password_each_expired(store, 9, 0, look, ids);
	result = result != 0 ? result : store_use_each(store, "00002", look_at_use, &seen);
	result = result != 0 ? result
	                     : store_files_events(store, 0, 0, "", 9, look_at_event, &seen);
	result = result != 0 ? result
	                     : store_files_events(store, 0, 0, "00001", 9, look_at_event, &seen);
	/* What says that it has succeeded has read all there is. */
	if (result == 0) {
		assert_string_equal(ids, "2*3");
		assert_int_equal(count, 2);
		assert_int_equal(seen, 3);
	}
	return result;
}

/* Any reading, too, fails clearly and works again: in a store that is open, and in one that the
 * reading opens. */
static void any_fault_in_reading_is_told(void **state)
{
	static const enum shim_fault faults[] = { SHIM_IO, SHIM_MEMORY };
	const struct store_files *files = *state;
	size_t size = 0;

	free(make_template(files, &size));
	for (unsigned int i = 0; i < 4; i++) {
		struct store *store = store_files_open(files);
		bool met = true;
		unsigned int nth = 1;

		if (i == 0) {
			assert_int_equal(change(store), 0);
		}
		for (; met && nth < ROUNDS_MOST; nth++) {
			if (i >= 2) {
				store_free(store);
				assert_int_equal(store_new(files->directory, &store), 0);
			}
			shim_arm(faults[i % 2], nth, false);
			int result = read_everything(store);

			met = shim_disarm();
			assert_true(is_clear(result));
			assert_int_equal(read_everything(store), 0);
		}
		assert_in_range(nth, 5, ROUNDS_MOST - 1);
		store_free(store);
	}
}

/* As the caller of a revocation does it: after -ENOSPC once more, from the beginning. */
static int take_away(struct store *store, const char *id)
{
	int result = store_files_delete(store, id);

	return result == -ENOSPC ? store_files_delete(store, id) : result;
}

static void name(char ret_id[static 24], unsigned int number)
{
	(void)snprintf(ret_id, 24, "%05u", number);
}

static void fill_with_passwords(struct store *store, unsigned int count)
{
	char id[24];

	assert_int_equal(store_begin(store), 0);
	for (unsigned int i = 0; i < count; i++) {
		struct store_password password;

		name(id, i);
		password = store_files_record(id, id);
		assert_int_equal(store_password_insert(store, &password), 0);
	}
	assert_int_equal(store_commit(store), 0);
}

/* Fifty can be revoked, with what the journal says of it, and none that was there is lost. */
static void assert_revoking_goes_on(struct store *store)
{
	struct store_event event = { .kind = "revoked", .label = "some label", .time = 1 };
	struct store_password password;
	uint32_t count = 0;
	char id[24];

	for (unsigned int i = 0; i < 50; i++) {
		name(id, i);
		assert_int_equal(take_away(store, id), 0);
		assert_int_equal(store_password_get(store, id, &password), SPAREKEY_UNKNOWN_OBJECT);
		assert_int_equal(store_begin_revocation(store), 0);
		assert_int_equal(store_event_append(store, &event, NULL), 0);
		assert_int_equal(store_commit(store), 0);
	}
	assert_int_equal(store_password_count(store, 0, &count), 0);
	assert_int_equal(count, 150);
}

/* Adds until the disk is full. */
static void assert_full(struct store *store)
{
	struct store_event event = { .kind = "filler", .time = 1 };
	int result = 0;

	memset(event.remote, 'x', sizeof(event.remote) - 1);
	for (unsigned int i = 0; i < 2000 && result == 0; i++) {
		assert_int_equal(store_begin(store), 0);
		result = store_event_append(store, &event, NULL);
		if (result == 0) {
			result = store_commit(store);
		} else {
			assert_int_equal(store_commit(store),
			                 result); /* nothing but rollback is left */
		}
	}
	assert_int_equal(result, -ENOSPC);
}

static void on_a_full_disk_revoking_goes_on(void **state)
{
	const struct store_files *files = *state;
	struct store *store = store_files_make(files);
	char reserve[192];

	(void)snprintf(reserve, sizeof(reserve), "%s", store_files_name(files, "sparekey.reserve"));
	fill_with_passwords(store, 200);
	assert_int_equal(access(reserve, F_OK), 0);
	shim_disk(reserve, 0, 262144);
	assert_full(store);
	assert_int_equal(access(reserve, F_OK), 0);
	/* A journal file that must be made anew takes room as well. */
	store_free(store);
	(void)unlink(store_files_name(files, "sparekey.db-journal"));
	store = store_files_open(files);
	assert_revoking_goes_on(store);
	assert_int_equal(access(reserve, F_OK), -1);
	shim_disk(NULL, 0, 0);
	assert_int_equal(store_files_insert(store, "zzzzz", "later"), 0);
	assert_int_equal(access(reserve, F_OK), 0);
	store_free(store);
}

static void on_a_really_full_disk_revoking_goes_on(void **state)
{
	const struct store_files *files = *state;
	struct store *store;
	char filler[4096] = { 0 };
	int fd;

	assert_int_equal(mkdir(files->directory, 0700), 0);
	if (geteuid() != 0 ||
	    mount("none", files->directory, "tmpfs", 0, "size=2m,mode=700") != 0) {
		skip();
	}
	store = store_files_make(files);
	fill_with_passwords(store, 200);
	fd = open(store_files_name(files, "filler"), O_WRONLY | O_CREAT, 0600);
	while (write(fd, filler, sizeof(filler)) == (ssize_t)sizeof(filler)) {
	}
	(void)close(fd);
	assert_full(store);
	assert_revoking_goes_on(store);
	assert_full(store);
	assert_int_equal(unlink(store_files_name(files, "filler")), 0);
	assert_int_equal(store_files_insert(store, "zzzzz", "later"), 0);
	assert_int_equal(access(store_files_name(files, "sparekey.reserve"), F_OK), 0);
	store_free(store);
	assert_int_equal(umount(files->directory), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)
	const struct CMUnitTest tests[] = {
		TEST(any_failing_operation_leaves_old_or_new),
		TEST(any_operation_after_which_all_fail_leaves_old_or_new),
		TEST(any_failing_operation_ends_a_transaction),
		TEST(any_write_that_finds_the_disk_full_leaves_old_or_new),
		TEST(any_failing_allocation_leaves_old_or_new),
		TEST(any_fault_in_making_leaves_nothing_or_all),
		TEST(any_fault_in_reading_is_told),
		TEST(on_a_full_disk_revoking_goes_on),
		TEST(on_a_really_full_disk_revoking_goes_on),
	};

	return shim_start() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
