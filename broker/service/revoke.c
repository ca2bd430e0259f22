/* SPDX-License-Identifier: MIT */
/*
 * Ending passwords: one, or all that match a filter, in one transaction. Loop thread. When the
 * reply is sent the row is gone from the disk, so every process that verifies from then on refuses
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/label.h"
#include "service/internal.h"
#include "sparekey.h"

static int end_one(struct service *service, const struct store_password *password)
{
	int result = store_password_delete(service->store, password->id);

	return result == 0 ? journal_append(service, "revoked", password) : result;
}

static int revoke_in_transaction(struct service *service, void *data)
{
	struct request *request = data;
	int result = store_password_get(service->store, request->in.id, &request->password);

	if (result == 0 && !service_is_live(service, &request->password)) {
		result = SPAREKEY_UNKNOWN_OBJECT;
	}
	if (result == SPAREKEY_UNKNOWN_OBJECT) {
		return service_say(request, result, "no such password");
	}
	return result == 0 ? end_one(service, &request->password) : result;
}

int revoke_step(struct service *service, struct request *request)
{
	gather_flush(service->gather); /* the journal keeps the order of what happened */
	int result = service_revoke(service, revoke_in_transaction, request);

	if (result == SPAREKEY_NOT_INITIALIZED) {
		return service_say(request, SPAREKEY_UNKNOWN_OBJECT, "no such password");
	}
	if (result == 0) {
		if (service->warm != NULL) {
			warm_forget(service->warm, request->password.id);
		}
		news_ended(service->news, request->password.id, request->password.label,
		           ENDED_REVOKED);
	}
	return result;
}

/* The ones that match a filter, gathered before the first is deleted. */
struct matches {
	struct request *request;
	unsigned int count;
	unsigned int room;
	struct ended *rows;
};

struct ended {
	char id[24];
	char label[LIMIT_LABEL_BYTES + 1];
	char account[LIMIT_ACCOUNT_BYTES + 1];
};

static int compare_ids(const void *id, const void *kept)
{
	return strcmp(id, ((const struct request_id *)kept)->text);
}

static bool is_kept(const struct request_arguments *in, const char *id)
{
	return in->except_count > 0 &&
	       bsearch(id, in->except, in->except_count, sizeof(*in->except), compare_ids) != NULL;
}

static bool matches_filter(const struct request_arguments *in, const char *scope,
                           const struct store_password *password)
{
	int64_t used_at = password->last_used_at != 0 ? password->last_used_at
	                                              : password->created_at;

	if (in->scope != NULL && !scope_set_has(&password->scopes, scope)) {
		return false;
	}
	if (in->account != NULL && strcmp(in->account, password->account) != 0) {
		return false;
	}
	if (in->has_unused_since && (uint64_t)used_at >= in->unused_since) {
		return false;
	}
	if (in->has_created_before && (uint64_t)password->created_at >= in->created_before) {
		return false;
	}
	return !is_kept(in, password->id);
}

static int match_row(void *data, const struct store_password *password)
{
	struct matches *matches = data;

	if (!matches_filter(&matches->request->in, matches->request->scope, password)) {
		return 0;
	}
	if (matches->count == matches->room) {
		unsigned int room = matches->room == 0 ? 64 : 2 * matches->room;
		struct ended *rows = reallocarray(matches->rows, room, sizeof(*rows));

		if (rows == NULL) {
			return -ENOMEM;
		}
		matches->rows = rows;
		matches->room = room;
	}
	struct ended *row = &matches->rows[matches->count++];

	memcpy(row->id, password->id, sizeof(row->id));
	memcpy(row->label, password->label, sizeof(row->label));
	memcpy(row->account, password->account, sizeof(row->account));
	return 0;
}

static int end_matches(struct service *service, void *data)
{
	struct matches *matches = data;
	int result = 0;

	matches->count = 0;
	result = store_password_each(service->store, "", 0, service_now(service), match_row,
	                             matches);
	for (unsigned int i = 0; i < matches->count && result == 0; i++) {
		struct store_password *password = &matches->request->password;

		*password = (struct store_password){ 0 };
		memcpy(password->id, matches->rows[i].id, sizeof(password->id));
		memcpy(password->label, matches->rows[i].label, sizeof(password->label));
		memcpy(password->account, matches->rows[i].account, sizeof(password->account));
		result = end_one(service, password);
	}
	return result;
}

static int check_filter(struct request *request)
{
	if (request->in.account != NULL && account_check(request->in.account) != 0) {
		return service_say(request, SPAREKEY_INVALID_ARGS,
		                   "account: over 255 bytes, or with control characters");
	}
	if (request->in.scope == NULL) {
		return 0;
	}
	if (scope_read(request->in.scope, request->scope) != 0) {
		return service_say(request, SPAREKEY_INVALID_SCOPE,
		                   "scope: not [a-z0-9][a-z0-9-]* of at most 32 bytes");
	}
	return 0;
}

int revoke_all_step(struct service *service, struct request *request)
{
	struct matches matches = { .request = request };
	int result = check_filter(request);

	if (result != 0) {
		return result;
	}
	if (gather_flush(service->gather) == -EBUSY) {
		return -EBUSY; /* a last use not yet written would make a password look unused */
	}
	result = service_revoke(service, end_matches, &matches);
	if (result == SPAREKEY_NOT_INITIALIZED) {
		result = 0;
	}
	if (result == 0) {
		request->count = matches.count;
		for (unsigned int i = 0; i < matches.count; i++) {
			news_ended(service->news, matches.rows[i].id, matches.rows[i].label,
			           ENDED_REVOKED_WITH_OTHERS);
		}
	}
	free(matches.rows);
	return result;
}
