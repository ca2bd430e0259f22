/* SPDX-License-Identifier: MIT */
/* Secrets: bounds, wiping, the pool, guard pages, descriptors, and memory that runs out. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/secret.h"

/* The linker sends the module's allocations here: the n-th fails. */
static int allocations_left = INT_MAX;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return allocations_left-- > 0 ? __real_calloc(count, size) : NULL;
}

void *__wrap_sodium_malloc(size_t size)
{
	return allocations_left-- > 0 ? __real_sodium_malloc(size) : NULL;
}

/* As Linux before 6.4 answers for a pipe. */
static bool old_kernel;

ssize_t __real_preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags);

ssize_t __wrap_preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
	if (old_kernel) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_preadv2(fd, parts, count, at, flags);
}

static struct secret *secret_of(struct secret_pool *pool, const void *bytes, size_t length)
{
	struct secret *secret = NULL;

	assert_int_equal(secret_new(pool, &secret), 0);
	assert_int_equal(secret_set(secret, bytes, length), 0);
	return secret;
}

static void assert_wiped_from(struct secret *secret, size_t from)
{
	const unsigned char *bytes = secret_buffer(secret);

	for (size_t i = from; i < SECRET_CAPACITY; i++) {
		assert_int_equal(bytes[i], 0);
	}
}

static void test_new_is_empty(void **state)
{
	SECRET_AUTO secret = NULL;

	(void)state;
	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(secret_length(secret), 0);
	assert_wiped_from(secret, 0);
	assert_null(secret_free(NULL));
	assert_null(secret_pool_free(NULL));
}

static void test_set_within_bounds(void **state)
{
	unsigned char bytes[SECRET_CAPACITY + 1];
	SECRET_AUTO secret = NULL;

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(secret_set(secret, bytes, SECRET_CAPACITY), 0);
	assert_int_equal(secret_length(secret), SECRET_CAPACITY);
	assert_int_equal(secret_set(secret, "short", 5), 0);
	assert_int_equal(secret_set(secret, bytes, sizeof bytes), -EMSGSIZE);
	assert_int_equal(secret_length(secret), 5);
	assert_memory_equal(secret_bytes(secret), "short", 5);
	assert_wiped_from(secret, 5);
	assert_int_equal(secret_set(secret, NULL, 0), 0);
	assert_wiped_from(secret, 0);
}

static void test_set_length_and_clear_wipe(void **state)
{
	SECRET_AUTO secret = secret_of(NULL, "0123456789", 10);

	(void)state;
	secret_set_length(secret, 4);
	assert_int_equal(secret_length(secret), 4);
	assert_wiped_from(secret, 4);
	secret_clear(secret);
	assert_int_equal(secret_length(secret), 0);
	assert_wiped_from(secret, 0);
}

static void test_chomp_takes_one_newline(void **state)
{
	SECRET_AUTO secret = secret_of(NULL, "a\n\n", 3);

	(void)state;
	secret_chomp(secret);
	assert_int_equal(secret_length(secret), 2);
	secret_chomp(secret);
	secret_chomp(secret);
	assert_int_equal(secret_length(secret), 1);
	secret_clear(secret);
	secret_chomp(secret);
	assert_int_equal(secret_length(secret), 0);
}

static void test_pool_keeps_and_wipes(void **state)
{
	struct secret_pool *pool = NULL;
	struct secret *first;
	struct secret *second;
	struct secret *again = NULL;

	(void)state;
	assert_int_equal(secret_pool_new(1, &pool), 0);
	first = secret_of(pool, "first", 5);
	second = secret_of(pool, "second", 6);
	secret_free(first);
	secret_free(second); /* one more than the pool keeps */
	assert_int_equal(secret_new(pool, &again), 0);
	assert_ptr_equal(again, first);
	assert_int_equal(secret_length(again), 0);
	assert_wiped_from(again, 0);
	secret_free(again);
	assert_null(secret_pool_free(pool));
}

static void test_out_of_memory(void **state)
{
	int n = 0;
	int r;

	(void)state;
	do {
		struct secret_pool *pool = NULL;
		struct secret *secret = NULL;

		allocations_left = n++;
		r = secret_pool_new(2, &pool);
		if (r == 0) {
			r = secret_new(pool, &secret);
			assert_true(r == 0 || secret == NULL);
		}
		allocations_left = INT_MAX;
		assert_true(r == 0 || r == -ENOMEM);
		secret_free(secret);
		secret_pool_free(pool);
	} while (r != 0);
	assert_int_equal(n, 3);
}

/* Whether a child that runs `body` dies. */
static bool dies(void (*body)(void))
{
	static const struct rlimit no_core = { 0, 0 };
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGSEGV, SIG_DFL); /* cmocka would go on with the next test */
		close(STDERR_FILENO);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void overrun(void)
{
	struct secret *secret = NULL;

	if (secret_new(NULL, &secret) == 0) {
		*(volatile unsigned char *)(secret_buffer(secret) + SECRET_CAPACITY) = 1;
	}
}

static void stay_inside(void)
{
	struct secret *secret = NULL;

	if (secret_new(NULL, &secret) == 0) {
		*(volatile unsigned char *)(secret_buffer(secret) + SECRET_CAPACITY - 1) = 1;
	}
}

static void test_the_byte_behind_is_no_access(void **state)
{
	(void)state;
	assert_false(dies(stay_inside));
	assert_true(dies(overrun));
}

/* Asks the kernel itself: a sanitizer may answer in its place. */
static bool locked_as_mlock_says(void)
{
	static unsigned char page[4096];
	bool can_lock = mlock(page, sizeof page) == 0;
	struct secret *secret = NULL;
	bool same = secret_new(NULL, &secret) == 0 && secret_locked(secret) == can_lock;

	munlock(page, sizeof page);
	secret_free(secret);
	return same;
}

static void expect_unlocked(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0) ||
	    !locked_as_mlock_says()) {
		_exit(1);
	}
}

static void test_locked_says_what_mlock_did(void **state)
{
	(void)state;
	assert_true(locked_as_mlock_says());
	assert_false(dies(expect_unlocked));
}

static void test_read_until_the_end(void **state)
{
	SECRET_AUTO secret = secret_of(NULL, "be", 2);
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "fore", 4), 4);
	assert_int_equal(secret_read_some(secret, ends[0]), 4);
	close(ends[1]);
	assert_int_equal(secret_read_some(secret, ends[0]), 0);
	assert_int_equal(secret_length(secret), 6);
	assert_memory_equal(secret_bytes(secret), "before", 6);
	close(ends[0]);
}

static void test_read_stops_when_full(void **state)
{
	unsigned char bytes[SECRET_CAPACITY + 10] = { 0 };
	SECRET_AUTO secret = NULL;
	int ends[2];

	(void)state;
	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, sizeof bytes), (ssize_t)sizeof bytes);
	assert_int_equal(secret_read_some(secret, ends[0]), SECRET_CAPACITY);
	assert_int_equal(secret_read_some(secret, ends[0]), -EMSGSIZE);
	close(ends[0]);
	close(ends[1]);
}

static void test_read_tells_errors(void **state)
{
	SECRET_AUTO secret = NULL;
	int directory = open("/", O_RDONLY | O_DIRECTORY);
	int ends[2];

	(void)state;
	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(secret_read_some(secret, directory), -EISDIR);
	assert_int_equal(secret_read_some(secret, -1), -EBADF);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(secret_read_some(secret, ends[0]), -EAGAIN);
	assert_int_equal(secret_length(secret), 0);
	close(directory);
	close(ends[0]);
	close(ends[1]);
}

static int alarm_end;
static volatile sig_atomic_t alarms;

/* The first alarm interrupts the read, the second gives it something to read. */
static void on_alarm(int number)
{
	(void)number;
	if (++alarms == 2 && write(alarm_end, "x", 1) != 1) {
		_exit(1);
	}
}

static void test_read_goes_on_after_a_signal(void **state)
{
	const struct itimerval every = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	const struct sigaction action = { .sa_handler = on_alarm };
	SECRET_AUTO secret = NULL;
	int ends[2];

	(void)state;
	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(pipe(ends), 0);
	alarm_end = ends[1];
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
	assert_int_equal(secret_read_some(secret, ends[0]), 1);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(alarms >= 2);
	close(ends[0]);
	close(ends[1]);
}

/* Blocking pipes, all of them: a read that waits ends this test by its alarm. */
static void read_pipe_in_pieces(void)
{
	unsigned char bytes[SECRET_CAPACITY] = { 0 };
	SECRET_AUTO secret = NULL;
	int ends[2];

	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(secret_read_pipe(secret, ends[0]), -EAGAIN);
	assert_int_equal(write(ends[1], "app ", 4), 4);
	assert_int_equal(secret_read_pipe(secret, ends[0]), 4);
	assert_int_equal(secret_read_pipe(secret, ends[0]), -EAGAIN);
	assert_int_equal(write(ends[1], "pass", 4), 4);
	assert_int_equal(write(ends[1], "word", 4), 4);
	assert_int_equal(secret_read_pipe(secret, ends[0]), 8);
	assert_int_equal(secret_length(secret), 12);
	assert_memory_equal(secret_bytes(secret), "app password", 12);
	assert_int_equal(write(ends[1], bytes, sizeof bytes), (ssize_t)sizeof bytes);
	assert_int_equal(secret_read_pipe(secret, ends[0]), SECRET_CAPACITY - 12);
	assert_int_equal(secret_read_pipe(secret, ends[0]), -EMSGSIZE);
	secret_clear(secret);
	assert_int_equal(secret_read_pipe(secret, ends[0]), 12);
	close(ends[1]);
	assert_int_equal(secret_read_pipe(secret, ends[0]), 0);
	close(ends[0]);
	assert_int_equal(secret_read_pipe(secret, -1), -EBADF);
}

static void test_a_pipe_is_read_without_waiting(void **state)
{
	(void)state;
	alarm(10);
	read_pipe_in_pieces();
	alarm(0);
}

static void test_a_pipe_is_read_without_waiting_on_old_kernels(void **state)
{
	(void)state;
	old_kernel = true;
	alarm(10);
	read_pipe_in_pieces();
	alarm(0);
	old_kernel = false;
}

static void test_write_gives_all_of_it(void **state)
{
	unsigned char bytes[SECRET_CAPACITY];
	unsigned char got[SECRET_CAPACITY];
	SECRET_AUTO secret = NULL;
	int ends[2];

	(void)state;
	memset(bytes, 'w', sizeof bytes);
	assert_int_equal(secret_new(NULL, &secret), 0);
	assert_int_equal(secret_set(secret, bytes, sizeof bytes), 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(secret_write(secret, ends[1]), 0);
	assert_int_equal(read(ends[0], got, sizeof got), (ssize_t)sizeof got);
	assert_memory_equal(got, bytes, sizeof bytes);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(secret_write(secret, ends[1]), -EPIPE);
	close(ends[1]);
	assert_int_equal(secret_write(secret, -1), -EBADF);
	secret_clear(secret);
	assert_int_equal(secret_write(secret, -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_is_empty),
		cmocka_unit_test(test_set_within_bounds),
		cmocka_unit_test(test_set_length_and_clear_wipe),
		cmocka_unit_test(test_chomp_takes_one_newline),
		cmocka_unit_test(test_pool_keeps_and_wipes),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_the_byte_behind_is_no_access),
		cmocka_unit_test(test_locked_says_what_mlock_did),
		cmocka_unit_test(test_read_until_the_end),
		cmocka_unit_test(test_read_stops_when_full),
		cmocka_unit_test(test_read_tells_errors),
		cmocka_unit_test(test_read_goes_on_after_a_signal),
		cmocka_unit_test(test_a_pipe_is_read_without_waiting),
		cmocka_unit_test(test_a_pipe_is_read_without_waiting_on_old_kernels),
		cmocka_unit_test(test_write_gives_all_of_it),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
