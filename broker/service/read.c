/* SPDX-License-Identifier: MIT */
/*
 * What only reads: find, get, list, events. Loop thread. Uses still gathered are written first, so
 * that an answer never lags behind a verification; where they cannot be written the answer is given
 * all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/label.h"
#include "service/internal.h"
#include "sparekey.h"

#define ROWS_A_TURN 200u

static int check_limit(struct request *request)
{
	if (request->in.limit == 0 || request->in.limit > LIMIT_PAGE_ROWS) {
		return service_say(request, SPAREKEY_INVALID_ARGS, "limit: 1 to 1000");
	}
	return 0;
}

static int no_store_is(int result, int instead)
{
	return result == SPAREKEY_NOT_INITIALIZED ? instead : result;
}

static int find_by_label(struct service *service, const struct request *request,
                         char ret_id[static 24])
{
	char label[LIMIT_LABEL_BYTES + 1];
	char key[LIMIT_LABEL_KEY_BYTES + 1];

	if (label_read(request->in.text, label) != 0 || label_fold(label, key) != 0) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	return store_password_find(service->store, key, request->in.account, service_now(service),
	                           ret_id);
}

static int find_by_id(struct service *service, struct request *request)
{
	if (strnlen(request->in.text, sizeof(request->password.id)) ==
	    sizeof(request->password.id)) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	int result = store_password_get(service->store, request->in.text, &request->password);

	if (result != 0) {
		return result;
	}
	if (!service_is_live(service, &request->password) ||
	    (request->in.account != NULL &&
	     strcmp(request->in.account, request->password.account) != 0)) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	return 0;
}

int find_step(struct service *service, struct request *request)
{
	char id[24];

	if (request->in.account != NULL && account_check(request->in.account) != 0) {
		return service_say(request, SPAREKEY_INVALID_ARGS,
		                   "option account: over 255 bytes, or with control characters");
	}
	int result = find_by_label(service, request, id);

	if (result == 0) {
		snprintf(request->password.id, sizeof(request->password.id), "%s", id);
	} else if (result == SPAREKEY_UNKNOWN_OBJECT) {
		result = find_by_id(service, request);
	} else if (result == SPAREKEY_INVALID_ARGS) {
		return service_say(request, result,
		                   "several accounts have that label: option account is needed");
	}
	result = no_store_is(result, SPAREKEY_UNKNOWN_OBJECT);
	return result == SPAREKEY_UNKNOWN_OBJECT ? service_say(request, result, "no such password")
	                                         : result;
}

int get_step(struct service *service, struct request *request)
{
	gather_flush(service->gather);
	int result = store_password_get(service->store, request->in.id, &request->password);

	result = no_store_is(result, SPAREKEY_UNKNOWN_OBJECT);
	if (result == 0 && !service_is_live(service, &request->password)) {
		result = SPAREKEY_UNKNOWN_OBJECT;
	}
	if (result != 0) {
		return result == SPAREKEY_UNKNOWN_OBJECT
		               ? service_say(request, result, "no such password")
		               : result;
	}
	service_check_record(&request->password);
	if (request->use != NULL) {
		return store_use_each(service->store, request->password.id, request->use,
		                      request->row_data);
	}
	return 0;
}

static int list_row(void *data, const struct store_password *password)
{
	struct request *request = data;
	struct store_password checked = *password;
	int result = 0;

	service_check_record(&checked);
	if (request->use != NULL && checked.use_count > 0) {
		result = store_use_each(request->service->store, checked.id, request->use,
		                        request->row_data);
	}
	if (result == 0) {
		result = request->row(request->row_data, &checked);
	}
	request->count += result == 0 ? 1 : 0;
	return result;
}

/* What is looked at once, before the first row. */
static int list_begin(struct service *service, struct request *request)
{
	uint32_t count = 0;
	int result = 0;

	if (!request->in.everything) {
		result = check_limit(request);
	} else {
		result = store_password_count(service->store, service_now(service), &count);
		request->in.limit = LIMIT_PAGE_ROWS;
	}
	if (result == 0 && count > LIMIT_PAGE_ROWS) {
		result = SPAREKEY_LIMIT_EXCEEDED;
	}
	if (result == 0) {
		gather_flush(service->gather);
		request->count = 0;
		request->has_begun = true;
		journal_text(request->reached, sizeof(request->reached), request->in.after);
	}
	return result;
}

/* How many rows the next part may hand out. */
static uint32_t rows_left(const struct request *request)
{
	uint32_t left = request->in.limit - request->count;

	return left < ROWS_A_TURN ? left : ROWS_A_TURN;
}

/* What a part ends with. */
static int next_part(const struct request *request, int result, bool has_more)
{
	if (result == 0 && has_more && request->count < request->in.limit) {
		return STEP_MORE;
	}
	return no_store_is(result, 0);
}

/* A page takes the loop long enough to be noticed, and so does the way to it: others have their
 * turns between its parts. */
int list_step(struct service *service, struct request *request)
{
	bool has_more = false;
	int result = request->has_begun ? 0 : list_begin(service, request);

	if (request->abandoned) {
		return -ECANCELED;
	}
	if (result == 0) {
		result = store_password_each(service->store, request->reached, rows_left(request),
		                             service_now(service), list_row, request, &has_more);
	}
	return next_part(request, result, has_more);
}

static int list_event(void *data, const struct store_event *event)
{
	struct request *request = data;
	int result = request->event(request->row_data, event);

	request->count += result == 0 ? 1 : 0;
	return result;
}

static int list_events_begin(struct service *service, struct request *request)
{
	int result = check_limit(request);

	if (result == 0) {
		gather_flush(service->gather);
		request->count = 0;
		request->has_begun = true;
		request->serial = request->in.before > 0 ? request->in.before : INT64_MAX;
	}
	return result;
}

int list_events_step(struct service *service, struct request *request)
{
	bool has_more = false;
	int64_t not_before = request->in.not_before > INT64_MAX ? INT64_MAX
	                                                        : (int64_t)request->in.not_before;
	int result = request->has_begun ? 0 : list_events_begin(service, request);

	if (request->abandoned) {
		return -ECANCELED;
	}
	if (result == 0) {
		result = store_event_each(service->store, not_before, &request->serial,
		                          request->in.id, rows_left(request), list_event, request,
		                          &has_more);
	}
	return next_part(request, result, has_more);
}
