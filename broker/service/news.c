/* SPDX-License-Identifier: MIT */
/*
 * What listeners are told, at the rates of the contract: PasswordVerified once a minute for each
 * password and scope, VerificationFailed once in ten seconds, EventsAdded once a second; the last
 * two are told late rather than dropped. Loop thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/internal.h"

#define VERIFIED_MS 60000u
#define FAILED_MS 10000u
#define EVENTS_MS 1000u
#define TOLD 256u /* passwords and scopes remembered; a forgotten one is told again */

struct told {
	char id[PASSWORD_ID + 1];
	char scope[LIMIT_SCOPE_BYTES + 1];
	uint64_t at_ms;
};

struct news {
	struct service *service; /* the owner */
	const struct service_listener *listener;
	void *data;
	struct told told[TOLD];
	unsigned int next;
	struct loop_timer *failed; /* set: told within the last ten seconds */
	uint32_t failures;
	char failed_scope[LIMIT_SCOPE_BYTES + 1];
	int64_t failed_at;
	struct loop_timer *events; /* set: told within the last second */
	int64_t serial;
	int64_t serial_told;
};

static void tell_failures(struct news *news)
{
	if (news->failures == 0 || news->listener == NULL) {
		return;
	}
	news->listener->failed(news->data, news->failed_scope, news->failed_at, news->failures);
	news->failures = 0;
	loop_timer_set(news->failed, FAILED_MS);
}

static void tell_events(struct news *news)
{
	if (news->serial <= news->serial_told || news->listener == NULL) {
		return;
	}
	news->serial_told = news->serial;
	news->listener->events_added(news->data, news->serial);
	loop_timer_set(news->events, EVENTS_MS);
}

static void failed_due(void *data)
{
	tell_failures(data);
}

static void events_due(void *data)
{
	tell_events(data);
}

int news_new(struct service *service, struct news **ret_news)
{
	struct news *news = calloc(1, sizeof(*news));

	if (news == NULL) {
		return -ENOMEM;
	}
	news->service = service;
	int result = loop_timer_new(service->loop, failed_due, news, &news->failed);

	if (result == 0) {
		result = loop_timer_new(service->loop, events_due, news, &news->events);
	}
	if (result < 0) {
		news_free(news);
		return result;
	}
	*ret_news = news;
	return 0;
}

struct news *news_free(struct news *news)
{
	if (news == NULL) {
		return NULL;
	}
	news->failed = loop_timer_free(news->failed);
	news->events = loop_timer_free(news->events);
	free(news);
	return NULL;
}

void news_listen(struct news *news, const struct service_listener *listener, void *data)
{
	news->listener = listener;
	news->data = data;
}

void news_created(struct news *news, const struct store_password *password)
{
	if (news->listener != NULL) {
		news->listener->created(news->data, password);
	}
}

void news_ended(struct news *news, const char *id, const char *label, enum ended_reason reason)
{
	if (news->listener != NULL) {
		news->listener->ended(news->data, id, label, reason);
	}
}

void news_changed(struct news *news, const struct store_password *password, unsigned int changed)
{
	if (news->listener != NULL) {
		news->listener->changed(news->data, password, changed);
	}
}

void news_used(struct news *news, const char *id)
{
	if (news->listener != NULL) {
		news->listener->used(news->data, id);
	}
}

void news_proof(struct news *news, const char *caller, bool is_held)
{
	if (news->listener != NULL) {
		news->listener->proof(news->data, caller, is_held);
	}
}

void news_owner(struct news *news, const struct owner_state *owner)
{
	if (news->listener != NULL) {
		news->listener->owner(news->data, owner);
	}
}

static bool was_told(struct news *news, const char *id, const char *scope, uint64_t now_ms)
{
	for (unsigned int i = 0; i < TOLD; i++) {
		struct told *told = &news->told[i];

		if (strcmp(told->id, id) == 0 && strcmp(told->scope, scope) == 0) {
			bool recently = now_ms - told->at_ms < VERIFIED_MS;

			told->at_ms = recently ? told->at_ms : now_ms;
			return recently;
		}
	}
	struct told *told = &news->told[news->next++ % TOLD];

	snprintf(told->id, sizeof(told->id), "%.5s", id);
	snprintf(told->scope, sizeof(told->scope), "%s", scope);
	told->at_ms = now_ms;
	return false;
}

void news_verified(struct news *news, const char *id, const char *scope)
{
	if (news->listener != NULL && !was_told(news, id, scope, service_now_ms(news->service))) {
		news->listener->verified(news->data, id, scope, service_now(news->service));
	}
}

void news_failed(struct news *news, const char *scope)
{
	snprintf(news->failed_scope, sizeof(news->failed_scope), "%s", scope);
	news->failed_at = service_now(news->service);
	news->failures++;
	if (!loop_timer_is_set(news->failed)) {
		tell_failures(news);
	}
}

void news_events(struct news *news, int64_t last_serial)
{
	if (last_serial > news->serial) {
		news->serial = last_serial;
	}
	if (!loop_timer_is_set(news->events)) {
		tell_events(news);
	}
}
