/* SPDX-License-Identifier: MIT */
/*
 * The journal's vocabulary: how a change or a record becomes a line. Loop thread. The line is
 * written in the transaction of the change itself, so that neither exists without the other.
 */
#include <stdio.h>

#include "service/internal.h"

void journal_event(const struct service *service, const char *kind,
                   const struct store_password *password, struct store_event *ret_event)
{
	*ret_event = (struct store_event){ .time = service_now(service) };
	snprintf(ret_event->kind, sizeof(ret_event->kind), "%s", kind);
	if (password != NULL) {
		snprintf(ret_event->id, sizeof(ret_event->id), "%s", password->id);
		snprintf(ret_event->label, sizeof(ret_event->label), "%s", password->label);
		snprintf(ret_event->account, sizeof(ret_event->account), "%s", password->account);
	}
}

int journal_append(struct service *service, const char *kind, const struct store_password *password)
{
	struct store_event event;
	int64_t serial = 0;

	journal_event(service, kind, password, &event);
	int result = store_event_append(service->store, &event, &serial);

	if (result == 0) {
		service->last_serial = serial;
	}
	return result;
}
