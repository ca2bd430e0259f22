/* SPDX-License-Identifier: MIT */
/*
 * The public face of a secret: a handle on the one kind of secret there is. Owned by the caller,
 * its thread. Refused: showing struct secret itself, whose pool and layout are nobody's business.
 */
#include <errno.h>
#include <stdlib.h>

#include "client/client.h"

struct sparekey_secret {
	struct secret *held; /* owned */
};

int sparekey_secret_new(struct sparekey_secret **ret_secret)
{
	struct sparekey_secret *secret = calloc(1, sizeof(*secret));
	int result = secret_start();

	if (secret == NULL) {
		return -ENOMEM;
	}
	if (result == 0) {
		result = secret_new(NULL, &secret->held);
	}
	if (result < 0) {
		free(secret);
		return result;
	}
	*ret_secret = secret;
	return 0;
}

struct sparekey_secret *sparekey_secret_free(struct sparekey_secret *secret)
{
	if (secret != NULL) {
		secret->held = secret_free(secret->held);
		free(secret);
	}
	return NULL;
}

struct secret *client_secret(const struct sparekey_secret *secret)
{
	return secret->held;
}

int sparekey_secret_set(struct sparekey_secret *secret, const void *bytes, size_t length)
{
	return length > LIMIT_SECRET_BYTES ? -EMSGSIZE : secret_set(secret->held, bytes, length);
}

/* Ends a reading that gave `count` last. */
static int end_reading(struct sparekey_secret *secret, ssize_t count)
{
	secret_chomp(secret->held);
	if (count >= 0 && secret_length(secret->held) > LIMIT_SECRET_BYTES) {
		count = -EMSGSIZE;
	}
	if (count < 0) {
		secret_clear(secret->held);
	}
	return count < 0 ? (int)count : 0;
}

int sparekey_secret_read(struct sparekey_secret *secret, int fd)
{
	ssize_t count = 0;

	secret_clear(secret->held);
	do {
		count = secret_read_some(secret->held, fd);
	} while (count > 0);
	return end_reading(secret, count);
}

int sparekey_secret_read_once(struct sparekey_secret *secret, int fd)
{
	secret_clear(secret->held);
	return end_reading(secret, secret_read_some(secret->held, fd));
}

int sparekey_secret_write(const struct sparekey_secret *secret, int fd)
{
	return secret_write(secret->held, fd);
}

/* What lies behind the content is zero, and the content never fills the buffer. */
const char *sparekey_secret_text(const struct sparekey_secret *secret)
{
	return (const char *)secret_bytes(secret->held);
}

size_t sparekey_secret_length(const struct sparekey_secret *secret)
{
	return secret_length(secret->held);
}
