/* SPDX-License-Identifier: MIT */
/*
 * The second factor: a new authenticator counts once it has given a right code; recovery codes are
 * made ten at a time. Loop thread; sealing and hashing run on workers. The new key waits in guarded
 * memory with the proof of the caller who asked for it.
 */
#include <errno.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/recovery.h"
#include "crypto/seal.h"
#include "crypto/totp.h"
#include "service/internal.h"
#include "sparekey.h"

int enroll_step(struct service *service, struct request *request)
{
	struct secret *key = NULL;
	int result = secret_new(service->pool, &key);

	if (result == 0) {
		result = random_bytes(secret_buffer(key), TOTP_KEY);
	}
	if (result == 0) {
		secret_set_length(key, TOTP_KEY);
		result = request->secret == NULL ? secret_new(service->pool, &request->secret) : 0;
	}
	if (result != 0) {
		secret_free(key);
		return result;
	}
	totp_uri(secret_bytes(key), request->secret);
	return proof_keep_key(service, request, key);
}

/* ConfirmTotp. */

static int match_and_seal(struct service *service, struct request *request)
{
	const struct secret *key = proof_key(service, request);
	const struct secret *seal_key = proof_seal_key(service, request);
	struct owner_work *work = request->work;

	if (key == NULL || seal_key == NULL) {
		return service_say(request, SPAREKEY_WRONG_STATE,
		                   "no authenticator waits for its first code");
	}
	int result = owner_charge(service, request);

	if (result != 0) {
		return result;
	}
	/* Which steps are used up is a matter of each key. */
	if (strlen(request->in.text) != TOTP_DIGITS ||
	    totp_match(secret_bytes(key), request->in.text, service_now(service), 0, &work->step) !=
	            0) {
		return owner_wrong(service, request, "wrong code");
	}
	work->sealed_length = SEAL_BYTES(TOTP_KEY);
	return seal_close_by(seal_key, secret_bytes(key), TOTP_KEY, work->sealed);
}

static int put_factor(struct service *service, struct request *request)
{
	struct owner_work *work = request->work;
	struct store_owner owner;
	int result = owner_reread(service, request, &owner);

	if (result == 0) {
		memcpy(owner.sealed, work->sealed, work->sealed_length);
		owner.sealed_length = work->sealed_length;
		owner.step = work->step;
		result = store_owner_put(service->store, &owner);
		work->owner = owner;
	}
	return result == 0 ? owner_event(service, "factor-added") : result;
}

int confirm_step(struct service *service, struct request *request)
{
	int result = owner_work_new(service, request);

	if (result == 0) {
		result = match_and_seal(service, request);
	}
	if (result == 0) {
		result = owner_begin(service);
	}
	if (result == 0) {
		result = service_end(service, put_factor(service, request));
	}
	if (result == 0) {
		proof_with_code(service, request, &request->work->owner);
		owner_tell(service);
	}
	return result;
}

/* GenerateRecoveryCodes. */

static void codes_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);
	struct owner_work *work = request->work;

	request->hashed = recovery_hash_all(request->secret, &request->phc.cost, work->hashes);
	work->hashes_count = RECOVERY_CODES;
}

static int put_codes(struct service *service, struct request *request)
{
	const struct owner_work *work = request->work;
	struct store_codes codes = { .count = work->hashes_count };
	struct store_owner owner;
	int result = owner_reread(service, request, &owner);

	for (unsigned int i = 0; i < work->hashes_count; i++) {
		memcpy(codes.codes[i].hash, work->hashes[i], sizeof(work->hashes[i]));
	}
	if (result == 0) {
		result = store_codes_put(service->store, &codes);
	}
	return result == 0 ? owner_event(service, "recovery-codes-made") : result;
}

static int generate_begin(struct service *service, struct request *request)
{
	int result = owner_work_new(service, request);

	if (result == 0 && request->secret == NULL) {
		result = secret_new(service->pool, &request->secret);
	}
	if (result == 0) {
		result = recovery_make(request->secret);
	}
	request->phc.cost = owner_cost(service);
	return result == 0 ? service_work(service, request, codes_run) : result;
}

int generate_step(struct service *service, struct request *request)
{
	if (request->stage == REQUEST_BEGIN) {
		return generate_begin(service, request);
	}
	if (request->abandoned) {
		return -ECANCELED; /* the old ones stay: nobody would see the new ones */
	}
	int result = owner_begin(service);

	if (result == 0) {
		result = service_end(service, put_codes(service, request));
	}
	if (result == 0) {
		owner_tell(service);
	}
	return result;
}
