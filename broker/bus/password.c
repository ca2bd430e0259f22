/* SPDX-License-Identifier: MIT */
/*
 * org.sparekey.Broker1.Password: what can be done to one. Loop thread.
 */
#include "bus/internal.h"
#include "gen/introspect_xml.h"
#include "sparekey.h"

#define COUNT(array) ((unsigned int)(sizeof(array) / sizeof((array)[0])))

static int decode_options(struct call *call, DBusMessageIter *arguments)
{
	return options_read(call, arguments, NULL, 0, false);
}

static int decode_rename(struct call *call, DBusMessageIter *arguments)
{
	codec_read_string(arguments, &call->request.in.text);
	dbus_message_iter_next(arguments);
	return decode_options(call, arguments);
}

static int decode_scopes(struct call *call, DBusMessageIter *arguments)
{
	call->request.in.has_scopes = true;
	call->request.in.bad_scopes = codec_read_scopes(arguments, &call->request.in.scopes) ==
	                              SPAREKEY_INVALID_SCOPE;
	dbus_message_iter_next(arguments);
	return decode_options(call, arguments);
}

static int decode_expiry(struct call *call, DBusMessageIter *arguments)
{
	codec_read_uint64(arguments, &call->request.in.expires_at);
	dbus_message_iter_next(arguments);
	return decode_options(call, arguments);
}

static const struct method methods[] = {
	{ "Revoke", "a{sv}", "", OPERATION_REVOKE, decode_options, NULL, 0 },
	{ "Rename", "sa{sv}", "", OPERATION_RENAME, decode_rename, NULL, 0 },
	{ "SetScopes", "asa{sv}", "", OPERATION_SET_SCOPES, decode_scopes, NULL, 0 },
	{ "SetExpiry", "ta{sv}", "", OPERATION_SET_EXPIRY, decode_expiry, NULL, 0 },
	{ "Freeze", "a{sv}", "", OPERATION_FREEZE, decode_options, NULL, 0 },
	{ "Thaw", "a{sv}", "", OPERATION_THAW, decode_options, NULL, 0 },
};

const struct interface password_interface = { NAME_PASSWORD, methods, COUNT(methods),
	                                      introspect_password };
