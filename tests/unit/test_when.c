/* SPDX-License-Identifier: MIT */
/* Times and spans as people write and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "cli/cli.h"

#define NOW 1800000000LL
#define DAY 86400LL

static void test_dates(void **state)
{
	static const char *const bad[] = { "2027- 1-31",  "+027-01-31", "2027-1-031", "2027-02-30",
		                           "2027-00-10",  "2027-13-01", "2027-01-00", "2027-01-3",
		                           "2027-01-311", "20270-1-31", "2027/01/31", "" };
	long long at = 7;

	(void)state;
	assert_true(when_read("2027-01-31", NOW, &at));
	assert_int_equal(at, 1801439999LL); /* 2027-01-31T23:59:59Z */
	assert_true(when_read("2028-02-29", NOW, &at));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at = 7;
		if (when_read(bad[i], NOW, &at)) {
			fail_msg("\"%s\" was taken for a time", bad[i]);
		}
		assert_int_equal(at, 7);
	}
}

static void test_spans(void **state)
{
	static const char *const bad[] = { "",    "d",   "9",  "-1d",        " 1d",
		                           "1 d", "1dd", "0d", "9999999999y" };
	long long at = 7;

	(void)state;
	assert_true(when_read("90d", NOW, &at));
	assert_int_equal(at, NOW + 90 * DAY);
	assert_true(when_read("2w", NOW, &at));
	assert_int_equal(at, NOW + 14 * DAY);
	assert_true(when_read("never", NOW, &at));
	assert_int_equal(at, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(when_read(bad[i], NOW, &at));
	}
}

static void test_relative(void **state)
{
	static const struct {
		long long at;
		const char *text;
	} rows[] = {
		{ 0, "never" },
		{ NOW, "just now" },
		{ NOW - 59, "just now" },
		{ NOW + 59, "in 59 s" },
		{ NOW - 60, "1 min ago" },
		{ NOW - 7200, "2 hours ago" },
		{ NOW + DAY, "in 1 day" },
		{ NOW - 13 * DAY, "13 days ago" },
		{ NOW - 14 * DAY, "2 weeks ago" },
		{ NOW - 59 * DAY, "8 weeks ago" },
		{ NOW - 60 * DAY, "2 months ago" },
		{ NOW - 729 * DAY, "24 months ago" },
		{ NOW + 730 * DAY, "in 2 years" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		when_relative(rows[i].at, NOW, text);
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_relative),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
