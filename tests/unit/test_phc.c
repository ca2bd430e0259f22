/* SPDX-License-Identifier: MIT */
/* Stored hashes: one spelling, read strictly; hostile ones refused before anything is computed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/phc.h"

#define SALT "AAECAwQFBgcICQoLDA0ODw"
#define TAG "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define GOOD "$argon2id$v=19$m=19456,t=2,p=1$" SALT "$" TAG

static const struct phc_cost most = { 65536, 3, 4 };
static const struct phc_cost all = { UINT32_MAX, UINT32_MAX, UINT32_MAX };

static int parse(const char *text, struct phc *ret_phc)
{
	return phc_parse(text, strlen(text), &most, ret_phc);
}

static void test_good(void **state)
{
	struct phc phc;
	char text[PHC_TEXT + 1];

	(void)state;
	assert_int_equal(parse(GOOD, &phc), 0);
	assert_int_equal(phc.cost.memory_kib, 19456);
	assert_int_equal(phc.cost.passes, 2);
	assert_int_equal(phc.cost.lanes, 1);
	for (uint8_t i = 0; i < PHC_SALT; i++) {
		assert_int_equal(phc.salt[i], i);
	}
	for (uint8_t i = 0; i < PHC_TAG; i++) {
		assert_int_equal(phc.tag[i], i);
	}
	phc_format(&phc, text);
	assert_string_equal(text, GOOD);
}

static void test_bounds_are_inclusive(void **state)
{
	static const struct phc_cost edges[] = {
		{ PHC_MEMORY_KIB_MIN, 1, 1 },
		{ PHC_MEMORY_KIB_MAX, PHC_PASSES_MAX, PHC_LANES_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		struct phc phc = { .cost = edges[i] };
		struct phc again;
		char text[PHC_TEXT + 1];

		phc_format(&phc, text);
		assert_true(phc_cost_valid(&phc.cost));
		assert_int_equal(phc_parse(text, strlen(text), &all, &again), 0);
		assert_memory_equal(&phc, &again, sizeof phc);
	}
}

static const char *const malformed[] = {
	"",
	"$",
	"argon2id$v=19$m=19456,t=2,p=1$" SALT "$" TAG,
	" " GOOD,
	GOOD " ",
	GOOD "\n",
	GOOD "$",
	GOOD "A",
	GOOD "=",
	"$argon2i$v=19$m=19456,t=2,p=1$" SALT "$" TAG,
	"$argon2d$v=19$m=19456,t=2,p=1$" SALT "$" TAG,
	"$Argon2id$v=19$m=19456,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=16$m=19456,t=2,p=1$" SALT "$" TAG,
	"$argon2id$m=19456,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$t=2,m=19456,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=2$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1,keyid=AA$" SALT "$" TAG,
	"$argon2id$v=19$m=,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=019456,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=02,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=+19456,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=-1,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m= 19456,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=0x4c00,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$" SALT,
	"$argon2id$v=19$m=19456,t=2,p=1$" SALT "$",
	"$argon2id$v=19$m=19456,t=2,p=1$" SALT "$AAECAw",
	"$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgc$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$" SALT "AA$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$" SALT "==$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODx$" TAG, /* unused bits not zero */
	"$argon2id$v=19$m=19456,t=2,p=1$" SALT "$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9",
	"$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0O_w$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0O w$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoL\nA0ODw$" TAG,
	"$argon2id$v=19$m=4294967295,t=4294967295,p=255",
	"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
};

static const char *const beyond[] = {
	"$argon2id$v=19$m=1023,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=0,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=65537,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=4194305,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=4294967295,t=2,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=4294968320,t=2,p=1$" SALT "$" TAG,           /* 2^32 + 1024 */
	"$argon2id$v=19$m=18446744073709552640,t=2,p=1$" SALT "$" TAG, /* 2^64 + 1024 */
	"$argon2id$v=19$m=19456,t=0,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=4,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=4294967295,p=1$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=0$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=5$" SALT "$" TAG,
	"$argon2id$v=19$m=19456,t=2,p=16777215$" SALT "$" TAG,
};

static void assert_refused(const char *text, size_t length, int error)
{
	struct phc phc;
	struct phc before;
	int r;

	memset(&phc, 0x5a, sizeof phc);
	before = phc;
	r = phc_parse(text, length, &most, &phc);
	if (r != error) {
		print_error("%d for %.*s\n", r, (int)length, text);
	}
	assert_int_equal(r, error);
	assert_memory_equal(&phc, &before, sizeof phc);
}

static void test_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
		assert_refused(malformed[i], strlen(malformed[i]), -EINVAL);
	}
	assert_refused(GOOD, sizeof GOOD, -EINVAL); /* with its NUL */
}

static void test_beyond_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
		assert_refused(beyond[i], strlen(beyond[i]), -ERANGE);
	}
}

static void test_the_callers_bound_cannot_widen_ours(void **state)
{
	static const char *const texts[] = {
		"$argon2id$v=19$m=4194305,t=2,p=1$" SALT "$" TAG,
		"$argon2id$v=19$m=4294967295,t=2,p=1$" SALT "$" TAG,
		"$argon2id$v=19$m=19456,t=17,p=1$" SALT "$" TAG,
		"$argon2id$v=19$m=19456,t=2,p=5$" SALT "$" TAG,
	};
	struct phc phc;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_int_equal(phc_parse(texts[i], strlen(texts[i]), &all, &phc), -ERANGE);
	}
}

/* Each prefix, from memory of exactly that size, so that a sanitizer sees a byte too many. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof GOOD - 1; length++) {
		char *text = malloc(length + 1);

		assert_non_null(text);
		memcpy(text + 1, GOOD, length);
		assert_refused(text + 1, length, -EINVAL);
		free(text);
	}
}

static void test_every_byte_counts(void **state)
{
	struct phc good;

	(void)state;
	assert_int_equal(parse(GOOD, &good), 0);
	for (size_t i = 0; i < sizeof GOOD - 1; i++) {
		for (unsigned int by = 1; by < 256; by++) {
			char text[] = GOOD;
			char again[PHC_TEXT + 1];
			struct phc phc;

			text[i] = (char)((unsigned char)text[i] ^ by);
			if (phc_parse(text, sizeof GOOD - 1, &most, &phc) == 0) {
				assert_memory_not_equal(&phc, &good, sizeof phc);
				phc_format(&phc, again);
				assert_string_equal(again, text);
			}
		}
	}
}

static void test_a_megabyte(void **state)
{
	size_t size = (size_t)1 << 20;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, '1', size);
	memcpy(text, GOOD, 19);
	assert_refused(text, size, -EINVAL);
	assert_refused(text, PHC_TEXT, -EINVAL);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bounds_are_inclusive),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_beyond_bounds),
		cmocka_unit_test(test_the_callers_bound_cannot_widen_ours),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_a_megabyte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
