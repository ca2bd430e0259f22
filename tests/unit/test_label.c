/* SPDX-License-Identifier: MIT */
/* Labels and foreign text: what is accepted, what is refused, what compares equal, how it is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "protocol/label.h"
#include "sparekey.h"

#define ACUTE "\xcc\x81"          /* U+0301 */
#define NO_BREAK_SPACE "\xc2\xa0" /* U+00A0 */
#define JOINER "\xe2\x80\x8d"     /* U+200D */
#define VARIATION "\xef\xb8\x8f"  /* U+FE0F */
#define HEART "\xe2\x9d\xa4"      /* U+2764 */
#define FIRE "\xf0\x9f\x94\xa5"   /* U+1F525 */
#define WOMAN "\xf0\x9f\x91\xa9"  /* U+1F469 */
#define ROCKET "\xf0\x9f\x9a\x80" /* U+1F680 */
#define DARK "\xf0\x9f\x8f\xbf"   /* U+1F3FF, a skin tone */
#define ACUTES_8 ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE
#define TEXT_50 "12345678901234567890123456789012345678901234567890"
#define TEXT_255 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 "12345"

struct pair {
	const char *given;
	const char *wanted;
};

static void test_good_labels(void **state)
{
	static const struct pair good[] = {
		{ "Phone", "Phone" },
		{ "  Phone 2 \xe3\x80\x80" NO_BREAK_SPACE, "Phone 2" },
		{ "Cafe" ACUTE, "Caf\xc3\xa9" },
		{ "'); DROP TABLE x;--", "'); DROP TABLE x;--" },
		{ "%s%n", "%s%n" },
		{ "../../x", "../../x" },
		{ "--help", "--help" },
		{ TEXT_255, TEXT_255 },
		{ "x" ACUTES_8, "x" ACUTES_8 },
		{ "\xd7\x98\xd7\x9c\xd7\xa4\xd7\x95\xd7\x9f",
		  "\xd7\x98\xd7\x9c\xd7\xa4\xd7\x95\xd7\x9f" },
		{ "\xe6\x89\x8b\xe6\x9c\xba", "\xe6\x89\x8b\xe6\x9c\xba" },
		{ HEART VARIATION JOINER FIRE, HEART VARIATION JOINER FIRE },
		{ WOMAN DARK JOINER ROCKET " x", WOMAN DARK JOINER ROCKET " x" },
		{ "I " HEART VARIATION " mail", "I " HEART VARIATION " mail" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		char label[LIMIT_LABEL_BYTES + 1];
		char again[LIMIT_LABEL_BYTES + 1];
		char shown[4 * LIMIT_LABEL_BYTES];

		assert_int_equal(label_read(good[i].given, label), 0);
		assert_string_equal(label, good[i].wanted);
		assert_int_equal(label_read(label, again), 0);
		assert_string_equal(again, label);
		/* What may be a label is shown as it is. */
		text_escape(label, shown, sizeof shown);
		assert_string_equal(shown, label);
	}
}

static const char *const bad_labels[] = {
	"",
	"   ",
	NO_BREAK_SPACE "\xe3\x80\x80 ",
	"\xe2\xa0\x80\xe2\xa0\x80", /* U+2800, empty braille cells */
	TEXT_255 "6",
	"two\nlines",
	"Phone\n",
	"\tPhone",
	"bell\x07",
	"\x1b[2J",
	"delete\x7f",
	"c1 \xc2\x9b"
	"2J",                           /* U+009B, a one-character ESC [ */
	"next line\xc2\x85",            /* U+0085 */
	"soft\xc2\xadhyphen",           /* U+00AD */
	"mark\xd8\x9c",                 /* U+061C */
	"zero\xe2\x80\x8bwidth",        /* U+200B */
	"left\xe2\x80\x8eright",        /* U+200E */
	"line\xe2\x80\xa8",             /* U+2028 */
	"para\xe2\x80\xa9",             /* U+2029 */
	"\xe2\x80\xaehtlaeh",           /* U+202E */
	"word\xe2\x81\xa0joiner",       /* U+2060 */
	"isolate\xe2\x81\xa6",          /* U+2066 */
	"\xef\xbb\xbfPhone",            /* U+FEFF */
	"noncharacter\xef\xbf\xbf",     /* U+FFFF */
	"noncharacter\xf4\x8f\xbf\xbf", /* U+10FFFF */
	"unassigned\xcd\xb8",           /* U+0378 */
	"private\xee\x80\x80",          /* U+E000 */
	"filler\xe3\x85\xa4",           /* U+3164 */
	"tag\xf3\xa0\x81\xa1",          /* U+E0061 */
	"joined\xcd\x8f",               /* U+034F */
	"e" ACUTES_8 ACUTE ACUTE,
	"x" ACUTES_8 ACUTES_8 ACUTES_8 ACUTES_8 ACUTES_8,
	ACUTE "x",
	" " ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE ACUTE,
	"a" JOINER "b",
	JOINER HEART,
	HEART JOINER,
	HEART JOINER "x",
	HEART JOINER JOINER FIRE,
	"a" VARIATION,
	VARIATION,
	"\xff",
	"cut \xe2\x80",
	"overlong \xc0\x80",
	"overlong \xe0\x80\xaf",
	"surrogate \xed\xa0\x80",
	"beyond \xf4\x90\x80\x80",
	"\x80",
};

#define BAD_LABELS (sizeof bad_labels / sizeof bad_labels[0])

static void test_bad_labels(void **state)
{
	char label[LIMIT_LABEL_BYTES + 1] = "kept";

	(void)state;
	for (size_t i = 0; i < BAD_LABELS; i++) {
		int r = label_read(bad_labels[i], label);

		if (r != SPAREKEY_INVALID_LABEL) {
			print_error("label %zu was accepted\n", i);
		}
		assert_int_equal(r, SPAREKEY_INVALID_LABEL);
		assert_string_equal(label, "kept");
	}
}

static void test_a_huge_label(void **state)
{
	char label[LIMIT_LABEL_BYTES + 1];
	size_t size = (size_t)1 << 20;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
	assert_int_equal(label_read(text, label), SPAREKEY_INVALID_LABEL);
	memset(text + 1024, ' ', size - 1025);
	assert_int_equal(label_read(text, label), SPAREKEY_INVALID_LABEL);
	free(text);
}

/* As large as a message may be: whoever refuses it has not walked through it. */
static void test_a_label_costs_what_it_may_be(void **state)
{
	char label[LIMIT_LABEL_BYTES + 1];
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	size_t size = (size_t)32 << 20;
	char *text = malloc(size);
	clock_t begun;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
	begun = clock();
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(label_read(text, label), SPAREKEY_INVALID_LABEL);
		assert_int_equal(label_fold(text, key), SPAREKEY_INVALID_LABEL);
	}
	assert_in_range(clock() - begun, 0, CLOCKS_PER_SEC / 20);
	free(text);
}

/* A label may stand among as many blanks as ever. */
static void test_blanks_around_a_label(void **state)
{
	char text[1024 + 1];
	char label[LIMIT_LABEL_BYTES + 1];

	(void)state;
	memset(text, ' ', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	text[512] = 'x';
	assert_int_equal(label_read(text, label), 0);
	assert_string_equal(label, "x");
}

static void test_length_counts_after_composing(void **state)
{
	char text[3 * 127 + 3] = "";
	char label[LIMIT_LABEL_BYTES + 1];
	char *at = text;

	(void)state;
	for (unsigned int i = 0; i < 127; i++) { /* 381 bytes that compose to 254 */
		at = stpcpy(at, "e" ACUTE);
	}
	assert_int_equal(label_read(text, label), 0);
	assert_int_equal(strlen(label), 254);
	stpcpy(at, "x");
	assert_int_equal(label_read(text, label), 0);
	stpcpy(at, "xy");
	assert_int_equal(label_read(text, label), SPAREKEY_INVALID_LABEL);
}

static void test_fold(void **state)
{
	static const struct pair same[] = {
		{ "PHONE", "phone" },
		{ "Caf\xc3\x89", "caf\xc3\xa9" },
		{ "STRASSE", "stra\xc3\x9f"
		             "e" },
		{ "\xce\xa3\xce\x8a\xce\xa3\xce\xa5\xce\xa6\xce\x9f\xce\xa3",
		  "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82" },
		{ HEART, HEART VARIATION },
	};
	static const struct pair other[] = {
		{ "phone", "phone 2" },
		{ "cafe", "caf\xc3\xa9" },
		{ "a", "\xd0\xb0" }, /* Cyrillic */
	};
	char a[LIMIT_LABEL_KEY_BYTES + 1];
	char b[LIMIT_LABEL_KEY_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
		assert_int_equal(label_fold(same[i].given, a), 0);
		assert_int_equal(label_fold(same[i].wanted, b), 0);
		assert_string_equal(a, b);
		assert_int_equal(label_fold(a, b), 0);
		assert_string_equal(a, b);
	}
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
		assert_int_equal(label_fold(other[i].given, a), 0);
		assert_int_equal(label_fold(other[i].wanted, b), 0);
		assert_string_not_equal(a, b);
	}
}

static void test_the_longest_label_folds(void **state)
{
	char text[LIMIT_LABEL_BYTES + 1] = "";
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	char *at = text;

	(void)state;
	for (unsigned int i = 0; i < LIMIT_LABEL_BYTES / 2; i++) {
		at = stpcpy(at, "\xce\x90"); /* U+0390 folds to three code points */
	}
	assert_int_equal(label_fold(text, key), 0);
	assert_int_equal(label_fold("\xff", key), SPAREKEY_INVALID_LABEL);
}

static void test_accounts(void **state)
{
	static const char *const good[] = { "", "me@example.org", "j\xc3\xb6rg", TEXT_255, "a b" };
	static const char *const bad[] = { TEXT_255 "6",    "a\nb",        "a\x1b[2J",
		                           "a\xe2\x80\xae", "\xff",        "a\xe2\x80\x8b",
		                           "a\x7f",         "cut\xe2\x80", "a\xe2\x80\xa8" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(account_check(good[i]), 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(account_check(bad[i]), SPAREKEY_INVALID_ARGS);
	}
}

static void test_escape(void **state)
{
	static const struct pair cases[] = {
		{ "", "" },
		{ "plain 'text'", "plain 'text'" },
		{ "a\nb\tc\\d", "a\\nb\\tc\\\\d" },
		{ "\x1b[2J\r\x7f", "\\u{1b}[2J\\u{d}\\u{7f}" },
		{ "\xc2\x9b", "\\u{9b}" },
		{ "\xe2\x80\xae"
		  "a",
		  "\\u{202e}a" },
		{ "\xe2\x80\xa8", "\\u{2028}" },
		{ "\xef\xbb\xbf", "\\u{feff}" },
		{ "\xef\xbf\xbf\xf4\x8f\xbf\xbf", "\\u{ffff}\\u{10ffff}" },
		{ "\xff\xc0\x80", "\\x{ff}\\x{c0}\\x{80}" },
		{ "cut\xe2\x80", "cut\\x{e2}\\x{80}" },
		{ "\xed\xa0\x80", "\\x{ed}\\x{a0}\\x{80}" },
		{ ACUTE "x", "\\u{301}x" },
		{ "x" ACUTES_8 ACUTE, "x" ACUTES_8 "\\u{301}" },
		{ HEART VARIATION JOINER FIRE, HEART VARIATION JOINER FIRE },
		{ "a" JOINER "b" VARIATION, "a\\u{200d}b\\u{fe0f}" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char shown[200];

		assert_int_equal(text_escape(cases[i].given, shown, sizeof shown),
		                 strlen(cases[i].wanted));
		assert_string_equal(shown, cases[i].wanted);
	}
}

static void test_escape_cuts_between_characters(void **state)
{
	static const char *const wanted[] = { "",          "",          "a",           "a",
		                              "a\xc3\xa9", "a\xc3\xa9", "a\xc3\xa9\\n" };
	char shown[8];

	(void)state;
	shown[0] = 'k';
	assert_int_equal(text_escape("a\xc3\xa9\n", shown, 0), 0);
	assert_int_equal(shown[0], 'k');
	for (size_t size = 1; size < sizeof wanted / sizeof wanted[0]; size++) {
		assert_int_equal(text_escape("a\xc3\xa9\n", shown, size), strlen(wanted[size]));
		assert_string_equal(shown, wanted[size]);
	}
}

static void test_nothing_refused_is_shown_raw(void **state)
{
	(void)state;
	for (size_t i = 0; i < BAD_LABELS; i++) {
		char shown[1100];

		text_escape(bad_labels[i], shown, sizeof shown);
		for (const char *at = shown; *at != '\0'; at++) {
			assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
		}
		assert_null(strstr(shown, "\xe2\x80\xae"));
		assert_null(strstr(shown, "\xc2\x9b"));
	}
}

static void test_width(void **state)
{
	static const struct {
		const char *text;
		size_t width;
	} cases[] = {
		{ "", 0 },          { "abc", 3 },          { "caf\xc3\xa9", 4 },
		{ "e" ACUTE, 1 },   { "\xe6\x89\x8b", 2 }, { FIRE, 2 },
		{ "a\xff\xfe", 3 }, { "cut\xe2\x80", 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(text_width(cases[i].text), cases[i].width);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_labels),
		cmocka_unit_test(test_bad_labels),
		cmocka_unit_test(test_a_huge_label),
		cmocka_unit_test(test_a_label_costs_what_it_may_be),
		cmocka_unit_test(test_blanks_around_a_label),
		cmocka_unit_test(test_length_counts_after_composing),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_the_longest_label_folds),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_cuts_between_characters),
		cmocka_unit_test(test_nothing_refused_is_shown_raw),
		cmocka_unit_test(test_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
