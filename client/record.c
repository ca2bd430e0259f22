/* SPDX-License-Identifier: MIT */
/*
 * Password records out of messages. The caller's thread. What a broker says is cut to fit, never
 * trusted to.
 */
#include "client/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"

static void take_text(DBusMessageIter *value, char *field, size_t size)
{
	const char *text = "";

	if (codec_read_string(value, &text)) {
		snprintf(field, size, "%s", text);
	}
}

static long long take_time(DBusMessageIter *value)
{
	uint64_t number = 0;

	return codec_read_uint64(value, &number) ? (long long)number : 0;
}

static void take_scopes(DBusMessageIter *value, struct sparekey_password *password)
{
	DBusMessageIter item;

	if (dbus_message_iter_get_arg_type(value) != DBUS_TYPE_ARRAY ||
	    dbus_message_iter_get_element_type(value) != DBUS_TYPE_STRING) {
		return;
	}
	dbus_message_iter_recurse(value, &item);
	for (; dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_STRING &&
	       password->scopes_count < SPAREKEY_SCOPES_MAX;
	     dbus_message_iter_next(&item)) {
		take_text(&item, password->scopes[password->scopes_count++], SPAREKEY_SCOPE_BYTES);
	}
}

static int take_text_entry(struct sparekey_password *password, const char *key,
                           DBusMessageIter *value)
{
	if (strcmp(key, "Id") == 0 || strcmp(key, "id") == 0) {
		take_text(value, password->id, sizeof(password->id));
	} else if (strcmp(key, "Label") == 0 || strcmp(key, "label") == 0) {
		take_text(value, password->label, sizeof(password->label));
	} else if (strcmp(key, "Account") == 0 || strcmp(key, "account") == 0) {
		take_text(value, password->account, sizeof(password->account));
	} else if (strcmp(key, "Scopes") == 0 || strcmp(key, "scopes") == 0) {
		take_scopes(value, password);
	} else if (strcmp(key, "LastUsedScope") == 0) {
		take_text(value, password->last_used_scope, sizeof(password->last_used_scope));
	} else if (strcmp(key, "LastUsedFrom") == 0) {
		take_text(value, password->last_used_from, sizeof(password->last_used_from));
	}
	return 0;
}

static int take_entry(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_password *password = data;
	uint32_t state = 0;

	if (strcmp(key, "State") == 0 && codec_read_uint32(value, &state)) {
		password->state = (enum sparekey_state)state;
	} else if (strcmp(key, "CreatedAt") == 0) {
		password->created_at = take_time(value);
	} else if (strcmp(key, "ExpiresAt") == 0 || strcmp(key, "expires_at") == 0) {
		password->expires_at = take_time(value);
	} else if (strcmp(key, "LastUsedAt") == 0) {
		password->last_used_at = take_time(value);
	} else if (strcmp(key, "UseCount") == 0) {
		password->use_count = (unsigned long long)take_time(value);
	} else {
		return take_text_entry(password, key, value);
	}
	return 0;
}

void record_read(DBusMessageIter *dict, struct sparekey_password *ret_password)
{
	*ret_password = (struct sparekey_password){ 0 };
	codec_dict_each(dict, take_entry, ret_password);
}

int record_read_rows(DBusMessage *reply, struct sparekey_list *list, unsigned int *ret_count)
{
	DBusMessageIter array;
	DBusMessageIter row;
	DBusMessageIter field;
	unsigned int count = 0;

	if (!dbus_message_has_signature(reply, "a(oa{sv})")) {
		return SPAREKEY_FAILED;
	}
	dbus_message_iter_init(reply, &array);
	unsigned int more = (unsigned int)dbus_message_iter_get_element_count(&array);
	struct sparekey_password *rows = reallocarray(list->rows, list->count + (size_t)more + 1,
	                                              sizeof(*rows));

	if (rows == NULL) {
		return -ENOMEM;
	}
	list->rows = rows;
	dbus_message_iter_recurse(&array, &row);
	for (; count < more; count++, dbus_message_iter_next(&row)) {
		dbus_message_iter_recurse(&row, &field);
		dbus_message_iter_next(&field);
		record_read(&field, &list->rows[list->count++]);
	}
	*ret_count = count;
	return 0;
}
