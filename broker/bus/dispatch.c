/* SPDX-License-Identifier: MIT */
/*
 * From a message to a method: object, interface, member, signature; by tables. Loop thread.
 * Anything that names nothing gets the D-Bus specification's own error, at once and without cost.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

static const struct interface *const above[] = { &introspectable_interface, &properties_interface,
	                                         NULL };
static const struct interface *const broker[] = { &manager_interface,
	                                          &verifier_interface,
	                                          &owner_interface,
	                                          &object_manager_interface,
	                                          &introspectable_interface,
	                                          &properties_interface,
	                                          NULL };
static const struct interface *const broker_for_root[] = { &verifier_interface,
	                                                   &introspectable_interface, NULL };
static const struct interface *const root_above[] = { &introspectable_interface, NULL };
static const struct interface *const password[] = { &password_interface, &introspectable_interface,
	                                            &properties_interface, NULL };
static const struct interface *const none[] = { NULL };

const struct interface *const *dispatch_interfaces(enum object_kind object, enum link_kind link)
{
	bool root = link == LINK_ROOT;

	switch (object) {
	case OBJECT_NONE:
		return none;
	case OBJECT_ABOVE:
		return root ? root_above : above;
	case OBJECT_BROKER:
		return root ? broker_for_root : broker;
	case OBJECT_PASSWORDS:
		return root ? none : above;
	case OBJECT_PASSWORD:
		return root ? none : password;
	}
	return none;
}

static enum object_kind object_of(const char *path)
{
	size_t length = path != NULL ? strlen(path) : 0;

	if (length == 0) {
		return OBJECT_NONE;
	}
	if (strcmp(path, PATH_BROKER) == 0) {
		return OBJECT_BROKER;
	}
	if (strcmp(path, PATH_PASSWORDS) == 0) {
		return OBJECT_PASSWORDS;
	}
	if (path_to_id(path) != NULL) {
		return OBJECT_PASSWORD;
	}
	/* "/", "/org", "/org/sparekey" */
	if (strcmp(path, "/") == 0 ||
	    (strncmp(PATH_BROKER, path, length) == 0 && PATH_BROKER[length] == '/')) {
		return OBJECT_ABOVE;
	}
	return OBJECT_NONE;
}

static const struct method *member_of(const struct interface *interface, const char *member)
{
	for (unsigned int i = 0; i < interface->methods_count; i++) {
		if (strcmp(interface->methods[i].member, member) == 0) {
			return &interface->methods[i];
		}
	}
	return NULL;
}

/* A call may leave the interface out: then the first that has the member. */
static int find_method(const struct interface *const *interfaces, const char *interface,
                       const char *member, const struct method **ret_method)
{
	bool is_known = interface == NULL;

	for (; *interfaces != NULL; interfaces++) {
		if (interface != NULL && strcmp((*interfaces)->name, interface) != 0) {
			continue;
		}
		is_known = true;
		*ret_method = member_of(*interfaces, member);
		if (*ret_method != NULL) {
			return 0;
		}
	}
	return is_known ? SPAREKEY_UNKNOWN_METHOD : SPAREKEY_UNKNOWN_INTERFACE;
}

static bool exists_for_owner(enum object_kind object, const char *interface, const char *member)
{
	const struct method *method = NULL;

	return find_method(dispatch_interfaces(object, LINK_OWNER), interface, member, &method) ==
	       0;
}

static int find(const struct link *link, DBusMessage *message, enum object_kind *ret_object,
                const struct method **ret_method)
{
	const char *interface = dbus_message_get_interface(message);
	const char *member = dbus_message_get_member(message);
	enum object_kind object = object_of(dbus_message_get_path(message));

	if (object == OBJECT_NONE) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	int result = find_method(dispatch_interfaces(object, link->kind), interface, member,
	                         ret_method);

	/* The tables show root what it may call; the method says so itself. */
	if (result == 0 && link->kind == LINK_ROOT &&
	    ((*ret_method)->flags & METHOD_FOR_ROOT) == 0) {
		return SPAREKEY_ACCESS_DENIED;
	}
	if (result != 0 && link->kind == LINK_ROOT && exists_for_owner(object, interface, member)) {
		return SPAREKEY_ACCESS_DENIED;
	}
	if (result == 0 && !dbus_message_has_signature(message, (*ret_method)->in)) {
		return SPAREKEY_INVALID_ARGS;
	}
	*ret_object = object;
	return result;
}

static void describe(int result, DBusMessage *message, const struct method *method, char *ret_text,
                     size_t size)
{
	const char *interface = dbus_message_get_interface(message);

	ret_text[0] = '\0';
	if (result == SPAREKEY_INVALID_ARGS) {
		snprintf(ret_text, size, "%s takes \"%s\", not \"%.60s\"", method->member,
		         method->in, dbus_message_get_signature(message));
	} else if (result == SPAREKEY_UNKNOWN_METHOD) {
		snprintf(ret_text, size, "no method \"%.80s\"", dbus_message_get_member(message));
	} else if (result == SPAREKEY_UNKNOWN_INTERFACE) {
		snprintf(ret_text, size, "no interface \"%.80s\"",
		         interface != NULL ? interface : "");
	} else if (result == SPAREKEY_UNKNOWN_OBJECT) {
		snprintf(ret_text, size, "no object \"%.80s\"", dbus_message_get_path(message));
	} else if (result == SPAREKEY_LIMIT_EXCEEDED) {
		snprintf(ret_text, size, "too many calls under way");
	}
}

static void dispatch_call(struct link *link, DBusMessage *message)
{
	const struct method *method = NULL;
	enum object_kind object = OBJECT_NONE;
	struct call *call = NULL;
	char what[160];
	int result = find(link, message, &object, &method);

	if (result == 0 && link->door->is_closing) {
		result = -ECANCELED;
	}
	if (result == 0) {
		result = call_new(link, message, &call);
	}
	if (result != 0) {
		describe(result, message, method, what, sizeof(what));
		error_reply(link, message, result, what);
		return;
	}
	call->method = method;
	call->object = object;
	if (object == OBJECT_PASSWORD) {
		snprintf(call->path_id, sizeof(call->path_id), "%s",
		         path_to_id(dbus_message_get_path(message)));
	}
	result = call_read(call);
	if (result != 0) {
		call_finish(call, result);
	} else {
		caller_queue(call);
	}
}

/* On the bus: a caller we wait for has gone. */
static void name_owner_changed(struct link *link, DBusMessage *message)
{
	const char *name = NULL;
	const char *before = NULL;
	const char *after = NULL;

	if (dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING, &before,
	                          DBUS_TYPE_STRING, &after, DBUS_TYPE_INVALID) &&
	    after[0] == '\0') {
		call_abandon_name(link->door, name);
	}
}

/* What the bus answers: to what is asked while joining it; whether a caller is still there (an
 * error counts as gone); or that it has taken our name: whatever it answers to that, nobody can
 * reach us by it any more. */
static bool bus_answered(struct link *link, DBusMessage *message)
{
	struct door *door = link->door;
	dbus_uint32_t question = dbus_message_get_reply_serial(message);
	dbus_bool_t is_there = FALSE;

	if (link->kind != LINK_BUS || question == 0 ||
	    !dbus_message_has_sender(message, DBUS_SERVICE_DBUS)) {
		return false;
	}
	if (question == door->release) {
		door->release = 0;
		door->activity(door->activity_data);
		return true;
	}
	if (question == door->question) {
		door->answer = dbus_message_ref(message);
		door->question = 0;
		loop_wake(door->loop);
		return true;
	}
	dbus_message_get_args(message, NULL, DBUS_TYPE_BOOLEAN, &is_there, DBUS_TYPE_INVALID);
	call_present(door, question, is_there);
	return true;
}

static void link_lost(struct link *link)
{
	struct door *door = link->door;
	bool was_bus = link->kind == LINK_BUS;

	if (was_bus) {
		door->bus = NULL;
	}
	link_free(link);
	loop_wake(door->loop);
	if (was_bus && door->lost != NULL) {
		door->lost(door->lost_data);
	}
	door->activity(door->activity_data);
}

DBusHandlerResult dispatch_message(DBusConnection *connection, DBusMessage *message, void *data)
{
	struct link *link = data;

	(void)connection;
	if (dbus_message_is_signal(message, DBUS_INTERFACE_LOCAL, "Disconnected")) {
		link_lost(link);
		return DBUS_HANDLER_RESULT_HANDLED;
	}
	if (link->kind == LINK_BUS &&
	    dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameOwnerChanged") &&
	    dbus_message_has_sender(message, DBUS_SERVICE_DBUS)) {
		name_owner_changed(link, message);
		return DBUS_HANDLER_RESULT_HANDLED;
	}
	if (bus_answered(link, message)) {
		return DBUS_HANDLER_RESULT_HANDLED;
	}
	if (dbus_message_get_type(message) != DBUS_MESSAGE_TYPE_METHOD_CALL) {
		return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
	}
	if (link->kind == LINK_SILENT) {
		peer_check(link);
	}
	if (link->kind == LINK_SILENT) {
		error_reply(link, message, peer_refusal(link), "");
		return DBUS_HANDLER_RESULT_HANDLED;
	}
	const char *interface = dbus_message_get_interface(message);

	if (interface != NULL && strcmp(interface, DBUS_INTERFACE_PEER) == 0) {
		return DBUS_HANDLER_RESULT_NOT_YET_HANDLED; /* libdbus answers Ping and GetMachineId
		                                               itself */
	}
	dispatch_call(link, message);
	return DBUS_HANDLER_RESULT_HANDLED;
}
