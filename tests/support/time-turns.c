/* SPDX-License-Identifier: MIT */
/* Preloaded into a broker: keeps in the file named by TIME_TURNS what its longest turn took, from
 * one poll(2) to the next, so long was its loop deaf; a poll by a library is a part of the turn.
 * Milliseconds, each of them the longest seen:
 *
 * by the clock, less what is none of the loop's doing: the syncs of its commit, which it may wait
 *   for, and the time in which it was ready and the kernel ran somebody else;
 * of its own processor time;
 * in the syncs of a turn.
 *
 * Who writes zeros there begins anew. PLANT_TURN_MS and PLANT_SYNC_MS: so long a turn, a sync,
 * sleeps besides, to show that the one is found and the other allowed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK, OWN, SYNC, FIGURES };

static double *longest;
static double began[FIGURES]; /* of this turn */
static double synced;         /* by the loop's thread, since it started */
static _Thread_local int is_loop;

static double now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* How long this thread has been ready without a processor; 0 where the kernel does not say. */
static double queued_ms(void)
{
	static _Thread_local int fd = -1;
	char text[100];
	unsigned long long queued_ns = 0;

	fd = fd < 0 ? open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) : fd;
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	return sscanf(text, "%*u %llu", &queued_ns) == 1 ? (double)queued_ns / 1e6 : 0;
}

static double awake_ms(void)
{
	return now_ms(CLOCK_MONOTONIC) - queued_ms();
}

static void sleep_as_told(const char *variable)
{
	const char *told = getenv(variable);
	long ms = told != NULL ? strtol(told, NULL, 10) : 0;
	struct timespec span = { ms / 1000, ms % 1000 * 1000000 };

	if (ms > 0) {
		nanosleep(&span, NULL);
	}
}

static void open_longest(void)
{
	int fd = open(getenv("TIME_TURNS"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, FIGURES * sizeof(double)) < 0) {
		abort();
	}
	longest = mmap(NULL, FIGURES * sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (longest == MAP_FAILED) {
		abort();
	}
}

static void read_clocks(double ret_now[static FIGURES])
{
	ret_now[CLOCK] = awake_ms() - synced;
	ret_now[OWN] = now_ms(CLOCK_THREAD_CPUTIME_ID);
	ret_now[SYNC] = synced;
}

/* Whether that is code of the program itself. */
static int is_ours(void *code)
{
	Dl_info at, program;

	return dladdr(code, &at) != 0 && dladdr((void *)getauxval(AT_ENTRY), &program) != 0 &&
	       at.dli_fbase == program.dli_fbase;
}

static void end_turn(void)
{
	double now[FIGURES];

	read_clocks(now);
	for (int i = 0; i < FIGURES; i++) {
		double took = now[i] - began[i];

		longest[i] = took > longest[i] ? took : longest[i];
	}
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	int (*real)(struct pollfd *, nfds_t,
	            int) = (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");

	if (!is_ours(__builtin_return_address(0))) {
		return real(fds, count, timeout);
	}
	if (longest == NULL) {
		open_longest();
		is_loop = 1;
	} else {
		end_turn();
	}
	int result = real(fds, count, timeout);

	read_clocks(began);
	sleep_as_told("PLANT_TURN_MS");
	return result;
}

static int synced_by(const char *name, int fd)
{
	double before = awake_ms();
	int result = ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);

	sleep_as_told("PLANT_SYNC_MS");
	if (is_loop) {
		synced += awake_ms() - before;
	}
	return result;
}

int fsync(int fd)
{
	return synced_by("fsync", fd);
}

int fdatasync(int fd)
{
	return synced_by("fdatasync", fd);
}
