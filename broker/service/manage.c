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

/* Changes request->password in the transaction; 0 with `*ret_kind` NULL: nothing to do. */
typedef int change_fn(struct service *service, struct request *request, const char **ret_kind);

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

static int change_in_transaction(struct service *service, struct request *request,
                                 change_fn *change, const char **ret_kind)
{
	int result = load(service, request);

	if (result == 0 && request->password.state == STORE_STATE_DAMAGED) {
		return service_say(request, SPAREKEY_WRONG_STATE,
		                   "its record is damaged: it can only be revoked");
	}
	if (result == 0) {
		result = change(service, request, ret_kind);
	}
	if (result == 0 && *ret_kind != NULL) {
		result = store_password_update(service->store, &request->password);
	}
	if (result == 0 && *ret_kind != NULL) {
		result = journal_append(service, *ret_kind, &request->password);
	}
	return result;
}

static int change_step(struct service *service, struct request *request, change_fn *change,
                       unsigned int changed)
{
	const char *kind = NULL;
	bool restrict_only = request->operation == OPERATION_FREEZE;

	gather_flush(service->gather); /* the journal keeps the order of what happened */
	int result = restrict_only ? store_begin_revocation(service->store)
	                           : store_begin(service->store);

	if (result == SPAREKEY_NOT_INITIALIZED) {
		return service_say(request, SPAREKEY_UNKNOWN_OBJECT, "no such password");
	}
	if (result != 0) {
		return result;
	}
	result = change_in_transaction(service, request, change, &kind);
	if (result == 0 && kind == NULL) {
		store_rollback(service->store);
		return 0;
	}
	result = service_end(service, result);
	if (result == 0) {
		news_changed(service->news, &request->password, changed);
	}
	return result;
}

static int rename_change(struct service *service, struct request *request, const char **ret_kind)
{
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
		*ret_kind = "renamed";
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

static int scopes_change(struct service *service, struct request *request, const char **ret_kind)
{
	(void)service;
	if (!scope_set_equal(&request->in.scopes, &request->password.scopes)) {
		request->password.scopes = request->in.scopes;
		*ret_kind = "scopes-changed";
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

static int expiry_change(struct service *service, struct request *request, const char **ret_kind)
{
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
		request->password.expires_at = expires_at;
		*ret_kind = "expiry-changed";
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

static int freeze_change(struct service *service, struct request *request, const char **ret_kind)
{
	(void)service;
	if (request->password.state != STORE_STATE_FROZEN) {
		request->password.state = STORE_STATE_FROZEN;
		*ret_kind = "frozen";
	}
	return 0;
}

int freeze_step(struct service *service, struct request *request)
{
	return change_step(service, request, freeze_change, CHANGED_STATE);
}

static int thaw_change(struct service *service, struct request *request, const char **ret_kind)
{
	(void)service;
	if (request->password.state == STORE_STATE_FROZEN) {
		request->password.state = STORE_STATE_ACTIVE;
		*ret_kind = "thawed";
	}
	return 0;
}

int thaw_step(struct service *service, struct request *request)
{
	return change_step(service, request, thaw_change, CHANGED_STATE);
}
