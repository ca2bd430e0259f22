/* SPDX-License-Identifier: MIT */
/*
 * Making a password: check, draw, hash on a worker, then one transaction for record and journal.
 * Loop thread. What can change while the hash is under way (label, number, the caller itself) is
 * checked again inside the transaction. Refused: reserving the label before hashing; a caller who
 * dies would hold it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/random.h"
#include "protocol/label.h"
#include "service/internal.h"
#include "sparekey.h"

/* Everything that can be refused by the arguments alone. Fills request->password. */
static int check_arguments(struct service *service, struct request *request)
{
	struct store_password *password = &request->password;

	*password = (struct store_password){ .state = STORE_STATE_ACTIVE,
		                             .created_at = service_now(service) };
	int result = label_read(request->in.text, password->label);

	if (result != 0) {
		return service_say(
			request, result,
			"the label is empty, too long, or has characters it may not have");
	}
	result = policy_scopes(service, request, &password->scopes);
	if (result != 0) {
		return service_say(request, result,
		                   "a scope is not [a-z0-9][a-z0-9-]* of at most 32 bytes");
	}
	const char *account = request->in.account != NULL ? request->in.account : "";

	result = account_check(account);
	if (result != 0) {
		return service_say(request, result,
		                   "option account: over 255 bytes, or with control characters");
	}
	snprintf(password->account, sizeof(password->account), "%s", account);
	result = policy_expiry(service, request, &password->expires_at);
	if (result != 0) {
		return service_say(request, result,
		                   "option expires_at: in the past, or beyond max-lifetime");
	}
	return 0;
}

static int check_store(struct service *service, struct request *request)
{
	uint32_t count = 0;
	int result = store_password_count(service->store, service_now(service), &count);

	if (result == SPAREKEY_NOT_INITIALIZED) {
		return 0;
	}
	if (result == 0) {
		result = policy_label_free(service, request->password.label,
		                           request->password.account, "");
	}
	if (result == 0 && count >= service->settings.max_passwords) {
		return service_say(request, SPAREKEY_LIMIT_EXCEEDED, "max-passwords is reached");
	}
	if (result == SPAREKEY_LABEL_IN_USE) {
		return service_say(request, result,
		                   "another live password of that account has that label");
	}
	return result;
}

/* Draws the text and the salt, and sends them to be hashed. */
static int draw(struct service *service, struct request *request)
{
	uint8_t symbols[PASSWORD_RANDOM];
	int result = random_symbols(symbols, sizeof(symbols));

	if (result == 0) {
		result = random_bytes(request->phc.salt, sizeof(request->phc.salt));
	}
	if (result == 0 && request->secret == NULL) {
		result = secret_new(service->pool, &request->secret);
	}
	if (result == 0) {
		password_compose(symbols, request->secret);
		snprintf(request->password.id, sizeof(request->password.id), "%.5s",
		         (const char *)secret_bytes(request->secret));
		request->phc.cost = service_cost(service);
		result = service_hash(service, request, false);
	}
	explicit_bzero(symbols, sizeof(symbols));
	return result;
}

static int insert(struct service *service, struct request *request)
{
	int result = proof_admit(service, request); /* it may have ended during the hash */

	if (result == 0) {
		result = check_store(service, request);
	}
	if (result == 0) {
		result = store_password_insert(service->store, &request->password);
	}
	if (result == 0) {
		result = journal_append(service, "created", &request->password);
	}
	return result;
}

static int commit(struct service *service, struct request *request)
{
	if (request->abandoned) {
		return -ECANCELED;
	}
	phc_format(&request->phc, request->password.hash);
	int result = store_make(service->store);

	if (result == 0) {
		result = store_begin(service->store);
	}
	if (result == 0) {
		result = service_end(service, insert(service, request));
	}
	return result;
}

int create_step(struct service *service, struct request *request)
{
	if (request->stage == REQUEST_BEGIN) {
		int result = check_arguments(service, request);

		if (result == 0) {
			result = check_store(service, request);
		}
		return result == 0 ? draw(service, request) : result;
	}
	int result = commit(service, request);

	if (result == -EEXIST) { /* the id is taken: one in 33 million for each that exists */
		request->stage = REQUEST_BEGIN;
		return draw(service, request);
	}
	if (result == 0) {
		sweep_plan(service);
		news_created(service->news, &request->password);
	}
	return result;
}
