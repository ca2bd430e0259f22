/* SPDX-License-Identifier: MIT */
/* Recovery codes: ten different ones of 50 bits, forgivingly read, hashed with one salt, told apart
 * by one evaluation. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/argon2id.h"
#include "crypto/random.h"
#include "crypto/recovery.h"
#include "sparekey.h"

#define LINE (RECOVERY_TEXT + 1u)
#define SALT_AT strlen("$argon2id$v=19$m=1024,t=1,p=1$")
#define SALT_TEXT 22
#define TAG_AT (SALT_AT + SALT_TEXT + 1)

static const struct phc_cost low = { 1024, 1, 1 };

/* The linker sends the module's calls here. */
static struct {
	unsigned int evaluations;
	int fail_hash;
	int fail_random;
	bool fail_memory;
	unsigned int draws;
	unsigned int twins; /* so many draws in which two codes are the same */
} world;

int __real_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t *salt, uint8_t *ret_tag);
int __wrap_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t *salt, uint8_t *ret_tag);
int __real_random_symbols(uint8_t *ret_values, size_t count);
int __wrap_random_symbols(uint8_t *ret_values, size_t count);
int __real_random_bytes(void *ret_bytes, size_t count);
int __wrap_random_bytes(void *ret_bytes, size_t count);
void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);

int __wrap_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t *salt, uint8_t *ret_tag)
{
	world.evaluations++;
	return world.fail_hash != 0 ? world.fail_hash
	                            : __real_argon2id_hash(secret, cost, salt, ret_tag);
}

int __wrap_random_symbols(uint8_t *ret_values, size_t count)
{
	int r = world.fail_random != 0 ? world.fail_random
	                               : __real_random_symbols(ret_values, count);

	world.draws++;
	if (world.twins > 0) {
		size_t twin = world.twins % RECOVERY_CODES;
		size_t other = (twin + world.draws) % RECOVERY_CODES;

		world.twins--;
		memmove(ret_values + twin * RECOVERY_SYMBOLS, ret_values + other * RECOVERY_SYMBOLS,
		        RECOVERY_SYMBOLS);
	}
	return r;
}

int __wrap_random_bytes(void *ret_bytes, size_t count)
{
	return world.fail_random != 0 ? world.fail_random : __real_random_bytes(ret_bytes, count);
}

void *__wrap_sodium_malloc(size_t size)
{
	return world.fail_memory ? NULL : __real_sodium_malloc(size);
}

struct fixture {
	struct secret *codes;
	struct secret *code;
	char hashes[RECOVERY_CODES][PHC_TEXT + 1];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	memset(&world, 0, sizeof world);
	if (fixture == NULL || secret_new(NULL, &fixture->codes) != 0 ||
	    secret_new(NULL, &fixture->code) != 0 || recovery_make(fixture->codes) != 0 ||
	    recovery_hash_all(fixture->codes, &low, fixture->hashes) != 0) {
		return -1;
	}
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	secret_free(fixture->codes);
	secret_free(fixture->code);
	free(fixture);
	return 0;
}

static const char *line_of(const struct fixture *fixture, unsigned int i)
{
	return (const char *)secret_bytes(fixture->codes) + (size_t)i * LINE;
}

static void take_code(struct fixture *fixture, unsigned int i)
{
	assert_int_equal(secret_set(fixture->code, line_of(fixture, i), RECOVERY_TEXT), 0);
}

static void assert_is_a_code(const char *line)
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

	for (unsigned int i = 0; i < RECOVERY_TEXT; i++) {
		if (i == 5) {
			assert_int_equal(line[i], '-');
		} else {
			assert_non_null(memchr(alphabet, line[i], sizeof alphabet - 1));
		}
	}
	assert_int_equal(line[RECOVERY_TEXT], '\n');
}

static void assert_all_differ(const struct fixture *fixture)
{
	for (unsigned int i = 0; i < RECOVERY_CODES; i++) {
		for (unsigned int k = 0; k < i; k++) {
			assert_memory_not_equal(line_of(fixture, i), line_of(fixture, k),
			                        RECOVERY_TEXT);
		}
	}
}

static void test_a_set(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(secret_length(fixture->codes), 120);
	for (unsigned int i = 0; i < RECOVERY_CODES; i++) {
		assert_is_a_code(line_of(fixture, i));
	}
	assert_all_differ(fixture);
}

/* Each of the 100 places takes each of the 32 symbols: 50 bits a code. A place that never showed
 * one of them in 2000 sets would be a chance of 3200 * exp(-63). */
static void test_fifty_bits(void **state)
{
	struct fixture *fixture = *state;
	static bool seen[RECOVERY_CODES * LINE][256];
	unsigned int count = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		assert_int_equal(recovery_make(fixture->codes), 0);
		for (size_t at = 0; at < RECOVERY_CODES * LINE; at++) {
			seen[at][secret_bytes(fixture->codes)[at]] = true;
		}
	}
	for (size_t at = 0; at < sizeof seen; at++) {
		count += seen[at / 256][at % 256] ? 1 : 0;
	}
	assert_int_equal(count, 100 * 32 + 10 + 10);
}

static void test_twins_are_drawn_again(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned int twins = 0; twins < 10; twins++) {
		world.draws = 0;
		world.twins = twins;
		assert_int_equal(recovery_make(fixture->codes), 0);
		assert_int_equal(world.draws, twins + 1);
		assert_all_differ(fixture);
	}
}

static void test_without_randomness_none_are_made(void **state)
{
	struct fixture *fixture = *state;
	char hashes[RECOVERY_CODES][PHC_TEXT + 1] = { "kept" };

	world.fail_random = -EAGAIN;
	assert_int_equal(secret_set(fixture->code, "kept", 4), 0);
	assert_int_equal(recovery_make(fixture->code), -EAGAIN);
	assert_int_equal(secret_length(fixture->code), 4);
	assert_memory_equal(secret_bytes(fixture->code), "kept\0", 5);
	assert_int_equal(recovery_hash_all(fixture->codes, &low, hashes), -EAGAIN);
	assert_string_equal(hashes[0], "kept");
}

static void assert_reads(struct fixture *fixture, const char *typed)
{
	assert_int_equal(secret_set(fixture->code, typed, strlen(typed)), 0);
	assert_true(recovery_read(fixture->code, fixture->code));
	assert_int_equal(secret_length(fixture->code), RECOVERY_TEXT);
	assert_memory_equal(secret_bytes(fixture->code), "k7mq3-10d9h", RECOVERY_TEXT);
}

static void test_reading_is_forgiving(void **state)
{
	static const char *const typed[] = { "k7mq3-10d9h",         "K7MQ3-10D9H",
		                             "k7mq310d9h",          " k7mq3 10d9h\n",
		                             "k7mq3-IOd9h",         "k7mq3-lod9h",
		                             "k7mq3-Lod9h\r\n",     "k-7-m-q-3-1-0-d-9-h",
		                             "\tk7mq3\302\24010d9h" };

	for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++) {
		assert_reads(*state, typed[i]);
	}
}

static void test_nothing_else_is_tolerated(void **state)
{
	static const char *const bad[] = { "",
		                           "----------",
		                           "118264",
		                           "k7mq3-10d9",
		                           "k7mq3-10d9hh",
		                           "k7mq3-10d9u",
		                           "k7mq3_10d9h",
		                           "k7mq3-10d9h!",
		                           "k7mq3\342\200\22010d9h",
		                           "k7mq3-xwd9h-2tv8e-pnb4r-q2cwm" };
	static const unsigned char zeros[SECRET_CAPACITY];
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(secret_set(fixture->code, bad[i], strlen(bad[i])), 0);
		assert_false(recovery_read(fixture->code, fixture->code));
		assert_int_equal(secret_length(fixture->code), 0);
		assert_memory_equal(secret_buffer(fixture->code), zeros, sizeof zeros);
	}
	assert_int_equal(secret_set(fixture->code, "k7mq3\00010d9h", 11), 0);
	assert_false(recovery_read(fixture->code, fixture->code));
}

static void test_one_salt_a_set(void **state)
{
	struct fixture *fixture = *state;
	char again[RECOVERY_CODES][PHC_TEXT + 1];

	for (unsigned int i = 1; i < RECOVERY_CODES; i++) {
		assert_memory_equal(fixture->hashes[i], fixture->hashes[0], SALT_AT + SALT_TEXT);
		assert_string_not_equal(fixture->hashes[i], fixture->hashes[0]);
	}
	assert_int_equal(recovery_hash_all(fixture->codes, &low, again), 0);
	assert_memory_equal(again[0], fixture->hashes[0], SALT_AT);
	assert_memory_not_equal(again[0] + SALT_AT, fixture->hashes[0] + SALT_AT, SALT_TEXT);
}

/* What is stored is the plain PHC string of the code as it is shown. */
static void test_a_hash_is_that_of_the_code(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned int i = 0; i < RECOVERY_CODES; i++) {
		struct phc phc;

		assert_int_equal(
			phc_parse(fixture->hashes[i], strlen(fixture->hashes[i]), &low, &phc), 0);
		take_code(fixture, i);
		assert_int_equal(argon2id_check(fixture->code, &phc), 0);
	}
}

static void assert_match(struct fixture *fixture, unsigned int count, int result,
                         unsigned int index)
{
	unsigned int found = 4711;

	world.evaluations = 0;
	assert_int_equal(recovery_match(fixture->code, fixture->hashes, count, &low, &found),
	                 result);
	assert_int_equal(found, result == 0 ? index : 4711);
	assert_int_equal(world.evaluations, result == -EUCLEAN ? 0 : 1);
}

static void test_one_evaluation_tells_which(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned int i = 0; i < RECOVERY_CODES; i++) {
		take_code(fixture, i);
		assert_match(fixture, RECOVERY_CODES, 0, i);
		assert_match(fixture, i, i == 0 ? -EUCLEAN : SPAREKEY_AUTHENTICATION_FAILED, 0);
	}
	assert_int_equal(secret_set(fixture->code, "k7mq3-10d9h", 11), 0);
	assert_match(fixture, RECOVERY_CODES, SPAREKEY_AUTHENTICATION_FAILED, 0);
	secret_clear(fixture->code);
	assert_match(fixture, RECOVERY_CODES, SPAREKEY_AUTHENTICATION_FAILED, 0);
}

/* The n-th hash, unreadable or with another salt or tag: it is none, the other nine are. */
static void assert_damage_is_alone(struct fixture *fixture, unsigned int n, const char *damaged)
{
	char kept[PHC_TEXT + 1];

	memcpy(kept, fixture->hashes[n], sizeof kept);
	memcpy(fixture->hashes[n], damaged, sizeof kept);
	for (unsigned int i = 0; i < RECOVERY_CODES; i++) {
		take_code(fixture, i);
		assert_match(fixture, RECOVERY_CODES, i == n ? SPAREKEY_AUTHENTICATION_FAILED : 0,
		             i);
	}
	memcpy(fixture->hashes[n], kept, sizeof kept);
}

static void test_a_damaged_hash_is_none(void **state)
{
	static const char hostile[PHC_TEXT + 1] =
		"$argon2id$v=19$m=4194304,t=16,p=4$c2l4dGVlbiBieXRlcyBvaw$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct fixture *fixture = *state;
	char damaged[PHC_TEXT + 1];

	for (unsigned int n = 0; n < RECOVERY_CODES; n += 3) {
		memset(damaged, 'x', sizeof damaged); /* without an end */
		assert_damage_is_alone(fixture, n, damaged);
		memset(damaged, 0, sizeof damaged);
		assert_damage_is_alone(fixture, n, damaged);
		assert_damage_is_alone(fixture, n, hostile);
		memcpy(damaged, fixture->hashes[n], sizeof damaged);
		damaged[SALT_AT + 4] = damaged[SALT_AT + 4] == 'A' ? 'B' : 'A';
		assert_damage_is_alone(fixture, n, damaged);
		memcpy(damaged, fixture->hashes[n], sizeof damaged);
		damaged[TAG_AT] = damaged[TAG_AT] == 'A' ? 'B' : 'A';
		assert_damage_is_alone(fixture, n, damaged);
	}
}

static void test_nothing_readable_is_never_computed(void **state)
{
	struct fixture *fixture = *state;
	const struct phc_cost less = { 1024, 1, 0 };
	unsigned int index = 4711;

	take_code(fixture, 0);
	assert_match(fixture, 0, -EUCLEAN, 0);
	world.evaluations = 0;
	assert_int_equal(
		recovery_match(fixture->code, fixture->hashes, RECOVERY_CODES, &less, &index),
		-EUCLEAN);
	memset(fixture->hashes, 0, sizeof fixture->hashes);
	assert_match(fixture, RECOVERY_CODES, -EUCLEAN, 0);
	assert_int_equal(world.evaluations, 0);
	assert_int_equal(index, 4711);
}

static void test_failures_change_nothing(void **state)
{
	static const struct phc_cost bad = { 1, 1, 1 };
	struct fixture *fixture = *state;
	char hashes[RECOVERY_CODES][PHC_TEXT + 1] = { "kept" };

	assert_int_equal(recovery_hash_all(fixture->codes, &bad, hashes), -EINVAL);
	take_code(fixture, 0);
	assert_int_equal(recovery_hash_all(fixture->code, &low, hashes), -EINVAL);
	world.fail_memory = true;
	assert_int_equal(recovery_hash_all(fixture->codes, &low, hashes), -ENOMEM);
	world.fail_memory = false;
	world.fail_hash = -ENOMEM;
	assert_int_equal(recovery_hash_all(fixture->codes, &low, hashes), -ENOMEM);
	assert_match(fixture, RECOVERY_CODES, -ENOMEM, 0);
	assert_string_equal(hashes[0], "kept");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_set),
		TEST(test_fifty_bits),
		TEST(test_twins_are_drawn_again),
		TEST(test_without_randomness_none_are_made),
		TEST(test_reading_is_forgiving),
		TEST(test_nothing_else_is_tolerated),
		TEST(test_one_salt_a_set),
		TEST(test_a_hash_is_that_of_the_code),
		TEST(test_one_evaluation_tells_which),
		TEST(test_a_damaged_hash_is_none),
		TEST(test_nothing_readable_is_never_computed),
		TEST(test_failures_change_nothing),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
