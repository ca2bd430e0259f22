/* SPDX-License-Identifier: MIT */
/*
 * Secrets that come by descriptor, one after the other: the call goes on when the last is read.
 * Loop thread. Refused: reading two at a time, for the second is of no use without the first.
 */
#include <errno.h>
#include <unistd.h>

#include "bus/internal.h"
#include "sparekey.h"

/* Reads a secret from a descriptor, which it takes over; `arrived` is called at once or later. */
static int await(struct call *call, int fd, struct secret **secret,
                 void (*arrived)(struct call *call, int result))
{
	int result = *secret == NULL ? secret_new(call->door->pool, secret) : 0;

	if (result != 0) {
		close(fd);
		return result;
	}
	result = inlet_new(call, fd, *secret, arrived, &call->inlet);
	if (result == SPAREKEY_INVALID_ARGS) {
		return call_say(call, result, "a secret must come by a pipe or a socket");
	}
	if (result == INLET_READ) {
		arrived(call, 0);
		return 0;
	}
	return result;
}

/* The code that came beside the main password. */
static void code_arrived(struct call *call, int result)
{
	if (result != 0 || secret_length(call->request.code) == 0) {
		call_finish(call, call_say(call, SPAREKEY_AUTHENTICATION_FAILED,
		                           "the code cannot be read, or is empty"));
		return;
	}
	call_submit(call);
}

/* How a secret is answered that could not be read, or is empty; 0: the service says. For Verify it
 * is malformed like any other; the journal counts it. */
static int unreadable(struct call *call, int result)
{
	enum operation operation = call->method->operation;
	bool is_new = operation == OPERATION_INITIALIZE ||
	              operation == OPERATION_CHANGE_MAIN_PASSWORD;
	const char *what = "the secret did not end within 5 seconds";

	if (operation == OPERATION_VERIFY ||
	    (result == 0 && secret_length(call->request.secret) > 0)) {
		return 0;
	}
	if (result == 0) {
		what = "the secret is empty";
	} else if (result == -EMSGSIZE) {
		what = "the secret is over 1024 bytes";
	}
	return call_say(call,
	                is_new ? SPAREKEY_INVALID_MAIN_PASSWORD : SPAREKEY_AUTHENTICATION_FAILED,
	                "%s", what);
}

static void secret_arrived(struct call *call, int result)
{
	int fd = call->code_fd;

	if (result != 0) {
		secret_clear(call->request.secret);
	}
	result = unreadable(call, result);
	if (result == 0 && fd >= 0) {
		call->code_fd = -1;
		result = await(call, fd, &call->request.code, code_arrived);
		if (result == 0) {
			return;
		}
	}
	if (result != 0) {
		call_finish(call, result);
		return;
	}
	call_submit(call);
}

int arrival_await(struct call *call)
{
	int fd = call->secret_fd;

	call->request.operation = call->method->operation;
	int result = service_admit(call->door->service, &call->request);

	if (result != 0) {
		return result;
	}
	call->secret_fd = -1;
	return await(call, fd, &call->request.secret, secret_arrived);
}
