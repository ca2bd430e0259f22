/* SPDX-License-Identifier: MIT */
/*
 * Random values. For any thread.
 *
 * libsodium 1.0.18 aborts the process when the kernel gives no randomness; a broker must refuse to
 * create instead and go on revoking. So getrandom(2) is asked for one byte first, without blocking:
 * where it answers, libsodium's own call does.
 *
 * Refused: randombytes_uniform() for symbols (a call for each; five bits of a uniform byte are
 * uniform already); getrandom(2) alone (one source of randomness for the whole program is easier to
 * vouch for).
 */
#include "crypto/random.h"

#include <errno.h>
#include <sodium.h>
#include <sys/random.h>

#define SYMBOL_MASK 0x1fu

static int probe(void)
{
	uint8_t byte;
	ssize_t count;

	do {
		count = getrandom(&byte, sizeof byte, GRND_NONBLOCK);
	} while (count < 0 && errno == EINTR);
	if (count < 0) {
		return -errno;
	}
	return count == (ssize_t)sizeof byte ? 0 : -EIO;
}

int random_bytes(void *ret_bytes, size_t count)
{
	int r = probe();

	if (r < 0) {
		return r;
	}
	randombytes_buf(ret_bytes, count);
	return 0;
}

int random_symbols(uint8_t *ret_values, size_t count)
{
	int r = random_bytes(ret_values, count);

	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < count; i++) {
		ret_values[i] &= SYMBOL_MASK;
	}
	return 0;
}
