/* SPDX-License-Identifier: MIT */
#ifndef CRYPTO_TOTP_H
#define CRYPTO_TOTP_H

#include <stdint.h>

#include "protocol/secret.h"

/*
 * The codes of an authenticator app (RFC 6238 by liboath): HMAC-SHA-1, six digits, steps of 30
 * seconds since 1970, which is what every such app can do.
 */
#define TOTP_KEY 20u /* bytes, as long as what SHA-1 gives (RFC 4226 section 4, R6) */
#define TOTP_DIGITS 6u
#define TOTP_STEP_SECONDS 30

/* Starts liboath; once, before the others. Returns 0 or -ENOSYS. */
int totp_start(void);

/* Whether `code`, six digits and nothing else, is that of the step at `now` (seconds since 1970),
 * of the one before or the one after, and of a step later than `after_step`, the last one used. The
 * three are computed and compared whichever it is. Returns 0 (`ret_step`: the step it has used up),
 * SPAREKEY_AUTHENTICATION_FAILED or -ENOSYS (liboath cannot). */
int totp_match(const uint8_t key[static TOTP_KEY], const char *code, int64_t now,
               int64_t after_step, int64_t *ret_step);

/* The otpauth:// address of a key, as authenticator apps read it from a QR code, for the login name
 * of this process's user ("user" where there is none). For the loop's thread (getpwuid). */
void totp_uri(const uint8_t key[static TOTP_KEY], struct secret *ret_uri);

#endif
