/* SPDX-License-Identifier: MIT */
/*
 * A file that changes under the store between two of its own steps: the linker sends the calls that
 * stand between them here, and the test does its work at just that moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sparekey.h"
#include "tests/support/store_files.h"

/* What is done once, after the call that was armed has looked. */
static struct {
	const struct store_files *files;
	void (*after_fstatat)(void);
	void (*at_realpath)(void);
	void (*after_lstat)(void);
	unsigned int lstats;     /* after how many of them */
	unsigned int fsyncs;     /* how many there were, SQLite's own left out */
	unsigned int fail_fsync; /* which one fails; 0: none */
	char synced[512];        /* what they were of, from the root on; "!": the store was there */
} moment;

int __real_fstatat(int directory, const char *name, struct stat *status, int flags);
int __wrap_fstatat(int directory, const char *name, struct stat *status, int flags);
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
char *__real___realpath_chk(const char *path, char *resolved, size_t size);
char *__wrap___realpath_chk(const char *path, char *resolved, size_t size);
int __real_lstat(const char *path, struct stat *status);
int __wrap_lstat(const char *path, struct stat *status);

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	char link[32];
	char path[256] = "";
	size_t length = strlen(moment.synced);
	size_t root = strlen(moment.files->root);

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	assert_true(readlink(link, path, sizeof path - 1) >= (ssize_t)root);
	(void)snprintf(moment.synced + length, sizeof moment.synced - length, "%.19s%s ",
	               path + root, access(moment.files->path, F_OK) == 0 ? "!" : "");
	if (++moment.fsyncs == moment.fail_fsync) {
		errno = EIO;
		return -1;
	}
	return __real_fsync(fd);
}

static void do_once(void (**work)(void))
{
	void (*now)(void) = *work;

	*work = NULL;
	if (now != NULL) {
		now();
	}
}

int __wrap_fstatat(int directory, const char *name, struct stat *status, int flags)
{
	int result = __real_fstatat(directory, name, status, flags);

	if (strcmp(name, "sparekey.db") == 0) {
		do_once(&moment.after_fstatat);
	}
	return result;
}

char *__wrap_realpath(const char *path, char *resolved)
{
	do_once(&moment.at_realpath);
	return __real_realpath(path, resolved);
}

/* What realpath is called where the compiler fortifies. */
char *__wrap___realpath_chk(const char *path, char *resolved, size_t size)
{
	do_once(&moment.at_realpath);
	return __real___realpath_chk(path, resolved, size);
}

int __wrap_lstat(const char *path, struct stat *status)
{
	int result = __real_lstat(path, status);

	if (moment.lstats > 0 && --moment.lstats == 0) {
		do_once(&moment.after_lstat);
	}
	return result;
}

static int set_up(void **state)
{
	memset(&moment, 0, sizeof moment);
	if (store_files_setup(state) != 0) {
		return -1;
	}
	moment.files = *state;
	return 0;
}

/* Another store of the same owner comes in its place. */
static void replace(void)
{
	const char *other = store_files_name(moment.files, "other");
	size_t size = 0;
	unsigned char *bytes = store_files_read(moment.files->path, &size);

	store_files_write(other, bytes, size);
	free(bytes);
	assert_int_equal(rename(other, moment.files->path), 0);
}

static void replace_by_an_open_one(void)
{
	replace();
	assert_int_equal(chmod(moment.files->path, 0644), 0);
}

static void replace_by_a_link(void)
{
	const char *elsewhere = store_files_name(moment.files, "elsewhere");

	assert_int_equal(rename(moment.files->path, elsewhere), 0);
	assert_int_equal(symlink("elsewhere", moment.files->path), 0);
}

static void replace_by_a_fifo(void)
{
	assert_int_equal(unlink(moment.files->path), 0);
	assert_int_equal(mkfifo(moment.files->path, 0600), 0);
}

static void take_away(void)
{
	assert_int_equal(unlink(moment.files->path), 0);
}

static const struct swap {
	const char *name;
	void (*work)(void);
	int opened; /* what the next opening says */
} swaps[] = {
	{ "replaced", replace, 0 },
	{ "replaced by one others may read", replace_by_an_open_one, -EPERM },
	{ "replaced by a link", replace_by_a_link, -EPERM },
	{ "replaced by a FIFO", replace_by_a_fifo, -EPERM },
	{ "taken away", take_away, SPAREKEY_NOT_INITIALIZED },
};

#define SWAPS (sizeof swaps / sizeof swaps[0])

/* Whatever comes in its place between looking and opening is not opened on the strength of what was
 * seen before; looking again tells what it is. */
static void check_swap(const struct swap *swap, void (**when)(void))
{
	struct store_password password;
	struct store *store = NULL;
	void *state = NULL;
	int result;

	assert_int_equal(set_up(&state), 0);
	store = store_files_make(moment.files);
	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	store_free(store);
	assert_int_equal(store_new(moment.files->directory, &store), 0);
	*when = swap->work;
	result = store_password_get(store, "00000", &password);
	if (result != -ESTALE && result != -EIO) {
		fail_msg("%s: %d", swap->name, result);
	}
	assert_null(*when);
	assert_int_equal(store_open(store), swap->opened);
	store_free(store);
	assert_int_equal(store_files_teardown(&state), 0);
}

static void what_comes_after_the_look_is_not_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < SWAPS; i++) {
		check_swap(&swaps[i], &moment.after_fstatat);
	}
}

static void what_comes_before_sqlite_opens_is_not_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < SWAPS; i++) {
		check_swap(&swaps[i], &moment.at_realpath);
	}
}

static void bring_back(void)
{
	assert_int_equal(rename(store_files_name(moment.files, "aside"), moment.files->path), 0);
}

/* Somebody else has made one meanwhile: that one is used, not replaced. */
static void making_never_replaces(void **state)
{
	struct store *store = store_files_make(*state);
	struct store_password password;

	assert_int_equal(store_files_insert(store, "00000", "A"), 0);
	store_free(store);
	assert_int_equal(rename(moment.files->path, store_files_name(moment.files, "aside")), 0);
	moment.at_realpath = bring_back;
	store = store_files_make(*state);
	assert_null(moment.at_realpath);
	assert_int_equal(store_password_get(store, "00000", &password), 0);
	store_free(store);
}

/* On return the store and every directory made for it are on the disk: first what is linked, then
 * the link; a failure of any of it is told. */
static void making_is_durable(void **state)
{
	struct store *store = store_files_make(*state);

	store_free(store);
	assert_string_equal(moment.synced, " /data/sparekey.new- /data! ");
	for (unsigned int i = 1; i <= 3; i++) {
		void *own = NULL;

		assert_int_equal(set_up(&own), 0);
		moment.fail_fsync = i;
		assert_int_equal(store_new(moment.files->directory, &store), 0);
		assert_int_equal(store_make(store), -EIO);
		moment.synced[0] = '\0';
		assert_int_equal(store_make(store), 0);
		/* What failed is done again, where the store is not yet in its place. */
		assert_string_equal(moment.synced, i < 3 ? " /data/sparekey.new- /data! " : "");
		store_free(store);
		assert_int_equal(store_files_teardown(&own), 0);
	}
}

/* A commit into a file that is nobody's store any more is not acknowledged. */
static void a_commit_into_a_file_that_is_gone_is_not_acknowledged(void **state)
{
	static void (*const works[])(void) = { replace, take_away };

	(void)state;
	for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
		struct store_password password = store_files_record("00000", "A");
		void *own = NULL;
		struct store *store;

		assert_int_equal(set_up(&own), 0);
		store = store_files_make(moment.files);
		assert_int_equal(store_begin(store), 0);
		assert_int_equal(store_password_insert(store, &password), 0);
		moment.after_lstat = works[i];
		moment.lstats = 1;
		assert_int_equal(store_commit(store), -ESTALE);
		assert_null(moment.after_lstat);
		assert_int_equal(store_password_get(store, "00000", &password), -ESTALE);
		store_free(store);
		assert_int_equal(store_files_teardown(&own), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_after_the_look_is_not_opened),
		cmocka_unit_test(what_comes_before_sqlite_opens_is_not_used),
		cmocka_unit_test_setup_teardown(making_never_replaces, set_up,
		                                store_files_teardown),
		cmocka_unit_test_setup_teardown(making_is_durable, set_up, store_files_teardown),
		cmocka_unit_test(a_commit_into_a_file_that_is_gone_is_not_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
