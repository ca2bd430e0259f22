/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_LABEL_H
#define PROTOCOL_LABEL_H

#include <stddef.h>

#include "protocol/limits.h"

/*
 * Labels, accounts and other words of people (by utf8proc): what may be stored, how two are
 * compared, how they are shown.
 */

/* Trims, normalises (NFC) and checks a label: 1 to LIMIT_LABEL_BYTES bytes, UTF-8, no control,
 * format, direction, private-use, surrogate or unassigned character, no line or paragraph
 * separator; U+200D and U+FE0F only between emoji; at most 8 combining marks in a row. Returns 0 or
 * SPAREKEY_INVALID_LABEL. */
int label_read(const char *text, char ret_label[static LIMIT_LABEL_BYTES + 1]);

/* The key by which labels are compared: Unicode case folding and NFC (utf8proc) of a label that
 * label_read has accepted. Returns 0 or SPAREKEY_INVALID_LABEL (too long). */
int label_fold(const char *label, char ret_key[static LIMIT_LABEL_KEY_BYTES + 1]);

/* Checks an account name: at most LIMIT_ACCOUNT_BYTES bytes, UTF-8, no control or format character;
 * "" is allowed. Returns 0 or SPAREKEY_INVALID_ARGS. */
int account_check(const char *text);

/* Writes `text` for showing or logging: control, format, direction and separator characters,
 * unassigned and invalid bytes as \n, \t, \\ or \u{202e}, \x{ff}; the rest as it is. Always ends in
 * NUL, cut at a character's end. Returns the length written. */
size_t text_escape(const char *text, char *ret_text, size_t size);

/* Columns `text` takes on a terminal (utf8proc's widths); invalid bytes count as one. */
size_t text_width(const char *text);

#endif
