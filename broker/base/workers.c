/* SPDX-License-Identifier: MIT */
/*
 * The worker pool, the only place that starts threads. The loop thread owns the pool; workers share
 * the two queues under one lock and tell the loop by an eventfd. Threads start with the first job:
 * an idle broker has none.
 */
#include "base/workers.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)256 * 1024)

struct queue {
	struct job *first;
	struct job *last;
};

struct workers {
	struct loop *loop;
	unsigned int count;
	unsigned int rest_ms;
	void (*rest)(void);
	unsigned int started; /* threads that run */
	unsigned int pending;
	int event_fd;
	struct loop_watch *watch;
	pthread_t *threads;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t wake;
	struct queue waiting;
	struct queue finished;
	bool is_stopping;
};

static void queue_put(struct queue *queue, struct job *job)
{
	job->next = NULL;
	if (queue->last == NULL) {
		queue->first = job;
	} else {
		queue->last->next = job;
	}
	queue->last = job;
}

static struct job *queue_take(struct queue *queue)
{
	struct job *job = queue->first;

	if (job != NULL) {
		queue->first = job->next;
		if (queue->first == NULL) {
			queue->last = NULL;
		}
	}
	return job;
}

static struct timespec in_ms(unsigned int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* Under the lock: the next job, or NULL to end. Rests once when nothing has come for a while. */
static struct job *next_job(struct workers *workers, bool has_worked)
{
	struct timespec until = in_ms(workers->rest_ms);
	bool is_fresh = has_worked && workers->rest != NULL;

	while (workers->waiting.first == NULL && !workers->is_stopping) {
		if (!is_fresh) {
			pthread_cond_wait(&workers->wake, &workers->lock);
		} else if (pthread_cond_timedwait(&workers->wake, &workers->lock, &until) ==
		           ETIMEDOUT) {
			is_fresh = false;
			pthread_mutex_unlock(&workers->lock);
			workers->rest();
			pthread_mutex_lock(&workers->lock);
		}
	}
	return workers->is_stopping ? NULL : queue_take(&workers->waiting);
}

static void tell(const struct workers *workers)
{
	uint64_t one = 1;

	/* Otherwise it can only fail when the counter is full: then the loop is told already. */
	while (write(workers->event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
	}
}

static void *work(void *data)
{
	struct workers *workers = data;
	bool has_worked = false;

	pthread_mutex_lock(&workers->lock);
	for (struct job *job = next_job(workers, false); job != NULL;
	     job = next_job(workers, has_worked)) {
		pthread_mutex_unlock(&workers->lock);
		job->run(job);
		has_worked = true;
		pthread_mutex_lock(&workers->lock);
		queue_put(&workers->finished, job);
		tell(workers);
	}
	pthread_mutex_unlock(&workers->lock);
	if (workers->rest != NULL) {
		workers->rest();
	}
	return NULL;
}

/* On the loop: hands out what is done, one at a time, so that `done` may submit again. */
static void hand_out(struct workers *workers)
{
	for (;;) {
		pthread_mutex_lock(&workers->lock);
		struct job *job = queue_take(&workers->finished);

		pthread_mutex_unlock(&workers->lock);
		if (job == NULL) {
			return;
		}
		workers->pending--;
		job->done(job);
	}
}

static void finished_ready(void *data, short revents)
{
	struct workers *workers = data;
	uint64_t count = 0;

	(void)revents;
	if (read(workers->event_fd, &count, sizeof(count)) > 0) {
		hand_out(workers);
	}
}

static int start_tools(struct workers *workers)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&workers->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&workers->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	workers->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->event_fd < 0) {
		return -errno;
	}
	return loop_watch_new(workers->loop, workers->event_fd, POLLIN, finished_ready, workers,
	                      &workers->watch);
}

int workers_new(struct loop *loop, unsigned int count, unsigned int rest_ms, void (*rest)(void),
                struct workers **ret_workers)
{
	struct workers *workers = calloc(1, sizeof(*workers));

	if (workers == NULL) {
		return -ENOMEM;
	}
	*workers = (struct workers){
		.loop = loop, .count = count, .rest_ms = rest_ms, .rest = rest, .event_fd = -1
	};
	int result = start_tools(workers);

	workers->threads = calloc(count, sizeof(*workers->threads));
	if (result == 0 && workers->threads == NULL) {
		result = -ENOMEM;
	}
	if (result < 0) {
		workers_free(workers);
		return result;
	}
	*ret_workers = workers;
	return 0;
}

static void start_threads(struct workers *workers)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (workers->started < workers->count &&
	       pthread_create(&workers->threads[workers->started], &attributes, work, workers) ==
	               0) {
		workers->started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}

int workers_submit(struct workers *workers, struct job *job)
{
	if (workers->started < workers->count) {
		start_threads(workers);
	}
	if (workers->started == 0) {
		return -EAGAIN;
	}
	job->cancelled = false;
	workers->pending++;
	pthread_mutex_lock(&workers->lock);
	queue_put(&workers->waiting, job);
	pthread_cond_signal(&workers->wake);
	pthread_mutex_unlock(&workers->lock);
	return 0;
}

unsigned int workers_pending(const struct workers *workers)
{
	return workers->pending;
}

static void stop_threads(struct workers *workers)
{
	pthread_mutex_lock(&workers->lock);
	workers->is_stopping = true;
	pthread_cond_broadcast(&workers->wake);
	pthread_mutex_unlock(&workers->lock);
	while (workers->started > 0) {
		pthread_join(workers->threads[--workers->started], NULL);
	}
}

struct workers *workers_free(struct workers *workers)
{
	if (workers == NULL) {
		return NULL;
	}
	stop_threads(workers);
	for (struct job *job = queue_take(&workers->waiting); job != NULL;
	     job = queue_take(&workers->waiting)) {
		job->cancelled = true;
		queue_put(&workers->finished, job);
	}
	workers->count = 0; /* a `done` that submits again is told -EAGAIN */
	hand_out(workers);
	workers->watch = loop_watch_free(workers->watch);
	if (workers->event_fd >= 0) {
		close(workers->event_fd);
	}
	pthread_cond_destroy(&workers->wake);
	pthread_mutex_destroy(&workers->lock);
	free(workers->threads);
	free(workers);
	return NULL;
}
