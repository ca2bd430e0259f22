/* SPDX-License-Identifier: MIT */
/*
 * The owner's proof: main password and code, asked for only when the broker wants them, so that its
 * settings count and nothing here has to know them. They come from descriptors, read to their end,
 * or from the terminal; what is typed wrong is asked for again, what was read is not. The code is
 * asked for once the main password was right. Signals are taken meanwhile (ask.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define DIGITS 6u

struct proving {
	struct cli *cli;
	int why; /* what the broker said */
	struct sparekey_secret *main_password;
	struct sparekey_secret *code;
	bool is_typed; /* the last one: it can be asked for again */
};

bool wants_proof(int result)
{
	return result == SPAREKEY_NOT_INITIALIZED || result == SPAREKEY_AUTHENTICATION_REQUIRED ||
	       result == SPAREKEY_SECOND_FACTOR_REQUIRED ||
	       result == SPAREKEY_SECOND_FACTOR_NOT_ENROLLED;
}

static int say_missing(int why, const char *what, const char *option)
{
	char hint[80];

	snprintf(hint, sizeof(hint), "Give %s on a terminal, or by %s.", what, option);
	return say_error(EXIT_REFUSED, hint, "%s", sparekey_strerror(why));
}

/* To the end of a descriptor; once. */
static int read_fd(int *fd, const char *option, struct sparekey_secret *secret)
{
	int result = sparekey_secret_read(secret, *fd);

	*fd = FD_SPENT;
	if (result == -EMSGSIZE) {
		return say_error(EXIT_REFUSED, NULL, "what %s gives is too long", option);
	}
	return result == 0
	               ? 0
	               : say_error(EXIT_STORE, NULL, "%s: %s", option, sparekey_strerror(result));
}

static int get_main_password(struct proving *proving)
{
	struct cli *cli = proving->cli;

	proving->is_typed = cli->password_fd == FD_NONE;
	if (cli->password_fd >= 0) {
		return read_fd(&cli->password_fd, "--password-fd", proving->main_password);
	}
	if (!proving->is_typed || !term_can_ask(cli)) {
		return say_missing(proving->why, "it", "--password-fd");
	}
	return term_ask_secret(cli, "Main password: ", proving->main_password);
}

/* "123 456" is how some show it. */
static void close_gaps(struct sparekey_secret *code)
{
	const char *text = sparekey_secret_text(code);
	char digits[DIGITS];
	unsigned int count = 0;
	bool is_one = true;

	for (; *text != '\0' && is_one; text++) {
		if (*text >= '0' && *text <= '9' && count < DIGITS) {
			digits[count++] = *text;
		} else {
			is_one = *text == ' ';
		}
	}
	if (is_one && count == DIGITS) {
		sparekey_secret_set(code, digits, DIGITS);
	}
	explicit_bzero(digits, sizeof(digits));
}

/* Shown as it is typed: it is of no use once it was given. */
static int ask_code(struct cli *cli, struct sparekey_secret *ret_code)
{
	char line[128];
	int code = term_ask(cli, "Code: ", line, sizeof(line));

	if (code == 0 && sparekey_secret_set(ret_code, line, strlen(line)) < 0) {
		code = EXIT_BUG;
	}
	explicit_bzero(line, sizeof(line));
	return code == EXIT_NO ? say_error(EXIT_REFUSED, NULL, "no code was given") : code;
}

int prove_read_code(struct cli *cli, int why, struct sparekey_secret *ret_code)
{
	int code = 0;

	if (cli->code_fd >= 0) {
		code = read_fd(&cli->code_fd, "--code-fd", ret_code);
	} else if (cli->code_fd == FD_NONE && term_can_ask(cli)) {
		code = ask_code(cli, ret_code);
	} else {
		code = say_missing(why, "one", "--code-fd");
	}
	if (code == 0) {
		close_gaps(ret_code);
	}
	return code;
}

/* The result; -EINTR: a signal is to end. What is empty is wrong, and nobody need be asked. */
static int authenticate(struct proving *proving, bool with_code)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_AUTHENTICATE,
		                                  .secret = proving->main_password,
		                                  .code = with_code ? proving->code : NULL };
	struct signals signals;
	struct asking asking = { .cli = proving->cli, .signals = &signals };

	if (sparekey_secret_length(proving->main_password) == 0 ||
	    (with_code && sparekey_secret_length(proving->code) == 0)) {
		return SPAREKEY_AUTHENTICATION_FAILED;
	}
	int result = signals_hold(&signals);

	if (result == 0) {
		result = ask(&asking, &request, NULL, NULL);
		result = ask_signals(&asking) ? -EINTR : result;
		signals_release(&signals);
	}
	return result;
}

/* 0: ask again; or an exit code, said. */
static int say_wrong(const struct proving *proving, int result, unsigned int tries,
                     const char *what, const char *hint)
{
	bool is_last = !proving->is_typed || tries >= PROOF_TRIES;

	if (result == -EINTR) {
		return EXIT_INTERRUPTED;
	}
	if (result != SPAREKEY_AUTHENTICATION_FAILED) {
		return say_result(proving->cli, result);
	}
	say_error(EXIT_REFUSED, hint, "%s", what);
	return is_last ? EXIT_REFUSED : 0;
}

/* After the main password was right. */
static int give_code(struct proving *proving)
{
	for (unsigned int tries = 1;; tries++) {
		proving->is_typed = proving->cli->code_fd == FD_NONE;
		int code = prove_read_code(proving->cli, SPAREKEY_SECOND_FACTOR_REQUIRED,
		                           proving->code);

		if (code != 0) {
			return code;
		}
		int result = authenticate(proving, true);

		if (result == 0) {
			return 0;
		}
		code = say_wrong(proving, result, tries, "wrong code, or used before",
		                 "A code counts once: wait for the next one, or give a recovery "
		                 "code.");
		if (code != 0) {
			return code;
		}
	}
}

/* A code that comes by descriptor comes along at once: one evaluation fewer. */
static int get_both(struct proving *proving, bool has_code)
{
	int code = get_main_password(proving);

	if (code == 0 && has_code && proving->cli->code_fd >= 0) {
		code = prove_read_code(proving->cli, proving->why, proving->code);
	}
	return code;
}

/* Whether the main password was right and a code is still to come: the broker says so, or it is
 * content with less than what is to be done needs. */
static bool needs_code(const struct proving *proving, int result, bool has_code)
{
	return result == SPAREKEY_SECOND_FACTOR_REQUIRED ||
	       (result == 0 && !has_code && proving->why == SPAREKEY_SECOND_FACTOR_REQUIRED);
}

static int say_wrong_password(const struct proving *proving, int result, unsigned int tries,
                              bool has_code)
{
	bool is_last = !proving->is_typed || tries >= PROOF_TRIES;

	return say_wrong(proving, result, tries,
	                 has_code ? "wrong main password or code" : "wrong main password",
	                 is_last ? "Forgotten? What is left: sparekey help setup" : NULL);
}

static int give_both(struct proving *proving)
{
	bool has_code = proving->cli->code_fd >= 0;

	for (unsigned int tries = 1;; tries++) {
		int code = get_both(proving, has_code);

		if (code != 0) {
			return code;
		}
		int result = authenticate(proving, has_code);

		if (needs_code(proving, result, has_code)) {
			return give_code(proving);
		}
		if (result == 0) {
			return 0;
		}
		code = say_wrong_password(proving, result, tries, has_code);
		if (code != 0) {
			return code;
		}
	}
}

/* Told at once: a recovery code that is gone is not to be found out later. */
static void say_used(struct proving *proving)
{
	if (sparekey_secret_length(proving->code) > DIGITS) {
		owner_say_codes(proving->cli);
	}
}

int prove(struct cli *cli, int why)
{
	struct proving proving = { .cli = cli, .why = why };
	int code = EXIT_BUG;

	if (why == SPAREKEY_NOT_INITIALIZED || why == SPAREKEY_SECOND_FACTOR_NOT_ENROLLED) {
		return say_result(cli, why);
	}
	if (sparekey_secret_new(&proving.main_password) != 0 ||
	    sparekey_secret_new(&proving.code) != 0) {
		code = say_no_memory();
	} else {
		code = give_both(&proving);
	}
	if (code == 0) {
		say_used(&proving);
	}
	sparekey_secret_free(proving.main_password);
	sparekey_secret_free(proving.code);
	return code;
}
