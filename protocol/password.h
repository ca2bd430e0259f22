/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_PASSWORD_H
#define PROTOCOL_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/secret.h"

/*
 * The text of an app password: 25 symbols of Crockford's base32 in five hyphenated groups. Symbols
 * 1-5 are the public id, 6-23 the secret, 24-25 a Reed-Solomon check over GF(32) (x^5 + x^2 + 1,
 * alpha = 2): sum c_i = 0 and sum c_i alpha^i = 0. Any one wrong symbol is located, any two are
 * noticed.
 */
#define PASSWORD_SYMBOLS 25u
#define PASSWORD_GROUP 5u
#define PASSWORD_ID 5u
#define PASSWORD_RANDOM 23u /* id and secret: what is random */
#define PASSWORD_TEXT 29u   /* symbols and hyphens */

enum password_form {
	PASSWORD_MALFORMED = 0, /* not 25 symbols of the alphabet */
	PASSWORD_MISTYPED,      /* 25 symbols, the check is wrong */
	PASSWORD_WELL_FORMED,   /* 25 symbols, the check is right */
};

struct password_reading {
	enum password_form form;
	unsigned int group; /* mistyped: 1 to 5, where one wrong symbol probably is; 0: no single
	                       place */
	char id[PASSWORD_ID + 1]; /* well formed: its id; mistyped with a group: the id after
	                             correction; else "" */
};

/* Reads a text forgivingly (case, hyphens, space, tab, CR, LF, U+00A0 anywhere, o for 0, i and l
 * for 1). On PASSWORD_WELL_FORMED `ret_text` holds the canonical text (lower case, hyphens),
 * otherwise it is cleared. `ret_text` may be `typed` itself. Never fails. */
void password_read(const struct secret *typed, struct secret *ret_text,
                   struct password_reading *ret_reading);

/* Reads `count` symbols as forgivingly, and nothing else, into `ret_values` (0 to 31 each). False:
 * no such text; what stands in `ret_values` then is a part of it, to be wiped as well. */
bool password_symbols_read(const struct secret *typed, uint8_t *ret_values, unsigned int count);

/* Builds the canonical text of 23 symbol values (0 to 31 each), check included. `symbols` may lie
 * in `ret_text`'s own buffer. */
void password_compose(const uint8_t symbols[PASSWORD_RANDOM], struct secret *ret_text);

/* Whether `id` is exactly five symbols of the alphabet in lower case. */
bool password_id_valid(const char *id);

/* The symbol (a character) of a value 0 to 31. */
char password_symbol(uint8_t value);

#endif
