/* SPDX-License-Identifier: MIT */
/*
 * The log: one line, one write(2), so that lines of two processes never mix. Loop thread. Nothing
 * is kept open: systemd or the shell gave us stderr.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1000u

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	char line[LINE_BYTES + 1];
	char prefix[8] = "";
	va_list arguments;

	if (getenv("JOURNAL_STREAM") != NULL) {
		snprintf(prefix, sizeof(prefix), "<%d>", (int)level);
	}
	int length = snprintf(line, sizeof(line), "%ssparekeyd: %s ", prefix, event);

	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	if (length > (int)LINE_BYTES - 1) {
		length = (int)LINE_BYTES - 1;
	}
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)length) < 0) {
		return; /* nobody to tell */
	}
}

const char *log_quote(const char *text, char *ret_text, size_t size)
{
	size_t length = 0;

	ret_text[length++] = '"';
	for (; *text != '\0' && length + 6 < size; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
			ret_text[length++] = (char)byte;
		} else {
			length += (size_t)snprintf(ret_text + length, size - length, "\\x%02X",
			                           byte);
		}
	}
	ret_text[length++] = '"';
	ret_text[length] = '\0';
	return ret_text;
}
