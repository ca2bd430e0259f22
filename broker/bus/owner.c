/* SPDX-License-Identifier: MIT */
/*
 * org.sparekey.Broker1.Owner: the owner's proof, and what it is checked against. Loop thread. Every
 * secret crosses by descriptor; six digits that are stale in half a minute may come as a string.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bus/internal.h"
#include "gen/introspect_xml.h"
#include "sparekey.h"

#define ARGUMENT(field) offsetof(struct request_arguments, field)
#define COUNT(array) ((unsigned int)(sizeof(array) / sizeof((array)[0])))

static const struct option authenticate_options[] = {
	{ "code", OPTION_CODE, ARGUMENT(code), 0 },
};

static const struct option change_options[] = {
	{ "revoke", OPTION_BOOL, ARGUMENT(revoke), 0 },
};

static int decode_secret(struct call *call, DBusMessageIter *arguments,
                         const struct option *options, unsigned int count)
{
	int result = inlet_descriptor(call, arguments);

	if (result != 0) {
		return result;
	}
	dbus_message_iter_next(arguments);
	result = options_read(call, arguments, options, count, false);
	return result == 0 ? secret_new(call->door->pool, &call->request.secret) : result;
}

static int decode_initialize(struct call *call, DBusMessageIter *arguments)
{
	return decode_secret(call, arguments, NULL, 0);
}

static int decode_authenticate(struct call *call, DBusMessageIter *arguments)
{
	return decode_secret(call, arguments, authenticate_options, COUNT(authenticate_options));
}

static int decode_change(struct call *call, DBusMessageIter *arguments)
{
	return decode_secret(call, arguments, change_options, COUNT(change_options));
}

static int decode_options(struct call *call, DBusMessageIter *arguments)
{
	return options_read(call, arguments, NULL, 0, false);
}

static int decode_confirm(struct call *call, DBusMessageIter *arguments)
{
	codec_read_string(arguments, &call->request.in.text);
	dbus_message_iter_next(arguments);
	return decode_options(call, arguments);
}

static bool encode_valid_until(struct call *call, DBusMessageIter *reply)
{
	return codec_append_uint64(reply, (uint64_t)call->request.valid_until);
}

static bool encode_secret(struct call *call, DBusMessageIter *reply)
{
	return reply_append_secret(reply, call->request.secret);
}

static const struct method methods[] = {
	{ "Initialize", "ha{sv}", "", OPERATION_INITIALIZE, decode_initialize, NULL, METHOD_WATCH },
	{ "Authenticate", "ha{sv}", "t", OPERATION_AUTHENTICATE, decode_authenticate,
	  encode_valid_until, METHOD_WATCH },
	{ "Lock", "", "", OPERATION_LOCK, NULL, NULL, 0 },
	{ "ChangeMainPassword", "ha{sv}", "", OPERATION_CHANGE_MAIN_PASSWORD, decode_change, NULL,
	  0 },
	{ "EnrollTotp", "a{sv}", "h", OPERATION_ENROLL_TOTP, decode_options, encode_secret,
	  METHOD_SECRET_OUT },
	{ "ConfirmTotp", "sa{sv}", "", OPERATION_CONFIRM_TOTP, decode_confirm, NULL, 0 },
	{ "RemoveTotp", "a{sv}", "", OPERATION_REMOVE_TOTP, decode_options, NULL, 0 },
	{ "GenerateRecoveryCodes", "a{sv}", "h", OPERATION_GENERATE_CODES, decode_options,
	  encode_secret, METHOD_SECRET_OUT | METHOD_WATCH },
	{ "Erase", "a{sv}", "", OPERATION_ERASE, decode_options, NULL, 0 },
};

const struct interface owner_interface = { NAME_OWNER, methods, COUNT(methods), introspect_owner };

/* Properties. */

enum property { PROPERTY_INITIALIZED, PROPERTY_SECOND_FACTOR, PROPERTY_CODES_LEFT };

static const char *const names[] = {
	[PROPERTY_INITIALIZED] = "Initialized",
	[PROPERTY_SECOND_FACTOR] = "SecondFactor",
	[PROPERTY_CODES_LEFT] = "RecoveryCodesLeft",
};

/* org.sparekey.Broker1.Owner: 1 no, 2 yes; 1 none, 2 TOTP. */
static uint32_t value_of(enum property property, const struct owner_state *owner)
{
	switch (property) {
	case PROPERTY_INITIALIZED:
		return owner->is_initialized ? 2 : 1;
	case PROPERTY_SECOND_FACTOR:
		return owner->has_factor ? 2 : 1;
	case PROPERTY_CODES_LEFT:
		return owner->codes_left;
	}
	return 0;
}

bool owner_has(const char *name)
{
	for (unsigned int i = 0; i < COUNT(names); i++) {
		if (strcmp(names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

bool owner_append_properties(DBusMessageIter *dict, const struct owner_state *owner)
{
	bool is_whole = true;

	for (unsigned int i = 0; i < COUNT(names) && is_whole; i++) {
		is_whole = codec_dict_uint32(dict, names[i], value_of((enum property)i, owner));
	}
	return is_whole;
}

bool owner_append_one(DBusMessageIter *at, const char *name, const struct owner_state *owner)
{
	DBusMessageIter value;

	for (unsigned int i = 0; i < COUNT(names); i++) {
		if (strcmp(names[i], name) == 0) {
			return dbus_message_iter_open_container(at, DBUS_TYPE_VARIANT, "u",
			                                        &value) &&
			       codec_container_end(
				       at, &value,
				       codec_append_uint32(&value,
			                                   value_of((enum property)i, owner)));
		}
	}
	return false;
}
