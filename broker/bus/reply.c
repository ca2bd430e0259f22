/* SPDX-License-Identifier: MIT */
/*
 * The answer to a call that succeeded: written by its encoder, or copied from one that was. Loop
 * thread; what is kept is the door's.
 *
 * A server asks about the same password again and again, and the details it is told depend on the
 * record alone: writing that dictionary costs libdbus more than everything else a warm verification
 * does. So the message is kept and copied, for as long as every field that stands in it is the
 * same; serial, destination and flags are each call's own. At most REPEATS are kept, one an id's
 * place. Refused: comparing versions instead of fields, for a store put back from a backup has old
 * numbers again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/internal.h"

/* gcc's analyzer loses sight of a repeat once the door has it, and calls it leaked. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct repeat {
	struct store_password password; /* what the message tells of */
	DBusMessage *message;           /* owned; never sent itself */
};

static bool is_same(const struct store_password *a, const struct store_password *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->label, b->label) == 0 &&
	       strcmp(a->account, b->account) == 0 && scope_set_equal(&a->scopes, &b->scopes) &&
	       a->expires_at == b->expires_at;
}

/* FNV-1a. */
static unsigned int place(const char *id)
{
	uint32_t hash = 2166136261u;

	for (; *id != '\0'; id++) {
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	}
	return hash % REPEATS;
}

static struct repeat *repeat_free(struct repeat *repeat)
{
	if (repeat != NULL && repeat->message != NULL) {
		dbus_message_unref(repeat->message);
	}
	free(repeat);
	return NULL;
}

/* A copy addressed to this call, or NULL. */
static DBusMessage *copy_for(DBusMessage *kept, DBusMessage *call)
{
	DBusMessage *copy = dbus_message_copy(kept);

	if (copy != NULL && dbus_message_set_reply_serial(copy, dbus_message_get_serial(call)) &&
	    (dbus_message_get_sender(call) == NULL ||
	     dbus_message_set_destination(copy, dbus_message_get_sender(call)))) {
		return copy;
	}
	if (copy != NULL) {
		dbus_message_unref(copy);
	}
	return NULL;
}

static DBusMessage *repeat_get(const struct call *call)
{
	const struct repeat *repeat = call->door->repeats[place(call->request.password.id)];

	if (repeat == NULL || !is_same(&repeat->password, &call->request.password)) {
		return NULL;
	}
	return copy_for(repeat->message, call->message);
}

static void repeat_keep(const struct call *call)
{
	unsigned int at = place(call->request.password.id);
	struct repeat *repeat = calloc(1, sizeof(*repeat));

	if (repeat == NULL) {
		return;
	}
	repeat->message = dbus_message_copy(call->reply);
	if (repeat->message == NULL || !dbus_message_set_destination(repeat->message, NULL)) {
		repeat_free(repeat);
		return;
	}
	repeat->password = call->request.password;
	repeat_free(call->door->repeats[at]);
	call->door->repeats[at] = repeat;
}

/* Rows may stand in it already. */
static bool write_reply(struct call *call)
{
	if (call->reply == NULL) {
		call->reply = dbus_message_new_method_return(call->message);
		if (call->reply == NULL) {
			return false;
		}
		dbus_message_iter_init_append(call->reply, &call->body);
	}
	return !call->failed &&
	       (call->method->encode == NULL || call->method->encode(call, &call->body));
}

static bool write_repeated(struct call *call)
{
	call->reply = repeat_get(call);
	if (call->reply != NULL) {
		return true;
	}
	if (!write_reply(call)) {
		return false;
	}
	repeat_keep(call);
	return true;
}

bool reply_send(struct call *call)
{
	bool repeats = (call->method->flags & METHOD_REPEATS) != 0;

	if (!(repeats ? write_repeated(call) : write_reply(call))) {
		return false;
	}
	/* Sending writes at once what the socket takes, and so may learn that nobody reads. */
	return dbus_message_get_no_reply(call->message) ||
	       (dbus_connection_send(call->connection, call->reply, NULL) &&
	        dbus_connection_get_is_connected(call->connection));
}

void reply_forget(struct door *door)
{
	for (unsigned int i = 0; i < REPEATS; i++) {
		door->repeats[i] = repeat_free(door->repeats[i]);
	}
}

/* It is short, into an empty pipe: cannot block. libdbus duplicates the descriptor it is given. */
bool reply_append_secret(DBusMessageIter *reply, const struct secret *secret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return false;
	}
	bool is_done = secret_write(secret, ends[1]) == 0 &&
	               dbus_message_iter_append_basic(reply, DBUS_TYPE_UNIX_FD, &ends[0]);

	close(ends[0]);
	close(ends[1]);
	return is_done;
}
