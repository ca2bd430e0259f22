/* SPDX-License-Identifier: MIT */
/*
 * The front door: connections, listening sockets and the bus, and turning their queues on the loop.
 * Loop thread; owns every connection. Everything is registered before the name is requested, so the
 * first call finds a whole broker.
 */
#include "bus/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/internal.h"
#include "bus/watch.h"

#define MESSAGES_A_TURN 16u /* of one connection, before the others have theirs */
#define MEMORY_MS 10u       /* until what was read is tried again for which there was no memory */
#define GOODBYE_MS 1000u    /* for what is still to be read, by whoever reads */

/* Dispatches what has been read. A connection may go while its messages are handled, so the walk
 * starts over after that. */
static bool turn_link(struct link *link)
{
	DBusConnection *connection = dbus_connection_ref(link->connection);
	DBusDispatchStatus status = DBUS_DISPATCH_DATA_REMAINS;

	for (unsigned int i = 0; i < MESSAGES_A_TURN && status == DBUS_DISPATCH_DATA_REMAINS; i++) {
		status = dbus_connection_dispatch(connection);
	}
	dbus_connection_unref(connection);
	return status != DBUS_DISPATCH_COMPLETE;
}

/* Who does not read its answers is not listened to either; libdbus stops reading from it once its
 * messages fill their room. */
static bool door_turn(void *data)
{
	struct door *door = data;
	bool remains = false;

	backlog_check(door);
	list_each_safe(at, &door->links) {
		struct link *link = list_entry(at, struct link, link);

		if (link->kind == LINK_SILENT) {
			peer_check(link);
		}
		if (backlog_chokes(link)) {
			continue;
		}
		DBusDispatchStatus status = dbus_connection_get_dispatch_status(link->connection);

		if (status == DBUS_DISPATCH_DATA_REMAINS) {
			remains = turn_link(link) || remains;
		} else if (status ==
		           DBUS_DISPATCH_NEED_MEMORY) { /* no descriptor tells of it again */
			loop_timer_set(door->look, MEMORY_MS);
		}
	}
	return caller_run(door) || remains;
}

int link_new(struct door *door, DBusConnection *connection, enum link_kind kind,
             struct link **ret_link)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL) {
		dbus_connection_close(connection);
		dbus_connection_unref(connection);
		return -ENOMEM;
	}
	link->door = door;
	link->connection = connection;
	link->kind = kind;
	snprintf(link->name, sizeof(link->name), "#%u", ++door->links_made);
	list_append(&door->links, &link->link);
	dbus_connection_set_exit_on_disconnect(connection, FALSE);
	descriptors_share(door);
	dbus_connection_set_max_received_size(
		connection,
		(long)(kind == LINK_BUS ? LIMIT_INCOMING_BUS_BYTES : LIMIT_INCOMING_BYTES));
	link->is_heard = dbus_connection_add_filter(connection, dispatch_message, link, NULL);
	if (!link->is_heard || watch_connection(door->loop, connection) < 0) {
		link_free(link);
		return -ENOMEM;
	}
	*ret_link = link;
	return 0;
}

struct link *link_free(struct link *link)
{
	call_abandon_link(link->door, link);
	list_unlink(&link->link);
	descriptors_share(link->door);
	link->silence = loop_timer_free(link->silence);
	if (link->is_heard) {
		/* libdbus aborts the process over one that was never added. */
		dbus_connection_remove_filter(link->connection, dispatch_message, link);
	}
	dbus_connection_close(link->connection);
	watch_detach_connection(link->connection);
	dbus_connection_unref(link->connection);
	free(link);
	return NULL;
}

int door_new(struct loop *loop, struct service *service, struct secret_pool *pool,
             void (*activity)(void *data), void *data, struct door **ret_door)
{
	struct door *door = calloc(1, sizeof(*door));

	if (door == NULL) {
		return -ENOMEM;
	}
	door->loop = loop;
	door->service = service;
	door->pool = pool;
	door->activity = activity;
	door->activity_data = data;
	door->peer_lock = -1;
	list_start(&door->links);
	list_start(&door->calls);
	list_start(&door->callers);
	list_start(&door->turns);
	descriptors_share(door);
	int result = backlog_new(door);

	if (result == 0) {
		result = loop_hook_new(loop, door_turn, door, &door->hook);
	}
	if (result < 0) {
		door->look = loop_timer_free(door->look);
		free(door);
		return result;
	}
	service_listen(service, &signals_listener, door);
	*ret_door = door;
	return 0;
}

static bool has_to_send(const struct door *door)
{
	list_each(at, &door->links) {
		DBusConnection *connection = list_entry(at, struct link, link)->connection;

		if (dbus_connection_get_is_connected(connection) &&
		    dbus_connection_has_messages_to_send(connection)) {
			return true;
		}
	}
	return false;
}

/* Calls whose hash is under way are answered by service_drain; those that wait for a secret are
 * refused here. */
static void refuse_waiting(struct door *door)
{
	list_each_safe(at, &door->calls) {
		struct call *call = list_entry(at, struct call, link);

		if (call->inlet != NULL || !list_empty(&call->queued)) {
			call->inlet = inlet_free(call->inlet);
			call_finish(call, -ECANCELED);
		}
	}
}

/* Sends what is queued, for as long as its readers may take. What is sent to us meanwhile is
 * refused. */
static void say_goodbye(struct door *door)
{
	const struct clock *clock = loop_clock(door->loop);
	uint64_t now_ms = clock->monotonic_ms(clock);
	uint64_t until_ms = now_ms + GOODBYE_MS;

	while (has_to_send(door) && now_ms < until_ms &&
	       loop_turn(door->loop, (int)(until_ms - now_ms)) == 0) {
		now_ms = clock->monotonic_ms(clock);
	}
}

void door_close_servers(struct door *door)
{
	while (door->servers_count > 0) {
		DBusServer *server = door->servers[--door->servers_count];

		dbus_server_disconnect(server);
		watch_detach_server(server);
		dbus_server_unref(server);
	}
	if (door->peer_lock >= 0) {
		close(door->peer_lock);
		door->peer_lock = -1;
	}
}

struct door *door_free(struct door *door)
{
	if (door == NULL) {
		return NULL;
	}
	door->is_closing = true;
	refuse_waiting(door);
	service_drain(door->service);
	call_release_held(door);
	door_close_servers(door); /* before the name goes: who comes next may serve the socket */
	if (!door->is_leaving) {
		join_release(door);
	}
	say_goodbye(door);
	service_listen(door->service, NULL, NULL);
	list_each_safe(at, &door->links) {
		link_free(list_entry(at, struct link, link));
	}
	door->hook = loop_hook_free(door->hook);
	reply_forget(door);
	door->look = loop_timer_free(door->look);
	free(door);
	return NULL;
}

int door_listen(struct door *door, const char *address)
{
	static const char *mechanisms[] = { "EXTERNAL", NULL };
	DBusError error = DBUS_ERROR_INIT;
	char quoted[300];

	if (door->servers_count == SERVERS) {
		return -ENOSPC;
	}
	DBusServer *server = dbus_server_listen(address, &error);

	if (server == NULL) {
		log_event(LOG_LEVEL_ERROR, "listen-failed", "address=%s message=%s",
		          log_quote(address, quoted, sizeof(quoted)), error.message);
		dbus_error_free(&error);
		return -EADDRNOTAVAIL;
	}
	dbus_server_set_new_connection_function(server, peer_connected, door, NULL);
	door->servers[door->servers_count++] = server;
	if (!dbus_server_set_auth_mechanisms(server, mechanisms) ||
	    watch_server(door->loop, server) < 0) {
		return -ENOMEM;
	}
	return 0;
}

/* The directory of the socket: ours alone, made if missing. */
static int peer_directory(char *ret_path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat status;

	if (runtime == NULL || runtime[0] != '/') {
		return -ENOENT;
	}
	if (lstat(runtime, &status) < 0) {
		return -errno;
	}
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid()) {
		return -EPERM;
	}
	int length = snprintf(ret_path, size, "%s/%s", runtime, PEER_DIRECTORY);

	if (length < 0 || (size_t)length >= size) {
		return -ENAMETOOLONG;
	}
	if (mkdir(ret_path, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	if (lstat(ret_path, &status) < 0) {
		return -errno;
	}
	return S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 077) == 0
	               ? 0
	               : -EPERM;
}

/* The lock says that a broker serves here; it goes with the process, whatever becomes of the
 * socket. */
static int peer_lock(struct door *door, const char *directory)
{
	char path[200];
	int length = snprintf(path, sizeof(path), "%s/lock", directory);

	if (length < 0 || (size_t)length >= sizeof(path)) {
		return -ENAMETOOLONG;
	}
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int result = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;

		close(fd);
		return result;
	}
	door->peer_lock = fd;
	return 0;
}

int door_listen_peer(struct door *door)
{
	char directory[160];
	char path[200];
	int result = peer_directory(directory, sizeof(directory));

	if (result == 0) {
		result = peer_lock(door, directory);
	}
	if (result < 0) {
		return result;
	}
	snprintf(path, sizeof(path), "%s/%s", directory, PEER_SOCKET);
	char *escaped = dbus_address_escape_value(path);

	if (escaped == NULL) {
		return -ENOMEM;
	}
	snprintf(door->peer_address, sizeof(door->peer_address), "unix:path=%.280s", escaped);
	dbus_free(escaped);
	unlink(path); /* of a broker that was killed: we hold its lock */
	result = door_listen(door, door->peer_address);
	if (result < 0) {
		door->peer_address[0] = '\0';
	}
	return result;
}

void door_leave(struct door *door)
{
	door->is_leaving = true;
	door_close_servers(door);
	door->release = join_release(door);
}

bool door_left(const struct door *door)
{
	return door->is_leaving && door->release == 0;
}

bool door_idle(const struct door *door)
{
	bool has_peers = false;

	list_each(at, &door->links) {
		has_peers = has_peers || list_entry(at, struct link, link)->kind != LINK_BUS;
	}
	return !has_peers && list_empty(&door->calls);
}
