/* SPDX-License-Identifier: MIT */
/* Outcomes and their D-Bus names, both ways. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/error.h"

static void test_names_go_both_ways(void **state)
{
	(void)state;
	for (int i = SPAREKEY_OK + 1; i <= SPAREKEY_NO_BROKER; i++) {
		const char *name = error_name(i);

		assert_non_null(name);
		assert_int_equal(error_from_name(name), i);
	}
	assert_string_equal(error_name(SPAREKEY_LABEL_IN_USE),
	                    "org.sparekey.Broker1.Error.LabelInUse");
	assert_string_equal(error_name(SPAREKEY_INVALID_ARGS),
	                    "org.freedesktop.DBus.Error.InvalidArgs");
}

static void test_faults(void **state)
{
	static const int storage[] = { -EIO, -ENOSPC, -EROFS, -EBUSY, -EUCLEAN, -ESTALE };
	static const int others[] = { -ENOMEM, -EINVAL, -1000000,
		                      0,       1000000, SPAREKEY_BAD_SETTINGS + 1 };

	(void)state;
	for (size_t i = 0; i < sizeof storage / sizeof storage[0]; i++) {
		assert_string_equal(error_name(storage[i]),
		                    "org.sparekey.Broker1.Error.StorageFailed");
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		assert_string_equal(error_name(others[i]), "org.freedesktop.DBus.Error.Failed");
	}
}

static void test_an_absent_broker(void **state)
{
	static const char *const names[] = {
		"NoReply", "Disconnected", "ServiceUnknown",    "NameHasNoOwner",        "NoServer",
		"Timeout", "TimedOut",     "Spawn.ChildExited", "Spawn.ServiceNotFound",
	};
	char name[100];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		stpcpy(stpcpy(name, "org.freedesktop.DBus.Error."), names[i]);
		assert_int_equal(error_from_name(name), SPAREKEY_NO_BROKER);
	}
}

static void test_foreign_names(void **state)
{
	static const char *const names[] = {
		"",
		"org.sparekey.Broker1.Error.",
		"org.sparekey.Broker1.Error.LabelInUseX",
		"org.sparekey.Broker1.Error.labelinuse",
		"org.freedesktop.DBus.Error.LabelInUse",
		"org.freedesktop.DBus.Error.NoMemory",
		"org.freedesktop.DBus.Error.Spawn",
	};

	(void)state;
	assert_int_equal(error_from_name(NULL), SPAREKEY_FAILED);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(error_from_name(names[i]), SPAREKEY_FAILED);
	}
}

static void test_texts(void **state)
{
	(void)state;
	for (int i = SPAREKEY_OK; i <= SPAREKEY_NO_BROKER; i++) {
		const char *text = error_text((enum sparekey_error)i);

		assert_true(strlen(text) > 0);
		assert_null(strchr(text, '\n'));
		for (int j = SPAREKEY_OK; j < i; j++) {
			assert_string_not_equal(text, error_text((enum sparekey_error)j));
		}
	}
	assert_string_equal(error_text((enum sparekey_error)1000), error_text(SPAREKEY_FAILED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_go_both_ways),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_an_absent_broker),
		cmocka_unit_test(test_foreign_names),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
