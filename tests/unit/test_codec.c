/* SPDX-License-Identifier: MIT */
/* Values in messages: what is written is read again, of no other type, and nothing of ours aborts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dbus/dbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "sparekey.h"

static int set_up(void **state)
{
	*state = dbus_message_new(DBUS_MESSAGE_TYPE_SIGNAL);
	return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	dbus_message_unref(*state);
	return 0;
}

static DBusMessageIter writer(DBusMessage *message)
{
	DBusMessageIter at;

	dbus_message_iter_init_append(message, &at);
	return at;
}

static DBusMessageIter reader(DBusMessage *message)
{
	DBusMessageIter at;

	assert_true(dbus_message_iter_init(message, &at));
	return at;
}

static void test_strings(void **state)
{
	static const struct {
		const char *given;
		const char *read;
	} cases[] = {
		{ "", "" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xef\xbf\xbf", "\xef\xbf\xbf" },
		{ "line\nline", "line\nline" }, /* what is valid is left alone */
		{ "\xff", "\\x{ff}" },
		{ "cut \xe2\x80", "cut \\x{e2}\\x{80}" },
		{ "\xed\xa0\x80", "\\x{ed}\\x{a0}\\x{80}" },
		{ "a\xc0\x80\n", "a\\x{c0}\\x{80}\\n" },
	};
	DBusMessageIter at = writer(*state);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(codec_append_string(&at, cases[i].given));
	}
	at = reader(*state);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *text = NULL;

		assert_true(codec_read_string(&at, &text));
		assert_string_equal(text, cases[i].read);
		dbus_message_iter_next(&at);
	}
}

/* The longest an escaped text can become still has room. */
static void test_a_long_bad_string(void **state)
{
	DBusMessageIter at = writer(*state);
	char bad[2001];
	const char *text = NULL;

	memset(bad, 0xff, sizeof bad - 1);
	bad[sizeof bad - 1] = '\0';
	assert_true(codec_append_string(&at, bad));
	at = reader(*state);
	assert_true(codec_read_string(&at, &text));
	assert_int_equal(strlen(text), 2000 * strlen("\\x{ff}"));
}

static void test_paths(void **state)
{
	static const char *const bad[] = { "", "a", "/a/", "//", "/a-b", "/a b", "/\xff" };
	DBusMessageIter at = writer(*state);
	const char *text = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(codec_append_path(&at, bad[i]));
	}
	assert_true(codec_append_path(&at, "/org/x_1"));
	at = reader(*state);
	assert_false(codec_read_string(&at, &text));
	assert_true(codec_read_path(&at, &text));
	assert_string_equal(text, "/org/x_1");
}

/* Reads the value at `at` as each type; returns how many took it. */
static unsigned int readers_of(DBusMessageIter *at)
{
	const char *text;
	bool truth;
	uint32_t small;
	uint64_t large;
	int64_t whole;
	unsigned int count = codec_read_string(at, &text);

	count += codec_read_path(at, &text);
	count += codec_read_bool(at, &truth);
	count += codec_read_uint32(at, &small);
	count += codec_read_uint64(at, &large);
	return count + codec_read_int64(at, &whole);
}

static void test_numbers_are_read_as_their_own_type(void **state)
{
	DBusMessageIter at = writer(*state);
	struct scope_set scopes;
	uint32_t small = 0;
	uint64_t large = 0;
	int64_t whole = 0;

	assert_true(codec_append_uint32(&at, UINT32_MAX));
	assert_true(codec_append_uint64(&at, UINT64_MAX));
	assert_true(codec_append_int64(&at, INT64_MIN));
	at = reader(*state);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(readers_of(&at), 1);
		assert_int_equal(codec_read_scopes(&at, &scopes), SPAREKEY_INVALID_ARGS);
		assert_int_equal(codec_dict_each(&at, NULL, NULL), SPAREKEY_INVALID_ARGS);
		(void)codec_read_uint32(&at, &small);
		(void)codec_read_uint64(&at, &large);
		(void)codec_read_int64(&at, &whole);
		dbus_message_iter_next(&at);
	}
	assert_true(small == UINT32_MAX && large == UINT64_MAX && whole == INT64_MIN);
	assert_int_equal(readers_of(&at), 0); /* behind the end */
}

static void append_names(DBusMessage *message, const char *const *names, size_t count)
{
	DBusMessageIter at = writer(message);
	DBusMessageIter array;

	assert_true(dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, "s", &array));
	for (size_t i = 0; i < count; i++) {
		assert_true(dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, &names[i]));
	}
	assert_true(dbus_message_iter_close_container(&at, &array));
}

static void test_scopes(void **state)
{
	static const char *const names[] = { "smtp", "imaps", "imap" };
	struct scope_set scopes = { .count = 0 };
	struct scope_set again = { .count = 0 };
	DBusMessageIter at;

	append_names(*state, names, 3);
	at = reader(*state);
	assert_int_equal(codec_read_scopes(&at, &scopes), 0);
	assert_int_equal(scopes.count, 2);
	at = writer(*state);
	assert_true(codec_append_scopes(&at, &scopes));
	at = reader(*state);
	dbus_message_iter_next(&at);
	assert_int_equal(codec_read_scopes(&at, &again), 0);
	assert_true(scope_set_equal(&scopes, &again));
}

static void test_bad_scopes_change_nothing(void **state)
{
	static const char *const names[] = { "imap", "IMAP" };
	static char numbered[LIMIT_SCOPES + 1][8];
	const char *many[LIMIT_SCOPES + 1];
	struct scope_set scopes = { .count = 1, .names = { "kept" } };
	DBusMessageIter at;

	for (unsigned int i = 0; i <= LIMIT_SCOPES; i++) {
		(void)snprintf(numbered[i], sizeof numbered[i], "s%u", i);
		many[i] = numbered[i];
	}
	append_names(*state, names, 2);
	append_names(*state, many, LIMIT_SCOPES + 1);
	append_names(*state, NULL, 0);
	at = reader(*state);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(codec_read_scopes(&at, &scopes), SPAREKEY_INVALID_SCOPE);
		assert_int_equal(scopes.count, 1);
		assert_string_equal(scopes.names[0], "kept");
		dbus_message_iter_next(&at);
	}
	assert_int_equal(codec_read_scopes(&at, &scopes), 0);
	assert_int_equal(scopes.count, 0);
}

/* The list is bounded as it is given, whatever is left of it. */
static void test_scopes_given_again_and_again(void **state)
{
	const char *many[LIMIT_SCOPES_GIVEN + 1];
	struct scope_set scopes = { .count = 0 };
	DBusMessageIter at;

	for (unsigned int i = 0; i <= LIMIT_SCOPES_GIVEN; i++) {
		many[i] = "imap";
	}
	append_names(*state, many, LIMIT_SCOPES_GIVEN);
	append_names(*state, many, LIMIT_SCOPES_GIVEN + 1);
	at = reader(*state);
	assert_int_equal(codec_read_scopes(&at, &scopes), 0);
	assert_int_equal(scopes.count, 1);
	dbus_message_iter_next(&at);
	assert_int_equal(codec_read_scopes(&at, &scopes), SPAREKEY_INVALID_SCOPE);
}

struct entries {
	char text[512];
	unsigned int count;
	unsigned int stop_at;
};

static int gather(void *data, const char *key, DBusMessageIter *value)
{
	struct entries *entries = data;
	size_t length = strlen(entries->text);

	(void)snprintf(entries->text + length, sizeof entries->text - length, "%s:%c ", key,
	               dbus_message_iter_get_arg_type(value));
	return ++entries->count == entries->stop_at ? 77 : 0;
}

static void test_dictionaries(void **state)
{
	struct entries entries = { .count = 0 };
	struct entries first = { .stop_at = 1 };
	struct scope_set scopes = { .count = 1, .names = { "imap" } };
	DBusMessageIter at = writer(*state);
	DBusMessageIter dict;

	assert_true(codec_dict_open(&at, &dict));
	assert_true(codec_dict_string(&dict, "label", "x\xff"));
	assert_true(codec_dict_bool(&dict, "bool", true));
	assert_true(codec_dict_uint32(&dict, "small", 7));
	assert_true(codec_dict_uint64(&dict, "large", 8));
	assert_true(codec_dict_scopes(&dict, "scopes", &scopes));
	assert_true(codec_container_end(&at, &dict, true));
	assert_true(codec_dict_open(&at, &dict));
	assert_true(codec_container_end(&at, &dict, true));
	assert_string_equal(dbus_message_get_signature(*state), "a{sv}a{sv}");
	at = reader(*state);
	assert_int_equal(codec_dict_each(&at, gather, &entries), 0);
	assert_string_equal(entries.text, "label:s bool:b small:u large:t scopes:a ");
	assert_int_equal(codec_dict_each(&at, gather, &first), 77); /* `at` was not moved */
	assert_string_equal(first.text, "label:s ");
	dbus_message_iter_next(&at);
	assert_int_equal(codec_dict_each(&at, gather, &entries), 0);
	assert_int_equal(entries.count, 5);
}

/* Arrays that are no a{sv} are refused, a dictionary of other keys or values too. */
static void test_what_is_no_dictionary(void **state)
{
	static const char *const signatures[] = { "{ss}", "{uv}", "s", "v", "(sv)" };
	struct entries entries = { .count = 0 };
	DBusMessageIter at = writer(*state);
	DBusMessageIter array;
	DBusMessageIter entry;
	const char *text = "x";

	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
		assert_true(dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, signatures[i],
		                                             &array));
		if (i == 0) {
			assert_true(dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY,
			                                             NULL, &entry));
			assert_true(
				dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &text));
			assert_true(
				dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &text));
			assert_true(dbus_message_iter_close_container(&array, &entry));
		}
		assert_true(dbus_message_iter_close_container(&at, &array));
	}
	at = reader(*state);
	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
		if (i != 1) { /* an empty dictionary has no key that could be wrong */
			assert_int_equal(codec_dict_each(&at, gather, &entries),
			                 SPAREKEY_INVALID_ARGS);
		}
		dbus_message_iter_next(&at);
	}
	assert_int_equal(entries.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_strings),
		TEST(test_a_long_bad_string),
		TEST(test_paths),
		TEST(test_numbers_are_read_as_their_own_type),
		TEST(test_scopes),
		TEST(test_bad_scopes_change_nothing),
		TEST(test_scopes_given_again_and_again),
		TEST(test_dictionaries),
		TEST(test_what_is_no_dictionary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
