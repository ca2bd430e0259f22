/* SPDX-License-Identifier: MIT */
/* Preloaded into a broker: appends one byte to the file named by COUNT_ARGON2 for each Argon2id
 * evaluation. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int argon2id_ctx(void *context);

int argon2id_ctx(void *context)
{
	int (*real)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "argon2id_ctx");
	int fd = open(getenv("COUNT_ARGON2"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1) {
		abort();
	}
	close(fd);
	return real(context);
}
