/* SPDX-License-Identifier: MIT */
/*
 * Ends what has expired: at start, and when the next one is due. Loop thread. Verification looks at
 * the time itself, so a sweep that is late, or impossible on a store that cannot be written, lets
 * nothing in.
 */
#include <errno.h>
#include <stdlib.h>

#include "service/internal.h"

#define SWEEP_MOST 64u           /* in one transaction */
#define SWEEP_AGAIN_MS 1000u     /* after a failure, or with more to do */
#define SWEEP_LATEST_MS 3600000u /* the wall clock may be set meanwhile */

struct due {
	unsigned int count;
	struct store_password *rows;
};

static int due_row(void *data, const struct store_password *password)
{
	struct due *due = data;

	due->rows[due->count++] = *password;
	return due->count == SWEEP_MOST ? ENOBUFS : 0;
}

static int end_all(struct service *service, void *data)
{
	const struct due *due = data;
	int result = 0;

	for (unsigned int i = 0; i < due->count && result == 0; i++) {
		result = store_password_delete(service->store, due->rows[i].id);
		if (result == 0) {
			result = journal_append(service, "expired", &due->rows[i]);
		}
	}
	return result;
}

/* How many it has ended, or a fault. */
static int sweep(struct service *service)
{
	struct due due = { 0, calloc(SWEEP_MOST, sizeof(*due.rows)) };

	if (due.rows == NULL) {
		return -ENOMEM;
	}
	int result = store_password_each_expired(service->store, service_now(service), due_row,
	                                         &due);

	if (result == 0 || result == ENOBUFS) {
		result = due.count > 0 ? service_revoke(service, end_all, &due) : 0;
	}
	for (unsigned int i = 0; result == 0 && i < due.count; i++) {
		news_ended(service->news, due.rows[i].id, due.rows[i].label, ENDED_EXPIRED);
	}
	free(due.rows);
	return result == 0 ? (int)due.count : result;
}

/* Sets the timer for the next one that will expire. */
void sweep_plan(struct service *service)
{
	int64_t now = service_now(service);
	int64_t at = 0;

	if (service->sweeps_on) {
		loop_timer_set(service->sweep, 0);
		return;
	}
	if (store_next_expiry(service->store, now - 1, &at) != 0 || at == 0) {
		return;
	}
	uint64_t wait_ms = at > now ? (uint64_t)(at - now) * 1000u : 0;

	loop_timer_set(service->sweep, wait_ms < SWEEP_LATEST_MS ? wait_ms : SWEEP_LATEST_MS);
}

void sweep_due(void *data)
{
	struct service *service = data;
	int result = service->writer != NULL ? -EBUSY : sweep(service);

	service->sweeps_on = result == (int)SWEEP_MOST;
	sweep_plan(service);
	if (result < 0) {
		loop_timer_set(service->sweep,
		               result == -EBUSY ? SWEEP_AGAIN_MS / 20 : 60u * SWEEP_AGAIN_MS);
	}
}
