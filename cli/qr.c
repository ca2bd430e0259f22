/* SPDX-License-Identifier: MIT */
/*
 * The key of a new authenticator on the screen: as a QR code of half blocks, two of its rows in one
 * line, and as text beside it, or below it in a narrow window. All of it fits 80 columns by 24
 * lines. Black on white is set by colours of its own, so that it is right on any background;
 * without colours (NO_COLOR) it is drawn for a dark one, and "i" turns it round for a light one,
 * margin and all. Past stdio, whose buffers would keep it; what libqrencode has of it in the heap
 * is wiped as far as it can be reached.
 */
#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define MARGIN_MOST 4 /* ISO/IEC 18004, the quiet zone; readers do with less */
#define TEXT_COLUMNS 31
#define TEXT_LINES 10
#define GAP 2
#define COLORS "\033[38;5;16;48;5;231m"
#define NO_COLORS "\033[0m"
#define KEY_GROUP 4u
#define KEY_GROUPS_A_LINE ((size_t)4)

struct frame {
	const QRcode *code;
	int margin;
	bool is_beside; /* the text stands right of it */
	bool is_colored;
	bool is_turned;
};

static int lines_of(const QRcode *code, int margin)
{
	return (code->width + 2 * margin + 1) / 2;
}

/* The widest margin with which everything fits; false: none. */
static bool fits(struct frame *frame, int lines, int columns)
{
	for (int margin = MARGIN_MOST; margin > 0; margin--) {
		int rows = lines_of(frame->code, margin);
		int width = frame->code->width + 2 * margin;

		frame->margin = margin;
		frame->is_beside = width + GAP + TEXT_COLUMNS <= columns;
		if (rows + (frame->is_beside ? 0 : TEXT_LINES) <= lines && width <= columns) {
			return true;
		}
	}
	return false;
}

/* What lies outside is light: the margin, and the half line below. */
static bool is_dark(const struct frame *frame, int row, int column)
{
	int width = frame->code->width;

	row -= frame->margin;
	column -= frame->margin;
	return row >= 0 && column >= 0 && row < width && column < width &&
	       (frame->code->data[row * width + column] & 1) != 0;
}

/* A block is of the colour of letters: dark ones with our colours, light ones on a dark terminal.
 */
static const char *glyph(bool upper, bool lower)
{
	if (upper) {
		return lower ? "\xe2\x96\x88" : "\xe2\x96\x80";
	}
	return lower ? "\xe2\x96\x84" : " ";
}

static bool write_row(const struct frame *frame, int row)
{
	bool blocks_are_dark = frame->is_colored || frame->is_turned;
	bool is_written = say_raw(frame->is_colored ? COLORS : "");

	for (int column = 0; column < frame->code->width + 2 * frame->margin && is_written;
	     column++) {
		is_written = say_raw(glyph(is_dark(frame, row, column) == blocks_are_dark,
		                           is_dark(frame, row + 1, column) == blocks_are_dark));
	}
	return is_written && say_raw(frame->is_colored ? NO_COLORS : "");
}

static bool write_code(const struct frame *frame)
{
	bool is_written = true;

	for (int line = 0; line < lines_of(frame->code, frame->margin) && is_written; line++) {
		is_written = say_raw(line > 0 ? "\r\n" : "") && write_row(frame, 2 * line);
	}
	return is_written;
}

/* Where the key stands in the address, and how long it is. */
static const char *key_of(const struct sparekey_secret *uri, size_t *ret_length)
{
	const char *key = strstr(sparekey_secret_text(uri), "secret=");

	key = key != NULL ? key + strlen("secret=") : "";
	*ret_length = strcspn(key, "&");
	return key;
}

/* In groups, `groups` of them from `first` on. */
static bool write_key(const struct sparekey_secret *uri, size_t first, size_t groups)
{
	size_t length = 0;
	const char *key = key_of(uri, &length);
	char group[KEY_GROUP + 2];
	bool is_written = true;

	for (size_t i = first; i < first + groups && i * KEY_GROUP < length && is_written; i++) {
		size_t left = length - i * KEY_GROUP;

		snprintf(group, sizeof(group), "%.*s ", (int)(left < KEY_GROUP ? left : KEY_GROUP),
		         key + i * KEY_GROUP);
		is_written = say_raw(group);
	}
	explicit_bzero(group, sizeof(group));
	return is_written;
}

/* The lines of text; the one with the key is written by write_key. */
static bool write_line(const struct sparekey_secret *uri, int line, const char *head, bool turns)
{
	switch (line) {
	case 0:
		return say_raw(head);
	case 1:
		return say_raw("app, or type the key there:");
	case 3:
		return say_raw("  ") && write_key(uri, 0, KEY_GROUPS_A_LINE);
	case 4:
		return say_raw("  ") && write_key(uri, KEY_GROUPS_A_LINE, 2 * KEY_GROUPS_A_LINE);
	case 6:
		return say_raw("Six digits, 30 seconds, SHA-1.");
	case 7:
		return say_raw(turns ? "Is it not read? Type i, Enter." : "");
	case TEXT_LINES - 1:
		return say_raw("Press Enter when you have it.");
	default:
		return true;
	}
}

/* `column`: where each line begins, 0: below what stands there. */
static bool write_text(const struct sparekey_secret *uri, const char *head, int column, bool turns)
{
	char place[32];
	bool is_written = true;

	for (int line = 0; line < TEXT_LINES && is_written; line++) {
		snprintf(place, sizeof(place), "\033[%d;%dH", line + 2, column);
		is_written = say_raw(column > 0 ? place
		                     : line > 0 ? "\r\n"
		                                : "") &&
		             write_line(uri, line, head, turns);
	}
	return is_written;
}

/* In place, for whoever has no screen for it: the text alone. */
static bool write_in_place(const struct sparekey_secret *uri)
{
	return say_raw("The key for your authenticator app:\n\n    ") &&
	       write_key(uri, 0, SPAREKEY_SECRET_BYTES) &&
	       say_raw("\n\nSix digits, 30 seconds, SHA-1.\n");
}

static bool write_screen(const struct page *page, const QRcode *code, int lines, int columns)
{
	const struct sparekey_secret *uri = page->data;
	struct frame frame = { .code = code,
		               .is_colored = !page->can_turn,
		               .is_turned = page->is_turned };

	if (!fits(&frame, lines, columns)) {
		return say_raw("The window is too small for a QR code.\r\n") &&
		       write_text(uri, "Make it larger for your", 0, false);
	}
	if (!write_code(&frame)) {
		return false;
	}
	return (frame.is_beside || say_raw("\r\n")) &&
	       write_text(uri, "Scan this in your authenticator",
	                  frame.is_beside ? code->width + 2 * frame.margin + GAP : 0,
	                  page->can_turn);
}

static bool write_page(const struct page *page, unsigned int lines, unsigned int columns)
{
	const struct sparekey_secret *uri = page->data;

	if (lines == 0) {
		return write_in_place(uri);
	}
	QRcode *code = QRcode_encodeString8bit(sparekey_secret_text(uri), 0, QR_ECLEVEL_L);

	if (code == NULL) {
		return write_in_place(uri) && say_raw("Press Enter when you have it.");
	}
	bool is_written = write_screen(page, code, (int)lines, (int)columns);

	explicit_bzero(code->data, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
	return is_written;
}

void qr_page(const struct cli *cli, const struct sparekey_secret *uri, struct page *ret_page)
{
	*ret_page = (struct page){ .write = write_page, .data = uri, .can_turn = !has_color(cli) };
}
