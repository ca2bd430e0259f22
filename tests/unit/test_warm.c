/* SPDX-License-Identifier: MIT */
/* The memory of successful verifications: what it knows, for how long, what gives way. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "crypto/warm.h"

#define TEXT "01234-56789-abcde-fghjk-mnpn2"
#define HASH "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$dGFn"

static bool no_memory;
static int random_error;

void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);
ssize_t __real_getrandom(void *bytes, size_t count, unsigned int flags);
ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned int flags);

void *__wrap_sodium_malloc(size_t size)
{
	return no_memory ? NULL : __real_sodium_malloc(size);
}

ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned int flags)
{
	if (random_error != 0) {
		errno = random_error;
		return -1;
	}
	return __real_getrandom(bytes, count, flags);
}

struct fixture {
	struct warm *warm;
	struct secret *text;
	struct warm_key key;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	if (fixture == NULL || warm_new(&fixture->warm) != 0 ||
	    secret_new(NULL, &fixture->text) != 0 ||
	    secret_set(fixture->text, TEXT, sizeof TEXT - 1) != 0) {
		return -1;
	}
	fixture->key = (struct warm_key){ "01234", fixture->text, HASH, 7 };
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	secret_free(fixture->text);
	warm_free(fixture->warm);
	free(fixture);
	return 0;
}

static void test_knows_what_it_was_told(void **state)
{
	struct fixture *fixture = *state;

	assert_false(warm_knows(fixture->warm, &fixture->key, 0));
	warm_remember(fixture->warm, &fixture->key, 1000);
	assert_true(warm_knows(fixture->warm, &fixture->key, 0));
	assert_true(warm_knows(fixture->warm, &fixture->key, 999));
}

static void test_ends_in_time(void **state)
{
	struct fixture *fixture = *state;

	warm_remember(fixture->warm, &fixture->key, 1000);
	assert_false(warm_knows(fixture->warm, &fixture->key, 1000));
	assert_false(warm_knows(fixture->warm, &fixture->key, 0)); /* and is gone for good */
	warm_remember(fixture->warm, &fixture->key, 0);
	assert_false(warm_knows(fixture->warm, &fixture->key, 0));
}

static void test_every_part_counts(void **state)
{
	struct fixture *fixture = *state;
	struct warm_key other;

	warm_remember(fixture->warm, &fixture->key, 1000);
	other = fixture->key;
	other.id = "01235";
	assert_false(warm_knows(fixture->warm, &other, 0));
	other = fixture->key;
	other.hash = HASH "x";
	assert_false(warm_knows(fixture->warm, &other, 0));
	other = fixture->key;
	other.version = 8;
	assert_false(warm_knows(fixture->warm, &other, 0));
	other.version = -7;
	assert_false(warm_knows(fixture->warm, &other, 0));
	assert_int_equal(secret_set(fixture->text, "01234-56789-abcde-fghjk-mnpn3", 29), 0);
	assert_false(warm_knows(fixture->warm, &fixture->key, 0));
	assert_int_equal(secret_set(fixture->text, TEXT, sizeof TEXT - 1), 0);
	assert_true(
		warm_knows(fixture->warm, &fixture->key, 0)); /* a wrong try drives nothing out */
}

/* Text and hash do not run together: moving a byte from one to the other is another key. */
static void test_parts_are_framed(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(secret_set(fixture->text, "ab", 2), 0);
	fixture->key.hash = "c";
	warm_remember(fixture->warm, &fixture->key, 1000);
	assert_int_equal(secret_set(fixture->text, "a", 1), 0);
	fixture->key.hash = "bc";
	assert_false(warm_knows(fixture->warm, &fixture->key, 0));
}

static void test_one_entry_an_id(void **state)
{
	struct fixture *fixture = *state;
	struct warm_key renewed = fixture->key;

	renewed.version = 8;
	warm_remember(fixture->warm, &fixture->key, 1000);
	warm_remember(fixture->warm, &renewed, 500);
	assert_true(warm_knows(fixture->warm, &renewed, 0));
	assert_false(warm_knows(fixture->warm, &fixture->key, 0));
}

static void test_forget(void **state)
{
	struct fixture *fixture = *state;

	warm_remember(fixture->warm, &fixture->key, 1000);
	warm_forget(fixture->warm, "99999");
	assert_true(warm_knows(fixture->warm, &fixture->key, 0));
	warm_forget(fixture->warm, "01234");
	warm_forget(fixture->warm, "01234");
	assert_false(warm_knows(fixture->warm, &fixture->key, 0));
}

/* Behind its end, and whatever has become of the row: for 30 days. */
static void test_recalls_what_it_knew(void **state)
{
	struct fixture *fixture = *state;
	struct warm_key changed = fixture->key;

	changed.hash = HASH "x";
	changed.version = 8;
	assert_false(warm_recalls(fixture->warm, &fixture->key, 0));
	warm_remember(fixture->warm, &fixture->key, 1000);
	assert_true(warm_recalls(fixture->warm, &fixture->key, 0));
	assert_true(warm_recalls(fixture->warm, &changed, 999));
	assert_false(warm_knows(fixture->warm, &fixture->key, 1000));
	assert_true(warm_recalls(fixture->warm, &changed, 1000));
	assert_true(warm_recalls(fixture->warm, &changed, 1000 + WARM_RECALL_MS - 1));
	assert_false(warm_recalls(fixture->warm, &changed, 1000 + WARM_RECALL_MS));
	assert_false(warm_recalls(fixture->warm, &changed, 0)); /* and is gone for good */
}

static void test_recalls_nothing_else(void **state)
{
	struct fixture *fixture = *state;
	struct warm_key other = fixture->key;

	warm_remember(fixture->warm, &fixture->key, 1000);
	other.id = "01235";
	assert_false(warm_recalls(fixture->warm, &other, 0));
	assert_int_equal(secret_set(fixture->text, "01234-56789-abcde-fghjk-mnpn3", 29), 0);
	assert_false(warm_recalls(fixture->warm, &fixture->key, 0));
	assert_int_equal(secret_set(fixture->text, TEXT, sizeof TEXT - 1), 0);
	assert_true(warm_recalls(fixture->warm, &fixture->key, 0));
	warm_forget(fixture->warm, "01234");
	assert_false(warm_recalls(fixture->warm, &fixture->key, 0));
}

static void test_bad_ids_are_not_remembered(void **state)
{
	static const char *const ids[] = { "", "0123", "012345", "0123456789abcdefghjkmnpq" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		fixture->key.id = ids[i];
		warm_remember(fixture->warm, &fixture->key, 1000);
		assert_false(warm_knows(fixture->warm, &fixture->key, 0));
	}
}

/* Whether the password number i is known; each ends later than the one before. */
static bool numbered(struct fixture *fixture, unsigned int i, bool remember)
{
	char id[8];
	struct warm_key key = fixture->key;

	snprintf(id, sizeof id, "%05x", i);
	key.id = id;
	if (remember) {
		warm_remember(fixture->warm, &key, 1000 + i);
	}
	return warm_knows(fixture->warm, &key, 0);
}

static void test_the_oldest_gives_way(void **state)
{
	struct fixture *fixture = *state;
	unsigned int known = 0;
	unsigned int newest_known = 0;

	for (unsigned int i = 0; i < 20 * WARM_ENTRIES; i++) {
		assert_true(numbered(fixture, i, true));
	}
	for (unsigned int i = 0; i < 20 * WARM_ENTRIES; i++) {
		known += numbered(fixture, i, false) ? 1 : 0;
	}
	assert_int_equal(known, WARM_ENTRIES); /* all of it is used, and no more */
	for (unsigned int i = 19 * WARM_ENTRIES; i < 20 * WARM_ENTRIES; i++) {
		newest_known += numbered(fixture, i, false) ? 1 : 0;
	}
	assert_true(newest_known > WARM_ENTRIES * 6 / 10);
}

static void test_processes_have_their_own_key(void **state)
{
	struct fixture *fixture = *state;
	struct warm *other = NULL;

	assert_int_equal(warm_new(&other), 0);
	warm_remember(fixture->warm, &fixture->key, 1000);
	assert_false(warm_knows(other, &fixture->key, 0));
	assert_null(warm_free(other));
	assert_null(warm_free(NULL));
}

static void test_it_cannot_be_made(void **state)
{
	struct warm *warm = NULL;

	(void)state;
	no_memory = true;
	assert_int_equal(warm_new(&warm), -ENOMEM);
	no_memory = false;
	random_error = ENOSYS;
	assert_int_equal(warm_new(&warm), -ENOSYS);
	random_error = 0;
	assert_null(warm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_knows_what_it_was_told),
		TEST(test_ends_in_time),
		TEST(test_every_part_counts),
		TEST(test_parts_are_framed),
		TEST(test_one_entry_an_id),
		TEST(test_forget),
		TEST(test_recalls_what_it_knew),
		TEST(test_recalls_nothing_else),
		TEST(test_bad_ids_are_not_remembered),
		TEST(test_the_oldest_gives_way),
		TEST(test_processes_have_their_own_key),
		TEST(test_it_cannot_be_made),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
