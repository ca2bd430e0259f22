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

static bool append_name(DBusMessageIter *body, const struct sparekey_request *request)
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

static bool append_secret_alone(DBusMessageIter *body, const struct sparekey_request *request)
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

static bool append_owner_interface(DBusMessageIter *body, const struct sparekey_request *request)
{
	(void)request;
	return codec_append_string(body, NAME_OWNER);
}

static bool append_nothing(DBusMessageIter *body, const struct sparekey_request *request)
{
	(void)body;
	(void)request;
	return true;
}

/* Never as a string: a recovery code stands in no message. */
static bool fill_code(DBusMessageIter *dict, const struct sparekey_request *request)
{
	DBusMessageIter entry;
	DBusMessageIter value;

	return request->code == NULL ||
	       (codec_dict_entry_open(dict, "code", "h", &entry, &value) &&
	        codec_dict_entry_end(dict, &entry, &value, append_secret(&value, request->code)));
}

static bool append_authenticate(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_secret(body, request->secret) && append_dict(body, fill_code, request);
}

static bool fill_revoke(DBusMessageIter *dict, const struct sparekey_request *request)
{
	return !request->revoke || codec_dict_bool(dict, "revoke", true);
}

static bool append_change(DBusMessageIter *body, const struct sparekey_request *request)
{
	return append_secret(body, request->secret) && append_dict(body, fill_revoke, request);
}

static const struct form forms[] = {
	[SPAREKEY_OP_CREATE] = { NAME_MANAGER, "CreatePasswordByFileDescriptor", false,
	                         append_create },
	[SPAREKEY_OP_FIND] = { NAME_MANAGER, "FindPassword", false, append_find },
	[SPAREKEY_OP_GET] = { NAME_PROPERTIES, "GetAll", true, append_interface },
	[SPAREKEY_OP_LIST] = { NAME_MANAGER, "ListPasswords", false, append_list },
	[SPAREKEY_OP_REVOKE] = { NAME_PASSWORD, "Revoke", true, append_options },
	[SPAREKEY_OP_REVOKE_ALL] = { NAME_MANAGER, "RevokeAll", false, append_revoke_all },
	[SPAREKEY_OP_RENAME] = { NAME_PASSWORD, "Rename", true, append_name },
	[SPAREKEY_OP_SET_SCOPES] = { NAME_PASSWORD, "SetScopes", true, append_set_scopes },
	[SPAREKEY_OP_SET_EXPIRY] = { NAME_PASSWORD, "SetExpiry", true, append_set_expiry },
	[SPAREKEY_OP_FREEZE] = { NAME_PASSWORD, "Freeze", true, append_options },
	[SPAREKEY_OP_THAW] = { NAME_PASSWORD, "Thaw", true, append_options },
	[SPAREKEY_OP_VERIFY] = { NAME_VERIFIER, "VerifyByFileDescriptor", false, append_verify },
	[SPAREKEY_OP_IDENTIFY] = { NAME_MANAGER, "IdentifyByFileDescriptor", false,
	                           append_secret_alone },
	[SPAREKEY_OP_LIST_EVENTS] = { NAME_MANAGER, "ListEvents", false, append_events },
	[SPAREKEY_OP_VERSION] = { NAME_PROPERTIES, "Get", false, append_property },
	[SPAREKEY_OP_SETTINGS] = { NAME_PROPERTIES, "Get", false, append_property },
	[SPAREKEY_OP_OWNER] = { NAME_PROPERTIES, "GetAll", false, append_owner_interface },
	[SPAREKEY_OP_INITIALIZE] = { NAME_OWNER, "Initialize", false, append_secret_alone },
	[SPAREKEY_OP_AUTHENTICATE] = { NAME_OWNER, "Authenticate", false, append_authenticate },
	[SPAREKEY_OP_LOCK] = { NAME_OWNER, "Lock", false, append_nothing },
	[SPAREKEY_OP_CHANGE_MAIN_PASSWORD] = { NAME_OWNER, "ChangeMainPassword", false,
	                                       append_change },
	[SPAREKEY_OP_ENROLL_TOTP] = { NAME_OWNER, "EnrollTotp", false, append_options },
	[SPAREKEY_OP_CONFIRM_TOTP] = { NAME_OWNER, "ConfirmTotp", false, append_name },
	[SPAREKEY_OP_REMOVE_TOTP] = { NAME_OWNER, "RemoveTotp", false, append_options },
	[SPAREKEY_OP_GENERATE_CODES] = { NAME_OWNER, "GenerateRecoveryCodes", false,
	                                 append_options },
	[SPAREKEY_OP_ERASE] = { NAME_OWNER, "Erase", false, append_options },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* What is no id names no password, and no other one either. */
static DBusMessage *new_message(const struct form *form, const struct sparekey_request *request)
{
	char path[80];

	snprintf(path, sizeof(path), "%s", PATH_BROKER);
	if (form->of_password) {
		snprintf(path, sizeof(path), "%s/%s", PATH_PASSWORDS,
		         given_is_id(request->id) ? request->id : "_");
	}
	return dbus_message_new_method_call(NULL, path, form->interface, form->member);
}

int request_encode(const struct sparekey_request *request, DBusMessage **ret_message)
{
	DBusMessageIter body;
	DBusMessage *message = NULL;

	int given = given_check(request);

	if (given != 0 || (size_t)request->operation >= FORMS) {
		return given != 0 ? given : SPAREKEY_INVALID_ARGS;
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
