/* SPDX-License-Identifier: MIT */
/*
 * Error replies: one is sent, also where making or sending it fails once; none where none is
 * wanted. What would be sent is caught at link time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/internal.h"
#include "sparekey.h"

static struct {
	unsigned int failures; /* of the next calls */
	bool fails_to_make;
	unsigned int sent;
	char name[100];
	char text[200];
} wire;

DBusMessage *__real_dbus_message_new_error(DBusMessage *call, const char *name, const char *text);
DBusMessage *__wrap_dbus_message_new_error(DBusMessage *call, const char *name, const char *text);
dbus_bool_t __wrap_dbus_connection_send(DBusConnection *connection, DBusMessage *message,
                                        dbus_uint32_t *ret_serial);

DBusMessage *__wrap_dbus_message_new_error(DBusMessage *call, const char *name, const char *text)
{
	if (wire.fails_to_make && wire.failures > 0) {
		wire.failures--;
		return NULL;
	}
	return __real_dbus_message_new_error(call, name, text);
}

dbus_bool_t __wrap_dbus_connection_send(DBusConnection *connection, DBusMessage *message,
                                        dbus_uint32_t *ret_serial)
{
	const char *text = NULL;

	(void)connection;
	(void)ret_serial;
	if (wire.failures > 0) {
		wire.failures--;
		return FALSE;
	}
	assert_true(
		dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
	(void)snprintf(wire.name, sizeof wire.name, "%s", dbus_message_get_error_name(message));
	(void)snprintf(wire.text, sizeof wire.text, "%s", text);
	wire.sent++;
	return TRUE;
}

static int set_up(void **state)
{
	DBusMessage *call = dbus_message_new_method_call(NULL, PATH_BROKER, NAME_MANAGER,
	                                                 "ListPasswords");

	memset(&wire, 0, sizeof wire);
	*state = call;
	if (call != NULL) {
		dbus_message_set_serial(call, 3);
	}
	return call != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	dbus_message_unref(*state);
	return 0;
}

static struct link nobody; /* sending is ours here */

static void test_one_is_sent(void **state)
{
	error_reply(&nobody, *state, SPAREKEY_INVALID_LABEL, "too long");
	assert_int_equal(wire.sent, 1);
	assert_string_equal(wire.name, NAME_ERROR_PREFIX "InvalidLabel");
	assert_string_equal(wire.text, "too long");
}

static void test_one_failure_loses_none(void **state)
{
	wire.failures = 1;
	error_reply(&nobody, *state, -ENOMEM, "");
	assert_int_equal(wire.sent, 1);
	wire.failures = 1;
	wire.fails_to_make = true;
	error_reply(&nobody, *state, -ENOMEM, "");
	assert_int_equal(wire.sent, 2);
	assert_string_equal(wire.name, "org.freedesktop.DBus.Error.Failed");
	assert_string_not_equal(wire.text, "");
}

static void test_text_that_libdbus_would_not_take(void **state)
{
	error_reply(&nobody, *state, SPAREKEY_INVALID_ARGS, "cut in a \xc3");
	assert_int_equal(wire.sent, 1);
	assert_true(dbus_validate_utf8(wire.text, NULL));
}

static void test_none_is_wanted(void **state)
{
	dbus_message_set_no_reply(*state, TRUE);
	error_reply(&nobody, *state, SPAREKEY_INVALID_ARGS, "");
	assert_int_equal(wire.sent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_is_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_failure_loses_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text_that_libdbus_would_not_take, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_none_is_wanted, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
