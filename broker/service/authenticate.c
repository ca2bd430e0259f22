/* SPDX-License-Identifier: MIT */
/*
 * Authenticate: the main password, then a code if a factor is enrolled; both right give the caller
 * a proof. Loop thread; evaluations run on workers. A code is looked at only
 * once the main password was right, and is used up in the transaction that grants the proof, so it
 * works once among all processes. A guess is charged to its caller and to all callers together
 * before anything is computed, and costs nothing if it was right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/argon2id.h"
#include "crypto/recovery.h"
#include "crypto/seal.h"
#include "crypto/totp.h"
#include "protocol/main_password.h"
#include "service/internal.h"
#include "service/penalty.h"
#include "sparekey.h"

#define GUESSED "owner" /* what is guessed at, where penalties name a password */

int owner_charge(struct service *service, struct request *request)
{
	if (request->is_owner_charged) {
		return 0;
	}
	int result = pace_take(service, request);

	if (result != 0) {
		return result;
	}
	switch (penalties_charge(service->owner_penalties, GUESSED, "", request->caller,
	                         service_now_ms(service))) {
	case PENALTY_ADMITTED:
		request->is_owner_charged = true;
		return 0;
	case PENALTY_NO_MEMORY:
		return -ENOMEM;
	case PENALTY_REFUSED:
	case PENALTY_WAIT:
		break;
	}
	return service_say(request, SPAREKEY_RATE_LIMITED,
	                   "too many wrong main passwords or codes: wait half a minute");
}

void owner_charge_end(struct service *service, struct request *request)
{
	if (request->is_owner_charged) {
		penalties_end(service->owner_penalties, GUESSED, "", request->caller,
		              request->is_wrong, service_now_ms(service));
		if (request->is_wrong) {
			pace_wrong(service);
		}
	}
}

int owner_wrong(struct service *service, struct request *request, const char *what)
{
	struct store_event event;

	request->is_wrong = true;
	journal_event(service, "authentication-failed", NULL, &event);
	event.count = 1;
	gather_add(service->gather, &event);
	return service_say(request, SPAREKEY_AUTHENTICATION_FAILED, what);
}

/* And, if it is right, what it is for sealing: of what is sealed already, or for what will be. */
static void compare_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);
	struct owner_work *work = request->work;

	request->hashed = argon2id_check(request->secret, &request->phc);
	if (request->hashed != 0) {
		return;
	}
	request->hashed =
		work->owner.sealed_length > 0
			? seal_key_of(request->secret, &owner_cost_most, work->owner.sealed,
	                              work->owner.sealed_length, work->seal_key)
			: seal_key_new(request->secret, &request->phc.cost, work->seal_key);
}

static int begin(struct service *service, struct request *request)
{
	int result = owner_work_new(service, request);

	if (result == 0) {
		result = owner_charge(service, request);
	}
	if (result != 0) {
		return result;
	}
	if (main_password_read(request->secret) != 0) {
		return owner_wrong(service, request, "wrong main password");
	}
	if (phc_parse(request->work->owner.hash, strlen(request->work->owner.hash),
	              &owner_cost_most, &request->phc) < 0) {
		return service_say(request, -EUCLEAN, "the owner's record is damaged");
	}
	return service_work(service, request, compare_run);
}

static bool is_outdated(const struct service *service, const struct phc_cost *cost)
{
	struct phc_cost in_force = owner_cost(service);

	return !phc_cost_same(cost, &in_force);
}

/* The last step: what is used up and what is told, in one transaction; then the proof. `use` may be
 * NULL. */
static int grant(struct service *service, struct request *request,
                 int (*use)(struct service *service, struct request *request))
{
	struct store_owner owner;

	if (request->abandoned) {
		return -ECANCELED;
	}
	if (request->is_locked) {
		return service_say(request, SPAREKEY_AUTHENTICATION_REQUIRED, "locked meanwhile");
	}
	int result = proof_prepare(service, request);

	if (result == 0) {
		result = owner_begin(service);
	}
	if (result != 0) {
		return result;
	}
	result = owner_reread(service, request, &owner);
	if (result == 0 && use != NULL) {
		request->work->owner.step = owner.step;
		result = use(service, request);
	}
	if (result == 0) {
		result = owner_event(service, "authenticated");
	}
	result = service_end(service, result);
	if (result == SPAREKEY_AUTHENTICATION_FAILED) {
		result = owner_wrong(service, request, "that code was used before");
		request->is_wrong = false; /* whoever had it did not guess */
		return result;
	}
	if (result == 0) {
		proof_grant(service, request, &owner, use != NULL);
		if (is_outdated(service, &request->phc.cost)) {
			renew_main_start(service, request->secret);
		}
	}
	request->valid_until = service_now(service) + (int64_t)service->settings.proof_seconds;
	return result;
}

static int use_step(struct service *service, struct request *request)
{
	struct store_owner owner = request->work->owner;

	if (request->work->step <= owner.step) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	owner.step = request->work->step;
	return store_owner_put(service->store, &owner);
}

static int use_recovery_code(struct service *service, struct request *request)
{
	struct store_codes codes;
	const struct owner_work *work = request->work;
	int result = store_codes_get(service->store, &codes);

	/* Another set by now: then it is none of it. */
	if (result == 0 && strcmp(codes.codes[work->place].hash, work->hashes[work->place]) != 0) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	return result == 0 ? store_code_use(service->store, work->place, service_now(service))
	                   : result;
}

static void recovery_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);
	struct owner_work *work = request->work;

	request->hashed = recovery_match(request->code, work->hashes, work->hashes_count,
	                                 &owner_cost_most, &work->place);
}

/* Whether it is a code of an authenticator, and its six digits. */
static bool read_digits(const struct request *request, char ret_digits[static TOTP_DIGITS + 1])
{
	const char *text = request->in.code != NULL ? request->in.code
	                                            : (const char *)secret_bytes(request->code);
	size_t length = request->in.code != NULL ? strlen(text) : secret_length(request->code);

	if (length != TOTP_DIGITS || strspn(text, "0123456789") < TOTP_DIGITS) {
		return false;
	}
	memcpy(ret_digits, text, TOTP_DIGITS);
	ret_digits[TOTP_DIGITS] = '\0';
	return true;
}

static int load_codes(struct service *service, struct request *request)
{
	struct owner_work *work = request->work;
	struct store_codes codes;
	int result = store_codes_get(service->store, &codes);

	work->hashes_count = result == 0 ? codes.count : 0;
	for (unsigned int i = 0; i < work->hashes_count; i++) {
		memcpy(work->hashes[i], codes.codes[i].hash, sizeof(work->hashes[i]));
	}
	return result;
}

static int try_digits(struct service *service, struct request *request, const char *digits)
{
	struct owner_work *work = request->work;

	if (seal_open_by(work->seal_key, work->owner.sealed, work->owner.sealed_length,
	                 work->key) != 0) {
		return service_say(request, -EUCLEAN, "the authenticator's key cannot be unsealed");
	}
	return totp_match(secret_bytes(work->key), digits, service_now(service), work->owner.step,
	                  &work->step) == 0
	               ? grant(service, request, use_step)
	               : owner_wrong(service, request, "wrong code, or used before");
}

static int try_code(struct service *service, struct request *request)
{
	struct owner_work *work = request->work;
	char digits[TOTP_DIGITS + 1];
	int result = 0;

	if (read_digits(request, digits)) {
		result = try_digits(service, request, digits);
		explicit_bzero(digits, sizeof(digits));
		return result;
	}
	if (request->code == NULL || !recovery_read(request->code, request->code)) {
		return owner_wrong(service, request, "wrong code");
	}
	result = load_codes(service, request);
	if (result == 0 && work->hashes_count == 0) {
		return owner_wrong(service, request, "wrong code");
	}
	return result == 0 ? service_work(service, request, recovery_run) : result;
}

static int after_password(struct service *service, struct request *request)
{
	bool has_code = request->in.code != NULL || request->code != NULL;

	if (request->hashed != 0) {
		return owner_wrong(service, request, "wrong main password");
	}
	if (request->work->owner.sealed_length == 0) {
		return grant(service, request, NULL);
	}
	if (has_code) {
		return try_code(service, request);
	}
	if (service->settings.create_requires == REQUIRES_PASSWORD) {
		return grant(service, request, NULL);
	}
	return service_say(request, SPAREKEY_SECOND_FACTOR_REQUIRED,
	                   "the main password was right; a code is needed as well");
}

static int after_recovery_code(struct service *service, struct request *request)
{
	if (request->hashed != 0) {
		return owner_wrong(service, request, "wrong code");
	}
	int result = grant(service, request, use_recovery_code);

	if (result == 0) {
		owner_tell(service);
	}
	return result;
}

/* A recovery code never stands in a message. */
static int check_arguments(struct service *service, struct request *request)
{
	SECRET_AUTO text = NULL;
	char digits[TOTP_DIGITS + 1];

	if (request->in.code == NULL || read_digits(request, digits)) {
		return 0;
	}
	int result = secret_new(service->pool, &text);

	if (result == 0 && secret_set(text, request->in.code, strlen(request->in.code)) == 0 &&
	    recovery_read(text, text)) {
		return service_say(request, SPAREKEY_INVALID_ARGS,
		                   "option code: a recovery code is given by descriptor");
	}
	return result;
}

int authenticate_step(struct service *service, struct request *request)
{
	int result = check_arguments(service, request);

	if (result != 0) {
		return result;
	}
	switch (request->stage) {
	case REQUEST_BEGIN:
		return begin(service, request);
	case REQUEST_HASHED:
		return after_password(service, request);
	case REQUEST_OPENED:
		return after_recovery_code(service, request);
	}
	return -EINVAL;
}
