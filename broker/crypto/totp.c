/* SPDX-License-Identifier: MIT */
/*
 * The codes of an authenticator app, by liboath, and the address an app learns a key from. Loop
 * thread.
 *
 * A code is used up with its step: whatever the clock says later, only a later step counts. Where
 * two of the three steps have the same code by chance, the later one is used up, so that it works
 * once all the same. liboath leaves the key's HMAC blocks on the stack, which is wiped below us.
 *
 * Refused: oath_totp_validate() (it stops at the first that fits, compares with strcmp, and knows
 * nothing of used steps); a wider window (RFC 6238 section 5.2 recommends one step); SHA-256, eight
 * digits or other steps (several apps ignore what the address says of them and show wrong codes);
 * oath_base32_encode() (it copies the key to memory nobody wipes).
 */
#include "crypto/totp.h"

#include <assert.h>
#include <errno.h>
#include <liboath/oath.h>
#include <pwd.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "sparekey.h"

#define BACK (-1)
#define AHEAD 1
#define LATEST (INT64_MAX - INT64_C(2) * TOTP_STEP_SECONDS)
#define STACK_OF_OATH 4096u /* bytes it may have written below our frame */

#define URI_BEFORE_USER "otpauth://totp/Sparekey:"
#define URI_BEFORE_KEY "?secret="
#define URI_BEHIND_KEY "&issuer=Sparekey&algorithm=SHA1&digits=6&period=30"
#define USER_BYTES ((size_t)255) /* of a login name; each may take three */
#define KEY_SYMBOLS (TOTP_KEY * 8 / 5)

static_assert(TOTP_KEY % 5 == 0, "base32 without a rest");
static_assert(sizeof URI_BEFORE_USER + 3 * USER_BYTES + sizeof URI_BEFORE_KEY + KEY_SYMBOLS +
                              sizeof URI_BEHIND_KEY <=
                      SECRET_CAPACITY,
              "an address fits into a secret");

int totp_start(void)
{
	return oath_init() == OATH_OK ? 0 : -ENOSYS;
}

static bool is_six_digits(const char *code)
{
	return strspn(code, "0123456789") == TOTP_DIGITS && code[TOTP_DIGITS] == '\0';
}

static int compute(const uint8_t *key, int64_t step, char ret_code[static TOTP_DIGITS + 1])
{
	int r = oath_totp_generate((const char *)key, TOTP_KEY, step * TOTP_STEP_SECONDS,
	                           TOTP_STEP_SECONDS, 0, TOTP_DIGITS, ret_code);

	sodium_stackzero(STACK_OF_OATH);
	return r == OATH_OK ? 0 : -ENOSYS;
}

int totp_match(const uint8_t key[static TOTP_KEY], const char *code, int64_t now,
               int64_t after_step, int64_t *ret_step)
{
	int64_t matching = -1;
	char right[TOTP_DIGITS + 1];
	int r = 0;

	if (now < 0 || now > LATEST || !is_six_digits(code)) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	for (int64_t step = now / TOTP_STEP_SECONDS + BACK;
	     step <= now / TOTP_STEP_SECONDS + AHEAD && r == 0; step++) {
		r = step < 0 ? 0 : compute(key, step, right);
		if (step >= 0 && r == 0 && sodium_memcmp(code, right, TOTP_DIGITS) == 0) {
			matching = step;
		}
	}
	sodium_memzero(right, sizeof right);
	if (r < 0) {
		return r;
	}
	if (matching < 0 || matching <= after_step) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	*ret_step = matching;
	return 0;
}

static unsigned char *put(unsigned char *at, const char *text)
{
	return mempcpy(at, text, strlen(text));
}

/* As RFC 3986 section 2.1 has it: letters, digits and four marks as they are. */
static unsigned char *put_escaped(unsigned char *at, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (strchr(plain, *text) != NULL) {
			*at++ = byte;
		} else {
			*at++ = '%';
			*at++ = (unsigned char)digits[byte >> 4];
			*at++ = (unsigned char)digits[byte & 15u];
		}
	}
	return at;
}

/* RFC 4648 section 6. */
static unsigned char *put_base32(unsigned char *at, const uint8_t *bytes, size_t count)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned int bits = 0;
	unsigned int bit_count = 0;

	for (size_t i = 0; i < count; i++) {
		bits = (bits << 8 | bytes[i]) & 0xfffu;
		bit_count += 8;
		while (bit_count >= 5) {
			bit_count -= 5;
			*at++ = (unsigned char)alphabet[bits >> bit_count & 31u];
		}
	}
	return at;
}

static const char *user_name(void)
{
	const struct passwd *user = getpwuid(getuid());
	bool is_usable = user != NULL && user->pw_name[0] != '\0' &&
	                 strlen(user->pw_name) <= USER_BYTES;

	return is_usable ? user->pw_name : "user";
}

void totp_uri(const uint8_t key[static TOTP_KEY], struct secret *ret_uri)
{
	unsigned char *start = secret_buffer(ret_uri);
	unsigned char *at = put(start, URI_BEFORE_USER);

	at = put_escaped(at, user_name());
	at = put(at, URI_BEFORE_KEY);
	at = put_base32(at, key, TOTP_KEY);
	at = put(at, URI_BEHIND_KEY);
	secret_set_length(ret_uri, (size_t)(at - start));
}
