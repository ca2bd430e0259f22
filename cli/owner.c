/* SPDX-License-Identifier: MIT */
/*
 * What the commands about the owner share: what is set up, how it is told, the proof they need, and
 * a new main password.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define FEW_CODES 2u

int owner_get(struct cli *cli, struct sparekey_owner *ret_owner)
{
	int code = cli_connect(cli);

	return code == 0 ? say_result(cli, sparekey_owner(cli->sparekey, ret_owner)) : code;
}

int owner_prove(struct cli *cli, const struct sparekey_owner *owner)
{
	return prove(cli, !owner->initialized ? SPAREKEY_NOT_INITIALIZED
	                  : owner->second_factor == SPAREKEY_FACTOR_TOTP
	                          ? SPAREKEY_SECOND_FACTOR_REQUIRED
	                          : SPAREKEY_AUTHENTICATION_REQUIRED);
}

void owner_say_codes(struct cli *cli)
{
	struct sparekey_owner owner;

	if (sparekey_owner(cli->sparekey, &owner) != 0 ||
	    owner.second_factor != SPAREKEY_FACTOR_TOTP || owner.recovery_codes_left > FEW_CODES) {
		return;
	}
	fflush(stdout);
	say_hint(cli, "%u recovery code%s left. To make new ones: sparekey factor codes",
	         owner.recovery_codes_left, owner.recovery_codes_left == 1 ? " is" : "s are");
}

const char *owner_factor(const struct sparekey_owner *owner)
{
	switch (owner->second_factor) {
	case SPAREKEY_FACTOR_NONE:
		return "none";
	case SPAREKEY_FACTOR_TOTP:
		return "totp";
	default:
		return "other";
	}
}

int owner_say(struct cli *cli, const char *text)
{
	struct sparekey_owner owner;
	int code = 0;

	if (!cli->json && !cli->plain) {
		say_done(cli, "%s", text);
		return say_end(0);
	}
	code = owner_get(cli, &owner);
	if (code != 0) {
		return code;
	}
	if (cli->json) {
		code = output_json(json_pack("{s:b, s:s, s:i}", "set_up", (int)owner.initialized,
		                             "second_factor", owner_factor(&owner),
		                             "recovery_codes_left", (int)owner.recovery_codes_left),
		                   0);
	} else {
		printf("%s\t%s\t%u\n", owner.initialized ? "true" : "false", owner_factor(&owner),
		       owner.recovery_codes_left);
	}
	return say_end(code);
}

/* Twice on the terminal, since nobody sees what is typed; once from a descriptor. */
static int read_new(struct cli *cli, int fd, const char *prompt, struct sparekey_secret *first,
                    struct sparekey_secret *second)
{
	if (fd >= 0) {
		int result = sparekey_secret_read(first, fd);

		return result == -EMSGSIZE
		               ? say_error(EXIT_BAD_DATA, NULL, "the main password is too long")
		               : say_result(cli, result);
	}
	for (unsigned int tries = 0; tries < PROOF_TRIES; tries++) {
		int code = term_ask_secret(cli, prompt, first);

		code = code == 0 ? term_ask_secret(cli, "Once more: ", second) : code;
		if (code != 0 || (sparekey_secret_length(first) == sparekey_secret_length(second) &&
		                  memcmp(sparekey_secret_text(first), sparekey_secret_text(second),
		                         sparekey_secret_length(first)) == 0)) {
			return code;
		}
		say_error(EXIT_NO, NULL, "the two are not the same");
	}
	return EXIT_NO;
}

int owner_say_set(const struct cli *cli, int result)
{
	if (result != SPAREKEY_INVALID_MAIN_PASSWORD) {
		return say_result(cli, result);
	}
	say_result_with(cli, result, "Six words that nobody would guess will do.");
	return SET_AGAIN;
}

static int set_one(struct cli *cli, int fd, const char *prompt, set_password_fn *set, void *data,
                   struct sparekey_secret *secrets[2])
{
	for (unsigned int tries = 1;; tries++) {
		int code = read_new(cli, fd, prompt, secrets[0], secrets[1]);

		code = code == 0 ? set(cli, secrets[0], data) : code;
		if (code != SET_AGAIN) {
			return code;
		}
		if (fd >= 0 || tries >= PROOF_TRIES) {
			return EXIT_BAD_DATA;
		}
	}
}

int owner_set_password(struct cli *cli, int fd, const char *prompt, set_password_fn *set,
                       void *data)
{
	struct sparekey_secret *secrets[2] = { NULL, NULL };
	int code = EXIT_BUG;

	if (sparekey_secret_new(&secrets[0]) != 0 || sparekey_secret_new(&secrets[1]) != 0) {
		code = say_no_memory();
	} else {
		code = set_one(cli, fd, prompt, set, data, secrets);
	}
	sparekey_secret_free(secrets[0]);
	sparekey_secret_free(secrets[1]);
	return code;
}
