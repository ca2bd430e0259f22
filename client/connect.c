/* SPDX-License-Identifier: MIT */
/*
 * Reaching a broker: the peer socket first, since there nobody listens in; a bus to have it
 * started; at last one of our own for this connection. The caller's thread. Connection,
 * authentication and Hello are driven here, since libdbus's time-outs do not cover them. Only unix:
 * addresses are used: an address in the environment must start no program and reach no network.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/codec.h"
#include "protocol/error.h"
#include "protocol/names.h"

int client_fail(struct sparekey *sparekey, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sparekey->error, sizeof(sparekey->error), format, arguments);
	va_end(arguments);
	return result;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_ours(DBusConnection *connection)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = -1;

	return dbus_connection_get_socket(connection, &fd) &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void drop(struct sparekey *sparekey)
{
	if (sparekey->connection != NULL) {
		dbus_connection_close(sparekey->connection);
		dbus_connection_unref(sparekey->connection);
		sparekey->connection = NULL;
	}
}

int client_open(struct sparekey *sparekey, const char *address)
{
	DBusError error = DBUS_ERROR_INIT;
	long until = now_ms() + CONNECT_MS;

	if (strncmp(address, "unix:", strlen("unix:")) != 0) {
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "only unix: addresses are used, not \"%.100s\"", address);
	}
	sparekey->connection = dbus_connection_open_private(address, &error);
	if (sparekey->connection == NULL) {
		client_fail(sparekey, SPAREKEY_NO_BROKER, "%.200s", error.message);
		dbus_error_free(&error);
		return SPAREKEY_NO_BROKER;
	}
	dbus_connection_set_exit_on_disconnect(sparekey->connection, FALSE);
	if (!is_ours(sparekey->connection)) {
		drop(sparekey);
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "another user listens at \"%.150s\"", address);
	}
	while (dbus_connection_get_is_connected(sparekey->connection) &&
	       !dbus_connection_get_is_authenticated(sparekey->connection) && now_ms() < until) {
		dbus_connection_read_write(sparekey->connection, 100);
	}
	if (!dbus_connection_get_is_authenticated(sparekey->connection)) {
		drop(sparekey);
		return client_fail(sparekey, SPAREKEY_NO_BROKER, "no answer at \"%.150s\"",
		                   address);
	}
	return 0;
}

DBusMessage *client_method(const struct sparekey *sparekey, const char *path, const char *interface,
                           const char *member)
{
	const char *destination = sparekey->owner[0] != '\0' ? sparekey->owner : NULL;

	return dbus_message_new_method_call(destination, path, interface, member);
}

/* Turns an error reply into its outcome. */
static int read_error(struct sparekey *sparekey, DBusMessage *reply)
{
	const char *text = NULL;
	enum sparekey_error result = error_from_name(dbus_message_get_error_name(reply));

	if (!dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID) ||
	    text[0] == '\0') {
		text = error_text(result);
	}
	return client_fail(sparekey, (int)result, "%s", text);
}

/* A reply counts only from whom it was asked: on a bus anybody can send one with a guessed serial.
 */
static bool is_answer(const struct sparekey *sparekey, DBusMessage *message, dbus_uint32_t serial,
                      bool from_bus)
{
	int type = dbus_message_get_type(message);
	const char *expected = from_bus ? DBUS_SERVICE_DBUS : sparekey->owner;

	if ((type != DBUS_MESSAGE_TYPE_METHOD_RETURN && type != DBUS_MESSAGE_TYPE_ERROR) ||
	    dbus_message_get_reply_serial(message) != serial) {
		return false;
	}
	/* A bus always names the sender; who names none is at the other end of a socket of its own.
	 */
	return expected[0] == '\0' || dbus_message_get_sender(message) == NULL ||
	       dbus_message_has_sender(message, expected) ||
	       dbus_message_has_sender(message, DBUS_SERVICE_DBUS);
}

static DBusMessage *wait_for(struct sparekey *sparekey, dbus_uint32_t serial, bool from_bus,
                             int timeout_ms)
{
	long until = now_ms() + timeout_ms;

	for (;;) {
		DBusMessage *message = dbus_connection_pop_message(sparekey->connection);

		if (message != NULL) {
			if (is_answer(sparekey, message, serial, from_bus)) {
				return message;
			}
			dbus_message_unref(message);
			continue;
		}
		long left = until - now_ms();

		if (left <= 0 || !dbus_connection_read_write(sparekey->connection,
		                                             left > 100 ? 100 : (int)left)) {
			return NULL;
		}
	}
}

int client_ask(struct sparekey *sparekey, DBusMessage *call, int timeout_ms,
               DBusMessage **ret_reply)
{
	dbus_uint32_t serial = 0;
	bool from_bus = call != NULL && dbus_message_has_destination(call, DBUS_SERVICE_DBUS);

	if (call == NULL || !dbus_connection_send(sparekey->connection, call, &serial)) {
		if (call != NULL) {
			dbus_message_unref(call);
		}
		return -ENOMEM;
	}
	dbus_message_unref(call);
	DBusMessage *reply = wait_for(sparekey, serial, from_bus, timeout_ms);

	if (reply == NULL) {
		return client_fail(sparekey, SPAREKEY_NO_BROKER, "the broker gave no answer");
	}
	if (dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_ERROR) {
		int result = read_error(sparekey, reply);

		dbus_message_unref(reply);
		return result;
	}
	*ret_reply = reply;
	return 0;
}

static int ask_bus(struct sparekey *sparekey, const char *member, const char *name,
                   DBusMessage **ret_reply)
{
	DBusMessage *call = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
	                                                 DBUS_INTERFACE_DBUS, member);
	dbus_uint32_t flags = 0;

	if (call != NULL && name != NULL) {
		dbus_message_append_args(call, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
	}
	if (call != NULL && strcmp(member, "StartServiceByName") == 0) {
		dbus_message_append_args(call, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
	}
	return client_ask(sparekey, call, CALL_MS, ret_reply);
}

/* On a bus: has the broker started and notes whose unique name is the broker's. */
static int find_owner(struct sparekey *sparekey)
{
	DBusMessage *reply = NULL;
	const char *owner = NULL;
	int result = ask_bus(sparekey, "StartServiceByName", NAME_BROKER, &reply);

	if (result == 0) {
		dbus_message_unref(reply);
		result = ask_bus(sparekey, "GetNameOwner", NAME_BROKER, &reply);
	}
	if (result != 0) {
		return result;
	}
	if (dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &owner, DBUS_TYPE_INVALID)) {
		snprintf(sparekey->owner, sizeof(sparekey->owner), "%s", owner);
	}
	dbus_message_unref(reply);
	return sparekey->owner[0] != '\0' ? 0 : SPAREKEY_NO_BROKER;
}

/* A bus answers Hello; a broker's own socket does not know it. */
static int greet(struct sparekey *sparekey, const char *address)
{
	DBusMessage *reply = NULL;
	int result = ask_bus(sparekey, "Hello", NULL, &reply);

	if (result == 0) {
		dbus_message_unref(reply);
		result = find_owner(sparekey);
		snprintf(sparekey->way, sizeof(sparekey->way), "bus %.250s", address);
		return result;
	}
	snprintf(sparekey->way, sizeof(sparekey->way), "peer %.250s", address);
	return result == SPAREKEY_NO_BROKER || result < 0 ? result : 0;
}

static int open_address(struct sparekey *sparekey, const char *address)
{
	int result = client_open(sparekey, address);

	if (result == 0) {
		result = greet(sparekey, address);
	}
	if (result != 0) {
		drop(sparekey);
		sparekey->owner[0] = '\0';
	}
	return result;
}

static const char *runtime_directory(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat status;

	if (runtime == NULL || runtime[0] != '/' || lstat(runtime, &status) < 0 ||
	    !S_ISDIR(status.st_mode) || status.st_uid != geteuid()) {
		return NULL;
	}
	return runtime;
}

static int open_below_runtime(struct sparekey *sparekey, const char *tail)
{
	const char *runtime = runtime_directory();
	char path[300];

	if (runtime == NULL) {
		return SPAREKEY_NO_BROKER;
	}
	snprintf(path, sizeof(path), "%.200s/%s", runtime, tail);
	if (access(path, F_OK) < 0) {
		return SPAREKEY_NO_BROKER;
	}
	char *escaped = dbus_address_escape_value(path);

	if (escaped == NULL) {
		return -ENOMEM;
	}
	snprintf(path, sizeof(path), "unix:path=%.250s", escaped);
	dbus_free(escaped);
	return open_address(sparekey, path);
}

/* The bus was only to have the broker started: what follows goes where no monitor can be. */
static void prefer_peer(struct sparekey *sparekey)
{
	struct sparekey over_bus = *sparekey;

	sparekey->connection = NULL;
	sparekey->owner[0] = '\0';
	if (open_below_runtime(sparekey, PEER_DIRECTORY "/" PEER_SOCKET) == 0) {
		drop(&over_bus);
	} else {
		*sparekey = over_bus;
	}
}

static int open_bus(struct sparekey *sparekey)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
	int result = address != NULL && address[0] != '\0' ? open_address(sparekey, address)
	                                                   : open_below_runtime(sparekey, "bus");

	if (result == 0) {
		prefer_peer(sparekey);
	}
	return result;
}

int sparekey_connect(const char *address, struct sparekey **ret_sparekey)
{
	struct sparekey *sparekey = calloc(1, sizeof(*sparekey));

	if (sparekey == NULL) {
		return -ENOMEM;
	}
	*ret_sparekey = sparekey;
	if (address != NULL) {
		return open_address(sparekey, address);
	}
	int result = open_below_runtime(sparekey, PEER_DIRECTORY "/" PEER_SOCKET);

	if (result != 0) {
		result = open_bus(sparekey);
	}
	if (result != 0) {
		result = client_start_private(sparekey);
	}
	return result;
}

struct sparekey *sparekey_disconnect(struct sparekey *sparekey)
{
	if (sparekey != NULL) {
		drop(sparekey);
		client_stop_private(sparekey);
		free(sparekey);
	}
	return NULL;
}

const char *sparekey_error_text(const struct sparekey *sparekey)
{
	return sparekey->error;
}

const char *sparekey_way(const struct sparekey *sparekey)
{
	return sparekey->way;
}
