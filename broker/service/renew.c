/* SPDX-License-Identifier: MIT */
/*
 * Renewal: after a success with outdated parameters the hash is made again with those in force, of
 * an app password as of the main password, with which the authenticator's key is sealed anew. A
 * request of the service's own, behind the answer, so the login does not wait for it. Loop thread.
 * If the row has changed meanwhile, or the store cannot be written, nothing happens; the next
 * success tries again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "service/internal.h"
#include "sparekey.h"

static void renewed(struct request *request, int result)
{
	if (result == 0) {
		log_event(LOG_LEVEL_INFO, "hash-renewed", "id=%s", request->password.id);
	}
	request->secret = secret_free(request->secret);
	free(request);
}

void renew_start(struct service *service, const struct store_password *password,
                 struct secret *secret)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL) {
		secret_free(secret);
		return;
	}
	request->operation = OPERATION_RENEW;
	request->password = *password;
	request->secret = secret;
	request->caller = "";
	request->done = renewed;
	service_submit(service, request);
}

static int replace_hash(struct service *service, struct request *request)
{
	struct store_password now;
	int result = store_password_get(service->store, request->password.id, &now);

	if (result == 0 && strcmp(now.hash, request->password.hash) != 0) {
		return SPAREKEY_WRONG_STATE;
	}
	if (result == 0) {
		phc_format(&request->phc, now.hash);
		result = store_password_update(service->store, &now);
	}
	return result;
}

int renew_step(struct service *service, struct request *request)
{
	if (request->stage == REQUEST_BEGIN) {
		int result = random_bytes(request->phc.salt, sizeof(request->phc.salt));

		request->phc.cost = service_cost(service);
		return result == 0 ? service_hash(service, request, false) : result;
	}
	int result = store_begin(service->store);

	return result == 0 ? service_end(service, replace_hash(service, request)) : result;
}

/* The main password. Proofs of it stay proofs of it. */

static void main_renewed(struct request *request, int result)
{
	if (result == 0) {
		log_event(LOG_LEVEL_INFO, "hash-renewed", "id=owner");
	}
	request->secret = secret_free(request->secret);
	free(request);
}

void renew_main_start(struct service *service, const struct secret *main_password)
{
	struct request *request = calloc(1, sizeof(*request));
	int result = request == NULL ? -ENOMEM : secret_new(service->pool, &request->secret);

	if (result == 0) {
		result = secret_set(request->secret, secret_bytes(main_password),
		                    secret_length(main_password));
	}
	if (result != 0) {
		if (request != NULL) {
			secret_free(request->secret);
		}
		free(request);
		return;
	}
	request->operation = OPERATION_RENEW_MAIN;
	request->caller = "";
	request->done = main_renewed;
	service_submit(service, request);
}

int renew_main_step(struct service *service, struct request *request)
{
	if (request->stage == REQUEST_BEGIN) {
		return main_password_work(service, request, NULL);
	}
	int result = request->hashed == 0 ? owner_begin(service) : -EUCLEAN;

	if (result == 0) {
		result = service_end(service, main_password_put(service, request));
	}
	if (result == 0) {
		proof_follow(service, request);
	}
	return result;
}
