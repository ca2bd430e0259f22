/* SPDX-License-Identifier: MIT */
/*
 * The memory of successful verifications: 128 sets of four entries, found by id. Owner: the loop's
 * thread.
 *
 * Entries and key lie in one guarded mapping of 28 KiB. An entry says that one text was right for
 * one stored hash at one version of its row; whoever changes the row makes it worthless without
 * having to find it, so what another process revoked is forgotten as well. An id has at most one
 * entry.
 *
 * What has ended as a proof is kept for longer as a recollection: eight bytes of a MAC over id and
 * text alone, which outlive changes of the row and grant nothing. Who shows that text again is no
 * guesser, so he need not be kept from having it checked; who is taken for him by chance (one in
 * 2^64) has it checked in vain.
 *
 * Refused: the password itself, or a MAC without a key, as an entry (a core file would be a list to
 * test guesses against); a hash table that grows (every bound is a promise); least-recently-used
 * order (reading would have to write).
 */
#include "crypto/warm.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/random.h"
#include "protocol/password.h"

#define WAYS 4u
#define SETS (WARM_ENTRIES / WAYS)
#define MAC crypto_generichash_BYTES
#define RECALL 8u /* bytes */

struct entry {
	uint64_t until_ms; /* 0: empty */
	char id[8];        /* with its NUL */
	uint8_t mac[MAC];
	uint8_t recall[RECALL];
};

struct warm {
	struct entry sets[SETS][WAYS];
	uint8_t key[crypto_generichash_KEYBYTES];
};

static_assert(sizeof(struct warm) <= 32768 && sizeof(struct warm) % 8 == 0,
              "small enough to lock, and aligned by sodium_malloc");

int warm_new(struct warm **ret_warm)
{
	struct warm *warm = sodium_malloc(sizeof *warm);
	int r;

	if (warm == NULL) {
		return -ENOMEM;
	}
	memset(warm, 0, sizeof *warm);
	r = random_bytes(warm->key, sizeof warm->key);
	if (r < 0) {
		warm_free(warm);
		return r;
	}
	*ret_warm = warm;
	return 0;
}

struct warm *warm_free(struct warm *warm)
{
	sodium_free(warm);
	return NULL;
}

/* FNV-1a: ids are random and enter only after a right password, so nobody can crowd a set. */
static struct entry *find_set(struct warm *warm, const char *id)
{
	uint32_t hash = 2166136261u;

	for (; *id != '\0'; id++) {
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	}
	return warm->sets[hash % SETS];
}

static struct entry *find_entry(struct warm *warm, const char *id)
{
	struct entry *set = find_set(warm, id);

	for (unsigned int i = 0; i < WAYS; i++) {
		if (set[i].until_ms != 0 && strcmp(set[i].id, id) == 0) {
			return &set[i];
		}
	}
	return NULL;
}

static void mac_number(crypto_generichash_state *state, uint64_t number)
{
	crypto_generichash_update(state, (const unsigned char *)&number, sizeof number);
}

/* Each part with its length before it, so that no two keys run together. */
static void mac_part(crypto_generichash_state *state, const void *bytes, size_t length)
{
	mac_number(state, length);
	crypto_generichash_update(state, bytes, length);
}

static void begin_mac(const struct warm *warm, const struct warm_key *key,
                      crypto_generichash_state *ret_state)
{
	crypto_generichash_init(ret_state, warm->key, sizeof warm->key, MAC);
	mac_part(ret_state, key->id, strlen(key->id));
	mac_part(ret_state, secret_bytes(key->text), secret_length(key->text));
}

static void compute_mac(const struct warm *warm, const struct warm_key *key,
                        uint8_t ret_mac[static MAC])
{
	crypto_generichash_state state;

	begin_mac(warm, key, &state);
	mac_part(&state, key->hash, strlen(key->hash));
	mac_number(&state, (uint64_t)key->version);
	crypto_generichash_final(&state, ret_mac, MAC);
	sodium_memzero(&state, sizeof state);
}

static void compute_recall(const struct warm *warm, const struct warm_key *key,
                           uint8_t ret_recall[static RECALL])
{
	crypto_generichash_state state;
	uint8_t mac[MAC];

	begin_mac(warm, key, &state);
	crypto_generichash_final(&state, mac, MAC);
	memcpy(ret_recall, mac, RECALL);
	sodium_memzero(&state, sizeof state);
	sodium_memzero(mac, sizeof mac);
}

bool warm_knows(struct warm *warm, const struct warm_key *key, uint64_t now_ms)
{
	struct entry *entry = find_entry(warm, key->id);
	uint8_t mac[MAC];
	bool knows;

	if (entry == NULL) {
		return false;
	}
	if (entry->until_ms <= now_ms) {
		sodium_memzero(entry->mac, sizeof entry->mac);
		return false;
	}
	compute_mac(warm, key, mac);
	knows = sodium_memcmp(mac, entry->mac, sizeof mac) == 0;
	sodium_memzero(mac, sizeof mac);
	return knows;
}

bool warm_recalls(struct warm *warm, const struct warm_key *key, uint64_t now_ms)
{
	struct entry *entry = find_entry(warm, key->id);
	uint8_t recall[RECALL];
	bool recalls;

	if (entry == NULL) {
		return false;
	}
	if (now_ms >= entry->until_ms && now_ms - entry->until_ms >= WARM_RECALL_MS) {
		sodium_memzero(entry, sizeof *entry);
		return false;
	}
	compute_recall(warm, key, recall);
	recalls = sodium_memcmp(recall, entry->recall, sizeof recall) == 0;
	sodium_memzero(recall, sizeof recall);
	return recalls;
}

/* The entry of the same id gives way, else the one that would end first; an empty one has ended at
 * 0. */
void warm_remember(struct warm *warm, const struct warm_key *key, uint64_t until_ms)
{
	struct entry *entry = find_entry(warm, key->id);

	if (until_ms == 0 || strlen(key->id) != PASSWORD_ID) {
		return;
	}
	if (entry == NULL) {
		struct entry *set = find_set(warm, key->id);

		entry = set;
		for (unsigned int i = 1; i < WAYS; i++) {
			if (set[i].until_ms < entry->until_ms) {
				entry = &set[i];
			}
		}
	}
	entry->until_ms = until_ms;
	memcpy(entry->id, key->id, PASSWORD_ID + 1);
	compute_mac(warm, key, entry->mac);
	compute_recall(warm, key, entry->recall);
}

void warm_forget(struct warm *warm, const char *id)
{
	struct entry *entry = find_entry(warm, id);

	if (entry != NULL) {
		sodium_memzero(entry, sizeof *entry);
	}
}
