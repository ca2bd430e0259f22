/* SPDX-License-Identifier: MIT */
/* The log: one event one line, whatever is in it; its prefix only where the journal reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Standard error, while a test looks at it: a pipe. */
static struct {
	int saved;
	int read_end;
	char text[4096];
} errors;

static int set_up(void **state)
{
	int ends[2];

	(void)state;
	errors.saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	if (errors.saved < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    dup2(ends[1], STDERR_FILENO) < 0) {
		return -1;
	}
	errors.read_end = ends[0];
	return close(ends[1]) != 0 || unsetenv("JOURNAL_STREAM") != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)dup2(errors.saved, STDERR_FILENO);
	return close(errors.saved) != 0 || close(errors.read_end) != 0 ? -1 : 0;
}

/* What came since the last call. */
static const char *logged(void)
{
	ssize_t length = read(errors.read_end, errors.text, sizeof errors.text - 1);

	errors.text[length > 0 ? length : 0] = '\0';
	return errors.text;
}

static void test_a_line(void **state)
{
	(void)state;
	log_event(LOG_LEVEL_NOTICE, "started", "workers=%u name=%s", 2u, "x");
	assert_string_equal(logged(), "sparekeyd: started workers=2 name=x\n");
	log_event(LOG_LEVEL_NOTICE, "stopped", "%s", "");
	assert_string_equal(logged(), "sparekeyd: stopped\n");
}

/* A path or a text of another program must not begin a line of its own, or reach a terminal raw. */
static void test_nothing_makes_two_lines_of_one(void **state)
{
	(void)state;
	log_event(LOG_LEVEL_ERROR, "store-refused", "%s",
	          "/a\nsparekeyd: forged\r\x1b[2J\x7f\t caf\xc3\xa9");
	assert_string_equal(logged(),
	                    "sparekeyd: store-refused /a?sparekeyd: forged??[2J?? caf\xc3\xa9\n");
}

static void test_long_lines_are_cut_between_characters(void **state)
{
	char value[3000];
	size_t length;

	(void)state;
	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	log_event(LOG_LEVEL_ERROR, "e", "%s", value);
	length = strlen(logged());
	assert_int_equal(length, 1000);
	assert_memory_equal(errors.text + 996, "xxx\n", 4);
	for (size_t at = 0; at + 1 < sizeof value - 1; at += 2) {
		memcpy(value + at, "\xc3\xa9", 2);
	}
	for (const char *event = "even"; event[0] != '\0'; event++) {
		log_event(LOG_LEVEL_ERROR, event, "%s", value);
		length = strlen(logged());
		assert_in_range(length, 998, 1000);
		assert_memory_equal(errors.text + length - 3, "\xc3\xa9\n", 3);
	}
}

/* systemd names the stream it reads; under another name stderr is somebody else's. */
static void test_priority_only_for_the_journal(void **state)
{
	struct stat status;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	(void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
	               (uintmax_t)status.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_event(LOG_LEVEL_WARNING, "e", "a=%d", 1);
	assert_string_equal(logged(), "<4>sparekeyd: e a=1\n");
	(void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
	               (uintmax_t)status.st_ino + 1);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_event(LOG_LEVEL_WARNING, "e", "a=%d", 1);
	assert_string_equal(logged(), "sparekeyd: e a=1\n");
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void test_quote(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *wanted;
	} cases[] = {
		{ "", 64, "\"\"" },
		{ "plain text", 64, "\"plain text\"" },
		{ "a\"b\\c", 64, "\"a\\x22b\\x5Cc\"" },
		{ "\n\x1b\x7f\xc3\xa9", 64, "\"\\x0A\\x1B\\x7F\\xC3\\xA9\"" },
		{ "0123456789", 12, "\"01234\"" },
		{ "\n\n\n", 12, "\"\\x0A\\x0A\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char shown[64];

		memset(shown, 'k', sizeof shown);
		assert_ptr_equal(log_quote(cases[i].text, shown, cases[i].size), shown);
		assert_string_equal(shown, cases[i].wanted);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_line),
		TEST(test_nothing_makes_two_lines_of_one),
		TEST(test_long_lines_are_cut_between_characters),
		TEST(test_priority_only_for_the_journal),
		cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
