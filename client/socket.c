/* SPDX-License-Identifier: MIT */
/*
 * A libdbus connection that never blocks. Owner: the handle, its thread.
 *
 * libdbus connects with a blocking connect(2), which waits for ever while the queue of a stopped
 * broker is full, and takes no descriptor that somebody else has connected. So we connect
 * ourselves, have libdbus connect to a socket of our own that nobody else knows, and put ours in
 * the place of its descriptor (dup3) before a byte has been sent: it has only opened it by then.
 * Authentication and everything after it then runs on its watches, driven by epoll.
 *
 * libdbus has a watch for reading and one for writing on one descriptor, which epoll takes once: so
 * their events are joined here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/client.h"

/* Watches. */

static uint32_t wanted_events(const struct sparekey *sparekey)
{
	uint32_t events = 0;

	for (unsigned int i = 0; i < WATCHES; i++) {
		DBusWatch *watch = sparekey->watches[i];

		if (watch != NULL && dbus_watch_get_enabled(watch)) {
			unsigned int flags = dbus_watch_get_flags(watch);

			events |= (flags & DBUS_WATCH_READABLE) != 0 ? EPOLLIN : 0u;
			events |= (flags & DBUS_WATCH_WRITABLE) != 0 ? EPOLLOUT : 0u;
		}
	}
	return events;
}

static void update_events(struct sparekey *sparekey)
{
	uint32_t events = wanted_events(sparekey);
	struct epoll_event wanted = { .events = events, .data.fd = sparekey->socket_fd };

	if (sparekey->socket_fd >= 0 && events != sparekey->socket_events) {
		sparekey->socket_events = events;
		epoll_ctl(sparekey->epoll_fd, EPOLL_CTL_MOD, sparekey->socket_fd, &wanted);
	}
}

static dbus_bool_t watch_add(DBusWatch *watch, void *data)
{
	struct sparekey *sparekey = data;

	for (unsigned int i = 0; i < WATCHES; i++) {
		if (sparekey->watches[i] == NULL) {
			sparekey->watches[i] = watch;
			update_events(sparekey);
			return TRUE;
		}
	}
	return FALSE;
}

static void watch_remove(DBusWatch *watch, void *data)
{
	struct sparekey *sparekey = data;

	for (unsigned int i = 0; i < WATCHES; i++) {
		if (sparekey->watches[i] == watch) {
			sparekey->watches[i] = NULL;
		}
	}
	update_events(sparekey);
}

static void watch_toggle(DBusWatch *watch, void *data)
{
	(void)watch;
	update_events(data);
}

static unsigned int watch_flags(uint32_t events, DBusWatch *watch)
{
	unsigned int mine = dbus_watch_get_flags(watch);
	unsigned int flags = 0;

	flags |= (events & EPOLLIN) != 0 ? (unsigned int)DBUS_WATCH_READABLE : 0u;
	flags |= (events & EPOLLOUT) != 0 ? (unsigned int)DBUS_WATCH_WRITABLE : 0u;
	flags &= mine;
	flags |= (events & EPOLLHUP) != 0 ? (unsigned int)DBUS_WATCH_HANGUP : 0u;
	flags |= (events & EPOLLERR) != 0 ? (unsigned int)DBUS_WATCH_ERROR : 0u;
	return flags;
}

void socket_ready(struct sparekey *sparekey, uint32_t events)
{
	DBusConnection *connection = dbus_connection_ref(sparekey->connection);

	for (unsigned int i = 0; i < WATCHES; i++) {
		DBusWatch *watch = sparekey->watches[i];

		if (watch != NULL && dbus_watch_get_enabled(watch)) {
			unsigned int flags = watch_flags(events, watch);

			if (flags != 0) {
				dbus_watch_handle(watch, flags);
			}
		}
	}
	dbus_connection_unref(connection);
}

/* Connecting. */

/* One entry of an address as a socket's name; false: it is not unix: with path or abstract. */
static bool read_entry(DBusAddressEntry *entry, struct sockaddr_un *ret_name, socklen_t *ret_size)
{
	const char *path = dbus_address_entry_get_value(entry, "path");
	const char *abstract = dbus_address_entry_get_value(entry, "abstract");
	const char *text = path != NULL ? path : abstract;
	size_t first = path != NULL ? 0 : 1; /* an abstract name begins with a NUL */

	if (strcmp(dbus_address_entry_get_method(entry), "unix") != 0 || text == NULL ||
	    first + strlen(text) >= sizeof(ret_name->sun_path)) {
		return false;
	}
	*ret_name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_name->sun_path + first, text, strlen(text));
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + first + strlen(text) +
	                        (path != NULL ? 1 : 0));
	return true;
}

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* A connected socket; -EAGAIN, -EPERM (another user listens), -errno. */
static int connect_entry(const struct sockaddr_un *name, socklen_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result = 0;

	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)name, size) < 0) {
		result = -errno;
	} else if (!is_ours(fd)) {
		result = -EPERM;
	}
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}

/* The first entry that can be reached; a full queue counts only if no other can. */
static int connect_address(struct sparekey *sparekey, const char *address)
{
	DBusAddressEntry **entries = NULL;
	struct sockaddr_un name;
	socklen_t size = 0;
	int count = 0;
	int fd = -EINVAL;

	if (!dbus_parse_address(address, &entries, &count, NULL)) {
		return client_fail(sparekey, -EINVAL, "not a D-Bus address: \"%.150s\"", address);
	}
	for (int i = 0; i < count && fd < 0; i++) {
		if (read_entry(entries[i], &name, &size)) {
			int result = connect_entry(&name, size);

			fd = result >= 0 || fd != -EAGAIN ? result : fd;
		}
	}
	dbus_address_entries_free(entries);
	if (fd == -EINVAL) {
		client_fail(sparekey, fd, "only unix: addresses are used, not \"%.150s\"", address);
	} else if (fd == -EPERM) {
		client_fail(sparekey, fd, "another user listens at \"%.150s\"", address);
	} else if (fd < 0) {
		client_fail(sparekey, fd, "\"%.150s\": %s", address, strerrordesc_np(-fd));
	}
	return fd;
}

/* A listening socket with an address the kernel has chosen; it is there for one connect(2). */
static int listen_once(char *ret_address, size_t size)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(name.sun_family);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -errno;
	}
	if (bind(fd, (const struct sockaddr *)&name, length) == 0 && listen(fd, SOMAXCONN) == 0) {
		length = sizeof(name);
		if (getsockname(fd, (struct sockaddr *)&name, &length) == 0) {
			size_t first = offsetof(struct sockaddr_un, sun_path) + 1;

			snprintf(ret_address, size, "unix:abstract=%.*s", (int)(length - first),
			         name.sun_path + 1);
			return fd;
		}
	}
	int result = -errno;

	close(fd);
	return result;
}

/* Has libdbus open a connection and puts `fd`, which stays the caller's, under it. */
static int adopt(int fd, DBusConnection **ret_connection)
{
	char address[64];
	int opened = -1;
	int listening = listen_once(address, sizeof(address));

	if (listening < 0) {
		return listening;
	}
	DBusConnection *connection = dbus_connection_open_private(address, NULL);

	close(listening);
	if (connection == NULL) {
		return -ENOMEM;
	}
	dbus_connection_set_exit_on_disconnect(connection, FALSE);
	if (!dbus_connection_get_socket(connection, &opened) || dup3(fd, opened, O_CLOEXEC) < 0) {
		int result = -errno;

		dbus_connection_close(connection);
		dbus_connection_unref(connection);
		return result < 0 ? result : -EBADF;
	}
	*ret_connection = connection;
	return 0;
}

static int watch(struct sparekey *sparekey, DBusConnection *connection)
{
	struct epoll_event none = { .events = 0 };

	dbus_connection_set_max_message_size(connection, MESSAGE_BYTES);
	sparekey->connection = connection;
	sparekey->socket_events = 0;
	dbus_connection_get_socket(connection, &sparekey->socket_fd);
	none.data.fd = sparekey->socket_fd;
	if (epoll_ctl(sparekey->epoll_fd, EPOLL_CTL_ADD, sparekey->socket_fd, &none) < 0) {
		return -errno;
	}
	if (!dbus_connection_set_watch_functions(connection, watch_add, watch_remove, watch_toggle,
	                                         sparekey, NULL)) {
		return -ENOMEM;
	}
	return 0;
}

int socket_open(struct sparekey *sparekey, const char *address)
{
	DBusConnection *connection = NULL;
	int fd = connect_address(sparekey, address);

	if (fd == -EAGAIN || fd == -ENOMEM) {
		return fd;
	}
	if (fd < 0) {
		return SPAREKEY_NO_BROKER;
	}
	int result = adopt(fd, &connection);

	close(fd);
	if (result == 0) {
		result = watch(sparekey, connection);
	}
	if (result < 0) {
		socket_close(sparekey);
	}
	return result;
}

void socket_close(struct sparekey *sparekey)
{
	DBusConnection *connection = sparekey->connection;

	if (connection == NULL) {
		return;
	}
	epoll_ctl(sparekey->epoll_fd, EPOLL_CTL_DEL, sparekey->socket_fd, NULL);
	sparekey->socket_fd = -1;
	sparekey->connection = NULL;
	dbus_connection_set_watch_functions(connection, NULL, NULL, NULL, NULL, NULL);
	dbus_connection_close(connection);
	dbus_connection_unref(connection);
}
