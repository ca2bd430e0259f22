/* SPDX-License-Identifier: MIT */
/*
 * Requests as messages, by one table. The caller's thread. A secret goes into a pipe whose read end
 * goes with the message: no copy of it stays in libdbus. It fits, so writing it cannot block.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/codec.h"
#include "protocol/names.h"

#define NAME_PROPERTIES "org.freedesktop.DBus.Properties"

/* How an operation is asked for. */
struct form {
	const char *interface;
	const char *member;
	bool of_password; /* the object is the password's, by `id` */
	bool (*append)(DBusMessageIter *body, const struct sparekey_request *request);
};

/* Opens a dictionary, lets `fill` write into it, and closes or abandons it. */
static bool append_dict(DBusMessageIter *body,
                        bool (*fill)(DBusMessageIter *dict, const struct sparekey_request *request),
                        const struct sparekey_request *request)
{
	DBusMessageIter dict;

	return codec_dict_open(body, &dict) &&
	       codec_container_end(body, &dict, fill == NULL || fill(&dict, request));
}

static bool append_options(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_dict(body, NULL, request);
}

/* An array of strings, or of the object paths of ids. */
static bool append_texts(DBusMessageIter *at, bool are_ids, const char *const *texts,
                         unsigned int count)
{
	DBusMessageIter array;
	char path[80];
	bool is_whole = true;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, are_ids ? "o" : "s", &array)) {
		return false;
	}
	for (unsigned int i = 0; i < count && is_whole; i++) {
		if (are_ids) {
			snprintf(path, sizeof(path), "%s/%.23s", PATH_PASSWORDS, texts[i]);
			is_whole = codec_append_path(&array, path);
		} else {
			is_whole = codec_append_string(&array, texts[i]);
		}
	}
	return codec_container_end(at, &array, is_whole);
}

static bool dict_texts(DBusMessageIter *dict, const char *key, bool are_ids,
                       const char *const *texts, unsigned int count)
{
	DBusMessageIter entry;
	DBusMessageIter value;

	return codec_dict_entry_open(dict, key, are_ids ? "ao" : "as", &entry, &value) &&
	       codec_dict_entry_end(dict, &entry, &value,
	                            append_texts(&value, are_ids, texts, count));
}

static bool dict_text(DBusMessageIter *dict, const char *key, const char *text)
{
	return text == NULL || codec_dict_string(dict, key, text);
}

static bool dict_time(DBusMessageIter *dict, const char *key, int64_t at)
{
	return at == 0 || codec_dict_uint64(dict, key, (uint64_t)at);
}

static bool append_secret(DBusMessageIter *body, const struct sparekey_secret *secret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return false;
	}
	bool is_done = sparekey_secret_write(secret, ends[1]) == 0 &&
	               dbus_message_iter_append_basic(body, DBUS_TYPE_UNIX_FD, &ends[0]);

	close(ends[0]);
	close(ends[1]);
	return is_done;
}

static bool fill_wish(DBusMessageIter *dict, const struct sparekey_request *request)
{
	const struct sparekey_wish *wish = request->wish;

	return (!wish->has_scopes ||
	        dict_texts(dict, "scopes", false, wish->scopes, wish->scopes_count)) &&
	       dict_text(dict, "account", wish->account) &&
	       (!wish->has_expires_at ||
	        codec_dict_uint64(dict, "expires_at", (uint64_t)wish->expires_at));
}

static bool append_create(DBusMessageIter *body, const struct sparekey_request *request)
{
	return codec_append_string(body, request->wish->label) &&
	       append_dict(body, fill_wish, request);
}

static bool fill_account(DBusMessageIter *dict, const struct sparekey_request *request)
{
	return dict_text(dict, "account", request->account);
}

static bool append_find(DBusMessageIter *body, const struct sparekey_request *request)
{
	return codec_append_string(body, request->name) && append_dict(body, fill_account, request);
}

static bool fill_list(DBusMessageIter *dict, const struct sparekey_request *request)
{
	return dict_text(dict, "after", request->name) &&
	       (request->limit == 0 || codec_dict_uint32(dict, "limit", request->limit));
}

static bool append_list(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_dict(body, fill_list, request);
}

static bool fill_filter(DBusMessageIter *dict, const struct sparekey_request *request)
{
	const struct sparekey_filter *filter = request->filter;

	return dict_text(dict, "scope", filter->scope) &&
	       dict_text(dict, "account", filter->account) &&
	       dict_time(dict, "unused_since", filter->unused_since) &&
	       dict_time(dict, "created_before", filter->created_before) &&
	       (filter->except_count == 0 ||
	        dict_texts(dict, "except", true, filter->except, filter->except_count));
}

static bool append_revoke_all(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_dict(body, fill_filter, request) && append_options(body, request);
}

static bool append_rename(DBusMessageIter *body, const struct sparekey_request *request)
{
	return codec_append_string(body, request->name) && append_options(body, request);
}

static bool append_set_scopes(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_texts(body, false, request->scopes, request->scopes_count) &&
	       append_options(body, request);
}

static bool append_set_expiry(DBusMessageIter *body, const struct sparekey_request *request)
{
	return codec_append_uint64(body, (uint64_t)request->expires_at) &&
	       append_options(body, request);
}

static bool fill_check(DBusMessageIter *dict, const struct sparekey_request *request)
{
	const struct sparekey_check *check = request->check;

	return check == NULL ||
	       (dict_text(dict, "account", check->account) &&
	        dict_text(dict, "remote", check->remote) &&
	        (!check->unrecorded || codec_dict_bool(dict, "record", false)) &&
	        dict_text(dict, "diagnosis", check->diagnosis) &&
	        (check->group == 0 || codec_dict_uint32(dict, "group", check->group)));
}

static bool append_verify(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_secret(body, request->secret) && codec_append_string(body, request->scope) &&
	       append_dict(body, fill_check, request);
}

static bool append_identify(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_secret(body, request->secret) && append_options(body, request);
}

static bool fill_events(DBusMessageIter *dict, const struct sparekey_request *request)
{
	DBusMessageIter entry;
	DBusMessageIter value;
	char path[80];

	if (request->before != 0 &&
	    !(codec_dict_entry_open(dict, "before", "x", &entry, &value) &&
	      codec_dict_entry_end(dict, &entry, &value,
	                           codec_append_int64(&value, request->before)))) {
		return false;
	}
	if (request->id == NULL) {
		return true;
	}
	snprintf(path, sizeof(path), "%s/%.23s", PATH_PASSWORDS, request->id);
	return codec_dict_entry_open(dict, "password", "o", &entry, &value) &&
	       codec_dict_entry_end(dict, &entry, &value, codec_append_path(&value, path));
}

static bool append_events(DBusMessageIter *body, const struct sparekey_request *request)
{
	return codec_append_uint64(body, (uint64_t)request->not_before) &&
	       codec_append_uint32(body, request->limit) && append_dict(body, fill_events, request);
}

static bool append_interface(DBusMessageIter *body, const struct sparekey_request *request)
{
	(void)request;
	return codec_append_string(body, NAME_PASSWORD);
}

static bool append_property(DBusMessageIter *body, const struct sparekey_request *request)
{
	return codec_append_string(body, NAME_MANAGER) &&
	       codec_append_string(body, request->operation == SPAREKEY_OP_VERSION ? "Version"
	                                                                           : "Settings");
}

static const struct form forms[] = {
	[SPAREKEY_OP_CREATE] = { NAME_MANAGER, "CreatePasswordByFileDescriptor", false,
	                         append_create },
	[SPAREKEY_OP_FIND] = { NAME_MANAGER, "FindPassword", false, append_find },
	[SPAREKEY_OP_GET] = { NAME_PROPERTIES, "GetAll", true, append_interface },
	[SPAREKEY_OP_LIST] = { NAME_MANAGER, "ListPasswords", false, append_list },
	[SPAREKEY_OP_REVOKE] = { NAME_PASSWORD, "Revoke", true, append_options },
	[SPAREKEY_OP_REVOKE_ALL] = { NAME_MANAGER, "RevokeAll", false, append_revoke_all },
	[SPAREKEY_OP_RENAME] = { NAME_PASSWORD, "Rename", true, append_rename },
	[SPAREKEY_OP_SET_SCOPES] = { NAME_PASSWORD, "SetScopes", true, append_set_scopes },
	[SPAREKEY_OP_SET_EXPIRY] = { NAME_PASSWORD, "SetExpiry", true, append_set_expiry },
	[SPAREKEY_OP_FREEZE] = { NAME_PASSWORD, "Freeze", true, append_options },
	[SPAREKEY_OP_THAW] = { NAME_PASSWORD, "Thaw", true, append_options },
	[SPAREKEY_OP_VERIFY] = { NAME_VERIFIER, "VerifyByFileDescriptor", false, append_verify },
	[SPAREKEY_OP_IDENTIFY] = { NAME_MANAGER, "IdentifyByFileDescriptor", false,
	                           append_identify },
	[SPAREKEY_OP_LIST_EVENTS] = { NAME_MANAGER, "ListEvents", false, append_events },
	[SPAREKEY_OP_VERSION] = { NAME_PROPERTIES, "Get", false, append_property },
	[SPAREKEY_OP_SETTINGS] = { NAME_PROPERTIES, "Get", false, append_property },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

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

/* What can stand at the end of an object path of ours. */
static bool is_id(const char *id)
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
		if (!is_id(filter->except[i])) {
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
		return request->secret != NULL;
	case SPAREKEY_OP_SETTINGS:
		return request->row != NULL;
	case SPAREKEY_OP_LIST_EVENTS:
		return request->not_before >= 0 && request->before >= 0 &&
		       (request->id == NULL || is_id(request->id));
	case SPAREKEY_OP_REACH:
	case SPAREKEY_OP_LIST:
	case SPAREKEY_OP_VERSION:
		return true;
	}
	return false;
}

/* What is no id names no password, and no other one either. */
static DBusMessage *new_message(const struct form *form, const struct sparekey_request *request)
{
	char path[80];

	snprintf(path, sizeof(path), "%s", PATH_BROKER);
	if (form->of_password) {
		snprintf(path, sizeof(path), "%s/%s", PATH_PASSWORDS,
		         is_id(request->id) ? request->id : "_");
	}
	return dbus_message_new_method_call(NULL, path, form->interface, form->member);
}

int request_encode(const struct sparekey_request *request, DBusMessage **ret_message)
{
	DBusMessageIter body;
	DBusMessage *message = NULL;

	if (!is_complete(request) || (size_t)request->operation >= FORMS) {
		return SPAREKEY_INVALID_ARGS;
	}
	if (!is_of_this_version(request)) {
		return SPAREKEY_NOT_SUPPORTED;
	}
	if (request->operation == SPAREKEY_OP_REACH) {
		*ret_message = NULL;
		return 0;
	}
	message = new_message(&forms[request->operation], request);
	if (message == NULL) {
		return -ENOMEM;
	}
	dbus_message_iter_init_append(message, &body);
	errno = ENOMEM; /* libdbus fails for no other reason; pipe2 says its own */
	if (!forms[request->operation].append(&body, request)) {
		int result = -errno;

		dbus_message_unref(message);
		return result;
	}
	*ret_message = message;
	return 0;
}
