/* SPDX-License-Identifier: MIT */
/* Main passwords: one form of what looks the same, how short and how long, what is none, and that
 * nothing of one is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/limits.h"
#include "protocol/main_password.h"
#include "sparekey.h"
#include "tests/support/own_stack.h"

static int set_up(void **state)
{
	struct secret *secret = NULL;

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

static void assert_reads(struct secret *secret, const char *text, const char *wanted)
{
	assert_int_equal(secret_set(secret, text, strlen(text)), 0);
	assert_int_equal(main_password_read(secret), 0);
	assert_int_equal(secret_length(secret), strlen(wanted));
	assert_memory_equal(secret_bytes(secret), wanted, strlen(wanted));
}

static void assert_refused(struct secret *secret, const void *bytes, size_t length)
{
	static const unsigned char zeros[SECRET_CAPACITY];

	assert_int_equal(secret_set(secret, bytes, length), 0);
	assert_int_equal(main_password_read(secret), SPAREKEY_INVALID_MAIN_PASSWORD);
	assert_int_equal(secret_length(secret), 0);
	assert_memory_equal(secret_buffer(secret), zeros, sizeof zeros);
}

static void assert_text_refused(struct secret *secret, const char *text)
{
	assert_refused(secret, text, strlen(text));
}

static void test_decomposed_is_composed(void **state)
{
	/* e and U+0301; A and U+030A; U+212B, the unit that looks like it; two marks in the wrong
	 * order; Hangul by its parts. */
	assert_reads(*state, "cafe\314\201 cafe\314\201 cafe", "caf\303\251 caf\303\251 cafe");
	assert_reads(*state, "caf\303\251 caf\303\251 cafe", "caf\303\251 caf\303\251 cafe");
	assert_reads(*state, "A\314\212ngstroms per year", "\303\205ngstroms per year");
	assert_reads(*state, "\342\204\253ngstroms per year", "\303\205ngstroms per year");
	assert_reads(*state, "s\314\207\314\243............", "\341\271\251............");
	assert_reads(*state, "\341\204\222\341\205\241\341\206\253 is how it is",
	             "\355\225\234 is how it is");
}

static void test_it_is_taken_as_typed(void **state)
{
	static const char *const texts[] = {
		"correct horse battery",
		"  blanks around  ",
		"UPPER and lower",
		"tab\tand\nnewline in",
		"\357\254\201gures of one", /* U+FB01, which NFKC would split */
		"\360\237\220\264\360\237\224\213 and ten more",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_reads(*state, texts[i], texts[i]);
	}
}

static void test_twelve_characters_at_least(void **state)
{
	assert_text_refused(*state, "");
	assert_text_refused(*state, "eleven char");
	assert_reads(*state, "twelve chars", "twelve chars");
	/* Eleven characters of 22 and of 44 bytes; twelve, and twelve that are eleven afterwards.
	 */
	assert_text_refused(*state, "\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303"
	                            "\251\303\251\303\251\303\251");
	assert_text_refused(*state, "\360\237\220\264\360\237\220\264\360\237\220\264\360\237\220"
	                            "\264\360\237\220\264\360\237\220\264\360\237\220\264\360\237"
	                            "\220\264\360\237\220\264\360\237\220\264\360\237\220\264");
	assert_reads(*state, "\303\251leven chars", "\303\251leven chars");
	assert_text_refused(*state, "e\314\201leven cha");
	assert_text_refused(*state, "e\314\201leven char");
	assert_reads(*state, "e\314\201leven chars", "\303\251leven chars");
}

static void test_1024_bytes_at_most(void **state)
{
	char text[SECRET_CAPACITY];

	memset(text, 'x', sizeof text);
	assert_int_equal(secret_set(*state, text, LIMIT_SECRET_BYTES), 0);
	assert_int_equal(main_password_read(*state), 0);
	assert_int_equal(secret_length(*state), LIMIT_SECRET_BYTES);
	assert_refused(*state, text, LIMIT_SECRET_BYTES + 1);
	assert_refused(*state, text, sizeof text);
	/* 1025 bytes given might be the beginning of more, however few they become. */
	memcpy(text, "e\314\201e\314\201e\314\201", 9);
	assert_refused(*state, text, LIMIT_SECRET_BYTES + 1);
	/* U+0958 is three bytes and becomes two characters of three. */
	for (size_t i = 0; i + 3 <= LIMIT_SECRET_BYTES; i += 3) {
		memcpy(text + i, "\340\245\230", 3);
	}
	assert_refused(*state, text, 341 * 3);
	assert_int_equal(secret_set(*state, text, 170 * 3), 0);
	assert_int_equal(main_password_read(*state), 0);
	assert_int_equal(secret_length(*state), 170 * 6);
	assert_refused(*state, text, 171 * 3);
}

/* What decomposes to the most code points for its bytes: U+0390, U+1F82. */
static void test_the_widest_decomposition(void **state)
{
	char text[SECRET_CAPACITY];

	for (size_t i = 0; i < LIMIT_SECRET_BYTES; i += 2) {
		memcpy(text + i, "\316\220", 2);
	}
	assert_int_equal(secret_set(*state, text, LIMIT_SECRET_BYTES), 0);
	assert_int_equal(main_password_read(*state), 0);
	assert_memory_equal(secret_bytes(*state), text, LIMIT_SECRET_BYTES);
	for (size_t i = 0; i + 3 <= LIMIT_SECRET_BYTES; i += 3) {
		memcpy(text + i, "\341\276\202", 3);
	}
	assert_int_equal(secret_set(*state, text, 341 * 3), 0);
	assert_int_equal(main_password_read(*state), 0);
	assert_memory_equal(secret_bytes(*state), text, 341 * 3);
}

static void test_what_is_no_text(void **state)
{
	static const char *const bad[] = {
		"thirteen char\377",         "\200thirteen chars",
		"thirteen char\303",         "thirteen\303char",
		"overlong \300\257 is none", "surrogate \355\240\200 is",
		"too far \364\220\200\200 ", "five bytes \370\210\200\200\200",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_text_refused(*state, bad[i]);
	}
	assert_refused(*state, "a NUL in the \0 middle", 21);
	assert_refused(*state, "a NUL at the end\0", 17);
	assert_refused(*state, "\0a NUL at the start", 19);
}

#define NEEDLE "Qz7#Kp2!Wm9%"

static void *read_it(void *secret)
{
	return main_password_read(secret) == 0 ? secret : NULL;
}

/* Whether four characters in a row of the needle lie there, `width` bytes each. */
static bool holds(const uint8_t *memory, size_t width)
{
	for (size_t first = 0; first + 4 < sizeof NEEDLE; first++) {
		uint8_t part[16] = { 0 };

		for (size_t i = 0; i < 4; i++) {
			part[i * width] = (uint8_t)NEEDLE[first + i];
		}
		if (memmem(memory, OWN_STACK, part, 4 * width) != NULL) {
			return true;
		}
	}
	return false;
}

static void assert_leaves_nothing(struct secret *secret, bool is_valid)
{
	static uint8_t left[OWN_STACK];

	assert_true((own_stack_run(read_it, secret, left) != NULL) == is_valid);
	assert_false(holds(left, 1));
	assert_false(holds(left, 4));
	/* The look itself finds what is there. */
	memcpy(left + 4000, NEEDLE, 5);
	assert_true(holds(left, 1));
}

static void test_no_copy_is_left(void **state)
{
	assert_int_equal(secret_set(*state, NEEDLE, sizeof NEEDLE - 1), 0);
	assert_leaves_nothing(*state, true);
	assert_int_equal(secret_set(*state, NEEDLE, sizeof NEEDLE - 2), 0);
	assert_leaves_nothing(*state, false);
	assert_int_equal(secret_set(*state, NEEDLE "\377", sizeof NEEDLE), 0);
	assert_leaves_nothing(*state, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_decomposed_is_composed),
		TEST(test_it_is_taken_as_typed),
		TEST(test_twelve_characters_at_least),
		TEST(test_1024_bytes_at_most),
		TEST(test_the_widest_decomposition),
		TEST(test_what_is_no_text),
		TEST(test_no_copy_is_left),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
