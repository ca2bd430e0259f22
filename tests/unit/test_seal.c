/* SPDX-License-Identifier: MIT */
/* What is sealed under the main password: it opens with it and with nothing else, no bit of it can
 * be changed, and a cost out of bounds is never computed. */
#include <argon2.h>
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "crypto/argon2id.h"
#include "crypto/seal.h"
#include "sparekey.h"

#define PLAIN "twenty bytes of a key"
#define PLAIN_BYTES 20u

static const struct phc_cost low = { 1024, 1, 1 };

/* The linker sends the module's calls here. */
static struct {
	unsigned int evaluations;
	int fail_hash;
	int fail_random; /* errno */
} world;

int __real_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t *salt, uint8_t *ret_tag);
int __wrap_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t *salt, uint8_t *ret_tag);
ssize_t __real_getrandom(void *bytes, size_t count, unsigned int flags);
ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned int flags);

int __wrap_argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                         const uint8_t *salt, uint8_t *ret_tag)
{
	world.evaluations++;
	return world.fail_hash != 0 ? world.fail_hash
	                            : __real_argon2id_hash(secret, cost, salt, ret_tag);
}

ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned int flags)
{
	if (world.fail_random != 0) {
		errno = world.fail_random;
		return -1;
	}
	return __real_getrandom(bytes, count, flags);
}

struct fixture {
	struct secret *main_password;
	struct secret *plain;
	uint8_t sealed[SEAL_BYTES(PLAIN_BYTES)];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	memset(&world, 0, sizeof world);
	if (fixture == NULL || secret_new(NULL, &fixture->main_password) != 0 ||
	    secret_new(NULL, &fixture->plain) != 0 ||
	    secret_set(fixture->main_password, "correct horse battery", 21) != 0 ||
	    seal_close(fixture->main_password, &low, PLAIN, PLAIN_BYTES, fixture->sealed) != 0) {
		return -1;
	}
	world.evaluations = 0;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	secret_free(fixture->main_password);
	secret_free(fixture->plain);
	free(fixture);
	return 0;
}

static int open_at(struct fixture *fixture, const struct phc_cost *most)
{
	assert_int_equal(secret_set(fixture->plain, "kept", 4), 0);
	return seal_open(fixture->main_password, most, fixture->sealed, sizeof fixture->sealed,
	                 fixture->plain);
}

static void assert_kept(const struct fixture *fixture)
{
	assert_int_equal(secret_length(fixture->plain), 4);
	assert_memory_equal(secret_bytes(fixture->plain), "kept\0\0\0\0", 8);
}

static void assert_opens(struct fixture *fixture, const struct phc_cost *most)
{
	assert_int_equal(open_at(fixture, most), 0);
	assert_int_equal(secret_length(fixture->plain), PLAIN_BYTES);
	assert_memory_equal(secret_bytes(fixture->plain), PLAIN, PLAIN_BYTES);
}

static void test_round_trip(void **state)
{
	static const struct phc_cost costs[] = { { 1024, 1, 1 }, { 2048, 3, 4 }, { 1031, 2, 2 } };
	static const struct phc_cost most = { 4096, 3, 4 };
	struct fixture *fixture = *state;

	assert_opens(fixture, &low);
	assert_int_equal(world.evaluations, 1);
	for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
		assert_int_equal(seal_close(fixture->main_password, &costs[i], PLAIN, PLAIN_BYTES,
		                            fixture->sealed),
		                 0);
		assert_opens(fixture, &costs[i]);
		assert_opens(fixture, &most);
	}
}

static void test_any_length(void **state)
{
	static const size_t lengths[] = { 0, 1, SECRET_CAPACITY };
	struct fixture *fixture = *state;
	uint8_t bytes[SECRET_CAPACITY];
	uint8_t sealed[SEAL_BYTES(SECRET_CAPACITY + 1)];

	memset(bytes, 0xa5, sizeof bytes);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		assert_int_equal(
			seal_close(fixture->main_password, &low, bytes, lengths[i], sealed), 0);
		assert_int_equal(seal_open(fixture->main_password, &low, sealed,
		                           SEAL_BYTES(lengths[i]), fixture->plain),
		                 0);
		assert_int_equal(secret_length(fixture->plain), lengths[i]);
		assert_memory_equal(secret_bytes(fixture->plain), bytes, lengths[i]);
	}
	world.evaluations = 0;
	assert_int_equal(
		seal_open(fixture->main_password, &low, sealed, sizeof sealed, fixture->plain),
		-EUCLEAN);
	assert_int_equal(world.evaluations, 0);
}

/* As the header says it is laid out, by the libraries' own calls. */
static void test_the_layout(void **state)
{
	static const uint8_t head[13] = { 1, 0, 0, 4, 7, 0, 0, 0, 2, 0, 0, 0, 4 };
	static const struct phc_cost cost = { 0x407, 2, 4 };
	struct fixture *fixture = *state;
	const uint8_t *sealed = fixture->sealed;
	uint8_t plain[PLAIN_BYTES];
	uint8_t key[32];

	assert_int_equal(
		seal_close(fixture->main_password, &cost, PLAIN, PLAIN_BYTES, fixture->sealed), 0);
	assert_memory_equal(sealed, head, sizeof head);
	assert_int_equal(argon2id_hash_raw(2, 0x407, 4, "correct horse battery", 21, sealed + 13,
	                                   16, key, sizeof key),
	                 ARGON2_OK);
	assert_int_equal(
		crypto_secretbox_open_easy(plain, sealed + 53, PLAIN_BYTES + 16, sealed + 29, key),
		0);
	assert_memory_equal(plain, PLAIN, PLAIN_BYTES);
}

static void test_salt_and_nonce_are_fresh(void **state)
{
	struct fixture *fixture = *state;
	uint8_t again[SEAL_BYTES(PLAIN_BYTES)];

	assert_int_equal(seal_close(fixture->main_password, &low, PLAIN, PLAIN_BYTES, again), 0);
	assert_memory_equal(again, fixture->sealed, 13);
	assert_memory_not_equal(again + 13, fixture->sealed + 13, 16);
	assert_memory_not_equal(again + 29, fixture->sealed + 29, 24);
	assert_memory_not_equal(again + 53, fixture->sealed + 53, PLAIN_BYTES + 16);
}

static void test_every_bit_counts(void **state)
{
	struct fixture *fixture = *state;

	for (size_t bit = 0; bit < sizeof fixture->sealed * 8; bit++) {
		fixture->sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(open_at(fixture, &low),
		                 bit / 8 < 13 ? -EUCLEAN : SPAREKEY_AUTHENTICATION_FAILED);
		assert_kept(fixture);
		fixture->sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* The 13 bytes before the salt cost nothing. */
	assert_int_equal(world.evaluations, (sizeof fixture->sealed - 13) * 8);
	assert_opens(fixture, &low);
}

static void test_another_cost_within_bounds(void **state)
{
	static const struct phc_cost most = { 2048, 3, 4 };
	struct fixture *fixture = *state;
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = { { 4, 1 }, { 4, 4 }, { 8, 2 }, { 12, 2 } };

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		uint8_t before = fixture->sealed[changes[i].at];

		fixture->sealed[changes[i].at] = changes[i].value;
		assert_int_equal(open_at(fixture, &most), SPAREKEY_AUTHENTICATION_FAILED);
		fixture->sealed[changes[i].at] = before;
	}
}

static void test_a_cut_text(void **state)
{
	struct fixture *fixture = *state;

	for (size_t length = 0; length < sizeof fixture->sealed; length++) {
		/* A copy of that size: reading beyond it would be seen. */
		uint8_t *cut = malloc(length > 0 ? length : 1);
		int r;

		assert_non_null(cut);
		memcpy(cut, fixture->sealed, length);
		r = seal_open(fixture->main_password, &low, cut, length, fixture->plain);
		assert_int_equal(r, length < SEAL_BYTES(0u) ? -EUCLEAN
		                                            : SPAREKEY_AUTHENTICATION_FAILED);
		free(cut);
	}
	assert_int_equal(world.evaluations, PLAIN_BYTES);
}

static void write_cost(uint8_t *at, const uint32_t numbers[3])
{
	for (size_t i = 0; i < 12; i++) {
		at[i] = (uint8_t)(numbers[i / 4] >> (24 - 8 * (i % 4)));
	}
}

static void test_a_cost_out_of_bounds_is_never_computed(void **state)
{
	static const struct phc_cost limit = { PHC_MEMORY_KIB_MAX, PHC_PASSES_MAX, PHC_LANES_MAX };
	static const struct phc_cost most = { 65536, 3, 4 };
	static const struct phc_cost careless = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	static const uint32_t bad[][3] = {
		{ 0, 1, 1 },         { 1023, 1, 1 },       { PHC_MEMORY_KIB_MAX + 1, 1, 1 },
		{ 1024, 0, 1 },      { 1024, 1, 0 },       { 1024, PHC_PASSES_MAX + 1, 1 },
		{ 1024, 1, 5 },      { UINT32_MAX, 1, 1 }, { 1024, UINT32_MAX, 1 },
		{ 1024, 1, 1 << 24 }
	};
	static const uint32_t above[][3] = { { 65537, 1, 1 }, { 65536, 4, 1 }, { 4194304, 3, 4 } };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		write_cost(fixture->sealed + 1, bad[i]);
		assert_int_equal(open_at(fixture, &limit), -EUCLEAN);
		assert_int_equal(open_at(fixture, &careless), -EUCLEAN);
	}
	for (size_t i = 0; i < sizeof above / sizeof above[0]; i++) {
		write_cost(fixture->sealed + 1, above[i]);
		assert_int_equal(open_at(fixture, &most), -EUCLEAN);
	}
	assert_kept(fixture);
	assert_int_equal(world.evaluations, 0);
}

static void test_another_main_password(void **state)
{
	static const char *const wrong[] = { "", "correct horse batterz", "correct horse batter",
		                             "correct horse battery " };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(secret_set(fixture->main_password, wrong[i], strlen(wrong[i])), 0);
		assert_int_equal(open_at(fixture, &low), SPAREKEY_AUTHENTICATION_FAILED);
		assert_kept(fixture);
	}
}

static void test_failures_change_nothing(void **state)
{
	static const struct phc_cost bad = { 1, 1, 1 };
	struct fixture *fixture = *state;
	uint8_t sealed[SEAL_BYTES(PLAIN_BYTES)] = "kept";

	world.fail_hash = -ENOMEM;
	assert_int_equal(open_at(fixture, &low), -ENOMEM);
	assert_kept(fixture);
	assert_int_equal(seal_close(fixture->main_password, &low, PLAIN, PLAIN_BYTES, sealed),
	                 -ENOMEM);
	world.fail_hash = 0;
	assert_int_equal(seal_close(fixture->main_password, &bad, PLAIN, PLAIN_BYTES, sealed),
	                 -EINVAL);
	world.fail_random = EAGAIN;
	assert_int_equal(seal_close(fixture->main_password, &low, PLAIN, PLAIN_BYTES, sealed),
	                 -EAGAIN);
	assert_string_equal((const char *)sealed, "kept");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_any_length),
		TEST(test_the_layout),
		TEST(test_salt_and_nonce_are_fresh),
		TEST(test_every_bit_counts),
		TEST(test_another_cost_within_bounds),
		TEST(test_a_cut_text),
		TEST(test_a_cost_out_of_bounds_is_never_computed),
		TEST(test_another_main_password),
		TEST(test_failures_change_nothing),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
