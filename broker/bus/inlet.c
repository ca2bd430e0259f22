/* SPDX-License-Identifier: MIT */
/*
 * Reading a secret from a descriptor a caller sent, without ever waiting. Loop thread. Pipes and
 * sockets only: a FUSE file could block for ever. O_NONBLOCK on a passed pipe belongs to the open
 * file, which the other side shares and can clear: so a pipe is read by secret_read_pipe(), and if
 * that does not give all of it, opened anew through /proc/self/fd, where its inode is ours; a
 * socket is read with MSG_DONTWAIT. The whole ends after five seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/internal.h"
#include "sparekey.h"

enum inlet_way { INLET_REOPENED = 1, INLET_NOWAIT, INLET_SOCKET };

struct inlet {
	struct call *call; /* the owner */
	int fd;            /* owned */
	enum inlet_way way;
	struct secret *secret; /* lent */
	struct loop_watch *watch;
	struct loop_timer *timer;
	void (*done)(struct call *call, int result);
};

static ssize_t read_some(struct inlet *inlet)
{
	size_t length = secret_length(inlet->secret);
	ssize_t count;

	switch (inlet->way) {
	case INLET_REOPENED:
		return secret_read_some(inlet->secret, inlet->fd);
	case INLET_NOWAIT:
		return secret_read_pipe(inlet->secret, inlet->fd);
	case INLET_SOCKET:
		break;
	}
	if (length == SECRET_CAPACITY) {
		return -EMSGSIZE;
	}
	count = recv(inlet->fd, secret_buffer(inlet->secret) + length, SECRET_CAPACITY - length,
	             MSG_DONTWAIT);
	if (count < 0) {
		return -errno;
	}
	secret_set_length(inlet->secret, length + (size_t)count);
	return count;
}

static void end(struct inlet *inlet, int result)
{
	struct call *call = inlet->call;
	void (*done)(struct call * ended, int with) = inlet->done;

	call->inlet = inlet_free(inlet);
	done(call, result);
}

static void inlet_ready(void *data, short revents)
{
	struct inlet *inlet = data;
	ssize_t count = 0;

	(void)revents;
	do {
		count = read_some(inlet);
	} while (count > 0 || count == -EINTR);
	if (count == -EAGAIN) {
		return;
	}
	secret_chomp(inlet->secret);
	if (count == 0 && secret_length(inlet->secret) > LIMIT_SECRET_BYTES) {
		count = -EMSGSIZE;
	}
	end(inlet, (int)count);
}

static void inlet_late(void *data)
{
	end(data, -ETIMEDOUT);
}

/* What it is, and how it is read without waiting while it is the caller's too. */
static int look(struct inlet *inlet)
{
	struct stat status;

	if (fstat(inlet->fd, &status) < 0) {
		return -errno;
	}
	inlet->way = S_ISFIFO(status.st_mode) ? INLET_NOWAIT : INLET_SOCKET;
	return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) ? 0 : SPAREKEY_INVALID_ARGS;
}

/* Most callers fill the pipe before they send it: then it is read here and now, and needs neither a
 * descriptor of ours nor the loop. Whatever else is the case, also an end too far, is found again
 * by the watched inlet, which goes on from here. */
static bool read_at_once(struct inlet *inlet)
{
	ssize_t count = 0;

	do {
		count = read_some(inlet);
	} while (count > 0);
	if (count == 0 && secret_length(inlet->secret) <= LIMIT_SECRET_BYTES) {
		secret_chomp(inlet->secret);
		return true;
	}
	return false;
}

/* A descriptor of the inlet's own that no other process can make block. */
static int reopen(struct inlet *inlet)
{
	char path[40];

	int fd = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", inlet->fd);
	do {
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		return errno == EACCES || errno == EPERM || errno == ENOENT ? 0 : -errno;
	}
	close(inlet->fd);
	inlet->fd = fd;
	inlet->way = INLET_REOPENED;
	return 0;
}

static int watch(struct inlet *inlet)
{
	struct loop *loop = inlet->call->door->loop;
	int result = inlet->way == INLET_NOWAIT ? reopen(inlet) : 0;

	if (result == 0) {
		result = loop_watch_new(loop, inlet->fd, POLLIN, inlet_ready, inlet, &inlet->watch);
	}
	if (result == 0) {
		result = loop_timer_new(loop, inlet_late, inlet, &inlet->timer);
	}
	if (result == 0) {
		loop_timer_set(inlet->timer, LIMIT_SECRET_WAIT_MS);
	}
	return result;
}

int inlet_new(struct call *call, int fd, struct secret *secret,
              void (*done)(struct call *call, int result), struct inlet **ret_inlet)
{
	struct inlet *inlet = calloc(1, sizeof(*inlet));

	if (inlet == NULL) {
		close(fd);
		return -ENOMEM;
	}
	*inlet = (struct inlet){ .call = call, .fd = fd, .secret = secret, .done = done };
	int result = look(inlet);

	if (result == 0) {
		result = read_at_once(inlet) ? INLET_READ : watch(inlet);
	}
	if (result != 0) {
		inlet_free(inlet);
		return result;
	}
	*ret_inlet = inlet;
	return 0;
}

struct inlet *inlet_free(struct inlet *inlet)
{
	if (inlet == NULL) {
		return NULL;
	}
	inlet->watch = loop_watch_free(inlet->watch);
	inlet->timer = loop_timer_free(inlet->timer);
	close(inlet->fd);
	free(inlet);
	return NULL;
}

int inlet_descriptor(struct call *call, DBusMessageIter *argument)
{
	errno = 0;
	dbus_message_iter_get_basic(argument, &call->secret_fd); /* a duplicate, or -1 */
	if (call->secret_fd >= 0) {
		return descriptors_has_room(call->door, call->secret_fd)
		               ? 0
		               : call_say(call, SPAREKEY_LIMIT_EXCEEDED,
		                          "too many descriptors under way");
	}
	return errno != 0 ? -errno
	                  : call_say(call, SPAREKEY_INVALID_ARGS, "the descriptor is missing");
}
