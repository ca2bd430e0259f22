/* SPDX-License-Identifier: MIT */
/*
 * What the service tells, as signals to the bus and to every peer of the owner. Loop thread. No
 * broadcast carries a secret, a remote address or an app id. A signal that cannot be written for
 * want of memory is dropped: none acknowledges anything.
 */
#include <string.h>

#include "base/log.h"
#include "bus/internal.h"

/* A message has one serial: each connection gives its own. */
static void send_copy(struct link *link, const DBusMessage *message)
{
	DBusMessage *copy = NULL;

	if (!backlog_takes_signal(link)) {
		return;
	}
	copy = dbus_message_copy(message);
	if (copy == NULL || !dbus_connection_send(link->connection, copy, NULL)) {
		log_event(LOG_LEVEL_ERROR, "signal-lost", "reason=memory");
	}
	if (copy != NULL) {
		dbus_message_unref(copy);
	}
}

/* Sends to everybody who may hear it, and lets the message go. */
static void broadcast(struct door *door, DBusMessage *message, bool is_whole)
{
	if (message == NULL || !is_whole) {
		log_event(LOG_LEVEL_ERROR, "signal-lost", "reason=memory");
		if (message != NULL) {
			dbus_message_unref(message);
		}
		return;
	}
	list_each(at, &door->links) {
		struct link *link = list_entry(at, struct link, link);

		if (link->kind == LINK_BUS || link->kind == LINK_OWNER) {
			send_copy(link, message);
		}
	}
	dbus_message_unref(message);
}

static DBusMessage *new_signal(const char *path, const char *interface, const char *member,
                               DBusMessageIter *ret_body)
{
	DBusMessage *message = dbus_message_new_signal(path, interface, member);

	if (message != NULL) {
		dbus_message_iter_init_append(message, ret_body);
	}
	return message;
}

static void tell_added(struct door *door, const char *path, const struct store_password *password)
{
	DBusMessageIter body;
	DBusMessage *message = new_signal(PATH_BROKER, "org.freedesktop.DBus.ObjectManager",
	                                  "InterfacesAdded", &body);

	broadcast(door, message,
	          message != NULL && codec_append_path(&body, path) &&
	                  record_append_interfaces(&body, password, NULL, true));
}

static void on_created(void *data, const struct store_password *password)
{
	struct door *door = data;
	DBusMessageIter body;
	char path[64];

	record_path(password->id, path);
	tell_added(door, path, password);
	DBusMessage *message = new_signal(PATH_BROKER, NAME_MANAGER, "PasswordCreated", &body);

	broadcast(door, message,
	          message != NULL && codec_append_path(&body, path) &&
	                  codec_append_string(&body, password->label));
}

static bool append_names(DBusMessageIter *at, const char *const *names, size_t count)
{
	DBusMessageIter array;
	bool is_whole = true;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "s", &array)) {
		return false;
	}
	for (size_t i = 0; i < count && is_whole; i++) {
		is_whole = codec_append_string(&array, names[i]);
	}
	return codec_container_end(at, &array, is_whole);
}

static void on_ended(void *data, const char *id, const char *label, enum ended_reason reason)
{
	static const char *const names[] = { NAME_PASSWORD };
	struct door *door = data;
	DBusMessageIter body;
	char path[64];

	record_path(id, path);
	DBusMessage *message = new_signal(PATH_BROKER, NAME_MANAGER, "PasswordEnded", &body);

	broadcast(door, message,
	          message != NULL && codec_append_path(&body, path) &&
	                  codec_append_string(&body, label) &&
	                  codec_append_uint32(&body, (uint32_t)reason));
	message = new_signal(PATH_BROKER, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
	                     &body);
	broadcast(door, message,
	          message != NULL && codec_append_path(&body, path) &&
	                  append_names(&body, names, 1));
}

static void tell_properties(struct door *door, const char *id,
                            const struct store_password *password, unsigned int changed,
                            const char *const *invalidated, size_t count)
{
	DBusMessageIter body;
	DBusMessageIter dict;
	char path[64];

	record_path(id, path);
	DBusMessage *message = new_signal(path, "org.freedesktop.DBus.Properties",
	                                  "PropertiesChanged", &body);

	broadcast(door, message,
	          message != NULL && codec_append_string(&body, NAME_PASSWORD) &&
	                  codec_dict_open(&body, &dict) &&
	                  codec_container_end(
				  &body, &dict,
				  password == NULL ||
					  record_append_changed(&dict, password, changed)) &&
	                  append_names(&body, invalidated, count));
}

static void on_changed(void *data, const struct store_password *password, unsigned int changed)
{
	tell_properties(data, password->id, password, changed, NULL, 0);
}

static void on_used(void *data, const char *id)
{
	static const char *const names[] = { "LastUsedAt", "LastUsedScope", "LastUsedFrom",
		                             "UseCount", "UseCounts" };

	tell_properties(data, id, NULL, 0, names, sizeof(names) / sizeof(names[0]));
}

static void on_verified(void *data, const char *id, const char *scope, int64_t at)
{
	DBusMessageIter body;
	char path[64];

	record_path(id, path);
	DBusMessage *message = new_signal(PATH_BROKER, NAME_MANAGER, "PasswordVerified", &body);

	broadcast(data, message,
	          message != NULL && codec_append_path(&body, path) &&
	                  codec_append_string(&body, scope) &&
	                  codec_append_uint64(&body, (uint64_t)at));
}

static void on_failed(void *data, const char *scope, int64_t at, uint32_t count)
{
	DBusMessageIter body;
	DBusMessage *message = new_signal(PATH_BROKER, NAME_MANAGER, "VerificationFailed", &body);

	broadcast(data, message,
	          message != NULL && codec_append_string(&body, scope) &&
	                  codec_append_uint64(&body, (uint64_t)at) &&
	                  codec_append_uint32(&body, count));
}

static void on_proof(void *data, const char *caller, bool is_held)
{
	struct door *door = data;

	/* Of a peer its connection tells. */
	if (door->bus != NULL && caller[0] == ':') {
		call_watch_name(door->bus->connection, caller, is_held);
	}
	if (!is_held) {
		door->activity(door->activity_data);
	}
}

static void on_owner(void *data, const struct owner_state *owner)
{
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessage *message = new_signal(PATH_BROKER, "org.freedesktop.DBus.Properties",
	                                  "PropertiesChanged", &body);

	broadcast(
		data, message,
		message != NULL && codec_append_string(&body, NAME_OWNER) &&
			codec_dict_open(&body, &dict) &&
			codec_container_end(&body, &dict, owner_append_properties(&dict, owner)) &&
			append_names(&body, NULL, 0));
}

static void on_events_added(void *data, int64_t last_serial)
{
	DBusMessageIter body;
	DBusMessage *message = new_signal(PATH_BROKER, NAME_MANAGER, "EventsAdded", &body);

	broadcast(data, message, message != NULL && codec_append_int64(&body, last_serial));
}

const struct service_listener signals_listener = {
	.created = on_created,
	.ended = on_ended,
	.changed = on_changed,
	.used = on_used,
	.verified = on_verified,
	.failed = on_failed,
	.proof = on_proof,
	.owner = on_owner,
	.events_added = on_events_added,
};
