/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/phc.h"
#include "protocol/secret.h"

/*
 * What is stored sealed under the main password: XSalsa20-Poly1305 (libsodium's secretbox), its key
 * made of the main password by Argon2id with a salt and a nonce of its own. A sealed text is, in
 * this order: the byte 1, the cost (memory in KiB, passes, lanes: 32 bits each, big-endian), the
 * salt (16 bytes), the nonce (24 bytes), the box (16 bytes more than the plain text).
 *
 * For worker threads, but for those by a key: each call is one Argon2 evaluation in the calling
 * thread's arena.
 */
#define SEAL_BYTES(plain) (1u + 12u + 16u + 24u + 16u + (plain))

/* What a main password is for sealing: cost, salt and key, in a secret. Whoever has it needs the
 * main password no more. */

/* Makes one of a main password, with a salt of its own. Returns 0, -EINVAL (cost out of the bounds
 * of phc.h), -ENOMEM or -errno of random_bytes. */
int seal_key_new(const struct secret *main_password, const struct phc_cost *cost,
                 struct secret *ret_key);
/* Makes the one that a sealed text was sealed by, if the main password is that one; at a cost of at
 * most `most` in each part. Returns 0, -EUCLEAN or -ENOMEM as seal_open. */
int seal_key_of(const struct secret *main_password, const struct phc_cost *most,
                const uint8_t *sealed, size_t length, struct secret *ret_key);
/* As seal_close and seal_open, without an evaluation. A text sealed by another key does not open.
 */
int seal_close_by(const struct secret *key, const void *bytes, size_t length, uint8_t *ret_sealed);
int seal_open_by(const struct secret *key, const uint8_t *sealed, size_t length,
                 struct secret *ret_plain);

/* Seals `length` bytes into `ret_sealed`, which takes SEAL_BYTES(length). Returns 0, -EINVAL (cost
 * out of the bounds of phc.h), -ENOMEM or -errno of random_bytes; then nothing is written. */
int seal_close(const struct secret *main_password, const struct phc_cost *cost, const void *bytes,
               size_t length, uint8_t *ret_sealed);

/* Opens what seal_close has made at a cost of at most `most` in each part. Returns 0, -EUCLEAN (no
 * such text, or its cost is out of bounds: decided before anything is computed),
 * SPAREKEY_AUTHENTICATION_FAILED (another main password, or a changed text) or -ENOMEM; then
 * `ret_plain` is as it was. */
int seal_open(const struct secret *main_password, const struct phc_cost *most,
              const uint8_t *sealed, size_t length, struct secret *ret_plain);

#endif
