/* SPDX-License-Identifier: MIT */
/*
 * Words of people: what a label may be, how two are compared, and how foreign text is shown. Pure
 * functions over the caller's buffers, for any thread; utf8proc is used without its allocating
 * calls, so nothing here can run out of memory.
 *
 * Text is turned into code points once; one predicate (`is_hidden`) decides both what a label may
 * not hold and what is escaped when shown, so the two cannot drift apart.
 *
 * Refused: NFKC (it changes what people wrote); a ban on scripts, confusables or right-to-left
 * letters (labels are the owner's own words); trimming tabs and newlines (a label with one was
 * pasted from somewhere else: better told).
 */
#include "protocol/label.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "sparekey.h"

/* NFD and case folding make at most three or four code points of two or three bytes: enough for a
 * label and as much blank around it again. */
#define POINTS 1024
#define MARKS_IN_A_ROW 8u

#define ZERO_WIDTH_JOINER 0x200d
#define EMOJI_VARIATION 0xfe0f
#define BRAILLE_BLANK 0x2800
#define SKIN_TONE_FIRST 0x1f3fb
#define SKIN_TONE_LAST 0x1f3ff

struct points {
	size_t count;
	int32_t at[POINTS];
};

static bool is_blank(int32_t point)
{
	return utf8proc_category(point) == UTF8PROC_CATEGORY_ZS || point == BRAILLE_BLANK;
}

static bool is_mark(int32_t point)
{
	utf8proc_category_t category = utf8proc_category(point);

	return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
	       category == UTF8PROC_CATEGORY_ME;
}

static bool is_emoji(int32_t point)
{
	return utf8proc_get_property(point)->boundclass ==
	       UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

static bool is_emoji_modifier(int32_t point)
{
	return point == EMOJI_VARIATION || (point >= SKIN_TONE_FIRST && point <= SKIN_TONE_LAST);
}

/* Control, format and direction characters, line and paragraph separators, private, surrogate and
 * unassigned ones, and whatever else Unicode says is not to be seen (Default_Ignorable_Code_Point:
 * fillers and selectors among letters). */
static bool is_hidden(int32_t point)
{
	utf8proc_category_t category = utf8proc_category(point);

	return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
	       category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
	       category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS ||
	       category == UTF8PROC_CATEGORY_CN || utf8proc_get_property(point)->ignorable;
}

/* Walks a text code point by code point and knows what came before: the two invisible characters
 * emoji are made with, and marks upon marks, are right or wrong by their neighbours only. */
struct walk {
	bool after_emoji; /* an emoji, with its modifiers, came just before */
	unsigned int marks;
	bool based; /* something came before for a mark to stand on */
};

/* Whether `point`, followed by `next` (0 at the end), may be shown as it is. */
static bool walk_shows(struct walk *walk, int32_t point, int32_t next)
{
	bool shows;

	if (point == ZERO_WIDTH_JOINER) {
		shows = walk->after_emoji && is_emoji(next);
	} else if (point == EMOJI_VARIATION) {
		shows = walk->after_emoji;
	} else if (is_mark(point)) {
		shows = !is_hidden(point) && walk->based && walk->marks < MARKS_IN_A_ROW;
	} else {
		shows = !is_hidden(point);
	}
	walk->marks = is_mark(point) ? walk->marks + 1 : 0;
	walk->based = shows;
	walk->after_emoji = is_emoji(point) || (walk->after_emoji && is_emoji_modifier(point));
	return shows;
}

static_assert(LIMIT_LABEL_GIVEN_BYTES >= 4 * POINTS, "whatever fits into the points is looked at");

/* Decomposes and composes again as `options` say. What cannot fit is not walked through: text comes
 * here at any length. */
static bool read_points(const char *text, int options, struct points *ret_points)
{
	utf8proc_option_t chosen = (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE |
	                                               options);
	size_t length = strnlen(text, LIMIT_LABEL_GIVEN_BYTES + 1);
	utf8proc_ssize_t count;

	if (length > LIMIT_LABEL_GIVEN_BYTES) {
		return false;
	}
	count = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length,
	                           ret_points->at, POINTS, chosen);
	if (count < 0 || count > POINTS) {
		return false;
	}
	count = utf8proc_normalize_utf32(ret_points->at, count, chosen);
	if (count < 0) {
		return false;
	}
	ret_points->count = (size_t)count;
	return true;
}

/* Writes code points first to end as UTF-8 into `size` bytes, NUL included; false if they do not
 * fit. */
static bool write_points(const struct points *points, size_t first, size_t end, char *ret_text,
                         size_t size)
{
	size_t length = 0;

	for (size_t i = first; i < end; i++) {
		utf8proc_uint8_t bytes[4];
		size_t count = (size_t)utf8proc_encode_char(points->at[i], bytes);

		if (length + count >= size) {
			return false;
		}
		memcpy(ret_text + length, bytes, count);
		length += count;
	}
	ret_text[length] = '\0';
	return true;
}

int label_read(const char *text, char ret_label[static LIMIT_LABEL_BYTES + 1])
{
	char label[LIMIT_LABEL_BYTES + 1];
	struct points points;
	struct walk walk = { .based = false };
	size_t first = 0;
	size_t end;

	if (!read_points(text, 0, &points)) {
		return SPAREKEY_INVALID_LABEL;
	}
	end = points.count;
	while (first < end && is_blank(points.at[first])) {
		first++;
	}
	while (end > first && is_blank(points.at[end - 1])) {
		end--;
	}
	for (size_t i = first; i < end; i++) {
		if (!walk_shows(&walk, points.at[i], i + 1 < end ? points.at[i + 1] : 0)) {
			return SPAREKEY_INVALID_LABEL;
		}
	}
	if (first == end || !write_points(&points, first, end, label, sizeof label)) {
		return SPAREKEY_INVALID_LABEL;
	}
	memcpy(ret_label, label, strlen(label) + 1);
	return 0;
}

/* Characters that cannot be seen do not tell two labels apart either. */
int label_fold(const char *label, char ret_key[static LIMIT_LABEL_KEY_BYTES + 1])
{
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	struct points points;

	if (!read_points(label, UTF8PROC_CASEFOLD | UTF8PROC_IGNORE, &points) ||
	    !write_points(&points, 0, points.count, key, sizeof key)) {
		return SPAREKEY_INVALID_LABEL;
	}
	memcpy(ret_key, key, strlen(key) + 1);
	return 0;
}

int account_check(const char *text)
{
	size_t length = strnlen(text, LIMIT_ACCOUNT_BYTES + 1);

	if (length > LIMIT_ACCOUNT_BYTES) {
		return SPAREKEY_INVALID_ARGS;
	}
	while (length > 0) {
		int32_t point;
		utf8proc_ssize_t count = utf8proc_iterate((const utf8proc_uint8_t *)text,
		                                          (utf8proc_ssize_t)length, &point);

		if (count <= 0 || is_hidden(point)) {
			return SPAREKEY_INVALID_ARGS;
		}
		text += count;
		length -= (size_t)count;
	}
	return 0;
}

/* The code point at `text`, which ends at its NUL, and its bytes; -1 and 1 for a byte that is not
 * UTF-8, 0 at the end. */
static size_t next_point(const char *text, int32_t *ret_point)
{
	size_t left = strnlen(text, 4);
	utf8proc_ssize_t count;

	*ret_point = 0;
	if (left == 0) {
		return 0;
	}
	count = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, ret_point);
	if (count <= 0) {
		*ret_point = -1;
		return 1;
	}
	return (size_t)count;
}

#define PIECE 16u /* the longest piece is \u{10ffff} */

/* What stands behind the backslash of the three short escapes; NUL for all else. */
static char letter_of(int32_t point)
{
	switch (point) {
	case '\n':
		return 'n';
	case '\t':
		return 't';
	case '\\':
		return '\\';
	default:
		return '\0';
	}
}

/* How one code point of `count` bytes at `text` is shown. */
static size_t escape_point(const char *text, size_t count, int32_t point, bool shows,
                           char ret_piece[static PIECE])
{
	int length;

	if (point < 0) {
		length = snprintf(ret_piece, PIECE, "\\x{%02x}",
		                  (unsigned int)(unsigned char)text[0]);
	} else if (letter_of(point) != '\0') {
		length = snprintf(ret_piece, PIECE, "\\%c", letter_of(point));
	} else if (!shows) {
		length = snprintf(ret_piece, PIECE, "\\u{%x}", (unsigned int)point);
	} else {
		memcpy(ret_piece, text, count);
		length = (int)count;
	}
	return (size_t)length;
}

size_t text_escape(const char *text, char *ret_text, size_t size)
{
	struct walk walk = { .based = false };
	size_t written = 0;
	int32_t point;
	size_t count = next_point(text, &point);

	if (size == 0) {
		return 0;
	}
	while (count > 0) {
		char piece[PIECE];
		int32_t next;
		size_t next_count = next_point(text + count, &next);
		size_t length = escape_point(text, count, point, walk_shows(&walk, point, next),
		                             piece);

		if (written + length >= size) {
			break;
		}
		memcpy(ret_text + written, piece, length);
		written += length;
		text += count;
		count = next_count;
		point = next;
	}
	ret_text[written] = '\0';
	return written;
}

size_t text_width(const char *text)
{
	size_t width = 0;
	int32_t point;
	size_t count;

	for (; (count = next_point(text, &point)) > 0; text += count) {
		width += point < 0 ? 1 : (size_t)utf8proc_charwidth(point);
	}
	return width;
}
