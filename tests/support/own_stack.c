/* SPDX-License-Identifier: MIT */
/* What a function leaves on the stack, for tests of wiping. The memory is read through the kernel:
 * to memcheck and ASan the stack of a thread that has ended is nobody's. */
#include "tests/support/own_stack.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void copy_memory(const uint8_t *from, uint8_t ret_copy[static OWN_STACK])
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t done = 0;

	assert_true(fd >= 0);
	while (done < OWN_STACK) {
		ssize_t count = pread(fd, ret_copy + done, OWN_STACK - done,
		                      (off_t)(uintptr_t)(from + done));

		assert_true(count > 0);
		done += (size_t)count;
	}
	close(fd);
}

void *own_stack_run(void *(*work)(void *data), void *data, uint8_t ret_left[static OWN_STACK])
{
	uint8_t *stack = mmap(NULL, OWN_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                      -1, 0);
	pthread_attr_t attributes;
	pthread_t thread;
	void *result = NULL;

	assert_ptr_not_equal(stack, MAP_FAILED);
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstack(&attributes, stack, OWN_STACK), 0);
	assert_int_equal(pthread_create(&thread, &attributes, work, data), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	copy_memory(stack, ret_left);
	munmap(stack, OWN_STACK);
	pthread_attr_destroy(&attributes);
	return result;
}
