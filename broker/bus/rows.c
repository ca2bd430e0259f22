/* SPDX-License-Identifier: MIT */
/*
 * Replies that are written row by row while the store walks. Loop thread. The store gives the first
 * row only once it holds its lock, so a walk that is tried again has written nothing before.
 */
#include <errno.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

bool rows_open(struct call *call, const char *signature)
{
	call->reply = dbus_message_new_method_return(call->message);
	if (call->reply == NULL) {
		return false;
	}
	dbus_message_iter_init_append(call->reply, &call->body);
	call->rows_open = dbus_message_iter_open_container(&call->body, DBUS_TYPE_ARRAY, signature,
	                                                   &call->rows);
	call->request.row_data = call;
	return call->rows_open;
}

bool rows_close(struct call *call)
{
	call->rows_open = false;
	return dbus_message_iter_close_container(&call->body, &call->rows);
}

static int row_end(struct call *call, bool is_written)
{
	call->uses_count = 0;
	call->failed = call->failed || !is_written;
	return is_written ? 0 : -ENOMEM;
}

int rows_password(void *data, const struct store_password *password)
{
	struct call *call = data;
	DBusMessageIter row;
	char path[64];

	record_path(password->id, path);
	return row_end(
		call, dbus_message_iter_open_container(&call->rows, DBUS_TYPE_STRUCT, NULL, &row) &&
			      codec_append_path(&row, path) &&
			      record_append_all(&row, password, call, false) &&
			      dbus_message_iter_close_container(&call->rows, &row));
}

static bool append_interfaces(DBusMessageIter *at, const struct store_password *password,
                              const struct call *uses)
{
	DBusMessageIter interfaces;
	DBusMessageIter entry;

	return dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "{sa{sv}}", &interfaces) &&
	       dbus_message_iter_open_container(&interfaces, DBUS_TYPE_DICT_ENTRY, NULL, &entry) &&
	       codec_append_string(&entry, NAME_PASSWORD) &&
	       record_append_all(&entry, password, uses, false) &&
	       dbus_message_iter_close_container(&interfaces, &entry) &&
	       dbus_message_iter_close_container(at, &interfaces);
}

int rows_managed(void *data, const struct store_password *password)
{
	struct call *call = data;
	DBusMessageIter row;
	char path[64];

	if (call->request.count > LIMIT_PAGE_ROWS) {
		return SPAREKEY_LIMIT_EXCEEDED;
	}
	record_path(password->id, path);
	return row_end(call, dbus_message_iter_open_container(&call->rows, DBUS_TYPE_DICT_ENTRY,
	                                                      NULL, &row) &&
	                             codec_append_path(&row, path) &&
	                             append_interfaces(&row, password, call) &&
	                             dbus_message_iter_close_container(&call->rows, &row));
}

static bool append_text(DBusMessageIter *dict, const char *key, const char *value)
{
	return value[0] == '\0' || codec_dict_string(dict, key, value);
}

static bool append_details(DBusMessageIter *at, const struct store_event *event)
{
	DBusMessageIter dict;

	return codec_dict_open(at, &dict) && append_text(&dict, "label", event->label) &&
	       append_text(&dict, "scope", event->scope) &&
	       append_text(&dict, "remote", event->remote) &&
	       append_text(&dict, "account", event->account) &&
	       append_text(&dict, "reason", event->reason) &&
	       (event->count == 0 || codec_dict_uint32(&dict, "count", event->count)) &&
	       (event->group == 0 || codec_dict_uint32(&dict, "group", event->group)) &&
	       codec_dict_close(at, &dict);
}

int rows_event(void *data, const struct store_event *event)
{
	struct call *call = data;
	DBusMessageIter row;

	return row_end(
		call, dbus_message_iter_open_container(&call->rows, DBUS_TYPE_STRUCT, NULL, &row) &&
			      codec_append_int64(&row, event->serial) &&
			      codec_append_uint64(&row, (uint64_t)event->time) &&
			      codec_append_string(&row, event->kind) &&
			      codec_append_string(&row, event->id) && append_details(&row, event) &&
			      dbus_message_iter_close_container(&call->rows, &row));
}
