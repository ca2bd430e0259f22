/* SPDX-License-Identifier: MIT */
/*
 * The handle: one epoll descriptor that is readable when something is due, and what is done then.
 * Owner: the caller, one thread at a time. Deadlines, retries and what a request starts come by one
 * timerfd in it, so that a caller's main loop needs nothing but the descriptor.
 *
 * A request never calls back from within sparekey_submit: it only winds the timer. So a callback
 * that asks again at once cannot recurse.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/error.h"

#define EVENTS 16

int client_fail(struct sparekey *sparekey, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sparekey->error, sizeof(sparekey->error), format, arguments);
	va_end(arguments);
	return result;
}

uint64_t client_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t client_until_ms(const struct sparekey *sparekey)
{
	return client_now_ms() + (uint64_t)sparekey->timeout_ms;
}

const char *sparekey_strerror(int result)
{
	const char *text = result < 0 ? strerrordesc_np(-result)
	                              : error_text((enum sparekey_error)result);

	return text != NULL ? text : "an error of no name";
}

/* Winds the timer to the next thing due. */
static void wind(struct sparekey *sparekey)
{
	uint64_t reach_ms = reach_due_ms(sparekey);
	uint64_t call_ms = call_due_ms(sparekey);
	uint64_t due_ms = reach_ms < call_ms ? reach_ms : call_ms;
	struct itimerspec at = { 0 };

	if (due_ms != UINT64_MAX) {
		at.it_value.tv_sec = (time_t)(due_ms / 1000u);
		at.it_value.tv_nsec = (long)(due_ms % 1000u) * 1000000;
		at.it_value.tv_nsec += due_ms == 0 ? 1 : 0; /* 0 would stop it */
	}
	timerfd_settime(sparekey->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static int add(const struct sparekey *sparekey, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint32_t)fd };

	return epoll_ctl(sparekey->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_descriptors(struct sparekey *sparekey)
{
	sparekey->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sparekey->epoll_fd < 0) {
		return -errno;
	}
	sparekey->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return sparekey->timer_fd < 0 ? -errno : add(sparekey, sparekey->timer_fd);
}

int sparekey_new(const char *address, unsigned int flags, struct sparekey **ret_sparekey)
{
	struct sparekey *sparekey = calloc(1, sizeof(*sparekey));
	int result = secret_start();

	if (sparekey == NULL) {
		return -ENOMEM;
	}
	sparekey->flags = flags;
	sparekey->calls_end = &sparekey->calls;
	sparekey->process = getpid();
	sparekey->timeout_ms = SPAREKEY_TIMEOUT_MS;
	sparekey->epoll_fd = -1;
	sparekey->timer_fd = -1;
	sparekey->socket_fd = -1;
	sparekey->broker_errors = -1;
	sparekey->broker_kill_ms = UINT64_MAX;
	if (result == 0) {
		result = open_descriptors(sparekey);
	}
	if (result == 0 && address != NULL) {
		sparekey->address = strdup(address);
		result = sparekey->address == NULL ? -ENOMEM : 0;
	}
	if (result < 0) {
		sparekey_free(sparekey);
		return result;
	}
	*ret_sparekey = sparekey;
	return 0;
}

/* In a child of the process it belongs to: what both share (the connection, the broker, what epoll
 * watches) is the parent's, so descriptors are closed and memory is freed, nothing else. */
static void let_go(struct sparekey *sparekey)
{
	sparekey->broker = 0;
	sparekey->directory[0] = '\0';
	close(sparekey->epoll_fd);
	sparekey->epoll_fd = -1;
}

struct sparekey *sparekey_free(struct sparekey *sparekey)
{
	if (sparekey == NULL) {
		return NULL;
	}
	if (sparekey->process != getpid()) {
		let_go(sparekey);
	}
	call_free_all(sparekey);
	socket_close(sparekey);
	private_stop(sparekey);
	ending_wait(sparekey);
	if (sparekey->timer_fd >= 0) {
		close(sparekey->timer_fd);
	}
	if (sparekey->epoll_fd >= 0) {
		close(sparekey->epoll_fd);
	}
	free(sparekey->address);
	free(sparekey);
	return NULL;
}

void sparekey_set_timeout(struct sparekey *sparekey, int timeout_ms)
{
	sparekey->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
}

const char *sparekey_error_text(const struct sparekey *sparekey)
{
	return sparekey->error;
}

const char *sparekey_way(const struct sparekey *sparekey)
{
	return sparekey->stage == REACH_UP ? sparekey->way_text : "";
}

void sparekey_listen(struct sparekey *sparekey, sparekey_news_fn *told, void *data)
{
	sparekey->told = told;
	sparekey->told_data = data;
}

int sparekey_fd(const struct sparekey *sparekey)
{
	return sparekey->epoll_fd;
}

/* Hands out what has been read. A callback may end the connection. */
static void take_messages(struct sparekey *sparekey)
{
	DBusMessage *message = NULL;

	while (sparekey->connection != NULL &&
	       (message = dbus_connection_pop_message(sparekey->connection)) != NULL) {
		if (!reach_answered(sparekey, message)) {
			call_message(sparekey, message);
		}
		dbus_message_unref(message);
	}
	if (sparekey->connection != NULL &&
	    !dbus_connection_get_is_connected(sparekey->connection)) {
		reach_lost(sparekey);
	}
}

static void take_event(struct sparekey *sparekey, const struct epoll_event *event)
{
	uint64_t count = 0;

	if (event->data.u64 == (uint32_t)sparekey->timer_fd) {
		/* Only to make it unreadable; what is due is looked at in any case. */
		if (read(sparekey->timer_fd, &count, sizeof(count)) < 0) {
			return;
		}
	} else if (event->data.u64 == socket_mark(sparekey)) {
		if (sparekey->connection != NULL) {
			socket_ready(sparekey, event->events);
			take_messages(sparekey);
		}
	} else if (event->data.u64 <= UINT32_MAX) {
		receive_ready(sparekey, (int)event->data.u64);
	}
}

int sparekey_dispatch(struct sparekey *sparekey)
{
	struct epoll_event events[EVENTS];

	if (sparekey->process != getpid()) {
		return -ECHILD;
	}
	int count = epoll_wait(sparekey->epoll_fd, events, EVENTS, 0);

	if (count < 0 && errno != EINTR) {
		return -errno;
	}
	for (int i = 0; i < count; i++) {
		take_event(sparekey, &events[i]);
	}
	reach_step(sparekey);
	call_expire(sparekey, client_now_ms());
	call_send_waiting(sparekey);
	/* Sending, too, may find the connection broken: no descriptor would tell of it. */
	take_messages(sparekey);
	wind(sparekey);
	return 0;
}
