/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_SCOPE_H
#define PROTOCOL_SCOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/limits.h"

/* Scopes: the services a password is good for. An empty set means any service. */

struct scope_set {
	unsigned int count;
	char names[LIMIT_SCOPES][LIMIT_SCOPE_BYTES + 1]; /* plain names, sorted, each once */
};

#define SCOPE_SET_TEXT (LIMIT_SCOPES * (LIMIT_SCOPE_BYTES + 1u) + 1u)

/* Checks a name ([a-z0-9][a-z0-9-]*, at most 32 bytes) and gives the plain one: imaps imap, pop3s
 * pop3, submission and submissions smtp, managesieve sieve, xmpp-client xmpp. Returns 0 or
 * SPAREKEY_INVALID_SCOPE. */
int scope_read(const char *text, char ret_name[static LIMIT_SCOPE_BYTES + 1]);

/* Adds a name as scope_read reads it; one that is there already is no error. Returns 0 or
 * SPAREKEY_INVALID_SCOPE (bad name, or more than LIMIT_SCOPES). */
int scope_set_add(struct scope_set *set, const char *text);
void scope_set_remove(struct scope_set *set, const char *name);
/* Whether the set itself names it (an empty set names nothing). */
bool scope_set_has(const struct scope_set *set, const char *name);
/* Whether a password with `set` serves `name`: an empty set serves all. */
bool scope_set_allows(const struct scope_set *set, const char *name);
/* Whether everything `inner` allows, `outer` allows too. */
bool scope_set_within(const struct scope_set *inner, const struct scope_set *outer);
bool scope_set_equal(const struct scope_set *a, const struct scope_set *b);

/* Reads names divided by `separator` (blanks around them are dropped, "" is the empty set);
 * SPAREKEY_INVALID_SCOPE. */
int scope_set_parse(const char *text, char separator, struct scope_set *ret_set);
void scope_set_format(const struct scope_set *set, char separator,
                      char ret_text[static SCOPE_SET_TEXT]);

#endif
