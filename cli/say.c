/* SPDX-License-Identifier: MIT */
/*
 * What the tool says: results on stdout, errors and hints on stderr. One error is one line, then
 * what to do. Errors are escaped here and nowhere else, so that no caller can forget it: whatever
 * was typed or came from a broker stays on its line and moves no cursor.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

#define ERROR_BYTES 1024u

const char *shown(const char *text, char ret_room[static 2048])
{
	text_escape(text, ret_room, 2048);
	return ret_room;
}

const char *brief(const char *text, char ret_room[static BRIEF_BYTES])
{
	return fit(text, BRIEF_COLUMNS, ret_room, BRIEF_BYTES);
}

static void say_line(const char *start, char *text)
{
	char room[(size_t)4 * ERROR_BYTES];
	size_t length = strlen(text);

	if (length > 0 && text[length - 1] == '\n') {
		text[length - 1] = '\0'; /* libdbus ends some of its messages so */
	}
	text_escape(text, room, sizeof(room));
	fprintf(stderr, "%s%s\n", start, room);
}

int say_error(int code, const char *hint, const char *format, ...)
{
	char text[ERROR_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fflush(stdout); /* what was done before stands before what went wrong */
	say_line("sparekey: ", text);
	if (hint != NULL) {
		snprintf(text, sizeof(text), "%s", hint);
		say_line("", text);
	}
	return code;
}

int say_no_memory(void)
{
	return say_error(EXIT_BUG, NULL, "%s", strerror(ENOMEM));
}

void say_hint(const struct cli *cli, const char *format, ...)
{
	char text[ERROR_BYTES];
	va_list arguments;

	if (cli->quiet) {
		return;
	}
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	say_line("", text);
}

void say_done(const struct cli *cli, const char *format, ...)
{
	va_list arguments;

	if (cli->quiet || cli->json || cli->plain) {
		return;
	}
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
}

int say_end(int code)
{
	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		const char *why = strerror(errno != 0 ? errno : EIO);

		clearerr(stdout);
		return say_error(EXIT_STORE, NULL, "the output cannot be written: %s", why);
	}
	return code;
}

bool say_raw(const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t count = write(STDOUT_FILENO, text, length);

		if (count < 0 && errno != EINTR) {
			return false;
		}
		if (count > 0) {
			text += count;
			length -= (size_t)count;
		}
	}
	return true;
}

void say_progress(struct cli *cli, unsigned int done, unsigned int count)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (done == 0) {
		cli->started_at = (long long)now.tv_sec;
	}
	if (cli->quiet || !isatty(STDERR_FILENO)) {
		return;
	}
	if (done < count && (now.tv_sec - cli->started_at) * 1000 >= PATIENCE_MS) {
		fprintf(stderr, "\r%u of %u", done, count);
		cli->has_progress = true;
	} else if (done == count && cli->has_progress) {
		fprintf(stderr, "\r%*s\r", 24, "");
		cli->has_progress = false;
	}
}

/* Safe in a handler. */
static void write_patience(void)
{
	static const char text[] = "Still waiting for the broker.\n";
	ssize_t told = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)told; /* only a comfort */
}

static void on_patience(int number)
{
	int kept = errno;

	(void)number;
	write_patience();
	errno = kept;
}

void say_waiting(struct cli *cli)
{
	if (cli->quiet || !isatty(STDERR_FILENO)) {
		return;
	}
	say_progress(cli, 1, 1); /* takes its line away */
	write_patience();
}

/* An alarm, since the one long call cannot be looked into. libdbus goes on after it. */
void say_patience(const struct cli *cli, bool begins)
{
	struct sigaction action = { .sa_handler = on_patience, .sa_flags = SA_RESTART };

	if (!begins) {
		alarm(0);
	} else if (!cli->quiet && isatty(STDERR_FILENO) && sigaction(SIGALRM, &action, NULL) == 0) {
		alarm(PATIENCE_MS / 1000);
	}
}

static int exit_code_of(enum sparekey_error error)
{
	switch (error) {
	case SPAREKEY_OK:
		return EXIT_DONE;
	case SPAREKEY_UNKNOWN_OBJECT:
	case SPAREKEY_REQUEST_DENIED:
	case SPAREKEY_ALREADY_DECIDED:
	case SPAREKEY_WRONG_STATE:
		return EXIT_NO;
	case SPAREKEY_LABEL_IN_USE:
	case SPAREKEY_INVALID_LABEL:
	case SPAREKEY_INVALID_SCOPE:
	case SPAREKEY_INVALID_EXPIRY:
	case SPAREKEY_INVALID_MAIN_PASSWORD:
	case SPAREKEY_INVALID_ARGS:
		return EXIT_BAD_DATA;
	case SPAREKEY_NO_BROKER:
	case SPAREKEY_NOT_INITIALIZED:
	case SPAREKEY_ALREADY_INITIALIZED:
		return EXIT_NO_BROKER;
	case SPAREKEY_STORAGE_FAILED:
		return EXIT_STORE;
	case SPAREKEY_BAD_SETTINGS:
		return EXIT_SETTINGS;
	case SPAREKEY_RATE_LIMITED:
		return EXIT_RATE;
	case SPAREKEY_AUTHENTICATION_REQUIRED:
	case SPAREKEY_SECOND_FACTOR_REQUIRED:
	case SPAREKEY_SECOND_FACTOR_NOT_ENROLLED:
	case SPAREKEY_AUTHENTICATION_FAILED:
	case SPAREKEY_LIMIT_EXCEEDED:
	case SPAREKEY_NOT_SUPPORTED:
	case SPAREKEY_INLINE_SECRETS_DISABLED:
	case SPAREKEY_ACCESS_DENIED:
		return EXIT_REFUSED;
	case SPAREKEY_UNKNOWN_INTERFACE:
	case SPAREKEY_UNKNOWN_METHOD:
	case SPAREKEY_UNKNOWN_PROPERTY:
	case SPAREKEY_PROPERTY_READ_ONLY:
	case SPAREKEY_FAILED:
		return EXIT_BUG;
	}
	return EXIT_BUG;
}

/* What is missing before anything can be made, and the command that adds it. */
static const char *missing_hint(int result)
{
	switch (result) {
	case SPAREKEY_NOT_INITIALIZED:
		return "To set it up: sparekey setup";
	case SPAREKEY_SECOND_FACTOR_NOT_ENROLLED:
		return "To add an authenticator: sparekey factor add";
	default:
		return NULL;
	}
}

int say_result_with(const struct cli *cli, int result, const char *hint)
{
	const char *missing = missing_hint(result);

	if (result == 0) {
		return EXIT_DONE;
	}
	if (missing != NULL) {
		return say_error(exit_code_of((enum sparekey_error)result), missing, "%s",
		                 sparekey_strerror(result));
	}
	if (result < 0) {
		return say_error(EXIT_BUG, hint, "%s", strerror(-result));
	}
	return say_error(exit_code_of((enum sparekey_error)result), hint, "%s",
	                 sparekey_error_text(cli->sparekey));
}

int say_result(const struct cli *cli, int result)
{
	return say_result_with(cli, result, NULL);
}
