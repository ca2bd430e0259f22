/* SPDX-License-Identifier: MIT */
/*
 * The log: one line, one write(2), so that lines of two processes never mix. Loop thread. Nothing
 * is kept open: systemd or the shell gave us stderr.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 1000u

/* systemd names the stream it reads as DEVICE:INODE; a child of such a program may have been given
 * another one. */
static bool is_journal(void)
{
	const char *named = getenv("JOURNAL_STREAM");
	char stream[48];
	struct stat status;

	if (named == NULL || fstat(STDERR_FILENO, &status) != 0) {
		return false;
	}
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
	         (uintmax_t)status.st_ino);
	return strcmp(named, stream) == 0;
}

/* Makes it one line: nothing in it ends a line or moves a cursor, no character is cut, no blank is
 * left at the end. Returns its length with the newline. */
static size_t finish_line(char *line, size_t length)
{
	if (length > LINE_BYTES - 1) {
		length = LINE_BYTES - 1;
		while (length > 0 && ((unsigned char)line[length] & 0xc0) == 0x80) {
			length--;
		}
	}
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
			line[i] = '?';
		}
	}
	while (length > 0 && line[length - 1] == ' ') {
		length--;
	}
	line[length++] = '\n';
	return length;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	char line[LINE_BYTES + 1];
	char prefix[8] = "";
	va_list arguments;

	if (is_journal()) {
		snprintf(prefix, sizeof(prefix), "<%d>", (int)level);
	}
	int length = snprintf(line, sizeof(line), "%ssparekeyd: %s ", prefix, event);

	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	if (write(STDERR_FILENO, line, finish_line(line, (size_t)length)) < 0) {
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
