/* SPDX-License-Identifier: MIT */
/*
 * The owner's record and what all its changes share; taking the factor away, and starting over.
 * Loop thread. The record is read again inside each transaction and must be the one the work began
 * with, or another process has been quicker. What ends every password along with it goes the way of
 * RevokeAll, in the same transaction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "service/internal.h"
#include "sparekey.h"

#define SCRUB_AGAIN_MS 20u
#define ERASED_A_TURN 500u /* lines of the journal */

const struct phc_cost owner_cost_most = { PHC_MEMORY_KIB_MAX, PHC_PASSES_MAX, PHC_LANES_MAX };

struct phc_cost owner_cost(const struct service *service)
{
	return (struct phc_cost){ service->settings.owner_argon2_memory_kib,
		                  service->settings.owner_argon2_passes, PHC_LANES_MAX };
}

static int new_secrets(struct service *service, struct owner_work *work)
{
	struct secret **const secrets[] = { &work->seal_key, &work->old_key, &work->key };
	int result = 0;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]) && result == 0; i++) {
		result = *secrets[i] == NULL ? secret_new(service->pool, secrets[i]) : 0;
	}
	return result;
}

int owner_work_new(struct service *service, struct request *request)
{
	struct owner_work *work = request->work;
	int result = 0;

	if (work == NULL) {
		work = calloc(1, sizeof(*work));
		request->work = work;
	}
	if (work == NULL) {
		return -ENOMEM;
	}
	result = new_secrets(service, work);
	if (result != 0) {
		return result;
	}
	result = store_owner_get(service->store, &work->owner);
	if (result == SPAREKEY_NOT_INITIALIZED) {
		return service_say(request, result, "no main password has been set");
	}
	if (result == 0 && work->owner.is_damaged) {
		return service_say(request, -EUCLEAN, "the owner's record is damaged");
	}
	return result;
}

void owner_work_free(struct request *request)
{
	if (request->work != NULL) {
		secret_free(request->work->seal_key);
		secret_free(request->work->old_key);
		secret_free(request->work->key);
		free(request->work);
		request->work = NULL;
	}
	request->proof = proof_free(request->proof);
}

int owner_reread(struct service *service, struct request *request, struct store_owner *ret_owner)
{
	const struct store_owner *before = &request->work->owner;
	int result = proof_admit(service, request); /* it may have ended meanwhile */

	if (result == 0) {
		result = store_owner_get(service->store, ret_owner);
	}
	if (result != 0) {
		return result;
	}
	if (strcmp(ret_owner->hash, before->hash) != 0 || ret_owner->is_damaged ||
	    ret_owner->sealed_length != before->sealed_length ||
	    memcmp(ret_owner->sealed, before->sealed, before->sealed_length) != 0) {
		return service_say(request, SPAREKEY_AUTHENTICATION_REQUIRED,
		                   "main password or factor were changed meanwhile");
	}
	return 0;
}

int owner_begin(struct service *service)
{
	gather_flush(service->gather); /* the journal keeps the order of what happened */
	return store_begin(service->store);
}

int owner_event(struct service *service, const char *kind)
{
	return journal_append(service, kind, NULL);
}

static int read_state(struct service *service, struct owner_state *ret_state)
{
	struct store_owner owner;
	struct store_codes codes;
	int result = store_owner_get(service->store, &owner);

	*ret_state = (struct owner_state){ false, false, 0 };
	if (result == SPAREKEY_NOT_INITIALIZED) {
		return 0;
	}
	if (result == 0) {
		result = store_codes_get(service->store, &codes);
	}
	if (result == 0) {
		*ret_state = (struct owner_state){ true, owner.sealed_length > 0, codes.left };
	}
	return result;
}

void owner_tell(struct service *service)
{
	struct owner_state state;

	if (read_state(service, &state) == 0) {
		news_owner(service->news, &state);
	}
}

int owner_step(struct service *service, struct request *request)
{
	return read_state(service, &request->owner);
}

int lock_step(struct service *service, struct request *request)
{
	proof_end(service, request->caller);
	return 0;
}

/* What was in the journal file before must not stay there; while another process holds the lock it
 * is tried again. */
void owner_scrub(struct service *service)
{
	int result = service->writer != NULL ? -EBUSY : store_scrub(service->store);

	service->owes_scrub = result == -EBUSY;
	if (service->owes_scrub) {
		loop_timer_set(service->scrub, SCRUB_AGAIN_MS);
	} else if (result != 0) {
		log_event(LOG_LEVEL_WARNING, "journal-not-zeroed", "error=%d", -result);
	}
}

static int note_kind(void *data, const struct store_event *event)
{
	bool *must_scrub = data;

	*must_scrub = strcmp(event->kind, "main-password-changed") == 0 ||
	              strcmp(event->kind, "factor-removed") == 0 ||
	              strcmp(event->kind, "erased") == 0;
	return 0;
}

/* At the start too: whoever did the last thing may have been killed before this. */
static void scrub_due(void *data)
{
	struct service *service = data;
	int64_t before = INT64_MAX;
	bool has_more = false;

	if (!service->owes_scrub && service->writer == NULL) {
		(void)store_event_each(service->store, 0, &before, "", 1, note_kind,
		                       &service->owes_scrub, &has_more);
	}
	if (service->owes_scrub) {
		owner_scrub(service);
	}
}

int owner_start(struct service *service)
{
	int result = loop_timer_new(service->loop, scrub_due, service, &service->scrub);

	if (result == 0) {
		loop_timer_set(service->scrub, 0);
	}
	return result;
}

/* RemoveTotp: the recovery codes stood in for it, and go with it. */

static int put_removed(struct service *service, struct request *request)
{
	static const struct store_codes none = { .count = 0 };
	struct store_owner owner;
	int result = owner_reread(service, request, &owner);

	if (result == 0) {
		owner.sealed_length = 0;
		result = store_owner_put(service->store, &owner);
	}
	if (result == 0) {
		result = store_codes_put(service->store, &none);
	}
	return result == 0 ? owner_event(service, "factor-removed") : result;
}

int remove_step(struct service *service, struct request *request)
{
	int result = owner_work_new(service, request);

	if (result == 0) {
		result = owner_begin(service);
	}
	if (result == 0) {
		result = service_end(service, put_removed(service, request));
	}
	if (result == 0) {
		owner_scrub(service);
		owner_tell(service);
	}
	return result;
}

/* Erase. */

int erase_step(struct service *service, struct request *request)
{
	return revoke_all_step(service, request);
}

int owner_in_revocation(struct service *service, struct request *request)
{
	if (request->operation == OPERATION_CHANGE_MAIN_PASSWORD) {
		return main_password_put(service, request);
	}
	if (request->operation != OPERATION_ERASE) {
		return 0;
	}
	bool has_more = false;
	int result = proof_admit(service, request);

	if (result == 0) {
		result = store_owner_erase(service->store, ERASED_A_TURN, &has_more);
	}
	if (result == 0 && has_more) {
		return STEP_MORE;
	}
	return result == 0 ? owner_event(service, "erased") : result;
}

void owner_after_revocation(struct service *service, struct request *request)
{
	if (request->operation == OPERATION_CHANGE_MAIN_PASSWORD) {
		main_password_changed(service, request);
	} else if (request->operation == OPERATION_ERASE) {
		gather_drop(service->gather);
		proof_end_others(service, NULL);
		owner_scrub(service);
		owner_tell(service);
	}
}
