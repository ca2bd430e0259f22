/* SPDX-License-Identifier: MIT */
/*
 * Scopes: reading names of services and keeping small sorted sets of them. Pure functions over the
 * caller's values, for any thread.
 *
 * Refused: folding case (a scope is a word of the contract, and "IMAP" beside "imap" is a mistake
 * worth telling); a list of known names (people have services nobody thought of); pointers in the
 * set (it is copied between rooms as a value).
 */
#include "protocol/scope.h"

#include <string.h>

#include "sparekey.h"

struct alias {
	const char *name;
	const char *plain;
};

/* Names Dovecot, Postfix and SRV records use for one and the same service. */
static const struct alias aliases[] = {
	{ "imaps", "imap" },       { "pop3s", "pop3" },        { "submission", "smtp" },
	{ "submissions", "smtp" }, { "managesieve", "sieve" }, { "xmpp-client", "xmpp" },
};

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *plain_name(const char *name)
{
	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
		if (strcmp(aliases[i].name, name) == 0) {
			return aliases[i].plain;
		}
	}
	return name;
}

int scope_read(const char *text, char ret_name[static LIMIT_SCOPE_BYTES + 1])
{
	size_t length = 0;
	const char *name;

	while (is_letter_or_digit(text[length]) || (length > 0 && text[length] == '-')) {
		if (++length > LIMIT_SCOPE_BYTES) {
			return SPAREKEY_INVALID_SCOPE;
		}
	}
	if (length == 0 || text[length] != '\0') {
		return SPAREKEY_INVALID_SCOPE;
	}
	name = plain_name(text);
	memmove(ret_name, name, strlen(name) + 1);
	return 0;
}

/* Where `name` is or belongs. */
static unsigned int find(const struct scope_set *set, const char *name, bool *ret_found)
{
	unsigned int at = 0;
	int order = 1;

	while (at < set->count && (order = strcmp(set->names[at], name)) < 0) {
		at++;
	}
	*ret_found = at < set->count && order == 0;
	return at;
}

int scope_set_add(struct scope_set *set, const char *text)
{
	char name[LIMIT_SCOPE_BYTES + 1];
	unsigned int at;
	bool found;
	int r = scope_read(text, name);

	if (r != 0) {
		return r;
	}
	at = find(set, name, &found);
	if (found) {
		return 0;
	}
	if (set->count >= LIMIT_SCOPES) {
		return SPAREKEY_INVALID_SCOPE;
	}
	memmove(set->names[at + 1], set->names[at], (set->count - at) * sizeof set->names[0]);
	memcpy(set->names[at], name, strlen(name) + 1);
	set->count++;
	return 0;
}

void scope_set_remove(struct scope_set *set, const char *name)
{
	bool found;
	unsigned int at = find(set, name, &found);

	if (!found) {
		return;
	}
	set->count--;
	memmove(set->names[at], set->names[at + 1], (set->count - at) * sizeof set->names[0]);
}

bool scope_set_has(const struct scope_set *set, const char *name)
{
	bool found;

	find(set, name, &found);
	return found;
}

bool scope_set_allows(const struct scope_set *set, const char *name)
{
	return set->count == 0 || scope_set_has(set, name);
}

bool scope_set_within(const struct scope_set *inner, const struct scope_set *outer)
{
	if (outer->count == 0) {
		return true;
	}
	for (unsigned int i = 0; i < inner->count; i++) {
		if (!scope_set_has(outer, inner->names[i])) {
			return false;
		}
	}
	return inner->count > 0;
}

bool scope_set_equal(const struct scope_set *a, const struct scope_set *b)
{
	if (a->count != b->count) {
		return false;
	}
	for (unsigned int i = 0; i < a->count; i++) {
		if (strcmp(a->names[i], b->names[i]) != 0) {
			return false;
		}
	}
	return true;
}

/* Adds the name in `text[0..length)`, blanks around it dropped. */
static int add_piece(struct scope_set *set, const char *text, size_t length)
{
	char name[LIMIT_SCOPE_BYTES + 1];

	while (length > 0 && is_blank(text[0])) {
		text++;
		length--;
	}
	while (length > 0 && is_blank(text[length - 1])) {
		length--;
	}
	if (length > LIMIT_SCOPE_BYTES) {
		return SPAREKEY_INVALID_SCOPE;
	}
	memcpy(name, text, length);
	name[length] = '\0';
	return scope_set_add(set, name);
}

int scope_set_parse(const char *text, char separator, struct scope_set *ret_set)
{
	struct scope_set set = { .count = 0 };

	if (text[strspn(text, " \t")] != '\0') {
		for (;;) {
			const char *end = strchrnul(text, separator);
			int r = add_piece(&set, text, (size_t)(end - text));

			if (r != 0) {
				return r;
			}
			if (*end == '\0') {
				break;
			}
			text = end + 1;
		}
	}
	*ret_set = set;
	return 0;
}

void scope_set_format(const struct scope_set *set, char separator,
                      char ret_text[static SCOPE_SET_TEXT])
{
	char *at = ret_text;

	for (unsigned int i = 0; i < set->count; i++) {
		if (i > 0) {
			*at++ = separator;
		}
		at = stpcpy(at, set->names[i]);
	}
	*at = '\0';
}
