/* SPDX-License-Identifier: MIT */
/*
 * What a call keeps of its message. Loop thread. A message counts against its connection as long as
 * it is held, with its descriptors; libdbus then reads nothing more of that connection, and on a
 * bus all callers have the same one. So whoever sends much and lets us wait would keep all others
 * waiting: for a secret, a hash, the store, or a turn. A call holds the few strings that are used
 * later, and a message of its own that an answer can be made to.
 *
 * Refused: dbus_message_copy, which copies what nobody needs; sparing the small ones, since nobody
 * tells how large a message is.
 */
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"

#define TEXT_BYTES 4096u /* whatever is longer is too long for any use, and stays too long */

/* Introspection asks for the path above the broker. */
static bool copy_head(const struct call *call, DBusMessage *stub)
{
	return dbus_message_set_sender(stub, dbus_message_get_sender(call->message)) &&
	       (call->object != OBJECT_ABOVE ||
	        dbus_message_set_path(stub, dbus_message_get_path(call->message)));
}

static DBusMessage *stub_of(const struct call *call)
{
	DBusMessage *stub = dbus_message_new(DBUS_MESSAGE_TYPE_METHOD_CALL);

	if (stub != NULL && !copy_head(call, stub)) {
		dbus_message_unref(stub);
		return NULL;
	}
	if (stub != NULL) {
		dbus_message_set_serial(stub, dbus_message_get_serial(call->message));
		dbus_message_set_no_reply(stub, dbus_message_get_no_reply(call->message));
	}
	return stub;
}

/* Copies the strings; false: no memory, nothing has changed. */
static bool keep_texts(struct call *call, const char **const fields[LIGHT_TEXTS])
{
	char *texts[LIGHT_TEXTS] = { NULL };
	bool is_whole = true;

	for (unsigned int i = 0; i < LIGHT_TEXTS; i++) {
		texts[i] = *fields[i] != NULL ? strndup(*fields[i], TEXT_BYTES) : NULL;
		is_whole = is_whole && (texts[i] != NULL) == (*fields[i] != NULL);
	}
	for (unsigned int i = 0; i < LIGHT_TEXTS; i++) {
		if (is_whole) {
			*fields[i] = texts[i];
			call->texts[i] = texts[i];
		} else {
			free(texts[i]);
		}
	}
	return is_whole;
}

void light_call(struct call *call)
{
	struct request_arguments *in = &call->request.in;
	const char **const fields[LIGHT_TEXTS] = {
		&in->text,  &in->account, &in->scope,      &in->remote,          &in->diagnosis,
		&in->after, &in->code,    &call->property, &call->interface_name
	};
	DBusMessage *stub = stub_of(call);

	if (stub == NULL) {
		return;
	}
	if (!keep_texts(call, fields)) {
		dbus_message_unref(stub);
		return;
	}
	dbus_message_unref(call->message);
	call->message = stub;
}

void light_free(struct call *call)
{
	for (unsigned int i = 0; i < LIGHT_TEXTS; i++) {
		free(call->texts[i]);
	}
}
