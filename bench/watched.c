/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a broker that is looked at from outside. Appends one byte to the file named by
 * COUNT_COMMITS each time the store's own file is synced, which a commit does once; and leaves the
 * process dumpable, or only root could read what memory it has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STORE "/sparekey.db"

static void count(int fd)
{
	const char *counter = getenv("COUNT_COMMITS");
	char link[40];
	char path[4096];
	ssize_t length = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	if (counter == NULL || length < (ssize_t)strlen(STORE) ||
	    strcmp(path + length - strlen(STORE), STORE) != 0) {
		return;
	}
	int to = open(counter, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (to < 0 || write(to, "x", 1) != 1) {
		abort();
	}
	close(to);
}

int fsync(int fd)
{
	count(fd);
	return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd)
{
	count(fd);
	return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int prctl(int option, ...)
{
	va_list list;
	unsigned long given[4];

	va_start(list, option);
	for (int i = 0; i < 4; i++) {
		given[i] = va_arg(list, unsigned long);
	}
	va_end(list);
	if (option == PR_SET_DUMPABLE) {
		return 0;
	}
	return ((int (*)(int, ...))dlsym(RTLD_NEXT, "prctl"))(option, given[0], given[1], given[2],
	                                                      given[3]);
}
