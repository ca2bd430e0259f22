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
	[OPERATION_OWNER] = owner_step,
	[OPERATION_INITIALIZE] = initialize_step,
	[OPERATION_AUTHENTICATE] = authenticate_step,
	[OPERATION_LOCK] = lock_step,
	[OPERATION_CHANGE_MAIN_PASSWORD] = change_main_step,
	[OPERATION_ENROLL_TOTP] = enroll_step,
	[OPERATION_CONFIRM_TOTP] = confirm_step,
	[OPERATION_REMOVE_TOTP] = remove_step,
	[OPERATION_GENERATE_CODES] = generate_step,
	[OPERATION_ERASE] = erase_step,
	[OPERATION_RENEW_MAIN] = renew_main_step,
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

/* The charge of a guess first: `done` may free the request. */
void service_finish(struct service *service, struct request *request, int result)
{
	if (request->charged[0] != '\0') {
		penalties_end(service->penalties, request->charged, service_remote(request),
		              request->caller, request->is_wrong, service_now_ms(service));
		wait_wake(service, request->charged, request);
	} else if (request->is_woken) {
		wait_wake(service, request->waiting, request);
	}
	if (request->revocation != NULL) {
		result = revocation_end(service, request, result);
	}
	owner_charge_end(service, request);
	owner_work_free(request);
	list_unlink(&request->proving);
	service->under_way--;
	request->done(request, result);
}

/* Whoever may not begin it learns that first, whatever else may be wrong with it. */
static int step(struct service *service, struct request *request)
{
	int result = request->stage == REQUEST_BEGIN && request->revocation == NULL
	                     ? proof_admit(service, request)
	                     : 0;

	return result == 0 ? steps[request->operation](service, request) : result;
}

/* The store's file was replaced, by a backup say, or is gone: what is there now counts from here
 * on. The step begins anew; a second time at once it fails. */
static int step_anew(struct service *service, struct request *request)
{
	int result = store_open(service->store);

	log_event(LOG_LEVEL_NOTICE, "store-replaced", "result=%d", result);
	if (result == 0 || result == SPAREKEY_NOT_INITIALIZED) {
		result = step(service, request);
	}
	return result;
}

void service_step(struct service *service, struct request *request)
{
	int result = 0;

	if (service->writer != NULL && service->writer != request) {
		wait_for_writer(service, request);
		return;
	}
	result = step(service, request);
	if (result == -ESTALE) {
		result = step_anew(service, request);
	}
	if (result == STEP_MORE) {
		wait_soon(service, request);
	} else if (result == -EBUSY) {
		wait_for_store(service, request);
	} else if (result != STEP_UNDER_WAY) {
		service_finish(service, request, result);
	}
}

void service_submit(struct service *service, struct request *request)
{
	request->service = service;
	request->stage = REQUEST_BEGIN;
	request->parked_until_ms = 0;
	request->charged[0] = '\0';
	request->is_woken = false;
	request->has_begun = false;
	request->reached[0] = '\0';
	request->revocation = NULL;
	request->work = NULL;
	request->proof = NULL;
	request->is_owner_charged = false;
	request->is_locked = false;
	request->has_pace = false;
	list_start(&request->proving);
	if (request->operation == OPERATION_AUTHENTICATE ||
	    request->operation == OPERATION_INITIALIZE) {
		list_append(&service->proving, &request->proving);
	}
	list_start(&request->link);
	service->under_way++;
	if (service->stopping && !request->is_undo) {
		service_finish(service, request, -ECANCELED);
	} else if (service->under_way > (request->is_undo ? 2u : 1u) * LIMIT_CALLS) {
		service_finish(
			service, request,
			service_say(request, SPAREKEY_LIMIT_EXCEEDED, "too many calls under way"));
	} else {
		service_step(service, request);
	}
}

void service_drain(struct service *service)
{
	service->stopping = true;
	wait_stop(service);
	hash_stop(service);
	service->workers = workers_free(service->workers);
}

bool service_idle(const struct service *service)
{
	return service->under_way == 0 && gather_empty(service->gather) &&
	       service->proofs_count == 0 && !service->owes_scrub;
}

int service_admit(struct service *service, struct request *request)
{
	int result = service->writer == NULL ? proof_admit(service, request) : 0;

	return result == -EBUSY || result == -ESTALE ? 0 : result;
}

void service_forget(struct service *service, const char *caller)
{
	proof_end(service, caller);
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
	int result = wait_start(service);

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
		result = penalties_new(&penalty_rules_password, &service->penalties);
	}
	if (result == 0) {
		result = penalties_new(&penalty_rules_owner, &service->owner_penalties);
	}
	if (result == 0) {
		result = pace_new(service, &service->pace);
	}
	if (result == 0) {
		result = owner_start(service);
	}
	if (result == 0) {
		result = proof_start(service);
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
	list_start(&service->proofs);
	list_start(&service->proving);
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
	wait_for_undos(service);
	proof_end_others(service, NULL);
	service->gather = gather_free(service->gather);
	service->news = news_free(service->news);
	service->warm = warm_free(service->warm);
	service->penalties = penalties_free(service->penalties);
	service->owner_penalties = penalties_free(service->owner_penalties);
	service->pace = pace_free(service->pace);
	service->scrub = loop_timer_free(service->scrub);
	service->proof_end = loop_timer_free(service->proof_end);
	service->retry = loop_timer_free(service->retry);
	service->next = loop_timer_free(service->next);
	service->sweep = loop_timer_free(service->sweep);
	free(service);
	return NULL;
}
