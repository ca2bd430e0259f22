/* SPDX-License-Identifier: MIT */
/*
 * Argon2id alone, in a process of its own: hasher arena|stock|sodium, then lines of `hash N`. 19456
 * KiB, two passes, one lane, as for an app password.
 *
 * arena   libargon2 in the broker's kept arena, by the broker's own code
 * stock   libargon2 as anybody calls it, with its own malloc
 * sodium  libsodium's crypto_pwhash; its memory limit is 19 MiB, the same 19456 KiB
 */
#include <argon2.h>
#include <sodium.h>

#include "bench/command.h"
#include "crypto/argon2id.h"
#include "protocol/secret.h"

#define MEMORY_KIB 19456
#define PASSES 2

static const char text[] = "k7mq3-xwd9h-2tv8e-pnb4r-q2cwm";
static const uint8_t salt[PHC_SALT] = "0123456789abcdef";

static int hash_arena(const struct secret *secret)
{
	const struct phc_cost cost = { MEMORY_KIB, PASSES, 1 };
	uint8_t tag[PHC_TAG];

	return argon2id_hash(secret, &cost, salt, tag);
}

static int hash_stock(const struct secret *secret)
{
	uint8_t tag[PHC_TAG];

	return argon2id_hash_raw(PASSES, MEMORY_KIB, 1, secret_bytes(secret), secret_length(secret),
	                         salt, sizeof(salt), tag, sizeof(tag));
}

static int hash_sodium(const struct secret *secret)
{
	uint8_t tag[PHC_TAG];

	return crypto_pwhash(tag, sizeof(tag), (const char *)secret_bytes(secret),
	                     secret_length(secret), salt, PASSES, (size_t)MEMORY_KIB * 1024,
	                     crypto_pwhash_ALG_ARGON2ID13);
}

static int (*way_of(const char *name))(const struct secret *secret)
{
	if (strcmp(name, "arena") == 0) {
		return hash_arena;
	}
	if (strcmp(name, "stock") == 0) {
		return hash_stock;
	}
	return strcmp(name, "sodium") == 0 ? hash_sodium : NULL;
}

int main(int argc, char **argv)
{
	int (*hash)(const struct secret *secret) = argc == 2 ? way_of(argv[1]) : NULL;
	struct secret *secret = NULL;
	char line[512];
	const char *word[COMMAND_WORDS];

	if (hash == NULL || secret_start() < 0 || secret_new(NULL, &secret) < 0 ||
	    secret_set(secret, text, strlen(text)) < 0) {
		give_up("hasher arena|stock|sodium");
	}
	while (next_command(line, word)) {
		unsigned int count = count_of(word[1]);
		uint64_t start = now_ns();

		for (unsigned int i = 0; i < count; i++) {
			if (hash(secret) != 0) {
				give_up("no hash");
			}
		}
		answer(start, count, "");
	}
	secret_free(secret);
	return 0;
}
