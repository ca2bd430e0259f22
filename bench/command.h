/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * What the timed programs share. Each is told on stdin what to do, one line at a time, and answers
 * with one line: so that a script can have several of them take turns, and its own time is in none
 * of the figures.
 */
#define COMMAND_WORDS 4

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

_Noreturn static inline void give_up(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* The words of the next line, "" for those that are missing; 0 at the end of the input. */
static inline int next_command(char line[static 512], const char *ret_words[COMMAND_WORDS])
{
	char *rest = line;

	if (fgets(line, 512, stdin) == NULL) {
		return 0;
	}
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < COMMAND_WORDS; i++) {
		char *word = strsep(&rest, " ");

		ret_words[i] = word != NULL ? word : "";
	}
	return 1;
}

static inline unsigned int count_of(const char *word)
{
	unsigned long count = strtoul(word, NULL, 10);

	return count > 0 ? (unsigned int)count : 1;
}

/* The mean of `count` runs since `start`, and what else there is to say. */
static inline void answer(uint64_t start, unsigned int count, const char *more)
{
	uint64_t spent = now_ns() - start;

	printf("%llu %s\n", (unsigned long long)(spent / count), more);
	fflush(stdout);
}

#endif
