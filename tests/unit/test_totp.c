/* SPDX-License-Identifier: MIT */
/* Codes: the vectors of RFC 6238 and RFC 4226, the window, a code that works once, the address, and
 * that nothing of the key is left behind. */
#include <errno.h>
#include <liboath/oath.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "crypto/totp.h"
#include "sparekey.h"
#include "tests/support/own_stack.h"

#define NONE (-1)
#define LEFT_ALONE 4711

static const uint8_t rfc_key[TOTP_KEY] = "12345678901234567890";

/* The linker sends the module's calls here. */
static struct {
	unsigned int computed;
	unsigned int fail; /* the n-th; 0: none */
	bool same;         /* every step has the code 000000 */
	const char *name;  /* of the user; NULL: there is none */
} world;

int __real_oath_totp_generate(const char *key, size_t length, time_t now, unsigned int step,
                              time_t start, unsigned int digits, char *ret_code);
int __wrap_oath_totp_generate(const char *key, size_t length, time_t now, unsigned int step,
                              time_t start, unsigned int digits, char *ret_code);
int __wrap_oath_init(void);
struct passwd *__wrap_getpwuid(uid_t uid);

int __wrap_oath_totp_generate(const char *key, size_t length, time_t now, unsigned int step,
                              time_t start, unsigned int digits, char *ret_code)
{
	if (++world.computed == world.fail) {
		return OATH_CRYPTO_ERROR;
	}
	if (world.same) {
		memcpy(ret_code, "000000", 7);
		return OATH_OK;
	}
	return __real_oath_totp_generate(key, length, now, step, start, digits, ret_code);
}

int __wrap_oath_init(void)
{
	return world.fail > 0 ? OATH_CRYPTO_ERROR : OATH_OK;
}

struct passwd *__wrap_getpwuid(uid_t uid)
{
	static char name[512];
	static struct passwd user = { .pw_name = name };

	(void)uid;
	if (world.name == NULL) {
		return NULL;
	}
	memcpy(name, world.name, strlen(world.name) + 1);
	return &user;
}

static int set_up(void **state)
{
	struct secret *secret = NULL;

	memset(&world, 0, sizeof world);
	if (secret_new(NULL, &secret) != 0) {
		return -1;
	}
	*state = secret;
	return 0;
}

static int tear_down(void **state)
{
	secret_free(*state);
	return 0;
}

static void code_of(int64_t step, char ret_code[static TOTP_DIGITS + 1])
{
	assert_int_equal(oath_hotp_generate((const char *)rfc_key, sizeof rfc_key, (uint64_t)step,
	                                    TOTP_DIGITS, false, OATH_HOTP_DYNAMIC_TRUNCATION,
	                                    ret_code),
	                 OATH_OK);
}

static void assert_matches(const char *code, int64_t now, int64_t after_step, int64_t wanted)
{
	int64_t step = LEFT_ALONE;

	assert_int_equal(totp_match(rfc_key, code, now, after_step, &step), 0);
	assert_int_equal(step, wanted);
}

static void assert_refused(const char *code, int64_t now, int64_t after_step)
{
	int64_t step = LEFT_ALONE;

	assert_int_equal(totp_match(rfc_key, code, now, after_step, &step),
	                 SPAREKEY_AUTHENTICATION_FAILED);
	assert_int_equal(step, LEFT_ALONE);
}

/* Appendix B has eight digits; six are the last of them. */
static void test_rfc_6238(void **state)
{
	static const struct {
		int64_t now;
		const char *code;
	} vectors[] = {
		{ 59, "94287082" },         { 1111111109, "07081804" }, { 1111111111, "14050471" },
		{ 1234567890, "89005924" }, { 2000000000, "69279037" }, { 20000000000, "65353130" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		char code[9];

		assert_int_equal(__real_oath_totp_generate((const char *)rfc_key, sizeof rfc_key,
		                                           vectors[i].now, TOTP_STEP_SECONDS, 0, 8,
		                                           code),
		                 OATH_OK);
		assert_string_equal(code, vectors[i].code);
		assert_matches(vectors[i].code + 2, vectors[i].now, NONE,
		               vectors[i].now / TOTP_STEP_SECONDS);
	}
}

static void test_rfc_4226(void **state)
{
	static const char *const vectors[] = { "755224", "287082", "359152", "969429", "338314",
		                               "254676", "287922", "162583", "399871", "520489" };

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		char code[TOTP_DIGITS + 1];

		code_of((int64_t)i, code);
		assert_string_equal(code, vectors[i]);
		assert_matches(vectors[i], (int64_t)i * TOTP_STEP_SECONDS, NONE, (int64_t)i);
	}
}

/* From the first second of a step to its last, three steps count and no other. */
static void test_the_window(void **state)
{
	static const int64_t seconds[] = { 0, 1, 15, 29 };
	const int64_t now = 41152263; /* the step of 1234567890 */
	char code[TOTP_DIGITS + 1];

	(void)state;
	for (int64_t step = now - 50; step <= now + 50; step++) {
		code_of(step, code);
		for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
			int64_t at = now * TOTP_STEP_SECONDS + seconds[i];

			if (step >= now - 1 && step <= now + 1) {
				assert_matches(code, at, 0, step);
			} else {
				assert_refused(code, at, 0);
			}
		}
	}
}

static void test_a_code_works_once(void **state)
{
	const int64_t now = 41152263;
	const int64_t at = now * TOTP_STEP_SECONDS + 7;
	char before[TOTP_DIGITS + 1];
	char code[TOTP_DIGITS + 1];
	char next[TOTP_DIGITS + 1];

	(void)state;
	code_of(now - 1, before);
	code_of(now, code);
	code_of(now + 1, next);
	assert_matches(code, at, now - 1, now);
	assert_refused(code, at, now);
	assert_refused(before, at, now);
	assert_refused(before, at, now - 1);
	assert_matches(next, at, now, now + 1);
	assert_refused(code, at, now + 1);
	assert_refused(next, at, now + 1);
	assert_refused(next, at, INT64_MAX);
}

/* What was used stays used; with the clock wrong for an hour, codes count again once it is past. */
static void test_the_clock_goes_back(void **state)
{
	const int64_t last = 41152263;
	char code[TOTP_DIGITS + 1];

	(void)state;
	for (int64_t step = last - 120; step <= last; step++) {
		code_of(step, code);
		assert_refused(code, step * TOTP_STEP_SECONDS, last);
	}
	code_of(last + 1, code);
	assert_matches(code, last * TOTP_STEP_SECONDS, last, last + 1);
}

static void test_the_ends_of_time(void **state)
{
	char code[TOTP_DIGITS + 1];

	(void)state;
	code_of(0, code);
	assert_matches(code, 0, NONE, 0);
	assert_matches(code, TOTP_STEP_SECONDS, NONE, 0);
	assert_refused(code, -1, NONE);
	assert_refused(code, INT64_MIN, INT64_MIN);
	assert_refused(code, INT64_MAX, NONE);
	code_of(INT64_MAX / TOTP_STEP_SECONDS - 2, code);
	assert_matches(code, INT64_MAX - 60, NONE, INT64_MAX / TOTP_STEP_SECONDS - 2);
}

static void test_what_is_no_code(void **state)
{
	static const char *const bad[] = { "",        "75522",    "7552240", "0755224",
		                           " 755224", "755224 ",  "755 24",  "75522x",
		                           "+75522",  "755224\n", "755-224", "\3677522" };

	(void)state;
	assert_matches("755224", 0, NONE, 0);
	world.computed = 0;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_refused(bad[i], 0, NONE);
	}
	assert_int_equal(world.computed, 0);
	for (unsigned int i = 0; i < TOTP_DIGITS; i++) {
		char code[TOTP_DIGITS + 1] = "755224";

		code[i] = code[i] == '9' ? '0' : (char)(code[i] + 1);
		assert_refused(code, 0, NONE);
	}
}

/* The work does not tell which step it was, or whether any. */
static void test_all_three_are_computed(void **state)
{
	const int64_t now = 41152263;
	char code[TOTP_DIGITS + 1];
	int64_t step;

	(void)state;
	for (int64_t offset = -3; offset <= 3; offset++) {
		code_of(now + offset, code);
		world.computed = 0;
		(void)totp_match(rfc_key, code, now * TOTP_STEP_SECONDS, 0, &step);
		assert_int_equal(world.computed, 3);
	}
}

static void test_one_code_of_two_steps_works_once(void **state)
{
	(void)state;
	world.same = true;
	assert_matches("000000", 3000, NONE, 101);
	assert_refused("000000", 3000, 101);
	assert_matches("000000", 3030, 101, 102);
}

static void test_liboath_fails(void **state)
{
	int64_t step = LEFT_ALONE;

	(void)state;
	assert_int_equal(totp_start(), 0);
	for (unsigned int n = 1; n <= 3; n++) {
		world.computed = 0;
		world.fail = n;
		assert_int_equal(totp_match(rfc_key, "000000", 3000, NONE, &step), -ENOSYS);
	}
	assert_int_equal(step, LEFT_ALONE);
	assert_int_equal(totp_start(), -ENOSYS);
}

static void assert_uri(struct secret *secret, const char *name, const char *shown)
{
	char wanted[1024];

	world.name = name;
	totp_uri(rfc_key, secret);
	(void)snprintf(wanted, sizeof wanted,
	               "otpauth://totp/Sparekey:%s?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	               "&issuer=Sparekey&algorithm=SHA1&digits=6&period=30",
	               shown);
	assert_int_equal(secret_length(secret), strlen(wanted));
	assert_memory_equal(secret_bytes(secret), wanted, strlen(wanted));
}

static void test_the_address(void **state)
{
	char name[257];
	char shown[3 * 255 + 1];

	assert_uri(*state, "anna", "anna");
	assert_uri(*state, "a.b-c_d~E9", "a.b-c_d~E9");
	assert_uri(*state, "a b&c=d?e#f:g%h/", "a%20b%26c%3Dd%3Fe%23f%3Ag%25h%2F");
	assert_uri(*state, "zo\303\253", "zo%C3%AB");
	assert_uri(*state, NULL, "user");
	assert_uri(*state, "", "user");
	memset(name, '/', sizeof name);
	name[256] = '\0';
	assert_uri(*state, name, "user");
	name[255] = '\0';
	for (size_t i = 0; i < 255; i++) {
		memcpy(shown + 3 * i, "%2F", 4);
	}
	assert_uri(*state, name, shown);
}

/* As liboath reads it back. */
static void test_the_key_of_the_address(void **state)
{
	world.name = "anna";
	for (unsigned int i = 0; i < 256; i++) {
		uint8_t key[TOTP_KEY];
		char *read = NULL;
		size_t length = 0;

		for (unsigned int at = 0; at < TOTP_KEY; at++) {
			key[at] = (uint8_t)(i * (at + 1) + at);
		}
		totp_uri(key, *state);
		assert_int_equal(oath_base32_decode((const char *)secret_bytes(*state) +
		                                            strlen("otpauth://totp/Sparekey:anna"
		                                                   "?secret="),
		                                    32, &read, &length),
		                 OATH_OK);
		assert_int_equal(length, sizeof key);
		assert_memory_equal(read, key, sizeof key);
		free(read);
	}
}

static void *match_it(void *result)
{
	int64_t step;

	*(int *)result = totp_match(rfc_key, "755224", 0, NONE, &step);
	return NULL;
}

/* Whether four bytes in a row of the key lie there, each with `mask` (HMAC's pads are such). */
static bool holds(const uint8_t *memory, uint8_t mask)
{
	for (size_t first = 0; first + 4 <= sizeof rfc_key; first++) {
		uint8_t part[4];

		for (size_t i = 0; i < sizeof part; i++) {
			part[i] = rfc_key[first + i] ^ mask;
		}
		if (memmem(memory, OWN_STACK, part, sizeof part) != NULL) {
			return true;
		}
	}
	return false;
}

static void test_nothing_is_left_on_the_stack(void **state)
{
	static uint8_t left[OWN_STACK];
	int result = -1;

	(void)state;
	(void)own_stack_run(match_it, &result, left);
	assert_int_equal(result, 0);
	assert_false(holds(left, 0));
	assert_false(holds(left, 0x36));
	assert_false(holds(left, 0x5c));
	/* The look itself finds what is there. */
	memcpy(left + 4000, rfc_key, 4);
	assert_true(holds(left, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rfc_6238),
		TEST(test_rfc_4226),
		TEST(test_the_window),
		TEST(test_a_code_works_once),
		TEST(test_the_clock_goes_back),
		TEST(test_the_ends_of_time),
		TEST(test_what_is_no_code),
		TEST(test_all_three_are_computed),
		TEST(test_one_code_of_two_steps_works_once),
		TEST(test_liboath_fails),
		TEST(test_the_address),
		TEST(test_the_key_of_the_address),
		TEST(test_nothing_is_left_on_the_stack),
	};

	if (secret_start() != 0 || oath_init() != OATH_OK) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
