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
	request->count++;
	memcpy(request->reached, checked.id, sizeof(request->reached));
	if (request->use != NULL && checked.use_count > 0) {
		result = store_use_each(request->service->store, checked.id, request->use,
		                        request->row_data);
	}
	if (result != 0) {
		return result;
	}
	return request->row(request->row_data, &checked);
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
	}
	return result;
}

/* A page takes the loop long enough to be noticed: others have their turns between its parts. */
int list_step(struct service *service, struct request *request)
{
	const char *after = request->reached;
	int result = 0;

	if (request->abandoned) {
		return -ECANCELED;
	}
	if (request->reached[0] == '\0') {
		after = request->in.after != NULL ? request->in.after : "";
		result = list_begin(service, request);
	}
	if (result != 0) {
		return no_store_is(result, 0);
	}
	uint32_t had = request->count;
	uint32_t left = request->in.limit - had;
	uint32_t rows = left < ROWS_A_TURN ? left : ROWS_A_TURN;

	result = store_password_each(service->store, after, rows, service_now(service), list_row,
	                             request);
	if (result == 0 && rows < left && request->count == had + rows) {
		return STEP_MORE;
	}
	return no_store_is(result, 0);
}

int list_events_step(struct service *service, struct request *request)
{
	int result = check_limit(request);

	if (result != 0) {
		return result;
	}
	gather_flush(service->gather);
	int64_t not_before = request->in.not_before > INT64_MAX ? INT64_MAX
	                                                        : (int64_t)request->in.not_before;

	result = store_event_each(service->store, not_before, request->in.before, request->in.id,
	                          request->in.limit, request->event, request->row_data);
	return no_store_is(result, 0);
}
