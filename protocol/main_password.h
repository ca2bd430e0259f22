/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_MAIN_PASSWORD_H
#define PROTOCOL_MAIN_PASSWORD_H

#include "protocol/secret.h"

/*
 * The main password: text of the owner's own, kept in one form, so that what was typed on another
 * keyboard (an accent composed or not) is the same password.
 */

/* Normalises (NFC) a main password in place and checks it: UTF-8 without NUL, at most
 * LIMIT_SECRET_BYTES bytes as given and afterwards, at least LIMIT_MAIN_PASSWORD_POINTS code points
 * afterwards. Returns 0, or SPAREKEY_INVALID_MAIN_PASSWORD, and then it is cleared. */
int main_password_read(struct secret *secret);

#endif
