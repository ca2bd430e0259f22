/* SPDX-License-Identifier: MIT */
/*
 * The answer of last resort: an outcome as a D-Bus error. Loop thread. The text is checked before
 * libdbus sees it, which aborts the process over invalid UTF-8.
 */
#include "base/log.h"
#include "bus/internal.h"
#include "protocol/error.h"
#include "sparekey.h"

#define ATTEMPTS 3u

static bool send_error(DBusConnection *connection, DBusMessage *message, const char *name,
                       const char *text)
{
	DBusMessage *reply = dbus_message_new_error(message, name, text);
	bool is_sent = reply != NULL && dbus_connection_send(connection, reply, NULL);

	if (reply != NULL) {
		dbus_message_unref(reply);
	}
	return is_sent;
}

/* Nobody is to wait for an answer that does not come. A bus is everybody's: there the caller's own
 * time-out has to do. */
static void give_up(struct link *link)
{
	log_event(LOG_LEVEL_ERROR, "reply-lost", "peer=%s reason=memory",
	          link->kind == LINK_BUS ? "bus" : link->name);
	if (link->kind != LINK_BUS) {
		dbus_connection_close(link->connection);
		loop_wake(link->door->loop);
	}
}

/* Where an answer cannot be written, this is written in its place; so one allocation that fails
 * here is tried again. */
void error_reply(struct link *link, DBusMessage *message, int result, const char *what)
{
	if (dbus_message_get_no_reply(message)) {
		return;
	}
	const char *text = what[0] != '\0' ? what
	                                   : error_text(result > 0 ? (enum sparekey_error)result
	                                                           : SPAREKEY_FAILED);
	bool is_sent = false;

	if (!dbus_validate_utf8(text, NULL)) {
		text = "an argument is not valid";
	}
	for (unsigned int i = 0; i < ATTEMPTS && !is_sent; i++) {
		is_sent = send_error(link->connection, message, error_name(result), text);
	}
	if (!is_sent) {
		give_up(link);
	}
}
