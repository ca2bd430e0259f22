/* SPDX-License-Identifier: MIT */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/loop.h"
#include "protocol/secret.h"
#include "service/request.h"
#include "service/settings.h"
#include "store/store.h"

/*
 * The decisions: what is made, verified, changed and ended, and what is told about it. Loop thread
 * only; Argon2 runs on workers.
 */
enum ended_reason { ENDED_REVOKED = 1, ENDED_REVOKED_WITH_OTHERS = 2, ENDED_EXPIRED = 3 };

enum changed_property {
	CHANGED_LABEL = 1,
	CHANGED_SCOPES = 2,
	CHANGED_STATE = 4,
	CHANGED_EXPIRES_AT = 8
};

/* What the bus is told, so that it can tell others. Set once by service_listen. */
struct service_listener {
	void (*created)(void *data, const struct store_password *password);
	void (*ended)(void *data, const char *id, const char *label, enum ended_reason reason);
	void (*changed)(void *data, const struct store_password *password, unsigned int changed);
	void (*used)(void *data, const char *id);
	void (*verified)(void *data, const char *id, const char *scope, int64_t at);
	void (*failed)(void *data, const char *scope, int64_t at, uint32_t count);
	/* A caller holds a proof now, or does no more: whoever knows when he goes says so by
	 * service_forget. */
	void (*proof)(void *data, const char *caller, bool is_held);
	void (*owner)(void *data, const struct owner_state *owner);
	void (*events_added)(void *data, int64_t last_serial);
};

/* `store` and `pool` stay the caller's and must outlive it. 0, -ENOMEM, or -errno of the random
 * source. */
int service_new(struct loop *loop, const struct settings *settings, struct store *store,
                struct secret_pool *pool, struct service **ret_service);
/* Refuses what is parked, waits for hashes under way, writes what is gathered. */
struct service *service_free(struct service *service);
void service_listen(struct service *service, const struct service_listener *listener, void *data);

/* Takes a request; `done` is called at once or later, always once. */
void service_submit(struct service *service, struct request *request);
/* Ends every request that waits, with -ECANCELED, and admits nothing any more; then waits for the
 * hashes under way, whose requests end as they would have, and ends the workers. */
void service_drain(struct service *service);
/* Whether no request is under way and nothing waits to be written. */
bool service_idle(const struct service *service);
/* Whether a request would be admitted by what its caller has proved: 0 or the refusal. For a caller
 * whose secret is still to be read; it is asked again when it begins. */
int service_admit(struct service *service, struct request *request);
/* The caller is gone: his proof ends. */
void service_forget(struct service *service, const char *caller);
const struct settings *service_settings(const struct service *service);

#endif
