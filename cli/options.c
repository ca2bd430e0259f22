/* SPDX-License-Identifier: MIT */
/*
 * Options: getopt_long(3) with words of our own about what is wrong, and global options wherever
 * they stand. Refused: getopt's own messages (in the words of the C library, without what to do,
 * and with the user's bytes as they are).
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "protocol/label.h"
#include "protocol/scope.h"

static int say_bad_option(int letter, char **argv, const char *command)
{
	char room[BRIEF_BYTES];
	char hint[60];
	const char *word = argv[optind - 1];
	const char option[] = { '-', (char)optopt, '\0' };
	bool is_long = strncmp(word, "--", 2) == 0;

	snprintf(hint, sizeof(hint), "To see how: sparekey help%s%.20s", command != NULL ? " " : "",
	         command != NULL ? command : "");
	if (letter == ':') {
		return say_error('?', hint, "option %s needs a value",
		                 is_long ? brief(word, room) : option);
	}
	if (is_long && optopt != 0 && strchr(word, '=') != NULL) {
		return say_error('?', hint, "option %s takes no value", brief(word, room));
	}
	return say_error('?', hint, "no option %s",
	                 is_long || optopt == 0 ? brief(word, room) : option);
}

int next_option(int argc, char **argv, const char *letters, const struct option *options,
                const char *command)
{
	int letter = getopt_long(argc, argv, letters, options, NULL);

	return letter == '?' || letter == ':' ? say_bad_option(letter, argv, command) : letter;
}

int read_account(const char *text, const char **ret_account)
{
	char room[BRIEF_BYTES];

	if (account_check(text) != 0) {
		return say_error(EXIT_BAD_DATA, "At most 255 bytes, without control characters.",
		                 "not an account name: \"%s\"", brief(text, room));
	}
	*ret_account = text;
	return 0;
}

int read_label(const char *text, char ret_label[static SPAREKEY_LABEL_SIZE])
{
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	char room[BRIEF_BYTES];

	if (label_read(text, ret_label) != 0 || label_fold(ret_label, key) != 0) {
		return say_error(EXIT_BAD_DATA,
		                 "1 to 255 bytes, without control or direction characters.",
		                 "not a label: \"%s\"", brief(text, room));
	}
	return 0;
}

int read_expiry(const char *text, long long *ret_at)
{
	long long now = (long long)time(NULL);
	long long at = 0;
	char room[BRIEF_BYTES];

	if (!when_read(text, now, &at)) {
		return say_error(EXIT_BAD_DATA, "Such as 90d, 12h, 2027-01-31 or never.",
		                 "not a time to come: \"%s\"", brief(text, room));
	}
	if (at != 0 && at <= now) {
		return say_error(EXIT_BAD_DATA, NULL, "\"%s\" is in the past", brief(text, room));
	}
	*ret_at = at;
	return 0;
}

bool is_any(const char *text)
{
	return strcmp(text, "any") == 0;
}

int read_scope(const char *text, const char *word, char ret_scope[static SPAREKEY_SCOPE_SIZE])
{
	static const char hint[] = "Scopes are names such as imap, smtp, caldav.";
	char room[BRIEF_BYTES];

	/* One that has the name all the same can be taken away. */
	if (is_any(text) && word[0] != '-') {
		return say_error(EXIT_BAD_DATA, hint, "\"any\" is every service, and none of them");
	}
	if (scope_read(text, ret_scope) != 0) {
		return say_error(EXIT_BAD_DATA, hint, "not a scope: \"%s\"", brief(word, room));
	}
	return 0;
}

int no_more_options(int argc, char **argv, const char *letters)
{
	static const struct option none[] = { { NULL, 0, NULL, 0 } };

	return next_option(argc, argv, letters, none, argv[0]) == -1 ? 0 : EXIT_USAGE_ERROR;
}

int no_arguments(int argc, char **argv, const char *hint)
{
	return optind == argc ? 0
	                      : say_error(EXIT_USAGE_ERROR, hint, "%s takes no argument", argv[0]);
}

static bool is_global(const char *word, bool *ret_has_value)
{
	static const char *const plain[] = { "--json", "--plain",   "--quiet",    "-q",     "-v",
		                             "-qv",    "--verbose", "--no-input", "--help", "-h",
		                             "-vq",    "--version", "-V" };
	static const char *const valued[] = { "--color", "--password-fd", "--code-fd",
		                              "--address" };

	*ret_has_value = false;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(word, plain[i]) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
		size_t length = strlen(valued[i]);

		if (strncmp(word, valued[i], length) == 0 &&
		    (word[length] == '=' || word[length] == '\0')) {
			*ret_has_value = word[length] == '\0';
			return true;
		}
	}
	return false;
}

void gather_globals(int argc, char **argv)
{
	int front = 1;
	bool has_value = false;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!is_global(argv[i], &has_value)) {
			continue;
		}
		for (int moved = 0; moved <= (has_value && i + moved < argc - 1 ? 1 : 0); moved++) {
			char *word = argv[i + moved];

			memmove(&argv[front + 1], &argv[front],
			        (size_t)(i + moved - front) * sizeof(*argv));
			argv[front++] = word;
		}
		i += has_value ? 1 : 0;
	}
}
