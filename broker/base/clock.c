/* SPDX-License-Identifier: MIT */
/*
 * The system's clocks. Any thread. clock_gettime cannot fail for these two.
 *
 * What is kept or waited for so long counts the time a machine sleeps: CLOCK_BOOTTIME. poll(2) does
 * not, so a timer may be late by the sleep that came between; whoever minds sets a nearer one.
 */
#include "base/clock.h"

#include <time.h>

static int64_t wall_s(const struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec;
}

static uint64_t monotonic_ms(const struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

const struct clock *clock_system(void)
{
	static const struct clock clock = { wall_s, monotonic_ms };

	return &clock;
}
