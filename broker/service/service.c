/* SPDX-License-Identifier: MIT */
/*
 * The way of every request: admitted once, stepped, parked while another process holds the store's
 * lock, sent to the workers for Argon2, ended once. Loop thread. A step can be called again from
 * its stage's start at any time, so it changes nothing before its transaction. Refused: a lock on
 * the id while a hash is under way; the row is read again instead, which holds across processes
 * too.
 */
#include "service/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/argon2id.h"
#include "protocol/limits.h"
#include "service/penalty.h"
#include "sparekey.h"

#define RETRY_MS 5u
#define REST_MS 3000u

typedef int step_fn(struct service *service, struct request *request);

static step_fn *const steps[OPERATIONS] = {
	[OPERATION_CREATE] = create_step,
	[OPERATION_FIND] = find_step,
	[OPERATION_GET] = get_step,
	[OPERATION_LIST] = list_step,
	[OPERATION_IDENTIFY] = identify_step,
	[OPERATION_VERIFY] = verify_step,
	[OPERATION_REVOKE] = revoke_step,
	[OPERATION_REVOKE_ALL] = revoke_all_step,
	[OPERATION_RENAME] = rename_step,
	[OPERATION_SET_SCOPES] = set_scopes_step,
	[OPERATION_SET_EXPIRY] = set_expiry_step,
	[OPERATION_FREEZE] = freeze_step,
	[OPERATION_THAW] = thaw_step,
	[OPERATION_LIST_EVENTS] = list_events_step,
	[OPERATION_RENEW] = renew_step,
};

int64_t service_now(const struct service *service)
{
	const struct clock *clock = loop_clock(service->loop);

	return clock->wall_s(clock);
}

uint64_t service_now_ms(const struct service *service)
{
	const struct clock *clock = loop_clock(service->loop);

	return clock->monotonic_ms(clock);
}

struct phc_cost service_cost(const struct service *service)
{
	return (struct phc_cost){ service->settings.argon2_memory_kib,
		                  service->settings.argon2_passes, 1 };
}

int service_say(struct request *request, int result, const char *what)
{
	snprintf(request->what, sizeof(request->what), "%s", what);
	return result;
}

void service_check_record(struct store_password *password)
{
	static const struct phc_cost most = { 1048576, PHC_PASSES_MAX, 1 };
	struct phc phc;

	if (password->state != STORE_STATE_DAMAGED &&
	    phc_parse(password->hash, strlen(password->hash), &most, &phc) < 0) {
		password->state = STORE_STATE_DAMAGED;
	}
}

bool service_is_live(const struct service *service, const struct store_password *password)
{
	return password->state == STORE_STATE_DAMAGED || password->expires_at == 0 ||
	       password->expires_at > service_now(service);
}

int service_end(struct service *service, int result)
{
	if (result != 0) {
		store_rollback(service->store);
		return result;
	}
	result = store_commit(service->store);
	if (result == 0) {
		news_events(service->news, service->last_serial);
	}
	return result;
}

int service_revoke(struct service *service, int (*change)(struct service *service, void *data),
                   void *data)
{
	int result = -ENOSPC;

	for (unsigned int attempt = 0; attempt < 2 && result == -ENOSPC; attempt++) {
		result = store_begin_revocation(service->store);
		if (result == 0) {
			result = service_end(service, change(service, data));
		}
	}
	return result;
}

const char *service_remote(const struct request *request)
{
	return request->in.remote != NULL ? request->in.remote : "";
}

/* In the next turn: a step called from here would be called from another's end. */
static void go_on_later(struct service *service, struct request *request, uint64_t delay_ms)
{
	list_append(&service->parked, &request->link);
	if (delay_ms == 0 || !loop_timer_is_set(service->retry)) {
		loop_timer_set(service->retry, delay_ms);
	}
}

void service_wait_to_guess(struct service *service, struct request *request)
{
	memcpy(request->waiting, request->password.id, sizeof(request->waiting) - 1);
	request->waiting[PASSWORD_ID] = '\0';
	request->is_woken = false;
	list_append(&service->guesses, &request->link);
}

/* One for one: each that ends lets the first in that waits for the same source. Whoever is woken
 * and ends without a charge (refused, or right by then) wakes the next, so that none is left
 * behind. */
static void wake_next(struct service *service, const char *id, const struct request *ended)
{
	list_each(link, &service->guesses) {
		struct request *request = list_entry(link, struct request, link);

		if (strcmp(request->waiting, id) == 0 &&
		    penalties_same(service_remote(request), request->caller, service_remote(ended),
		                   ended->caller)) {
			list_unlink(link);
			request->is_woken = true;
			request->parked_until_ms = 0;
			go_on_later(service, request, 0);
			return;
		}
	}
}

/* The charge of a guess first: `done` may free the request. */
void service_finish(struct service *service, struct request *request, int result)
{
	if (request->charged[0] != '\0') {
		penalties_end(service->penalties, request->charged, service_remote(request),
		              request->caller, request->is_wrong, service_now_ms(service));
		wake_next(service, request->charged, request);
	} else if (request->is_woken) {
		wake_next(service, request->waiting, request);
	}
	if (request->revocation != NULL) {
		result = revocation_end(service, request, result);
	}
	service->under_way--;
	request->done(request, result);
}

static void park(struct service *service, struct request *request)
{
	uint64_t now_ms = service_now_ms(service);

	if (request->parked_until_ms == 0) {
		request->parked_until_ms = now_ms + LIMIT_BUSY_WAIT_MS;
	}
	if (now_ms >= request->parked_until_ms || service->stopping) {
		service_finish(service, request,
		               service_say(request, -EBUSY, "another process holds the store"));
		return;
	}
	go_on_later(service, request, RETRY_MS);
}

/* The store's file was replaced, by a backup say, or is gone: what is there now counts from here
 * on. The step begins anew; a second time at once it fails. */
static int step_anew(struct service *service, struct request *request)
{
	int result = store_open(service->store);

	log_event(LOG_LEVEL_NOTICE, "store-replaced", "result=%d", result);
	if (result == 0 || result == SPAREKEY_NOT_INITIALIZED) {
		result = steps[request->operation](service, request);
	}
	return result;
}

void service_step(struct service *service, struct request *request)
{
	int result = 0;

	if (service->writer != NULL && service->writer != request) {
		go_on_later(service, request, RETRY_MS);
		return;
	}
	result = steps[request->operation](service, request);
	if (result == -ESTALE) {
		result = step_anew(service, request);
	}
	if (result == STEP_MORE) {
		go_on_later(service, request, 0);
	} else if (result == -EBUSY) {
		park(service, request);
	} else if (result != STEP_UNDER_WAY) {
		service_finish(service, request, result);
	}
}

/* Tries everything parked again; what is still busy parks itself anew. */
static void retry_due(void *data)
{
	struct service *service = data;
	struct list again;

	list_start(&again);
	while (!list_empty(&service->parked)) {
		struct list *link = service->parked.next;

		list_unlink(link);
		list_append(&again, link);
	}
	while (!list_empty(&again)) {
		struct list *link = again.next;

		list_unlink(link);
		service_step(service, list_entry(link, struct request, link));
	}
}

void service_submit(struct service *service, struct request *request)
{
	request->service = service;
	request->stage = REQUEST_BEGIN;
	request->parked_until_ms = 0;
	request->charged[0] = '\0';
	request->is_woken = false;
	request->reached[0] = '\0';
	request->revocation = NULL;
	list_start(&request->link);
	service->under_way++;
	if (service->stopping &&
	    request->operation != OPERATION_REVOKE) { /* what was made for nobody is still undone */
		service_finish(service, request, -ECANCELED);
	} else if (service->under_way > LIMIT_CALLS) {
		service_finish(
			service, request,
			service_say(request, SPAREKEY_LIMIT_EXCEEDED, "too many calls under way"));
	} else {
		service_step(service, request);
	}
}

static void end_all(struct service *service, struct list *requests)
{
	while (!list_empty(requests)) {
		struct list *link = requests->next;

		list_unlink(link);
		service_finish(service, list_entry(link, struct request, link), -ECANCELED);
	}
}

void service_stop(struct service *service)
{
	service->stopping = true;
	if (service->writer != NULL) { /* what is undone meanwhile must not wait for it */
		list_unlink(&service->writer->link);
		service_finish(service, service->writer, -ECANCELED);
	}
	end_all(service, &service->guesses); /* first: an end may wake one of them */
	end_all(service, &service->parked);
	hash_stop(service);
}

void service_drain(struct service *service)
{
	service_stop(service);
	service->workers = workers_free(service->workers);
}

bool service_idle(const struct service *service)
{
	return service->under_way == 0 && gather_empty(service->gather);
}

const struct settings *service_settings(const struct service *service)
{
	return &service->settings;
}

void service_listen(struct service *service, const struct service_listener *listener, void *data)
{
	news_listen(service->news, listener, data);
}

static int service_start(struct service *service)
{
	int result = loop_timer_new(service->loop, retry_due, service, &service->retry);

	if (result == 0) {
		result = loop_timer_new(service->loop, sweep_due, service, &service->sweep);
	}
	if (result == 0) {
		result = workers_new(service->loop, service->settings.workers, REST_MS,
		                     argon2id_rest, &service->workers);
	}
	if (result == 0) {
		result = news_new(service, &service->news);
	}
	if (result == 0) {
		result = gather_new(service, &service->gather);
	}
	if (result == 0) {
		result = penalties_new(&service->penalties);
	}
	return result;
}

int service_new(struct loop *loop, const struct settings *settings, struct store *store,
                struct secret_pool *pool, struct service **ret_service)
{
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL) {
		return -ENOMEM;
	}
	service->loop = loop;
	service->settings = *settings;
	service->store = store;
	service->pool = pool;
	list_start(&service->parked);
	list_start(&service->guesses);
	int result = service_start(service);

	if (result < 0) {
		service_free(service);
		return result;
	}
	loop_timer_set(service->sweep, 0);
	*ret_service = service;
	return 0;
}

struct service *service_free(struct service *service)
{
	if (service == NULL) {
		return NULL;
	}
	service_drain(service);
	service->gather = gather_free(service->gather);
	service->news = news_free(service->news);
	service->warm = warm_free(service->warm);
	service->penalties = penalties_free(service->penalties);
	service->retry = loop_timer_free(service->retry);
	service->sweep = loop_timer_free(service->sweep);
	free(service);
	return NULL;
}
