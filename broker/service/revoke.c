/* SPDX-License-Identifier: MIT */
/*
 * Ending passwords: one, or all that match a filter, in one transaction. Loop thread. When the
 * reply is sent the row is gone from the disk, so every process that verifies from then on refuses
 * it.
 *
 * Ten thousand in one turn would keep everybody waiting for a second: so the transaction of "all"
 * stays open over many turns. Meanwhile nobody else reads or writes the store (service_step), since
 * on this connection he would see half of it. Refused: a transaction for each portion, after which
 * some were ended and some were not.
 */
#include <errno.h>
#include <limits.h>
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

/* All that match a filter: so many a turn of the loop in a transaction that stays open, then the
 * news of them. */
#define ROWS_A_TURN 100u

struct ended {
	char id[24];
	char label[LIMIT_LABEL_BYTES + 1];
};

struct revocation {
	unsigned int attempts;
	bool is_walked; /* there is no password left to end */
	bool is_committed;
	unsigned int count;
	unsigned int room;
	struct ended *rows;
	unsigned int told;
};

/* What one turn ends: walked first, since a walk may not write. */
struct portion {
	const struct request *request;
	unsigned int count;
	struct store_password rows[ROWS_A_TURN];
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

/* Uses still gathered count: the store may have had no room for them. */
static bool is_used_since(const struct request *request, const struct store_password *password)
{
	uint64_t since = request->in.unused_since;
	int64_t used_at = password->last_used_at != 0 ? password->last_used_at
	                                              : password->created_at;

	return (uint64_t)used_at >= since ||
	       (uint64_t)gather_last_use(request->service->gather, password->id) >= since;
}

static bool matches_filter(const struct request *request, const struct store_password *password)
{
	const struct request_arguments *in = &request->in;

	if (in->scope != NULL && !scope_set_has(&password->scopes, request->scope)) {
		return false;
	}
	if (in->account != NULL && strcmp(in->account, password->account) != 0) {
		return false;
	}
	if (in->has_unused_since && is_used_since(request, password)) {
		return false;
	}
	if (in->has_created_before && (uint64_t)password->created_at >= in->created_before) {
		return false;
	}
	return !is_kept(in, password->id);
}

static int match_row(void *data, const struct store_password *password)
{
	struct portion *portion = data;

	if (matches_filter(portion->request, password)) {
		portion->rows[portion->count++] = *password;
	}
	return 0;
}

static int keep_ended(struct revocation *revocation, const struct store_password *password)
{
	if (revocation->count == revocation->room) {
		unsigned int room = revocation->room == 0 ? 64 : 2 * revocation->room;
		struct ended *rows = reallocarray(revocation->rows, room, sizeof(*rows));

		if (rows == NULL) {
			return -ENOMEM;
		}
		revocation->rows = rows;
		revocation->room = room;
	}
	struct ended *row = &revocation->rows[revocation->count++];

	memcpy(row->id, password->id, sizeof(row->id));
	memcpy(row->label, password->label, sizeof(row->label));
	return 0;
}

/* 0: that was the last portion. */
static int end_portion(struct service *service, struct request *request)
{
	struct portion *portion = calloc(1, sizeof(*portion));
	int result = portion == NULL ? -ENOMEM : 0;
	bool has_more = false;

	if (result == 0) {
		portion->request = request;
		result = store_password_each(service->store, request->reached, ROWS_A_TURN,
		                             service_now(service), match_row, portion, &has_more);
	}
	for (unsigned int i = 0; result == 0 && i < portion->count; i++) {
		result = end_one(service, &portion->rows[i]);
		if (result == 0) {
			result = keep_ended(request->revocation, &portion->rows[i]);
		}
	}
	free(portion);
	return result == 0 && has_more ? STEP_MORE : result;
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

static int begin_all(struct service *service, struct request *request)
{
	int result = gather_flush(service->gather);

	if (result == -EBUSY ||
	    (result < 0 && request->in.has_unused_since && gather_has_lost_use(service->gather))) {
		return result; /* a use nobody knows of would make a password look unused */
	}
	result = store_begin_revocation(service->store);
	if (result == 0) {
		service->writer = request;
		request->reached[0] = '\0';
		request->revocation->count = 0;
		request->revocation->is_walked = false;
	}
	return result;
}

/* A full disk may say so at any step, and the second try finds the reserve freed. */
static int end_some(struct service *service, struct request *request)
{
	struct revocation *revocation = request->revocation;
	int result = service->writer == request ? 0 : begin_all(service, request);

	if (result == 0) {
		result = revocation->is_walked ? 0 : end_portion(service, request);
		if (result == 0) {
			revocation->is_walked = true;
			result = owner_in_revocation(service, request);
		}
		if (result == STEP_MORE) {
			return result;
		}
		service->writer = NULL;
		result = service_end(service, result);
		if (result == 0) {
			owner_after_revocation(service, request);
		}
	}
	revocation->is_committed = result == 0;
	if (result == -ENOSPC && ++revocation->attempts < 2) {
		return STEP_MORE;
	}
	return result == 0 ? STEP_MORE : result;
}

static int tell_some(struct service *service, struct request *request, unsigned int most)
{
	struct revocation *revocation = request->revocation;

	for (; revocation->told < revocation->count && most > 0; revocation->told++, most--) {
		const struct ended *row = &revocation->rows[revocation->told];

		news_ended(service->news, row->id, row->label, ENDED_REVOKED_WITH_OTHERS);
	}
	request->count = revocation->count;
	return revocation->told < revocation->count ? STEP_MORE : 0;
}

int revoke_all_step(struct service *service, struct request *request)
{
	int result = 0;

	if (request->revocation == NULL) {
		result = check_filter(request);
		if (result != 0) {
			return result;
		}
		request->revocation = calloc(1, sizeof(*request->revocation));
		if (request->revocation == NULL) {
			return -ENOMEM;
		}
	}
	if (request->revocation->is_committed) {
		return tell_some(service, request, ROWS_A_TURN);
	}
	result = end_some(service, request);
	return result == SPAREKEY_NOT_INITIALIZED && request->operation == OPERATION_REVOKE_ALL
	               ? 0
	               : result;
}

int revocation_end(struct service *service, struct request *request, int result)
{
	struct revocation *revocation = request->revocation;

	if (service->writer == request) {
		service->writer = NULL;
		store_rollback(service->store);
	} else if (revocation->is_committed) {
		tell_some(service, request, UINT_MAX);
		result = 0; /* whatever has ended the telling of it */
	}
	free(revocation->rows);
	free(revocation);
	request->revocation = NULL;
	return result;
}
