/* SPDX-License-Identifier: MIT */
/*
 * Argon2id by libargon2, in memory that each thread keeps. For any thread; nothing is shared
 * between them.
 *
 * Fresh pages cost more than the hash itself: an arena is mapped once at a 2 MiB boundary, asked to
 * be of huge pages, faulted in before the first hash and kept until argon2id_rest(). It grows when
 * a larger cost comes and never shrinks. The arena is the one file-scope variable of the program:
 * libargon2's allocator has no user pointer. libargon2 wipes the memory before it gives it back, so
 * what is kept holds no trace of a secret.
 *
 * Refused: MAP_HUGETLB (needs an administrator's reservation); mlock (64 MiB is beyond the usual
 * limit, and the content is wiped in milliseconds); libargon2's own threads (lanes x 4 x passes of
 * them started and joined for each hash).
 */
#include "crypto/argon2id.h"

#include <argon2.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "sparekey.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_PAGE                                                                                 \
	((size_t)4096) /* the smallest page anywhere; touching one twice costs nothing             \
	                */

struct arena {
	uint8_t *base;
	size_t size;    /* mapped; a multiple of HUGE_PAGE */
	size_t faulted; /* from base, given by the kernel since the last rest */
};

static _Thread_local struct arena arena;

/* Maps `size` bytes at a HUGE_PAGE boundary: one page more than needed, then the ends cut off. */
static int map_aligned(size_t size, uint8_t **ret_base)
{
	size_t mapped = size + HUGE_PAGE;
	uint8_t *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	                      0);
	size_t before;

	if (start == MAP_FAILED) {
		return -ENOMEM;
	}
	before = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
	if (before > 0) {
		munmap(start, before);
	}
	munmap(start + before + size, HUGE_PAGE - before);
	*ret_base = start + before;
	return 0;
}

/* Makes the arena at least `size` bytes long. The advice may be refused: then it is slower, or
 * dumped wiped. */
static int arena_reserve(size_t size)
{
	uint8_t *base;
	int r;

	if (size <= arena.size) {
		return 0;
	}
	argon2id_leave();
	r = map_aligned(size, &base);
	if (r < 0) {
		return r;
	}
	madvise(base, size, MADV_HUGEPAGE);
	madvise(base, size, MADV_DONTDUMP);
	arena = (struct arena){ .base = base, .size = size };
	return 0;
}

/* Has the kernel give the first `size` bytes now, in one call where it knows how (Linux 5.14). */
static int arena_fault_in(size_t size)
{
	if (size <= arena.faulted) {
		return 0;
	}
	if (madvise(arena.base + arena.faulted, size - arena.faulted, MADV_POPULATE_WRITE) != 0) {
		/* Touching what it will not give would be a SIGBUS. */
		if (errno == ENOMEM || errno == EFAULT || errno == EHWPOISON) {
			madvise(arena.base, arena.size, MADV_DONTNEED);
			arena.faulted = 0;
			return -ENOMEM;
		}
		for (size_t at = arena.faulted; at < size; at += SMALL_PAGE) {
			*(volatile uint8_t *)(arena.base + at) = 0;
		}
	}
	arena.faulted = size;
	return 0;
}

/* libargon2's allocate_cbk. */
static int arena_lend(uint8_t **ret_memory, size_t bytes)
{
	size_t size;

	if (bytes > SIZE_MAX - 2 * HUGE_PAGE) {
		return ARGON2_MEMORY_ALLOCATION_ERROR;
	}
	size = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	if (arena_reserve(size) < 0 || arena_fault_in(size) < 0) {
		return ARGON2_MEMORY_ALLOCATION_ERROR;
	}
	*ret_memory = arena.base;
	return ARGON2_OK;
}

/* libargon2's free_cbk: it has wiped the memory, which stays for the next hash. */
static void arena_take_back(uint8_t *memory, size_t bytes)
{
	(void)memory;
	(void)bytes;
}

/* libargon2 takes its inputs as writable and writes to them only where flags ask for it; we set
 * none. */
static uint8_t *input(const uint8_t *bytes)
{
	union {
		const uint8_t *given;
		uint8_t *taken;
	} as = { .given = bytes };

	return as.taken;
}

int argon2id_hash(const struct secret *secret, const struct phc_cost *cost,
                  const uint8_t salt[static PHC_SALT], uint8_t ret_tag[static PHC_TAG])
{
	argon2_context context = {
		.out = ret_tag,
		.outlen = PHC_TAG,
		.pwd = input(secret_bytes(secret)),
		.pwdlen = (uint32_t)secret_length(secret),
		.salt = input(salt),
		.saltlen = PHC_SALT,
		.t_cost = cost->passes,
		.m_cost = cost->memory_kib,
		.lanes = cost->lanes,
		.threads = 1,
		.version = ARGON2_VERSION_13,
		.allocate_cbk = arena_lend,
		.free_cbk = arena_take_back,
		.flags = ARGON2_DEFAULT_FLAGS,
	};
	int r;

	if (!phc_cost_valid(cost)) {
		return -EINVAL;
	}
	r = argon2id_ctx(&context);
	if (r == ARGON2_MEMORY_ALLOCATION_ERROR) {
		return -ENOMEM;
	}
	return r == ARGON2_OK ? 0 : -EINVAL;
}

int argon2id_check(const struct secret *secret, const struct phc *phc)
{
	uint8_t tag[PHC_TAG];
	int r = argon2id_hash(secret, &phc->cost, phc->salt, tag);

	if (r == 0 && sodium_memcmp(tag, phc->tag, sizeof tag) != 0) {
		r = SPAREKEY_AUTHENTICATION_FAILED;
	}
	sodium_memzero(tag, sizeof tag);
	return r;
}

void argon2id_rest(void)
{
	if (arena.faulted > 0) {
		madvise(arena.base, arena.size, MADV_DONTNEED);
		arena.faulted = 0;
	}
}

void argon2id_leave(void)
{
	if (arena.size > 0) {
		munmap(arena.base, arena.size);
		arena = (struct arena){ .size = 0 };
	}
}
