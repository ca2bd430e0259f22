/* SPDX-License-Identifier: MIT */
/*
 * Joining a bus, and leaving it. Loop thread. The bus may be slow, stopped, or no bus at all: so it
 * is asked on the loop, which serves the other ways in meanwhile and hears a signal to end, and the
 * whole is bounded. The name is requested with DO_NOT_QUEUE: one who waits in a queue would inherit
 * it when we restart.
 *
 * Refused: dbus_bus_register() and the other calls that block, whose time-outs do not cover
 * connecting and authentication. The connect(2) within libdbus waits for ever while the queue of a
 * stopped bus is full: a timer's signal ends it, again and again until the time is over.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "bus/internal.h"

#define JOIN_MS 10000u
#define CONNECT_MS 10 /* of one connect(2) */

static uint64_t now_ms(const struct door *door)
{
	const struct clock *clock = loop_clock(door->loop);

	return clock->monotonic_ms(clock);
}

static int left_ms(const struct door *door)
{
	uint64_t now = now_ms(door);

	return now < door->join_until_ms ? (int)(door->join_until_ms - now) : 0;
}

static bool is_over(const struct door *door)
{
	return left_ms(door) == 0 || loop_is_quitting(door->loop);
}

static void interrupt(int number)
{
	(void)number;
}

/* Opens as libdbus does, but for no longer than CONNECT_MS; a signal that comes before connect(2)
 * has begun is followed by others. */
static DBusConnection *open_briefly(const char *address, DBusError *ret_error)
{
	const struct itimerval every = { { 0, CONNECT_MS * 1000L }, { 0, CONNECT_MS * 1000L } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = interrupt };
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &every, NULL);
	DBusConnection *connection = dbus_connection_open_private(address, ret_error);

	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	return connection;
}

/* What fails later than at once was interrupted. */
static DBusConnection *open_bus(struct door *door, const char *address, DBusError *ret_error)
{
	uint64_t begin_ms = now_ms(door);
	DBusConnection *connection = open_briefly(address, ret_error);

	while (connection == NULL && now_ms(door) - begin_ms >= CONNECT_MS / 2 && !is_over(door)) {
		loop_turn(door->loop, CONNECT_MS);
		dbus_error_free(ret_error);
		begin_ms = now_ms(door);
		connection = open_briefly(address, ret_error);
	}
	return connection;
}

static DBusMessage *new_question(const char *member)
{
	return dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
	                                    member);
}

/* Asks the bus, and turns the loop until it has answered; lets the question go. NULL: no memory, no
 * bus any more, or the time is over. */
static DBusMessage *ask(struct door *door, DBusMessage *question)
{
	DBusMessage *answer = NULL;

	if (question == NULL) {
		return NULL;
	}
	if (door->bus != NULL &&
	    dbus_connection_send(door->bus->connection, question, &door->question)) {
		while (door->answer == NULL && door->bus != NULL && !is_over(door)) {
			loop_turn(door->loop, left_ms(door));
		}
	}
	dbus_message_unref(question);
	answer = door->answer;
	door->answer = NULL;
	door->question = 0;
	return answer;
}

/* Asks the bus one question about our name. */
static DBusMessage *ask_about_name(struct door *door, const char *member)
{
	const char *name = NAME_BROKER;
	DBusMessage *question = new_question(member);

	if (question != NULL &&
	    !dbus_message_append_args(question, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID)) {
		dbus_message_unref(question);
		return NULL;
	}
	return ask(door, question);
}

static void say_who_has_it(struct door *door)
{
	DBusMessage *owner = ask_about_name(door, "GetNameOwner");
	DBusMessage *process = ask_about_name(door, "GetConnectionUnixProcessID");
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

/* Why there is no answer, or none that helps. */
static int no_bus(const struct door *door, const char *address, DBusMessage *answer)
{
	char quoted[300];
	const char *error = answer != NULL ? dbus_message_get_error_name(answer) : NULL;

	if (loop_is_quitting(door->loop)) {
		return -ECANCELED;
	}
	if (error == NULL) {
		error = left_ms(door) == 0  ? "\"no answer in 10 seconds\""
		        : door->bus == NULL ? DBUS_ERROR_DISCONNECTED
		                            : "memory";
	}
	log_event(LOG_LEVEL_ERROR, "no-bus", "address=%s error=%s",
	          log_quote(address, quoted, sizeof(quoted)), error);
	return -ENOTCONN;
}

static int connect_bus(struct door *door, const char *address)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusConnection *connection = open_bus(door, address, &error);
	char quoted[300];

	if (connection != NULL) {
		return link_new(door, connection, LINK_BUS, &door->bus) == 0
		               ? 0
		               : no_bus(door, address, NULL);
	}
	if (is_over(door)) {
		dbus_error_free(&error);
		return no_bus(door, address, NULL);
	}
	log_event(LOG_LEVEL_ERROR, "no-bus", "address=%s error=%s",
	          log_quote(address, quoted, sizeof(quoted)),
	          error.name != NULL ? error.name : "memory");
	dbus_error_free(&error);
	return -ENOTCONN;
}

static int say_hello(struct door *door, const char *address)
{
	DBusMessage *answer = ask(door, new_question("Hello"));
	const char *name = NULL;
	bool is_done = answer != NULL && dbus_message_get_args(answer, NULL, DBUS_TYPE_STRING,
	                                                       &name, DBUS_TYPE_INVALID);
	int result = is_done ? 0 : no_bus(door, address, answer);

	if (answer != NULL) {
		dbus_message_unref(answer);
	}
	return result;
}

static int request_name(struct door *door, const char *address)
{
	const char *name = NAME_BROKER;
	dbus_uint32_t flags = DBUS_NAME_FLAG_DO_NOT_QUEUE;
	dbus_uint32_t got = 0;
	DBusMessage *question = new_question("RequestName");
	DBusMessage *answer = NULL;
	int result = 0;

	if (question != NULL &&
	    dbus_message_append_args(question, DBUS_TYPE_STRING, &name, DBUS_TYPE_UINT32, &flags,
	                             DBUS_TYPE_INVALID)) {
		answer = ask(door, dbus_message_ref(question));
	}
	if (question != NULL) {
		dbus_message_unref(question);
	}
	if (answer == NULL) {
		return no_bus(door, address, NULL);
	}
	if (!dbus_message_get_args(answer, NULL, DBUS_TYPE_UINT32, &got, DBUS_TYPE_INVALID)) {
		const char *error = dbus_message_get_error_name(answer);

		log_event(LOG_LEVEL_ERROR, "name-refused", "name=%s error=%s", NAME_BROKER,
		          error != NULL ? error : "?");
		result = -ENOTCONN;
	} else if (got != DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER &&
	           got != DBUS_REQUEST_NAME_REPLY_ALREADY_OWNER) {
		say_who_has_it(door);
		result = -EADDRINUSE;
	}
	dbus_message_unref(answer);
	return result;
}

int door_join(struct door *door, const char *address, void (*lost)(void *data), void *data)
{
	door->join_until_ms = now_ms(door) + JOIN_MS;
	int result = connect_bus(door, address);

	if (result == 0) {
		result = say_hello(door, address);
	}
	if (result == 0) {
		result = request_name(door, address);
	}
	if (result == 0 && door->bus == NULL) {
		result = no_bus(door, address, NULL);
	}
	if (result < 0) {
		door->bus = door->bus != NULL ? link_free(door->bus) : NULL;
		return result;
	}
	door->lost = lost;
	door->lost_data = data;
	return 0;
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
