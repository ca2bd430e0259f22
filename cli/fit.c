/* SPDX-License-Identifier: MIT */
/*
 * Text cut to a number of columns, at a character's end, so that a long word of somebody else
 * neither breaks a table nor pushes a secret off the screen.
 */
#include <string.h>

#include "cli.h"
#include "protocol/label.h"

/* Bytes of the character at `text`; a stray byte is one of its own. */
static size_t character_bytes(const char *text)
{
	unsigned char lead = (unsigned char)text[0];
	size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	size_t count = 1;

	while (count < wanted && ((unsigned char)text[count] & 0xc0) == 0x80) {
		count++;
	}
	return count;
}

/* The longest beginning of `text` that takes at most `columns` and `size` - 1 bytes. */
static size_t beginning(const char *text, size_t columns, size_t size)
{
	size_t length = 0;
	size_t width = 0;

	while (text[length] != '\0') {
		char character[5] = "";
		size_t count = character_bytes(text + length);

		memcpy(character, text + length, count);
		width += text_width(character);
		if (width > columns || length + count >= size) {
			break;
		}
		length += count;
	}
	return length;
}

const char *fit(const char *text, size_t columns, char *ret_text, size_t size)
{
	size_t length = beginning(text, columns, size);
	bool is_cut = text[length] != '\0';

	if (is_cut && columns > 0 && size > sizeof(ELLIPSIS)) {
		length = beginning(text, columns - 1, size - strlen(ELLIPSIS));
	}
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
	if (is_cut && columns > 0 && size > sizeof(ELLIPSIS)) {
		memcpy(ret_text + length, ELLIPSIS, sizeof(ELLIPSIS));
	}
	return ret_text;
}
