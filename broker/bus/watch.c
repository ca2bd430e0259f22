/* SPDX-License-Identifier: MIT */
/*
 * libdbus's watches and timeouts on our loop. Loop thread. libdbus puts a reading and a writing
 * watch on one descriptor, so each becomes a watch of its own; the loop polls them side by side.
 */
#include "bus/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define FULL_MS 10

static short events_of(DBusWatch *watch)
{
	unsigned int flags = dbus_watch_get_flags(watch);

	if (!dbus_watch_get_enabled(watch)) {
		return 0;
	}
	return (short)(((flags & DBUS_WATCH_READABLE) != 0 ? POLLIN : 0) |
	               ((flags & DBUS_WATCH_WRITABLE) != 0 ? POLLOUT : 0));
}

static void watch_ready(void *data, short revents)
{
	unsigned int flags = ((revents & POLLIN) != 0 ? (unsigned int)DBUS_WATCH_READABLE : 0u) |
	                     ((revents & POLLOUT) != 0 ? (unsigned int)DBUS_WATCH_WRITABLE : 0u) |
	                     ((revents & POLLHUP) != 0 ? (unsigned int)DBUS_WATCH_HANGUP : 0u) |
	                     ((revents & (POLLERR | POLLNVAL)) != 0 ? (unsigned int)DBUS_WATCH_ERROR
	                                                            : 0u);

	dbus_watch_handle(data, flags);
}

/* With a full table nobody can be let in, and who waits outside is told of in every turn: then each
 * takes a moment. libdbus does not say whether it has let anybody in. */
static void server_ready(void *data, short revents)
{
	int spare = fcntl(dbus_watch_get_unix_fd(data), F_DUPFD_CLOEXEC, 0);

	if (spare < 0) {
		(void)poll(NULL, 0, FULL_MS);
		return;
	}
	close(spare);
	watch_ready(data, revents);
}

static dbus_bool_t add(DBusWatch *watch, struct loop *loop,
                       void (*ready)(void *data, short revents))
{
	struct loop_watch *own = NULL;

	if (loop_watch_new(loop, dbus_watch_get_unix_fd(watch), events_of(watch), ready, watch,
	                   &own) < 0) {
		return FALSE;
	}
	dbus_watch_set_data(watch, own, NULL);
	return TRUE;
}

static dbus_bool_t watch_add(DBusWatch *watch, void *data)
{
	return add(watch, data, watch_ready);
}

static dbus_bool_t server_add(DBusWatch *watch, void *data)
{
	return add(watch, data, server_ready);
}

static void watch_remove(DBusWatch *watch, void *data)
{
	(void)data;
	loop_watch_free(dbus_watch_get_data(watch));
	dbus_watch_set_data(watch, NULL, NULL);
}

static void watch_toggle(DBusWatch *watch, void *data)
{
	(void)data;
	if (dbus_watch_get_data(watch) != NULL) {
		loop_watch_set_events(dbus_watch_get_data(watch), events_of(watch));
	}
}

/* libdbus's timeouts repeat until removed; ours fire once, so each is set again. */
static void timeout_due(void *data)
{
	DBusTimeout *timeout = data;

	loop_timer_set(dbus_timeout_get_data(timeout),
	               (uint64_t)dbus_timeout_get_interval(timeout));
	dbus_timeout_handle(timeout);
}

static void timeout_toggle(DBusTimeout *timeout, void *data)
{
	struct loop_timer *timer = dbus_timeout_get_data(timeout);

	(void)data;
	if (timer == NULL) {
		return;
	}
	if (dbus_timeout_get_enabled(timeout)) {
		loop_timer_set(timer, (uint64_t)dbus_timeout_get_interval(timeout));
	} else {
		loop_timer_clear(timer);
	}
}

static dbus_bool_t timeout_add(DBusTimeout *timeout, void *data)
{
	struct loop_timer *timer = NULL;

	if (loop_timer_new(data, timeout_due, timeout, &timer) < 0) {
		return FALSE;
	}
	dbus_timeout_set_data(timeout, timer, NULL);
	timeout_toggle(timeout, NULL);
	return TRUE;
}

static void timeout_remove(DBusTimeout *timeout, void *data)
{
	(void)data;
	loop_timer_free(dbus_timeout_get_data(timeout));
	dbus_timeout_set_data(timeout, NULL, NULL);
}

int watch_connection(struct loop *loop, DBusConnection *connection)
{
	if (!dbus_connection_set_watch_functions(connection, watch_add, watch_remove, watch_toggle,
	                                         loop, NULL) ||
	    !dbus_connection_set_timeout_functions(connection, timeout_add, timeout_remove,
	                                           timeout_toggle, loop, NULL)) {
		return -ENOMEM;
	}
	return 0;
}

int watch_server(struct loop *loop, DBusServer *server)
{
	if (!dbus_server_set_watch_functions(server, server_add, watch_remove, watch_toggle, loop,
	                                     NULL) ||
	    !dbus_server_set_timeout_functions(server, timeout_add, timeout_remove, timeout_toggle,
	                                       loop, NULL)) {
		return -ENOMEM;
	}
	return 0;
}

void watch_detach_connection(DBusConnection *connection)
{
	dbus_connection_set_watch_functions(connection, NULL, NULL, NULL, NULL, NULL);
	dbus_connection_set_timeout_functions(connection, NULL, NULL, NULL, NULL, NULL);
}

void watch_detach_server(DBusServer *server)
{
	dbus_server_set_watch_functions(server, NULL, NULL, NULL, NULL, NULL);
	dbus_server_set_timeout_functions(server, NULL, NULL, NULL, NULL, NULL);
}
