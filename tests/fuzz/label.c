/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: words of people and how they are shown: labels, accounts, escaping, widths, cutting,
 * and what the log quotes.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/log.h"
#include "cli/cli.h"
#include "protocol/label.h"
#include "tests/fuzz/fuzz.h"

#define JOINER 0x200d
#define EMOJI_FORM 0xfe0f

/* The same text, decomposed or composed otherwise; the caller's, NULL: not UTF-8. */
static char *in_form(const char *text, int options)
{
	utf8proc_uint8_t *made = NULL;
	utf8proc_ssize_t length =
		utf8proc_map((const utf8proc_uint8_t *)text, 0, &made,
	                     (utf8proc_option_t)(UTF8PROC_NULLTERM | UTF8PROC_STABLE | options));

	return length >= 0 ? (char *)made : NULL;
}

/* Nothing that hides or moves; the joiner and the emoji form only behind something else. */
static void check_shown(const char *text)
{
	int32_t point;
	size_t count;
	bool is_first = true;

	for (; (count = point_at(text, &point)) > 0; text += count) {
		MUST(point >= 0 && !is_harmful(point));
		MUST(!is_first || (point != JOINER && point != EMOJI_FORM));
		MUST(point != JOINER || text[count] != '\0');
		is_first = false;
	}
}

static void check_keys(const char *label)
{
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	char again[LIMIT_LABEL_KEY_BYTES + 1];
	char other[LIMIT_LABEL_BYTES + 1];
	char *decomposed = in_form(label, UTF8PROC_DECOMPOSE);

	MUST(decomposed != NULL);
	MUST(label_read(decomposed, other) == 0 && strcmp(label, other) == 0);
	if (label_fold(label, key) == 0) {
		MUST(is_utf8(key));
		MUST(label_fold(key, again) == 0 && strcmp(key, again) == 0);
		MUST(label_fold(decomposed, again) == 0 && strcmp(key, again) == 0);
	}
	free(decomposed);
}

static void try_label(const char *text)
{
	char label[LIMIT_LABEL_BYTES + 1] = "?";
	char again[LIMIT_LABEL_BYTES + 1];
	char shown[LIMIT_LABEL_BYTES * 2 + 1];

	if (label_read(text, label) != 0) {
		MUST(strcmp(label, "?") == 0);
		return;
	}
	MUST(label[0] != '\0' && strlen(label) <= LIMIT_LABEL_BYTES && label[0] != ' ');
	check_shown(label);
	MUST(label_read(label, again) == 0 && strcmp(label, again) == 0);
	/* What may be a label is shown as it is. */
	text_escape(label, shown, sizeof(shown));
	MUST(strchr(label, '\\') != NULL || strcmp(label, shown) == 0);
	check_keys(label);
}

static void try_account(const char *text)
{
	if (account_check(text) == 0) {
		MUST(strlen(text) <= LIMIT_ACCOUNT_BYTES && is_harmless(text));
		MUST(strstr(text, "\xe2\x80\x8d") == NULL && strstr(text, "\xef\xb8\x8f") == NULL);
	}
}

static size_t width_of(const char *text)
{
	size_t width = 0;
	int32_t point;
	size_t count;

	for (; (count = point_at(text, &point)) > 0; text += count) {
		width += point < 0 ? 1 : (size_t)utf8proc_charwidth(point);
	}
	return width;
}

/* Whole, and cut to `size`: what was cut is how the whole begins. */
static void show(const char *text, size_t size)
{
	size_t most = strlen(text) * 10 + 1;
	char *whole = malloc(most);
	char *cut = malloc(size + 1);

	MUST(whole != NULL && cut != NULL);
	size_t length = text_escape(text, whole, most);
	size_t cut_length = text_escape(text, cut, size);

	MUST(length == strlen(whole) && length < most);
	check_shown(whole);
	MUST(size == 0 || (cut_length == strlen(cut) && cut_length < size));
	MUST(size == 0 || (is_utf8(cut) && strncmp(cut, whole, cut_length) == 0));
	MUST(text_width(text) == width_of(text) && text_width(whole) == width_of(whole));
	free(cut);
	free(whole);
}

static void cut(const char *text, size_t columns, size_t size)
{
	char *room = malloc(size);
	const char *made = NULL;

	MUST(room != NULL);
	made = fit(text, columns, room, size);
	MUST(made == room && strlen(made) < size);
	MUST(text_width(made) <= columns);
	MUST(!is_utf8(text) || is_utf8(made));
	free(room);
}

static void quote(const char *text, size_t size)
{
	char *room = malloc(size);
	const char *made = NULL;

	MUST(room != NULL);
	made = log_quote(text, room, size);
	MUST(made == room && strlen(made) < size);
	for (; *made != '\0'; made++) {
		MUST(*made >= ' ' && *made <= '~');
	}
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = { data, size };
	size_t room = source_byte(&source);
	char *text = copy_text(source.at, source.left);

	try_label(text);
	try_account(text);
	show(text, room);
	cut(text, room / 2, room + sizeof(ELLIPSIS));
	quote(text, room + 3);
	free(text);
	return 0;
}
