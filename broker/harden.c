/* SPDX-License-Identifier: MIT */
/*
 * Hardening of the process, before any secret exists. Not dumpable means that another program of
 * the same user can neither trace nor read this one, and that no core file is written.
 */
#include "harden.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "protocol/limits.h"

/* As many as others may have us hold, or what we may have. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < LIMIT_DESCRIPTORS) {
		limit.rlim_cur = limit.rlim_max < LIMIT_DESCRIPTORS ? limit.rlim_max
		                                                    : LIMIT_DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int harden_process(void)
{
	static const struct rlimit no_core = { 0, 0 };

	umask(077);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &no_core) < 0) {
		return -errno;
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
		return -errno;
	}
	raise_descriptors();
	return 0;
}
