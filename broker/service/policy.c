/* SPDX-License-Identifier: MIT */
/*
 * What arguments may be, where that takes settings, the clock or the store. Loop thread. Nothing
 * here changes anything.
 */
#include <errno.h>
#include <string.h>

#include "protocol/label.h"
#include "service/internal.h"
#include "sparekey.h"

/* Times beyond this could not be added to without overflow, nor printed by every tool. */
#define LATEST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

int policy_expiry(const struct service *service, const struct request *request,
                  int64_t *ret_expires_at)
{
	int64_t now = service_now(service);
	uint64_t lifetime = service->settings.max_lifetime_s;
	uint64_t expires_at = request->in.expires_at;

	if (!request->in.has_expires_at) {
		*ret_expires_at = lifetime == 0 ? 0 : now + (int64_t)lifetime;
		return 0;
	}
	if (expires_at == 0 && lifetime == 0) {
		*ret_expires_at = 0;
		return 0;
	}
	if (expires_at > (uint64_t)LATEST || (int64_t)expires_at <= now) {
		return SPAREKEY_INVALID_EXPIRY;
	}
	if (lifetime != 0 && expires_at - (uint64_t)now > lifetime) {
		return SPAREKEY_INVALID_EXPIRY;
	}
	*ret_expires_at = (int64_t)expires_at;
	return 0;
}

int policy_scopes(const struct service *service, const struct request *request,
                  struct scope_set *ret_scopes)
{
	if (request->in.bad_scopes) {
		return SPAREKEY_INVALID_SCOPE;
	}
	*ret_scopes = request->in.has_scopes ? request->in.scopes
	                                     : service->settings.default_scopes;
	return 0;
}

int policy_label_free(struct service *service, const char *label, const char *account,
                      const char *own_id)
{
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	char id[24];
	int result = label_fold(label, key);

	if (result == 0) {
		result = store_password_find(service->store, key, account, service_now(service),
		                             id);
	}
	if (result == SPAREKEY_UNKNOWN_OBJECT) {
		return 0;
	}
	if (result == 0 && strcmp(id, own_id) != 0) {
		return SPAREKEY_LABEL_IN_USE;
	}
	return result;
}
