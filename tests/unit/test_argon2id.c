/* SPDX-License-Identifier: MIT */
/* Argon2id against libargon2's own calls and libsodium, both ways, and the life of the arena. */
#include <argon2.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/argon2id.h"
#include "sparekey.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* The linker sends the module's calls here: what they were, and which ones fail. */
static _Thread_local struct {
	unsigned int maps, unmaps, populates, rests, dump_bans;
	size_t populated, size; /* bytes: in the last call; of the arena */
	uint8_t *base;          /* of the arena, as it was advised */
	bool fail_map;
	int fail_populate; /* errno, or 0 */
} kernel;

void *__real_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);

void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
	kernel.maps++;
	if (kernel.fail_map) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, size, access, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
	kernel.unmaps += at == kernel.base ? 1 : 0;
	return __real_munmap(at, size);
}

int __wrap_madvise(void *at, size_t size, int advice)
{
	if (advice == MADV_HUGEPAGE) {
		kernel.base = at;
		kernel.size = size;
	} else if (advice == MADV_DONTDUMP) {
		kernel.dump_bans++;
	} else if (advice == MADV_DONTNEED) {
		kernel.rests++;
	} else if (advice == MADV_POPULATE_WRITE) {
		kernel.populates++;
		kernel.populated = size;
		if (kernel.fail_populate != 0) {
			errno = kernel.fail_populate;
			return -1;
		}
	}
	return __real_madvise(at, size, advice);
}

static const uint8_t salt[PHC_SALT] = "sixteen bytes ok";

static int set_up(void **state)
{
	struct secret *secret = NULL;

	argon2id_leave();
	memset(&kernel, 0, sizeof kernel);
	if (secret_new(NULL, &secret) != 0 || secret_set(secret, "correct horse", 13) != 0) {
		return -1;
	}
	*state = secret;
	return 0;
}

static int tear_down(void **state)
{
	secret_free(*state);
	return 0;
}

static void assert_equals_libargon2(const struct secret *secret, const struct phc_cost *cost)
{
	uint8_t ours[PHC_TAG], theirs[PHC_TAG];

	assert_int_equal(argon2id_hash(secret, cost, salt, ours), 0);
	assert_int_equal(argon2id_hash_raw(cost->passes, cost->memory_kib, cost->lanes,
	                                   secret_bytes(secret), secret_length(secret), salt,
	                                   sizeof salt, theirs, sizeof theirs),
	                 ARGON2_OK);
	assert_memory_equal(ours, theirs, sizeof ours);
}

static void test_equals_libargon2(void **state)
{
	static const struct phc_cost costs[] = {
		{ 1024, 1, 1 }, { 1024, 2, 1 }, { 1027, 1, 4 }, { 2048, 3, 4 }, { 19456, 2, 1 },
	};

	for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
		assert_equals_libargon2(*state, &costs[i]);
	}
}

static void test_equals_libsodium(void **state)
{
	static const struct phc_cost cost = { 1024, 3, 1 };
	const char *text = (const char *)secret_bytes(*state);
	uint8_t ours[PHC_TAG], theirs[PHC_TAG];

	assert_int_equal(argon2id_hash(*state, &cost, salt, ours), 0);
	assert_int_equal(crypto_pwhash(theirs, sizeof theirs, text, secret_length(*state), salt, 3,
	                               (size_t)1024 * 1024, crypto_pwhash_ALG_ARGON2ID13),
	                 0);
	assert_memory_equal(ours, theirs, sizeof ours);
}

/* RFC 9106 section 5.3, by the library we stand on: its inputs are below our bounds. */
static void test_rfc_9106(void **state)
{
	static const uint8_t wanted[32] = {
		0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37,
		0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75,
		0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
	};
	uint8_t password[32], nonce[16], key[8], data[12], tag[32];
	argon2_context context = {
		.out = tag,
		.outlen = sizeof tag,
		.pwd = password,
		.pwdlen = sizeof password,
		.salt = nonce,
		.saltlen = sizeof nonce,
		.secret = key,
		.secretlen = sizeof key,
		.ad = data,
		.adlen = sizeof data,
		.t_cost = 3,
		.m_cost = 32,
		.lanes = 4,
		.threads = 1,
		.version = ARGON2_VERSION_13,
	};

	(void)state;
	memset(password, 1, sizeof password);
	memset(nonce, 2, sizeof nonce);
	memset(key, 3, sizeof key);
	memset(data, 4, sizeof data);
	assert_int_equal(argon2id_ctx(&context), ARGON2_OK);
	assert_memory_equal(tag, wanted, sizeof wanted);
}

static void test_any_length_of_secret(void **state)
{
	static const struct phc_cost cost = { 1024, 1, 1 };
	static const size_t lengths[] = { 0, 1, SECRET_CAPACITY };

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		secret_set_length(*state, lengths[i]);
		assert_equals_libargon2(*state, &cost);
	}
}

static void test_others_read_ours(void **state)
{
	struct phc phc = { .cost = { 1024, 2, 1 } };
	struct secret *secret = *state;
	const char *text = (const char *)secret_bytes(secret);
	char stored[crypto_pwhash_STRBYTES] = "";

	memcpy(phc.salt, salt, sizeof salt);
	assert_int_equal(argon2id_hash(secret, &phc.cost, phc.salt, phc.tag), 0);
	phc_format(&phc, stored);
	assert_int_equal(argon2id_verify(stored, text, secret_length(secret)), ARGON2_OK);
	assert_int_equal(argon2id_verify(stored, text, 5), ARGON2_VERIFY_MISMATCH);
	assert_int_equal(crypto_pwhash_str_verify(stored, text, secret_length(secret)), 0);
}

static void test_we_read_others(void **state)
{
	static const struct phc_cost most = { 65536, 3, 4 };
	struct secret *secret = *state;
	const char *text = (const char *)secret_bytes(secret);
	char stored[crypto_pwhash_STRBYTES];
	struct phc phc;

	assert_int_equal(argon2id_hash_encoded(2, 1024, 4, text, secret_length(secret), salt,
	                                       sizeof salt, PHC_TAG, stored, sizeof stored),
	                 ARGON2_OK);
	assert_int_equal(phc_parse(stored, strlen(stored), &most, &phc), 0);
	assert_int_equal(argon2id_check(secret, &phc), 0);
	assert_int_equal(crypto_pwhash_str_alg(stored, text, secret_length(secret), 1,
	                                       (size_t)1024 * 1024, crypto_pwhash_ALG_ARGON2ID13),
	                 0);
	assert_int_equal(phc_parse(stored, strlen(stored), &most, &phc), 0);
	assert_int_equal(argon2id_check(secret, &phc), 0);
}

static void test_check(void **state)
{
	struct phc phc = { .cost = { 1024, 1, 1 } };
	struct secret *secret = *state;

	memcpy(phc.salt, salt, sizeof salt);
	assert_int_equal(argon2id_hash(secret, &phc.cost, phc.salt, phc.tag), 0);
	assert_int_equal(argon2id_check(secret, &phc), 0);
	for (size_t i = 0; i < PHC_TAG; i++) {
		phc.tag[i] ^= 1;
		assert_int_equal(argon2id_check(secret, &phc), SPAREKEY_AUTHENTICATION_FAILED);
		phc.tag[i] ^= 1;
	}
	assert_int_equal(secret_set(secret, "correct horsf", 13), 0);
	assert_int_equal(argon2id_check(secret, &phc), SPAREKEY_AUTHENTICATION_FAILED);
}

static void test_bad_costs_are_never_computed(void **state)
{
	static const struct phc_cost costs[] = {
		{ 0, 1, 1 },
		{ 1023, 1, 1 },
		{ PHC_MEMORY_KIB_MAX + 1, 1, 1 },
		{ UINT32_MAX, 1, 1 },
		{ 1024, 0, 1 },
		{ 1024, PHC_PASSES_MAX + 1, 1 },
		{ 1024, 1, 0 },
		{ 1024, 1, PHC_LANES_MAX + 1 },
	};
	uint8_t tag[PHC_TAG] = "kept";

	for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
		struct phc phc = { .cost = costs[i] };

		assert_int_equal(argon2id_hash(*state, &costs[i], salt, tag), -EINVAL);
		assert_int_equal(argon2id_check(*state, &phc), -EINVAL);
	}
	assert_string_equal((const char *)tag, "kept");
	assert_int_equal(kernel.maps, 0);
}

static void hash(struct secret *secret, uint32_t memory_kib)
{
	const struct phc_cost cost = { memory_kib, 1, 1 };
	uint8_t tag[PHC_TAG];

	assert_int_equal(argon2id_hash(secret, &cost, salt, tag), 0);
}

static size_t resident_pages(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t count = kernel.size / page;
	unsigned char *pages = calloc(count, 1);
	size_t resident = 0;

	assert_non_null(pages);
	assert_int_equal(mincore(kernel.base, kernel.size, pages), 0);
	for (size_t i = 0; i < count; i++) {
		resident += pages[i] & 1u;
	}
	free(pages);
	return resident;
}

static void test_arena_is_kept_and_aligned(void **state)
{
	for (unsigned int i = 0; i < 3; i++) {
		hash(*state, 3000);
	}
	assert_int_equal(kernel.maps, 1);
	assert_int_equal(kernel.populates, 1);
	assert_int_equal(kernel.dump_bans, 1);
	assert_int_equal((uintptr_t)kernel.base % HUGE_PAGE, 0);
	assert_int_equal(kernel.size, 2 * HUGE_PAGE);
	assert_true(resident_pages() > 0);
}

static void test_arena_holds_no_trace(void **state)
{
	uint8_t left = 0;

	hash(*state, 2048);
	assert_int_equal(kernel.size, HUGE_PAGE);
	for (size_t i = 0; i < kernel.size; i++) {
		left |= kernel.base[i];
	}
	assert_int_equal(left, 0);
}

static void test_arena_grows_and_does_not_shrink(void **state)
{
	hash(*state, 1024);
	hash(*state, 8192);
	assert_int_equal(kernel.maps, 2);
	assert_int_equal(kernel.unmaps, 1);
	assert_int_equal(kernel.size, 4 * HUGE_PAGE);
	hash(*state, 1024);
	assert_int_equal(kernel.maps, 2);
	assert_int_equal(kernel.populates, 2);
}

static void test_rest_gives_memory_back(void **state)
{
	argon2id_rest();
	assert_int_equal(kernel.rests, 0);
	hash(*state, 4096);
	argon2id_rest();
	argon2id_rest();
	assert_int_equal(kernel.rests, 1);
	assert_int_equal(resident_pages(), 0);
	hash(*state, 2048);
	assert_int_equal(kernel.maps, 1);
	assert_int_equal(kernel.populated, HUGE_PAGE); /* no more than is needed now */
	hash(*state, 4096);
	assert_int_equal(kernel.populated, HUGE_PAGE); /* the rest of it */
	assert_int_equal(kernel.populates, 3);
}

static void test_leave_unmaps(void **state)
{
	hash(*state, 1024);
	argon2id_leave();
	argon2id_leave();
	assert_int_equal(kernel.unmaps, 1);
	hash(*state, 1024);
	assert_int_equal(kernel.maps, 2);
}

static void test_an_old_kernel(void **state)
{
	uint8_t right[PHC_TAG], tag[PHC_TAG];
	const struct phc_cost cost = { 1024, 1, 1 };

	assert_int_equal(argon2id_hash(*state, &cost, salt, right), 0);
	argon2id_leave();
	kernel.fail_populate = EINVAL;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), 0);
	assert_memory_equal(tag, right, sizeof tag);
}

static void test_out_of_memory(void **state)
{
	const struct phc_cost cost = { 1024, 1, 1 };
	const struct phc_cost larger = { 4096, 1, 1 };
	uint8_t tag[PHC_TAG] = "kept";

	kernel.fail_map = true;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), -ENOMEM);
	kernel.fail_map = false;
	kernel.fail_populate = ENOMEM;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), -ENOMEM);
	assert_int_equal(kernel.rests, 1);
	assert_string_equal((const char *)tag, "kept");
	/* Touching a page the kernel has said it cannot give would be a signal. */
	kernel.fail_populate = EFAULT;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), -ENOMEM);
	kernel.fail_populate = EHWPOISON;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), -ENOMEM);
	kernel.fail_populate = 0;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), 0);
	kernel.fail_map = true;
	assert_int_equal(argon2id_hash(*state, &larger, salt, tag), -ENOMEM);
	kernel.fail_map = false;
	assert_int_equal(argon2id_hash(*state, &cost, salt, tag), 0);
}

struct errand {
	const struct secret *secret;
	uint8_t tag[PHC_TAG];
	int result;
};

static void *run_errand(void *data)
{
	static const struct phc_cost cost = { 4096, 2, 4 };
	struct errand *errand = data;

	for (unsigned int i = 0; i < 5 && errand->result == 0; i++) {
		errand->result = argon2id_hash(errand->secret, &cost, salt, errand->tag);
	}
	argon2id_leave();
	return NULL;
}

static void test_threads_have_their_own(void **state)
{
	struct errand errands[3];
	pthread_t threads[3];

	for (size_t i = 0; i < 3; i++) {
		errands[i] = (struct errand){ .secret = *state };
		assert_int_equal(pthread_create(&threads[i], NULL, run_errand, &errands[i]), 0);
	}
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(errands[i].result, 0);
		assert_memory_equal(errands[i].tag, errands[0].tag, PHC_TAG);
	}
}

/* Where no thread can be started, four lanes are computed all the same: by one thread. */
static void test_lanes_need_no_threads(void **state)
{
	static const struct phc_cost cost = { 4096, 1, 4 };
	static const struct rlimit none = { 0, 0 };
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		uint8_t tag[PHC_TAG];
		bool bare = setrlimit(RLIMIT_NPROC, &none) == 0 &&
		            (geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));

		_exit(bare && argon2id_hash(*state, &cost, salt, tag) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_equals_libargon2),
		TEST(test_equals_libsodium),
		TEST(test_rfc_9106),
		TEST(test_any_length_of_secret),
		TEST(test_others_read_ours),
		TEST(test_we_read_others),
		TEST(test_check),
		TEST(test_bad_costs_are_never_computed),
		TEST(test_arena_is_kept_and_aligned),
		TEST(test_arena_holds_no_trace),
		TEST(test_arena_grows_and_does_not_shrink),
		TEST(test_rest_gives_memory_back),
		TEST(test_leave_unmaps),
		TEST(test_an_old_kernel),
		TEST(test_out_of_memory),
		TEST(test_threads_have_their_own),
		TEST(test_lanes_need_no_threads),
	};

	if (secret_start() != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
