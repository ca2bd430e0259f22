/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_PHC_H
#define CRYPTO_PHC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Stored hashes: `$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG` (the PHC string format), read strictly
 * by our own parser: libargon2 decodes hostile strings and obeys them. One spelling only: no
 * leading zeros, no padding, fields in this order, canonical base64 (the unused bits are zero),
 * nothing before or after.
 */
#define PHC_SALT 16u
#define PHC_TAG 32u
#define PHC_TEXT 127u /* bytes at most, without the final NUL */

/* Bounds a stored hash must keep, checked before anything is computed. */
#define PHC_MEMORY_KIB_MIN 1024u
#define PHC_MEMORY_KIB_MAX 4194304u
#define PHC_PASSES_MAX 16u
#define PHC_LANES_MAX 4u

struct phc_cost {
	uint32_t memory_kib; /* m */
	uint32_t passes;     /* t */
	uint32_t lanes;      /* p */
};

struct phc {
	struct phc_cost cost;
	uint8_t salt[PHC_SALT];
	uint8_t tag[PHC_TAG];
};

bool phc_cost_same(const struct phc_cost *a, const struct phc_cost *b);
/* Whether each part of a cost is within these bounds. */
bool phc_cost_valid(const struct phc_cost *cost);
/* Whether each part is at most that of `most`, and at least the minimum above. */
bool phc_cost_within(const struct phc_cost *cost, const struct phc_cost *most);

/* Reads `length` bytes, whose cost must be at most `most` in each part (and at least the minimum
 * above). Returns 0, or -EINVAL (not such a string) or -ERANGE (out of bounds); then nothing is
 * written. */
int phc_parse(const char *text, size_t length, const struct phc_cost *most, struct phc *ret_phc);
void phc_format(const struct phc *phc, char ret_text[static PHC_TEXT + 1]);

#endif
