/* SPDX-License-Identifier: MIT */
/*
 * The journal's vocabulary: how a change or a record becomes a line. Loop thread. The line is
 * written in the transaction of the change itself, so that neither exists without the other.
 */
#include <string.h>

#include "service/internal.h"

void journal_text(char *ret_text, size_t size, const char *text)
{
	size_t length = text != NULL ? strnlen(text, size - 1) : 0;

	if (length > 0) {
		memcpy(ret_text, text, length);
	}
	ret_text[length] = '\0';
}

void journal_event(const struct service *service, const char *kind,
                   const struct store_password *password, struct store_event *ret_event)
{
	*ret_event = (struct store_event){ .time = service_now(service) };
	journal_text(ret_event->kind, sizeof(ret_event->kind), kind);
	if (password != NULL) {
		journal_text(ret_event->id, sizeof(ret_event->id), password->id);
		journal_text(ret_event->label, sizeof(ret_event->label), password->label);
		journal_text(ret_event->account, sizeof(ret_event->account), password->account);
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
