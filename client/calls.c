/* SPDX-License-Identifier: MIT */
/*
 * The operations of the contract as functions. The caller's thread. Secrets go out and come in by
 * pipes, so that no copy stays in libdbus.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "client/record.h"
#include "protocol/codec.h"
#include "protocol/names.h"

static bool append_empty(DBusMessageIter *at)
{
	DBusMessageIter dict;

	return codec_dict_open(at, &dict) && codec_container_end(at, &dict, true);
}

static bool append_texts(DBusMessageIter *at, int type, const char *const *texts,
                         unsigned int count)
{
	DBusMessageIter array;
	const char signature[] = { (char)type, '\0' };

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, signature, &array)) {
		return false;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (type == DBUS_TYPE_STRING ? !codec_append_string(&array, texts[i])
		                             : !codec_append_path(&array, texts[i])) {
			return false;
		}
	}
	return dbus_message_iter_close_container(at, &array);
}

static bool dict_texts(DBusMessageIter *dict, const char *key, int type, const char *const *texts,
                       unsigned int count)
{
	DBusMessageIter entry;
	DBusMessageIter value;
	const char signature[] = { DBUS_TYPE_ARRAY, (char)type, '\0' };

	return codec_dict_entry_open(dict, key, signature, &entry, &value) &&
	       append_texts(&value, type, texts, count) &&
	       codec_dict_entry_end(dict, &entry, &value, true);
}

static DBusMessage *manager_method(const struct sparekey *sparekey, const char *member,
                                   DBusMessageIter *ret_body)
{
	DBusMessage *call = client_method(sparekey, PATH_BROKER, NAME_MANAGER, member);

	if (call != NULL) {
		dbus_message_iter_init_append(call, ret_body);
	}
	return call;
}

/* Reads a secret from a pipe to its end, for at most CALL_MS. */
static int receive(struct sparekey *sparekey, int fd, struct secret *secret)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t count = 1;

	secret_clear(secret);
	while (count > 0) {
		if (poll(&wait, 1, CALL_MS) <= 0) {
			return client_fail(sparekey, SPAREKEY_NO_BROKER,
			                   "the secret did not arrive");
		}
		count = secret_read_some(secret, fd);
	}
	if (count < 0) {
		return (int)count;
	}
	if (secret_length(secret) == 0) {
		return client_fail(sparekey, SPAREKEY_FAILED,
		                   "somebody else took the secret: revoke that password");
	}
	return 0;
}

static bool append_wish(DBusMessageIter *body, const struct sparekey_wish *wish)
{
	DBusMessageIter dict;

	return codec_append_string(body, wish->label) && codec_dict_open(body, &dict) &&
	       (!wish->has_scopes ||
	        dict_texts(&dict, "scopes", DBUS_TYPE_STRING, wish->scopes, wish->scopes_count)) &&
	       (wish->account == NULL || codec_dict_string(&dict, "account", wish->account)) &&
	       (!wish->has_expires_at ||
	        codec_dict_uint64(&dict, "expires_at", (uint64_t)wish->expires_at)) &&
	       codec_container_end(body, &dict, true);
}

static void read_id(const char *path, char ret_id[24])
{
	const char *slash = strrchr(path, '/');

	snprintf(ret_id, 24, "%.23s", slash != NULL ? slash + 1 : path);
}

static int take_created(struct sparekey *sparekey, DBusMessage *reply, char ret_id[24],
                        struct secret *secret)
{
	const char *path = NULL;
	int fd = -1;

	if (!dbus_message_get_args(reply, NULL, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_UNIX_FD,
	                           &fd, DBUS_TYPE_INVALID)) {
		return client_fail(sparekey, SPAREKEY_FAILED,
		                   "the broker's answer was not understood");
	}
	read_id(path, ret_id);
	int result = receive(sparekey, fd, secret);

	close(fd);
	return result;
}

int sparekey_create(struct sparekey *sparekey, const struct sparekey_wish *wish, char ret_id[24],
                    struct secret *ret_secret)
{
	DBusMessageIter body;
	DBusMessage *reply = NULL;
	DBusMessage *call = manager_method(sparekey, "CreatePasswordByFileDescriptor", &body);

	if (call == NULL || !append_wish(&body, wish)) {
		return -ENOMEM;
	}
	int result = client_ask(sparekey, call, CALL_MS, &reply);

	if (result == 0) {
		result = take_created(sparekey, reply, ret_id, ret_secret);
		dbus_message_unref(reply);
	}
	return result;
}

int sparekey_find(struct sparekey *sparekey, const char *name, const char *account, char ret_id[24])
{
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessage *reply = NULL;
	const char *path = NULL;
	DBusMessage *call = manager_method(sparekey, "FindPassword", &body);

	if (call == NULL || !codec_append_string(&body, name) || !codec_dict_open(&body, &dict) ||
	    (account != NULL && !codec_dict_string(&dict, "account", account)) ||
	    !codec_container_end(&body, &dict, true)) {
		return -ENOMEM;
	}
	int result = client_ask(sparekey, call, CALL_MS, &reply);

	if (result != 0) {
		return result;
	}
	if (dbus_message_get_args(reply, NULL, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID)) {
		read_id(path, ret_id);
	} else {
		result = client_fail(sparekey, SPAREKEY_FAILED,
		                     "the broker's answer was not understood");
	}
	dbus_message_unref(reply);
	return result;
}

static DBusMessage *password_method(const struct sparekey *sparekey, const char *id,
                                    const char *interface, const char *member,
                                    DBusMessageIter *ret_body)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%.23s", PATH_PASSWORDS, id);
	DBusMessage *call = client_method(sparekey, path, interface, member);

	if (call != NULL) {
		dbus_message_iter_init_append(call, ret_body);
	}
	return call;
}

int sparekey_get(struct sparekey *sparekey, const char *id, struct sparekey_password *ret_password)
{
	DBusMessageIter body;
	DBusMessage *reply = NULL;
	DBusMessage *call = password_method(sparekey, id, "org.freedesktop.DBus.Properties",
	                                    "GetAll", &body);

	if (call == NULL || !codec_append_string(&body, NAME_PASSWORD)) {
		return -ENOMEM;
	}
	int result = client_ask(sparekey, call, CALL_MS, &reply);

	if (result == 0) {
		dbus_message_iter_init(reply, &body);
		record_read(&body, ret_password);
		dbus_message_unref(reply);
	}
	return result;
}

static int list_page(struct sparekey *sparekey, const char *after, struct sparekey_list *list,
                     unsigned int *ret_count)
{
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessage *reply = NULL;
	DBusMessage *call = manager_method(sparekey, "ListPasswords", &body);

	if (call == NULL || !codec_dict_open(&body, &dict) ||
	    !codec_dict_string(&dict, "after", after) || !codec_container_end(&body, &dict, true)) {
		return -ENOMEM;
	}
	int result = client_ask(sparekey, call, CALL_MS, &reply);

	if (result == 0) {
		result = record_read_rows(reply, list, ret_count);
		dbus_message_unref(reply);
	}
	return result;
}

int sparekey_list(struct sparekey *sparekey, struct sparekey_list *ret_list)
{
	struct sparekey_list list = { NULL, 0 };
	unsigned int count = 0;
	int result = 0;

	do {
		const char *after = list.count > 0 ? list.rows[list.count - 1].id : "";

		result = list_page(sparekey, after, &list, &count);
	} while (result == 0 && count >= LIMIT_PAGE_ROWS);
	if (result != 0) {
		sparekey_list_free(&list);
		return result;
	}
	*ret_list = list;
	return 0;
}

void sparekey_list_free(struct sparekey_list *list)
{
	free(list->rows);
	*list = (struct sparekey_list){ NULL, 0 };
}

static int ask_nothing(struct sparekey *sparekey, DBusMessage *call)
{
	DBusMessage *reply = NULL;
	int result = client_ask(sparekey, call, CALL_MS, &reply);

	if (result == 0) {
		dbus_message_unref(reply);
	}
	return result;
}

static int act(struct sparekey *sparekey, const char *id, const char *member)
{
	DBusMessageIter body;
	DBusMessage *call = password_method(sparekey, id, NAME_PASSWORD, member, &body);

	return call != NULL && append_empty(&body) ? ask_nothing(sparekey, call) : -ENOMEM;
}

int sparekey_revoke(struct sparekey *sparekey, const char *id)
{
	return act(sparekey, id, "Revoke");
}

int sparekey_freeze(struct sparekey *sparekey, const char *id)
{
	return act(sparekey, id, "Freeze");
}

int sparekey_thaw(struct sparekey *sparekey, const char *id)
{
	return act(sparekey, id, "Thaw");
}

int sparekey_rename(struct sparekey *sparekey, const char *id, const char *label)
{
	DBusMessageIter body;
	DBusMessage *call = password_method(sparekey, id, NAME_PASSWORD, "Rename", &body);

	return call != NULL && codec_append_string(&body, label) && append_empty(&body)
	               ? ask_nothing(sparekey, call)
	               : -ENOMEM;
}

int sparekey_set_scopes(struct sparekey *sparekey, const char *id, const char *const *scopes,
                        unsigned int count)
{
	DBusMessageIter body;
	DBusMessage *call = password_method(sparekey, id, NAME_PASSWORD, "SetScopes", &body);

	return call != NULL && append_texts(&body, DBUS_TYPE_STRING, scopes, count) &&
	                       append_empty(&body)
	               ? ask_nothing(sparekey, call)
	               : -ENOMEM;
}

int sparekey_set_expiry(struct sparekey *sparekey, const char *id, long long expires_at)
{
	DBusMessageIter body;
	DBusMessage *call = password_method(sparekey, id, NAME_PASSWORD, "SetExpiry", &body);

	return call != NULL && codec_append_uint64(&body, (uint64_t)expires_at) &&
	                       append_empty(&body)
	               ? ask_nothing(sparekey, call)
	               : -ENOMEM;
}

static bool append_filter(DBusMessageIter *body, const struct sparekey_filter *filter)
{
	DBusMessageIter dict;

	return codec_dict_open(body, &dict) &&
	       (filter->scope == NULL || codec_dict_string(&dict, "scope", filter->scope)) &&
	       (filter->account == NULL || codec_dict_string(&dict, "account", filter->account)) &&
	       (filter->unused_since == 0 ||
	        codec_dict_uint64(&dict, "unused_since", (uint64_t)filter->unused_since)) &&
	       codec_container_end(body, &dict, true) && append_empty(body);
}

int sparekey_revoke_all(struct sparekey *sparekey, const struct sparekey_filter *filter,
                        unsigned int *ret_count)
{
	DBusMessageIter body;
	DBusMessage *reply = NULL;
	dbus_uint32_t count = 0;
	DBusMessage *call = manager_method(sparekey, "RevokeAll", &body);

	if (call == NULL || !append_filter(&body, filter)) {
		return -ENOMEM;
	}
	int result = client_ask(sparekey, call, CALL_MS, &reply);

	if (result == 0) {
		dbus_message_get_args(reply, NULL, DBUS_TYPE_UINT32, &count, DBUS_TYPE_INVALID);
		dbus_message_unref(reply);
		*ret_count = count;
	}
	return result;
}
