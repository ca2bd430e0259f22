/* SPDX-License-Identifier: MIT */
/*
 * Replies as answers. The caller's thread. The signature of a reply is checked before it is read: a
 * broker of another make, or a liar, is told apart from an answer here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/client.h"
#include "client/record.h"
#include "protocol/codec.h"

#define INITIALIZED_YES 2u /* Owner.Initialized */

typedef int read_fn(struct call *call, DBusMessageIter *body);

static int read_nothing(struct call *call, DBusMessageIter *body)
{
	(void)call;
	(void)body;
	return 0;
}

/* Only a pipe can be read without ever waiting for its other end. */
static int read_secret(struct call *call, DBusMessageIter *body)
{
	struct stat status;
	int fd = -1;

	dbus_message_iter_get_basic(body, &fd);
	if (fd < 0) {
		return SPAREKEY_FAILED;
	}
	call->secret_fd = fd;
	if (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode)) {
		return SPAREKEY_FAILED;
	}
	return sparekey_secret_new(&call->answer.secret);
}

static int read_created(struct call *call, DBusMessageIter *body)
{
	record_id(body, call->answer.id);
	dbus_message_iter_next(body);
	return read_secret(call, body);
}

static int read_id(struct call *call, DBusMessageIter *body)
{
	record_id(body, call->answer.id);
	return 0;
}

static int read_password(struct call *call, DBusMessageIter *body)
{
	record_password(body, &call->answer.password);
	return 0;
}

static int read_count(struct call *call, DBusMessageIter *body)
{
	uint32_t count = 0;

	codec_read_uint32(body, &count);
	call->answer.count = count;
	return 0;
}

static int read_list(struct call *call, DBusMessageIter *body)
{
	struct sparekey_list *list = &call->answer.list;
	int count = dbus_message_iter_get_element_count(body);
	DBusMessageIter row;
	DBusMessageIter field;

	if (count > (int)LIMIT_PAGE_ROWS) {
		return SPAREKEY_FAILED;
	}
	list->rows = calloc((size_t)count + 1, sizeof(*list->rows));
	if (list->rows == NULL) {
		return -ENOMEM;
	}
	dbus_message_iter_recurse(body, &row);
	for (int i = 0; i < count; i++) {
		dbus_message_iter_recurse(&row, &field);
		dbus_message_iter_next(&field);
		record_password(&field, &list->rows[list->count++]);
		dbus_message_iter_next(&row);
	}
	return 0;
}

static int read_events(struct call *call, DBusMessageIter *body)
{
	struct sparekey_events *events = &call->answer.events;
	int count = dbus_message_iter_get_element_count(body);
	DBusMessageIter row;

	if (count > (int)LIMIT_PAGE_ROWS) {
		return SPAREKEY_FAILED;
	}
	events->rows = calloc((size_t)count + 1, sizeof(*events->rows));
	if (events->rows == NULL) {
		return -ENOMEM;
	}
	dbus_message_iter_recurse(body, &row);
	for (int i = 0; i < count; i++) {
		record_event(&row, &events->rows[events->count++]);
		dbus_message_iter_next(&row);
	}
	return 0;
}

static int take_detail(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_verification *right = data;

	if (strcmp(key, "id") == 0) {
		record_text(value, right->id, sizeof(right->id));
	} else if (strcmp(key, "label") == 0) {
		record_text(value, right->label, sizeof(right->label));
	} else if (strcmp(key, "account") == 0) {
		record_text(value, right->account, sizeof(right->account));
	} else if (strcmp(key, "scopes") == 0) {
		record_scopes(value, &right->scopes);
	} else if (strcmp(key, "expires_at") == 0) {
		right->expires_at = record_time(value);
	}
	return 0;
}

static int read_verification(struct call *call, DBusMessageIter *body)
{
	dbus_message_iter_next(body);
	codec_dict_each(body, take_detail, &call->answer.verification);
	return 0;
}

static int take_identity(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_identity *identity = data;
	uint32_t number = 0;

	if (strcmp(key, "result") == 0) {
		record_text(value, identity->result, sizeof(identity->result));
	} else if (strcmp(key, "id") == 0) {
		record_text(value, identity->id, sizeof(identity->id));
	} else if (strcmp(key, "label") == 0) {
		record_text(value, identity->label, sizeof(identity->label));
	} else if (strcmp(key, "group") == 0 && codec_read_uint32(value, &number)) {
		identity->group = number;
	} else if (strcmp(key, "state") == 0 && codec_read_uint32(value, &number) &&
	           number <= SPAREKEY_DAMAGED) {
		identity->state = (enum sparekey_state)number;
	}
	return 0;
}

static int read_identity(struct call *call, DBusMessageIter *body)
{
	codec_dict_each(body, take_identity, &call->answer.identity);
	return 0;
}

static int read_version(struct call *call, DBusMessageIter *body)
{
	DBusMessageIter value;

	dbus_message_iter_recurse(body, &value);
	record_text(&value, call->answer.version, sizeof(call->answer.version));
	return 0;
}

static int take_setting(void *data, const char *key, DBusMessageIter *value)
{
	const struct call *call = data;
	char text[SCOPE_SET_TEXT] = "";
	struct scope_set scopes;
	uint32_t small = 0;
	uint64_t large = 0;

	if (codec_read_uint32(value, &small)) {
		snprintf(text, sizeof(text), "%u", small);
	} else if (codec_read_uint64(value, &large)) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)large);
	} else if (codec_read_scopes(value, &scopes) == 0) {
		scope_set_format(&scopes, ',', text);
	} else {
		record_text(value, text, sizeof(text));
	}
	call->row(call->row_data, key, text);
	return 0;
}

static int read_settings(struct call *call, DBusMessageIter *body)
{
	DBusMessageIter value;

	dbus_message_iter_recurse(body, &value);
	codec_dict_each(&value, take_setting, call);
	return 0;
}

static int take_state(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_owner *owner = data;
	uint32_t number = 0;

	if (!codec_read_uint32(value, &number)) {
		return 0;
	}
	if (strcmp(key, "Initialized") == 0) {
		owner->initialized = number == INITIALIZED_YES;
	} else if (strcmp(key, "SecondFactor") == 0) {
		owner->second_factor = number <= SPAREKEY_FACTOR_TOTP ? number : 0;
	} else if (strcmp(key, "RecoveryCodesLeft") == 0) {
		owner->recovery_codes_left = number;
	}
	return 0;
}

static int read_owner(struct call *call, DBusMessageIter *body)
{
	codec_dict_each(body, take_state, &call->answer.owner);
	return 0;
}

static int read_until(struct call *call, DBusMessageIter *body)
{
	call->answer.valid_until = record_time(body);
	return 0;
}

struct reply {
	const char *signature;
	read_fn *read;
};

static const struct reply replies[] = {
	[SPAREKEY_OP_CREATE] = { "oh", read_created },
	[SPAREKEY_OP_FIND] = { "o", read_id },
	[SPAREKEY_OP_GET] = { "a{sv}", read_password },
	[SPAREKEY_OP_LIST] = { "a(oa{sv})", read_list },
	[SPAREKEY_OP_REVOKE] = { "", read_nothing },
	[SPAREKEY_OP_REVOKE_ALL] = { "u", read_count },
	[SPAREKEY_OP_RENAME] = { "", read_nothing },
	[SPAREKEY_OP_SET_SCOPES] = { "", read_nothing },
	[SPAREKEY_OP_SET_EXPIRY] = { "", read_nothing },
	[SPAREKEY_OP_FREEZE] = { "", read_nothing },
	[SPAREKEY_OP_THAW] = { "", read_nothing },
	[SPAREKEY_OP_VERIFY] = { "oa{sv}", read_verification },
	[SPAREKEY_OP_IDENTIFY] = { "a{sv}", read_identity },
	[SPAREKEY_OP_LIST_EVENTS] = { "a(xtssa{sv})", read_events },
	[SPAREKEY_OP_VERSION] = { "v", read_version },
	[SPAREKEY_OP_SETTINGS] = { "v", read_settings },
	[SPAREKEY_OP_OWNER] = { "a{sv}", read_owner },
	[SPAREKEY_OP_INITIALIZE] = { "", read_nothing },
	[SPAREKEY_OP_AUTHENTICATE] = { "t", read_until },
	[SPAREKEY_OP_LOCK] = { "", read_nothing },
	[SPAREKEY_OP_CHANGE_MAIN_PASSWORD] = { "", read_nothing },
	[SPAREKEY_OP_ENROLL_TOTP] = { "h", read_secret },
	[SPAREKEY_OP_CONFIRM_TOTP] = { "", read_nothing },
	[SPAREKEY_OP_REMOVE_TOTP] = { "", read_nothing },
	[SPAREKEY_OP_GENERATE_CODES] = { "h", read_secret },
	[SPAREKEY_OP_ERASE] = { "", read_nothing },
};

int answer_read(struct sparekey *sparekey, struct call *call, DBusMessage *reply)
{
	const struct reply *expected = &replies[call->operation];
	DBusMessageIter body;
	int result = SPAREKEY_FAILED;

	if (dbus_message_has_signature(reply, expected->signature)) {
		dbus_message_iter_init(reply, &body);
		result = expected->read(call, &body);
	}
	if (result == SPAREKEY_FAILED && call->answer.id[0] != '\0') {
		return client_fail(sparekey, result, "the secret could not be received: revoke %s",
		                   call->answer.id);
	}
	if (result == SPAREKEY_FAILED) {
		return client_fail(sparekey, result, "the broker's answer was not understood");
	}
	return result < 0 ? client_fail(sparekey, result, "%s", sparekey_strerror(result)) : result;
}

void answer_free(struct sparekey_answer *answer)
{
	answer->secret = sparekey_secret_free(answer->secret);
	sparekey_list_free(&answer->list);
	sparekey_events_free(&answer->events);
}
