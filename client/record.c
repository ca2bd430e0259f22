/* SPDX-License-Identifier: MIT */
/*
 * Records out of messages. The caller's thread. What a broker says is cut to fit, never trusted to:
 * unknown keys and values of another type are passed over.
 */
#include "client/record.h"

#include <stdio.h>
#include <string.h>

#include "protocol/codec.h"

/* Where `text` may be cut so that less than `size` bytes are left of it and no character is halved.
 */
static size_t whole_length(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	if (length < size) {
		return length;
	}
	length = size - 1;
	while (length > 0 && ((unsigned char)text[length] & 0xc0u) == 0x80u) {
		length--;
	}
	return length;
}

bool record_text(DBusMessageIter *value, char *ret_text, size_t size)
{
	const char *text = NULL;

	if (!codec_read_string(value, &text)) {
		return false;
	}
	size_t length = whole_length(text, size);

	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
	return true;
}

bool record_id(DBusMessageIter *value, char ret_id[static SPAREKEY_ID_SIZE])
{
	const char *path = NULL;
	const char *slash = NULL;

	if (!codec_read_path(value, &path)) {
		return false;
	}
	slash = strrchr(path, '/');
	snprintf(ret_id, SPAREKEY_ID_SIZE, "%.23s", slash != NULL ? slash + 1 : path);
	return true;
}

int64_t record_time(DBusMessageIter *value)
{
	uint64_t number = 0;

	return codec_read_uint64(value, &number) && number <= INT64_MAX ? (int64_t)number : 0;
}

void record_scopes(DBusMessageIter *value, struct sparekey_scopes *ret_scopes)
{
	DBusMessageIter item;

	if (dbus_message_iter_get_arg_type(value) != DBUS_TYPE_ARRAY) {
		return;
	}
	dbus_message_iter_recurse(value, &item);
	while (ret_scopes->count < SPAREKEY_SCOPES_MAX &&
	       record_text(&item, ret_scopes->names[ret_scopes->count], SPAREKEY_SCOPE_SIZE)) {
		ret_scopes->count++;
		dbus_message_iter_next(&item);
	}
}

static void take_uses(DBusMessageIter *value, struct sparekey_password *password)
{
	DBusMessageIter item;
	DBusMessageIter pair;

	if (dbus_message_iter_get_arg_type(value) != DBUS_TYPE_ARRAY ||
	    dbus_message_iter_get_element_type(value) != DBUS_TYPE_DICT_ENTRY) {
		return;
	}
	dbus_message_iter_recurse(value, &item);
	while (dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_DICT_ENTRY &&
	       password->uses_count < SPAREKEY_SCOPES_MAX) {
		struct sparekey_use *use = &password->uses[password->uses_count];

		dbus_message_iter_recurse(&item, &pair);
		if (record_text(&pair, use->scope, sizeof(use->scope)) &&
		    dbus_message_iter_next(&pair) && codec_read_uint64(&pair, &use->count)) {
			password->uses_count++;
		}
		dbus_message_iter_next(&item);
	}
}

static void take_state(DBusMessageIter *value, struct sparekey_password *password)
{
	uint32_t state = 0;

	if (codec_read_uint32(value, &state) && state <= SPAREKEY_DAMAGED) {
		password->state = (enum sparekey_state)state;
	}
}

/* Where each property goes: a text by offset and size, a time by offset, or by its own function. */
struct field {
	const char *name;
	size_t offset;
	size_t size; /* 0: a time or count of 64 bits */
	void (*take)(DBusMessageIter *value, struct sparekey_password *password);
};

static void take_scopes(DBusMessageIter *value, struct sparekey_password *password)
{
	record_scopes(value, &password->scopes);
}

#define TEXT(name, field)                                                                          \
	{                                                                                          \
		name, offsetof(struct sparekey_password, field),                                   \
			sizeof(((struct sparekey_password *)NULL)->field), NULL                    \
	}
#define NUMBER(name, field)                                                                        \
	{                                                                                          \
		name, offsetof(struct sparekey_password, field), 0, NULL                           \
	}

static const struct field fields[] = {
	TEXT("Id", id),
	TEXT("Label", label),
	TEXT("Account", account),
	TEXT("LastUsedScope", last_used_scope),
	TEXT("LastUsedFrom", last_used_from),
	NUMBER("CreatedAt", created_at),
	NUMBER("ExpiresAt", expires_at),
	NUMBER("LastUsedAt", last_used_at),
	NUMBER("UseCount", use_count),
	{ "State", 0, 0, take_state },
	{ "Scopes", 0, 0, take_scopes },
	{ "UseCounts", 0, 0, take_uses },
};

static int take_property(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_password *password = data;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *field = &fields[i];
		char *at = (char *)password + field->offset;

		if (strcmp(field->name, key) != 0) {
			continue;
		}
		if (field->take != NULL) {
			field->take(value, password);
		} else if (field->size > 0) {
			record_text(value, at, field->size);
		} else {
			int64_t number = record_time(value);

			memcpy(at, &number, sizeof(number));
		}
	}
	return 0;
}

void record_password(DBusMessageIter *dict, struct sparekey_password *ret_password)
{
	*ret_password = (struct sparekey_password){ 0 };
	codec_dict_each(dict, take_property, ret_password);
}

static int take_detail(void *data, const char *key, DBusMessageIter *value)
{
	struct sparekey_event *event = data;

	if (strcmp(key, "label") == 0) {
		record_text(value, event->label, sizeof(event->label));
	} else if (strcmp(key, "scope") == 0) {
		record_text(value, event->scope, sizeof(event->scope));
	} else if (strcmp(key, "remote") == 0) {
		record_text(value, event->remote, sizeof(event->remote));
	} else if (strcmp(key, "account") == 0) {
		record_text(value, event->account, sizeof(event->account));
	} else if (strcmp(key, "reason") == 0) {
		record_text(value, event->reason, sizeof(event->reason));
	} else if (strcmp(key, "count") == 0) {
		codec_read_uint32(value, &event->count);
	} else if (strcmp(key, "group") == 0) {
		codec_read_uint32(value, &event->group);
	}
	return 0;
}

void record_event(DBusMessageIter *row, struct sparekey_event *ret_event)
{
	DBusMessageIter field;

	*ret_event = (struct sparekey_event){ 0 };
	dbus_message_iter_recurse(row, &field);
	codec_read_int64(&field, &ret_event->serial);
	dbus_message_iter_next(&field);
	ret_event->time = record_time(&field);
	dbus_message_iter_next(&field);
	record_text(&field, ret_event->kind, sizeof(ret_event->kind));
	dbus_message_iter_next(&field);
	record_text(&field, ret_event->id, sizeof(ret_event->id));
	dbus_message_iter_next(&field);
	codec_dict_each(&field, take_detail, ret_event);
}
