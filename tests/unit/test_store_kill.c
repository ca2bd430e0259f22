/* SPDX-License-Identifier: MIT */
/*
 * kill -9 in the middle of commits, with a second process that has the store open: what the killed
 * process had acknowledged is there, what it had revoked is gone, and of what it had not
 * acknowledged there is all or nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

#define ROUNDS 50u

/* What the child says once a transaction is acknowledged: number of the password it made; it
 * revoked the one before. */
struct acknowledgement {
	unsigned int number;
};

static void name(char ret_id[static 24], unsigned int number)
{
	(void)snprintf(ret_id, 24, "%05u", number);
}

static int replace(struct store *store, unsigned int number)
{
	struct store_password password;
	struct store_event event = { .kind = "created", .time = 1 };
	char id[24];
	char old[24];
	int result = store_begin(store);

	name(id, number);
	name(old, number - 1);
	password = store_files_record(id, id);
	if (result == 0) {
		result = store_password_insert(store, &password);
	}
	if (result == 0) {
		result = store_password_delete(store, old);
	}
	if (result == 0) {
		result = store_event_append(store, &event, NULL);
	}
	return result == 0 ? store_commit(store) : result;
}

static void work(const struct store_files *files, unsigned int number, int out)
{
	struct store *store = NULL;
	int result = store_new(files->directory, &store);

	while (result == 0) {
		struct acknowledgement said = { .number = ++number };

		result = replace(store, number);
		if (result == -EBUSY) {
			number--;
			result = 0;
			continue;
		}
		if (result == 0 && write(out, &said, sizeof(said)) != (ssize_t)sizeof(said)) {
			result = -EIO;
		}
	}
	_exit(1);
}

/* Starts a child, kills it some time after its first acknowledgement (so that a busy machine kills
 * in the middle of commits too), returns the last number it acknowledged. */
static unsigned int run_and_kill(const struct store_files *files, unsigned int number,
                                 long microseconds)
{
	struct acknowledgement said = { .number = number };
	struct timespec wait = { .tv_nsec = microseconds * 1000 };
	int ends[2];
	int status = 0;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(ends[0]);
		work(files, number, ends[1]);
	}
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &said, sizeof(said)), sizeof(said));
	(void)nanosleep(&wait, NULL);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while (read(ends[0], &said, sizeof(said)) == (ssize_t)sizeof(said)) {
	}
	(void)close(ends[0]);
	return said.number;
}

static int keep(void *data, const struct store_password *password)
{
	char *text = data;
	size_t length = strlen(text);

	(void)snprintf(text + length, 64 - length, "%s ", password->id);
	return 0;
}

/* Exactly one password: the acknowledged one, or the one after it. Returns its number. */
static unsigned int assert_one_of(struct store *store, unsigned int number)
{
	char text[64] = "";
	char id[24];

	assert_int_equal(store_files_each(store, "", 0, 0, keep, text), 0);
	name(id, number);
	assert_int_equal(strlen(text), 6);
	if (strncmp(text, id, 5) == 0) {
		return number;
	}
	name(id, number + 1);
	assert_memory_equal(text, id, 5);
	return number + 1;
}

static void killing_loses_and_revives_nothing(void **state)
{
	const struct store_files *files = *state;
	struct store *other = store_files_make(files);
	unsigned int number = 1;
	unsigned int seed = 4711;

	assert_int_equal(store_files_insert(other, "00001", "first"), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct store *store;

		number = run_and_kill(files, number, rand_r(&seed) % 10000);
		number = assert_one_of(other, number);
		store = store_files_open(files);
		assert_int_equal(assert_one_of(store, number), number);
		store_free(store);
	}
	store_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killing_loses_and_revives_nothing,
		                                store_files_setup, store_files_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
