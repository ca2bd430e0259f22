/* SPDX-License-Identifier: MIT */
/* Random values: spread, repetition, and a kernel that gives none. */
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

#define SYMBOLS 23u
#define SECRETS 50000u

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

static int compare_secrets(const void *a, const void *b)
{
	return memcmp(a, b, SYMBOLS);
}

/* Chi-square of one place's symbols: 31 degrees of freedom. */
static double chi_square(const uint8_t (*secrets)[SYMBOLS], size_t place)
{
	const double wanted = SECRETS / 32.0;
	unsigned int counts[32] = { 0 };
	double sum = 0;

	for (size_t i = 0; i < SECRETS; i++) {
		assert_true(secrets[i][place] < 32);
		counts[secrets[i][place]]++;
	}
	for (size_t i = 0; i < 32; i++) {
		double off = counts[i] - wanted;

		sum += off * off / wanted;
	}
	return sum;
}

/* Ninety-four is passed with a chance of 4e-8 a place, 1e-6 over all; below two, just as seldom, it
 * is too even. */
static void test_symbols_are_even_and_unique(void **state)
{
	uint8_t(*secrets)[SYMBOLS] = calloc(SECRETS, sizeof *secrets);

	(void)state;
	assert_non_null(secrets);
	for (size_t i = 0; i < SECRETS; i++) {
		assert_int_equal(random_symbols(secrets[i], SYMBOLS), 0);
	}
	for (size_t place = 0; place < SYMBOLS; place++) {
		double sum = chi_square((const uint8_t(*)[SYMBOLS])secrets, place);

		assert_true(sum > 2 && sum < 94);
	}
	qsort(secrets, SECRETS, sizeof *secrets, compare_secrets);
	for (size_t i = 1; i < SECRETS; i++) {
		assert_memory_not_equal(secrets[i - 1], secrets[i], SYMBOLS);
	}
	free(secrets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bytes_differ, set_up),
		cmocka_unit_test_setup(test_a_failing_kernel_is_told, set_up),
		cmocka_unit_test_setup(test_a_signal_is_no_failure, set_up),
		cmocka_unit_test_setup(test_symbols_are_even_and_unique, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
