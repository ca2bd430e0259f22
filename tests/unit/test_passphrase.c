/* SPDX-License-Identifier: MIT */
/* Passphrases: the list they are made of, how they look, that each word is as likely as another,
 * and that nothing of one is left behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include <cmocka.h>

#include "cli/passphrase.h"
#include "gen/wordlist.h"
#include "sparekey.h"
#include "tests/support/own_stack.h"

#define WORDS ((size_t)WORDLIST_WORDS)

/* The linker sends the module's probe here; libsodium's own calls are not touched. */
static struct {
	int fail; /* errno, or 0 */
	unsigned int failures_left;
	bool empty;
	unsigned int calls, flags;
} kernel;

ssize_t __real_getrandom(void *bytes, size_t count, unsigned int flags);
ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned int flags);

ssize_t __wrap_getrandom(void *bytes, size_t count, unsigned int flags)
{
	kernel.calls++;
	kernel.flags = flags;
	if (kernel.empty) {
		return 0;
	}
	if (kernel.failures_left > 0) {
		kernel.failures_left--;
		errno = kernel.fail;
		return -1;
	}
	return __real_getrandom(bytes, count, flags);
}

static int set_up(void **state)
{
	struct sparekey_secret *secret = NULL;

	memset(&kernel, 0, sizeof kernel);
	if (sparekey_secret_new(&secret) != 0) {
		return -1;
	}
	*state = secret;
	return 0;
}

static int tear_down(void **state)
{
	sparekey_secret_free(*state);
	return 0;
}

static int compare(const void *key, const void *word)
{
	return strcmp(key, word);
}

/* The place of a word, or -1. */
static int find(const char *word)
{
	const char(*found)[WORDLIST_LETTERS + 1] = bsearch(word, wordlist, WORDS,
	                                                   sizeof wordlist[0], compare);

	return found == NULL ? -1 : (int)(found - wordlist);
}

static void test_the_list(void **state)
{
	double phrases = 1;

	(void)state;
	assert_string_equal(wordlist[0], "abacus");
	assert_string_equal(wordlist[WORDS - 1], "zoom");
	for (size_t i = 0; i < WORDS; i++) {
		size_t letters = strspn(wordlist[i], "abcdefghijklmnopqrstuvwxyz-");

		assert_true(letters >= 3 && letters <= WORDLIST_LETTERS);
		assert_int_equal(wordlist[i][letters], '\0');
		/* In order, so each is there once. */
		assert_true(i == 0 || strcmp(wordlist[i - 1], wordlist[i]) < 0);
		assert_int_equal(find(wordlist[i]), i);
	}
	for (unsigned int i = 0; i < PASSPHRASE_WORDS; i++) {
		phrases *= WORDLIST_WORDS;
	}
	assert_true(phrases >= 0x1p77);
}

/* A word with a hyphen has a part that is no word: it cannot be taken for two. */
static void test_no_word_is_two(void **state)
{
	unsigned int hyphened = 0;

	(void)state;
	for (size_t i = 0; i < WORDS; i++) {
		const char *hyphen = strchr(wordlist[i], '-');
		char first[WORDLIST_LETTERS + 1] = "";

		if (hyphen != NULL) {
			hyphened++;
			assert_null(strchr(hyphen + 1, '-'));
			memcpy(first, wordlist[i], (size_t)(hyphen - wordlist[i]));
			assert_int_equal(find(first), -1);
			/* Nor the end of one that begins elsewhere. */
			for (size_t k = 0; k < WORDS; k++) {
				const char *other = strchr(wordlist[k], '-');

				assert_true(k == i || other == NULL ||
				            strcmp(other + 1, first) != 0);
			}
		}
	}
	assert_int_equal(hyphened, 4);
}

/* The longest word of the list that `text` begins with, and ends there or at a hyphen. */
static int take_word(const char *text, size_t *ret_length)
{
	for (size_t length = WORDLIST_LETTERS; length > 0; length--) {
		char word[WORDLIST_LETTERS + 1] = "";

		if (strnlen(text, length) == length &&
		    (text[length] == '-' || text[length] == '\0')) {
			memcpy(word, text, length);
			if (find(word) >= 0) {
				*ret_length = length;
				return find(word);
			}
		}
	}
	return -1;
}

static void take_words(const struct sparekey_secret *secret, int ret_words[PASSPHRASE_WORDS])
{
	const char *text = sparekey_secret_text(secret);

	for (unsigned int i = 0; i < PASSPHRASE_WORDS; i++) {
		size_t length = 0;

		ret_words[i] = take_word(text, &length);
		assert_true(ret_words[i] >= 0);
		text += length;
		assert_int_equal(text[0], i + 1 < PASSPHRASE_WORDS ? '-' : '\0');
		text++;
	}
}

static void test_six_words(void **state)
{
	int words[PASSPHRASE_WORDS];

	for (unsigned int i = 0; i < 1000; i++) {
		kernel.calls = 0;
		assert_int_equal(passphrase_draw(*state), 0);
		take_words(*state, words);
		assert_int_equal(strlen(sparekey_secret_text(*state)),
		                 sparekey_secret_length(*state));
		assert_true(sparekey_secret_length(*state) >= 6 * 3 + 5);
		assert_int_equal(kernel.calls, 1);
		assert_int_equal(kernel.flags, GRND_NONBLOCK);
	}
}

#define DRAWS 60000

/* Chi-square over all words: 7775 degrees of freedom, a standard deviation of 125. Outside of 750
 * is a chance of 1e-8. Sixteen bits modulo 7776, say, would be off by 1200. */
static void test_each_word_is_as_likely(void **state)
{
	const double wanted = (double)DRAWS * PASSPHRASE_WORDS / WORDLIST_WORDS;
	static unsigned int counts[WORDLIST_WORDS];
	double sum = 0;

	for (unsigned int i = 0; i < DRAWS; i++) {
		int words[PASSPHRASE_WORDS];

		assert_int_equal(passphrase_draw(*state), 0);
		take_words(*state, words);
		for (unsigned int k = 0; k < PASSPHRASE_WORDS; k++) {
			counts[words[k]]++;
		}
	}
	for (size_t i = 0; i < WORDS; i++) {
		assert_true(counts[i] > 0);
		sum += (counts[i] - wanted) * (counts[i] - wanted) / wanted;
	}
	assert_true(sum > 7775 - 750 && sum < 7775 + 750);
}

static void test_without_randomness_none_is_drawn(void **state)
{
	static const int errors[] = { ENOSYS, EAGAIN, EPERM };

	assert_int_equal(sparekey_secret_set(*state, "kept", 4), 0);
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		kernel.fail = errors[i];
		kernel.failures_left = 1;
		assert_int_equal(passphrase_draw(*state), -errors[i]);
		assert_string_equal(sparekey_secret_text(*state), "kept");
	}
	kernel.empty = true;
	assert_int_equal(passphrase_draw(*state), -EIO);
	assert_string_equal(sparekey_secret_text(*state), "kept");
	kernel.empty = false;
	kernel.fail = EINTR;
	kernel.failures_left = 3;
	assert_int_equal(passphrase_draw(*state), 0);
}

static void *draw_one(void *secret)
{
	return passphrase_draw(secret) == 0 ? secret : NULL;
}

/* Not even eight characters in a row. */
static void test_no_copy_is_left(void **state)
{
	static uint8_t left[OWN_STACK];

	assert_non_null(own_stack_run(draw_one, *state, left));
	for (size_t at = 0; at + 8 <= sparekey_secret_length(*state); at++) {
		assert_null(memmem(left, sizeof left, sparekey_secret_text(*state) + at, 8));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_list),
		TEST(test_no_word_is_two),
		TEST(test_six_words),
		TEST(test_each_word_is_as_likely),
		TEST(test_without_randomness_none_is_drawn),
		TEST(test_no_copy_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
