/* SPDX-License-Identifier: MIT */
/*
 * Settings files: what each line does, what is refused with which words, what a file must be, and
 * which file wins. Real files in a directory of each test's own; the administrator's is looked for
 * there too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"

#define OF_ADMINISTRATOR SYSCONFDIR "/sparekey/sparekey.conf"
#define BOM "\xef\xbb\xbf"

/* What was reported: the lines, divided by newlines. */
struct findings {
	unsigned int errors;
	unsigned int warnings;
	char text[8192];
};

static struct {
	char root[64];
	char path[96];           /* root/sparekey/sparekey.conf, the user's */
	char administrator[96];  /* root/administrator.conf, in the place of SYSCONFDIR's */
	struct settings initial; /* the defaults */
} at;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
	return __real_open(strcmp(path, OF_ADMINISTRATOR) == 0 ? at.administrator : path, flags);
}

static void report(void *data, bool is_error, const char *line)
{
	struct findings *findings = data;
	size_t length = strlen(findings->text);

	*(is_error ? &findings->errors : &findings->warnings) += 1;
	(void)snprintf(findings->text + length, sizeof findings->text - length, "%s\n", line);
}

static int set_up(void **state)
{
	char directory[80];

	(void)state;
	(void)snprintf(at.root, sizeof at.root, "/tmp/sparekey-config-XXXXXX");
	if (mkdtemp(at.root) == NULL) {
		return -1;
	}
	(void)snprintf(directory, sizeof directory, "%s/sparekey", at.root);
	(void)snprintf(at.path, sizeof at.path, "%s/sparekey.conf", directory);
	(void)snprintf(at.administrator, sizeof at.administrator, "%s/administrator.conf", at.root);
	settings_default(&at.initial);
	return setenv("XDG_CONFIG_HOME", at.root, 1) != 0 || mkdir(directory, 0700) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char directory[80];

	(void)state;
	(void)snprintf(directory, sizeof directory, "%s/sparekey", at.root);
	(void)(unlink(at.path) != 0 && rmdir(at.path) != 0);
	(void)unlink(at.administrator);
	(void)rmdir(directory);
	return rmdir(at.root);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void write_text(const char *path, const char *text)
{
	write_file(path, text, strlen(text));
}

/* Loads the usual files over the defaults; on a failure the settings must be as they were. */
static int load(struct settings *ret_settings, struct findings *ret_findings)
{
	int result;

	memset(ret_findings, 0, sizeof *ret_findings);
	memcpy(ret_settings, &at.initial, sizeof *ret_settings);
	result = config_load(NULL, report, ret_findings, ret_settings);
	assert_true(result == 0 || result == -EINVAL);
	assert_int_equal(result == 0, ret_findings->errors == 0);
	if (result != 0) {
		assert_memory_equal(ret_settings, &at.initial, sizeof *ret_settings);
	}
	return result;
}

/* The settings in one line, in the order of the table in the manual. */
static const char *describe(const struct settings *settings)
{
	static char text[SCOPE_SET_TEXT + 200];
	char scopes[SCOPE_SET_TEXT];

	scope_set_format(&settings->default_scopes, ',', scopes);
	(void)snprintf(text, sizeof text, "[%s] %u %llu %u %s %u %u %u %u", scopes,
	               settings->max_passwords, (unsigned long long)settings->max_lifetime_s,
	               settings->cache_seconds, settings->inline_secrets ? "allow" : "refuse",
	               settings->idle_exit_seconds, settings->argon2_memory_kib,
	               settings->argon2_passes, settings->workers);
	return text;
}

static void test_defaults(void **state)
{
	struct settings settings = at.initial;
	struct findings findings;

	(void)state;
	assert_in_range(settings.workers, 1, 2);
	settings.workers = 1;
	assert_string_equal(describe(&settings), "[] 200 0 600 allow 600 19456 2 1");
	assert_int_equal(load(&settings, &findings), 0);
	assert_string_equal(findings.text, "");
}

static const struct {
	const char *text;
	const char *settings; /* as describe() tells, with one worker */
} accepted[] = {
	{ "", "[] 200 0 600 allow 600 19456 2 1" },
	{ "\n\n  \n\t\n", "[] 200 0 600 allow 600 19456 2 1" },
	{ "# max-passwords = 7\n   # a comment = too\n", "[] 200 0 600 allow 600 19456 2 1" },
	{ "max-passwords = 1", "[] 1 0 600 allow 600 19456 2 1" },
	{ "max-passwords=1000000\n", "[] 1000000 0 600 allow 600 19456 2 1" },
	{ "  max-passwords   =   7  \t \n", "[] 7 0 600 allow 600 19456 2 1" },
	{ "max-lifetime = 0\n", "[] 200 0 600 allow 600 19456 2 1" },
	{ "max-lifetime = 90s\n", "[] 200 90 600 allow 600 19456 2 1" },
	{ "max-lifetime = 2m\n", "[] 200 120 600 allow 600 19456 2 1" },
	{ "max-lifetime = 2h\n", "[] 200 7200 600 allow 600 19456 2 1" },
	{ "max-lifetime = 90d\n", "[] 200 7776000 600 allow 600 19456 2 1" },
	{ "max-lifetime = 2w\n", "[] 200 1209600 600 allow 600 19456 2 1" },
	{ "max-lifetime = 100y\n", "[] 200 3153600000 600 allow 600 19456 2 1" },
	{ "cache-seconds = 0\n", "[] 200 0 0 allow 600 19456 2 1" },
	{ "cache-seconds = 86400\n", "[] 200 0 86400 allow 600 19456 2 1" },
	{ "idle-exit-seconds = 0\n", "[] 200 0 600 allow 0 19456 2 1" },
	{ "idle-exit-seconds = 86400\n", "[] 200 0 600 allow 86400 19456 2 1" },
	{ "inline-secrets = refuse\n", "[] 200 0 600 refuse 600 19456 2 1" },
	{ "inline-secrets = allow\n", "[] 200 0 600 allow 600 19456 2 1" },
	{ "argon2-memory-kib = 1024\nargon2-passes = 1\n", "[] 200 0 600 allow 600 1024 1 1" },
	{ "argon2-memory-kib = 1048576\nargon2-passes = 16\n",
	  "[] 200 0 600 allow 600 1048576 16 1" },
	{ "workers = 16\n", "[] 200 0 600 allow 600 19456 2 16" },
	{ "default-scopes =\n", "[] 200 0 600 allow 600 19456 2 1" },
	{ "default-scopes = any\n", "[] 200 0 600 allow 600 19456 2 1" },
	{ "default-scopes = smtp, imaps ,pop3\n",
	  "[imap,pop3,smtp] 200 0 600 allow 600 19456 2 1" },
	{ BOM "max-passwords = 7\r\ncache-seconds = 8\r\n", "[] 7 0 8 allow 600 19456 2 1" },
	{ BOM "# a comment\r\nmax-passwords = 7\r\n", "[] 7 0 600 allow 600 19456 2 1" },
	{ BOM, "[] 200 0 600 allow 600 19456 2 1" },
};

static void test_accepted(void **state)
{
	(void)state;
	at.initial.workers = 1;
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		struct settings settings;
		struct findings findings;

		write_text(at.path, accepted[i].text);
		if (load(&settings, &findings) != 0 || findings.text[0] != '\0') {
			fail_msg("%s: %s", accepted[i].text, findings.text);
		}
		assert_string_equal(describe(&settings), accepted[i].settings);
	}
}

#define TEXT_50 "12345678901234567890123456789012345678901234567890"
#define LINE_190 "default-scopes = " TEXT_50 TEXT_50 TEXT_50 "12345678901234567890123"
#define NUMBER(name, from, to) name ": a number from " from " to " to
#define NO_LINE "not a line of the form: name = value"
#define SPAN "max-lifetime: 0, or a number followed by s, m, h, d, w or y, up to 100 years"

static const struct {
	const char *text;
	unsigned int line;
	const char *says;
} refused[] = {
	{ "max-passwords = 0\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 1000001\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = -1\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = +7\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 0x10\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 7.5\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 7 8\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = \"7\"\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = '7'\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 7 # a family\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 7#\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords =\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = = 7\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 4294967297\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 18446744073709551617\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 7\rworkers = 1\n", 1, NUMBER("max-passwords", "1", "1000000") },
	{ "cache-seconds = 86401\n", 1, NUMBER("cache-seconds", "0", "86400") },
	{ "idle-exit-seconds = 86401\n", 1, NUMBER("idle-exit-seconds", "0", "86400") },
	{ "argon2-memory-kib = 1023\n", 1, NUMBER("argon2-memory-kib", "1024", "1048576") },
	{ "argon2-memory-kib = 1048577\n", 1, NUMBER("argon2-memory-kib", "1024", "1048576") },
	{ "argon2-passes = 0\n", 1, NUMBER("argon2-passes", "1", "16") },
	{ "argon2-passes = 17\n", 1, NUMBER("argon2-passes", "1", "16") },
	{ "workers = 0\n", 1, NUMBER("workers", "1", "16") },
	{ "workers = 17\n", 1, NUMBER("workers", "1", "16") },
	{ "inline-secrets = yes\n", 1, "inline-secrets: allow or refuse" },
	{ "inline-secrets = Allow\n", 1, "inline-secrets: allow or refuse" },
	{ "inline-secrets =\n", 1, "inline-secrets: allow or refuse" },
	{ "max-lifetime = 90\n", 1, SPAN },
	{ "max-lifetime = 90 d\n", 1, SPAN },
	{ "max-lifetime = 90dd\n", 1, SPAN },
	{ "max-lifetime = d\n", 1, SPAN },
	{ "max-lifetime = -1d\n", 1, SPAN },
	{ "max-lifetime = 101y\n", 1, SPAN },
	{ "max-lifetime = 18446744073709551615y\n", 1, SPAN },
	{ "max-lifetime = 99999999999999999999s\n", 1, SPAN },
	{ "default-scopes = IMAP\n", 1, "default-scopes: names of [a-z0-9-], divided by commas" },
	{ "default-scopes = imap;rm\n", 1,
	  "default-scopes: names of [a-z0-9-], divided by commas" },
	{ "default-scopes = imap,,smtp\n", 1,
	  "default-scopes: names of [a-z0-9-], divided by commas" },
	{ "max-passwords\n", 1, NO_LINE },
	{ "max-passwords: 7\n", 1, NO_LINE },
	{ "max-passwords 7\n", 1, NO_LINE },
	{ "= 7\n", 1, NO_LINE },
	{ "[sparekey]\nmax-passwords = 7\n", 1, NO_LINE },
	{ "[a = b]\n", 1, NO_LINE },
	{ "; max-passwords = 7\n", 1, NO_LINE },
	{ "\n# one\n\n  max-passwords = x\n", 4, NUMBER("max-passwords", "1", "1000000") },
	{ "max-passwords = 7\r\nmax-passwords = 8\r\n", 2,
	  "max-passwords: set twice in this file" },
	{ LINE_190 "\n", 1, "default-scopes: names of [a-z0-9-], divided by commas" },
	{ LINE_190 "4\n", 1, "a line is over 190 bytes" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct settings settings;
		struct findings findings;
		char wanted[300];

		write_text(at.path, refused[i].text);
		(void)snprintf(wanted, sizeof wanted, "%s:%u: %s\n", at.path, refused[i].line,
		               refused[i].says);
		assert_int_equal(load(&settings, &findings), -EINVAL);
		assert_string_equal(findings.text, wanted);
	}
}

/* Every error of a file is told, not only the first. */
static void test_all_errors_are_told(void **state)
{
	struct settings settings;
	struct findings findings;

	(void)state;
	write_text(at.path, "workers = 0\nmax-passwords = 7\nnonsense\nargon2-passes = 99\n");
	assert_int_equal(load(&settings, &findings), -EINVAL);
	assert_int_equal(findings.errors, 3);
	assert_non_null(strstr(findings.text, ".conf:1: workers"));
	assert_non_null(strstr(findings.text, ".conf:3: not a line"));
	assert_non_null(strstr(findings.text, ".conf:4: argon2-passes"));
}

/* A name nobody knows is a warning, and cannot write to a terminal what it likes. */
static void test_unknown_names_are_warnings(void **state)
{
	static const struct {
		const char *text;
		const char *shown;
	} names[] = {
		{ "no-such-thing", "no-such-thing" }, { "Max-Passwords", "Max-Passwords" },
		{ "max_passwords", "max_passwords" }, { "a\x1b[2Jb", "a\\u{1b}[2Jb" },
		{ "\xe2\x80\xaex", "\\u{202e}x" },    { "\xff", "\\x{ff}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct settings settings;
		struct findings findings;
		char text[100];
		char wanted[300];

		(void)snprintf(text, sizeof text, "%s = 1\nmax-passwords = 7\n", names[i].text);
		write_text(at.path, text);
		(void)snprintf(wanted, sizeof wanted, "%s:1: unknown setting \"%s\" is left out\n",
		               at.path, names[i].shown);
		assert_int_equal(load(&settings, &findings), 0);
		assert_int_equal(findings.warnings, 1);
		assert_string_equal(findings.text, wanted);
		assert_int_equal(settings.max_passwords, 7);
	}
}

static void assert_file_refused(const char *says)
{
	struct settings settings;
	struct findings findings;
	char wanted[300];

	(void)snprintf(wanted, sizeof wanted, "%s: %s\n", at.path, says);
	assert_int_equal(load(&settings, &findings), -EINVAL);
	assert_string_equal(findings.text, wanted);
}

static void test_only_regular_files_are_read(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	assert_int_equal(mkfifo(at.path, 0600), 0);
	assert_file_refused("not a regular file");
	assert_int_equal(unlink(at.path), 0);
	assert_int_equal(mkdir(at.path, 0700), 0);
	assert_file_refused("not a regular file");
	assert_int_equal(rmdir(at.path), 0);
	assert_int_equal(symlink("/dev/zero", at.path), 0);
	assert_file_refused("not a regular file");
	assert_int_equal(unlink(at.path), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(name.sun_path, at.path, strlen(at.path));
	assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
	assert_file_refused(strerror(ENXIO));
	assert_int_equal(close(fd), 0);
}

static void test_size_and_bytes_are_bounded(void **state)
{
	size_t size = (size_t)10 << 20;
	char *text = malloc(size);
	struct settings settings;
	struct findings findings;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	write_file(at.path, text, size);
	assert_file_refused("over 64 KiB");
	write_file(at.path, text, 65537);
	assert_file_refused("over 64 KiB");
	memcpy(text + 65536 - 17, "max-passwords = 7", 17);
	write_file(at.path, text, 65536);
	assert_int_equal(load(&settings, &findings), 0);
	assert_int_equal(settings.max_passwords, 7);
	free(text);
	write_file(at.path, "max-passwords = 7\n\0max-passwords = 8\n", 37);
	assert_file_refused("holds a NUL byte: not a text file");
	write_file(at.path, "max-passwords = 7\0", 18);
	assert_file_refused("holds a NUL byte: not a text file");
}

/* Through a link as well: people keep their settings elsewhere. */
static void test_what_others_could_have_written_is_refused(void **state)
{
	static const char says[] =
		"others could have written it: give it to yourself or root, and chmod go-w";
	struct settings settings;
	struct findings findings;

	(void)state;
	write_text(at.administrator, "max-passwords = 7\n");
	assert_int_equal(symlink(at.administrator, at.path), 0);
	assert_int_equal(chmod(at.administrator, 0444), 0);
	assert_int_equal(load(&settings, &findings), 0);
	assert_int_equal(settings.max_passwords, 7);
	assert_int_equal(unlink(at.path), 0);
	write_text(at.path, "max-passwords = 7\n");
	assert_int_equal(chmod(at.path, 0620), 0);
	assert_file_refused(says);
	assert_int_equal(chmod(at.path, 0602), 0);
	assert_file_refused(says);
	assert_int_equal(chmod(at.path, 0644), 0);
	assert_int_equal(load(&settings, &findings), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(at.path, 65534, 65534), 0);
		assert_file_refused(says);
	}
}

/* Who may not read it; root may read everything, so somebody else is asked. */
static void test_a_file_that_may_not_be_read_is_an_error(void **state)
{
	pid_t child;
	int status = 0;

	(void)state;
	write_text(at.path, "max-passwords = 7\n");
	assert_int_equal(chmod(at.path, 0), 0);
	assert_int_equal(chmod(at.root, 0711), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct settings settings = at.initial;
		struct findings findings = { .errors = 0 };
		bool dropped = geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);

		_exit(dropped && config_load(at.path, report, &findings, &settings) == -EINVAL &&
		                      strstr(findings.text, strerror(EACCES)) != NULL
		              ? 0
		              : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_the_administrator_wins(void **state)
{
	struct settings settings;
	struct findings findings;

	(void)state;
	write_text(at.path, "max-passwords = 7\ncache-seconds = 8\ndefault-scopes = imap\n");
	write_text(at.administrator, "max-passwords = 9\ndefault-scopes = smtp\n");
	assert_int_equal(load(&settings, &findings), 0);
	assert_string_equal(findings.text, "");
	assert_int_equal(settings.max_passwords, 9);
	assert_int_equal(settings.cache_seconds, 8);
	assert_true(scope_set_has(&settings.default_scopes, "smtp"));
	assert_false(scope_set_has(&settings.default_scopes, "imap"));
	write_text(at.administrator, "max-passwords = x\n");
	assert_int_equal(load(&settings, &findings), -EINVAL);
	assert_memory_equal(findings.text,
	                    OF_ADMINISTRATOR ":1: ", sizeof OF_ADMINISTRATOR ":1: " - 1);
	/* A mistake in one file does not hide those in the other. */
	write_text(at.path, "workers = 0\n");
	assert_int_equal(load(&settings, &findings), -EINVAL);
	assert_int_equal(findings.errors, 2);
}

static void test_one_file_in_place_of_both(void **state)
{
	struct settings settings = at.initial;
	struct findings findings = { .errors = 0 };
	char other[96];

	(void)state;
	(void)snprintf(other, sizeof other, "%s/other", at.root);
	write_text(at.path, "cache-seconds = 8\n");
	write_text(at.administrator, "idle-exit-seconds = 9\n");
	assert_int_equal(config_load(other, report, &findings, &settings), -EINVAL);
	assert_non_null(strstr(findings.text, other));
	assert_non_null(strstr(findings.text, strerror(ENOENT)));
	write_text(other, "max-passwords = 7\n");
	assert_int_equal(config_load(other, report, &findings, &settings), 0);
	assert_int_equal(settings.max_passwords, 7);
	assert_int_equal(settings.cache_seconds, 600);
	assert_int_equal(settings.idle_exit_seconds, 600);
	assert_int_equal(unlink(other), 0);
}

/* Where the user's file is looked for; the temporary directory plays HOME. */
static void test_where_the_users_file_is(void **state)
{
	char *home = getenv("HOME") != NULL ? strdup(getenv("HOME")) : NULL;
	struct settings settings;
	struct findings findings;
	char config[80];
	char nested[96];
	char file[128];
	char *deep = malloc(5000);

	(void)state;
	(void)snprintf(config, sizeof config, "%s/.config", at.root);
	(void)snprintf(nested, sizeof nested, "%s/sparekey", config);
	(void)snprintf(file, sizeof file, "%s/sparekey.conf", nested);
	assert_int_equal(mkdir(config, 0700), 0);
	assert_int_equal(mkdir(nested, 0700), 0);
	write_text(file, "max-passwords = 7\n");
	assert_int_equal(setenv("HOME", at.root, 1), 0);
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	assert_int_equal(load(&settings, &findings), 0);
	assert_int_equal(settings.max_passwords, 7);
	assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
	assert_int_equal(load(&settings, &findings), 0);
	assert_int_equal(settings.max_passwords, 7);
	/* A name too long to be a file's is that of no file, and not cut to another's. */
	assert_non_null(deep);
	memset(deep, '/', 4095);
	memcpy(deep, config, strlen(config));
	memcpy(deep + 4095 - strlen("/sparekey/sparekey.conf"), "/sparekey/sparekey.conf", 24);
	assert_int_equal(setenv("XDG_CONFIG_HOME", deep, 1), 0);
	assert_int_equal(load(&settings, &findings), 0);
	assert_int_equal(settings.max_passwords, 200);
	free(deep);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(nested), 0);
	assert_int_equal(rmdir(config), 0);
	if (home != NULL) {
		assert_int_equal(setenv("HOME", home, 1), 0);
	}
	free(home);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_accepted),
		TEST(test_refused),
		TEST(test_all_errors_are_told),
		TEST(test_unknown_names_are_warnings),
		TEST(test_only_regular_files_are_read),
		TEST(test_size_and_bytes_are_bounded),
		TEST(test_what_others_could_have_written_is_refused),
		TEST(test_a_file_that_may_not_be_read_is_an_error),
		TEST(test_the_administrator_wins),
		TEST(test_one_file_in_place_of_both),
		TEST(test_where_the_users_file_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
