/* SPDX-License-Identifier: MIT */
/*
 * The text of an app password: reading what people type, composing what they are shown, and the
 * Reed-Solomon check over GF(32). Pure functions over the caller's secrets, for any thread.
 *
 * With errors e_i the two sums of the check are s0 = sum e_i and s1 = sum e_i alpha^i. One error at
 * i gives s1 = s0 alpha^i, and alpha has order 31 > 25, so i is the only place that fits; a swap of
 * neighbours gives s0 = 0 and s1 != 0, which no single error does.
 *
 * Refused: correcting silently (three of four double errors look like a single one); other scripts'
 * digits, dashes and blanks (what is read must be what was shown); tables of logarithms (25 shifts
 * are as fast and need no proof-reading).
 */
#include "protocol/password.h"

#include <string.h>

#define FIELD_POLYNOMIAL 0x25u /* x^5 + x^2 + 1 */
#define FIELD_SIZE 32u
#define ALPHA_23 15u      /* alpha^23 */
#define CHECK_INVERSE 24u /* 1 / (alpha^23 + alpha^24) */

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct sums {
	uint8_t plain;    /* sum c_i */
	uint8_t weighted; /* sum c_i alpha^i */
};

static uint8_t times_alpha(uint8_t value)
{
	unsigned int product = (unsigned int)value << 1;

	return (uint8_t)((product & FIELD_SIZE) != 0 ? product ^ FIELD_POLYNOMIAL : product);
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
	unsigned int product = 0;

	for (; b != 0; b >>= 1) {
		if ((b & 1u) != 0) {
			product ^= a;
		}
		a = times_alpha(a);
	}
	return (uint8_t)product;
}

/* Horner's rule, from the last symbol to the first. */
static struct sums sum_symbols(const uint8_t *values, unsigned int count)
{
	struct sums sums = { 0, 0 };

	for (unsigned int i = count; i-- > 0;) {
		sums.plain ^= values[i];
		sums.weighted = times_alpha(sums.weighted) ^ values[i];
	}
	return sums;
}

char password_symbol(uint8_t value)
{
	return alphabet[value % FIELD_SIZE];
}

/* The value of a byte as people type it, or -1. */
static int symbol_value(unsigned char byte)
{
	const char *found;

	if (byte >= 'A' && byte <= 'Z') {
		byte = (unsigned char)(byte - 'A' + 'a');
	}
	if (byte == 'o') {
		byte = '0';
	} else if (byte == 'i' || byte == 'l') {
		byte = '1';
	}
	found = memchr(alphabet, byte, sizeof alphabet - 1);
	return found == NULL ? -1 : (int)(found - alphabet);
}

/* The length of the hyphen or blank at `at`, or 0. */
static size_t skip_length(const unsigned char *at, size_t left)
{
	switch (at[0]) {
	case '-':
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return 1;
	case 0xc2: /* U+00A0 in UTF-8 */
		return left > 1 && at[1] == 0xa0 ? 2 : 0;
	default:
		return 0;
	}
}

bool password_symbols_read(const struct secret *typed, uint8_t *ret_values, unsigned int count)
{
	const unsigned char *bytes = secret_bytes(typed);
	size_t length = secret_length(typed);
	unsigned int found = 0;
	size_t at = 0;

	while (at < length) {
		size_t skip = skip_length(bytes + at, length - at);
		int value;

		if (skip > 0) {
			at += skip;
			continue;
		}
		value = symbol_value(bytes[at]);
		if (value < 0 || found == count) {
			return false;
		}
		ret_values[found++] = (uint8_t)value;
		at++;
	}
	return found == count;
}

/* Writes symbols as text, a hyphen between groups. */
static void encode(const uint8_t values[PASSWORD_SYMBOLS], struct secret *ret_text)
{
	unsigned char *at = secret_buffer(ret_text);

	for (unsigned int i = 0; i < PASSWORD_SYMBOLS; i++) {
		if (i > 0 && i % PASSWORD_GROUP == 0) {
			*at++ = '-';
		}
		*at++ = (unsigned char)password_symbol(values[i]);
	}
	secret_set_length(ret_text, PASSWORD_TEXT);
}

static void write_id(const uint8_t *values, char ret_id[static PASSWORD_ID + 1])
{
	for (unsigned int i = 0; i < PASSWORD_ID; i++) {
		ret_id[i] = password_symbol(values[i]);
	}
	ret_id[PASSWORD_ID] = '\0';
}

/* Puts one wrong symbol right and says in which group it was; 0 if no single place explains the
 * sums. */
static unsigned int correct(uint8_t values[PASSWORD_SYMBOLS], struct sums sums)
{
	uint8_t weighted = sums.plain;

	if (sums.plain == 0) {
		return 0;
	}
	for (unsigned int i = 0; i < PASSWORD_SYMBOLS; i++) {
		if (weighted == sums.weighted) {
			values[i] ^= sums.plain;
			return i / PASSWORD_GROUP + 1;
		}
		weighted = times_alpha(weighted);
	}
	return 0;
}

void password_read(const struct secret *typed, struct secret *ret_text,
                   struct password_reading *ret_reading)
{
	struct password_reading reading = { .form = PASSWORD_MALFORMED };
	uint8_t values[PASSWORD_SYMBOLS];

	if (password_symbols_read(typed, values, PASSWORD_SYMBOLS)) {
		struct sums sums = sum_symbols(values, PASSWORD_SYMBOLS);

		if (sums.plain == 0 && sums.weighted == 0) {
			reading.form = PASSWORD_WELL_FORMED;
			encode(values, ret_text);
		} else {
			reading.form = PASSWORD_MISTYPED;
			reading.group = correct(values, sums);
		}
		if (reading.form == PASSWORD_WELL_FORMED || reading.group > 0) {
			write_id(values, reading.id);
		}
	}
	if (reading.form != PASSWORD_WELL_FORMED) {
		secret_clear(ret_text);
	}
	explicit_bzero(values, sizeof values);
	*ret_reading = reading;
}

/* The last two symbols solve c23 + c24 = A and c23 alpha^23 + c24 alpha^24 = B for the sums A, B of
 * the others. */
void password_compose(const uint8_t symbols[PASSWORD_RANDOM], struct secret *ret_text)
{
	uint8_t values[PASSWORD_SYMBOLS];
	struct sums sums;
	uint8_t last;

	for (unsigned int i = 0; i < PASSWORD_RANDOM; i++) {
		values[i] = symbols[i] % FIELD_SIZE;
	}
	sums = sum_symbols(values, PASSWORD_RANDOM);
	last = multiply(CHECK_INVERSE, sums.weighted ^ multiply(ALPHA_23, sums.plain));
	values[PASSWORD_RANDOM] = sums.plain ^ last;
	values[PASSWORD_RANDOM + 1] = last;
	encode(values, ret_text);
	explicit_bzero(values, sizeof values);
}

bool password_id_valid(const char *id)
{
	for (unsigned int i = 0; i < PASSWORD_ID; i++) {
		if (id[i] == '\0' || strchr(alphabet, id[i]) == NULL) {
			return false;
		}
	}
	return id[PASSWORD_ID] == '\0';
}
