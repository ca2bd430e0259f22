/* SPDX-License-Identifier: MIT */
/* Scopes: names, other names of the same service, sets and their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/scope.h"
#include "sparekey.h"

#define LONGEST "a23456789-123456789-123456789-12"

static struct scope_set set_of(const char *text)
{
	struct scope_set set;

	assert_int_equal(scope_set_parse(text, ',', &set), 0);
	return set;
}

static void test_names(void **state)
{
	static const char *const plain[][2] = {
		{ "imap", "imap" },
		{ "imaps", "imap" },
		{ "pop3s", "pop3" },
		{ "submission", "smtp" },
		{ "submissions", "smtp" },
		{ "managesieve", "sieve" },
		{ "xmpp-client", "xmpp" },
		{ "0", "0" },
		{ "a-", "a-" },
		{ "my-own--tool", "my-own--tool" },
		{ "imapss", "imapss" },
		{ LONGEST, LONGEST },
	};
	char name[LIMIT_SCOPE_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
		assert_int_equal(scope_read(plain[i][0], name), 0);
		assert_string_equal(name, plain[i][1]);
	}
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = { "",        "IMAP",     "imap;rm",  "-imap",     "imap ",
		                           " imap",   "im ap",    "imap\n",   "imap,smtp", "im_ap",
		                           "im.ap",   "*",        "\303\251", "imap\177",  "%s%n",
		                           "../../x", LONGEST "3" };
	char name[LIMIT_SCOPE_BYTES + 1] = "kept";

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(scope_read(bad[i], name), SPAREKEY_INVALID_SCOPE);
		assert_string_equal(name, "kept");
	}
}

static void test_set_is_sorted_and_unique(void **state)
{
	struct scope_set set = { .count = 0 };
	char text[SCOPE_SET_TEXT];

	(void)state;
	assert_int_equal(scope_set_add(&set, "smtp"), 0);
	assert_int_equal(scope_set_add(&set, "imaps"), 0);
	assert_int_equal(scope_set_add(&set, "imap"), 0);
	assert_int_equal(scope_set_add(&set, "pop3"), 0);
	assert_int_equal(scope_set_add(&set, "BAD"), SPAREKEY_INVALID_SCOPE);
	scope_set_format(&set, ' ', text);
	assert_string_equal(text, "imap pop3 smtp");
	scope_set_remove(&set, "pop3");
	scope_set_remove(&set, "xmpp");
	scope_set_format(&set, ',', text);
	assert_string_equal(text, "imap,smtp");
}

static void test_set_is_bounded(void **state)
{
	struct scope_set set = { .count = 0 };
	struct scope_set again;
	char name[LIMIT_SCOPE_BYTES + 1];
	char text[SCOPE_SET_TEXT];

	(void)state;
	for (unsigned int i = 0; i < LIMIT_SCOPES; i++) {
		snprintf(name, sizeof name, "s%02u-56789-123456789-123456789-x", LIMIT_SCOPES - i);
		assert_int_equal(scope_set_add(&set, name), 0);
	}
	assert_int_equal(set.count, LIMIT_SCOPES);
	assert_int_equal(scope_set_add(&set, name), 0); /* is there already */
	assert_int_equal(scope_set_add(&set, "one-more"), SPAREKEY_INVALID_SCOPE);
	scope_set_format(&set, ',', text);
	assert_int_equal(scope_set_parse(text, ',', &again), 0);
	assert_true(scope_set_equal(&set, &again));
	for (unsigned int i = 0; i < LIMIT_SCOPES; i++) {
		snprintf(name, sizeof name, "s%02u-56789-123456789-123456789-x", LIMIT_SCOPES - i);
		scope_set_remove(&set, name);
	}
	assert_int_equal(set.count, 0);
}

static void test_an_empty_set_allows_everything(void **state)
{
	struct scope_set any = set_of("");
	struct scope_set mail = set_of("imap,smtp");

	(void)state;
	assert_true(scope_set_allows(&any, "imap"));
	assert_false(scope_set_has(&any, "imap"));
	assert_true(scope_set_allows(&mail, "imap"));
	assert_true(scope_set_has(&mail, "smtp"));
	assert_false(scope_set_allows(&mail, "sieve"));
	assert_false(scope_set_allows(&mail, "ima"));
}

static void test_within(void **state)
{
	static const struct {
		const char *inner;
		const char *outer;
		bool within;
	} cases[] = {
		{ "", "", true },
		{ "imap", "", true },
		{ "", "imap", false },
		{ "imap", "imap", true },
		{ "imap", "imap,smtp", true },
		{ "imap,smtp", "imap", false },
		{ "sieve", "imap", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct scope_set inner = set_of(cases[i].inner);
		struct scope_set outer = set_of(cases[i].outer);

		assert_int_equal(scope_set_within(&inner, &outer), cases[i].within);
	}
}

static void test_equal(void **state)
{
	struct scope_set a = set_of("imap,smtp");
	struct scope_set b = set_of(" submission ,\timaps");
	struct scope_set c = set_of("imap,xmpp");
	struct scope_set d = set_of("imap");

	(void)state;
	assert_true(scope_set_equal(&a, &b));
	assert_false(scope_set_equal(&a, &c));
	assert_false(scope_set_equal(&a, &d));
}

static void test_parse(void **state)
{
	static const char *const bad[] = { ",",          "imap,",       ",imap",
		                           "imap,,smtp", "imap smtp",   "imap;smtp",
		                           "imap,SMTP",  LONGEST "345", "imap,\n" };
	struct scope_set set = set_of("kept");

	(void)state;
	assert_int_equal(set_of(" \t").count, 0);
	assert_int_equal(set_of(" imap , smtp ").count, 2);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(scope_set_parse(bad[i], ',', &set), SPAREKEY_INVALID_SCOPE);
		assert_int_equal(set.count, 1);
		assert_true(scope_set_has(&set, "kept"));
	}
	assert_int_equal(scope_set_parse("imap smtp", ' ', &set), 0);
	assert_int_equal(set.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_set_is_sorted_and_unique),
		cmocka_unit_test(test_set_is_bounded),
		cmocka_unit_test(test_an_empty_set_allows_everything),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
