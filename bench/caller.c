/* SPDX-License-Identifier: MIT */
/*
 * A client of the broker: one kept connection, one blocking call after the other. Peer to peer, or,
 * with a name, to its owner on a bus.
 *
 *   caller ADDRESS [NAME], then lines of
 *   ping N                  empty Peer.Ping
 *   ping-pipe SECRET N      Ping with the arguments of pipe, which it ignores
 *   ping-text SECRET N      Ping with the arguments of text
 *   pipe SECRET N           Verifier.VerifyByFileDescriptor, a new pipe each time
 *   text SECRET N           Verifier.Verify
 *   create LABEL            Manager.CreatePassword
 *   revoke PATH             Password.Revoke
 *   beside SECRET N         Ping while N verifications of another connection are under way
 *
 * Answers: nanoseconds a call; then for pings and verifications how many were answered yes, for
 * create the path and the password.
 *
 * Libdbus itself rather than the library, so that a Ping and a verification leave by the same code.
 */
#include <dbus/dbus.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "bench/command.h"

#define ROOT "/org/sparekey/Broker1"
#define NAME "org.sparekey.Broker1"
#define TIMEOUT_MS 60000
#define PAUSE_NS 500000

enum carry { CARRY_NOTHING, CARRY_PIPE, CARRY_TEXT };

static const char *destination; /* on a bus; NULL: peer to peer */

static DBusConnection *connect_to(const char *address)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusConnection *connection = dbus_connection_open_private(address, &error);

	if (connection == NULL || (destination != NULL && !dbus_bus_register(connection, &error))) {
		give_up(error.message);
	}
	return connection;
}

static DBusMessage *new_call(const char *path, const char *interface, const char *member)
{
	DBusMessage *call = dbus_message_new_method_call(destination, path, interface, member);

	if (call == NULL) {
		give_up("out of memory");
	}
	return call;
}

static void append_options(DBusMessage *call)
{
	DBusMessageIter at;
	DBusMessageIter dict;

	dbus_message_iter_init_append(call, &at);
	if (!dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, "{sv}", &dict) ||
	    !dbus_message_iter_close_container(&at, &dict)) {
		give_up("out of memory");
	}
}

/* libdbus keeps a duplicate of the descriptor in the message. */
static void append_pipe(DBusMessage *call, const char *secret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 ||
	    write(ends[1], secret, strlen(secret)) != (ssize_t)strlen(secret)) {
		give_up("no pipe");
	}
	close(ends[1]);
	dbus_message_append_args(call, DBUS_TYPE_UNIX_FD, &ends[0], DBUS_TYPE_INVALID);
	close(ends[0]);
}

static void append_question(DBusMessage *call, enum carry carry, const char *secret)
{
	const char *scope = "imap";

	if (carry == CARRY_NOTHING) {
		return;
	}
	if (carry == CARRY_PIPE) {
		append_pipe(call, secret);
	} else {
		dbus_message_append_args(call, DBUS_TYPE_STRING, &secret, DBUS_TYPE_INVALID);
	}
	dbus_message_append_args(call, DBUS_TYPE_STRING, &scope, DBUS_TYPE_INVALID);
	append_options(call);
}

/* NULL: the broker said no. Anything else that fails is the end. */
static DBusMessage *ask(DBusConnection *connection, DBusMessage *call)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusMessage *reply = dbus_connection_send_with_reply_and_block(connection, call, TIMEOUT_MS,
	                                                               &error);

	if (reply == NULL && !dbus_error_has_name(&error, NAME ".Error.AuthenticationFailed")) {
		give_up(error.message);
	}
	dbus_error_free(&error);
	dbus_message_unref(call);
	return reply;
}

static bool ask_once(DBusConnection *connection, const char *member, enum carry carry,
                     const char *secret)
{
	bool is_ping = strcmp(member, "Ping") == 0;
	DBusMessage *call = new_call(ROOT, is_ping ? DBUS_INTERFACE_PEER : NAME ".Verifier",
	                             member);
	DBusMessage *reply = NULL;

	append_question(call, carry, secret);
	reply = ask(connection, call);
	if (reply != NULL) {
		dbus_message_unref(reply);
	}
	return reply != NULL;
}

static void ask_many(DBusConnection *connection, const char *member, enum carry carry,
                     const char *secret, unsigned int count)
{
	char more[16];
	unsigned int right = 0;
	uint64_t start = now_ns();

	for (unsigned int i = 0; i < count; i++) {
		right += ask_once(connection, member, carry, secret) ? 1 : 0;
	}
	snprintf(more, sizeof(more), "%u", right);
	answer(start, count, more);
}

static void create(DBusConnection *connection, const char *label)
{
	DBusMessage *call = new_call(ROOT, NAME ".Manager", "CreatePassword");
	DBusMessage *reply = NULL;
	const char *path = NULL;
	const char *secret = NULL;
	char more[256];

	dbus_message_append_args(call, DBUS_TYPE_STRING, &label, DBUS_TYPE_INVALID);
	append_options(call);

	uint64_t start = now_ns();

	reply = ask(connection, call);
	if (reply == NULL || !dbus_message_get_args(reply, NULL, DBUS_TYPE_OBJECT_PATH, &path,
	                                            DBUS_TYPE_STRING, &secret, DBUS_TYPE_INVALID)) {
		give_up("no password was made");
	}
	snprintf(more, sizeof(more), "%s %s", path, secret);
	answer(start, 1, more);
	dbus_message_unref(reply);
}

static void revoke_one(DBusConnection *connection, const char *path)
{
	DBusMessage *call = new_call(path, NAME ".Password", "Revoke");
	uint64_t start = now_ns();

	append_options(call);

	DBusMessage *reply = ask(connection, call);

	answer(start, 1, "");
	dbus_message_unref(reply);
}

static void count_answer(DBusPendingCall *pending, void *left)
{
	--*(unsigned int *)left;
	dbus_pending_call_unref(pending);
}

/* The mean of Pings, with a pause between two, while `count` verifications are under way on
 * `other`. */
static void beside(DBusConnection *connection, DBusConnection *other, const char *secret,
                   unsigned int count)
{
	const struct timespec pause = { 0, PAUSE_NS };
	unsigned int left = count;
	unsigned int pings = 0;
	uint64_t spent = 0;

	for (unsigned int i = 0; i < count; i++) {
		DBusMessage *call = new_call(ROOT, NAME ".Verifier", "Verify");
		DBusPendingCall *pending = NULL;

		append_question(call, CARRY_TEXT, secret);
		if (!dbus_connection_send_with_reply(other, call, &pending, TIMEOUT_MS) ||
		    !dbus_pending_call_set_notify(pending, count_answer, &left, NULL)) {
			give_up("out of memory");
		}
		dbus_message_unref(call);
	}
	dbus_connection_flush(other);
	while (left > 0) {
		uint64_t start = now_ns();

		ask_once(connection, "Ping", CARRY_NOTHING, NULL);
		spent += now_ns() - start;
		pings++;
		nanosleep(&pause, NULL);
		dbus_connection_read_write_dispatch(other, 0);
	}
	printf("%llu %u\n", (unsigned long long)(spent / pings), pings);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[512];
	const char *word[COMMAND_WORDS];

	if (argc < 2 || argc > 3) {
		give_up("caller ADDRESS [NAME]");
	}
	destination = argv[2];
	DBusConnection *connection = connect_to(argv[1]);
	DBusConnection *other = connect_to(argv[1]);

	/* libdbus loses a descriptor that comes together with the end of authentication. */
	ask_once(connection, "Ping", CARRY_NOTHING, NULL);
	ask_once(other, "Ping", CARRY_NOTHING, NULL);
	while (next_command(line, word)) {
		if (strcmp(word[0], "ping") == 0) {
			ask_many(connection, "Ping", CARRY_NOTHING, "", count_of(word[1]));
		} else if (strcmp(word[0], "ping-pipe") == 0) {
			ask_many(connection, "Ping", CARRY_PIPE, word[1], count_of(word[2]));
		} else if (strcmp(word[0], "ping-text") == 0) {
			ask_many(connection, "Ping", CARRY_TEXT, word[1], count_of(word[2]));
		} else if (strcmp(word[0], "pipe") == 0) {
			ask_many(connection, "VerifyByFileDescriptor", CARRY_PIPE, word[1],
			         count_of(word[2]));
		} else if (strcmp(word[0], "text") == 0) {
			ask_many(connection, "Verify", CARRY_TEXT, word[1], count_of(word[2]));
		} else if (strcmp(word[0], "create") == 0) {
			create(connection, word[1]);
		} else if (strcmp(word[0], "revoke") == 0) {
			revoke_one(connection, word[1]);
		} else if (strcmp(word[0], "beside") == 0) {
			beside(connection, other, word[1], count_of(word[2]));
		} else {
			give_up("no such command");
		}
	}
	return 0;
}
