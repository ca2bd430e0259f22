/* SPDX-License-Identifier: MIT */
/*
 * Options dictionaries: read by a table into struct request_arguments. Loop thread. Types and
 * repetition are refused here, what a value may be is the service's to say. Strings point into the
 * message; the call then keeps copies of them (light.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

struct reading {
	struct call *call;
	const struct option *options;
	unsigned int count;
	bool strict;
	unsigned int entries;
	uint64_t seen; /* a bit an option */
};

const char *path_to_id(const char *path)
{
	size_t length = strlen(PATH_PASSWORDS "/");
	size_t most = sizeof(((struct request_arguments *)NULL)->id);

	if (strncmp(path, PATH_PASSWORDS "/", length) != 0 ||
	    strnlen(path + length, most) == most || strchr(path + length, '/') != NULL) {
		return NULL;
	}
	return path + length;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct request_id *)a)->text, ((const struct request_id *)b)->text);
}

/* How many a list holds; more than LIMIT_EXCEPT are not counted. */
static unsigned int count_objects(DBusMessageIter *value)
{
	DBusMessageIter item;
	unsigned int count = 0;

	dbus_message_iter_recurse(value, &item);
	while (count <= LIMIT_EXCEPT &&
	       dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_OBJECT_PATH) {
		count++;
		dbus_message_iter_next(&item);
	}
	return count;
}

/* Those that name a password; the others match nothing. */
static unsigned int collect_objects(DBusMessageIter *value, struct request_id *ret_ids)
{
	DBusMessageIter item;
	unsigned int count = 0;

	dbus_message_iter_recurse(value, &item);
	for (; dbus_message_iter_get_arg_type(&item) == DBUS_TYPE_OBJECT_PATH;
	     dbus_message_iter_next(&item)) {
		const char *path = NULL;

		dbus_message_iter_get_basic(&item, &path);
		path = path_to_id(path);
		if (path != NULL) {
			snprintf(ret_ids[count++].text, sizeof(ret_ids->text), "%s", path);
		}
	}
	return count;
}

/* Sorted, since each of many passwords is looked up among them. */
static bool read_objects(struct call *call, DBusMessageIter *value,
                         const struct request_id **ret_ids)
{
	if (dbus_message_iter_get_arg_type(value) != DBUS_TYPE_ARRAY ||
	    dbus_message_iter_get_element_type(value) != DBUS_TYPE_OBJECT_PATH) {
		return false;
	}
	unsigned int given = count_objects(value);
	struct request_id *ids = given <= LIMIT_EXCEPT ? calloc((size_t)given + 1, sizeof(*ids))
	                                               : NULL;

	if (ids == NULL) {
		return false;
	}
	unsigned int count = collect_objects(value, ids);

	qsort(ids, count, sizeof(*ids), compare_ids);
	free(call->except); /* none yet: no table has two of these */
	call->except = ids;
	call->request.in.except_count = count;
	*ret_ids = ids;
	return true;
}

static bool read_object(DBusMessageIter *value, char *ret_id, size_t size)
{
	const char *path = NULL;

	if (!codec_read_path(value, &path)) {
		return false;
	}
	const char *id = path_to_id(path);

	/* A path that names no password matches nothing. */
	snprintf(ret_id, size, "%s", id != NULL ? id : "-");
	return true;
}

static bool read_scopes(struct call *call, DBusMessageIter *value, struct scope_set *ret_scopes)
{
	int result = codec_read_scopes(value, ret_scopes);

	call->request.in.bad_scopes = result == SPAREKEY_INVALID_SCOPE;
	return result != SPAREKEY_INVALID_ARGS;
}

/* Whatever keeps the descriptor from us, it is not there. */
static bool read_code(struct call *call, DBusMessageIter *value, const char **ret_text)
{
	if (dbus_message_iter_get_arg_type(value) != DBUS_TYPE_UNIX_FD) {
		return codec_read_string(value, ret_text);
	}
	dbus_message_iter_get_basic(value, &call->code_fd);
	return call->code_fd >= 0 && descriptors_has_room(call->door, call->code_fd);
}

static bool read_value(struct call *call, DBusMessageIter *value, const struct option *option)
{
	char *field = (char *)&call->request.in + option->offset;
	bool record = false;

	switch (option->kind) {
	case OPTION_STRING:
		return codec_read_string(value, (const char **)(void *)field);
	case OPTION_UINT32:
		return codec_read_uint32(value, (uint32_t *)(void *)field);
	case OPTION_UINT64:
		return codec_read_uint64(value, (uint64_t *)(void *)field);
	case OPTION_INT64:
		return codec_read_int64(value, (int64_t *)(void *)field);
	case OPTION_BOOL:
		return codec_read_bool(value, (bool *)(void *)field);
	case OPTION_CODE:
		return read_code(call, value, (const char **)(void *)field);
	case OPTION_NOT:
		if (!codec_read_bool(value, &record)) {
			return false;
		}
		*(bool *)(void *)field = !record;
		return true;
	case OPTION_SCOPES:
		return read_scopes(call, value, (struct scope_set *)(void *)field);
	case OPTION_OBJECT:
		return read_object(value, field, sizeof(call->request.in.id));
	case OPTION_OBJECTS:
		return read_objects(call, value, (const struct request_id **)(void *)field);
	case OPTION_LATER:
		return true;
	}
	return false;
}

static int unknown_key(struct reading *reading, const char *key)
{
	if (reading->strict) {
		return call_say(reading->call, SPAREKEY_INVALID_ARGS,
		                "unknown filter key \"%.40s\"", key);
	}
	if (strncmp(key, "must_", strlen("must_")) == 0) {
		return call_say(reading->call, SPAREKEY_NOT_SUPPORTED,
		                "option \"%.40s\" is not supported", key);
	}
	return 0;
}

static int read_entry(void *data, const char *key, DBusMessageIter *value)
{
	struct reading *reading = data;

	if (++reading->entries > LIMIT_OPTIONS) {
		return call_say(reading->call, SPAREKEY_INVALID_ARGS, "more than %u options",
		                LIMIT_OPTIONS);
	}
	for (unsigned int i = 0; i < reading->count; i++) {
		const struct option *option = &reading->options[i];

		if (strcmp(option->key, key) != 0) {
			continue;
		}
		if (option->kind == OPTION_LATER) {
			return call_say(reading->call, SPAREKEY_NOT_SUPPORTED,
			                "option \"%s\" is not supported", key);
		}
		if ((reading->seen >> i & 1u) != 0) {
			return call_say(reading->call, SPAREKEY_INVALID_ARGS,
			                "option \"%s\" given twice", key);
		}
		reading->seen |= UINT64_C(1) << i;
		if (!read_value(reading->call, value, option)) {
			return call_say(reading->call, SPAREKEY_INVALID_ARGS,
			                "option \"%s\" is of the wrong type, or too long", key);
		}
		if (option->flag != 0) {
			*(bool *)(void *)((char *)&reading->call->request.in + option->flag) = true;
		}
		return 0;
	}
	return unknown_key(reading, key);
}

int options_read(struct call *call, DBusMessageIter *at, const struct option *options,
                 unsigned int count, bool strict)
{
	struct reading reading = { call, options, count, strict, 0, 0 };

	return codec_dict_each(at, read_entry, &reading);
}
