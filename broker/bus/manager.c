/* SPDX-License-Identifier: MIT */
/*
 * org.sparekey.Broker1.Manager: arguments in, answers out, and its properties. Loop thread. What
 * may be done is the service's to say.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bus/internal.h"
#include "gen/introspect_xml.h"
#include "sparekey.h"

#define ARGUMENT(field) offsetof(struct request_arguments, field)
#define COUNT(array) ((unsigned int)(sizeof(array) / sizeof((array)[0])))

/* The arguments of Create. The last three come with a later version: refused rather than silently
 * not kept. */
static const struct option create_options[] = {
	{ "scopes", OPTION_SCOPES, ARGUMENT(scopes), ARGUMENT(has_scopes) },
	{ "account", OPTION_STRING, ARGUMENT(account), 0 },
	{ "expires_at", OPTION_UINT64, ARGUMENT(expires_at), ARGUMENT(has_expires_at) },
	{ "idle_seconds", OPTION_LATER, 0, 0 },
	{ "setup_seconds", OPTION_LATER, 0, 0 },
	{ "pin", OPTION_LATER, 0, 0 },
};

static int decode_text_and_options(struct call *call, DBusMessageIter *arguments,
                                   const struct option *options, unsigned int count)
{
	codec_read_string(arguments, &call->request.in.text);
	dbus_message_iter_next(arguments);
	return options_read(call, arguments, options, count, false);
}

static int decode_create(struct call *call, DBusMessageIter *arguments)
{
	return decode_text_and_options(call, arguments, create_options, COUNT(create_options));
}

static bool append_password_path(DBusMessageIter *reply, const struct call *call)
{
	char path[64];

	record_path(call->request.password.id, path);
	return codec_append_path(reply, path);
}

static bool encode_create_fd(struct call *call, DBusMessageIter *reply)
{
	return append_password_path(reply, call) &&
	       reply_append_secret(reply, call->request.secret);
}

static bool encode_create(struct call *call, DBusMessageIter *reply)
{
	char text[PASSWORD_TEXT + 1] = "";

	memcpy(text, secret_bytes(call->request.secret), PASSWORD_TEXT);
	bool is_done = append_password_path(reply, call) && codec_append_string(reply, text);

	explicit_bzero(text, sizeof(text));
	return is_done;
}

static const struct option find_options[] = {
	{ "account", OPTION_STRING, ARGUMENT(account), 0 },
};

static int decode_find(struct call *call, DBusMessageIter *arguments)
{
	return decode_text_and_options(call, arguments, find_options, COUNT(find_options));
}

static bool encode_find(struct call *call, DBusMessageIter *reply)
{
	return append_password_path(reply, call);
}

static const struct option list_options[] = {
	{ "after", OPTION_STRING, ARGUMENT(after), 0 },
	{ "limit", OPTION_UINT32, ARGUMENT(limit), 0 },
};

static int decode_list(struct call *call, DBusMessageIter *arguments)
{
	call->request.in.limit = LIMIT_PAGE_ROWS;
	call->request.row = rows_password;
	call->request.use = record_keep_use;
	int result = options_read(call, arguments, list_options, COUNT(list_options), false);

	if (result == 0 && !rows_open(call, "(oa{sv})")) {
		return -ENOMEM;
	}
	return result;
}

static bool encode_rows(struct call *call, DBusMessageIter *reply)
{
	(void)reply;
	return rows_close(call);
}

static int decode_identify(struct call *call, DBusMessageIter *arguments)
{
	int taken = inlet_descriptor(call, arguments);

	if (taken != 0) {
		return taken;
	}
	dbus_message_iter_next(arguments);
	int result = options_read(call, arguments, NULL, 0, false);

	return result == 0 ? secret_new(call->door->pool, &call->request.secret) : result;
}

static const char *identity_name(enum identity identity)
{
	switch (identity) {
	case IDENTITY_MALFORMED:
		return "malformed";
	case IDENTITY_MISTYPED:
		return "mistyped";
	case IDENTITY_UNKNOWN:
		return "unknown";
	case IDENTITY_WRONG:
		return "wrong";
	case IDENTITY_OURS:
		return "ours";
	}
	return "malformed";
}

static bool append_identity(DBusMessageIter *dict, const struct request *request)
{
	const struct store_password *password = &request->password;

	return codec_dict_string(dict, "result", identity_name(request->identity)) &&
	       (request->group == 0 || codec_dict_uint32(dict, "group", request->group)) &&
	       (password->id[0] == '\0' ||
	        (codec_dict_string(dict, "id", password->id) &&
	         codec_dict_string(dict, "label", password->label) &&
	         codec_dict_uint32(dict, "state", (uint32_t)password->state)));
}

static bool encode_identify(struct call *call, DBusMessageIter *reply)
{
	DBusMessageIter dict;

	return codec_dict_open(reply, &dict) &&
	       codec_container_end(reply, &dict, append_identity(&dict, &call->request));
}

static const struct option revoke_filter[] = {
	{ "scope", OPTION_STRING, ARGUMENT(scope), 0 },
	{ "account", OPTION_STRING, ARGUMENT(account), 0 },
	{ "unused_since", OPTION_UINT64, ARGUMENT(unused_since), ARGUMENT(has_unused_since) },
	{ "created_before", OPTION_UINT64, ARGUMENT(created_before), ARGUMENT(has_created_before) },
	{ "except", OPTION_OBJECTS, ARGUMENT(except), 0 },
};

static int decode_revoke_all(struct call *call, DBusMessageIter *arguments)
{
	int result = options_read(call, arguments, revoke_filter, COUNT(revoke_filter), true);

	dbus_message_iter_next(arguments);
	return result == 0 ? options_read(call, arguments, NULL, 0, false) : result;
}

static bool encode_count(struct call *call, DBusMessageIter *reply)
{
	return codec_append_uint32(reply, call->request.count);
}

static const struct option event_options[] = {
	{ "password", OPTION_OBJECT, ARGUMENT(id), 0 },
	{ "before", OPTION_INT64, ARGUMENT(before), 0 },
};

static int decode_list_events(struct call *call, DBusMessageIter *arguments)
{
	codec_read_uint64(arguments, &call->request.in.not_before);
	dbus_message_iter_next(arguments);
	codec_read_uint32(arguments, &call->request.in.limit);
	dbus_message_iter_next(arguments);
	call->request.event = rows_event;
	int result = options_read(call, arguments, event_options, COUNT(event_options), false);

	if (result == 0 && !rows_open(call, "(xtssa{sv})")) {
		return -ENOMEM;
	}
	return result;
}

static const struct method methods[] = {
	{ "CreatePasswordByFileDescriptor", "sa{sv}", "oh", OPERATION_CREATE, decode_create,
	  encode_create_fd, METHOD_SECRET_OUT | METHOD_UNDO },
	{ "CreatePassword", "sa{sv}", "os", OPERATION_CREATE, decode_create, encode_create,
	  METHOD_INLINE | METHOD_UNDO },
	{ "FindPassword", "sa{sv}", "o", OPERATION_FIND, decode_find, encode_find, 0 },
	{ "ListPasswords", "a{sv}", "a(oa{sv})", OPERATION_LIST, decode_list, encode_rows,
	  METHOD_LARGE },
	{ "IdentifyByFileDescriptor", "ha{sv}", "a{sv}", OPERATION_IDENTIFY, decode_identify,
	  encode_identify, 0 },
	{ "RevokeAll", "a{sv}a{sv}", "u", OPERATION_REVOKE_ALL, decode_revoke_all, encode_count,
	  0 },
	{ "ListEvents", "tua{sv}", "a(xtssa{sv})", OPERATION_LIST_EVENTS, decode_list_events,
	  encode_rows, METHOD_LARGE },
};

const struct interface manager_interface = { NAME_MANAGER, methods, COUNT(methods),
	                                     introspect_manager };

static bool append_features(DBusMessageIter *at, const struct door *door)
{
	DBusMessageIter array;

	return dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "s", &array) &&
	       codec_container_end(at, &array,
	                           codec_append_string(&array, "totp") &&
	                                   (door->peer_address[0] == '\0' ||
	                                    codec_append_string(&array, "peer")));
}

static bool append_each_setting(DBusMessageIter *dict, const struct settings *settings)
{
	return codec_dict_string(dict, "create-requires",
	                         requirement_name(settings->create_requires)) &&
	       codec_dict_uint32(dict, "proof-seconds", settings->proof_seconds) &&
	       codec_dict_scopes(dict, "default-scopes", &settings->default_scopes) &&
	       codec_dict_uint32(dict, "max-passwords", settings->max_passwords) &&
	       codec_dict_uint64(dict, "max-lifetime", settings->max_lifetime_s) &&
	       codec_dict_uint32(dict, "cache-seconds", settings->cache_seconds) &&
	       codec_dict_string(dict, "inline-secrets",
	                         settings->inline_secrets ? "allow" : "refuse") &&
	       codec_dict_uint32(dict, "idle-exit-seconds", settings->idle_exit_seconds) &&
	       codec_dict_uint32(dict, "argon2-memory-kib", settings->argon2_memory_kib) &&
	       codec_dict_uint32(dict, "argon2-passes", settings->argon2_passes) &&
	       codec_dict_uint32(dict, "owner-argon2-memory-kib",
	                         settings->owner_argon2_memory_kib) &&
	       codec_dict_uint32(dict, "owner-argon2-passes", settings->owner_argon2_passes) &&
	       codec_dict_uint32(dict, "workers", settings->workers);
}

static bool append_settings(DBusMessageIter *at, const struct door *door)
{
	DBusMessageIter dict;

	return codec_dict_open(at, &dict) &&
	       codec_container_end(at, &dict,
	                           append_each_setting(&dict, service_settings(door->service)));
}

static bool append_version(DBusMessageIter *at, const struct door *door)
{
	(void)door;
	return codec_append_string(at, SPAREKEY_VERSION);
}

static bool append_peer_address(DBusMessageIter *at, const struct door *door)
{
	return codec_append_string(at, door->peer_address);
}

struct property {
	const char *name;
	const char *signature;
	bool (*append)(DBusMessageIter *at, const struct door *door);
};

static const struct property properties[] = {
	{ "Version", "s", append_version },
	{ "Features", "as", append_features },
	{ "PeerAddress", "s", append_peer_address },
	{ "Settings", "a{sv}", append_settings },
};

bool manager_append_properties(DBusMessageIter *dict, const struct door *door)
{
	DBusMessageIter entry;
	DBusMessageIter value;

	for (unsigned int i = 0; i < COUNT(properties); i++) {
		if (!codec_dict_entry_open(dict, properties[i].name, properties[i].signature,
		                           &entry, &value) ||
		    !codec_dict_entry_end(dict, &entry, &value,
		                          properties[i].append(&value, door))) {
			return false;
		}
	}
	return true;
}

static const struct property *property_of(const char *name)
{
	for (unsigned int i = 0; i < COUNT(properties); i++) {
		if (strcmp(properties[i].name, name) == 0) {
			return &properties[i];
		}
	}
	return NULL;
}

bool manager_has(const char *name)
{
	return property_of(name) != NULL;
}

bool manager_append_one(DBusMessageIter *at, const char *name, const struct door *door)
{
	const struct property *property = property_of(name);
	DBusMessageIter value;

	return property != NULL &&
	       dbus_message_iter_open_container(at, DBUS_TYPE_VARIANT, property->signature,
	                                        &value) &&
	       codec_container_end(at, &value, property->append(&value, door));
}
