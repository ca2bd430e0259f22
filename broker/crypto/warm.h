/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_WARM_H
#define CRYPTO_WARM_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/secret.h"

/*
 * The memory of successful verifications: for each a BLAKE2b MAC, under a random key of this
 * process, over the text, the stored hash and the row's version. In guarded memory, at most
 * WARM_ENTRIES of them (the oldest of a small set gives way), each for a limited time. It holds
 * nothing a password could be tested against without the key.
 */
#define WARM_ENTRIES 512u
#define WARM_RECALL_MS                                                                             \
	UINT64_C(2592000000) /* 30 days: how long a text is recalled once its entry has ended */

struct warm;

int warm_new(struct warm **ret_warm); /* 0, -ENOMEM, or -errno of random_bytes */
struct warm *warm_free(struct warm *warm);

/* What identifies one verification. */
struct warm_key {
	const char *id;            /* five symbols */
	const struct secret *text; /* canonical */
	const char *hash;          /* PHC string as stored */
	int64_t version;           /* of the row */
};

/* Whether exactly this was verified before and is remembered at `now_ms`. Constant-time in what it
 * compares. */
bool warm_knows(struct warm *warm, const struct warm_key *key, uint64_t now_ms);
/* Whether this text was remembered for that id once, whatever its record has become since. It
 * proves nothing about now: it only tells one who comes back from one who guesses. */
bool warm_recalls(struct warm *warm, const struct warm_key *key, uint64_t now_ms);
void warm_remember(struct warm *warm, const struct warm_key *key, uint64_t until_ms);
void warm_forget(struct warm *warm, const char *id);

#endif
