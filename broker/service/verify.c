/* SPDX-License-Identifier: MIT */
/*
 * Verification: read the text, find the row, ask the warm memory, else one Argon2 evaluation; then
 * read the row again and decide. Loop thread. The caller learns yes or no; why not goes to the
 * journal alone. State, scope and account are judged after the hash, so that the journal's reason
 * is true and a guesser cannot tell a frozen password from a wrong secret.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/label.h"
#include "service/internal.h"
#include "service/penalty.h"
#include "sparekey.h"

static const struct phc_cost most = { 1048576, PHC_PASSES_MAX, 1 };

/* Notes a refusal with its reason and gives the one answer every refusal gets. */
static int refuse(struct service *service, struct request *request, const char *reason)
{
	struct store_event event;

	journal_event(service, "refused",
	              request->password.id[0] != '\0' ? &request->password : NULL, &event);
	journal_text(event.scope, sizeof(event.scope), request->scope);
	journal_text(event.account, sizeof(event.account), request->in.account);
	text_escape(request->in.remote != NULL ? request->in.remote : "", event.remote,
	            sizeof(event.remote));
	journal_text(event.reason, sizeof(event.reason), reason);
	event.group = request->group;
	event.count = 1;
	gather_add(service->gather, &event);
	news_failed(service->news, request->scope);
	request->password = (struct store_password){ 0 };
	return SPAREKEY_AUTHENTICATION_FAILED;
}

static int check_diagnosis(struct request *request)
{
	const char *diagnosis = request->in.diagnosis;

	if (diagnosis == NULL) {
		if (request->in.group == 0) {
			return 0;
		}
		return service_say(request, SPAREKEY_INVALID_ARGS, "option group: needs diagnosis");
	}
	if (strcmp(diagnosis, "malformed") != 0 && strcmp(diagnosis, "mistyped") != 0) {
		return service_say(request, SPAREKEY_INVALID_ARGS,
		                   "option diagnosis: malformed or mistyped");
	}
	if (request->in.group > PASSWORD_SYMBOLS / PASSWORD_GROUP) {
		return service_say(request, SPAREKEY_INVALID_ARGS, "option group: 1 to 5");
	}
	return 0;
}

static int check_arguments(struct request *request)
{
	const char *remote = request->in.remote;

	if (scope_read(request->in.scope, request->scope) != 0) {
		return service_say(request, SPAREKEY_INVALID_SCOPE,
		                   "scope: not [a-z0-9][a-z0-9-]* of at most 32 bytes");
	}
	if (remote != NULL && strnlen(remote, LIMIT_REMOTE_BYTES + 1) > LIMIT_REMOTE_BYTES) {
		return service_say(request, SPAREKEY_INVALID_ARGS, "option remote: over 255 bytes");
	}
	if (request->in.account != NULL && account_check(request->in.account) != 0) {
		return service_say(request, SPAREKEY_INVALID_ARGS,
		                   "option account: over 255 bytes, or with control characters");
	}
	return check_diagnosis(request);
}

/* Fills request->password by the id of the text. SPAREKEY_UNKNOWN_OBJECT: refuse. */
static int read_record(struct service *service, struct request *request, const char *id)
{
	int result = store_password_get(service->store, id, &request->password);

	if (result == SPAREKEY_UNKNOWN_OBJECT || result == SPAREKEY_NOT_INITIALIZED) {
		request->password = (struct store_password){ 0 };
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	return result;
}

static int look_up(struct service *service, struct request *request, const char *id)
{
	int result = read_record(service, request, id);

	if (result == 0) {
		service_check_record(&request->password);
	}
	return result;
}

static struct warm_key warm_key_of(const struct request *request)
{
	return (struct warm_key){ request->password.id, request->secret, request->password.hash,
		                  request->password.version };
}

static void note_use(struct service *service, struct request *request)
{
	struct store_event event;

	news_verified(service->news, request->password.id, request->scope);
	if (request->in.unrecorded) {
		return;
	}
	journal_event(service, "verified", &request->password, &event);
	journal_text(event.scope, sizeof(event.scope), request->scope);
	journal_text(event.account, sizeof(event.account), request->in.account);
	text_escape(request->in.remote != NULL ? request->in.remote : "", event.remote,
	            sizeof(event.remote));
	event.count = 1;
	gather_add(service->gather, &event);
}

/* The secret is right; what else must hold. NULL: all of it does. */
static const char *objection(const struct service *service, const struct request *request)
{
	const struct store_password *password = &request->password;

	if (!service_is_live(service, password)) {
		return "expired";
	}
	if (password->state == STORE_STATE_FROZEN) {
		return "frozen";
	}
	if (!scope_set_allows(&password->scopes, request->scope)) {
		return "scope";
	}
	if (password->account[0] != '\0' &&
	    (request->in.account == NULL || strcmp(password->account, request->in.account) != 0)) {
		return "account";
	}
	return password->state == STORE_STATE_ACTIVE ? NULL : "unknown";
}

static int decide(struct service *service, struct request *request)
{
	const char *reason = objection(service, request);

	if (reason != NULL) {
		return refuse(service, request, reason);
	}
	note_use(service, request);
	return 0;
}

static bool is_outdated(const struct service *service, const struct phc *phc)
{
	struct phc_cost cost = service_cost(service);

	return !phc_cost_same(&phc->cost, &cost);
}

static void remember(struct service *service, struct request *request)
{
	uint64_t until_ms = service_now_ms(service) +
	                    1000u * (uint64_t)service->settings.cache_seconds;

	if (service->warm == NULL && service->settings.cache_seconds > 0) {
		warm_new(&service->warm); /* without the memory for it, each one stays cold */
	}
	if (service->warm != NULL) {
		struct warm_key key = warm_key_of(request);

		warm_remember(service->warm, &key, until_ms);
	}
	if (is_outdated(service, &request->phc) && request->password.state == STORE_STATE_ACTIVE) {
		renew_start(service, &request->password, request->secret);
		request->secret = NULL;
	}
}

/* From a source that may not guess now. Behind a server that tells no address the owner has the
 * same one as who guesses: a text that was right before is no guess, and is checked all the same.
 * It is forgotten if it is right no more. */
static int check_in_delay(struct service *service, struct request *request)
{
	struct warm_key key = warm_key_of(request);

	if (service->warm != NULL && warm_recalls(service->warm, &key, service_now_ms(service))) {
		return service_hash(service, request, true);
	}
	refuse(service, request, "rate-limited");
	return SPAREKEY_RATE_LIMITED;
}

/* A guess at a password that exists: admitted, refused unchecked, or told to wait for others of its
 * source. */
static int charge(struct service *service, struct request *request)
{
	enum penalty penalty = penalties_charge(service->penalties, request->password.id,
	                                        service_remote(request), request->caller,
	                                        service_now_ms(service));

	switch (penalty) {
	case PENALTY_ADMITTED:
		memcpy(request->charged, request->password.id, sizeof(request->charged) - 1);
		request->charged[PASSWORD_ID] = '\0';
		request->is_woken = false; /* its end will wake the next one */
		return service_hash(service, request, true);
	case PENALTY_WAIT:
		wait_to_guess(service, request);
		return STEP_UNDER_WAY;
	case PENALTY_NO_MEMORY:
		return -ENOMEM;
	case PENALTY_REFUSED:
		break;
	}
	return check_in_delay(service, request);
}

static int begin(struct service *service, struct request *request)
{
	struct password_reading reading;
	int result = check_arguments(request);

	if (result != 0) {
		return result;
	}
	if (request->in.diagnosis != NULL) {
		request->group = request->in.group;
		return refuse(service, request, request->in.diagnosis);
	}
	password_read(request->secret, request->secret, &reading);
	if (reading.form != PASSWORD_WELL_FORMED) {
		request->group = reading.group;
		if (reading.group != 0 && look_up(service, request, reading.id) != 0) {
			request->password = (struct store_password){ 0 };
		}
		return refuse(service, request,
		              reading.form == PASSWORD_MISTYPED ? "mistyped" : "malformed");
	}
	result = read_record(service, request, reading.id);
	if (result == SPAREKEY_UNKNOWN_OBJECT) {
		return refuse(service, request, "unknown");
	}
	if (result != 0) {
		return result;
	}
	if (request->password.state == STORE_STATE_DAMAGED) {
		return refuse(service, request, "unknown");
	}
	struct warm_key key = warm_key_of(request);

	/* A hash that is remembered was computed, so it need not be parsed again. */
	if (service->warm != NULL && warm_knows(service->warm, &key, service_now_ms(service))) {
		return decide(service, request);
	}
	if (phc_parse(request->password.hash, strlen(request->password.hash), &most,
	              &request->phc) < 0) {
		return refuse(service, request, "unknown");
	}
	return charge(service, request);
}

/* The hash is done: the row is read again, since it may have been changed or ended meanwhile, here
 * or by another process. */
static int after_hash(struct service *service, struct request *request)
{
	int64_t created_at = request->password.created_at;
	char id[PASSWORD_ID + 1];

	snprintf(id, sizeof(id), "%.5s", (const char *)secret_bytes(request->secret));
	int result = look_up(service, request, id);

	if (result == SPAREKEY_UNKNOWN_OBJECT ||
	    (result == 0 && request->password.created_at != created_at)) {
		return refuse(service, request, "unknown");
	}
	if (result != 0) {
		return result;
	}
	request->is_wrong = request->hashed != 0;
	if (request->is_wrong && request->charged[0] == '\0' && service->warm != NULL) {
		warm_forget(service->warm, id); /* it came in as one that was right before */
	}
	if (request->hashed != 0 || request->password.state == STORE_STATE_DAMAGED) {
		return refuse(service, request, request->hashed != 0 ? "wrong" : "unknown");
	}
	result = decide(service, request);
	if (result == 0) {
		remember(service, request);
	}
	return result;
}

int verify_step(struct service *service, struct request *request)
{
	return request->stage == REQUEST_BEGIN ? begin(service, request)
	                                       : after_hash(service, request);
}

/* Identify: the same way, told to the owner and recorded nowhere. */
static int identify_as(struct request *request, enum identity identity)
{
	request->identity = identity;
	return 0;
}

static int identify_begin(struct service *service, struct request *request)
{
	struct password_reading reading;

	password_read(request->secret, request->secret, &reading);
	request->group = reading.group;
	int result = reading.id[0] == '\0' ? SPAREKEY_UNKNOWN_OBJECT
	                                   : look_up(service, request, reading.id);

	if (result == -EBUSY || (result < 0 && reading.form == PASSWORD_WELL_FORMED)) {
		return result;
	}
	if (reading.form != PASSWORD_WELL_FORMED) {
		return identify_as(request, reading.form == PASSWORD_MISTYPED ? IDENTITY_MISTYPED
		                                                              : IDENTITY_MALFORMED);
	}
	if (result == SPAREKEY_UNKNOWN_OBJECT || !service_is_live(service, &request->password)) {
		request->password = (struct store_password){ 0 };
		return identify_as(request, IDENTITY_UNKNOWN);
	}
	if (phc_parse(request->password.hash, strlen(request->password.hash), &most,
	              &request->phc) < 0) {
		return identify_as(request, IDENTITY_WRONG);
	}
	return service_hash(service, request, true);
}

/* As for a verification: what ended while the hash was under way is not ours any more. */
static int identify_after_hash(struct service *service, struct request *request)
{
	int64_t created_at = request->password.created_at;
	char id[PASSWORD_ID + 1];

	snprintf(id, sizeof(id), "%.5s", (const char *)secret_bytes(request->secret));
	int result = look_up(service, request, id);

	if (result < 0) {
		return result;
	}
	if (result == SPAREKEY_UNKNOWN_OBJECT || request->password.created_at != created_at ||
	    !service_is_live(service, &request->password)) {
		request->password = (struct store_password){ 0 };
		return identify_as(request, IDENTITY_UNKNOWN);
	}
	return identify_as(request, request->hashed == 0 ? IDENTITY_OURS : IDENTITY_WRONG);
}

int identify_step(struct service *service, struct request *request)
{
	if (request->stage == REQUEST_BEGIN) {
		return identify_begin(service, request);
	}
	return identify_after_hash(service, request);
}
