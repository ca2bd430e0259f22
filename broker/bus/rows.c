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

/* Opens a row, lets `fill` write it, and closes or abandons it. */
static int append_row(struct call *call, int type,
                      bool (*fill)(DBusMessageIter *row, struct call *call, const void *what),
                      const void *what)
{
	DBusMessageIter row;

	return row_end(call,
	               dbus_message_iter_open_container(&call->rows, type, NULL, &row) &&
	                       codec_container_end(&call->rows, &row, fill(&row, call, what)));
}

static bool fill_password(DBusMessageIter *row, struct call *call, const void *what)
{
	const struct store_password *password = what;
	char path[64];

	record_path(password->id, path);
	return codec_append_path(row, path) && record_append_all(row, password, call, false);
}

int rows_password(void *data, const struct store_password *password)
{
	return append_row(data, DBUS_TYPE_STRUCT, fill_password, password);
}

static bool fill_managed(DBusMessageIter *row, struct call *call, const void *what)
{
	const struct store_password *password = what;
	char path[64];

	record_path(password->id, path);
	return codec_append_path(row, path) && record_append_interfaces(row, password, call, false);
}

int rows_managed(void *data, const struct store_password *password)
{
	return append_row(data, DBUS_TYPE_DICT_ENTRY, fill_managed, password);
}

static bool append_text(DBusMessageIter *dict, const char *key, const char *value)
{
	return value[0] == '\0' || codec_dict_string(dict, key, value);
}

static bool append_details(DBusMessageIter *dict, const struct store_event *event)
{
	return append_text(dict, "label", event->label) &&
	       append_text(dict, "scope", event->scope) &&
	       append_text(dict, "remote", event->remote) &&
	       append_text(dict, "account", event->account) &&
	       append_text(dict, "reason", event->reason) &&
	       (event->count == 0 || codec_dict_uint32(dict, "count", event->count)) &&
	       (event->group == 0 || codec_dict_uint32(dict, "group", event->group));
}

static bool fill_event(DBusMessageIter *row, struct call *call, const void *what)
{
	const struct store_event *event = what;
	DBusMessageIter dict;

	(void)call;
	return codec_append_int64(row, event->serial) &&
	       codec_append_uint64(row, (uint64_t)event->time) &&
	       codec_append_string(row, event->kind) && codec_append_string(row, event->id) &&
	       codec_dict_open(row, &dict) &&
	       codec_container_end(row, &dict, append_details(&dict, event));
}

int rows_event(void *data, const struct store_event *event)
{
	return append_row(data, DBUS_TYPE_STRUCT, fill_event, event);
}
