/* SPDX-License-Identifier: MIT */
/*
 * Questions about a secret, and about the broker itself. The caller's thread. A secret goes out by
 * a pipe: it fits one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "client/record.h"
#include "protocol/codec.h"
#include "protocol/names.h"

/* Appends the read end of a pipe that holds the secret. */
static bool append_secret(DBusMessageIter *body, const struct secret *secret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return false;
	}
	bool is_done = secret_write(secret, ends[1]) == 0 &&
	               dbus_message_iter_append_basic(body, DBUS_TYPE_UNIX_FD, &ends[0]);

	close(ends[0]);
	close(ends[1]);
	return is_done;
}

static int check_descriptors(struct sparekey *sparekey)
{
	if (!dbus_connection_can_send_type(sparekey->connection, DBUS_TYPE_UNIX_FD)) {
		return client_fail(sparekey, SPAREKEY_NOT_SUPPORTED,
		                   "this connection cannot carry descriptors");
	}
	return 0;
}

int sparekey_verify(struct sparekey *sparekey, const struct secret *secret, const char *scope,
                    const char *account, const char *remote, struct sparekey_password *ret_password)
{
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessage *reply = NULL;
	int result = check_descriptors(sparekey);
	DBusMessage *call = client_method(sparekey, PATH_BROKER, NAME_VERIFIER,
	                                  "VerifyByFileDescriptor");

	if (result != 0 || call == NULL) {
		return result != 0 ? result : -ENOMEM;
	}
	dbus_message_iter_init_append(call, &body);
	if (!append_secret(&body, secret) || !codec_append_string(&body, scope) ||
	    !codec_dict_open(&body, &dict) ||
	    (account != NULL && !codec_dict_string(&dict, "account", account)) ||
	    (remote != NULL && !codec_dict_string(&dict, "remote", remote)) ||
	    !codec_container_end(&body, &dict, true)) {
		dbus_message_unref(call);
		return -ENOMEM;
	}
	result = client_ask(sparekey, call, CALL_MS, &reply);
	if (result == 0) {
		dbus_message_iter_init(reply, &body);
		dbus_message_iter_next(&body);
		record_read(&body, ret_password);
		dbus_message_unref(reply);
	}
	return result;
}

static int take_identity(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_identity *identity = data;
	const char *text = "";
	uint32_t number = 0;

	if (codec_read_uint32(value, &number)) {
		if (strcmp(key, "group") == 0) {
			identity->group = number;
		} else if (strcmp(key, "state") == 0) {
			identity->state = (enum sparekey_state)number;
		}
	} else if (codec_read_string(value, &text)) {
		if (strcmp(key, "result") == 0) {
			snprintf(identity->result, sizeof(identity->result), "%s", text);
		} else if (strcmp(key, "id") == 0) {
			snprintf(identity->id, sizeof(identity->id), "%s", text);
		} else if (strcmp(key, "label") == 0) {
			snprintf(identity->label, sizeof(identity->label), "%s", text);
		}
	}
	return 0;
}

int sparekey_identify(struct sparekey *sparekey, const struct secret *secret,
                      struct sparekey_identity *ret_identity)
{
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessage *reply = NULL;
	int result = check_descriptors(sparekey);
	DBusMessage *call = client_method(sparekey, PATH_BROKER, NAME_MANAGER,
	                                  "IdentifyByFileDescriptor");

	if (result != 0 || call == NULL) {
		return result != 0 ? result : -ENOMEM;
	}
	dbus_message_iter_init_append(call, &body);
	if (!append_secret(&body, secret) || !codec_dict_open(&body, &dict) ||
	    !codec_container_end(&body, &dict, true)) {
		dbus_message_unref(call);
		return -ENOMEM;
	}
	result = client_ask(sparekey, call, CALL_MS, &reply);
	if (result == 0) {
		*ret_identity = (struct sparekey_identity){ 0 };
		dbus_message_iter_init(reply, &body);
		codec_dict_each(&body, take_identity, ret_identity);
		dbus_message_unref(reply);
	}
	return result;
}

/* The value of one property of the Manager: `ret_value` stands inside the variant of `ret_reply`,
 * which is the caller's. */
static int get_property(struct sparekey *sparekey, const char *name, DBusMessage **ret_reply,
                        DBusMessageIter *ret_value)
{
	DBusMessageIter body;
	DBusMessage *call = client_method(sparekey, PATH_BROKER, "org.freedesktop.DBus.Properties",
	                                  "Get");

	if (call == NULL) {
		return -ENOMEM;
	}
	dbus_message_iter_init_append(call, &body);
	if (!codec_append_string(&body, NAME_MANAGER) || !codec_append_string(&body, name)) {
		dbus_message_unref(call);
		return -ENOMEM;
	}
	int result = client_ask(sparekey, call, CALL_MS, ret_reply);

	if (result == 0) {
		dbus_message_iter_init(*ret_reply, &body);
		if (dbus_message_iter_get_arg_type(&body) != DBUS_TYPE_VARIANT) {
			dbus_message_unref(*ret_reply);
			return client_fail(sparekey, SPAREKEY_FAILED,
			                   "the broker's answer was not understood");
		}
		dbus_message_iter_recurse(&body, ret_value);
	}
	return result;
}

int sparekey_version(struct sparekey *sparekey, char ret_text[64])
{
	DBusMessage *reply = NULL;
	DBusMessageIter value;
	const char *text = "";
	int result = get_property(sparekey, "Version", &reply, &value);

	if (result == 0) {
		codec_read_string(&value, &text);
		snprintf(ret_text, 64, "%s", text);
		dbus_message_unref(reply);
	}
	return result;
}

struct settings_walk {
	void (*row)(void *data, const char *name, const char *value);
	void *data;
};

static int take_setting(void *data, const char *key, DBusMessageIter *value)
{
	const struct settings_walk *walk = data;
	char text[SCOPE_SET_TEXT] = "";
	const char *word = "";
	uint32_t small = 0;
	uint64_t large = 0;
	struct scope_set scopes;

	if (codec_read_string(value, &word)) {
		snprintf(text, sizeof(text), "%s", word);
	} else if (codec_read_uint32(value, &small)) {
		snprintf(text, sizeof(text), "%u", small);
	} else if (codec_read_uint64(value, &large)) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)large);
	} else if (codec_read_scopes(value, &scopes) == 0) {
		scope_set_format(&scopes, ',', text);
	}
	walk->row(walk->data, key, text);
	return 0;
}

int sparekey_settings(struct sparekey *sparekey,
                      void (*row)(void *data, const char *name, const char *value), void *data)
{
	struct settings_walk walk = { row, data };
	DBusMessage *reply = NULL;
	DBusMessageIter value;
	int result = get_property(sparekey, "Settings", &reply, &value);

	if (result == 0) {
		codec_dict_each(&value, take_setting, &walk);
		dbus_message_unref(reply);
	}
	return result;
}
