/* SPDX-License-Identifier: MIT */
/*
 * The reserve: a file of allocated blocks beside the store that is given up when the disk is full,
 * so that access can still be taken away. Loop thread; processes that share the store share it.
 *
 * It is made again after a later change that gives access, never after one that takes it, or the
 * room would be gone for the next. Refused: a sparse file (holds no room), a row in the database
 * (freeing it needs a commit).
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/db.h"

/* Rights were checked when the store was opened. */
static int open_directory(const struct store *store)
{
	return open(store->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void reserve_free(struct store *store)
{
	int directory = open_directory(store);

	if (directory >= 0) {
		(void)unlinkat(directory, DB_RESERVE, 0);
		(void)close(directory);
	}
}

void reserve_free_if_full(struct store *store)
{
	struct statvfs room;

	if (statvfs(store->directory, &room) == 0 &&
	    room.f_bavail < DB_RESERVE_BYTES / (room.f_frsize != 0 ? room.f_frsize : 1)) {
		reserve_free(store);
	}
}

static bool allocated(int directory)
{
	struct stat status;

	return fstatat(directory, DB_RESERVE, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!S_ISREG(status.st_mode) || status.st_size >= DB_RESERVE_BYTES);
}

static void allocate(int directory)
{
	int fd = openat(directory, DB_RESERVE,
	                O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0) {
		return;
	}
	if (posix_fallocate(fd, 0, DB_RESERVE_BYTES) != 0) {
		(void)unlinkat(directory, DB_RESERVE, 0);
	}
	(void)close(fd);
}

void reserve_make(struct store *store)
{
	int directory = open_directory(store);

	if (directory < 0) {
		return;
	}
	if (!allocated(directory)) {
		allocate(directory);
	}
	(void)close(directory);
}
