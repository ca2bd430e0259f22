/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait: for the store while another process holds its lock, for the end of a
 * transaction that takes several turns, for their own next turn, for a guess of the same source to
 * end. Loop thread. Each is in one list at a time, and goes on by being stepped again.
 */
#include <errno.h>
#include <string.h>

#include "protocol/limits.h"
#include "service/internal.h"
#include "service/penalty.h"

#define RETRY_MS 5u

/* In the next turn: a step called from here would be called from another's end, and a part of what
 * takes long follows once others have had their turn. */
void wait_soon(struct service *service, struct request *request)
{
	list_append(&service->soon, &request->link);
	loop_timer_set(service->next, 0);
}

static void wait_later(struct service *service, struct request *request)
{
	list_append(&service->parked, &request->link);
	if (!loop_timer_is_set(service->retry)) {
		loop_timer_set(service->retry, RETRY_MS);
	}
}

void wait_to_guess(struct service *service, struct request *request)
{
	memcpy(request->waiting, request->password.id, sizeof(request->waiting) - 1);
	request->waiting[PASSWORD_ID] = '\0';
	request->is_woken = false;
	list_append(&service->guesses, &request->link);
}

/* One for one: each that ends lets the first in that waits for the same source. Whoever is woken
 * and ends without a charge (refused, or right by then) wakes the next, so that none is left
 * behind. */
void wait_wake(struct service *service, const char *id, const struct request *ended)
{
	list_each(link, &service->guesses) {
		struct request *request = list_entry(link, struct request, link);

		if (strcmp(request->waiting, id) == 0 &&
		    penalties_same(service_remote(request), request->caller, service_remote(ended),
		                   ended->caller)) {
			list_unlink(link);
			request->is_woken = true;
			request->parked_until_ms = 0;
			wait_soon(service, request);
			return;
		}
	}
}

void wait_for_store(struct service *service, struct request *request)
{
	uint64_t now_ms = service_now_ms(service);

	if (request->parked_until_ms == 0) {
		request->parked_until_ms = now_ms + LIMIT_BUSY_WAIT_MS;
	}
	if (!request->is_undo && (now_ms >= request->parked_until_ms || service->stopping)) {
		service_finish(service, request,
		               service_say(request, -EBUSY, "another process holds the store"));
		return;
	}
	wait_later(service, request);
}

/* For as long as that takes: it ends. */
void wait_for_writer(struct service *service, struct request *request)
{
	wait_later(service, request);
}

/* Goes on with everything in the list; what is not done yet joins one anew. */
static void go_on(struct service *service, struct list *requests)
{
	struct list again;

	list_start(&again);
	while (!list_empty(requests)) {
		struct list *link = requests->next;

		list_unlink(link);
		list_append(&again, link);
	}
	while (!list_empty(&again)) {
		struct list *link = again.next;

		list_unlink(link);
		service_step(service, list_entry(link, struct request, link));
	}
}

static void retry_due(void *data)
{
	struct service *service = data;

	go_on(service, &service->parked);
}

static void next_due(void *data)
{
	struct service *service = data;

	go_on(service, &service->soon);
}

int wait_start(struct service *service)
{
	list_start(&service->parked);
	list_start(&service->soon);
	list_start(&service->guesses);
	int result = loop_timer_new(service->loop, retry_due, service, &service->retry);

	return result == 0 ? loop_timer_new(service->loop, next_due, service, &service->next)
	                   : result;
}

static void end_all(struct service *service, struct list *requests, int result)
{
	while (!list_empty(requests)) {
		struct list *link = requests->next;

		list_unlink(link);
		service_finish(service, list_entry(link, struct request, link), result);
	}
}

static void move_undos(struct list *from, struct list *to)
{
	list_each_safe(link, from) {
		if (list_entry(link, struct request, link)->is_undo) {
			list_unlink(link);
			list_append(to, link);
		}
	}
}

void wait_stop(struct service *service)
{
	if (service->writer != NULL) { /* what is undone meanwhile must not wait for it */
		list_unlink(&service->writer->link);
		service_finish(service, service->writer, -ECANCELED);
	}
	struct list undos;

	list_start(&undos);
	move_undos(&service->parked, &undos);
	pace_stop(service);
	end_all(service, &service->guesses, -ECANCELED); /* first: an end may wake one of them */
	end_all(service, &service->soon, -ECANCELED);
	end_all(service, &service->parked, -ECANCELED);
	move_undos(&undos, &service->parked);
}

void wait_for_undos(struct service *service)
{
	uint64_t until_ms = service_now_ms(service) + LIMIT_BUSY_WAIT_MS;

	while (!list_empty(&service->parked) && service_now_ms(service) < until_ms) {
		loop_turn(service->loop, (int)RETRY_MS);
	}
	end_all(service, &service->parked, -EBUSY);
}
