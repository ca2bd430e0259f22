/* SPDX-License-Identifier: MIT */
/* The password text: vectors, every single and double error, swaps, forgiving reading, and what is
 * not tolerated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/password.h"

static const char *const vectors[] = {
	"01234-56789-abcde-fghjk-mnpn2",
	"zzzzz-00000-00000-00000-0005t",
};

#define VECTORS (sizeof vectors / sizeof vectors[0])

struct fixture {
	struct secret *typed;
	struct secret *text;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	if (fixture == NULL || secret_new(NULL, &fixture->typed) != 0 ||
	    secret_new(NULL, &fixture->text) != 0) {
		return -1;
	}
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	secret_free(fixture->typed);
	secret_free(fixture->text);
	free(fixture);
	return 0;
}

static struct password_reading read_bytes(struct fixture *fixture, const void *bytes, size_t length)
{
	struct password_reading reading;

	assert_int_equal(secret_set(fixture->typed, bytes, length), 0);
	password_read(fixture->typed, fixture->text, &reading);
	return reading;
}

static struct password_reading read_text(struct fixture *fixture, const char *text)
{
	return read_bytes(fixture, text, strlen(text));
}

static void assert_text(const struct secret *text, const char *wanted)
{
	assert_int_equal(secret_length(text), PASSWORD_TEXT);
	assert_memory_equal(secret_bytes(text), wanted, PASSWORD_TEXT);
}

static void assert_nothing_left(struct secret *text)
{
	static const unsigned char zeros[SECRET_CAPACITY];

	assert_int_equal(secret_length(text), 0);
	assert_memory_equal(secret_buffer(text), zeros, SECRET_CAPACITY);
}

static unsigned int value_of(char symbol)
{
	unsigned int value = 0;

	while (password_symbol((uint8_t)value) != symbol) {
		value++;
	}
	return value;
}

/* Where symbol i stands in the text. */
static size_t place(size_t i)
{
	return i + i / PASSWORD_GROUP;
}

/* The symbol at place i, moved on by 1 to 31 values. */
static char wrong_symbol(const char *text, size_t i, unsigned int by)
{
	return password_symbol((uint8_t)(value_of(text[place(i)]) ^ by));
}

static void test_vectors(void **state)
{
	struct fixture *fixture = *state;

	for (size_t v = 0; v < VECTORS; v++) {
		struct password_reading reading = read_text(fixture, vectors[v]);

		assert_int_equal(reading.form, PASSWORD_WELL_FORMED);
		assert_int_equal(reading.group, 0);
		assert_memory_equal(reading.id, vectors[v], PASSWORD_ID);
		assert_int_equal(reading.id[PASSWORD_ID], 0);
		assert_text(fixture->text, vectors[v]);
	}
}

static void test_compose_makes_the_vectors(void **state)
{
	struct fixture *fixture = *state;

	for (size_t v = 0; v < VECTORS; v++) {
		/* The values may lie in the buffer the text is written to. */
		unsigned char *values = secret_buffer(fixture->text);

		for (size_t i = 0; i < PASSWORD_RANDOM; i++) {
			values[i] = (unsigned char)value_of(vectors[v][place(i)]);
		}
		password_compose(values, fixture->text);
		assert_text(fixture->text, vectors[v]);
	}
}

static void test_compose_and_read_agree(void **state)
{
	struct fixture *fixture = *state;
	uint8_t values[PASSWORD_RANDOM];
	struct password_reading reading;

	srandom(1);
	for (unsigned int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < PASSWORD_RANDOM; i++) {
			values[i] = (uint8_t)(random() % 32);
		}
		password_compose(values, fixture->typed);
		password_read(fixture->typed, fixture->text, &reading);
		assert_int_equal(reading.form, PASSWORD_WELL_FORMED);
		assert_int_equal(secret_length(fixture->typed), secret_length(fixture->text));
		assert_memory_equal(secret_bytes(fixture->typed), secret_bytes(fixture->text),
		                    secret_length(fixture->text));
	}
}

static void test_every_single_error_is_located(void **state)
{
	struct fixture *fixture = *state;

	for (size_t v = 0; v < VECTORS; v++) {
		for (size_t i = 0; i < PASSWORD_SYMBOLS; i++) {
			for (unsigned int by = 1; by < 32; by++) {
				char text[PASSWORD_TEXT + 1];
				struct password_reading reading;

				memcpy(text, vectors[v], sizeof text);
				text[place(i)] = wrong_symbol(vectors[v], i, by);
				reading = read_text(fixture, text);
				assert_int_equal(reading.form, PASSWORD_MISTYPED);
				assert_int_equal(reading.group, i / PASSWORD_GROUP + 1);
				assert_memory_equal(reading.id, vectors[v], PASSWORD_ID);
				assert_nothing_left(fixture->text);
			}
		}
	}
}

/* Counts the double errors of places i and j that look like a single one. */
static unsigned int double_errors(struct fixture *fixture, size_t i, size_t j)
{
	unsigned int located = 0;
	char text[PASSWORD_TEXT + 1];

	memcpy(text, vectors[0], sizeof text);
	for (unsigned int by = 1; by < 32; by++) {
		text[place(i)] = wrong_symbol(vectors[0], i, by);
		for (unsigned int and_by = 1; and_by < 32; and_by++) {
			struct password_reading reading;

			text[place(j)] = wrong_symbol(vectors[0], j, and_by);
			reading = read_text(fixture, text);
			assert_int_equal(reading.form, PASSWORD_MISTYPED);
			located += reading.group > 0 ? 1 : 0;
		}
	}
	return located;
}

static void test_every_double_error_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	unsigned int located = 0;
	unsigned int all = 300 * 31 * 31;

	for (size_t i = 0; i < PASSWORD_SYMBOLS; i++) {
		for (size_t j = i + 1; j < PASSWORD_SYMBOLS; j++) {
			located += double_errors(fixture, i, j);
		}
	}
	/* Three of four look like a single error: why a diagnosis says "probably". */
	assert_in_range(located, all * 70 / 100, all * 80 / 100);
}

static void swap_neighbours(struct fixture *fixture, const char *right)
{
	for (size_t i = 0; i + 1 < PASSWORD_SYMBOLS; i++) {
		char text[PASSWORD_TEXT + 1];
		struct password_reading reading;

		memcpy(text, right, sizeof text);
		text[place(i)] = right[place(i + 1)];
		text[place(i + 1)] = right[place(i)];
		reading = read_text(fixture, text);
		if (strcmp(text, right) != 0) {
			assert_int_equal(reading.form, PASSWORD_MISTYPED);
			assert_int_equal(reading.group, 0);
			assert_string_equal(reading.id, "");
		}
	}
}

static void test_a_swap_is_no_single_error(void **state)
{
	struct fixture *fixture = *state;
	uint8_t values[PASSWORD_RANDOM];
	char right[PASSWORD_TEXT + 1] = "";

	srandom(2);
	for (unsigned int round = 0; round < 500; round++) {
		for (size_t i = 0; i < PASSWORD_RANDOM; i++) {
			values[i] = (uint8_t)(random() % 32);
		}
		password_compose(values, fixture->text);
		memcpy(right, secret_bytes(fixture->text), PASSWORD_TEXT);
		swap_neighbours(fixture, right);
	}
}

static void test_reading_is_forgiving(void **state)
{
	static const char *const spellings[] = {
		"01234-56789-ABCDE-FGHJK-MNPN2",
		"0123456789abcdefghjkmnpn2",
		" 01234 56789\tabcde\r\nfghjk\nmnpn2\r\n",
		"0-1-2-3-4--5 6 7 8 9 - a b c d e f g h j k m n p n 2",
		"\302\24001234-56789\302\240abcde-fghjk-mnpn2\302\240",
		"o1234-56789-abcde-fghjk-mnpn2",
		"Oi234-56789-abcde-fghjk-mnpn2",
		"0l234-56789-abcde-fghjk-mnpn2",
		"0I234-56789-abcde-fghjk-mnpn2",
		"0L234-56789-abcde-fghjk-mnpn2",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
		struct password_reading reading = read_text(fixture, spellings[i]);

		assert_int_equal(reading.form, PASSWORD_WELL_FORMED);
		assert_string_equal(reading.id, "01234");
		assert_text(fixture->text, vectors[0]);
	}
}

struct bytes {
	const char *at;
	size_t length;
};

#define BYTES(literal)                                                                             \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static void test_nothing_else_is_tolerated(void **state)
{
	static const struct bytes bad[] = {
		BYTES(""),
		BYTES("-----"),
		BYTES("01234-56789-abcde-fghjk-mnpn"),
		BYTES("01234-56789-abcde-fghjk-mnpn22"),
		BYTES("01234-56789-abcde-fghjk-mnpn2\0"),
		BYTES("01234-56789-abcde-fghjk-mnpn2\0x"),
		BYTES("01234-56789\0abcde-fghjk-mnpn2"),
		BYTES("\00001234-56789-abcde-fghjk-mnpn2"),
		BYTES("u1234-56789-abcde-fghjk-mnpn2"),
		BYTES("U1234-56789-abcde-fghjk-mnpn2"),
		BYTES("01234_56789_abcde_fghjk_mnpn2"),
		BYTES("01234.56789.abcde.fghjk.mnpn2"),
		BYTES("01234-56789-abcde-fghjk-mnpn2!"),
		BYTES("01234\v56789-abcde-fghjk-mnpn2"),
		BYTES("01234\f56789-abcde-fghjk-mnpn2"),
		BYTES("01234-56789-abcde-fghjk-mnpn2\302"),
		BYTES("01234-56789-abcde-fghjk-mnpn2\240"),
		BYTES("01234\342\200\22056789-abcde-fghjk-mnpn2"),  /* U+2010, a hyphen */
		BYTES("01234\342\200\22156789-abcde-fghjk-mnpn2"),  /* U+2011 */
		BYTES("01234\343\200\20056789-abcde-fghjk-mnpn2"),  /* U+3000, a blank */
		BYTES("01234\302\25556789-abcde-fghjk-mnpn2"),      /* U+00AD */
		BYTES("\357\273\27701234-56789-abcde-fghjk-mnpn2"), /* U+FEFF */
		BYTES("\357\274\2201234-56789-abcde-fghjk-mnpn2"),  /* U+FF10, a wide 0 */
		BYTES("\320\2601234-56789-abcde-fghjk-mnpn2"),      /* Cyrillic a */
		BYTES("\37701234-56789-abcde-fghjk-mnpn2"),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct password_reading reading;

		assert_int_equal(secret_set(fixture->text, "left from before", 16), 0);
		reading = read_bytes(fixture, bad[i].at, bad[i].length);
		assert_int_equal(reading.form, PASSWORD_MALFORMED);
		assert_int_equal(reading.group, 0);
		assert_string_equal(reading.id, "");
		assert_nothing_left(fixture->text);
	}
}

static void test_a_full_secret_is_read(void **state)
{
	struct fixture *fixture = *state;
	unsigned char bytes[SECRET_CAPACITY];

	memset(bytes, '-', sizeof bytes);
	memcpy(bytes + sizeof bytes - PASSWORD_TEXT, vectors[0], PASSWORD_TEXT);
	assert_int_equal(read_bytes(fixture, bytes, sizeof bytes).form, PASSWORD_WELL_FORMED);
	memset(bytes, '0', sizeof bytes);
	assert_int_equal(read_bytes(fixture, bytes, sizeof bytes).form, PASSWORD_MALFORMED);
	/* An U+00A0 cut at the very end. */
	memset(bytes, ' ', sizeof bytes);
	memcpy(bytes, vectors[0], PASSWORD_TEXT);
	bytes[sizeof bytes - 1] = 0xc2;
	assert_int_equal(read_bytes(fixture, bytes, sizeof bytes).form, PASSWORD_MALFORMED);
}

static void test_reading_in_place(void **state)
{
	struct fixture *fixture = *state;
	struct password_reading reading;

	assert_int_equal(secret_set(fixture->typed, "zzzzz000000000000000005T\n", 25), 0);
	password_read(fixture->typed, fixture->typed, &reading);
	assert_int_equal(reading.form, PASSWORD_MALFORMED); /* 24 symbols: a zero too few */
	assert_nothing_left(fixture->typed);
	assert_int_equal(secret_set(fixture->typed, "ZZZZZ 00000 00000 00000 0005T\n", 30), 0);
	password_read(fixture->typed, fixture->typed, &reading);
	assert_int_equal(reading.form, PASSWORD_WELL_FORMED);
	assert_text(fixture->typed, vectors[1]);
}

static void test_id_valid(void **state)
{
	static const char *const bad[] = { "",      "0123",  "012345", "0123I", "K7mq3", "k7m-3",
		                           "k7mu3", "k7ml3", "k7mo3",  " 7mq3", "k7mq\n" };

	(void)state;
	assert_true(password_id_valid("k7mq3"));
	assert_true(password_id_valid("00000"));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(password_id_valid(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_compose_makes_the_vectors),
		cmocka_unit_test(test_compose_and_read_agree),
		cmocka_unit_test(test_every_single_error_is_located),
		cmocka_unit_test(test_every_double_error_is_noticed),
		cmocka_unit_test(test_a_swap_is_no_single_error),
		cmocka_unit_test(test_reading_is_forgiving),
		cmocka_unit_test(test_nothing_else_is_tolerated),
		cmocka_unit_test(test_a_full_secret_is_read),
		cmocka_unit_test(test_reading_in_place),
		cmocka_unit_test(test_id_valid),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
