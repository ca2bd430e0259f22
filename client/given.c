/* SPDX-License-Identifier: MIT */
/*
 * What is given with a request, judged before anything is made of it: whether all is there that the
 * operation cannot do without, and nothing that a later version of this library would understand.
 * The caller's thread.
 */
#include <string.h>

#include "client/client.h"

static bool are_texts(const char *const *texts, unsigned int count)
{
	if (count > 0 && texts == NULL) {
		return false;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (texts[i] == NULL) {
			return false;
		}
	}
	return true;
}

bool given_is_id(const char *id)
{
	size_t length = strspn(id, "_0123456789abcdefghijklmnopqrstuvwxyz");

	return length > 0 && length < SPAREKEY_ID_SIZE && id[length] == '\0';
}

static bool is_wish(const struct sparekey_wish *wish)
{
	return wish != NULL && wish->label != NULL && wish->expires_at >= 0 &&
	       are_texts(wish->scopes, wish->scopes_count);
}

/* One that asks for nothing in particular would end everything: that must be meant. */
static bool is_filter(const struct sparekey_filter *filter)
{
	if (filter == NULL || filter->unused_since < 0 || filter->created_before < 0 ||
	    !are_texts(filter->except, filter->except_count)) {
		return false;
	}
	for (unsigned int i = 0; i < filter->except_count; i++) {
		if (!given_is_id(filter->except[i])) {
			return false;
		}
	}
	return filter->all || filter->scope != NULL || filter->account != NULL ||
	       filter->unused_since > 0 || filter->created_before > 0;
}

/* What is reserved is what a later version asks for, and this one cannot give. */
#define ASKS_NO_MORE(given) (memcmp((given)->reserved, nothing, sizeof((given)->reserved)) == 0)

static bool is_of_this_version(const struct sparekey_request *request)
{
	static const uint64_t nothing[sizeof(request->reserved) / sizeof(request->reserved[0])];
	enum sparekey_operation operation = request->operation;

	return ASKS_NO_MORE(request) &&
	       (operation != SPAREKEY_OP_CREATE || ASKS_NO_MORE(request->wish)) &&
	       (operation != SPAREKEY_OP_REVOKE_ALL || ASKS_NO_MORE(request->filter)) &&
	       (operation != SPAREKEY_OP_VERIFY || request->check == NULL ||
	        ASKS_NO_MORE(request->check));
}

/* Whether what the operation cannot do without is there, and all that is there can be said. */
static bool is_complete(const struct sparekey_request *request)
{
	switch (request->operation) {
	case SPAREKEY_OP_NONE:
		return false;
	case SPAREKEY_OP_CREATE:
		return is_wish(request->wish);
	case SPAREKEY_OP_FIND:
	case SPAREKEY_OP_CONFIRM_TOTP:
		return request->name != NULL;
	case SPAREKEY_OP_RENAME:
		return request->id != NULL && request->name != NULL;
	case SPAREKEY_OP_SET_SCOPES:
		return request->id != NULL && are_texts(request->scopes, request->scopes_count);
	case SPAREKEY_OP_SET_EXPIRY:
		return request->id != NULL && request->expires_at >= 0;
	case SPAREKEY_OP_GET:
	case SPAREKEY_OP_REVOKE:
	case SPAREKEY_OP_FREEZE:
	case SPAREKEY_OP_THAW:
		return request->id != NULL;
	case SPAREKEY_OP_REVOKE_ALL:
		return is_filter(request->filter);
	case SPAREKEY_OP_VERIFY:
		return request->secret != NULL && request->scope != NULL;
	case SPAREKEY_OP_IDENTIFY:
	case SPAREKEY_OP_INITIALIZE:
	case SPAREKEY_OP_AUTHENTICATE:
	case SPAREKEY_OP_CHANGE_MAIN_PASSWORD:
		return request->secret != NULL;
	case SPAREKEY_OP_SETTINGS:
		return request->row != NULL;
	case SPAREKEY_OP_LIST_EVENTS:
		return request->not_before >= 0 && request->before >= 0 &&
		       (request->id == NULL || given_is_id(request->id));
	case SPAREKEY_OP_REACH:
	case SPAREKEY_OP_LIST:
	case SPAREKEY_OP_VERSION:
	case SPAREKEY_OP_OWNER:
	case SPAREKEY_OP_LOCK:
	case SPAREKEY_OP_ENROLL_TOTP:
	case SPAREKEY_OP_REMOVE_TOTP:
	case SPAREKEY_OP_GENERATE_CODES:
	case SPAREKEY_OP_ERASE:
		return true;
	}
	return false;
}

int given_check(const struct sparekey_request *request)
{
	if (!is_complete(request)) {
		return SPAREKEY_INVALID_ARGS;
	}
	return is_of_this_version(request) ? 0 : SPAREKEY_NOT_SUPPORTED;
}
