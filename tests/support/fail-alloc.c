/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD shim: the n-th allocation of the process fails, whoever asks for it - broker, libdbus,
 * SQLite, libsodium, libargon2, libc. Guarded memory and arenas come from mmap, threads from
 * pthread_create: these count as well. Any thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/support/fail.h"

#define EXPORT __attribute__((visibility("default")))

static struct fail_control *control;

static void __attribute__((constructor)) start(void)
{
	control = fail_control();
}

/* The next definition of a function, looked up at its first call: libc allocates before any
 * constructor has run. */
#define NEXT(name)                                                                                 \
	static __typeof__(&name) next;                                                             \
	if (next == NULL) {                                                                        \
		*(void **)&next = dlsym(RTLD_NEXT, #name);                                         \
	}

EXPORT void *malloc(size_t size)
{
	NEXT(malloc)
	if (fail_now(control, "malloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	NEXT(calloc)
	if (fail_now(control, "calloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	NEXT(realloc)
	if (fail_now(control, "realloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(old, size);
}

EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
	NEXT(reallocarray)
	if (fail_now(control, "reallocarray")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(old, count, size);
}

EXPORT int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
	NEXT(posix_memalign)
	return fail_now(control, "posix_memalign") ? ENOMEM : next(ret_memory, alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	NEXT(aligned_alloc)
	if (fail_now(control, "aligned_alloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(alignment, size);
}

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	NEXT(mmap)
	if (fail_now(control, "mmap")) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return next(at, size, protection, flags, fd, offset);
}

EXPORT int pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*routine)(void *), void *data)
{
	NEXT(pthread_create)
	return fail_now(control, "pthread_create") ? EAGAIN
	                                           : next(ret_thread, attributes, routine, data);
}
