/* SPDX-License-Identifier: MIT */
/*
 * A password's record as D-Bus properties: one table for Get, GetAll, lists and signals. Loop
 * thread.
 */
#include <stdio.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

enum property {
	PROPERTY_ID,
	PROPERTY_LABEL,
	PROPERTY_ACCOUNT,
	PROPERTY_SCOPES,
	PROPERTY_STATE,
	PROPERTY_CREATED_AT,
	PROPERTY_EXPIRES_AT,
	PROPERTY_LAST_USED_AT,
	PROPERTY_LAST_USED_SCOPE,
	PROPERTY_LAST_USED_FROM,
	PROPERTY_USE_COUNT,
	PROPERTY_USE_COUNTS,
};

struct property_row {
	const char *name;
	const char *signature;
	enum property property;
	unsigned int changed; /* enum changed_property that touches it */
};

static const struct property_row rows[] = {
	{ "Id", "s", PROPERTY_ID, 0 },
	{ "Label", "s", PROPERTY_LABEL, CHANGED_LABEL },
	{ "Account", "s", PROPERTY_ACCOUNT, 0 },
	{ "Scopes", "as", PROPERTY_SCOPES, CHANGED_SCOPES },
	{ "State", "u", PROPERTY_STATE, CHANGED_STATE },
	{ "CreatedAt", "t", PROPERTY_CREATED_AT, 0 },
	{ "ExpiresAt", "t", PROPERTY_EXPIRES_AT, CHANGED_EXPIRES_AT },
	{ "LastUsedAt", "t", PROPERTY_LAST_USED_AT, 0 },
	{ "LastUsedScope", "s", PROPERTY_LAST_USED_SCOPE, 0 },
	{ "LastUsedFrom", "s", PROPERTY_LAST_USED_FROM, 0 },
	{ "UseCount", "t", PROPERTY_USE_COUNT, 0 },
	{ "UseCounts", "a{st}", PROPERTY_USE_COUNTS, 0 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void record_path(const char *id, char ret_path[static 64])
{
	snprintf(ret_path, 64, "%s/%.23s", PATH_PASSWORDS, id);
}

int record_keep_use(void *data, const char *scope, uint64_t count)
{
	struct call *call = data;

	if (call->uses_count < LIMIT_USE_SCOPES) {
		struct use_row *row = &call->uses[call->uses_count++];

		snprintf(row->scope, sizeof(row->scope), "%s", scope);
		row->count = count;
	}
	return 0;
}

static bool append_use(DBusMessageIter *array, const struct use_row *use)
{
	DBusMessageIter entry;

	return dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry) &&
	       codec_container_end(array, &entry,
	                           codec_append_string(&entry, use->scope) &&
	                                   codec_append_uint64(&entry, use->count));
}

static bool append_uses(DBusMessageIter *at, const struct call *uses)
{
	DBusMessageIter array;
	bool is_whole = true;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "{st}", &array)) {
		return false;
	}
	for (unsigned int i = 0; uses != NULL && i < uses->uses_count && is_whole; i++) {
		is_whole = append_use(&array, &uses->uses[i]);
	}
	return codec_container_end(at, &array, is_whole);
}

static bool append_value(DBusMessageIter *at, enum property property,
                         const struct store_password *password, const struct call *uses)
{
	switch (property) {
	case PROPERTY_ID:
		return codec_append_string(at, password->id);
	case PROPERTY_LABEL:
		return codec_append_string(at, password->label);
	case PROPERTY_ACCOUNT:
		return codec_append_string(at, password->account);
	case PROPERTY_SCOPES:
		return codec_append_scopes(at, &password->scopes);
	case PROPERTY_STATE:
		return codec_append_uint32(at, (uint32_t)password->state);
	case PROPERTY_CREATED_AT:
		return codec_append_uint64(at, (uint64_t)password->created_at);
	case PROPERTY_EXPIRES_AT:
		return codec_append_uint64(at, (uint64_t)password->expires_at);
	case PROPERTY_LAST_USED_AT:
		return codec_append_uint64(at, (uint64_t)password->last_used_at);
	case PROPERTY_LAST_USED_SCOPE:
		return codec_append_string(at, password->last_used_scope);
	case PROPERTY_LAST_USED_FROM:
		return codec_append_string(at, password->last_used_from);
	case PROPERTY_USE_COUNT:
		return codec_append_uint64(at, password->use_count);
	case PROPERTY_USE_COUNTS:
		return append_uses(at, uses);
	}
	return false;
}

static bool append_entry(DBusMessageIter *dict, const struct property_row *row,
                         const struct store_password *password, const struct call *uses)
{
	DBusMessageIter entry;
	DBusMessageIter value;

	return codec_dict_entry_open(dict, row->name, row->signature, &entry, &value) &&
	       codec_dict_entry_end(dict, &entry, &value,
	                            append_value(&value, row->property, password, uses));
}

bool record_append_all(DBusMessageIter *at, const struct store_password *password,
                       const struct call *uses, bool told)
{
	DBusMessageIter dict;
	bool is_whole = true;

	if (!codec_dict_open(at, &dict)) {
		return false;
	}
	for (size_t i = 0; i < ROWS && is_whole; i++) {
		if (!told || rows[i].property != PROPERTY_LAST_USED_FROM) {
			is_whole = append_entry(&dict, &rows[i], password, uses);
		}
	}
	return codec_container_end(at, &dict, is_whole);
}

bool record_append_interfaces(DBusMessageIter *at, const struct store_password *password,
                              const struct call *uses, bool told)
{
	DBusMessageIter interfaces;
	DBusMessageIter entry;

	return dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "{sa{sv}}", &interfaces) &&
	       codec_container_end(
		       at, &interfaces,
		       dbus_message_iter_open_container(&interfaces, DBUS_TYPE_DICT_ENTRY, NULL,
	                                                &entry) &&
			       codec_container_end(
				       &interfaces, &entry,
				       codec_append_string(&entry, NAME_PASSWORD) &&
					       record_append_all(&entry, password, uses, told)));
}

bool record_append_changed(DBusMessageIter *dict, const struct store_password *password,
                           unsigned int changed)
{
	for (size_t i = 0; i < ROWS; i++) {
		if ((rows[i].changed & changed) != 0 &&
		    !append_entry(dict, &rows[i], password, NULL)) {
			return false;
		}
	}
	return true;
}

static const struct property_row *row_of(const char *name)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].name, name) == 0) {
			return &rows[i];
		}
	}
	return NULL;
}

bool record_has(const char *name)
{
	return row_of(name) != NULL;
}

int record_append_one(DBusMessageIter *at, const char *name, const struct store_password *password,
                      const struct call *uses)
{
	const struct property_row *row = row_of(name);
	DBusMessageIter value;

	if (row == NULL) {
		return SPAREKEY_UNKNOWN_PROPERTY;
	}
	return dbus_message_iter_open_container(at, DBUS_TYPE_VARIANT, row->signature, &value) &&
	                       codec_container_end(
				       at, &value,
				       append_value(&value, row->property, password, uses))
	               ? 0
	               : SPAREKEY_FAILED;
}
