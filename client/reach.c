/* SPDX-License-Identifier: MIT */
/*
 * The way to a broker, as a state machine that never waits: the peer socket first, since there
 * nobody listens in; a bus to have the broker started, and then the peer socket again; at last one
 * of our own. Owner: the handle, its thread.
 *
 * A broker's libdbus loses a descriptor that arrives together with the end of authentication, so
 * one question without a descriptor comes first: Hello, which a bus answers and a broker's own
 * socket does not know.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "protocol/error.h"
#include "protocol/names.h"

#define RETRY_MS 20u

static void try_way(struct sparekey *sparekey);

static void give_up(struct sparekey *sparekey)
{
	sparekey->stage = REACH_DOWN;
	sparekey->way = WAY_NONE;
	socket_close(sparekey);
	private_drop(sparekey);
	if (sparekey->error[0] == '\0') {
		client_fail(sparekey, 0, "no broker could be reached");
	}
	call_fail_all(sparekey, sparekey->failure, false);
}

/* A broker with no room left for us is a broker: there shall be no second one beside it. And none
 * for nobody: whoever asked may have given up by now. */
static bool may_start_own(const struct sparekey *sparekey)
{
	return (sparekey->flags & SPAREKEY_NO_PRIVATE_BROKER) == 0 &&
	       sparekey->failure != SPAREKEY_LIMIT_EXCEEDED && sparekey->calls != NULL;
}

/* This way has led nowhere: the next one. */
static void next_way(struct sparekey *sparekey)
{
	socket_close(sparekey);
	sparekey->owner[0] = '\0';
	switch (sparekey->way) {
	case WAY_PEER:
		sparekey->way = WAY_BUS;
		break;
	case WAY_PEER_AGAIN:
		sparekey->way = WAY_BUS_AGAIN;
		break;
	case WAY_BUS:
	case WAY_BUS_AGAIN:
		sparekey->way = may_start_own(sparekey) ? WAY_PRIVATE : WAY_NONE;
		break;
	case WAY_PRIVATE:
		sparekey->failure = private_why(sparekey);
		sparekey->way = WAY_NONE;
		break;
	case WAY_ADDRESS:
	case WAY_NONE:
		sparekey->way = WAY_NONE;
		break;
	}
	try_way(sparekey);
}

static void connected(struct sparekey *sparekey, int result)
{
	if (result == 0) {
		sparekey->stage = REACH_PROVING;
	} else if (result == -EAGAIN) {
		sparekey->stage = REACH_CONNECTING;
		sparekey->retry_ms = client_now_ms() + RETRY_MS;
	} else {
		next_way(sparekey);
	}
}

static void connect_way(struct sparekey *sparekey)
{
	char address[WAY_BYTES];

	if (!way_address(sparekey, address, sizeof(address))) {
		next_way(sparekey);
		return;
	}
	snprintf(sparekey->way_text, sizeof(sparekey->way_text), "%s", address);
	connected(sparekey, socket_open(sparekey, address));
}

static void start_private(struct sparekey *sparekey)
{
	char address[WAY_BYTES];
	int result = private_start(sparekey, address, sizeof(address));

	if (result == 0) {
		snprintf(sparekey->way_text, sizeof(sparekey->way_text), "%s", address);
		connected(sparekey, socket_open(sparekey, address));
		return;
	}
	if (result < 0) {
		client_fail(sparekey, result, "no broker, and none could be started: %s",
		            strerrordesc_np(-result));
	}
	sparekey->way = WAY_NONE;
	give_up(sparekey);
}

static void try_way(struct sparekey *sparekey)
{
	sparekey->way_until_ms = client_now_ms() + WAY_MS;
	sparekey->is_bus = false;
	if (sparekey->way == WAY_NONE) {
		give_up(sparekey);
	} else if (sparekey->way == WAY_PRIVATE) {
		start_private(sparekey);
	} else {
		connect_way(sparekey);
	}
}

void reach_begin(struct sparekey *sparekey)
{
	if (sparekey->stage != REACH_DOWN) {
		return;
	}
	sparekey->failure = SPAREKEY_NO_BROKER;
	sparekey->error[0] = '\0';
	sparekey->way = sparekey->address != NULL ? WAY_ADDRESS : WAY_PEER;
	try_way(sparekey);
}

/* Asks the bus, or (no interface of the bus) the broker itself. */
static void ask(struct sparekey *sparekey, enum reach_stage stage, DBusMessage *question)
{
	if (question == NULL ||
	    !dbus_connection_send(sparekey->connection, question, &sparekey->question)) {
		client_fail(sparekey, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
		next_way(sparekey);
	} else {
		sparekey->stage = stage;
		sparekey->way_until_ms = client_now_ms() + WAY_MS;
	}
	if (question != NULL) {
		dbus_message_unref(question);
	}
}

static DBusMessage *bus_method(const char *member)
{
	return dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
	                                    member);
}

/* Not Ping, which libdbus answers by itself, whatever the broker thinks of us. */
static void greet(struct sparekey *sparekey)
{
	ask(sparekey, REACH_GREETING, bus_method("Hello"));
}

static void ask_about_name(struct sparekey *sparekey, enum reach_stage stage, const char *member)
{
	const char *name = NAME_BROKER;
	dbus_uint32_t flags = 0;
	DBusMessage *question = bus_method(member);

	if (stage == REACH_NAMING) {
		news_subscribe(sparekey); /* before the answer can grow old */
	}
	if (question != NULL &&
	    (!dbus_message_append_args(question, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID) ||
	     (stage == REACH_STARTING &&
	      !dbus_message_append_args(question, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID)))) {
		dbus_message_unref(question);
		question = NULL;
	}
	ask(sparekey, stage, question);
	if (stage == REACH_STARTING) {
		sparekey->way_until_ms = client_now_ms() + SPAREKEY_TIMEOUT_MS;
	}
}

static void up(struct sparekey *sparekey)
{
	char address[WAY_BYTES];
	const char *kind = sparekey->is_bus ? "bus" : "peer";

	memcpy(address, sparekey->way_text, sizeof(address));
	if (sparekey->way == WAY_PRIVATE) {
		snprintf(sparekey->way_text, sizeof(sparekey->way_text), "private");
	} else {
		snprintf(sparekey->way_text, sizeof(sparekey->way_text), "%s %.290s", kind,
		         address);
	}
	sparekey->stage = REACH_UP;
	sparekey->error[0] = '\0';
	call_send_waiting(sparekey);
}

static bool is_full(DBusMessage *message, bool is_error)
{
	return is_error &&
	       error_from_name(dbus_message_get_error_name(message)) == SPAREKEY_LIMIT_EXCEEDED;
}

/* A bus knows Hello; whoever says it does not know it, is the broker's own socket. */
static void greeted(struct sparekey *sparekey, DBusMessage *message, bool is_error)
{
	if (is_full(message, is_error)) {
		sparekey->failure = client_fail(sparekey, SPAREKEY_LIMIT_EXCEEDED,
		                                "the broker has too many connections");
		next_way(sparekey);
		return;
	}
	sparekey->is_bus = !is_error && (sparekey->way == WAY_ADDRESS || sparekey->way == WAY_BUS ||
	                                 sparekey->way == WAY_BUS_AGAIN);
	if (!sparekey->is_bus) {
		up(sparekey);
	} else if (sparekey->way == WAY_BUS_AGAIN) {
		ask_about_name(sparekey, REACH_NAMING, "GetNameOwner");
	} else {
		ask_about_name(sparekey, REACH_STARTING, "StartServiceByName");
	}
}

/* The broker runs now. A bus that was only asked to start it is left for the socket. */
static void leave_bus(struct sparekey *sparekey)
{
	socket_close(sparekey);
	sparekey->way = WAY_PEER_AGAIN;
	try_way(sparekey);
}

/* A bus that does not know how to start it may have one all the same, started by somebody else. */
static void started(struct sparekey *sparekey, DBusMessage *message, bool is_error)
{
	const char *text = "";

	if (is_error) {
		dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
		client_fail(sparekey, 0, "the bus could not start the broker: %.200s", text);
	}
	if (!is_error && sparekey->way == WAY_BUS) {
		leave_bus(sparekey);
	} else {
		ask_about_name(sparekey, REACH_NAMING, "GetNameOwner");
	}
}

static void named(struct sparekey *sparekey, DBusMessage *message, bool is_error)
{
	const char *owner = NULL;

	if (is_error ||
	    !dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &owner, DBUS_TYPE_INVALID)) {
		if (sparekey->error[0] == '\0') {
			client_fail(sparekey, 0, "nobody has the broker's name on the bus");
		}
		next_way(sparekey);
	} else if (sparekey->way == WAY_BUS) {
		leave_bus(sparekey);
	} else {
		snprintf(sparekey->owner, sizeof(sparekey->owner), "%s", owner);
		up(sparekey);
	}
}

bool reach_answered(struct sparekey *sparekey, DBusMessage *message)
{
	bool is_error = dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_ERROR;

	if (sparekey->question == 0 ||
	    dbus_message_get_reply_serial(message) != sparekey->question ||
	    (sparekey->is_bus && !dbus_message_has_sender(message, DBUS_SERVICE_DBUS))) {
		return false;
	}
	sparekey->question = 0;
	switch (sparekey->stage) {
	case REACH_GREETING:
		greeted(sparekey, message, is_error);
		break;
	case REACH_STARTING:
		started(sparekey, message, is_error);
		break;
	case REACH_NAMING:
		named(sparekey, message, is_error);
		break;
	case REACH_DOWN:
	case REACH_CONNECTING:
	case REACH_PROVING:
	case REACH_UP:
		break;
	}
	return true;
}

void reach_lost(struct sparekey *sparekey)
{
	bool was_up = sparekey->stage == REACH_UP;

	sparekey->question = 0;
	if (!was_up) {
		if (sparekey->error[0] == '\0') {
			client_fail(sparekey, 0, "it hung up at \"%.150s\"", sparekey->way_text);
		}
		next_way(sparekey);
		return;
	}
	sparekey->stage = REACH_DOWN;
	sparekey->way_text[0] = '\0';
	sparekey->owner[0] = '\0';
	socket_close(sparekey);
	private_drop(sparekey);
	if (sparekey->told != NULL) {
		struct sparekey_news lost = { .kind = SPAREKEY_NEWS_LOST };

		sparekey->told(sparekey->told_data, &lost);
	}
	client_fail(sparekey, 0, "the broker went away");
	call_fail_all(sparekey, SPAREKEY_NO_BROKER, true);
}

void reach_step(struct sparekey *sparekey)
{
	uint64_t now_ms = client_now_ms();

	if (sparekey->stage == REACH_DOWN || sparekey->stage == REACH_UP) {
		return;
	}
	if (now_ms >= sparekey->way_until_ms) {
		client_fail(sparekey, 0, "no answer at \"%.150s\"", sparekey->way_text);
		sparekey->question = 0;
		next_way(sparekey);
	} else if (sparekey->stage == REACH_CONNECTING && now_ms >= sparekey->retry_ms) {
		connected(sparekey, socket_open(sparekey, sparekey->way_text));
	} else if (sparekey->stage == REACH_PROVING &&
	           dbus_connection_get_is_authenticated(sparekey->connection)) {
		greet(sparekey);
	}
}

uint64_t reach_due_ms(const struct sparekey *sparekey)
{
	if (sparekey->stage == REACH_DOWN || sparekey->stage == REACH_UP) {
		return UINT64_MAX;
	}
	if (sparekey->stage == REACH_CONNECTING && sparekey->retry_ms < sparekey->way_until_ms) {
		return sparekey->retry_ms;
	}
	return sparekey->way_until_ms;
}
