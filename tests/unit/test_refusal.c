/* SPDX-License-Identifier: MIT */
/* The answer of last resort, without memory for it: a peer sees an end, a bus stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "bus/internal.h"
#include "sparekey.h"

static unsigned int failures_left;
static unsigned int sent;
static unsigned int closed;

DBusMessage *__real_dbus_message_new_error(DBusMessage *message, const char *name,
                                           const char *text);
DBusMessage *__wrap_dbus_message_new_error(DBusMessage *message, const char *name,
                                           const char *text);
dbus_bool_t __wrap_dbus_connection_send(DBusConnection *connection, DBusMessage *message,
                                        dbus_uint32_t *serial);
void __wrap_dbus_connection_close(DBusConnection *connection);

DBusMessage *__wrap_dbus_message_new_error(DBusMessage *message, const char *name, const char *text)
{
	if (failures_left > 0) {
		failures_left--;
		return NULL;
	}
	return __real_dbus_message_new_error(message, name, text);
}

dbus_bool_t __wrap_dbus_connection_send(DBusConnection *connection, DBusMessage *message,
                                        dbus_uint32_t *serial)
{
	(void)connection;
	(void)message;
	(void)serial;
	sent++;
	return TRUE;
}

void __wrap_dbus_connection_close(DBusConnection *connection)
{
	(void)connection;
	closed++;
}

static void refuse(enum link_kind kind, unsigned int failures, bool no_reply)
{
	struct door door = { .is_closing = false };
	struct link link = { .door = &door, .kind = kind, .name = "#1" };
	DBusMessage *message = dbus_message_new_method_call(NULL, "/", "a.b", "C");

	assert_int_equal(loop_new(clock_system(), &door.loop), 0);
	assert_non_null(message);
	dbus_message_set_serial(message, 1);
	dbus_message_set_no_reply(message, no_reply);
	failures_left = failures;
	sent = 0;
	closed = 0;
	error_reply(&link, message, SPAREKEY_FAILED, "");
	dbus_message_unref(message);
	loop_free(door.loop);
}

static void a_refusal_is_tried_again(void **state)
{
	(void)state;
	refuse(LINK_OWNER, 2, false);
	assert_int_equal(sent, 1);
	assert_int_equal(closed, 0);
}

static void who_cannot_be_answered_is_closed(void **state)
{
	(void)state;
	refuse(LINK_OWNER, 100, false);
	assert_int_equal(sent, 0);
	assert_int_equal(closed, 1);
	refuse(LINK_ROOT, 100, false);
	assert_int_equal(closed, 1);
}

static void a_bus_is_not_closed(void **state)
{
	(void)state;
	refuse(LINK_BUS, 100, false);
	assert_int_equal(closed, 0);
}

static void who_wants_no_answer_is_left_alone(void **state)
{
	(void)state;
	refuse(LINK_OWNER, 100, true);
	assert_int_equal(closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_is_tried_again),
		cmocka_unit_test(who_cannot_be_answered_is_closed),
		cmocka_unit_test(a_bus_is_not_closed),
		cmocka_unit_test(who_wants_no_answer_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
