/* SPDX-License-Identifier: MIT */
/*
 * Who has calls under way, and how many: a call is charged before anything is kept for it. Loop
 * thread. An entry lives only while it is charged, so the table is bounded by the calls.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

/* The caller's entry, made at its first call; SPAREKEY_LIMIT_EXCEEDED at too many. */
int caller_charge(struct link *link, DBusMessage *message, struct caller **ret_caller)
{
	const char *name = link->kind == LINK_BUS ? dbus_message_get_sender(message) : "";
	struct caller *caller = NULL;

	name = name != NULL ? name : "";
	list_each(at, &link->door->callers) {
		struct caller *known = list_entry(at, struct caller, link);

		if (known->origin == link && strcmp(known->name, name) == 0) {
			caller = known;
		}
	}
	if (link->door->calls_under_way >= LIMIT_CALLS ||
	    (caller != NULL && caller->calls >= LIMIT_CALLS_PER_CALLER)) {
		return SPAREKEY_LIMIT_EXCEEDED;
	}
	if (caller == NULL) {
		caller = calloc(1, sizeof(*caller));
		if (caller == NULL) {
			return -ENOMEM;
		}
		caller->origin = link;
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
