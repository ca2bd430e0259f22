/* SPDX-License-Identifier: MIT */
/*
 * Stored hashes as text, read by a strict parser. Pure functions, for any thread.
 *
 * The whole string is read before its cost is judged, and nothing is computed here: what comes out
 * is within bounds, or nothing comes out. There is one spelling for each value, so a string that
 * parses formats to itself.
 *
 * Refused: sodium_base642bin() (1.0.18 takes every byte above 127 for a slash); libargon2's
 * decode_string() (it takes any cost and allocates by it); tolerance for other software's spellings
 * (we only read what we wrote); strtoul() (blanks, signs and leading zeros).
 */
#include "crypto/phc.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "$argon2id$v=19$m="
#define VARIANT sodium_base64_VARIANT_ORIGINAL_NO_PADDING
#define SALT_TEXT 22u /* base64 of 16 bytes */
#define TAG_TEXT 43u  /* base64 of 32 bytes */

struct cursor {
	const char *at;
	size_t left;
};

static bool take_text(struct cursor *cursor, const char *text)
{
	size_t length = strlen(text);

	if (cursor->left < length || memcmp(cursor->at, text, length) != 0) {
		return false;
	}
	cursor->at += length;
	cursor->left -= length;
	return true;
}

/* Decimal digits without a leading zero; what does not fit becomes UINT32_MAX, which no bound
 * admits. */
static bool take_number(struct cursor *cursor, uint32_t *ret_number)
{
	uint64_t number = 0;
	size_t digits = 0;

	while (digits < cursor->left && cursor->at[digits] >= '0' && cursor->at[digits] <= '9') {
		number = number * 10 + (uint64_t)(cursor->at[digits] - '0');
		number = number < UINT32_MAX ? number : UINT32_MAX;
		digits++;
	}
	if (digits == 0 || (digits > 1 && cursor->at[0] == '0')) {
		return false;
	}
	cursor->at += digits;
	cursor->left -= digits;
	*ret_number = (uint32_t)number;
	return true;
}

/* The value of a character of standard base64, or -1. */
static int base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = memchr(alphabet, c, sizeof alphabet - 1);

	return found == NULL ? -1 : (int)(found - alphabet);
}

/* Base64 without padding that makes exactly `size` bytes and leaves only zero bits over. */
static bool take_base64(struct cursor *cursor, uint8_t *ret_bytes, size_t size)
{
	unsigned int bits = 0;
	unsigned int bit_count = 0;

	for (size_t i = 0; i < size; cursor->at++, cursor->left--) {
		int value = cursor->left > 0 ? base64_value(cursor->at[0]) : -1;

		if (value < 0) {
			return false;
		}
		bits = bits << 6 | (unsigned int)value;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			ret_bytes[i++] = (uint8_t)(bits >> bit_count);
			bits &= (1u << bit_count) - 1;
		}
	}
	return bits == 0;
}

bool phc_cost_within(const struct phc_cost *cost, const struct phc_cost *most)
{
	return cost->memory_kib >= PHC_MEMORY_KIB_MIN && cost->memory_kib <= most->memory_kib &&
	       cost->passes >= 1 && cost->passes <= most->passes && cost->lanes >= 1 &&
	       cost->lanes <= most->lanes;
}

bool phc_cost_same(const struct phc_cost *a, const struct phc_cost *b)
{
	return a->memory_kib == b->memory_kib && a->passes == b->passes && a->lanes == b->lanes;
}

bool phc_cost_valid(const struct phc_cost *cost)
{
	static const struct phc_cost most = { PHC_MEMORY_KIB_MAX, PHC_PASSES_MAX, PHC_LANES_MAX };

	return phc_cost_within(cost, &most);
}

int phc_parse(const char *text, size_t length, const struct phc_cost *most, struct phc *ret_phc)
{
	struct cursor cursor = { text, length };
	struct phc phc;

	if (length > PHC_TEXT) {
		return -EINVAL;
	}
	if (!take_text(&cursor, PREFIX) || !take_number(&cursor, &phc.cost.memory_kib) ||
	    !take_text(&cursor, ",t=") || !take_number(&cursor, &phc.cost.passes) ||
	    !take_text(&cursor, ",p=") || !take_number(&cursor, &phc.cost.lanes) ||
	    !take_text(&cursor, "$") || !take_base64(&cursor, phc.salt, sizeof phc.salt) ||
	    !take_text(&cursor, "$") || !take_base64(&cursor, phc.tag, sizeof phc.tag) ||
	    cursor.left > 0) {
		return -EINVAL;
	}
	if (!phc_cost_valid(&phc.cost) || !phc_cost_within(&phc.cost, most)) {
		return -ERANGE;
	}
	*ret_phc = phc;
	return 0;
}

void phc_format(const struct phc *phc, char ret_text[static PHC_TEXT + 1])
{
	char salt[SALT_TEXT + 1];
	char tag[TAG_TEXT + 1];

	sodium_bin2base64(salt, sizeof salt, phc->salt, sizeof phc->salt, VARIANT);
	sodium_bin2base64(tag, sizeof tag, phc->tag, sizeof phc->tag, VARIANT);
	(void)snprintf(ret_text, PHC_TEXT + 1, PREFIX "%u,t=%u,p=%u$%s$%s", phc->cost.memory_kib,
	               phc->cost.passes, phc->cost.lanes, salt, tag);
}
