/* SPDX-License-Identifier: MIT */
/*
 * The blocking calls about the owner: main password, authenticator, recovery codes, and the proof
 * of them. The caller's thread. What a callee puts into a secret of the caller's is there on
 * success alone, and what was there before is gone in any case.
 */
#include <string.h>

#include "client/client.h"

static void take_owner(const struct sparekey_answer *answer, void *ret)
{
	*(struct sparekey_owner *)ret = answer->owner;
}

int sparekey_owner(struct sparekey *sparekey, struct sparekey_owner *ret_owner)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_OWNER };

	return client_run(sparekey, &request, take_owner, ret_owner);
}

int sparekey_initialize(struct sparekey *sparekey, const struct sparekey_secret *main_password)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_INITIALIZE,
		                                  .secret = main_password };

	return client_run(sparekey, &request, NULL, NULL);
}

static void take_until(const struct sparekey_answer *answer, void *ret)
{
	*(int64_t *)ret = answer->valid_until;
}

int sparekey_authenticate(struct sparekey *sparekey, const struct sparekey_secret *main_password,
                          const struct sparekey_secret *code, int64_t *ret_valid_until)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_AUTHENTICATE,
		                                  .secret = main_password,
		                                  .code = code };
	int64_t unwanted = 0;

	return client_run(sparekey, &request, take_until,
	                  ret_valid_until != NULL ? ret_valid_until : &unwanted);
}

static int run(struct sparekey *sparekey, enum sparekey_operation operation)
{
	const struct sparekey_request request = { .operation = operation };

	return client_run(sparekey, &request, NULL, NULL);
}

int sparekey_lock(struct sparekey *sparekey)
{
	return run(sparekey, SPAREKEY_OP_LOCK);
}

int sparekey_remove_totp(struct sparekey *sparekey)
{
	return run(sparekey, SPAREKEY_OP_REMOVE_TOTP);
}

int sparekey_erase(struct sparekey *sparekey)
{
	return run(sparekey, SPAREKEY_OP_ERASE);
}

int sparekey_change_main_password(struct sparekey *sparekey,
                                  const struct sparekey_secret *new_password, bool revoke)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_CHANGE_MAIN_PASSWORD,
		                                  .secret = new_password,
		                                  .revoke = revoke };

	return client_run(sparekey, &request, NULL, NULL);
}

int sparekey_confirm_totp(struct sparekey *sparekey, const char *code)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_CONFIRM_TOTP,
		                                  .name = code };

	return client_run(sparekey, &request, NULL, NULL);
}

/* It fits: no more is taken in than a secret may hold. */
static void take_secret(const struct sparekey_answer *answer, void *ret)
{
	sparekey_secret_set(ret, sparekey_secret_text(answer->secret),
	                    sparekey_secret_length(answer->secret));
}

static int run_for_secret(struct sparekey *sparekey, enum sparekey_operation operation,
                          struct sparekey_secret *ret_secret)
{
	const struct sparekey_request request = { .operation = operation };

	secret_clear(client_secret(ret_secret));
	return client_run(sparekey, &request, take_secret, ret_secret);
}

int sparekey_enroll_totp(struct sparekey *sparekey, struct sparekey_secret *ret_uri)
{
	return run_for_secret(sparekey, SPAREKEY_OP_ENROLL_TOTP, ret_uri);
}

int sparekey_generate_codes(struct sparekey *sparekey, struct sparekey_secret *ret_codes)
{
	return run_for_secret(sparekey, SPAREKEY_OP_GENERATE_CODES, ret_codes);
}
