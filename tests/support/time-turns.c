/* SPDX-License-Identifier: MIT */
/* Preloaded into a broker: keeps in the file named by TIME_TURNS the longest time from one poll(2)
 * to the next, so long its loop was deaf: milliseconds by the clock, and of its own processor time.
 * Who writes zeros there begins anew. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double *open_longest(void)
{
	int fd = open(getenv("TIME_TURNS"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	double *longest;

	if (fd < 0 || ftruncate(fd, 2 * sizeof(double)) < 0) {
		abort();
	}
	longest = mmap(NULL, 2 * sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return longest == MAP_FAILED ? NULL : longest;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID };
	static double *longest;
	static double before[2];
	int (*real)(struct pollfd *, nfds_t,
	            int) = (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");

	longest = longest == NULL ? open_longest() : longest;
	for (int i = 0; i < 2 && before[0] != 0; i++) {
		double took = now_ms(clocks[i]) - before[i];

		longest[i] = took > longest[i] ? took : longest[i];
	}
	int result = real(fds, count, timeout);

	for (int i = 0; i < 2; i++) {
		before[i] = now_ms(clocks[i]);
	}
	return result;
}
