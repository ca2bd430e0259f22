/* SPDX-License-Identifier: MIT */
/*
 * A passphrase to propose for the main password: words drawn by libsodium, which throws away what
 * would favour some. It aborts where the kernel gives no randomness, so getrandom(2) is asked
 * first.
 *
 * Hyphens stand between the words, so that it can be marked by a double click and has no blanks at
 * an end. Four words have one of their own (drop-down, felt-tip, t-shirt, yo-yo); none of them can
 * be read as two words of the list, so no two draws look the same.
 *
 * Refused: a word of one's own choice, or drawing until it pleases in here (both cost bits);
 * capital letters and digits for the sake of other people's rules.
 */
#include "cli/passphrase.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "gen/wordlist.h"
#include "sparekey.h"

static int probe_random(void)
{
	unsigned char byte;
	ssize_t count;

	do {
		count = getrandom(&byte, sizeof(byte), GRND_NONBLOCK);
	} while (count < 0 && errno == EINTR);
	if (count < 0) {
		return -errno;
	}
	return count == (ssize_t)sizeof(byte) ? 0 : -EIO;
}

int passphrase_draw(struct sparekey_secret *secret)
{
	char text[PASSPHRASE_WORDS * (WORDLIST_LETTERS + 1)];
	char *at = text;
	int result = probe_random();

	if (result < 0) {
		return result;
	}
	for (int i = 0; i < PASSPHRASE_WORDS; i++) {
		const char *word = wordlist[randombytes_uniform(WORDLIST_WORDS)];

		at = mempcpy(at, word, strlen(word));
		*at++ = '-';
	}
	result = sparekey_secret_set(secret, text, (size_t)(at - text) - 1);
	sodium_memzero(text, sizeof(text));
	return result;
}
