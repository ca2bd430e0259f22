/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Time, so that tests can turn it. Held by pointer; stateless for the system's own. */
struct clock {
	int64_t (*wall_s)(const struct clock *clock); /* seconds since 1970-01-01 UTC */
	uint64_t (*monotonic_ms)(
		const struct clock *clock); /* milliseconds since some start, never back */
};

const struct clock *clock_system(void);

#endif
