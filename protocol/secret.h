/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_SECRET_H
#define PROTOCOL_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A secret: at most SECRET_CAPACITY bytes in libsodium's guarded memory (locked, not dumped,
 * canaries and no-access pages around it), wiped when freed. A pool keeps a few of them mapped,
 * since guarding afresh costs five system calls and three page faults each time. Not for several
 * threads at once: a worker may read a secret that the loop has lent to its job, it never frees
 * one but those of its own without a pool.
 */
#define SECRET_CAPACITY                                                                            \
	1026u /* LIMIT_SECRET_BYTES, a newline, and one byte that shows it is too long */

struct secret;
struct secret_pool;

/* Starts libsodium; once, before anything else here. Returns 0 or -ENOSYS. */
int secret_start(void);

/* A pool that keeps up to `keep` free secrets. It must outlive its secrets. Returns 0 or -ENOMEM.
 */
int secret_pool_new(unsigned int keep, struct secret_pool **ret_pool);
struct secret_pool *secret_pool_free(struct secret_pool *pool);

/* An empty secret, from `pool`, or by itself if `pool` is NULL. Returns 0 or -ENOMEM. */
int secret_new(struct secret_pool *pool, struct secret **ret_secret);
/* Wipes it and gives it back; takes NULL; returns NULL. */
struct secret *secret_free(struct secret *secret);
void secret_freep(struct secret **secret); /* for __attribute__((cleanup)) */

/* Whether memory could be locked (mlock) when the secret was made; libsodium goes on without. */
bool secret_locked(const struct secret *secret);

const unsigned char *secret_bytes(const struct secret *secret);
size_t secret_length(const struct secret *secret);
/* The bytes for writing; the writer sets the length afterwards (at most SECRET_CAPACITY). */
unsigned char *secret_buffer(struct secret *secret);
void secret_set_length(struct secret *secret, size_t length);

/* Replaces the content. Returns 0, or -EMSGSIZE for more than SECRET_CAPACITY bytes; then it is
 * left as it was. */
int secret_set(struct secret *secret, const void *bytes, size_t length);
/* Empties and wipes. */
void secret_clear(struct secret *secret);
/* Drops one final "\n", if there is one. */
void secret_chomp(struct secret *secret);

/* Appends what one read(2) of `fd` gives. Returns bytes read, 0 at the end, -EMSGSIZE when it is
 * full, -errno of read. EINTR is retried. */
ssize_t secret_read_some(struct secret *secret, int fd);
/* The same for what a pipe holds now: never waits, whatever O_NONBLOCK says, since that belongs to
 * the open file, which whoever sent the descriptor shares and can clear. Also -EAGAIN. */
ssize_t secret_read_pipe(struct secret *secret, int fd);
/* Writes all of it to `fd`, retrying EINTR and short writes; blocks if fd does. Returns 0 or
 * -errno. */
int secret_write(const struct secret *secret, int fd);

#define SECRET_AUTO __attribute__((cleanup(secret_freep))) struct secret *

#endif
