/* SPDX-License-Identifier: MIT */
/*
 * One method call from arrival to answer. Loop thread. A call is charged to its caller before
 * anything is kept for it, and always answered: by its encoder or by one error. What was made for a
 * caller who is gone is undone.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/internal.h"
#include "sparekey.h"

int call_say(struct call *call, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(call->request.what, sizeof(call->request.what), format, arguments);
	va_end(arguments);
	return result;
}

/* To the bus itself, about one text; `ret_serial` NULL: no answer is wanted. By hand, for libdbus
 * 1.14 asserts in dbus_bus_remove_match() when there is no memory. */
static void tell_bus(DBusConnection *connection, const char *member, const char *text,
                     dbus_uint32_t *ret_serial)
{
	DBusMessage *message = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
	                                                    DBUS_INTERFACE_DBUS, member);

	if (message != NULL &&
	    dbus_message_append_args(message, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID)) {
		dbus_message_set_no_reply(message, ret_serial == NULL);
		dbus_connection_send(connection, message, ret_serial);
	}
	if (message != NULL) {
		dbus_message_unref(message);
	}
}

void call_watch_name(DBusConnection *connection, const char *name, bool watch)
{
	char rule[400];

	snprintf(rule, sizeof(rule),
	         "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
	         "member='NameOwnerChanged',arg0='%s'",
	         name);
	tell_bus(connection, watch ? "AddMatch" : "RemoveMatch", rule, NULL);
}

/* Has the bus tell when the caller goes, so that nothing is made for nobody. */
static void watch_caller(struct call *call, bool watch)
{
	if (call->origin == NULL || call->origin->kind != LINK_BUS || watch == call->watched) {
		return;
	}
	call_watch_name(call->connection, call->caller->name, watch);
	if (watch) {
		/* The rule tells of those who go from now on; whether the caller went before that,
		 * the question after it tells. */
		tell_bus(call->connection, "NameHasOwner", call->caller->name, &call->presence);
	}
	call->watched = watch;
}

int call_new(struct link *link, DBusMessage *message, struct call **ret_call)
{
	struct caller *caller = NULL;
	int result = caller_charge(link, message, &caller);

	if (result != 0) {
		return result;
	}
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		caller_discharge(link->door, caller);
		return -ENOMEM;
	}
	call->door = link->door;
	call->origin = link;
	call->connection = dbus_connection_ref(link->connection);
	call->message = dbus_message_ref(message);
	call->caller = caller;
	call->request.caller = caller->name;
	call->secret_fd = -1;
	call->code_fd = -1;
	list_start(&call->queued);
	list_append(&link->door->calls, &call->link);
	*ret_call = call;
	return 0;
}

static void call_free(struct call *call)
{
	struct door *door = call->door;

	door->large = door->large == call ? NULL : door->large;
	watch_caller(call, false);
	list_unlink(&call->link);
	caller_unqueue(call);
	caller_discharge(door, call->caller);
	if (call->secret_fd >= 0) {
		close(call->secret_fd);
	}
	if (call->code_fd >= 0) {
		close(call->code_fd);
	}
	call->inlet = inlet_free(call->inlet);
	call->request.code = secret_free(call->request.code);
	call->request.secret = secret_free(call->request.secret);
	if (call->rows_open) {
		dbus_message_iter_abandon_container(&call->body, &call->rows);
	}
	if (call->reply != NULL) {
		dbus_message_unref(call->reply);
	}
	dbus_message_unref(call->message);
	dbus_connection_unref(call->connection);
	light_free(call);
	free(call->except);
	free(call->children);
	free(call);
	door->activity(door->activity_data);
}

static void undone(struct request *request, int result)
{
	bool is_gone = result == 0 || result == SPAREKEY_UNKNOWN_OBJECT;

	log_event(is_gone ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, is_gone ? "undone" : "undo-failed",
	          "id=%s result=%d reason=caller-gone", request->in.id, result);
	free(request);
}

/* Ends again what was just made for a caller that cannot be told. */
static void undo(struct call *call)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL) {
		log_event(LOG_LEVEL_ERROR, "undo-failed", "id=%s reason=memory",
		          call->request.password.id);
		return;
	}
	request->operation = OPERATION_REVOKE;
	snprintf(request->in.id, sizeof(request->in.id), "%s", call->request.password.id);
	request->caller = "";
	request->is_undo = true;
	request->done = undone;
	service_submit(call->door->service, request);
}

static void log_fault(const struct call *call, int result)
{
	if (result < 0 && result != -ECANCELED) {
		log_event(LOG_LEVEL_ERROR, "call-failed", "member=%s error=%d",
		          call->method->member, -result);
	}
}

void call_finish(struct call *call, int result)
{
	bool makes = (call->method->flags & METHOD_UNDO) != 0;
	bool gone = call->request.abandoned || !dbus_connection_get_is_connected(call->connection);
	bool is_told = false;

	log_fault(call, result);
	if (result == 0 && !(makes && gone)) {
		is_told = reply_send(call);
	}
	if (result == 0 && !is_told && makes) {
		undo(call);
	}
	if (!is_told && !gone && call->origin != NULL) {
		error_reply(call->origin, call->message, result != 0 ? result : -ENOMEM,
		            call->request.what);
	}
	call_free(call);
}

static void request_done(struct request *request, int result)
{
	struct call *call = list_entry(request, struct call, request);

	if (call->presence != 0 && result == 0) {
		call->held = true;
		call->held_result = result;
		return;
	}
	call_finish(call, result);
}

static void release(struct call *call)
{
	call->presence = 0;
	if (call->held) {
		call->held = false;
		call_finish(call, call->held_result);
	}
}

void call_present(struct door *door, dbus_uint32_t question, bool is_there)
{
	list_each_safe(link, &door->calls) {
		struct call *call = list_entry(link, struct call, link);

		if (call->presence == question && question != 0) {
			call->request.abandoned = call->request.abandoned || !is_there;
			if (!is_there) {
				service_forget(door->service, call->caller->name);
			}
			release(call);
			return;
		}
	}
}

void call_release_held(struct door *door)
{
	list_each_safe(link, &door->calls) {
		release(list_entry(link, struct call, link));
	}
}

/* The standard interfaces ask the store only about passwords. */
static enum operation operation_of(const struct call *call)
{
	if (call->method->operation != OPERATION_NONE) {
		return call->method->operation;
	}
	if (call->object == OBJECT_PASSWORD) {
		return OPERATION_GET;
	}
	if (call->object == OBJECT_BROKER && call->wants_owner) {
		return OPERATION_OWNER;
	}
	return call->object == OBJECT_PASSWORDS && call->request.row != NULL ? OPERATION_LIST
	                                                                     : OPERATION_NONE;
}

void call_submit(struct call *call)
{
	if ((call->method->flags & METHOD_LARGE) != 0) {
		call->door->large = call;
	}
	call->request.operation = operation_of(call);
	call->request.done = request_done;
	service_submit(call->door->service, &call->request);
}

static int check_flags(struct call *call)
{
	unsigned int flags = call->method->flags;

	if ((flags & METHOD_INLINE) != 0 &&
	    !service_settings(call->door->service)->inline_secrets) {
		return call_say(call, SPAREKEY_INLINE_SECRETS_DISABLED,
		                "the setting inline-secrets refuses strings");
	}
	if ((flags & METHOD_SECRET_OUT) != 0 &&
	    !dbus_connection_can_send_type(call->connection, DBUS_TYPE_UNIX_FD)) {
		return call_say(call, SPAREKEY_NOT_SUPPORTED,
		                "this connection cannot carry descriptors");
	}
	return 0;
}

int call_read(struct call *call)
{
	DBusMessageIter arguments;
	int result = 0;

	dbus_message_iter_init(call->message, &arguments);
	snprintf(call->request.in.id, sizeof(call->request.in.id), "%s", call->path_id);
	if (call->method->decode != NULL) {
		result = call->method->decode(call, &arguments);
	}
	if (result == 0) {
		result = check_flags(call);
	}
	if (result == 0) {
		light_call(call);
	}
	return result;
}

void call_start(struct call *call)
{
	int result = 0;

	if ((call->method->flags & (METHOD_UNDO | METHOD_WATCH)) != 0) {
		watch_caller(call, true);
	}
	if (call->secret_fd >= 0) {
		result = arrival_await(call);
		if (result == 0) {
			return;
		}
	}
	if (result != 0 || operation_of(call) == OPERATION_NONE) {
		call_finish(call, result);
	} else {
		call_submit(call);
	}
}

void call_abandon_name(struct door *door, const char *name)
{
	service_forget(door->service, name);
	list_each(link, &door->calls) {
		struct call *call = list_entry(link, struct call, link);

		if (strcmp(call->caller->name, name) == 0) {
			call->request.abandoned = true;
		}
	}
}

void call_abandon_link(struct door *door, const struct link *gone)
{
	if (gone->kind != LINK_BUS) {
		service_forget(door->service, gone->name);
	}
	list_each(link, &door->callers) {
		struct caller *caller = list_entry(link, struct caller, link);

		if (caller->origin == gone) {
			caller->origin = NULL;
		}
	}
	list_each_safe(link, &door->calls) {
		struct call *call = list_entry(link, struct call, link);

		if (call->origin == gone) {
			call->origin = NULL;
			call->request.abandoned = true;
			release(call);
		}
	}
}
