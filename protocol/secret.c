/* SPDX-License-Identifier: MIT */
/*
 * Secrets in libsodium's guarded memory, and a pool that keeps a few of them mapped.
 *
 * The whole struct lies in one sodium_malloc(): its last byte is the last one before the no-access
 * page, so a write past the end faults at once. Owner: whoever made the secret, on the loop's
 * thread; a worker only reads one it was lent.
 *
 * Refused: sodium_mprotect_noaccess() between uses (a system call for each touch, against a reader
 * that is this very process); growing a secret (realloc leaves copies); a static pool (two tests or
 * two brokers in one process would share it).
 */
#include "protocol/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct secret {
	struct secret_pool *pool; /* NULL: by itself */
	struct secret *next;      /* in the pool's list of free ones */
	size_t length;
	bool locked;
	unsigned char filler[5]; /* lets `bytes` end where the struct ends */
	unsigned char bytes[SECRET_CAPACITY];
};

static_assert(sizeof(struct secret) == offsetof(struct secret, bytes) + SECRET_CAPACITY,
              "an overrun of bytes must hit the guard page, not padding");

struct secret_pool {
	struct secret *kept;
	unsigned int kept_count;
	unsigned int keep;
	unsigned int lent;
};

int secret_start(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

int secret_pool_new(unsigned int keep, struct secret_pool **ret_pool)
{
	struct secret_pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL) {
		return -ENOMEM;
	}
	pool->keep = keep;
	*ret_pool = pool;
	return 0;
}

struct secret_pool *secret_pool_free(struct secret_pool *pool)
{
	if (pool == NULL) {
		return NULL;
	}
	assert(pool->lent == 0);
	while (pool->kept != NULL) {
		struct secret *secret = pool->kept;

		pool->kept = secret->next;
		sodium_free(secret);
	}
	free(pool);
	return NULL;
}

/* sodium_malloc() locks and hides a failure to; locking the same pages again tells, and counts only
 * once. */
static int map_secret(struct secret **ret_secret)
{
	struct secret *secret = sodium_malloc(sizeof *secret);

	if (secret == NULL) {
		return -ENOMEM;
	}
	memset(secret, 0, sizeof *secret);
	secret->locked = sodium_mlock(secret, sizeof *secret) == 0;
	*ret_secret = secret;
	return 0;
}

int secret_new(struct secret_pool *pool, struct secret **ret_secret)
{
	struct secret *secret = NULL;

	if (pool != NULL && pool->kept != NULL) {
		secret = pool->kept;
		pool->kept = secret->next;
		pool->kept_count--;
		secret->next = NULL;
	} else {
		int r = map_secret(&secret);

		if (r < 0) {
			return r;
		}
	}
	if (pool != NULL) {
		pool->lent++;
	}
	secret->pool = pool;
	*ret_secret = secret;
	return 0;
}

struct secret *secret_free(struct secret *secret)
{
	struct secret_pool *pool;

	if (secret == NULL) {
		return NULL;
	}
	pool = secret->pool;
	secret_clear(secret);
	if (pool != NULL) {
		pool->lent--;
	}
	if (pool == NULL || pool->kept_count >= pool->keep) {
		sodium_free(secret);
		return NULL;
	}
	secret->next = pool->kept;
	pool->kept = secret;
	pool->kept_count++;
	return NULL;
}

void secret_freep(struct secret **secret)
{
	*secret = secret_free(*secret);
}

bool secret_locked(const struct secret *secret)
{
	return secret->locked;
}

const unsigned char *secret_bytes(const struct secret *secret)
{
	return secret->bytes;
}

size_t secret_length(const struct secret *secret)
{
	return secret->length;
}

unsigned char *secret_buffer(struct secret *secret)
{
	return secret->bytes;
}

/* What lies behind the end is wiped: a shorter secret leaves no tail of a longer one. */
void secret_set_length(struct secret *secret, size_t length)
{
	assert(length <= SECRET_CAPACITY);
	secret->length = length;
	sodium_memzero(secret->bytes + length, SECRET_CAPACITY - length);
}

int secret_set(struct secret *secret, const void *bytes, size_t length)
{
	if (length > SECRET_CAPACITY) {
		return -EMSGSIZE;
	}
	if (length > 0) {
		memmove(secret->bytes, bytes, length);
	}
	secret_set_length(secret, length);
	return 0;
}

void secret_clear(struct secret *secret)
{
	secret_set_length(secret, 0);
}

void secret_chomp(struct secret *secret)
{
	if (secret->length > 0 && secret->bytes[secret->length - 1] == '\n') {
		secret_set_length(secret, secret->length - 1);
	}
}

ssize_t secret_read_some(struct secret *secret, int fd)
{
	ssize_t count;

	if (secret->length == SECRET_CAPACITY) {
		return -EMSGSIZE;
	}
	do {
		count = read(fd, secret->bytes + secret->length, SECRET_CAPACITY - secret->length);
	} while (count < 0 && errno == EINTR);
	if (count < 0) {
		return -errno;
	}
	secret->length += (size_t)count;
	return count;
}

/* Linux before 6.4 knows no RWF_NOWAIT on pipes; splice(2) into a pipe of our own can be told not
 * to wait there too. */
static ssize_t read_spliced(int fd, unsigned char *at, size_t room)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return -errno;
	}
	ssize_t count = splice(fd, NULL, ends[1], NULL, room, SPLICE_F_NONBLOCK);

	if (count > 0) {
		count = read(ends[0], at, (size_t)count);
	}
	if (count < 0) {
		count = -errno;
	}
	close(ends[0]);
	close(ends[1]);
	return count;
}

ssize_t secret_read_pipe(struct secret *secret, int fd)
{
	struct iovec room = { secret->bytes + secret->length, SECRET_CAPACITY - secret->length };

	if (room.iov_len == 0) {
		return -EMSGSIZE;
	}
	ssize_t count = preadv2(fd, &room, 1, -1, RWF_NOWAIT);

	if (count < 0) {
		count = errno == EOPNOTSUPP ? read_spliced(fd, room.iov_base, room.iov_len)
		                            : -errno;
	}
	if (count > 0) {
		secret->length += (size_t)count;
	}
	return count;
}

int secret_write(const struct secret *secret, int fd)
{
	size_t done = 0;

	while (done < secret->length) {
		ssize_t count = write(fd, secret->bytes + done, secret->length - done);

		if (count > 0) {
			done += (size_t)count;
		} else if (count == 0) {
			return -EIO;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}
