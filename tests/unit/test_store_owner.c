/* SPDX-License-Identifier: MIT */
/*
 * The owner's record and the recovery codes: what is put is got, a code is used once, what is
 * damaged is told as such, erasing leaves nothing, old pages do not stay in the journal file, and a
 * store of the version before has room for it all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

#define HASH "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$dGFn"
#define NEEDLE "needle-in-the-old-pages"

static struct store_owner record(const char *hash, int64_t step)
{
	struct store_owner owner = { .step = step, .sealed_length = 5 };

	strcpy(owner.hash, hash);
	memcpy(owner.sealed, "\0seal", 5);
	return owner;
}

static void put(struct store *store, const struct store_owner *owner)
{
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_owner_put(store, owner), 0);
	assert_int_equal(store_commit(store), 0);
}

static void assert_owner(struct store *store, const struct store_owner *wanted)
{
	struct store_owner found;

	assert_int_equal(store_owner_get(store, &found), 0);
	assert_string_equal(found.hash, wanted->hash);
	assert_int_equal(found.step, wanted->step);
	assert_int_equal(found.sealed_length, wanted->sealed_length);
	assert_memory_equal(found.sealed, wanted->sealed, wanted->sealed_length);
	assert_false(found.is_damaged);
}

static void what_is_put_is_got(void **state)
{
	struct store *store = NULL;
	struct store_owner owner = record(HASH, 7);
	struct store_owner none;

	assert_int_equal(store_new(((struct store_files *)*state)->directory, &store), 0);
	assert_int_equal(store_owner_get(store, &none), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_make(store), 0);
	assert_int_equal(store_owner_get(store, &none), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_owner_put(store, &owner), -EINVAL); /* outside a transaction */
	put(store, &owner);
	assert_owner(store, &owner);
	owner.sealed_length = 0;
	owner.step = INT64_MAX;
	put(store, &owner);
	assert_owner(store, &owner);
	owner.hash[0] = '\0';
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_owner_put(store, &owner), -EINVAL);
	store_rollback(store);
	store_free(store);
}

static struct store_codes set_of(unsigned int count, char letter)
{
	struct store_codes codes = { .count = count };

	for (unsigned int i = 0; i < count; i++) {
		codes.codes[i].hash[0] = letter;
		codes.codes[i].hash[1] = (char)('0' + i);
	}
	return codes;
}

static void put_codes(struct store *store, const struct store_codes *codes)
{
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_codes_put(store, codes), 0);
	assert_int_equal(store_commit(store), 0);
}

static int use(struct store *store, unsigned int place)
{
	int result = store_begin(store);

	assert_int_equal(result, 0);
	result = store_code_use(store, place, 99);
	if (result != 0) {
		store_rollback(store);
		return result;
	}
	return store_commit(store);
}

static void a_code_is_used_once(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_codes codes = set_of(STORE_CODES, 'a');
	struct store_codes found;

	assert_int_equal(store_codes_get(store, &found), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(use(store, 0), SPAREKEY_AUTHENTICATION_FAILED);
	put_codes(store, &codes);
	assert_int_equal(use(store, 3), 0);
	assert_int_equal(use(store, 3), SPAREKEY_AUTHENTICATION_FAILED);
	assert_int_equal(use(store, STORE_CODES), SPAREKEY_AUTHENTICATION_FAILED);
	assert_int_equal(store_codes_get(store, &found), 0);
	assert_int_equal(found.count, STORE_CODES);
	assert_int_equal(found.left, STORE_CODES - 1);
	assert_true(found.codes[3].is_used);
	assert_string_equal(found.codes[9].hash, "a9");
	codes = set_of(2, 'b');
	put_codes(store, &codes);
	assert_int_equal(store_codes_get(store, &found), 0);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.left, 2);
	store_free(store);
}

static void what_is_damaged_proves_nothing(void **state)
{
	static const char *const damages[] = {
		"UPDATE owner SET hash = ''",
		"UPDATE owner SET hash = 'two\nlines'",
		"UPDATE owner SET sealed = zeroblob(129)",
		"UPDATE owner SET step = -1",
	};
	struct store_owner owner = record(HASH, 1);
	struct store_owner found;
	struct store_codes codes = set_of(3, 'c');
	struct store_codes left;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store *store = store_files_make(*state);

		put(store, &owner);
		store_files_sql(*state, damages[i]);
		assert_int_equal(store_owner_get(store, &found), 0);
		assert_true(found.is_damaged);
		store_free(store);
	}
	struct store *store = store_files_make(*state);

	put_codes(store, &codes);
	store_files_sql(*state, "UPDATE recovery_code SET hash = '' WHERE number = 2;"
	                        "INSERT INTO recovery_code VALUES (11, 'x', 0), (-1, 'x', 0)");
	assert_int_equal(store_codes_get(store, &left), 0);
	assert_int_equal(left.count, 3);
	assert_int_equal(left.left, 2);
	assert_true(left.codes[1].is_used);
	store_free(store);
}

static bool holds(const struct store_files *files, const char *name, const char *needle)
{
	size_t size = 0;
	unsigned char *bytes = store_files_read(store_files_name(files, name), &size);
	bool is_there = memmem(bytes, size, needle, strlen(needle)) != NULL;

	free(bytes);
	return is_there;
}

static void erasing_leaves_nothing(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_owner owner = record(NEEDLE, 1);
	struct store_event event = { .kind = NEEDLE, .time = 1 };
	struct store_codes codes = set_of(STORE_CODES, 'd');
	struct store_password password;
	bool has_more = false;

	put(store, &owner);
	put_codes(store, &codes);
	assert_int_equal(store_files_insert(store, "00002", "B"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_event_append(store, &event, NULL), 0);
	assert_int_equal(store_commit(store), 0);
	assert_true(holds(*state, "sparekey.db", NEEDLE));
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_owner_erase(store, 1, &has_more), 0);
	assert_true(has_more); /* the one line there was; the next turn finds none */
	assert_int_equal(store_owner_erase(store, 1, &has_more), 0);
	assert_false(has_more);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_owner_get(store, &owner), SPAREKEY_NOT_INITIALIZED);
	assert_int_equal(store_codes_get(store, &codes), 0);
	assert_int_equal(codes.count, 0);
	assert_int_equal(store_password_get(store, "00002", &password), SPAREKEY_UNKNOWN_OBJECT);
	assert_false(holds(*state, "sparekey.db", NEEDLE));
	assert_true(
		holds(*state, "sparekey.db-journal", NEEDLE)); /* or the next line shows nothing */
	assert_int_equal(store_scrub(store), 0);
	assert_false(holds(*state, "sparekey.db-journal", NEEDLE));
	assert_int_equal(store_files_insert(store, "00001", "A"), 0); /* it goes on */
	store_free(store);
}

static void a_store_of_the_version_before_is_upgraded(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_owner owner = record(HASH, 1);
	struct store_password password;

	assert_int_equal(store_files_insert(store, "00001", "A"), 0);
	store_free(store);
	store_files_sql(*state,
	                "DROP TABLE owner; DROP TABLE recovery_code; PRAGMA user_version = 1");
	store = store_files_open(*state);
	assert_int_equal(store_password_get(store, "00001", &password), 0);
	assert_int_equal(store_owner_get(store, &owner), SPAREKEY_NOT_INITIALIZED);
	owner = record(HASH, 1);
	put(store, &owner);
	assert_owner(store, &owner);
	store_free(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_files_setup, store_files_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_got),
		TEST(a_code_is_used_once),
		TEST(what_is_damaged_proves_nothing),
		TEST(erasing_leaves_nothing),
		TEST(a_store_of_the_version_before_is_upgraded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
