/* SPDX-License-Identifier: MIT */
/*
 * A created secret on its way in: a pipe among what epoll watches. The handle's thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "client/client.h"

/* A password without its text is to be ended; anything else is asked for anew. */
static int fail(struct sparekey *sparekey, const struct call *call, const char *what)
{
	const char *id = call->answer.id;

	return client_fail(sparekey, SPAREKEY_FAILED, "%s: %s%s", what,
	                   id[0] != '\0' ? "revoke " : "ask for another", id);
}

/* An empty pipe means that somebody else has taken it. */
static int end_secret(struct sparekey *sparekey, const struct call *call, ssize_t count)
{
	const struct secret *secret = client_secret(call->answer.secret);

	if (count == 0 && secret_length(secret) == 0) {
		return fail(sparekey, call, "somebody else took the secret");
	}
	if (count < 0 || secret_length(secret) > LIMIT_SECRET_BYTES ||
	    memchr(secret_bytes(secret), '\0', secret_length(secret)) != NULL) {
		return fail(sparekey, call, "the secret could not be read");
	}
	return 0;
}

/* Reads what is there, never more: the other end can make the pipe a blocking one at any time. */
static void read_secret(struct sparekey *sparekey, struct call *call)
{
	struct secret *secret = client_secret(call->answer.secret);
	ssize_t count;

	do {
		count = secret_read_pipe(secret, call->secret_fd);
	} while (count > 0);
	if (count != -EAGAIN) {
		call_finish(sparekey, call, end_secret(sparekey, call, count));
	}
}

void receive_begin(struct sparekey *sparekey, struct call *call)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint32_t)call->secret_fd };

	if (epoll_ctl(sparekey->epoll_fd, EPOLL_CTL_ADD, call->secret_fd, &event) < 0) {
		call_finish(sparekey, call, end_secret(sparekey, call, -1));
	} else {
		read_secret(sparekey, call); /* the rest may be gone with the connection */
	}
}

void receive_ready(struct sparekey *sparekey, int fd)
{
	struct call *call = sparekey->calls;

	while (call != NULL && call->secret_fd != fd) {
		call = call->next;
	}
	if (call != NULL) {
		read_secret(sparekey, call);
	}
}
