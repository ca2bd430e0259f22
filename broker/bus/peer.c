/* SPDX-License-Identifier: MIT */
/*
 * Who comes in by a listening socket. Loop thread. EXTERNAL alone is offered, so the kernel says
 * who it is: the broker's own uid gets everything, root on a user's socket the Verifier, nobody
 * else anything. libdbus does not bound silent connections: their number and age are bounded here,
 * and so are a uid's connections. With too many silent ones the oldest goes: whoever means to speak
 * does so in a moment. Refused: turning the newest away, by which a few silent ones would keep
 * everybody out.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/internal.h"
#include "sparekey.h"

static dbus_bool_t is_welcome(DBusConnection *connection, unsigned long uid, void *data)
{
	(void)connection;
	(void)data;
	return uid == (unsigned long)geteuid() || uid == 0;
}

static unsigned int count_kind(const struct door *door, enum link_kind kind)
{
	unsigned int count = 0;

	list_each(at, &door->links) {
		count += list_entry(at, struct link, link)->kind == kind ? 1 : 0;
	}
	return count;
}

static struct link *oldest_silent(const struct door *door)
{
	list_each(at, &door->links) {
		struct link *link = list_entry(at, struct link, link);

		if (link->kind == LINK_SILENT) {
			return link;
		}
	}
	return NULL;
}

/* Silent for too long: closed. */
static void silence_due(void *data)
{
	struct link *link = data;

	peer_check(link);
	if (link->kind == LINK_SILENT) {
		struct door *door = link->door;

		link_free(link);
		door->activity(door->activity_data);
	}
}

void peer_check(struct link *link)
{
	unsigned long uid = 0;

	if (link->kind != LINK_SILENT || !dbus_connection_get_is_authenticated(link->connection) ||
	    !dbus_connection_get_unix_user(link->connection, &uid)) {
		return;
	}
	enum link_kind kind = uid == (unsigned long)geteuid() ? LINK_OWNER : LINK_ROOT;

	if (!is_welcome(link->connection, uid, NULL) ||
	    count_kind(link->door, kind) >= LIMIT_PEERS) {
		return;
	}
	link->kind = kind;
	link->silence = loop_timer_free(link->silence);
}

int peer_refusal(const struct link *link)
{
	unsigned long uid = 0;

	return dbus_connection_get_unix_user(link->connection, &uid) &&
	                       is_welcome(link->connection, uid, NULL)
	               ? SPAREKEY_LIMIT_EXCEEDED
	               : SPAREKEY_ACCESS_DENIED;
}

/* By the kernel's word, before anything is said: strangers to whom the socket is open, an abstract
 * one say, must not take the places of the silent. EXTERNAL comes to the same later on. */
static bool is_ours(DBusConnection *connection)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	int fd = -1;

	return dbus_connection_get_socket(connection, &fd) &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
	       is_welcome(connection, credentials.uid, NULL);
}

void peer_connected(DBusServer *server, DBusConnection *connection, void *data)
{
	struct door *door = data;
	struct link *link = NULL;

	(void)server;
	if (!is_ours(connection)) {
		return; /* libdbus closes whom nobody keeps */
	}
	if (count_kind(door, LINK_SILENT) >= LIMIT_PEERS_SILENT) {
		link_free(oldest_silent(door));
	}
	dbus_connection_ref(connection);
	dbus_connection_set_unix_user_function(connection, is_welcome, NULL, NULL);
	dbus_connection_set_allow_anonymous(connection, FALSE);
	if (link_new(door, connection, LINK_SILENT, &link) < 0) {
		log_event(LOG_LEVEL_ERROR, "peer-refused", "reason=memory");
		return;
	}
	if (loop_timer_new(door->loop, silence_due, link, &link->silence) < 0) {
		link_free(link);
		return;
	}
	loop_timer_set(link->silence, LIMIT_PEER_SILENCE_MS);
}
