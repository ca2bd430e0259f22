/* SPDX-License-Identifier: MIT */
/*
 * org.sparekey.Broker1.Verifier: the one question servers ask. Loop thread.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bus/internal.h"
#include "gen/introspect_xml.h"
#include "sparekey.h"

#define ARGUMENT(field) offsetof(struct request_arguments, field)
#define COUNT(array) ((unsigned int)(sizeof(array) / sizeof((array)[0])))

static const struct option verify_options[] = {
	{ "account", OPTION_STRING, ARGUMENT(account), 0 },
	{ "remote", OPTION_STRING, ARGUMENT(remote), 0 },
	{ "record", OPTION_NOT, ARGUMENT(unrecorded), 0 },
	{ "diagnosis", OPTION_STRING, ARGUMENT(diagnosis), 0 },
	{ "group", OPTION_UINT32, ARGUMENT(group), 0 },
};

static int decode_rest(struct call *call, DBusMessageIter *arguments)
{
	dbus_message_iter_next(arguments);
	codec_read_string(arguments, &call->request.in.scope);
	dbus_message_iter_next(arguments);
	return options_read(call, arguments, verify_options, COUNT(verify_options), false);
}

static int decode_verify_fd(struct call *call, DBusMessageIter *arguments)
{
	int taken = inlet_descriptor(call, arguments);

	if (taken != 0) {
		return taken;
	}
	int result = decode_rest(call, arguments);

	return result == 0 ? secret_new(call->door->pool, &call->request.secret) : result;
}

/* Too long a text is kept out; what is left is as malformed as it was. */
static int decode_verify(struct call *call, DBusMessageIter *arguments)
{
	const char *text = NULL;

	codec_read_string(arguments, &text);
	int result = decode_rest(call, arguments);

	if (result == 0) {
		result = secret_new(call->door->pool, &call->request.secret);
	}
	if (result == 0 && strlen(text) <= LIMIT_SECRET_BYTES) {
		result = secret_set(call->request.secret, text, strlen(text));
	}
	return result;
}

static bool append_details(DBusMessageIter *dict, const struct store_password *password)
{
	return codec_dict_string(dict, "id", password->id) &&
	       codec_dict_string(dict, "label", password->label) &&
	       codec_dict_string(dict, "account", password->account) &&
	       codec_dict_scopes(dict, "scopes", &password->scopes) &&
	       codec_dict_uint64(dict, "expires_at", (uint64_t)password->expires_at);
}

static bool encode_verify(struct call *call, DBusMessageIter *reply)
{
	DBusMessageIter dict;
	char path[64];

	record_path(call->request.password.id, path);
	return codec_append_path(reply, path) && codec_dict_open(reply, &dict) &&
	       codec_container_end(reply, &dict, append_details(&dict, &call->request.password));
}

static const struct method methods[] = {
	{ "VerifyByFileDescriptor", "hsa{sv}", "oa{sv}", OPERATION_VERIFY, decode_verify_fd,
	  encode_verify, METHOD_FOR_ROOT | METHOD_REPEATS },
	{ "Verify", "ssa{sv}", "oa{sv}", OPERATION_VERIFY, decode_verify, encode_verify,
	  METHOD_FOR_ROOT | METHOD_INLINE | METHOD_REPEATS },
};

const struct interface verifier_interface = { NAME_VERIFIER, methods, COUNT(methods),
	                                      introspect_verifier };
