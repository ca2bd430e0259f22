/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_RECOVERY_H
#define CRYPTO_RECOVERY_H

#include <stdbool.h>

#include "crypto/phc.h"
#include "protocol/secret.h"

/*
 * Recovery codes: ten of ten symbols each (50 random bits), `xxxxx-xxxxx`, for the day the
 * authenticator is lost. They are stored as PHC strings with one salt and cost for the set, so that
 * one evaluation tells which of the ten it is.
 */
#define RECOVERY_CODES 10u
#define RECOVERY_SYMBOLS 10u
#define RECOVERY_TEXT 11u /* bytes of one code, without its newline */

/* Draws a set of ten different codes into `ret_codes`, a newline behind each. Returns 0 or -errno
 * of random_bytes; then nothing is written. */
int recovery_make(struct secret *ret_codes);

/* Reads a code as forgivingly as an app password is read, into the text that is hashed. `ret_code`
 * may be `typed` itself. False: no such text; `ret_code` is then cleared. */
bool recovery_read(const struct secret *typed, struct secret *ret_code);

/* Hashes the ten codes of recovery_make under one salt: ten evaluations, on a worker's thread.
 * Returns 0, -EINVAL (not such a set, or a cost out of the bounds of phc.h), -ENOMEM or -errno of
 * random_bytes; then nothing is written. */
int recovery_hash_all(const struct secret *codes, const struct phc_cost *cost,
                      char ret_hashes[static RECOVERY_CODES][PHC_TEXT + 1]);

/* Which of `count` stored hashes (at most RECOVERY_CODES) is that of a code recovery_read has
 * read: one evaluation at a cost of at most `most`, all compared, whichever it is. A hash that
 * cannot be read, or has another salt or cost than most of the set, is none. On a worker's thread.
 * Returns 0 (`ret_index`), SPAREKEY_AUTHENTICATION_FAILED, -EUCLEAN (none of them can be read:
 * nothing is computed) or -ENOMEM. */
int recovery_match(const struct secret *code, char hashes[][PHC_TEXT + 1], unsigned int count,
                   const struct phc_cost *most, unsigned int *ret_index);

#endif
