/* SPDX-License-Identifier: MIT */
/*
 * The pace of all guesses at the main password and at codes together: once there were many wrong
 * ones lately, whoever asks waits in line, and one is let in at a time at a growing distance. Loop
 * thread. The line is as long as half a minute at the slowest, so that a right one behind all
 * others still comes in.
 *
 * Refused: a delay in which nobody gets in, as for one caller; whoever came first after it, however
 * often he was wrong, would keep everybody else out.
 */
#include <errno.h>
#include <stdlib.h>

#include "service/internal.h"
#include "sparekey.h"

#define FREE 20u      /* wrong ones that slow nobody down */
#define FREE_MS 3000u /* until one of them is forgotten */
#define STEP_MS 50u   /* how much each further one adds to the distance */
#define MOST_MS 400u  /* the longest distance */
#define WAITING 70u   /* 28 seconds' worth of it */

struct pace {
	struct list waiting;
	unsigned int count;
	struct loop_timer *next;
	uint64_t next_ms; /* nobody before that */
	unsigned int wrong;
	uint64_t since_ms; /* what is forgotten is counted from here */
};

static void forget(struct pace *pace, uint64_t now_ms)
{
	uint64_t back = now_ms > pace->since_ms ? (now_ms - pace->since_ms) / FREE_MS : 0;

	pace->since_ms += back * FREE_MS;
	pace->wrong = back < pace->wrong ? pace->wrong - (unsigned int)back : 0;
}

static uint64_t distance_ms(const struct pace *pace)
{
	uint64_t distance = pace->wrong > FREE ? (uint64_t)(pace->wrong - FREE) * STEP_MS : 0;

	return distance < MOST_MS ? distance : MOST_MS;
}

static void next_due(void *data)
{
	struct service *service = data;
	struct pace *pace = service->pace;

	if (!list_empty(&pace->waiting)) {
		struct request *request = list_entry(pace->waiting.next, struct request, link);

		list_unlink(&request->link);
		pace->count--;
		request->has_pace = true;
		pace->next_ms = service_now_ms(service) + distance_ms(pace);
		wait_soon(service, request);
	}
	if (!list_empty(&pace->waiting)) {
		loop_timer_set(pace->next, distance_ms(pace));
	}
}

int pace_new(struct service *service, struct pace **ret_pace)
{
	struct pace *pace = calloc(1, sizeof(*pace));

	if (pace == NULL) {
		return -ENOMEM;
	}
	list_start(&pace->waiting);
	int result = loop_timer_new(service->loop, next_due, service, &pace->next);

	if (result < 0) {
		free(pace);
		return result;
	}
	*ret_pace = pace;
	return 0;
}

struct pace *pace_free(struct pace *pace)
{
	if (pace != NULL) {
		pace->next = loop_timer_free(pace->next);
		free(pace);
	}
	return NULL;
}

int pace_take(struct service *service, struct request *request)
{
	struct pace *pace = service->pace;
	uint64_t now_ms = service_now_ms(service);

	if (request->has_pace) {
		return 0;
	}
	forget(pace, now_ms);
	if (list_empty(&pace->waiting) && now_ms >= pace->next_ms) {
		request->has_pace = true;
		pace->next_ms = now_ms + distance_ms(pace);
		return 0;
	}
	if (pace->count >= WAITING) {
		return service_say(request, SPAREKEY_RATE_LIMITED,
		                   "too many others give main passwords and codes");
	}
	list_append(&pace->waiting, &request->link);
	pace->count++;
	if (!loop_timer_is_set(pace->next)) {
		loop_timer_set(pace->next, now_ms < pace->next_ms ? pace->next_ms - now_ms : 0);
	}
	return STEP_UNDER_WAY;
}

void pace_wrong(struct service *service)
{
	struct pace *pace = service->pace;
	uint64_t now_ms = service_now_ms(service);

	forget(pace, now_ms);
	pace->since_ms = pace->wrong == 0 ? now_ms : pace->since_ms;
	if (pace->wrong < FREE + MOST_MS / STEP_MS) {
		pace->wrong++;
	}
}

void pace_stop(struct service *service)
{
	struct pace *pace = service->pace;

	while (pace != NULL && !list_empty(&pace->waiting)) {
		struct request *request = list_entry(pace->waiting.next, struct request, link);

		list_unlink(&request->link);
		pace->count--;
		service_finish(service, request, -ECANCELED);
	}
}
