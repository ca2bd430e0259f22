/* SPDX-License-Identifier: MIT */
/*
 * Sealing under the main password. For any thread; the main password is one the loop has lent.
 *
 * The cost stands beside the text, so that what was sealed at another setting opens. It is judged
 * before it is used, as a stored hash is. The header needs no tag of its own: every bit of it goes
 * into the key or the nonce, or is a constant.
 *
 * Refused: the stored hash's salt (its tag would be the key); crypto_pwhash() (one lane only, in
 * memory made afresh each time); an AEAD over the header (nothing would be gained).
 */
#include "crypto/seal.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/argon2id.h"
#include "crypto/random.h"
#include "sparekey.h"

#define MAGIC 1u
#define COST_AT 1u
#define SALT_AT (COST_AT + 12u)
#define NONCE_AT (SALT_AT + PHC_SALT)
#define BOX_AT (NONCE_AT + crypto_secretbox_NONCEBYTES)

static_assert(SEAL_BYTES(0u) == BOX_AT + crypto_secretbox_MACBYTES, "what the header says");
static_assert(PHC_TAG == crypto_secretbox_KEYBYTES, "a tag is a key");

static void write_number(uint8_t *at, uint32_t number)
{
	for (unsigned int i = 0; i < 4; i++) {
		at[i] = (uint8_t)(number >> (24 - 8 * i));
	}
}

static uint32_t read_number(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_cost(uint8_t *at, const struct phc_cost *cost)
{
	write_number(at, cost->memory_kib);
	write_number(at + 4, cost->passes);
	write_number(at + 8, cost->lanes);
}

static struct phc_cost read_cost(const uint8_t *at)
{
	return (struct phc_cost){ .memory_kib = read_number(at),
		                  .passes = read_number(at + 4),
		                  .lanes = read_number(at + 8) };
}

/* A key as it is held: cost, salt, key. */
#define HELD_SALT 12u
#define HELD_KEY (HELD_SALT + PHC_SALT)
#define HELD_BYTES (HELD_KEY + PHC_TAG)

static int derive(const struct secret *main_password, const struct phc_cost *cost,
                  const uint8_t *salt, struct secret *ret_key)
{
	uint8_t held[HELD_BYTES];
	int r = argon2id_hash(main_password, cost, salt, held + HELD_KEY);

	if (r == 0) {
		write_cost(held, cost);
		memcpy(held + HELD_SALT, salt, PHC_SALT);
		r = secret_set(ret_key, held, sizeof held);
	}
	sodium_memzero(held, sizeof held);
	return r;
}

int seal_key_new(const struct secret *main_password, const struct phc_cost *cost,
                 struct secret *ret_key)
{
	uint8_t salt[PHC_SALT];
	int r = random_bytes(salt, sizeof salt);

	return r == 0 ? derive(main_password, cost, salt, ret_key) : r;
}

static bool is_sealed(const struct phc_cost *cost, const struct phc_cost *most,
                      const uint8_t *sealed, size_t length)
{
	return sealed[0] == MAGIC && length <= SEAL_BYTES(SECRET_CAPACITY) &&
	       phc_cost_valid(cost) && phc_cost_within(cost, most);
}

int seal_key_of(const struct secret *main_password, const struct phc_cost *most,
                const uint8_t *sealed, size_t length, struct secret *ret_key)
{
	struct phc_cost cost;

	if (length < SEAL_BYTES(0u)) {
		return -EUCLEAN;
	}
	cost = read_cost(sealed + COST_AT);
	if (!is_sealed(&cost, most, sealed, length)) {
		return -EUCLEAN;
	}
	return derive(main_password, &cost, sealed + SALT_AT, ret_key);
}

int seal_close_by(const struct secret *key, const void *bytes, size_t length, uint8_t *ret_sealed)
{
	uint8_t header[BOX_AT] = { MAGIC };
	int r = random_bytes(header + NONCE_AT, sizeof header - NONCE_AT);

	if (r == 0) {
		memcpy(header + COST_AT, secret_bytes(key), HELD_KEY);
		memcpy(ret_sealed, header, sizeof header);
		crypto_secretbox_easy(ret_sealed + BOX_AT, bytes, length, header + NONCE_AT,
		                      secret_bytes(key) + HELD_KEY);
	}
	return r;
}

int seal_open_by(const struct secret *key, const uint8_t *sealed, size_t length,
                 struct secret *ret_plain)
{
	if (length < SEAL_BYTES(0u) || length > SEAL_BYTES(SECRET_CAPACITY) || sealed[0] != MAGIC) {
		return -EUCLEAN;
	}
	if (memcmp(sealed + COST_AT, secret_bytes(key), HELD_KEY) != 0 ||
	    crypto_secretbox_open_easy(secret_buffer(ret_plain), sealed + BOX_AT, length - BOX_AT,
	                               sealed + NONCE_AT, secret_bytes(key) + HELD_KEY) != 0) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	secret_set_length(ret_plain, length - SEAL_BYTES(0u));
	return 0;
}

int seal_close(const struct secret *main_password, const struct phc_cost *cost, const void *bytes,
               size_t length, uint8_t *ret_sealed)
{
	SECRET_AUTO key = NULL;
	int r = secret_new(NULL, &key);

	if (r == 0) {
		r = seal_key_new(main_password, cost, key);
	}
	return r == 0 ? seal_close_by(key, bytes, length, ret_sealed) : r;
}

int seal_open(const struct secret *main_password, const struct phc_cost *most,
              const uint8_t *sealed, size_t length, struct secret *ret_plain)
{
	SECRET_AUTO key = NULL;
	int r = secret_new(NULL, &key);

	if (r == 0) {
		r = seal_key_of(main_password, most, sealed, length, key);
	}
	return r == 0 ? seal_open_by(key, sealed, length, ret_plain) : r;
}
