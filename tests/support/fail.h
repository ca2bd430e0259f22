/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_FAIL_H
#define SUPPORT_FAIL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What fail-alloc.c and fail-call.c share with the test: a file of these words, named by
 * FAIL_CONTROL and mapped by both sides, so that a process that has long started is armed and
 * disarmed without it noticing. tests/integration/faults.py writes it.
 */
struct fail_control {
	_Atomic uint32_t left;   /* calls until the one that fails; 0: none fails */
	_Atomic uint32_t sticky; /* all after that one fail too */
	_Atomic uint32_t met;    /* how many have failed */
	_Atomic uint32_t error;  /* fail-call.c: which errno; only calls that can give it count */
	_Atomic uint32_t trace;  /* say on stderr where it was */
	char name[44];           /* the one that failed first */
};

/* Whether this call is the one. `name` must outlive the process. */
bool fail_now(struct fail_control *control, const char *name);
/* The words of FAIL_CONTROL, or NULL. */
struct fail_control *fail_control(void);

#endif
