/* SPDX-License-Identifier: MIT */
/*
 * Setting the main password, and changing it. Loop thread; hashing and sealing run on workers, each
 * with a salt of its own. A change seals the authenticator's key anew in the same transaction.
 */
#include <errno.h>
#include <string.h>

#include "crypto/argon2id.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "crypto/totp.h"
#include "protocol/main_password.h"
#include "service/internal.h"
#include "sparekey.h"

static void hash_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);

	request->hashed = argon2id_hash(request->secret, &request->phc.cost, request->phc.salt,
	                                request->phc.tag);
	if (request->hashed == 0) {
		request->hashed = seal_key_new(request->secret, &request->phc.cost,
		                               request->work->seal_key);
	}
}

static int read_new_password(struct request *request)
{
	return main_password_read(request->secret) == 0
	               ? 0
	               : service_say(request, SPAREKEY_INVALID_MAIN_PASSWORD,
	                             "a main password is 12 characters to 1024 bytes of UTF-8");
}

/* Initialize. */

static int check_new(struct service *service, struct request *request)
{
	struct store_owner owner;
	int result = store_owner_get(service->store, &owner);

	if (result == 0) {
		return service_say(request, SPAREKEY_ALREADY_INITIALIZED,
		                   "a main password has been set already");
	}
	return result == SPAREKEY_NOT_INITIALIZED ? 0 : result;
}

static int put_new(struct service *service, struct request *request, struct store_owner *owner)
{
	int result = check_new(service, request);

	if (result == 0) {
		result = store_owner_put(service->store, owner);
	}
	return result == 0 ? owner_event(service, "initialized") : result;
}

static int commit_new(struct service *service, struct request *request)
{
	struct store_owner owner = { .sealed_length = 0 };

	if (request->abandoned) {
		return -ECANCELED;
	}
	if (request->is_locked) {
		return service_say(request, SPAREKEY_AUTHENTICATION_REQUIRED, "locked meanwhile");
	}
	phc_format(&request->phc, owner.hash);
	int result = proof_prepare(service, request);

	if (result == 0) {
		result = store_make(service->store);
	}
	if (result == 0) {
		result = owner_begin(service);
	}
	if (result == 0) {
		result = service_end(service, put_new(service, request, &owner));
	}
	if (result != 0) {
		return result;
	}
	proof_grant(service, request, &owner, false);
	owner_tell(service);
	return 0;
}

int initialize_step(struct service *service, struct request *request)
{
	if (request->stage != REQUEST_BEGIN) {
		return commit_new(service, request);
	}
	int result = read_new_password(request);

	if (result == 0) {
		result = check_new(service, request);
	}
	if (result == 0) {
		result = owner_work_new(service, request);
		result = result == SPAREKEY_NOT_INITIALIZED ? 0 : result;
	}
	if (result == 0) {
		result = random_bytes(request->phc.salt, sizeof(request->phc.salt));
	}
	request->phc.cost = owner_cost(service);
	return result == 0 ? service_work(service, request, hash_run) : result;
}

/* ChangeMainPassword: the new hash, and the key sealed anew under it. */

static int reseal(const struct request *request)
{
	struct owner_work *work = request->work;
	int result = 0;

	if (secret_length(work->old_key) == 0) {
		result = seal_key_of(request->secret, &owner_cost_most, work->owner.sealed,
		                     work->owner.sealed_length, work->old_key);
	}
	if (result == 0) {
		result = seal_open_by(work->old_key, work->owner.sealed, work->owner.sealed_length,
		                      work->key);
	}
	if (result == 0) {
		result = seal_close_by(work->seal_key, secret_bytes(work->key), TOTP_KEY,
		                       work->sealed);
		work->sealed_length = SEAL_BYTES(TOTP_KEY);
	}
	return result;
}

static void change_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);

	hash_run(job);
	if (request->hashed == 0 && request->work->owner.sealed_length > 0) {
		request->hashed = reseal(request);
	}
}

int main_password_work(struct service *service, struct request *request,
                       const struct secret *old_key)
{
	int result = owner_work_new(service, request);

	if (result == 0 && old_key != NULL) {
		result = secret_set(request->work->old_key, secret_bytes(old_key),
		                    secret_length(old_key));
	}
	if (result == 0) {
		result = random_bytes(request->phc.salt, sizeof(request->phc.salt));
	}
	request->phc.cost = owner_cost(service);
	return result == 0 ? service_work(service, request, change_run) : result;
}

static int change_begin(struct service *service, struct request *request)
{
	const struct secret *old_key = proof_seal_key(service, request);
	int result = old_key == NULL ? SPAREKEY_AUTHENTICATION_REQUIRED
	                             : read_new_password(request);

	return result == 0 ? main_password_work(service, request, old_key) : result;
}

int main_password_put(struct service *service, struct request *request)
{
	struct owner_work *work = request->work;
	struct store_owner owner;
	int result = owner_reread(service, request, &owner);

	if (result != 0) {
		return result;
	}
	phc_format(&request->phc, owner.hash);
	memcpy(owner.sealed, work->sealed, work->sealed_length);
	owner.sealed_length = work->sealed_length;
	result = store_owner_put(service->store, &owner);
	if (result == 0 && request->operation == OPERATION_CHANGE_MAIN_PASSWORD) {
		result = owner_event(service, "main-password-changed");
	}
	work->changed = owner;
	return result;
}

/* The password was changed: nobody else's proof is one any more, the caller's is of the new one. */
void main_password_changed(struct service *service, struct request *request)
{
	proof_end_others(service, request->caller);
	proof_renew(service, request, &request->work->changed);
	owner_scrub(service);
	owner_tell(service);
}

int change_main_step(struct service *service, struct request *request)
{
	if (request->stage == REQUEST_BEGIN) {
		return change_begin(service, request);
	}
	if (request->hashed != 0) {
		return service_say(request, -EUCLEAN, "the authenticator's key cannot be unsealed");
	}
	int result = proof_prepare(service, request);

	if (result == 0 && request->in.revoke) {
		return revoke_all_step(service, request);
	}
	if (result == 0) {
		result = owner_begin(service);
	}
	if (result == 0) {
		result = service_end(service, main_password_put(service, request));
	}
	if (result == 0) {
		main_password_changed(service, request);
	}
	return result;
}
