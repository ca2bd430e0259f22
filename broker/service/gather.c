/* SPDX-License-Identifier: MIT */
/*
 * Uses and refusals on their way to the store: repeats of the same one are added up in memory and
 * written together, every few seconds, before anything is listed, and at exit. Loop thread. A
 * durable write for each verification would make a warm one 5 to 20 times dearer. At most
 * GATHER_MOST different ones wait; what comes on top of that while the store cannot be written is
 * counted and told in the log. A use then takes the place of a refusal: what was used must not look
 * unused to who ends what is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "protocol/limits.h"
#include "service/internal.h"

/* gcc's analyzer loses sight of an entry once it hangs on the list, and calls it leaked. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define GATHER_MOST 128u
#define GATHER_MS 3000u
#define RETRY_MS 20 /* at exit, while another process holds the store */

struct gathered {
	struct list link;
	struct store_event event;
};

struct gather {
	struct service *service; /* the owner */
	struct list entries;
	unsigned int count;
	uint64_t lost;
	bool has_lost_use; /* since uses were written */
	struct loop_timer *timer;
};

static void flush_due(void *data)
{
	struct gather *gather = data;

	if (gather_flush(gather) == 0 && gather->service->under_way == 0) {
		store_rest(gather->service->store); /* a moment of quiet after uses */
	}
}

int gather_new(struct service *service, struct gather **ret_gather)
{
	struct gather *gather = calloc(1, sizeof(*gather));

	if (gather == NULL) {
		return -ENOMEM;
	}
	gather->service = service;
	list_start(&gather->entries);
	int result = loop_timer_new(service->loop, flush_due, gather, &gather->timer);

	if (result < 0) {
		free(gather);
		return result;
	}
	*ret_gather = gather;
	return 0;
}

void gather_drop(struct gather *gather)
{
	while (!list_empty(&gather->entries)) {
		struct list *link = gather->entries.next;

		list_unlink(link);
		free(list_entry(link, struct gathered, link));
	}
	gather->count = 0;
	gather->has_lost_use = false;
}

struct gather *gather_free(struct gather *gather)
{
	if (gather == NULL) {
		return NULL;
	}
	uint64_t until_ms = service_now_ms(gather->service) + LIMIT_BUSY_WAIT_MS;
	int result = gather_flush(gather);

	while (result == -EBUSY && service_now_ms(gather->service) < until_ms) {
		loop_turn(gather->service->loop, RETRY_MS);
		result = gather_flush(gather);
	}
	if (gather->count > 0) {
		log_event(LOG_LEVEL_WARNING, "uses-not-written", "entries=%u error=%d",
		          gather->count, -result);
	}
	gather_drop(gather);
	gather->timer = loop_timer_free(gather->timer);
	free(gather);
	return NULL;
}

bool gather_empty(const struct gather *gather)
{
	return gather->count == 0;
}

bool gather_has_lost_use(const struct gather *gather)
{
	return gather->has_lost_use;
}

static bool is_same(const struct store_event *a, const struct store_event *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->id, b->id) == 0 &&
	       strcmp(a->scope, b->scope) == 0 && strcmp(a->remote, b->remote) == 0 &&
	       strcmp(a->account, b->account) == 0 && strcmp(a->reason, b->reason) == 0 &&
	       a->group == b->group;
}

static bool is_use(const struct store_event *event)
{
	return strcmp(event->kind, "verified") == 0;
}

static void lose(struct gather *gather, const struct store_event *event)
{
	gather->lost++;
	gather->has_lost_use = gather->has_lost_use || is_use(event);
}

/* Room for one more, if need be in the place of the oldest refusal. */
static bool has_room(struct gather *gather, bool for_use)
{
	if (gather->count < GATHER_MOST || gather_flush(gather) == 0) {
		return true;
	}
	list_each(link, &gather->entries) {
		struct gathered *known = list_entry(link, struct gathered, link);

		if (for_use && !is_use(&known->event)) {
			lose(gather, &known->event);
			list_unlink(link);
			free(known);
			gather->count--;
			return true;
		}
	}
	return false;
}

void gather_add(struct gather *gather, const struct store_event *event)
{
	list_each(link, &gather->entries) {
		struct gathered *known = list_entry(link, struct gathered, link);

		if (is_same(&known->event, event)) {
			known->event.count++;
			known->event.time = event->time;
			return;
		}
	}
	struct gathered *entry = has_room(gather, is_use(event)) ? calloc(1, sizeof(*entry)) : NULL;

	if (entry == NULL) {
		lose(gather, event);
		return;
	}
	entry->event = *event;
	list_append(&gather->entries, &entry->link);
	gather->count++;
	if (!loop_timer_is_set(gather->timer)) {
		loop_timer_set(gather->timer, GATHER_MS);
	}
}

int64_t gather_last_use(const struct gather *gather, const char *id)
{
	int64_t at = 0;

	list_each(link, &gather->entries) {
		const struct store_event *event = &list_entry(link, struct gathered, link)->event;

		if (is_use(event) && event->time > at && strcmp(event->id, id) == 0) {
			at = event->time;
		}
	}
	return at;
}

static int write_use(struct gather *gather, const struct store_event *event)
{
	struct store_use use = { .at = event->time, .count = event->count };

	memcpy(use.id, event->id, PASSWORD_ID);
	memcpy(use.scope, event->scope, sizeof(use.scope));
	memcpy(use.from, event->remote, sizeof(use.from));
	return store_use_add(gather->service->store, &use);
}

static int write_all(struct gather *gather)
{
	int result = 0;

	list_each(link, &gather->entries) {
		const struct store_event *event = &list_entry(link, struct gathered, link)->event;

		if (result == 0 && is_use(event)) {
			result = write_use(gather, event);
		}
		if (result == 0) {
			result = store_event_append(gather->service->store, event,
			                            &gather->service->last_serial);
		}
	}
	return result;
}

static void tell(struct gather *gather)
{
	list_each(link, &gather->entries) {
		const struct store_event *event = &list_entry(link, struct gathered, link)->event;

		if (is_use(event)) {
			news_used(gather->service->news, event->id);
		}
	}
	if (gather->lost > 0) {
		log_event(LOG_LEVEL_WARNING, "events-lost", "count=%llu",
		          (unsigned long long)gather->lost);
		gather->lost = 0;
	}
}

int gather_flush(struct gather *gather)
{
	if (gather->count == 0) {
		return 0;
	}
	int result = gather->service->writer != NULL ? -EBUSY : store_begin(gather->service->store);

	if (result == 0) {
		result = service_end(gather->service, write_all(gather));
	}
	if (result > 0) { /* no store: refusals of passwords nobody has made are not kept */
		gather_drop(gather);
		loop_timer_clear(gather->timer);
		return 0;
	}
	if (result < 0) {
		loop_timer_set(gather->timer, GATHER_MS);
		return result;
	}
	loop_timer_clear(gather->timer);
	tell(gather);
	gather_drop(gather);
	return 0;
}
