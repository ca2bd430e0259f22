/* SPDX-License-Identifier: MIT */
#ifndef SERVICE_PENALTY_H
#define SERVICE_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Penalties for wrong secrets: how often a source may guess at one password. PENALTY_FREE guesses
 * are free, and each comes back PENALTY_FREE_MS later; after that every further one must keep a
 * distance that doubles up to PENALTY_DELAY_MS_MOST, and comes back once the source is quiet. A
 * guess is charged before it is hashed, so nobody can start many at once, and costs nothing if it
 * was right. A delay is a moment before which nothing is checked, never a sleep.
 */
#define PENALTY_FREE 10u
#define PENALTY_FREE_MS 6000u /* ten a minute */
#define PENALTY_DELAY_MS 1000u
#define PENALTY_DELAY_MS_MOST 60000u
#define PENALTY_SOURCES                                                                            \
	1024u /* the table's bound; whoever has been quiet for longest gives way                   \
	       */

struct penalties;

/* How many are free, when each comes back, and how the delay grows. */
struct penalty_rules {
	unsigned int free;
	uint64_t free_ms;
	uint64_t delay_ms;
	uint64_t delay_ms_most;
};

extern const struct penalty_rules penalty_rules_password;
/* One caller's guesses at the main password and at codes. */
extern const struct penalty_rules penalty_rules_owner;

/* 0 or -ENOMEM. `rules` must outlive it. */
int penalties_new(const struct penalty_rules *rules, struct penalties **ret_penalties);
struct penalties *penalties_free(struct penalties *penalties);

enum penalty {
	PENALTY_REFUSED = 0, /* in delay: nothing may be checked */
	PENALTY_WAIT,      /* as many as are free are being checked: ask again when one has ended */
	PENALTY_ADMITTED,  /* charged, until penalties_end */
	PENALTY_NO_MEMORY, /* nothing may be checked, and nobody will wake who waits */
};

/* A guess at the password `id` by a source: the network of `remote` (an address: /24 or /64, IPv4
 * in IPv6 as IPv4), or `caller` if that is no address. */
enum penalty penalties_charge(struct penalties *penalties, const char *id, const char *remote,
                              const char *caller, uint64_t now_ms);
/* Whether two guesses at one password come from one source. */
bool penalties_same(const char *remote, const char *caller, const char *other_remote,
                    const char *other_caller);
/* Ends a charge: the guess was wrong, or was right or not checked after all. */
void penalties_end(struct penalties *penalties, const char *id, const char *remote,
                   const char *caller, bool is_wrong, uint64_t now_ms);

#endif
