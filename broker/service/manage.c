/* SPDX-License-Identifier: MIT */
/*
 * What changes or ends a password: one transaction each, record and journal together; the news
 * follows the commit. Loop thread. Taking access away goes by store_begin_revocation, which still
 * works on a full disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/label.h"
#include "service/internal.h"
#include "sparekey.h"

/* One change of one password. */
struct change {
	struct request *request;
	/* Changes request->password in the transaction and says what the journal calls it. */
	int (*apply)(struct service *service, struct change *change);
	const char *kind; /* NULL: there is nothing to do */
	bool narrows;     /* it takes access away and gives none */
	bool widens;      /* it gives access: the owner's proof is needed */
};

static int load(struct service *service, struct request *request)
{
	int result = store_password_get(service->store, request->in.id, &request->password);

	if (result == 0) {
		service_check_record(&request->password);
		if (!service_is_live(service, &request->password)) {
			result = SPAREKEY_UNKNOWN_OBJECT;
		}
	}
	if (result == SPAREKEY_UNKNOWN_OBJECT) {
		return service_say(request, result, "no such password");
	}
	return result;
}

static int change_in_transaction(struct service *service, void *data)
{
	struct change *change = data;
	struct request *request = change->request;
	int result = load(service, request);

	change->kind = NULL;
	if (result == 0 && request->password.state == STORE_STATE_DAMAGED) {
		return service_say(request, SPAREKEY_WRONG_STATE,
		                   "its record is damaged: it can only be revoked");
	}
	if (result == 0) {
		result = change->apply(service, change);
	}
	if (result == 0 && change->kind != NULL && change->widens) {
		result = proof_admit_more(service, request);
	}
	if (result == 0 && change->kind != NULL) {
		result = store_password_update(service->store, &request->password);
	}
	if (result == 0 && change->kind != NULL) {
		result = journal_append(service, change->kind, &request->password);
	}
	return result;
}

/* What takes access away still works on a full disk; only for that the reserve is given up. */
static int change_in_store(struct service *service, struct change *change)
{
	int result = change->narrows ? -ENOSPC : store_begin(service->store);

	if (result == 0) {
		result = service_end(service, change_in_transaction(service, change));
	}
	if (result == -ENOSPC && change->narrows) {
		result = service_revoke(service, change_in_transaction, change);
	}
	return result;
}

static int change_step(struct service *service, struct request *request,
                       int (*apply)(struct service *service, struct change *change),
                       unsigned int changed)
{
	struct change change = { .request = request,
		                 .apply = apply,
		                 .narrows = request->operation == OPERATION_FREEZE };

	gather_flush(service->gather); /* the journal keeps the order of what happened */
	int result = change_in_store(service, &change);

	if (result == SPAREKEY_NOT_INITIALIZED) {
		return service_say(request, SPAREKEY_UNKNOWN_OBJECT, "no such password");
	}
	if (result == 0 && change.kind != NULL) {
		news_changed(service->news, &request->password, changed);
	}
	return result;
}

static int rename_change(struct service *service, struct change *change)
{
	struct request *request = change->request;
	char label[LIMIT_LABEL_BYTES + 1];
	int result = label_read(request->in.text, label);

	if (result == 0) {
		result = policy_label_free(service, label, request->password.account,
		                           request->password.id);
	}
	if (result == SPAREKEY_LABEL_IN_USE) {
		return service_say(request, result,
		                   "another live password of that account has that label");
	}
	if (result == 0 && strcmp(label, request->password.label) != 0) {
		snprintf(request->password.label, sizeof(request->password.label), "%s", label);
		change->kind = "renamed";
	}
	return result;
}

int rename_step(struct service *service, struct request *request)
{
	char label[LIMIT_LABEL_BYTES + 1];

	if (label_read(request->in.text, label) != 0) {
		return service_say(
			request, SPAREKEY_INVALID_LABEL,
			"the label is empty, too long, or has characters it may not have");
	}
	return change_step(service, request, rename_change, CHANGED_LABEL);
}

static int scopes_change(struct service *service, struct change *change)
{
	struct request *request = change->request;
	(void)service;
	if (!scope_set_equal(&request->in.scopes, &request->password.scopes)) {
		change->narrows = scope_set_within(&request->in.scopes, &request->password.scopes);
		change->widens = !change->narrows;
		request->password.scopes = request->in.scopes;
		change->kind = "scopes-changed";
	}
	return 0;
}

int set_scopes_step(struct service *service, struct request *request)
{
	if (request->in.bad_scopes) {
		return service_say(request, SPAREKEY_INVALID_SCOPE,
		                   "a scope is not [a-z0-9][a-z0-9-]* of at most 32 bytes");
	}
	return change_step(service, request, scopes_change, CHANGED_SCOPES);
}

static int expiry_change(struct service *service, struct change *change)
{
	struct request *request = change->request;
	int64_t expires_at = 0;

	/* 0 on one that never expires is no change, so max-lifetime has no say. */
	if (request->in.expires_at == 0 && request->password.expires_at == 0) {
		return 0;
	}
	int result = policy_expiry(service, request, &expires_at);

	if (result != 0) {
		return service_say(request, result, "in the past, or beyond max-lifetime");
	}
	if (expires_at != request->password.expires_at) {
		change->narrows = expires_at != 0 && (request->password.expires_at == 0 ||
		                                      expires_at < request->password.expires_at);
		change->widens = !change->narrows;
		request->password.expires_at = expires_at;
		change->kind = "expiry-changed";
	}
	return 0;
}

int set_expiry_step(struct service *service, struct request *request)
{
	int64_t expires_at = 0;

	request->in.has_expires_at = true;
	if (request->in.expires_at != 0 && policy_expiry(service, request, &expires_at) != 0) {
		return service_say(request, SPAREKEY_INVALID_EXPIRY,
		                   "in the past, or beyond max-lifetime");
	}
	int result = change_step(service, request, expiry_change, CHANGED_EXPIRES_AT);

	if (result == 0) {
		sweep_plan(service);
	}
	return result;
}

static int freeze_change(struct service *service, struct change *change)
{
	struct request *request = change->request;
	(void)service;
	if (request->password.state != STORE_STATE_FROZEN) {
		request->password.state = STORE_STATE_FROZEN;
		change->kind = "frozen";
	}
	return 0;
}

int freeze_step(struct service *service, struct request *request)
{
	return change_step(service, request, freeze_change, CHANGED_STATE);
}

static int thaw_change(struct service *service, struct change *change)
{
	struct request *request = change->request;
	(void)service;
	if (request->password.state == STORE_STATE_FROZEN) {
		request->password.state = STORE_STATE_ACTIVE;
		change->widens = true;
		change->kind = "thawed";
	}
	return 0;
}

int thaw_step(struct service *service, struct request *request)
{
	return change_step(service, request, thaw_change, CHANGED_STATE);
}
