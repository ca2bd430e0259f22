/* SPDX-License-Identifier: MIT */
/*
 * What both ends of the D-Bus contract write and read: strings, times, scopes and a{sv}
 * dictionaries.
 *
 * A message belongs to whoever made it; nothing here keeps a reference, and strings that are read
 * belong to the message. One thread: that of the connection. libdbus aborts the process when it is
 * handed text that is not UTF-8, a path that is none, or a key that is neither, so every text is
 * checked before it is appended: a string is escaped, a path is refused.
 *
 * Refused: dbus_message_append_args and get_args, since a variadic call with a wrong type is not
 * noticed by the compiler, and since get_args gives an error text where the callers need an
 * outcome.
 */
#include "protocol/codec.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/label.h"
#include "sparekey.h"

/* text_escape makes at most this many bytes of one: \x{ff}. */
#define ESCAPED_BYTE 6u

static bool append_escaped(DBusMessageIter *at, const char *value)
{
	size_t size = strlen(value) * ESCAPED_BYTE + 1;
	char *text = malloc(size);
	const char *shown = text;
	bool done;

	if (!text) {
		return false;
	}
	text_escape(value, text, size);
	done = dbus_message_iter_append_basic(at, DBUS_TYPE_STRING, &shown);
	free(text);
	return done;
}

bool codec_append_string(DBusMessageIter *at, const char *value)
{
	if (!dbus_validate_utf8(value, NULL)) {
		return append_escaped(at, value);
	}
	return dbus_message_iter_append_basic(at, DBUS_TYPE_STRING, &value);
}

bool codec_append_path(DBusMessageIter *at, const char *value)
{
	return dbus_validate_path(value, NULL) &&
	       dbus_message_iter_append_basic(at, DBUS_TYPE_OBJECT_PATH, &value);
}

bool codec_append_uint32(DBusMessageIter *at, uint32_t value)
{
	dbus_uint32_t number = value;

	return dbus_message_iter_append_basic(at, DBUS_TYPE_UINT32, &number);
}

bool codec_append_uint64(DBusMessageIter *at, uint64_t value)
{
	dbus_uint64_t number = value;

	return dbus_message_iter_append_basic(at, DBUS_TYPE_UINT64, &number);
}

bool codec_append_int64(DBusMessageIter *at, int64_t value)
{
	dbus_int64_t number = value;

	return dbus_message_iter_append_basic(at, DBUS_TYPE_INT64, &number);
}

static bool append_bool(DBusMessageIter *at, bool value)
{
	dbus_bool_t truth = value;

	return dbus_message_iter_append_basic(at, DBUS_TYPE_BOOLEAN, &truth);
}

bool codec_append_scopes(DBusMessageIter *at, const struct scope_set *scopes)
{
	DBusMessageIter array;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING_AS_STRING,
	                                      &array)) {
		return false;
	}
	bool written = true;

	for (unsigned int i = 0; i < scopes->count && written; i++) {
		written = codec_append_string(&array, scopes->names[i]);
	}
	return codec_container_end(at, &array, written);
}

bool codec_dict_open(DBusMessageIter *at, DBusMessageIter *ret_dict)
{
	return dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "{sv}", ret_dict);
}

bool codec_dict_entry_open(DBusMessageIter *dict, const char *key, const char *signature,
                           DBusMessageIter *ret_entry, DBusMessageIter *ret_value)
{
	if (!dbus_message_iter_open_container(dict, DBUS_TYPE_DICT_ENTRY, NULL, ret_entry)) {
		return false;
	}
	if (!codec_append_string(ret_entry, key) ||
	    !dbus_message_iter_open_container(ret_entry, DBUS_TYPE_VARIANT, signature, ret_value)) {
		dbus_message_iter_abandon_container(dict, ret_entry);
		return false;
	}
	return true;
}

bool codec_container_end(DBusMessageIter *at, DBusMessageIter *inner, bool written)
{
	if (!written) {
		dbus_message_iter_abandon_container(at, inner);
		return false;
	}
	return dbus_message_iter_close_container(at, inner);
}

bool codec_dict_entry_end(DBusMessageIter *dict, DBusMessageIter *entry, DBusMessageIter *value,
                          bool written)
{
	return codec_container_end(dict, entry, codec_container_end(entry, value, written));
}

bool codec_dict_string(DBusMessageIter *dict, const char *key, const char *value)
{
	DBusMessageIter entry, variant;

	return codec_dict_entry_open(dict, key, DBUS_TYPE_STRING_AS_STRING, &entry, &variant) &&
	       codec_dict_entry_end(dict, &entry, &variant, codec_append_string(&variant, value));
}

bool codec_dict_bool(DBusMessageIter *dict, const char *key, bool value)
{
	DBusMessageIter entry, variant;

	return codec_dict_entry_open(dict, key, DBUS_TYPE_BOOLEAN_AS_STRING, &entry, &variant) &&
	       codec_dict_entry_end(dict, &entry, &variant, append_bool(&variant, value));
}

bool codec_dict_uint32(DBusMessageIter *dict, const char *key, uint32_t value)
{
	DBusMessageIter entry, variant;

	return codec_dict_entry_open(dict, key, DBUS_TYPE_UINT32_AS_STRING, &entry, &variant) &&
	       codec_dict_entry_end(dict, &entry, &variant, codec_append_uint32(&variant, value));
}

bool codec_dict_uint64(DBusMessageIter *dict, const char *key, uint64_t value)
{
	DBusMessageIter entry, variant;

	return codec_dict_entry_open(dict, key, DBUS_TYPE_UINT64_AS_STRING, &entry, &variant) &&
	       codec_dict_entry_end(dict, &entry, &variant, codec_append_uint64(&variant, value));
}

bool codec_dict_scopes(DBusMessageIter *dict, const char *key, const struct scope_set *scopes)
{
	DBusMessageIter entry, variant;

	return codec_dict_entry_open(dict, key, "as", &entry, &variant) &&
	       codec_dict_entry_end(dict, &entry, &variant, codec_append_scopes(&variant, scopes));
}

int codec_dict_each(const DBusMessageIter *at, codec_entry_fn *entry, void *data)
{
	DBusMessageIter array = *at, items, pair, value;
	const char *key;

	if (dbus_message_iter_get_arg_type(&array) != DBUS_TYPE_ARRAY ||
	    dbus_message_iter_get_element_type(&array) != DBUS_TYPE_DICT_ENTRY) {
		return SPAREKEY_INVALID_ARGS;
	}
	dbus_message_iter_recurse(&array, &items);
	while (dbus_message_iter_get_arg_type(&items) == DBUS_TYPE_DICT_ENTRY) {
		int result;

		dbus_message_iter_recurse(&items, &pair);
		if (!codec_read_string(&pair, &key) || !dbus_message_iter_next(&pair) ||
		    dbus_message_iter_get_arg_type(&pair) != DBUS_TYPE_VARIANT) {
			return SPAREKEY_INVALID_ARGS;
		}
		dbus_message_iter_recurse(&pair, &value);
		result = entry(data, key, &value);
		if (result != 0) {
			return result;
		}
		dbus_message_iter_next(&items);
	}
	return 0;
}

static bool is_a(DBusMessageIter *value, int type)
{
	return dbus_message_iter_get_arg_type(value) == type;
}

bool codec_read_string(DBusMessageIter *value, const char **ret_value)
{
	if (!is_a(value, DBUS_TYPE_STRING)) {
		return false;
	}
	dbus_message_iter_get_basic(value, ret_value);
	return true;
}

bool codec_read_path(DBusMessageIter *value, const char **ret_value)
{
	if (!is_a(value, DBUS_TYPE_OBJECT_PATH)) {
		return false;
	}
	dbus_message_iter_get_basic(value, ret_value);
	return true;
}

bool codec_read_bool(DBusMessageIter *value, bool *ret_value)
{
	dbus_bool_t truth;

	if (!is_a(value, DBUS_TYPE_BOOLEAN)) {
		return false;
	}
	dbus_message_iter_get_basic(value, &truth);
	*ret_value = truth;
	return true;
}

bool codec_read_uint32(DBusMessageIter *value, uint32_t *ret_value)
{
	dbus_uint32_t number;

	if (!is_a(value, DBUS_TYPE_UINT32)) {
		return false;
	}
	dbus_message_iter_get_basic(value, &number);
	*ret_value = number;
	return true;
}

bool codec_read_uint64(DBusMessageIter *value, uint64_t *ret_value)
{
	dbus_uint64_t number;

	if (!is_a(value, DBUS_TYPE_UINT64)) {
		return false;
	}
	dbus_message_iter_get_basic(value, &number);
	*ret_value = number;
	return true;
}

bool codec_read_int64(DBusMessageIter *value, int64_t *ret_value)
{
	dbus_int64_t number;

	if (!is_a(value, DBUS_TYPE_INT64)) {
		return false;
	}
	dbus_message_iter_get_basic(value, &number);
	*ret_value = number;
	return true;
}

int codec_read_scopes(DBusMessageIter *value, struct scope_set *ret_scopes)
{
	struct scope_set scopes = { .count = 0 };
	DBusMessageIter items;
	const char *name;
	unsigned int given = 0;

	if (!is_a(value, DBUS_TYPE_ARRAY) ||
	    dbus_message_iter_get_element_type(value) != DBUS_TYPE_STRING) {
		return SPAREKEY_INVALID_ARGS;
	}
	dbus_message_iter_recurse(value, &items);
	while (codec_read_string(&items, &name)) {
		int result = given++ < LIMIT_SCOPES_GIVEN ? scope_set_add(&scopes, name)
		                                          : SPAREKEY_INVALID_SCOPE;

		if (result != 0) {
			return result;
		}
		dbus_message_iter_next(&items);
	}
	*ret_scopes = scopes;
	return 0;
}
