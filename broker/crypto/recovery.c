/* SPDX-License-Identifier: MIT */
/*
 * Recovery codes: drawn, read, hashed, told apart. For any thread.
 *
 * The salt is one for the set: ten of them would make every try ten evaluations, and a thief of the
 * store gains a factor of ten on 50 bits, which Argon2 at the owner's cost can spare. What is
 * compared is compared to the end, so that the time does not tell the place.
 *
 * Refused: a check as app passwords have (a code is typed once in years, and a wrong one is told by
 * the answer); a hash without Argon2 (50 bits are too few for that); counting on a damaged row to
 * speak for the set (the salt that most rows have does).
 */
#include "crypto/recovery.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "crypto/argon2id.h"
#include "crypto/random.h"
#include "protocol/password.h"
#include "sparekey.h"

#define GROUP 5u
#define LINE ((size_t)RECOVERY_TEXT + 1) /* with its newline */
#define NOBODY RECOVERY_CODES

static_assert(RECOVERY_CODES * LINE <= SECRET_CAPACITY, "a set fits into a secret");
static_assert(RECOVERY_SYMBOLS == 2 * GROUP && RECOVERY_TEXT == 2 * GROUP + 1, "two groups");

struct draw {
	uint8_t codes[RECOVERY_CODES][RECOVERY_SYMBOLS];
};

static void write_code(const uint8_t *symbols, unsigned char *at)
{
	for (unsigned int i = 0; i < RECOVERY_SYMBOLS; i++) {
		if (i == GROUP) {
			*at++ = '-';
		}
		*at++ = (unsigned char)password_symbol(symbols[i]);
	}
}

static bool are_different(const struct draw *draw)
{
	for (unsigned int i = 1; i < RECOVERY_CODES; i++) {
		for (unsigned int k = 0; k < i; k++) {
			if (sodium_memcmp(draw->codes[i], draw->codes[k], RECOVERY_SYMBOLS) == 0) {
				return false;
			}
		}
	}
	return true;
}

int recovery_make(struct secret *ret_codes)
{
	struct draw draw;
	int r;

	do {
		r = random_symbols(draw.codes[0], sizeof draw.codes);
	} while (r == 0 && !are_different(&draw));
	if (r == 0) {
		unsigned char *at = secret_buffer(ret_codes);

		for (unsigned int i = 0; i < RECOVERY_CODES; i++, at += LINE) {
			write_code(draw.codes[i], at);
			at[RECOVERY_TEXT] = '\n';
		}
		secret_set_length(ret_codes, RECOVERY_CODES * LINE);
	}
	sodium_memzero(&draw, sizeof draw);
	return r;
}

bool recovery_read(const struct secret *typed, struct secret *ret_code)
{
	uint8_t symbols[RECOVERY_SYMBOLS];
	bool is_code = password_symbols_read(typed, symbols, RECOVERY_SYMBOLS);

	if (is_code) {
		write_code(symbols, secret_buffer(ret_code));
	}
	secret_set_length(ret_code, is_code ? RECOVERY_TEXT : 0);
	sodium_memzero(symbols, sizeof symbols);
	return is_code;
}

/* A secret of its own, not of the loop's pool: this may be a worker's thread. */
static int hash_lines(const struct secret *codes, struct phc *phc, char ret_hashes[][PHC_TEXT + 1])
{
	SECRET_AUTO code = NULL;
	int r = secret_new(NULL, &code);

	for (unsigned int i = 0; i < RECOVERY_CODES && r == 0; i++) {
		r = secret_set(code, secret_bytes(codes) + i * LINE, RECOVERY_TEXT);
		if (r == 0) {
			r = argon2id_hash(code, &phc->cost, phc->salt, phc->tag);
		}
		if (r == 0) {
			phc_format(phc, ret_hashes[i]);
		}
	}
	return r;
}

int recovery_hash_all(const struct secret *codes, const struct phc_cost *cost,
                      char ret_hashes[static RECOVERY_CODES][PHC_TEXT + 1])
{
	char hashes[RECOVERY_CODES][PHC_TEXT + 1];
	struct phc phc = { .cost = *cost };
	int r;

	if (secret_length(codes) != RECOVERY_CODES * LINE) {
		return -EINVAL;
	}
	r = random_bytes(phc.salt, sizeof phc.salt);
	if (r == 0) {
		r = hash_lines(codes, &phc, hashes);
	}
	if (r == 0) {
		memcpy(ret_hashes, hashes, sizeof hashes);
	}
	return r;
}

struct set {
	unsigned int count;
	bool is_readable[RECOVERY_CODES];
	struct phc phc[RECOVERY_CODES];
};

static void set_read(struct set *set, char hashes[][PHC_TEXT + 1], unsigned int count,
                     const struct phc_cost *most)
{
	set->count = count < RECOVERY_CODES ? count : RECOVERY_CODES;
	for (unsigned int i = 0; i < set->count; i++) {
		size_t length = strnlen(hashes[i], PHC_TEXT + 1);

		set->is_readable[i] = phc_parse(hashes[i], length, most, &set->phc[i]) == 0;
	}
}

static bool are_alike(const struct set *set, unsigned int a, unsigned int b)
{
	const struct phc *one = &set->phc[a];
	const struct phc *other = &set->phc[b];

	return set->is_readable[a] && set->is_readable[b] &&
	       one->cost.memory_kib == other->cost.memory_kib &&
	       one->cost.passes == other->cost.passes && one->cost.lanes == other->cost.lanes &&
	       memcmp(one->salt, other->salt, PHC_SALT) == 0;
}

/* The one whose salt and cost most of the set have; NOBODY if none can be read. */
static unsigned int set_speaker(const struct set *set)
{
	unsigned int speaker = NOBODY;
	unsigned int followers = 0;

	for (unsigned int i = 0; i < set->count; i++) {
		unsigned int alike = 0;

		for (unsigned int k = 0; k < set->count; k++) {
			alike += are_alike(set, i, k) ? 1 : 0;
		}
		if (alike > followers) {
			speaker = i;
			followers = alike;
		}
	}
	return speaker;
}

static unsigned int set_find(const struct set *set, unsigned int speaker, const uint8_t *tag)
{
	unsigned int found = NOBODY;

	for (unsigned int i = 0; i < set->count; i++) {
		bool is_it = sodium_memcmp(tag, set->phc[i].tag, PHC_TAG) == 0;

		found = is_it && are_alike(set, speaker, i) ? i : found;
	}
	return found;
}

int recovery_match(const struct secret *code, char hashes[][PHC_TEXT + 1], unsigned int count,
                   const struct phc_cost *most, unsigned int *ret_index)
{
	struct set set = { .count = 0 }; /* and zeros where nothing can be read */
	uint8_t tag[PHC_TAG];
	unsigned int speaker;
	unsigned int found = NOBODY;
	int r;

	set_read(&set, hashes, count, most);
	speaker = set_speaker(&set);
	if (speaker == NOBODY) {
		return -EUCLEAN;
	}
	r = argon2id_hash(code, &set.phc[speaker].cost, set.phc[speaker].salt, tag);
	if (r == 0) {
		found = set_find(&set, speaker, tag);
	}
	sodium_memzero(tag, sizeof tag);
	if (r == 0 && found == NOBODY) {
		r = SPAREKEY_AUTHENTICATION_FAILED;
	}
	if (r == 0) {
		*ret_index = found;
	}
	return r;
}
