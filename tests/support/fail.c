/* SPDX-License-Identifier: MIT */
/*
 * See fail.h. Linked into each of the two shims. Any thread; nothing here may call what a shim
 * replaces, so the file is mapped by bare system calls.
 */
#include "tests/support/fail.h"

#include <execinfo.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES 32

static void trace(const char *name)
{
	void *frames[FRAMES];
	int count = backtrace(frames, FRAMES);

	syscall(SYS_write, 2, name, strlen(name));
	syscall(SYS_write, 2, " failed\n", 8);
	backtrace_symbols_fd(frames, count, 2);
}

bool fail_now(struct fail_control *control, const char *name)
{
	uint32_t left = control != NULL ? control->left : 0;

	while (left > 0 &&
	       !__atomic_compare_exchange_n((uint32_t *)&control->left, &left,
	                                    left == 1 && control->sticky ? 1 : left - 1, false,
	                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
	}
	if (left != 1) {
		return false;
	}
	if (control->met++ == 0) {
		strncpy(control->name, name, sizeof(control->name) - 1);
	}
	if (control->trace != 0) {
		trace(name);
	}
	return true;
}

struct fail_control *fail_control(void)
{
	const char *path = getenv("FAIL_CONTROL");
	long fd = path != NULL ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	long at;

	if (fd < 0) {
		return NULL;
	}
	at = syscall(SYS_mmap, NULL, sizeof(struct fail_control), PROT_READ | PROT_WRITE,
	             MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	return at == -1 ? NULL : (struct fail_control *)at;
}
