/* SPDX-License-Identifier: MIT */
/*
 * Requests under way: made, sent when there is a broker, answered once. Owner: the handle, its
 * thread.
 *
 * libdbus's own pending calls are not used: they take a reply from whoever sends one, and a third
 * connection of a bus can. Here a reply counts by serial and sender. A call is taken off the list
 * before its callback runs, so the callback may make, cancel and outlive whatever it likes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/error.h"
#include "protocol/names.h"

/* gcc's analyzer loses sight of a call once it hangs on the list, and calls it leaked. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

static void call_free(struct sparekey *sparekey, struct call *call)
{
	sparekey->sent -= call->serial != 0 ? 1 : 0;
	if (call->message != NULL) {
		dbus_message_unref(call->message);
	}
	if (call->secret_fd >= 0) {
		epoll_ctl(sparekey->epoll_fd, EPOLL_CTL_DEL, call->secret_fd, NULL);
		close(call->secret_fd);
	}
	answer_free(&call->answer);
	free(call);
}

/* Takes the call at `at` off the list. */
static void unlink_at(struct sparekey *sparekey, struct call **at)
{
	struct call *call = *at;

	*at = call->next;
	if (sparekey->calls_end == &call->next) {
		sparekey->calls_end = at;
	}
}

static void unlink_call(struct sparekey *sparekey, const struct call *call)
{
	struct call **at = &sparekey->calls;

	while (*at != call) {
		at = &(*at)->next;
	}
	unlink_at(sparekey, at);
}

void call_finish(struct sparekey *sparekey, struct call *call, int result)
{
	unlink_call(sparekey, call);
	call->done(call->data, result, &call->answer);
	call_free(sparekey, call);
}

/* A handle is of the process that made it: a child would take the parent's answers. */
static int check(struct sparekey *sparekey, const struct sparekey_request *request,
                 sparekey_done_fn *done)
{
	if (sparekey->process != getpid()) {
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "this handle belongs to another process");
	}
	if (request == NULL || done == NULL) {
		return client_fail(sparekey, SPAREKEY_INVALID_ARGS,
		                   "a request and a callback are needed");
	}
	return 0;
}

/* The deadline of the request that is being made; one that was set counts for this one alone, even
 * if nothing comes of it. */
static uint64_t take_deadline(struct sparekey *sparekey)
{
	uint64_t until_ms = sparekey->until_ms;

	sparekey->until_ms = 0;
	return until_ms != 0 ? until_ms : client_until_ms(sparekey);
}

int sparekey_submit(struct sparekey *sparekey, const struct sparekey_request *request,
                    sparekey_done_fn *done, void *data)
{
	struct itimerspec now = { .it_value = { .tv_nsec = 1 } };
	uint64_t until_ms = take_deadline(sparekey);
	int result = check(sparekey, request, done);
	struct call *call = result == 0 ? calloc(1, sizeof(*call)) : NULL;

	if (call == NULL) {
		return result != 0 ? result : client_fail(sparekey, -ENOMEM, "out of memory");
	}
	result = request_encode(request, &call->message);
	if (result != 0) {
		free(call);
		return client_fail(sparekey, result, "%s",
		                   result == SPAREKEY_NOT_SUPPORTED
		                           ? "this needs a later version of the library"
		                           : sparekey_strerror(result));
	}
	call->number = sparekey->calls_made++;
	call->operation = request->operation;
	call->until_ms = until_ms;
	call->secret_fd = -1;
	call->done = done;
	call->data = data;
	call->row = request->row;
	call->row_data = request->row_data;
	*sparekey->calls_end = call;
	sparekey->calls_end = &call->next;
	timerfd_settime(sparekey->timer_fd, 0, &now, NULL);
	return 0;
}

/* One whose answer is just being read is freed by who reads it. */
void sparekey_cancel(struct sparekey *sparekey, const void *data)
{
	struct call **at = &sparekey->calls;

	while (*at != NULL) {
		struct call *call = *at;

		if (call->data != data) {
			at = &call->next;
		} else if (call->is_reading) {
			call->is_cancelled = true;
			at = &call->next;
		} else {
			unlink_at(sparekey, at);
			call_free(sparekey, call);
		}
	}
}

void call_free_all(struct sparekey *sparekey)
{
	while (sparekey->calls != NULL) {
		struct call *call = sparekey->calls;

		unlink_at(sparekey, &sparekey->calls);
		call_free(sparekey, call);
	}
}

static struct call *first_of(const struct sparekey *sparekey, bool is_sent)
{
	struct call *call = sparekey->calls;

	while (call != NULL && (call->serial != 0) != is_sent) {
		call = call->next;
	}
	return call;
}

static bool answers_secret(enum sparekey_operation operation)
{
	return operation == SPAREKEY_OP_CREATE || operation == SPAREKEY_OP_ENROLL_TOTP ||
	       operation == SPAREKEY_OP_GENERATE_CODES;
}

/* 0: it is on its way. */
static int send_one(struct sparekey *sparekey, struct call *call)
{
	DBusMessage *message = call->message;

	if (sparekey->owner[0] != '\0' && !dbus_message_set_destination(message, sparekey->owner)) {
		return -ENOMEM;
	}
	if ((answers_secret(call->operation) || dbus_message_contains_unix_fds(message)) &&
	    !dbus_connection_can_send_type(sparekey->connection, DBUS_TYPE_UNIX_FD)) {
		return client_fail(sparekey, SPAREKEY_NOT_SUPPORTED,
		                   "this connection cannot carry descriptors");
	}
	if (!dbus_connection_send(sparekey->connection, message, &call->serial)) {
		return -ENOMEM;
	}
	sparekey->sent++;
	/* The pipe of a secret goes with the message: nothing of it stays here. */
	dbus_message_unref(message);
	call->message = NULL;
	return 0;
}

/* As many at a time as a broker takes from one caller: more would be refused. */
static bool may_send(const struct sparekey *sparekey)
{
	return sparekey->stage == REACH_UP && sparekey->sent < LIMIT_CALLS_PER_CALLER;
}

/* One that ends here is the turn's last, or a callback that asks anew each time would keep the turn
 * from ending. */
void call_send_waiting(struct sparekey *sparekey)
{
	struct call *call = first_of(sparekey, false);

	if (call != NULL && sparekey->stage == REACH_DOWN) {
		reach_begin(sparekey);
		call = first_of(sparekey, false);
	}
	while (call != NULL && may_send(sparekey)) {
		bool is_sent = call->operation != SPAREKEY_OP_REACH;
		int result = is_sent ? send_one(sparekey, call) : 0;

		if (result < 0) {
			client_fail(sparekey, result, "%s", sparekey_strerror(result));
		}
		if (result != 0 || !is_sent) {
			call_finish(sparekey, call, result);
			return;
		}
		call = first_of(sparekey, false);
	}
}

/* Those that are there when it begins: what their callbacks ask for anew is another matter.
 * Callbacks may cancel others, so each is looked for from the start. */
void call_fail_all(struct sparekey *sparekey, int result, bool sent_only)
{
	char error[ERROR_BYTES];
	uint64_t end = sparekey->calls_made;
	struct call *call = sparekey->calls;

	memcpy(error, sparekey->error, sizeof(error));
	while (call != NULL) {
		if (call->number >= end || call->is_reading || (sent_only && call->serial == 0)) {
			call = call->next;
			continue;
		}
		client_fail(sparekey, result, "%s", error);
		call_finish(sparekey, call, result);
		call = sparekey->calls;
	}
}

static int error_result(struct sparekey *sparekey, DBusMessage *reply)
{
	const char *text = NULL;
	enum sparekey_error result = error_from_name(dbus_message_get_error_name(reply));

	if (!dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID) ||
	    text[0] == '\0') {
		text = error_text(result);
	}
	return client_fail(sparekey, (int)result, "%s", text);
}

/* On a bus anybody can send anything; what counts comes from the broker, or from the bus about it.
 */
static bool is_from_broker(const struct sparekey *sparekey, DBusMessage *message)
{
	if (!sparekey->is_bus) {
		return true;
	}
	return dbus_message_has_sender(message, sparekey->owner) ||
	       (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_ERROR &&
	        dbus_message_has_sender(message, DBUS_SERVICE_DBUS));
}

/* The bus says that its name has gone from the broker we talk to. */
static bool is_farewell(const struct sparekey *sparekey, DBusMessage *message)
{
	const char *name = NULL;
	const char *before = NULL;
	const char *after = NULL;

	return sparekey->stage == REACH_UP &&
	       dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameOwnerChanged") &&
	       dbus_message_has_sender(message, DBUS_SERVICE_DBUS) &&
	       dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING,
	                             &before, DBUS_TYPE_STRING, &after, DBUS_TYPE_INVALID) &&
	       strcmp(name, NAME_BROKER) == 0 && strcmp(before, sparekey->owner) == 0;
}

static struct call *call_of(const struct sparekey *sparekey, dbus_uint32_t serial)
{
	struct call *call = serial != 0 ? sparekey->calls : NULL;

	while (call != NULL && (call->serial != serial || call->is_answered)) {
		call = call->next;
	}
	return call;
}

static void answered(struct sparekey *sparekey, struct call *call, DBusMessage *message)
{
	bool is_error = dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_ERROR;
	int result = 0;

	call->is_answered = true;
	call->is_reading = true;
	result = is_error ? error_result(sparekey, message) : answer_read(sparekey, call, message);
	call->is_reading = false;
	if (call->is_cancelled) {
		unlink_call(sparekey, call);
		call_free(sparekey, call);
	} else if (result == 0 && call->secret_fd >= 0) {
		receive_begin(sparekey, call);
	} else {
		call_finish(sparekey, call, result);
	}
	/* The bus says that the broker we knew is gone. */
	if (is_error && result == SPAREKEY_NO_BROKER && sparekey->is_bus &&
	    sparekey->stage == REACH_UP) {
		reach_lost(sparekey);
	}
}

void call_message(struct sparekey *sparekey, DBusMessage *message)
{
	struct call *call = NULL;

	switch (dbus_message_get_type(message)) {
	case DBUS_MESSAGE_TYPE_METHOD_RETURN:
	case DBUS_MESSAGE_TYPE_ERROR:
		call = call_of(sparekey, dbus_message_get_reply_serial(message));
		if (call != NULL && is_from_broker(sparekey, message)) {
			answered(sparekey, call, message);
		}
		break;
	case DBUS_MESSAGE_TYPE_SIGNAL:
		if (is_from_broker(sparekey, message)) {
			news_message(sparekey, message);
		} else if (is_farewell(sparekey, message)) {
			reach_lost(sparekey);
		}
		break;
	default:
		break;
	}
}

static int too_late(struct sparekey *sparekey)
{
	if (sparekey->stage == REACH_UP || sparekey->stage == REACH_DOWN) {
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "the broker gave no answer in time");
	}
	if (sparekey->stage == REACH_CLEARING) {
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "the broker that was started before has not ended in time");
	}
	return client_fail(sparekey, SPAREKEY_NO_BROKER, "no answer in time at \"%.900s\"",
	                   sparekey->way_text);
}

void call_expire(struct sparekey *sparekey, uint64_t now_ms)
{
	struct call *call = sparekey->calls;

	while (call != NULL) {
		if (call->until_ms <= now_ms) {
			call_finish(sparekey, call, too_late(sparekey));
			call = sparekey->calls; /* the callback may have changed the list */
		} else {
			call = call->next;
		}
	}
}

uint64_t call_due_ms(const struct sparekey *sparekey)
{
	uint64_t due_ms = UINT64_MAX;

	for (const struct call *call = sparekey->calls; call != NULL; call = call->next) {
		due_ms = call->until_ms < due_ms ? call->until_ms : due_ms;
		/* Made by a callback of this very turn: it is sent in the next one. */
		if (call->serial == 0 && (sparekey->stage == REACH_DOWN || may_send(sparekey))) {
			due_ms = 0;
		}
	}
	return due_ms;
}
