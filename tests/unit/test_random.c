/* SPDX-License-Identifier: MIT */
/* Random values, and the passwords made of them (P4): spread, repetition, and a kernel that gives
 * none. */
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

#include "crypto/random.h"
#include "protocol/password.h"

#define SYMBOLS PASSWORD_RANDOM
#ifdef __SANITIZE_ADDRESS__
#define SECRETS 100000u
#else
#define SECRETS 1000000u
#endif

/* The linker sends the module's probe here; libsodium's own calls are not touched. */
static struct {
	int fail; /* errno, or 0 */
	unsigned int failures_left;
	bool empty;
	unsigned int calls;
	unsigned int flags;
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
	if (kernel.fail != 0 && kernel.failures_left > 0) {
		kernel.failures_left--;
		errno = kernel.fail;
		return -1;
	}
	return __real_getrandom(bytes, count, flags);
}

static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof kernel);
	return 0;
}

static void test_bytes_differ(void **state)
{
	uint8_t a[32] = { 0 };
	uint8_t b[32] = { 0 };

	(void)state;
	assert_int_equal(random_bytes(a, sizeof a), 0);
	assert_int_equal(random_bytes(b, sizeof b), 0);
	assert_memory_not_equal(a, b, sizeof a);
	assert_int_equal(kernel.calls, 2);
	assert_int_equal(kernel.flags, GRND_NONBLOCK);
	assert_int_equal(random_bytes(a, 0), 0);
}

static void test_a_failing_kernel_is_told(void **state)
{
	static const int errors[] = { ENOSYS, EAGAIN, EPERM };
	uint8_t bytes[SYMBOLS] = "kept";

	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		kernel.fail = errors[i];
		kernel.failures_left = 2;
		assert_int_equal(random_bytes(bytes, sizeof bytes), -errors[i]);
		assert_int_equal(random_symbols(bytes, sizeof bytes), -errors[i]);
		assert_string_equal((const char *)bytes, "kept");
		assert_int_equal(random_symbols(bytes, 0), 0);
	}
	kernel.empty = true;
	assert_int_equal(random_bytes(bytes, sizeof bytes), -EIO);
	assert_string_equal((const char *)bytes, "kept");
}

static void test_a_signal_is_no_failure(void **state)
{
	uint8_t bytes[4];

	(void)state;
	kernel.fail = EINTR;
	kernel.failures_left = 3;
	assert_int_equal(random_bytes(bytes, sizeof bytes), 0);
	assert_int_equal(kernel.calls, 4);
}

struct text {
	char symbols[PASSWORD_TEXT];
};

static int compare_texts(const void *a, const void *b)
{
	return memcmp(a, b, PASSWORD_TEXT);
}

/* Chi-square of one place's symbols: 31 degrees of freedom. */
static double chi_square(const struct text *texts, size_t place)
{
	const double wanted = SECRETS / 32.0;
	unsigned int counts[256] = { 0 };
	double sum = 0;

	for (size_t i = 0; i < SECRETS; i++) {
		counts[(unsigned char)texts[i].symbols[place]]++;
	}
	for (size_t i = 0; i < 32; i++) {
		double off = counts[(unsigned char)password_symbol((uint8_t)i)] - wanted;

		sum += off * off / wanted;
	}
	return sum;
}

static void make_texts(struct text *ret_texts)
{
	uint8_t symbols[SYMBOLS];
	struct secret *secret = NULL;

	assert_int_equal(secret_start(), 0);
	assert_int_equal(secret_new(NULL, &secret), 0);
	for (size_t i = 0; i < SECRETS; i++) {
		assert_int_equal(random_symbols(symbols, sizeof symbols), 0);
		password_compose(symbols, secret);
		assert_int_equal(secret_length(secret), PASSWORD_TEXT);
		memcpy(ret_texts[i].symbols, secret_bytes(secret), PASSWORD_TEXT);
	}
	secret_free(secret);
}

/* A million passwords, whole: of each of the 25 places (the two of the check as well) the sum
 * passes 94 with a chance of 4e-8, 1e-6 over all; below two, just as seldom, it is too even. A
 * symbol outside the alphabet would be missing in its place's sum, which then passes by far. */
static void test_a_million_passwords_are_even_and_unique(void **state)
{
	struct text *texts = calloc(SECRETS, sizeof *texts);

	(void)state;
	assert_non_null(texts);
	make_texts(texts);
	for (size_t place = 0; place < PASSWORD_TEXT; place++) {
		double sum = place % 6 == 5 ? 50 : chi_square(texts, place);

		assert_true(place % 6 != 5 || texts[place].symbols[place] == '-');
		assert_true(sum > 2 && sum < 94);
	}
	qsort(texts, SECRETS, sizeof *texts, compare_texts);
	for (size_t i = 1; i < SECRETS; i++) {
		assert_memory_not_equal(texts[i - 1].symbols, texts[i].symbols, PASSWORD_TEXT);
	}
	free(texts);
}

/* That the measure finds what is not even: a place with one symbol in 31 of 32 as often as it
 * should be. */
static void test_the_measure_finds_a_bias(void **state)
{
	struct text *texts = calloc(SECRETS, sizeof *texts);

	(void)state;
	assert_non_null(texts);
	for (size_t i = 0; i < SECRETS; i++) {
		texts[i].symbols[0] = password_symbol((uint8_t)(i % 32));
		texts[i].symbols[1] = password_symbol((uint8_t)(i % 251 % 32));
	}
	assert_true(chi_square(texts, 0) < 2);
	assert_true(chi_square(texts, 1) > 94);
	free(texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bytes_differ, set_up),
		cmocka_unit_test_setup(test_a_failing_kernel_is_told, set_up),
		cmocka_unit_test_setup(test_a_signal_is_no_failure, set_up),
		cmocka_unit_test_setup(test_a_million_passwords_are_even_and_unique, set_up),
		cmocka_unit_test_setup(test_the_measure_finds_a_bias, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
