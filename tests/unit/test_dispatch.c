/* SPDX-License-Identifier: MIT */
/* Dispatch: who is let through to a method. Tables and everything behind them are stood in for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bus/internal.h"
#include "sparekey.h"

static const struct method verifier_methods[] = {
	{ "Open", "", "", OPERATION_NONE, NULL, NULL, METHOD_FOR_ROOT },
	{ "Closed", "", "", OPERATION_NONE, NULL, NULL, 0 },
};

const struct interface verifier_interface = { NAME_VERIFIER, verifier_methods, 2, "" };
const struct interface manager_interface = { NAME_MANAGER, NULL, 0, "" };
const struct interface password_interface = { NAME_PASSWORD, NULL, 0, "" };
const struct interface owner_interface = { NAME_OWNER, NULL, 0, "" };
const struct interface introspectable_interface = { "a.b", NULL, 0, "" };
const struct interface properties_interface = { "a.c", NULL, 0, "" };
const struct interface object_manager_interface = { "a.d", NULL, 0, "" };

/* What became of the last message. */
static struct call only;
static bool is_queued;
static int refusal;

int call_new(struct link *link, DBusMessage *message, struct call **ret_call)
{
	(void)link;
	(void)message;
	*ret_call = &only;
	return 0;
}

int call_read(struct call *call)
{
	(void)call;
	return 0;
}

void caller_queue(struct call *call)
{
	(void)call;
	is_queued = true;
}

void call_finish(struct call *call, int result)
{
	(void)call;
	refusal = result;
}

void error_reply(struct link *link, DBusMessage *message, int result, const char *what)
{
	(void)link;
	(void)message;
	(void)what;
	refusal = result;
}

void call_abandon_name(struct door *door, const char *name)
{
	(void)door;
	(void)name;
}

void call_present(struct door *door, dbus_uint32_t question, bool is_there)
{
	(void)door;
	(void)question;
	(void)is_there;
}

void peer_check(struct link *link)
{
	(void)link;
}

int peer_refusal(const struct link *link)
{
	(void)link;
	return SPAREKEY_ACCESS_DENIED;
}

struct link *link_free(struct link *link)
{
	(void)link;
	return NULL;
}

const char *path_to_id(const char *path)
{
	(void)path;
	return NULL;
}

/* Sends a call there: 0 if it got through, else how it was refused. */
static int call_of(enum link_kind kind, bool is_closing, const char *member)
{
	struct door door = { .is_closing = is_closing };
	struct link link = { .door = &door, .kind = kind };
	DBusMessage *message = dbus_message_new_method_call(NULL, PATH_BROKER, NAME_VERIFIER,
	                                                    member);

	assert_non_null(message);
	is_queued = false;
	refusal = 0;
	assert_int_equal(dispatch_message(NULL, message, &link), DBUS_HANDLER_RESULT_HANDLED);
	dbus_message_unref(message);
	assert_true(is_queued == (refusal == 0));
	return refusal;
}

static void root_gets_what_is_marked_for_root(void **state)
{
	(void)state;
	assert_int_equal(call_of(LINK_ROOT, false, "Open"), 0);
	assert_int_equal(call_of(LINK_ROOT, false, "Closed"), SPAREKEY_ACCESS_DENIED);
	assert_int_equal(call_of(LINK_OWNER, false, "Closed"), 0);
	assert_int_equal(call_of(LINK_BUS, false, "Closed"), 0);
	assert_int_equal(call_of(LINK_SILENT, false, "Open"), SPAREKEY_ACCESS_DENIED);
	assert_int_equal(call_of(LINK_ROOT, false, "Missing"), SPAREKEY_UNKNOWN_METHOD);
}

static void nothing_begins_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(call_of(LINK_OWNER, true, "Open"), -ECANCELED);
	assert_int_equal(call_of(LINK_OWNER, true, "Missing"), SPAREKEY_UNKNOWN_METHOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_gets_what_is_marked_for_root),
		cmocka_unit_test(nothing_begins_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
