/* SPDX-License-Identifier: MIT */
/*
 * Proofs of the owner, and the one place that says what needs one. Loop thread.
 *
 * A proof belongs to one caller and ends with him, by Lock, with its time, or when the main
 * password is no longer the one that was proved, whoever changed it. Meanwhile it keeps, in
 * guarded memory, what the main password is for sealing the authenticator's key, and not the main
 * password. Taking access away needs no proof. Refused: a proof for everybody of one uid;
 * prolonging one by use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "service/internal.h"
#include "sparekey.h"

struct proof {
	struct list link;
	char caller[256];
	uint64_t until_ms;
	bool has_code;
	char hash[STORE_HASH_BYTES + 1];    /* of the main password that was proved */
	uint8_t sealed[STORE_SEALED_BYTES]; /* of the factor whose code was given */
	size_t sealed_length;
	struct secret *seal_key; /* owned; what it is for sealing (crypto/seal.h) */
	struct secret *key; /* owned; of an authenticator that waits for its first code, or NULL */
	uint64_t key_until_ms;
};

/* What an operation needs. */
enum need {
	NEED_NOTHING = 0,
	NEED_SETTING, /* what create-requires says */
	NEED_OWNER,   /* the main password, and a code if a factor is enrolled */
	NEED_CODE,    /* both, and that there is a factor */
};

static const enum need needs[OPERATIONS] = {
	[OPERATION_CREATE] = NEED_SETTING,
	[OPERATION_THAW] = NEED_SETTING,
	[OPERATION_CHANGE_MAIN_PASSWORD] = NEED_OWNER,
	[OPERATION_ENROLL_TOTP] = NEED_OWNER,
	[OPERATION_CONFIRM_TOTP] = NEED_OWNER,
	[OPERATION_REMOVE_TOTP] = NEED_CODE,
	[OPERATION_GENERATE_CODES] = NEED_OWNER,
	[OPERATION_ERASE] = NEED_OWNER,
};

struct proof *proof_free(struct proof *proof)
{
	if (proof != NULL) {
		secret_free(proof->seal_key);
		secret_free(proof->key);
		free(proof);
	}
	return NULL;
}

static void end(struct service *service, struct proof *proof)
{
	list_unlink(&proof->link);
	service->proofs_count--;
	news_proof(service->news, proof->caller, false);
	proof_free(proof);
}

/* Sets the timer to what ends first. */
static void plan(struct service *service)
{
	if (service->proof_end == NULL) {
		return;
	}
	uint64_t at_ms = UINT64_MAX;
	uint64_t now_ms = service_now_ms(service);

	list_each(link, &service->proofs) {
		const struct proof *proof = list_entry(link, struct proof, link);

		at_ms = proof->until_ms < at_ms ? proof->until_ms : at_ms;
		if (proof->key != NULL && proof->key_until_ms < at_ms) {
			at_ms = proof->key_until_ms;
		}
	}
	if (at_ms == UINT64_MAX) {
		loop_timer_clear(service->proof_end);
	} else {
		loop_timer_set(service->proof_end, at_ms > now_ms ? at_ms - now_ms : 0);
	}
}

static void end_due(void *data)
{
	struct service *service = data;
	uint64_t now_ms = service_now_ms(service);

	list_each_safe(link, &service->proofs) {
		struct proof *proof = list_entry(link, struct proof, link);

		if (proof->until_ms <= now_ms) {
			end(service, proof);
		} else if (proof->key != NULL && proof->key_until_ms <= now_ms) {
			proof->key = secret_free(proof->key);
		}
	}
	plan(service);
}

int proof_start(struct service *service)
{
	return loop_timer_new(service->loop, end_due, service, &service->proof_end);
}

static struct proof *find(const struct service *service, const char *caller)
{
	uint64_t now_ms = service_now_ms(service);

	list_each(link, &service->proofs) {
		struct proof *proof = list_entry(link, struct proof, link);

		if (strcmp(proof->caller, caller) == 0 && proof->until_ms > now_ms) {
			return proof;
		}
	}
	return NULL;
}

void proof_end(struct service *service, const char *caller)
{
	struct proof *proof = find(service, caller);

	list_each(link, &service->proving) {
		struct request *request = list_entry(link, struct request, proving);

		/* One that is still being checked does not outlive it either. */
		request->is_locked = request->is_locked || strcmp(request->caller, caller) == 0;
	}
	if (proof != NULL) {
		end(service, proof);
		plan(service);
	}
}

void proof_end_others(struct service *service, const char *caller)
{
	list_each_safe(link, &service->proofs) {
		struct proof *proof = list_entry(link, struct proof, link);

		if (caller == NULL || strcmp(proof->caller, caller) != 0) {
			end(service, proof);
		}
	}
	plan(service);
}

/* A code of a factor that was replaced, or taken away, is none any more. */
static bool has_code_of(const struct proof *proof, const struct store_owner *owner)
{
	return proof->has_code && proof->sealed_length == owner->sealed_length &&
	       memcmp(proof->sealed, owner->sealed, owner->sealed_length) == 0;
}

static void note_owner(struct proof *proof, const struct store_owner *owner, bool has_code)
{
	memcpy(proof->hash, owner->hash, sizeof(proof->hash));
	memcpy(proof->sealed, owner->sealed, sizeof(proof->sealed));
	proof->sealed_length = owner->sealed_length;
	proof->has_code = has_code;
}

void proof_follow(struct service *service, const struct request *request)
{
	const struct store_owner *before = &request->work->owner;
	const struct secret *key = request->work->seal_key;

	list_each(link, &service->proofs) {
		struct proof *proof = list_entry(link, struct proof, link);

		if (strcmp(proof->hash, before->hash) == 0) {
			note_owner(proof, &request->work->changed, has_code_of(proof, before));
			secret_set(proof->seal_key, secret_bytes(key), secret_length(key));
		}
	}
}

int proof_prepare(struct service *service, struct request *request)
{
	struct proof *proof = NULL;
	int result = 0;

	if (request->proof != NULL) {
		return 0;
	}
	proof = calloc(1, sizeof(*proof));
	if (proof == NULL) {
		return -ENOMEM;
	}
	list_start(&proof->link);
	result = secret_new(service->pool, &proof->seal_key);
	if (result == 0) {
		result = secret_set(proof->seal_key, secret_bytes(request->work->seal_key),
		                    secret_length(request->work->seal_key));
	}
	if (result != 0) {
		proof_free(proof);
		return result;
	}
	snprintf(proof->caller, sizeof(proof->caller), "%s", request->caller);
	request->proof = proof;
	return 0;
}

/* There is a place for everybody: the oldest gives way. */
void proof_grant(struct service *service, struct request *request, const struct store_owner *owner,
                 bool has_code)
{
	struct proof *proof = request->proof;
	struct proof *known = find(service, request->caller);

	if (known != NULL) {
		end(service, known);
	} else if (service->proofs_count >= LIMIT_PROOFS) {
		end(service, list_entry(service->proofs.next, struct proof, link));
	}
	request->proof = NULL;
	note_owner(proof, owner, has_code);
	proof->until_ms = service_now_ms(service) +
	                  UINT64_C(1000) * service->settings.proof_seconds;
	list_append(&service->proofs, &proof->link);
	service->proofs_count++;
	news_proof(service->news, proof->caller, true);
	plan(service);
}

void proof_renew(struct service *service, struct request *request, const struct store_owner *owner)
{
	struct proof *proof = find(service, request->caller);

	if (proof != NULL && request->proof != NULL) {
		struct secret *before = proof->seal_key;

		proof->seal_key = request->proof->seal_key;
		request->proof->seal_key = before;
		note_owner(proof, owner, proof->has_code);
	}
}

/* The proof of the caller, if it still proves something. */
static const struct proof *valid_proof(const struct service *service, const struct request *request,
                                       const struct store_owner *owner)
{
	const struct proof *proof = find(service, request->caller);

	return proof != NULL && strcmp(proof->hash, owner->hash) == 0 ? proof : NULL;
}

static int read_owner(struct service *service, struct request *request,
                      struct store_owner *ret_owner)
{
	int result = store_owner_get(service->store, ret_owner);

	if (result == SPAREKEY_NOT_INITIALIZED) {
		return service_say(request, result,
		                   "no main password has been set: sparekey setup");
	}
	if (result == 0 && ret_owner->is_damaged) {
		return service_say(request, -EUCLEAN, "the owner's record is damaged");
	}
	return result;
}

static int admit(struct service *service, struct request *request, enum need need)
{
	enum requirement requirement = service->settings.create_requires;
	struct store_owner owner;

	if (need == NEED_NOTHING || (need == NEED_SETTING && requirement == REQUIRES_NOTHING)) {
		return 0;
	}
	int result = read_owner(service, request, &owner);

	if (result != 0) {
		return result;
	}
	const struct proof *proof = valid_proof(service, request, &owner);
	bool has_factor = owner.sealed_length > 0;
	bool wants_factor = need == NEED_CODE ||
	                    (need == NEED_SETTING && requirement == REQUIRES_PASSWORD_AND_CODE);
	bool wants_code = wants_factor || (need == NEED_OWNER && has_factor);

	if (proof == NULL) {
		return service_say(request, SPAREKEY_AUTHENTICATION_REQUIRED,
		                   "the main password has not been given on this connection");
	}
	if (wants_factor && !has_factor) {
		return service_say(request, SPAREKEY_SECOND_FACTOR_NOT_ENROLLED,
		                   "no authenticator is enrolled: sparekey factor add");
	}
	if (wants_code && !has_code_of(proof, &owner)) {
		return service_say(request, SPAREKEY_SECOND_FACTOR_REQUIRED,
		                   "a code of the authenticator is needed as well");
	}
	return 0;
}

int proof_admit(struct service *service, struct request *request)
{
	return admit(service, request, needs[request->operation]);
}

int proof_admit_more(struct service *service, struct request *request)
{
	return admit(service, request, NEED_SETTING);
}

const struct secret *proof_seal_key(const struct service *service, const struct request *request)
{
	const struct proof *proof = find(service, request->caller);

	return proof != NULL ? proof->seal_key : NULL;
}

int proof_keep_key(struct service *service, const struct request *request, struct secret *key)
{
	struct proof *proof = find(service, request->caller);

	if (proof == NULL) {
		secret_free(key);
		return SPAREKEY_AUTHENTICATION_REQUIRED;
	}
	secret_free(proof->key);
	proof->key = key;
	proof->key_until_ms = service_now_ms(service) + LIMIT_ENROLMENT_MS;
	plan(service);
	return 0;
}

const struct secret *proof_key(const struct service *service, const struct request *request)
{
	const struct proof *proof = find(service, request->caller);

	return proof != NULL ? proof->key : NULL;
}

void proof_with_code(struct service *service, const struct request *request,
                     const struct store_owner *owner)
{
	struct proof *proof = find(service, request->caller);

	if (proof != NULL) {
		note_owner(proof, owner, true);
		proof->key = secret_free(proof->key);
	}
}
