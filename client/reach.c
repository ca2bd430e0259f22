/* SPDX-License-Identifier: MIT */
/*
 * The way to a broker, as a state machine that never waits: the peer socket first, since there
 * nobody listens in; a bus to have the broker started, and then the peer socket again; at last one
 * of our own. Owner: the handle, its thread. Every event sets the stage; reach_run then goes on
 * from it, so a way that leads nowhere is followed by the next one in a loop and not in a call.
 *
 * A broker's libdbus loses a descriptor that arrives together with the end of authentication, so
 * one question without a descriptor comes first: Hello, which a bus answers and a broker's own
 * socket does not know.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "protocol/error.h"
#include "protocol/names.h"

/* Beside a broker that is there and has had enough of us none is started. */
static bool may_start(const struct sparekey *sparekey)
{
	return (sparekey->flags & SPAREKEY_NO_PRIVATE_BROKER) == 0 && !sparekey->is_refused;
}

void reach_linger(struct sparekey *sparekey, enum reach_stage stage)
{
	sparekey->stage = stage;
	sparekey->retry_ms = client_now_ms() + RETRY_MS;
}

/* The current way has led nowhere: the next one is to be tried. */
static void next_way(struct sparekey *sparekey)
{
	socket_close(sparekey);
	sparekey->owner[0] = '\0';
	sparekey->question = 0;
	switch (sparekey->way) {
	case WAY_PEER:
		sparekey->way = WAY_BUS;
		break;
	case WAY_PEER_AGAIN:
		sparekey->way = WAY_BUS_AGAIN;
		break;
	case WAY_BUS:
	case WAY_BUS_AGAIN:
		sparekey->way = may_start(sparekey) ? WAY_PRIVATE : WAY_NONE;
		break;
	case WAY_PRIVATE:
		ending_begin(sparekey);
		return;
	case WAY_ADDRESS:
	case WAY_NONE:
		sparekey->way = WAY_NONE;
		break;
	}
	sparekey->stage = REACH_NEXT;
}

/* Short of memory or descriptors: other ways would fail as well, or hide it. */
static bool is_our_fault(int result)
{
	return result == -ENOMEM || result == -EMFILE || result == -ENFILE || result == -ENOBUFS;
}

static void fail(struct sparekey *sparekey, int result)
{
	client_fail(sparekey, result, "%s", strerrordesc_np(-result));
	sparekey->failure = result;
	sparekey->way = WAY_NONE;
	sparekey->stage = REACH_NEXT;
}

/* After an attempt to connect. */
static void connected(struct sparekey *sparekey, int result)
{
	if (result == 0) {
		sparekey->stage = REACH_PROVING;
	} else if (result == -EAGAIN) {
		reach_linger(sparekey, REACH_CONNECTING);
	} else if (is_our_fault(result)) {
		fail(sparekey, result);
	} else {
		next_way(sparekey);
	}
}

/* One at a time: the store is theirs by turns. */
static void start_private(struct sparekey *sparekey)
{
	if (!ending_is_over(sparekey)) {
		reach_linger(sparekey, REACH_CLEARING);
		return;
	}
	int result = private_start(sparekey, sparekey->way_text, sizeof(sparekey->way_text));

	if (result == 0) {
		sparekey->way_until_ms = client_now_ms() + WAY_MS;
		connected(sparekey, socket_open(sparekey, sparekey->way_text));
		return;
	}
	client_fail(sparekey, result, "no broker, and none could be started: %s",
	            strerrordesc_np(-result));
	sparekey->failure = is_our_fault(result) ? result : SPAREKEY_NO_BROKER;
	sparekey->way = WAY_NONE;
	sparekey->stage = REACH_NEXT;
}

static void give_up(struct sparekey *sparekey)
{
	sparekey->stage = REACH_DOWN;
	socket_close(sparekey);
	private_stop(sparekey);
	if (sparekey->error[0] == '\0') {
		client_fail(sparekey, 0, "no broker is running, and none could be started");
	}
	call_fail_all(sparekey, sparekey->failure, false);
}

/* Tries the current way. */
static void attempt(struct sparekey *sparekey)
{
	sparekey->way_until_ms = client_now_ms() + WAY_MS;
	sparekey->is_bus = false;
	sparekey->has_started = false;
	if (sparekey->way == WAY_NONE) {
		give_up(sparekey);
	} else if (sparekey->way == WAY_PRIVATE) {
		start_private(sparekey);
	} else if (!address_of_way(sparekey, sparekey->way_text, sizeof(sparekey->way_text))) {
		next_way(sparekey);
	} else {
		connected(sparekey, socket_open(sparekey, sparekey->way_text));
	}
}

static void reach_run(struct sparekey *sparekey)
{
	while (sparekey->stage == REACH_NEXT) {
		attempt(sparekey);
	}
}

void reach_begin(struct sparekey *sparekey)
{
	if (sparekey->stage != REACH_DOWN) {
		return;
	}
	sparekey->failure = SPAREKEY_NO_BROKER;
	sparekey->error[0] = '\0';
	sparekey->is_refused = false;
	sparekey->way = sparekey->address != NULL ? WAY_ADDRESS : WAY_PEER;
	sparekey->stage = REACH_NEXT;
	reach_run(sparekey);
}

/* Sends a question (taken over) whose answer ends that stage. */
static void ask(struct sparekey *sparekey, enum reach_stage stage, DBusMessage *question,
                unsigned int timeout_ms)
{
	if (question == NULL ||
	    !dbus_connection_send(sparekey->connection, question, &sparekey->question)) {
		fail(sparekey, -ENOMEM);
	} else {
		sparekey->stage = stage;
		sparekey->way_until_ms = client_now_ms() + timeout_ms;
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

static bool may_be_bus(const struct sparekey *sparekey)
{
	return sparekey->way == WAY_ADDRESS || sparekey->way == WAY_BUS ||
	       sparekey->way == WAY_BUS_AGAIN;
}

static void greet(struct sparekey *sparekey)
{
	ask(sparekey, REACH_GREETING, bus_method("Hello"), WAY_MS);
}

/* A question about the broker's name; NULL: no memory. */
static DBusMessage *about_broker(const char *member, const dbus_uint32_t *flags)
{
	const char *name = NAME_BROKER;
	DBusMessage *question = bus_method(member);

	if (question != NULL &&
	    !(dbus_message_append_args(question, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID) &&
	      (flags == NULL ||
	       dbus_message_append_args(question, DBUS_TYPE_UINT32, flags, DBUS_TYPE_INVALID)))) {
		dbus_message_unref(question);
		return NULL;
	}
	return question;
}

static void ask_for_owner(struct sparekey *sparekey)
{
	ask(sparekey, REACH_NAMING, about_broker("GetNameOwner", NULL), WAY_MS);
}

static void ask_for_start(struct sparekey *sparekey)
{
	const dbus_uint32_t none = 0;

	sparekey->has_started = true;
	ask(sparekey, REACH_STARTING, about_broker("StartServiceByName", &none),
	    SPAREKEY_TIMEOUT_MS);
}

static void up(struct sparekey *sparekey)
{
	char address[WAY_BYTES];

	memcpy(address, sparekey->way_text, sizeof(address));
	if (sparekey->way == WAY_PRIVATE) {
		snprintf(sparekey->way_text, sizeof(sparekey->way_text), "private");
	} else {
		snprintf(sparekey->way_text, sizeof(sparekey->way_text), "%s %.*s",
		         sparekey->is_bus ? "bus" : "peer", (int)WAY_BYTES - 8, address);
	}
	sparekey->stage = REACH_UP;
	sparekey->error[0] = '\0';
	news_connected(sparekey);
	call_send_waiting(sparekey);
}

/* The words of an error that somebody answered. */
static void note_error(struct sparekey *sparekey, DBusMessage *message, const char *what)
{
	const char *text = "";

	dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
	client_fail(sparekey, 0, "%s: %.600s", what, text);
}

/* A bus knows Hello; whoever says that there is no such thing is the broker's own socket, and
 * whoever says something else will not have us. */
static bool is_broker(DBusMessage *message, bool is_error)
{
	enum sparekey_error error = is_error ? error_from_name(dbus_message_get_error_name(message))
	                                     : SPAREKEY_OK;

	return error == SPAREKEY_OK || error == SPAREKEY_UNKNOWN_METHOD ||
	       error == SPAREKEY_UNKNOWN_OBJECT || error == SPAREKEY_UNKNOWN_INTERFACE;
}

static void greeted(struct sparekey *sparekey, DBusMessage *message, bool is_error)
{
	if (may_be_bus(sparekey) && !is_error) {
		sparekey->is_bus = true;
		news_subscribe(sparekey);
		ask_for_owner(sparekey);
	} else if (is_broker(message, is_error)) {
		up(sparekey);
	} else {
		note_error(sparekey, message, "the broker will not have us");
		sparekey->is_refused = true;
		next_way(sparekey);
	}
}

static void started(struct sparekey *sparekey, DBusMessage *message, bool is_error)
{
	if (is_error) {
		note_error(sparekey, message, "the bus could not start the broker");
		next_way(sparekey);
	} else {
		ask_for_owner(sparekey);
	}
}

/* A bus that was only asked to start the broker is left for the peer socket. */
static void named(struct sparekey *sparekey, DBusMessage *message, bool is_error)
{
	const char *owner = NULL;
	bool is_there = !is_error && dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &owner,
	                                                   DBUS_TYPE_INVALID);

	if (!is_there && !sparekey->has_started) {
		ask_for_start(sparekey);
	} else if (!is_there) {
		client_fail(sparekey, 0, "nobody has the broker's name on the bus");
		next_way(sparekey);
	} else if (sparekey->way == WAY_BUS) {
		socket_close(sparekey);
		sparekey->way = WAY_PEER_AGAIN;
		sparekey->stage = REACH_NEXT;
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
	case REACH_NEXT:
	case REACH_CONNECTING:
	case REACH_PROVING:
	case REACH_CLEARING:
	case REACH_HEARING:
	case REACH_UP:
		break;
	}
	reach_run(sparekey);
	return true;
}

void reach_lost(struct sparekey *sparekey)
{
	if (sparekey->stage != REACH_UP) {
		client_fail(sparekey, 0, "it hung up at \"%.900s\"", sparekey->way_text);
		next_way(sparekey);
		reach_run(sparekey);
		return;
	}
	sparekey->stage = REACH_DOWN;
	sparekey->question = 0;
	sparekey->owner[0] = '\0';
	socket_close(sparekey);
	private_stop(sparekey);
	news_lost(sparekey);
	client_fail(sparekey, 0, "the broker went away");
	call_fail_all(sparekey, SPAREKEY_NO_BROKER, true);
}

/* Goes on at the stages that are gone through by timer. */
static void retry(struct sparekey *sparekey)
{
	if (sparekey->stage == REACH_CONNECTING) {
		connected(sparekey, socket_open(sparekey, sparekey->way_text));
	} else if (sparekey->stage == REACH_CLEARING) {
		start_private(sparekey);
	} else if (sparekey->stage == REACH_HEARING) {
		ending_hear(sparekey);
	}
}

void reach_step(struct sparekey *sparekey)
{
	uint64_t now_ms = client_now_ms();

	if (sparekey->stage == REACH_DOWN || sparekey->stage == REACH_UP) {
		if (now_ms >= sparekey->broker_kill_ms) {
			(void)ending_is_over(sparekey);
		}
		return;
	}
	if (now_ms >= sparekey->way_until_ms && sparekey->stage != REACH_HEARING) {
		client_fail(sparekey, 0, "no answer at \"%.900s\"", sparekey->way_text);
		next_way(sparekey);
	} else if (sparekey->stage == REACH_PROVING &&
	           dbus_connection_get_is_authenticated(sparekey->connection)) {
		greet(sparekey);
	} else if (now_ms >= sparekey->retry_ms) {
		retry(sparekey);
	}
	reach_run(sparekey);
}

uint64_t reach_due_ms(const struct sparekey *sparekey)
{
	if (sparekey->stage == REACH_DOWN || sparekey->stage == REACH_UP) {
		return sparekey->broker_kill_ms;
	}
	if ((sparekey->stage == REACH_CONNECTING || sparekey->stage == REACH_CLEARING ||
	     sparekey->stage == REACH_HEARING) &&
	    sparekey->retry_ms < sparekey->way_until_ms) {
		return sparekey->retry_ms;
	}
	return sparekey->way_until_ms;
}
