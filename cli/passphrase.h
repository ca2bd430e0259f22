/* SPDX-License-Identifier: MIT */
#ifndef CLI_PASSPHRASE_H
#define CLI_PASSPHRASE_H

struct sparekey_secret;

#define PASSPHRASE_WORDS 6 /* of 7776: 77 bits */

/* Replaces what `secret` holds by six words of the word list, each equally likely, with hyphens
 * between. Returns 0 or -errno of getrandom; then it is left as it was. */
int passphrase_draw(struct sparekey_secret *secret);

#endif
