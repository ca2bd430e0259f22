/* SPDX-License-Identifier: MIT */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

/*
 * A pool of threads for work that must not hold up the loop. The only place that starts threads;
 * they block every signal. A job owns what it works on, and touches no log, store, bus or clock.
 * Threads start with the first job, all of them at once.
 */
struct job {
	void (*run)(struct job *job);  /* on a worker */
	void (*done)(struct job *job); /* on the loop, once, after run or after being cancelled; may
	                                  free the job */
	bool cancelled;                /* run was never called: the pool was stopped before */
	struct job *next;              /* the pool's own */
};

struct workers;

/* `count` threads; `rest()` is called on a worker that had nothing to do for `rest_ms` milliseconds
 * since its last job, once until its next job (to give memory back). May be NULL. Returns 0,
 * -ENOMEM, or -errno of eventfd. */
int workers_new(struct loop *loop, unsigned int count, unsigned int rest_ms, void (*rest)(void),
                struct workers **ret_workers);
/* Ends the threads (jobs that run are waited for, queued ones are cancelled), calls `done` of every
 * job left, frees. */
struct workers *workers_free(struct workers *workers);

/* Queues a job, first come first served. Returns 0, or -EAGAIN if no thread could be started; then
 * the job is the caller's. */
int workers_submit(struct workers *workers, struct job *job);
/* Jobs queued or running, or done but not told yet. */
unsigned int workers_pending(const struct workers *workers);

#endif
