/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Random values from libsodium, which aborts the process when the kernel gives none: so
 * getrandom(2) is asked first, without blocking. */

/* Fills `ret_bytes`. Returns 0 or -errno of getrandom (nothing written). */
int random_bytes(void *ret_bytes, size_t count);
/* Fills `ret_values` with values 0 to 31, each equally likely. Returns as random_bytes. */
int random_symbols(uint8_t *ret_values, size_t count);

#endif
