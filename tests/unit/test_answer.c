/* SPDX-License-Identifier: MIT */
/*
 * Replies and signals as a lying broker may send them: what is too long is cut at a character's
 * end, what is of another type is left out, a time that none can be is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/codec.h"
#include "protocol/names.h"

#define SERIAL 7u

/* What the callbacks were told. */
struct heard {
	unsigned int count;
	int result;
	struct sparekey_password password;
	struct sparekey_verification verification;
	struct sparekey_identity identity;
	struct sparekey_owner owner;
	int64_t valid_until;
	struct sparekey_news news;
	char settings[400];
};

static struct heard heard;

static void done(void *data, int result, const struct sparekey_answer *answer)
{
	(void)data;
	heard.count++;
	heard.result = result;
	heard.password = answer->password;
	heard.verification = answer->verification;
	heard.identity = answer->identity;
	heard.owner = answer->owner;
	heard.valid_until = answer->valid_until;
}

static void row(void *data, const char *name, const char *value)
{
	(void)data;
	strcat(heard.settings, name);
	strcat(heard.settings, "=");
	strcat(heard.settings, value);
	strcat(heard.settings, ";");
}

static void told(void *data, const struct sparekey_news *news)
{
	(void)data;
	heard.count++;
	heard.news = *news;
}

static int set_up(void **state)
{
	memset(&heard, 0, sizeof heard);
	return sparekey_new("unix:path=/nonexistent", 0, (struct sparekey **)state);
}

static int tear_down(void **state)
{
	*state = sparekey_free(*state);
	return 0;
}

static DBusMessage *new_reply(DBusMessageIter *ret_body)
{
	DBusMessage *reply = dbus_message_new(DBUS_MESSAGE_TYPE_METHOD_RETURN);

	assert_non_null(reply);
	assert_true(dbus_message_set_reply_serial(reply, SERIAL));
	dbus_message_iter_init_append(reply, ret_body);
	return reply;
}

static void expect(struct sparekey *sparekey, enum sparekey_operation operation)
{
	struct call *call = calloc(1, sizeof *call);

	assert_non_null(call);
	call->operation = operation;
	call->serial = SERIAL;
	call->secret_fd = -1;
	call->done = done;
	call->row = row;
	sparekey->calls = call;
}

/* Puts `reply` before the handle as the answer to `operation`. */
static void answer(struct sparekey *sparekey, enum sparekey_operation operation, DBusMessage *reply)
{
	expect(sparekey, operation);
	call_message(sparekey, reply);
	dbus_message_unref(reply);
	assert_int_equal(heard.count, 1);
	assert_null(sparekey->calls);
}

static bool append_variant(DBusMessageIter *dict, const char *key, const char *signature, int type,
                           const void *value)
{
	DBusMessageIter entry, variant;

	return codec_dict_entry_open(dict, key, signature, &entry, &variant) &&
	       codec_dict_entry_end(dict, &entry, &variant,
	                            dbus_message_iter_append_basic(&variant, type, value));
}

static void test_a_time_that_none_can_be(void **state)
{
	DBusMessageIter body, dict;
	DBusMessage *reply = new_reply(&body);

	assert_true(codec_append_path(&body, PATH_PASSWORDS "/k7mq3"));
	assert_true(codec_dict_open(&body, &dict));
	assert_true(codec_dict_string(&dict, "label", "Phone"));
	assert_true(codec_dict_uint64(&dict, "expires_at", UINT64_C(1) << 63));
	assert_true(codec_container_end(&body, &dict, true));
	answer(*state, SPAREKEY_OP_VERIFY, reply);
	assert_int_equal(heard.result, 0);
	assert_string_equal(heard.verification.label, "Phone");
	assert_int_equal(heard.verification.expires_at, 0);
}

static void test_what_is_too_long_is_cut(void **state)
{
	char label[400] = "x";
	DBusMessageIter body, dict;
	DBusMessage *reply = new_reply(&body);

	for (unsigned int i = 0; i < 140; i++) {
		strcat(label, "\xc3\xa4"); /* 281 bytes: the cut falls into a character */
	}
	assert_true(codec_dict_open(&body, &dict));
	assert_true(codec_dict_string(&dict, "Label", label));
	assert_true(codec_dict_string(&dict, "Id", "0123456789012345678901234567"));
	assert_true(codec_dict_uint64(&dict, "UseCount", 3));
	assert_true(codec_dict_uint64(&dict, "CreatedAt", UINT64_MAX));
	assert_true(codec_container_end(&body, &dict, true));
	answer(*state, SPAREKEY_OP_GET, reply);
	assert_int_equal(heard.result, 0);
	assert_int_equal(strlen(heard.password.label), SPAREKEY_LABEL_SIZE - 1);
	assert_true(dbus_validate_utf8(heard.password.label, NULL));
	assert_int_equal(strlen(heard.password.id), SPAREKEY_ID_SIZE - 1);
	assert_int_equal(heard.password.use_count, 3);
	assert_int_equal(heard.password.created_at, 0);
}

static void append_scopes(DBusMessageIter *dict, const char *key, unsigned int count)
{
	const char *name = "a-name-of-a-scope-that-is-over-32-bytes";
	DBusMessageIter entry, variant, array;

	assert_true(codec_dict_entry_open(dict, key, "as", &entry, &variant));
	assert_true(dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "s", &array));
	for (unsigned int i = 0; i < count; i++) {
		assert_true(dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, &name));
	}
	assert_true(codec_container_end(&variant, &array, true));
	assert_true(codec_dict_entry_end(dict, &entry, &variant, true));
}

static void append_uses(DBusMessageIter *dict, unsigned int count)
{
	const char *scope = "imap";
	DBusMessageIter entry, variant, array, pair;

	assert_true(codec_dict_entry_open(dict, "UseCounts", "a{st}", &entry, &variant));
	assert_true(dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "{st}", &array));
	for (unsigned int i = 0; i < count; i++) {
		assert_true(dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY, NULL,
		                                             &pair));
		assert_true(dbus_message_iter_append_basic(&pair, DBUS_TYPE_STRING, &scope));
		assert_true(codec_append_uint64(&pair, i));
		assert_true(codec_container_end(&array, &pair, true));
	}
	assert_true(codec_container_end(&variant, &array, true));
	assert_true(codec_dict_entry_end(dict, &entry, &variant, true));
}

static void test_more_than_there_is_room_for(void **state)
{
	DBusMessageIter body, dict;
	DBusMessage *reply = new_reply(&body);

	assert_true(codec_dict_open(&body, &dict));
	append_scopes(&dict, "Scopes", SPAREKEY_SCOPES_MAX + 1);
	append_uses(&dict, SPAREKEY_SCOPES_MAX + 1);
	assert_true(codec_dict_uint32(&dict, "State", SPAREKEY_DAMAGED + 1));
	assert_true(codec_dict_string(&dict, "Unheard", "of"));
	assert_true(codec_container_end(&body, &dict, true));
	answer(*state, SPAREKEY_OP_GET, reply);
	assert_int_equal(heard.password.scopes.count, SPAREKEY_SCOPES_MAX);
	assert_int_equal(strlen(heard.password.scopes.names[0]), SPAREKEY_SCOPE_SIZE - 1);
	assert_int_equal(heard.password.uses_count, SPAREKEY_SCOPES_MAX);
	assert_int_equal(heard.password.uses[SPAREKEY_SCOPES_MAX - 1].count,
	                 SPAREKEY_SCOPES_MAX - 1);
	assert_int_equal(heard.password.state, 0);
}

/* Every property, and every detail of a verification, as a boolean. */
static void test_values_of_another_type(void **state)
{
	static const char *const names[] = {
		"Id",        "Label",      "Account",       "Scopes",   "State",     "CreatedAt",
		"ExpiresAt", "LastUsedAt", "LastUsedScope", "UseCount", "UseCounts", "LastUsedFrom",
		"id",        "label",      "account",       "scopes",   "expires_at"
	};
	static const struct sparekey_password nothing;
	static const struct sparekey_verification no_details;

	for (unsigned int verifies = 0; verifies < 2; verifies++) {
		DBusMessageIter body, dict;
		DBusMessage *reply = new_reply(&body);

		heard.count = 0;
		assert_true(verifies == 0 || codec_append_path(&body, "/"));
		assert_true(codec_dict_open(&body, &dict));
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
			assert_true(codec_dict_bool(&dict, names[i], true));
		}
		assert_true(codec_container_end(&body, &dict, true));
		answer(*state, verifies == 0 ? SPAREKEY_OP_GET : SPAREKEY_OP_VERIFY, reply);
		assert_int_equal(heard.result, 0);
		assert_memory_equal(&heard.password, &nothing, sizeof nothing);
		assert_memory_equal(&heard.verification, &no_details, sizeof no_details);
	}
}

static void test_settings_as_text(void **state)
{
	DBusMessageIter body, variant, dict;
	DBusMessage *reply = new_reply(&body);
	dbus_bool_t truth = TRUE;
	const struct scope_set scopes = { .count = 2, .names = { "imap", "smtp" } };

	assert_true(dbus_message_iter_open_container(&body, DBUS_TYPE_VARIANT, "a{sv}", &variant));
	assert_true(codec_dict_open(&variant, &dict));
	assert_true(codec_dict_uint32(&dict, "small", 4294967295u));
	assert_true(codec_dict_uint64(&dict, "large", UINT64_MAX));
	assert_true(codec_dict_string(&dict, "word", "allow"));
	assert_true(codec_dict_scopes(&dict, "names", &scopes));
	assert_true(append_variant(&dict, "odd", "b", DBUS_TYPE_BOOLEAN, &truth));
	assert_true(codec_container_end(&variant, &dict, true));
	assert_true(codec_container_end(&body, &variant, true));
	answer(*state, SPAREKEY_OP_SETTINGS, reply);
	assert_string_equal(heard.settings,
	                    "small=4294967295;large=18446744073709551615;word=allow;"
	                    "names=imap,smtp;odd=;");
}

static void test_an_answer_of_another_signature(void **state)
{
	DBusMessageIter body;
	DBusMessage *reply = new_reply(&body);

	assert_true(codec_append_string(&body, "hello"));
	answer(*state, SPAREKEY_OP_LIST, reply);
	assert_int_equal(heard.result, SPAREKEY_FAILED);
	assert_string_equal(sparekey_error_text(*state), "the broker's answer was not understood");
}

/* It comes in parts: the reading ends with the last byte there is room for, not with the deadline.
 */
static void test_a_secret_without_end(void **state)
{
	static const char rest[SECRET_CAPACITY] = "w";
	struct sparekey *sparekey = *state;
	DBusMessageIter body;
	DBusMessage *reply = new_reply(&body);
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "k7mq3", 5), 5);
	assert_true(codec_append_path(&body, PATH_PASSWORDS "/k7mq3"));
	assert_true(dbus_message_iter_append_basic(&body, DBUS_TYPE_UNIX_FD, &ends[0]));
	expect(sparekey, SPAREKEY_OP_CREATE);
	call_message(sparekey, reply);
	dbus_message_unref(reply);
	assert_int_equal(heard.count, 0);
	assert_int_equal(write(ends[1], rest, sizeof rest), sizeof rest);
	receive_ready(sparekey, sparekey->calls->secret_fd);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.result, SPAREKEY_FAILED);
	assert_string_equal(sparekey_error_text(sparekey),
	                    "the secret could not be read: revoke k7mq3");
	close(ends[0]);
	close(ends[1]);
}

static void test_the_owner(void **state)
{
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessage *reply = new_reply(&body);

	assert_true(codec_dict_open(&body, &dict));
	assert_true(codec_dict_uint32(&dict, "Initialized", 2));
	assert_true(codec_dict_uint32(&dict, "SecondFactor", SPAREKEY_FACTOR_TOTP));
	assert_true(codec_dict_uint32(&dict, "RecoveryCodesLeft", 9));
	assert_true(codec_dict_string(&dict, "RecoveryCodesLeft", "none"));
	assert_true(codec_container_end(&body, &dict, true));
	answer(*state, SPAREKEY_OP_OWNER, reply);
	assert_true(heard.owner.initialized);
	assert_int_equal(heard.owner.second_factor, SPAREKEY_FACTOR_TOTP);
	assert_int_equal(heard.owner.recovery_codes_left, 9);

	/* What this version does not know is neither set up nor a factor it knows. */
	memset(&heard, 0, sizeof heard);
	reply = new_reply(&body);
	assert_true(codec_dict_open(&body, &dict));
	assert_true(codec_dict_uint32(&dict, "Initialized", 3));
	assert_true(codec_dict_uint32(&dict, "SecondFactor", 3));
	assert_true(codec_container_end(&body, &dict, true));
	answer(*state, SPAREKEY_OP_OWNER, reply);
	assert_false(heard.owner.initialized);
	assert_int_equal(heard.owner.second_factor, 0);
}

static void test_until_when_a_proof_lasts(void **state)
{
	DBusMessageIter body;
	DBusMessage *reply = new_reply(&body);

	assert_true(codec_append_uint64(&body, 1800000000));
	answer(*state, SPAREKEY_OP_AUTHENTICATE, reply);
	assert_int_equal(heard.result, 0);
	assert_int_equal(heard.valid_until, 1800000000);
}

/* There is no password to revoke. */
static void test_codes_that_somebody_else_took(void **state)
{
	DBusMessageIter body;
	DBusMessage *reply = new_reply(&body);
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	assert_true(dbus_message_iter_append_basic(&body, DBUS_TYPE_UNIX_FD, &ends[0]));
	answer(*state, SPAREKEY_OP_GENERATE_CODES, reply);
	close(ends[0]);
	assert_int_equal(heard.result, SPAREKEY_FAILED);
	assert_string_equal(sparekey_error_text(*state),
	                    "somebody else took the secret: ask for another");
}

static void test_news_of_the_owner(void **state)
{
	const char *interface = NAME_OWNER;
	DBusMessage *signal = dbus_message_new_signal(
		PATH_BROKER, "org.freedesktop.DBus.Properties", "PropertiesChanged");
	DBusMessageIter body;
	DBusMessageIter dict;
	DBusMessageIter names;

	sparekey_listen(*state, told, NULL);
	assert_non_null(signal);
	dbus_message_iter_init_append(signal, &body);
	assert_true(codec_append_string(&body, interface));
	assert_true(codec_dict_open(&body, &dict));
	assert_true(codec_dict_uint32(&dict, "RecoveryCodesLeft", 9));
	assert_true(codec_container_end(&body, &dict, true));
	assert_true(dbus_message_iter_open_container(&body, DBUS_TYPE_ARRAY, "s", &names));
	assert_true(codec_container_end(&body, &names, true));
	call_message(*state, signal);
	dbus_message_unref(signal);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.news.kind, SPAREKEY_NEWS_OWNER);
}

static void test_an_error_without_words(void **state)
{
	DBusMessage *reply = dbus_message_new(DBUS_MESSAGE_TYPE_ERROR);

	assert_non_null(reply);
	assert_true(dbus_message_set_reply_serial(reply, SERIAL));
	assert_true(dbus_message_set_error_name(reply, NAME_ERROR_PREFIX "RateLimited"));
	answer(*state, SPAREKEY_OP_VERIFY, reply);
	assert_int_equal(heard.result, SPAREKEY_RATE_LIMITED);
	assert_string_not_equal(sparekey_error_text(*state), "");
}

static void test_news(void **state)
{
	const char *label = "Phone";
	const char *path = PATH_PASSWORDS "/k7mq3";
	dbus_uint32_t reason = 2;
	DBusMessage *signal = dbus_message_new_signal(PATH_BROKER, NAME_MANAGER, "PasswordEnded");

	sparekey_listen(*state, told, NULL);
	assert_non_null(signal);
	assert_true(dbus_message_append_args(signal, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_STRING,
	                                     &label, DBUS_TYPE_UINT32, &reason, DBUS_TYPE_INVALID));
	call_message(*state, signal);
	dbus_message_unref(signal);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.news.kind, SPAREKEY_NEWS_ENDED);
	assert_string_equal(heard.news.id, "k7mq3");
	assert_string_equal(heard.news.label, "Phone");
	assert_int_equal(heard.news.reason, 2);

	/* Another signature, another interface, a longer id than there is: nothing is told. */
	signal = dbus_message_new_signal(PATH_BROKER, NAME_MANAGER, "PasswordEnded");
	call_message(*state, signal);
	dbus_message_unref(signal);
	signal = dbus_message_new_signal(PATH_PASSWORDS "/a23456789012345678901234",
	                                 "org.freedesktop.DBus.Properties", "PropertiesChanged");
	call_message(*state, signal);
	dbus_message_unref(signal);
	assert_int_equal(heard.count, 1);
	signal = dbus_message_new_signal(PATH_PASSWORDS "/9x2hd", "org.freedesktop.DBus.Properties",
	                                 "PropertiesChanged");
	call_message(*state, signal);
	dbus_message_unref(signal);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.news.kind, SPAREKEY_NEWS_CHANGED);
	assert_string_equal(heard.news.id, "9x2hd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_time_that_none_can_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_too_long_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_than_there_is_room_for, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_values_of_another_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_settings_as_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer_of_another_signature, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_a_secret_without_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_until_when_a_proof_lasts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_codes_that_somebody_else_took, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_news_of_the_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_error_without_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_news, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
