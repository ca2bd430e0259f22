/* SPDX-License-Identifier: MIT */
/*
 * The way to the workers: no more at once than there are workers, and the callers in turn, so that
 * a flood from one costs another the hash that runs and its own. Loop thread. Refused: handing the
 * workers everything at once, whose queue is first come, first served.
 *
 * A lane lives only while its caller has requests waiting, so lanes are bounded by the calls, and
 * its name is that of a caller who is still there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/argon2id.h"
#include "service/internal.h"
#include "sparekey.h"

/* gcc's analyzer loses sight of a lane once it hangs on the list, and calls it leaked. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct lane {
	struct lane *next;
	const char *caller;
	struct list waiting; /* requests, by their `link` */
};

static void hash_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);

	request->hashed = argon2id_hash(request->secret, &request->phc.cost, request->phc.salt,
	                                request->phc.tag);
}

static void compare_run(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);

	request->hashed = argon2id_check(request->secret, &request->phc);
}

/* Where the lane of a caller is, or belongs: behind all others. */
static struct lane **find_lane(struct service *service, const char *caller)
{
	struct lane **at = &service->lanes;

	while (*at != NULL && (caller == NULL || strcmp((*at)->caller, caller) != 0)) {
		at = &(*at)->next;
	}
	return at;
}

/* Puts a request behind the others of its caller. */
static int line_up(struct service *service, struct request *request)
{
	struct lane **at = find_lane(service, request->caller);

	if (*at == NULL) {
		struct lane *lane = calloc(1, sizeof(*lane));

		if (lane == NULL) {
			return -ENOMEM;
		}
		lane->caller = request->caller;
		list_start(&lane->waiting);
		*at = lane;
	}
	list_append(&(*at)->waiting, &request->link);
	return 0;
}

/* The first of the lane whose turn it is; the lane then stands behind the others, or is gone. */
static struct request *take_next(struct service *service)
{
	struct lane *lane = service->lanes;
	struct request *request = list_entry(lane->waiting.next, struct request, link);

	list_unlink(&request->link);
	service->lanes = lane->next;
	lane->next = NULL;
	if (list_empty(&lane->waiting)) {
		free(lane);
	} else {
		*find_lane(service, NULL) = lane;
	}
	return request;
}

/* Hands the workers what they can take. Whoever is gone by now needs no hash. */
static void pump(struct service *service)
{
	while (service->hashing < service->settings.workers && service->lanes != NULL) {
		struct request *request = take_next(service);
		int result = request->abandoned ? -ECANCELED
		                                : workers_submit(service->workers, &request->job);

		if (result < 0) {
			service_finish(service, request, result);
		} else {
			service->hashing++;
		}
	}
}

static void hash_done(struct job *job)
{
	struct request *request = list_entry(job, struct request, job);
	struct service *service = request->service;

	service->hashing--;
	if (job->cancelled || request->hashed < 0) {
		service_finish(service, request, job->cancelled ? -ECANCELED : request->hashed);
	} else {
		request->stage++;
		request->parked_until_ms = 0;
		service_step(service, request);
	}
	if (!service->stopping) {
		pump(service);
	}
}

int service_hash(struct service *service, struct request *request, bool compare)
{
	return service_work(service, request, compare ? compare_run : hash_run);
}

int service_work(struct service *service, struct request *request, void (*run)(struct job *job))
{
	int result = service->stopping ? -ECANCELED : line_up(service, request);

	if (result < 0) {
		return result;
	}
	request->job = (struct job){ .run = run, .done = hash_done };
	pump(service);
	return STEP_UNDER_WAY;
}

void hash_stop(struct service *service)
{
	while (service->lanes != NULL) {
		service_finish(service, take_next(service), -ECANCELED);
	}
}
