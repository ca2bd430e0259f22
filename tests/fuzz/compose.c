/* SPDX-License-Identifier: MIT */
/*
 * Messages composed of an input. Raw bytes are seldom a message at all; here every input is one of
 * the signature wanted, and the input says what stands in it.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define ITEMS_MOST 9u
#define TEXT_BYTES 300u

static void compose_value(struct composer *composer, DBusMessageIter *at, DBusSignatureIter *type);

/* One of the words, or what the input holds. Only what libdbus takes is handed to it. */
static void compose_text(struct composer *composer, char ret_text[static TEXT_BYTES])
{
	size_t count = 0;
	uint8_t choice = source_byte(composer->source);
	char *colon = NULL;

	while (composer->words[count] != NULL) {
		count++;
	}
	composer->signature = NULL;
	if (choice < 0xc0) {
		const char *word = composer->words[choice % count];

		(void)snprintf(ret_text, TEXT_BYTES, "%s", word);
		colon = strchr(ret_text, ':');
		if (colon != NULL) {
			composer->signature = strchr(word, ':') + 1;
			*colon = '\0';
		}
	} else {
		source_text(composer->source, ret_text, TEXT_BYTES);
	}
	if (!dbus_validate_utf8(ret_text, NULL)) {
		strcpy(ret_text, "?");
	}
}

static void append_text(struct composer *composer, DBusMessageIter *at, int type)
{
	char text[TEXT_BYTES];
	const char *value = text;

	compose_text(composer, text);
	if (type == DBUS_TYPE_OBJECT_PATH && !dbus_validate_path(text, NULL)) {
		value = "/org/sparekey/Broker1/password/k7mq3";
	} else if (type == DBUS_TYPE_SIGNATURE && !dbus_signature_validate(text, NULL)) {
		value = "as";
	}
	MUST(dbus_message_iter_append_basic(at, type, &value));
}

/* As many bytes as the type is wide; small numbers are as likely as large ones. */
static void append_number(struct composer *composer, DBusMessageIter *at, int type)
{
	uint8_t choice = source_byte(composer->source);
	DBusBasicValue value = { 0 };

	value.u64 = choice < 0xf0 ? choice : source_uint64(composer->source);
	if (type == DBUS_TYPE_BOOLEAN) {
		value.bool_val = choice % 2;
	}
	MUST(dbus_message_iter_append_basic(at, type, &value));
}

static void append_fd(struct composer *composer, DBusMessageIter *at)
{
	int fd = composer->fd(composer->source);

	MUST(dbus_message_iter_append_basic(at, DBUS_TYPE_UNIX_FD, &fd));
}

static void compose_struct(struct composer *composer, DBusMessageIter *at, DBusSignatureIter *type)
{
	DBusSignatureIter member;
	DBusMessageIter inner;

	dbus_signature_iter_recurse(type, &member);
	MUST(dbus_message_iter_open_container(at, dbus_signature_iter_get_current_type(type), NULL,
	                                      &inner));
	do {
		compose_value(composer, &inner, &member);
	} while (dbus_signature_iter_next(&member));
	MUST(dbus_message_iter_close_container(at, &inner));
}

static void compose_array(struct composer *composer, DBusMessageIter *at, DBusSignatureIter *type)
{
	DBusSignatureIter element;
	DBusMessageIter inner;
	unsigned int count = source_byte(composer->source) % ITEMS_MOST;

	dbus_signature_iter_recurse(type, &element);
	char *signature = dbus_signature_iter_get_signature(&element);

	MUST(signature != NULL);
	MUST(dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, signature, &inner));
	dbus_free(signature);
	for (unsigned int i = 0; i < count && composer->values > 0; i++) {
		compose_value(composer, &inner, &element);
	}
	MUST(dbus_message_iter_close_container(at, &inner));
}

static void compose_variant(struct composer *composer, DBusMessageIter *at)
{
	static const char *const signatures[] = { "s",     "t",     "u",        "as",   "b", "x",
		                                  "o",     "ao",    "h",        "ay",   "v", "g",
		                                  "a{st}", "a{sv}", "a{ss}",    "(su)", "d", "n",
		                                  "at",    "q",     "a(sa{st})" };
	uint8_t choice = source_byte(composer->source);
	const char *signature =
		composer->signature != NULL && choice < 0xe0
			? composer->signature
			: signatures[choice % (sizeof(signatures) / sizeof(signatures[0]))];
	DBusSignatureIter type;
	DBusMessageIter inner;

	if (composer->values == 0 || (composer->fd == NULL && signature[0] == 'h')) {
		signature = "s";
	}
	composer->signature = NULL;
	dbus_signature_iter_init(&type, signature);
	MUST(dbus_message_iter_open_container(at, DBUS_TYPE_VARIANT, signature, &inner));
	compose_value(composer, &inner, &type);
	MUST(dbus_message_iter_close_container(at, &inner));
}

static void compose_value(struct composer *composer, DBusMessageIter *at, DBusSignatureIter *type)
{
	int code = dbus_signature_iter_get_current_type(type);

	composer->values -= composer->values > 0 ? 1 : 0;
	switch (code) {
	case DBUS_TYPE_STRING:
	case DBUS_TYPE_OBJECT_PATH:
	case DBUS_TYPE_SIGNATURE:
		append_text(composer, at, code);
		break;
	case DBUS_TYPE_UNIX_FD:
		append_fd(composer, at);
		break;
	case DBUS_TYPE_ARRAY:
		compose_array(composer, at, type);
		break;
	case DBUS_TYPE_STRUCT:
	case DBUS_TYPE_DICT_ENTRY:
		compose_struct(composer, at, type);
		break;
	case DBUS_TYPE_VARIANT:
		compose_variant(composer, at);
		break;
	default:
		append_number(composer, at, code);
		break;
	}
}

void compose(struct composer *composer, DBusMessage *message, const char *signature)
{
	DBusSignatureIter type;
	DBusMessageIter at;

	dbus_message_iter_init_append(message, &at);
	if (signature[0] == '\0') {
		return;
	}
	dbus_signature_iter_init(&type, signature);
	do {
		compose_value(composer, &at, &type);
	} while (dbus_signature_iter_next(&type));
}
