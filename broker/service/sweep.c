/* SPDX-License-Identifier: MIT */
/*
 * Ends what has expired: at start, and when the next one is due. Loop thread. Verification looks at
 * the time itself, so a sweep that is late, or impossible on a store that cannot be written, lets
 * nothing in.
 */
#include <errno.h>
#include <stdlib.h>

#include "service/internal.h"
#include "sparekey.h"

#define SWEEP_MOST 64u         /* in one transaction */
#define SWEEP_BUSY_MS 50u      /* again after another process had the store */
#define SWEEP_FAILED_MS 60000u /* again after any other failure */
#define SWEEP_LATEST_MS 60000u /* the wall clock may be set meanwhile, and poll(2) stops asleep */

struct due {
	unsigned int count;
	struct store_password *rows; /* id "": somebody else has ended it, or it has not expired */
};

static int due_row(void *data, const struct store_password *password)
{
	struct due *due = data;

	due->rows[due->count++] = *password;
	return 0;
}

/* Between the walk and the transaction another process may have ended it. */
static int end_due(struct service *service, struct store_password *row)
{
	struct store_password now;
	int result = store_password_get(service->store, row->id, &now);

	if (result == SPAREKEY_UNKNOWN_OBJECT || (result == 0 && service_is_live(service, &now))) {
		row->id[0] = '\0';
		return 0;
	}
	if (result == 0) {
		result = store_password_delete(service->store, row->id);
	}
	return result == 0 ? journal_append(service, "expired", row) : result;
}

static int end_all(struct service *service, void *data)
{
	const struct due *due = data;
	int result = 0;

	for (unsigned int i = 0; i < due->count && result == 0; i++) {
		if (due->rows[i].id[0] != '\0') {
			result = end_due(service, &due->rows[i]);
		}
	}
	return result;
}

/* Ends so many of those that have expired. */
static int sweep(struct service *service, bool *ret_has_more)
{
	struct due due = { 0, calloc(SWEEP_MOST, sizeof(*due.rows)) };

	if (due.rows == NULL) {
		return -ENOMEM;
	}
	int result = store_password_each_expired(service->store, service_now(service), SWEEP_MOST,
	                                         due_row, &due);

	if (result == 0 && due.count > 0) {
		result = service_revoke(service, end_all, &due);
	}
	for (unsigned int i = 0; result == 0 && i < due.count; i++) {
		if (due.rows[i].id[0] != '\0') {
			news_ended(service->news, due.rows[i].id, due.rows[i].label, ENDED_EXPIRED);
		}
	}
	*ret_has_more = result == 0 && due.count == SWEEP_MOST;
	free(due.rows);
	return result;
}

static void plan_again(struct service *service, int result)
{
	loop_timer_set(service->sweep, result == -EBUSY ? SWEEP_BUSY_MS : SWEEP_FAILED_MS);
}

/* Sets the timer for the next one that will expire; as long as nobody can say when, for a later
 * try. */
void sweep_plan(struct service *service)
{
	int64_t now = service_now(service);
	int64_t at = 0;
	int result = 0;

	if (service->sweeps_on) {
		loop_timer_set(service->sweep, 0);
		return;
	}
	result = store_next_expiry(service->store, now - 1, &at);
	if (result < 0) {
		plan_again(service, result);
	}
	if (result != 0 || at == 0) {
		return;
	}
	uint64_t wait_ms = at > now ? (uint64_t)(at - now) * 1000u : 0;

	loop_timer_set(service->sweep, wait_ms < SWEEP_LATEST_MS ? wait_ms : SWEEP_LATEST_MS);
}

void sweep_due(void *data)
{
	struct service *service = data;
	int result = -EBUSY;

	service->sweeps_on = false;
	if (service->writer == NULL) {
		result = sweep(service, &service->sweeps_on);
	}
	if (result == -ESTALE) {
		result = store_open(service->store) < 0 ? result : -EBUSY;
	}
	if (result < 0) {
		plan_again(service, result);
	} else {
		sweep_plan(service);
	}
}
