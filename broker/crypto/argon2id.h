/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_ARGON2ID_H
#define CRYPTO_ARGON2ID_H

#include "crypto/phc.h"
#include "protocol/secret.h"

/*
 * Argon2id (RFC 9106, version 0x13) by libargon2's argon2id_ctx, in an arena that belongs to the
 * calling thread: 2 MiB aligned, huge pages where the kernel gives them, left out of core dumps,
 * faulted in at its first use and kept. One thread for any number of lanes.
 */

/* Computes the tag of `secret` under `salt` and `cost`. Returns 0, -EINVAL (cost out of the bounds
 * of phc.h) or -ENOMEM. */
int argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                  const uint8_t salt[static PHC_SALT], uint8_t ret_tag[static PHC_TAG]);
/* Computes and compares in constant time. Returns 0 right, SPAREKEY_AUTHENTICATION_FAILED wrong, or
 * as argon2id_hash. */
int argon2id_check(const struct secret *secret, const struct phc *phc);

/* Gives the memory of the calling thread's arena back to the kernel (MADV_DONTNEED); the addresses
 * are kept. */
void argon2id_rest(void);
/* Gives up the calling thread's arena altogether, before that thread ends; the next hash would map
 * a new one. */
void argon2id_leave(void);

#endif
