/* SPDX-License-Identifier: MIT */
/*
 * Penalties, a bounded table of sources that grows as they come. Loop thread. Malformed, mistyped
 * and unknown input never comes here: it costs nothing to refuse and tells nothing.
 *
 * Refused: counting by id alone (anybody could lock the owner out) and by source alone (one old
 * phone behind a NAT would slow everybody's login); a sleep (it would hold a server's worker);
 * forgetting at a restart being a hole (90 random bits do not mind a few more guesses).
 */
#include "service/penalty.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/password.h"

#define SOURCE_BYTES 64u
#define NETWORK_V6_BYTES 8u
#define NETWORK_V4_BYTES 3u

struct source {
	char id[PASSWORD_ID + 1]; /* "": a free place */
	char from[SOURCE_BYTES];
	unsigned int pending; /* guesses being checked */
	unsigned int wrong;   /* guesses not given back yet, up to PENALTY_FREE */
	unsigned int level;   /* of the delay; 0: none */
	uint64_t since_ms;    /* what comes back is counted from here; in delay: its end */
};

#define ROOM_AT_FIRST 16u

struct penalties {
	const struct penalty_rules *rules;
	struct source *sources; /* owned */
	unsigned int count;     /* of places that were ever taken */
	unsigned int room;
};

const struct penalty_rules penalty_rules_password = { PENALTY_FREE, PENALTY_FREE_MS,
	                                              PENALTY_DELAY_MS, PENALTY_DELAY_MS_MOST };
const struct penalty_rules penalty_rules_owner = { 5, 12000, 1000, 30000 };

int penalties_new(const struct penalty_rules *rules, struct penalties **ret_penalties)
{
	struct penalties *penalties = calloc(1, sizeof(*penalties));

	if (penalties == NULL) {
		return -ENOMEM;
	}
	penalties->rules = rules;
	*ret_penalties = penalties;
	return 0;
}

struct penalties *penalties_free(struct penalties *penalties)
{
	if (penalties != NULL) {
		free(penalties->sources);
		free(penalties);
	}
	return NULL;
}

static bool is_mapped(const unsigned char address[16])
{
	static const unsigned char prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

static void write_network(const unsigned char *address, size_t count, char letter,
                          char ret_from[static SOURCE_BYTES])
{
	ret_from[0] = letter;
	for (size_t i = 0; i < count; i++) {
		snprintf(ret_from + 1 + 2 * i, 3, "%02x", address[i]);
	}
}

/* Networks, and callers behind a mark of their own: none can be written as another. */
static void read_source(const char *remote, const char *caller, char ret_from[static SOURCE_BYTES])
{
	unsigned char address[16];

	if (inet_pton(AF_INET, remote, address) == 1) {
		write_network(address, NETWORK_V4_BYTES, '4', ret_from);
	} else if (inet_pton(AF_INET6, remote, address) != 1) {
		snprintf(ret_from, SOURCE_BYTES, "c%.62s", caller);
	} else if (is_mapped(address)) {
		write_network(address + 12, NETWORK_V4_BYTES, '4', ret_from);
	} else {
		write_network(address, NETWORK_V6_BYTES, '6', ret_from);
	}
}

/* Gives back what time has given back; a source that owes nothing more is forgotten. */
static void settle(const struct penalty_rules *rules, struct source *source, uint64_t now_ms)
{
	uint64_t back = 0;

	if (now_ms > source->since_ms) {
		back = (now_ms - source->since_ms) / rules->free_ms;
	}
	if (back < source->wrong) {
		source->wrong -= (unsigned int)back;
		source->since_ms += back * rules->free_ms;
		return;
	}
	source->wrong = 0;
	source->level = 0;
	if (source->pending == 0) {
		source->id[0] = '\0';
	}
}

bool penalties_same(const char *remote, const char *caller, const char *other_remote,
                    const char *other_caller)
{
	char from[SOURCE_BYTES];
	char other[SOURCE_BYTES];

	read_source(remote, caller, from);
	read_source(other_remote, other_caller, other);
	return strcmp(from, other) == 0;
}

static struct source *find(struct penalties *penalties, const char *id, const char *from)
{
	for (unsigned int i = 0; i < penalties->count; i++) {
		struct source *source = &penalties->sources[i];

		if (strcmp(source->id, id) == 0 && strcmp(source->from, from) == 0) {
			return source;
		}
	}
	return NULL;
}

/* One place more, or NULL: the table has all it may have, or there is no memory. */
static struct source *add(struct penalties *penalties)
{
	if (penalties->count == PENALTY_SOURCES) {
		return NULL;
	}
	if (penalties->count == penalties->room) {
		unsigned int room = penalties->room > 0 ? 2 * penalties->room : ROOM_AT_FIRST;
		struct source *sources = reallocarray(penalties->sources, room, sizeof(*sources));

		if (sources == NULL) {
			return NULL;
		}
		penalties->sources = sources;
		penalties->room = room;
	}
	return &penalties->sources[penalties->count++];
}

/* A place for a new source: a free one, else a new one, else of the one that has been quiet for
 * longest. NULL: no memory for the first one. */
static struct source *place(struct penalties *penalties, uint64_t now_ms)
{
	struct source *quiet = NULL;
	struct source *more = NULL;

	for (unsigned int i = 0; i < penalties->count; i++) {
		struct source *source = &penalties->sources[i];

		settle(penalties->rules, source, now_ms);
		if (source->id[0] == '\0') {
			return source;
		}
		if (quiet == NULL || (source->pending == 0 &&
		                      (quiet->pending > 0 || source->since_ms < quiet->since_ms))) {
			quiet = source;
		}
	}
	more = add(penalties);
	return more != NULL ? more : quiet;
}

static uint64_t delay_ms(const struct penalty_rules *rules, unsigned int level)
{
	uint64_t delay = rules->delay_ms;

	while (--level > 0 && delay < rules->delay_ms_most) {
		delay *= 2;
	}
	return delay < rules->delay_ms_most ? delay : rules->delay_ms_most;
}

enum penalty penalties_charge(struct penalties *penalties, const char *id, const char *remote,
                              const char *caller, uint64_t now_ms)
{
	char from[SOURCE_BYTES];
	struct source *source = NULL;

	read_source(remote, caller, from);
	source = find(penalties, id, from);
	if (source == NULL) {
		source = place(penalties, now_ms);
		if (source == NULL) {
			return PENALTY_NO_MEMORY;
		}
		*source = (struct source){ .since_ms = now_ms };
		snprintf(source->id, sizeof(source->id), "%.5s", id);
		memcpy(source->from, from, sizeof(source->from));
	}
	if (source->level > 0 && now_ms < source->since_ms) {
		return PENALTY_REFUSED;
	}
	source->pending++; /* before settling, which forgets who owes nothing */
	settle(penalties->rules, source, now_ms);
	if (source->wrong + source->pending > penalties->rules->free && source->pending > 1) {
		source->pending--;
		return PENALTY_WAIT;
	}
	return PENALTY_ADMITTED;
}

void penalties_end(struct penalties *penalties, const char *id, const char *remote,
                   const char *caller, bool is_wrong, uint64_t now_ms)
{
	char from[SOURCE_BYTES];
	struct source *source = NULL;

	read_source(remote, caller, from);
	source = find(penalties, id, from);
	if (source == NULL || source->pending == 0) {
		return; /* it had to give way to others */
	}
	if (is_wrong && source->wrong == penalties->rules->free) {
		source->level++;
		source->since_ms = now_ms + delay_ms(penalties->rules, source->level);
	} else if (is_wrong) {
		source->since_ms = source->wrong == 0 ? now_ms : source->since_ms;
		source->wrong++;
	}
	source->pending--;
	settle(penalties->rules, source, now_ms);
}
