/* SPDX-License-Identifier: MIT */
/*
 * What a main password may be, and the one form it is hashed in. A pure function over the caller's
 * secret, for any thread. The code points lie on the stack while it runs and are wiped; utf8proc is
 * used without its allocating calls, whose memory nobody could wipe.
 *
 * A character is a code point after normalising (NIST SP 800-63B section 5.1.1.2 counts so too).
 *
 * Refused: NFKC (it makes different passwords equal); trimming, and folding of case (a password is
 * taken as it was typed); rules about kinds of characters (length is what counts); a full secret
 * that might be the beginning of a longer one.
 */
#include "protocol/main_password.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "protocol/limits.h"
#include "sparekey.h"

/* Canonical decomposition makes at most three code points of two bytes (U+0390). */
#define POINTS 2048

static_assert(2 * POINTS >= 3 * LIMIT_SECRET_BYTES, "what can be given fits when decomposed");

/* The code points of the text, composed, or a negative number. */
static utf8proc_ssize_t read_points(const struct secret *secret, int32_t points[static POINTS])
{
	const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
	utf8proc_ssize_t count = utf8proc_decompose(secret_bytes(secret),
	                                            (utf8proc_ssize_t)secret_length(secret), points,
	                                            POINTS, options);

	if (count < 0 || count > POINTS) {
		return -1;
	}
	return utf8proc_normalize_utf32(points, count, options);
}

/* Writes them as UTF-8 in place of what was there. */
static int write_points(const int32_t *points, size_t count, struct secret *ret_secret)
{
	utf8proc_uint8_t bytes[4];
	size_t length = 0;
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		size_t size = (size_t)utf8proc_encode_char(points[i], bytes);

		if (length + size > LIMIT_SECRET_BYTES) {
			result = SPAREKEY_INVALID_MAIN_PASSWORD;
		} else {
			memcpy(secret_buffer(ret_secret) + length, bytes, size);
			length += size;
		}
	}
	secret_set_length(ret_secret, result == 0 ? length : 0);
	explicit_bzero(bytes, sizeof bytes);
	return result;
}

int main_password_read(struct secret *secret)
{
	size_t length = secret_length(secret);
	int result = SPAREKEY_INVALID_MAIN_PASSWORD;

	if (length <= LIMIT_SECRET_BYTES && memchr(secret_bytes(secret), '\0', length) == NULL) {
		int32_t points[POINTS];
		utf8proc_ssize_t count = read_points(secret, points);

		if (count >= (utf8proc_ssize_t)LIMIT_MAIN_PASSWORD_POINTS) {
			result = write_points(points, (size_t)count, secret);
		}
		explicit_bzero(points, sizeof points);
	}
	if (result != 0) {
		secret_clear(secret);
	}
	return result;
}
