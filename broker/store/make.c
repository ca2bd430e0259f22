/* SPDX-License-Identifier: MIT */
/*
 * Making a store where there is none. Loop thread; several processes may try at once.
 *
 * The schema is written to a file under a temporary name, which is linked into place only when it
 * is whole and on the disk: so whoever finds sparekey.db finds all of it, and an empty one was
 * emptied. link and not rename, because link never replaces. Makers take a lock on the directory
 * (flock, given back by the kernel when one is killed), so that what has a temporary name while
 * nobody holds the lock is left over. Refused: widening or narrowing rights of a directory that
 * exists; judging left-overs by age.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sparekey.h"
#include "store/db.h"

static int sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	int result;

	if (fd < 0) {
		return db_errno(errno);
	}
	result = fsync(fd) == 0 ? 0 : db_errno(errno);
	(void)close(fd);
	return result;
}

/* Makes one directory and puts its name on the disk; `parent` holds what stands before its last
 * slash. The `last` one's name is put there even if it exists: whoever made it may have been killed
 * or have failed before that. */
static int make_directory(const char *path, const char *parent, bool last)
{
	if (mkdir(path, 0700) == 0) {
		return sync_path(parent, O_DIRECTORY);
	}
	if (errno != EEXIST) {
		return db_errno(errno);
	}
	if (last) {
		(void)sync_path(parent, O_DIRECTORY);
	}
	return 0;
}

/* mkdir -p. A parent that may not be read cannot be synchronised and ends it; one that exists is
 * never touched. */
static int make_directories(struct store *store)
{
	char path[PATH_MAX];
	char parent[PATH_MAX] = ".";
	size_t length = strlen(store->directory);
	int result = 0;

	if (length >= sizeof(path)) {
		return db_refuse(store, -EPERM,
		                 "%s: is too long a path; set another data directory", store->path);
	}
	if (store->directory[0] == '/') {
		parent[0] = '/';
	}
	for (size_t i = 1; i <= length && result == 0; i++) {
		if (store->directory[i] != '/' && store->directory[i] != '\0') {
			continue;
		}
		memcpy(path, store->directory, i);
		path[i] = '\0';
		result = make_directory(path, parent, store->directory[i] == '\0');
		memcpy(parent, path, i + 1);
	}
	return result;
}

/* Whether the makers' lock could be taken. */
static int lock(int directory)
{
	if (flock(directory, LOCK_EX | LOCK_NB) == 0) {
		return 0;
	}
	return errno == EWOULDBLOCK ? -EBUSY : -EOPNOTSUPP;
}

static void remove_left_over(int directory, const char *name)
{
	struct stat status;

	if (strncmp(name, DB_TEMPORARY, sizeof(DB_TEMPORARY) - 1) == 0 &&
	    fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(status.st_mode) && status.st_uid == geteuid()) {
		(void)unlinkat(directory, name, 0);
	}
}

/* With the makers' lock held. */
static void clean(const char *path, int directory)
{
	DIR *entries = opendir(path);
	struct dirent *entry;

	if (entries == NULL) {
		return;
	}
	while ((entry = readdir(entries)) != NULL) {
		remove_left_over(directory, entry->d_name);
	}
	(void)closedir(entries);
}

void make_clean(struct store *store)
{
	int directory = -1;

	if (header_directory(store, &directory) != 0) {
		return;
	}
	if (lock(directory) == 0) {
		clean(store->directory, directory);
	}
	(void)close(directory);
}

/* Fills an empty file. Its journal is in memory: a crash leaves a left-over, not half a store. */
static int fill(const char *path)
{
	sqlite3 *db = NULL;
	int result = db_connect(path, &db);
	int code;

	if (result != 0) {
		return result;
	}
	result = db_exec(db, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = EXTRA");
	if (result == 0) {
		result = schema_make(db);
	}
	code = sqlite3_close(db);
	if (result == 0) {
		result = db_result(NULL, code);
	}
	return result != 0 ? result : sync_path(path, O_NOFOLLOW);
}

/* The file under a name of its own in `real`, filled; removed again if that fails. */
static int make_temporary(const char *real, char ret_path[static PATH_MAX])
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/" DB_TEMPORARY "XXXXXX", real);
	int result;
	int fd;

	if (length < 0 || (size_t)length >= sizeof(path)) {
		return -EIO;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		return db_errno(errno);
	}
	result = fchmod(fd, 0600) == 0 ? 0 : db_errno(errno);
	(void)close(fd);
	if (result == 0) {
		result = fill(path);
	}
	if (result != 0) {
		(void)unlink(path);
		return result;
	}
	memcpy(ret_path, path, (size_t)length + 1);
	return 0;
}

/* Somebody who was first has made a store as good as ours: that one is used. */
static int put_in_place(const char *temporary, int directory)
{
	int result = 0;

	if (linkat(AT_FDCWD, temporary, directory, DB_FILE, 0) != 0 && errno != EEXIST) {
		result = db_errno(errno);
	}
	if (unlink(temporary) != 0 && result == 0) {
		result = db_errno(errno);
	}
	if (fsync(directory) != 0 && result == 0) {
		result = db_errno(errno);
	}
	return result;
}

/* A hot journal (first byte not 0) would be written back over the new file. */
static int check_journal(struct store *store, int directory)
{
	unsigned char first = 0;
	int fd = openat(directory, DB_JOURNAL, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		return errno == ENOENT ? 0 : db_errno(errno);
	}
	if (pread(fd, &first, 1, 0) < 0) {
		first = 1;
	}
	(void)close(fd);
	if (first != 0) {
		return db_refuse(store, -EPERM,
		                 "%s/" DB_JOURNAL
		                 ": belongs to a store that is gone; put that back, or "
		                 "move this away too",
		                 store->directory);
	}
	return 0;
}

static int make_locked(struct store *store, int directory)
{
	char real[PATH_MAX];
	char temporary[PATH_MAX];
	int result = lock(directory);

	if (result == -EBUSY) {
		return result;
	}
	if (result == 0) {
		clean(store->directory, directory);
	}
	if (realpath(store->directory, real) == NULL) {
		return db_errno(errno);
	}
	result = check_journal(store, directory);
	if (result != 0) {
		return result;
	}
	result = make_temporary(real, temporary);
	return result != 0 ? result : put_in_place(temporary, directory);
}

int store_make(struct store *store)
{
	int directory = -1;
	int result = store_open(store);

	if (result != SPAREKEY_NOT_INITIALIZED) {
		return result;
	}
	result = make_directories(store);
	if (result == 0) {
		result = header_directory(store, &directory);
	}
	if (result != 0) {
		return result;
	}
	result = make_locked(store, directory);
	(void)close(directory);
	return result != 0 ? result : store_open(store);
}
