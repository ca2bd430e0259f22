/* SPDX-License-Identifier: MIT */
/*
 * Taking values out of rows without trusting them. Stateless, loop thread.
 *
 * STRICT tables do not help against a file that was written by another program or by a failing
 * disk: every value is checked for type, length and encoding. sqlite3_column_text is refused
 * because it converts, may allocate, and says NULL both for an SQL NULL and for want of memory.
 */
#include <string.h>

#include "store/db.h"

/* How many bytes the character that `lead` begins has; 0: none begins so. `ret_least` is the
 * smallest code it may have. */
static size_t sequence_length(unsigned char lead, uint32_t *ret_least)
{
	if (lead >= 0xc2 && lead <= 0xdf) {
		*ret_least = 0x80;
		return 2;
	}
	if ((lead & 0xf0) == 0xe0) {
		*ret_least = 0x800;
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		*ret_least = 0x10000;
		return 4;
	}
	return 0;
}

/* RFC 3629: the length of the character at `text`, 0 if it is none. */
static size_t character(const unsigned char *text, size_t left)
{
	uint32_t least = 0;
	uint32_t code;
	size_t length;

	if (text[0] < 0x80) {
		return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
	}
	length = sequence_length(text[0], &least);
	if (length == 0 || length > left) {
		return 0;
	}
	code = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
		return 0;
	}
	return length;
}

bool row_text_sound(const void *bytes, size_t length)
{
	const unsigned char *text = bytes;
	size_t at = 0;

	while (at < length) {
		size_t step = character(text + at, length - at);

		if (step == 0) {
			return false;
		}
		at += step;
	}
	return true;
}

bool row_text(sqlite3_stmt *row, int column, size_t least, size_t most, char *ret_text)
{
	const unsigned char *text;
	size_t length;

	if (sqlite3_column_type(row, column) != SQLITE_TEXT) {
		return false;
	}
	text = sqlite3_column_blob(row, column);
	length = (size_t)sqlite3_column_bytes(row, column);
	if (length < least || length > most || (length > 0 && text == NULL) ||
	    !row_text_sound(text, length)) {
		return false;
	}
	if (length > 0) {
		memcpy(ret_text, text, length);
	}
	ret_text[length] = '\0';
	return true;
}

bool row_number(sqlite3_stmt *row, int column, int64_t least, int64_t *ret_number)
{
	int64_t number;

	if (sqlite3_column_type(row, column) != SQLITE_INTEGER) {
		return false;
	}
	number = sqlite3_column_int64(row, column);
	if (number < least) {
		return false;
	}
	*ret_number = number;
	return true;
}
