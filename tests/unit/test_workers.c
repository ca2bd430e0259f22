/* SPDX-License-Identifier: MIT */
/* The worker pool: every job is run once and told once, or cancelled and told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/list.h"
#include "base/workers.h"

#define JOBS 5000u

struct task {
	struct job job;
	unsigned int *done;
	unsigned int value;
	unsigned int runs;
};

static void run(struct job *job)
{
	struct task *task = list_entry(job, struct task, job);

	task->runs++;
	task->value *= 2;
}

static void slow(struct job *job)
{
	usleep(2000);
	run(job);
}

static void done(struct job *job)
{
	(*list_entry(job, struct task, job)->done)++;
}

static void every_job_is_run_and_told_once(void **state)
{
	static struct task tasks[JOBS];
	struct loop *loop = NULL;
	struct workers *workers = NULL;
	unsigned int told = 0;

	(void)state;
	assert_int_equal(loop_new(clock_system(), &loop), 0);
	assert_int_equal(workers_new(loop, 4, 1000, NULL, &workers), 0);
	for (unsigned int i = 0; i < JOBS; i++) {
		tasks[i] = (struct task){ .job = { .run = run, .done = done },
			                  .done = &told,
			                  .value = i };
		assert_int_equal(workers_submit(workers, &tasks[i].job), 0);
	}
	while (told < JOBS) {
		assert_int_equal(loop_turn(loop, 1000), 0);
	}
	for (unsigned int i = 0; i < JOBS; i++) {
		assert_int_equal(tasks[i].runs, 1);
		assert_int_equal(tasks[i].value, 2 * i);
	}
	assert_int_equal(workers_pending(workers), 0);
	workers = workers_free(workers);
	loop_free(loop);
}

static void jobs_left_at_the_end_are_cancelled_and_told(void **state)
{
	static struct task tasks[100];
	struct loop *loop = NULL;
	struct workers *workers = NULL;
	unsigned int told = 0;
	unsigned int cancelled = 0;

	(void)state;
	assert_int_equal(loop_new(clock_system(), &loop), 0);
	assert_int_equal(workers_new(loop, 1, 1000, NULL, &workers), 0);
	for (unsigned int i = 0; i < 100; i++) {
		tasks[i] = (struct task){ .job = { .run = slow, .done = done }, .done = &told };
		assert_int_equal(workers_submit(workers, &tasks[i].job), 0);
	}
	workers = workers_free(workers);
	assert_int_equal(told, 100);
	for (unsigned int i = 0; i < 100; i++) {
		cancelled += tasks[i].job.cancelled ? 1 : 0;
		assert_int_equal(tasks[i].runs, tasks[i].job.cancelled ? 0 : 1);
	}
	assert_true(cancelled > 0);
	loop_free(loop);
}

/* Signals are the loop's: a worker takes none of them. */
static void look_at_signals(struct job *job)
{
	struct task *task = list_entry(job, struct task, job);
	sigset_t blocked;

	sigemptyset(&blocked);
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	task->value =
		(unsigned int)(sigismember(&blocked, SIGTERM) + sigismember(&blocked, SIGINT) +
	                       sigismember(&blocked, SIGCHLD) + sigismember(&blocked, SIGALRM));
}

static void workers_block_signals(void **state)
{
	struct loop *loop = NULL;
	struct workers *workers = NULL;
	unsigned int told = 0;
	struct task task = { .job = { .run = look_at_signals, .done = done }, .done = &told };
	sigset_t blocked;

	(void)state;
	assert_int_equal(loop_new(clock_system(), &loop), 0);
	assert_int_equal(workers_new(loop, 1, 1000, NULL, &workers), 0);
	assert_int_equal(workers_submit(workers, &task.job), 0);
	while (told == 0) {
		assert_int_equal(loop_turn(loop, 1000), 0);
	}
	assert_int_equal(task.value, 4);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
	assert_int_equal(sigismember(&blocked, SIGTERM), 0); /* but the loop still gets them */
	workers_free(workers);
	loop_free(loop);
}

struct follow_up {
	struct task task;
	struct workers **workers;
	int result;
};

static void submit_again(struct job *job)
{
	struct task *task = list_entry(job, struct task, job);
	struct follow_up *follow_up = list_entry(task, struct follow_up, task);

	done(job);
	follow_up->result = workers_submit(*follow_up->workers, job);
}

/* Whoever wants to go on while the pool is being freed is told that there is no thread any more. */
static void no_job_is_taken_while_the_pool_is_freed(void **state)
{
	struct loop *loop = NULL;
	struct workers *workers = NULL;
	unsigned int told = 0;
	struct follow_up follow_up = { .task = { .job = { .run = run, .done = submit_again },
		                                 .done = &told },
		                       .workers = &workers };

	(void)state;
	assert_int_equal(loop_new(clock_system(), &loop), 0);
	assert_int_equal(workers_new(loop, 1, 1000, NULL, &workers), 0);
	assert_int_equal(workers_submit(workers, &follow_up.task.job), 0);
	assert_int_equal(workers_pending(workers), 1);
	workers_free(workers);
	assert_int_equal(told, 1);
	assert_int_equal(follow_up.result, -EAGAIN);
	loop_free(loop);
}

static int rest_pipe[2];

static void rest(void)
{
	if (write(rest_pipe[1], "r", 1) != 1) {
		return;
	}
}

static void an_idle_worker_rests_once(void **state)
{
	struct loop *loop = NULL;
	struct workers *workers = NULL;
	unsigned int told = 0;
	struct task task = { .job = { .run = run, .done = done }, .done = &told };
	char letters[4];

	(void)state;
	assert_int_equal(pipe(rest_pipe), 0);
	assert_int_equal(loop_new(clock_system(), &loop), 0);
	assert_int_equal(workers_new(loop, 1, 20, rest, &workers), 0);
	assert_int_equal(workers_submit(workers, &task.job), 0);
	assert_int_equal(read(rest_pipe[0], letters, 1), 1);
	usleep(100000);
	workers = workers_free(workers); /* rests once more at its end */
	assert_int_equal(read(rest_pipe[0], letters, sizeof(letters)), 1);
	assert_int_equal(told, 1);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_is_run_and_told_once),
		cmocka_unit_test(jobs_left_at_the_end_are_cancelled_and_told),
		cmocka_unit_test(workers_block_signals),
		cmocka_unit_test(no_job_is_taken_while_the_pool_is_freed),
		cmocka_unit_test(an_idle_worker_rests_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
