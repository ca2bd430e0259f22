/* SPDX-License-Identifier: MIT */
/*
 * Who has calls under way, and how many: a call is charged before anything is kept for it. Loop
 * thread. An entry lives only while it is charged, so the table is bounded by the calls.
 *
 * Calls begin by their callers' turns and not as they come: a caller who sends a thousand lists
 * costs another one list. Nothing begins for a connection that does not read its answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

#define TURN_MS 2u /* before sockets and timers are looked at again */

/* How many one caller may have under way, among so many of all: those who have few get in when
 * others have filled the room. */
static unsigned int share(unsigned int all)
{
	static const struct {
		unsigned int below;
		unsigned int calls;
	} shares[] = {
		{ LIMIT_CALLS / 2, LIMIT_CALLS_PER_CALLER },
		{ LIMIT_CALLS / 4 * 3, LIMIT_CALLS_PER_CALLER / 4 },
		{ LIMIT_CALLS / 16 * 15, LIMIT_CALLS_PER_CALLER / 16 },
		{ LIMIT_CALLS, 1 },
	};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		if (all < shares[i].below) {
			return shares[i].calls;
		}
	}
	return 0;
}

/* The caller's entry, made at its first call; SPAREKEY_LIMIT_EXCEEDED at too many. */
int caller_charge(struct link *link, DBusMessage *message, struct caller **ret_caller)
{
	const char *name = link->kind == LINK_BUS ? dbus_message_get_sender(message) : link->name;
	struct caller *caller = NULL;

	name = name != NULL ? name : "";
	list_each(at, &link->door->callers) {
		struct caller *known = list_entry(at, struct caller, link);

		if (known->origin == link && strcmp(known->name, name) == 0) {
			caller = known;
		}
	}
	if ((caller != NULL ? caller->calls : 0) >= share(link->door->calls_under_way)) {
		return SPAREKEY_LIMIT_EXCEEDED;
	}
	if (caller == NULL) {
		caller = calloc(1, sizeof(*caller));
		if (caller == NULL) {
			return -ENOMEM;
		}
		caller->origin = link;
		list_start(&caller->waiting);
		list_start(&caller->turn);
		snprintf(caller->name, sizeof(caller->name), "%s", name);
		list_append(&link->door->callers, &caller->link);
	}
	caller->calls++;
	link->door->calls_under_way++;
	*ret_caller = caller;
	return 0;
}

void caller_discharge(struct door *door, struct caller *caller)
{
	door->calls_under_way--;
	if (--caller->calls == 0) {
		list_unlink(&caller->link);
		free(caller);
	}
}

void caller_queue(struct call *call)
{
	struct caller *caller = call->caller;

	list_append(&caller->waiting, &call->queued);
	if (list_empty(&caller->turn)) {
		list_append(&call->door->turns, &caller->turn);
	}
}

void caller_unqueue(struct call *call)
{
	list_unlink(&call->queued);
	if (list_empty(&call->caller->waiting)) {
		list_unlink(&call->caller->turn);
	}
}

/* The first caller that may go on, or NULL. */
static struct caller *next_caller(const struct door *door)
{
	list_each(link, &door->turns) {
		struct caller *caller = list_entry(link, struct caller, turn);

		if (backlog_admits(list_entry(caller->waiting.next, struct call, queued))) {
			return caller;
		}
	}
	return NULL;
}

bool caller_run(struct door *door)
{
	const struct clock *clock = loop_clock(door->loop);
	uint64_t until_ms = clock->monotonic_ms(clock) + TURN_MS;
	struct caller *caller = next_caller(door);

	while (caller != NULL) {
		struct call *call = list_entry(caller->waiting.next, struct call, queued);

		list_unlink(&call->queued);
		list_unlink(&caller->turn);
		if (!list_empty(&caller->waiting)) {
			list_append(&door->turns, &caller->turn);
		}
		call_start(call);
		if (clock->monotonic_ms(clock) >= until_ms) {
			return next_caller(door) != NULL;
		}
		caller = next_caller(door);
	}
	return false;
}
