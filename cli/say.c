/* SPDX-License-Identifier: MIT */
/*
 * What the tool says: results on stdout, errors and hints on stderr. One error is one line, then
 * what to do.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "protocol/label.h"

const char *shown(const char *text, char ret_room[static 2048])
{
	text_escape(text, ret_room, 2048);
	return ret_room;
}

int say_error(int code, const char *hint, const char *format, ...)
{
	va_list arguments;

	fputs("sparekey: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	if (hint != NULL) {
		fprintf(stderr, "%s\n", hint);
	}
	return code;
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
	if (fflush(stdout) != 0 || ferror(stdout)) {
		return say_error(EXIT_STORE, NULL, "the output cannot be written: %s",
		                 strerror(errno));
	}
	return code;
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

int say_result(const struct cli *cli, int result)
{
	char room[2048];

	if (result == 0) {
		return EXIT_DONE;
	}
	if (result < 0) {
		return say_error(EXIT_BUG, NULL, "%s", strerror(-result));
	}
	return say_error(exit_code_of((enum sparekey_error)result), NULL, "%s",
	                 shown(sparekey_error_text(cli->sparekey), room));
}
