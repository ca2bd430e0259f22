/* SPDX-License-Identifier: MIT */
/*
 * Joining a bus, and leaving it. Loop thread, at start only: the one place that may wait for a
 * peer, the bus daemon. The name is requested with DO_NOT_QUEUE: one who waits in a queue would
 * inherit it when we restart.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bus/internal.h"

/* Asks the bus one question about the owner of our name. */
static DBusMessage *ask_owner(DBusConnection *connection, const char *member)
{
	const char *name = NAME_BROKER;
	DBusMessage *call = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
	                                                 DBUS_INTERFACE_DBUS, member);
	DBusMessage *reply = NULL;

	if (call != NULL &&
	    dbus_message_append_args(call, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID)) {
		reply = dbus_connection_send_with_reply_and_block(connection, call, 2000, NULL);
	}
	if (call != NULL) {
		dbus_message_unref(call);
	}
	return reply;
}

static void say_who_has_it(DBusConnection *connection)
{
	DBusMessage *owner = ask_owner(connection, "GetNameOwner");
	DBusMessage *process = ask_owner(connection, "GetConnectionUnixProcessID");
	const char *name = "?";
	dbus_uint32_t pid = 0;

	if (owner != NULL) {
		dbus_message_get_args(owner, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
	}
	if (process != NULL) {
		dbus_message_get_args(process, NULL, DBUS_TYPE_UINT32, &pid, DBUS_TYPE_INVALID);
	}
	log_event(LOG_LEVEL_ERROR, "name-taken", "name=%s owner=%s pid=%u", NAME_BROKER, name, pid);
	if (owner != NULL) {
		dbus_message_unref(owner);
	}
	if (process != NULL) {
		dbus_message_unref(process);
	}
}

static int request_name(DBusConnection *connection)
{
	DBusError error = DBUS_ERROR_INIT;
	int got = dbus_bus_request_name(connection, NAME_BROKER, DBUS_NAME_FLAG_DO_NOT_QUEUE,
	                                &error);

	if (got == DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER ||
	    got == DBUS_REQUEST_NAME_REPLY_ALREADY_OWNER) {
		return 0;
	}
	if (dbus_error_is_set(&error)) {
		log_event(LOG_LEVEL_ERROR, "name-refused", "name=%s error=%s", NAME_BROKER,
		          error.name);
		dbus_error_free(&error);
		return -ENOTCONN;
	}
	say_who_has_it(connection);
	return -EADDRINUSE;
}

int door_join(struct door *door, const char *address, void (*lost)(void *data), void *data)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusConnection *connection = dbus_connection_open_private(address, &error);
	char quoted[300];

	if (connection != NULL) {
		dbus_connection_set_exit_on_disconnect(connection, FALSE);
	}
	if (connection == NULL || !dbus_bus_register(connection, &error)) {
		log_event(LOG_LEVEL_ERROR, "no-bus", "address=%s error=%s",
		          log_quote(address, quoted, sizeof(quoted)),
		          error.name != NULL ? error.name : "memory");
		dbus_error_free(&error);
		if (connection != NULL) {
			dbus_connection_close(connection);
			dbus_connection_unref(connection);
		}
		return -ENOTCONN;
	}
	int result = link_new(door, connection, LINK_BUS, &door->bus);

	if (result < 0) {
		log_event(LOG_LEVEL_ERROR, "no-bus", "address=%s error=memory",
		          log_quote(address, quoted, sizeof(quoted)));
		return result;
	}
	door->lost = lost;
	door->lost_data = data;
	result = request_name(connection);
	if (result < 0) {
		door->bus = link_free(door->bus);
	}
	return result;
}

dbus_uint32_t join_release(const struct door *door)
{
	const char *name = NAME_BROKER;
	dbus_uint32_t serial = 0;
	DBusMessage *release = NULL;

	if (door->bus == NULL) {
		return 0;
	}
	release = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
	                                       DBUS_INTERFACE_DBUS, "ReleaseName");
	if (release != NULL &&
	    dbus_message_append_args(release, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID)) {
		dbus_connection_send(door->bus->connection, release, &serial);
	}
	if (release != NULL) {
		dbus_message_unref(release);
	}
	return serial;
}
