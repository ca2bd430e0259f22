/* SPDX-License-Identifier: MIT */
/*
 * sparekey setup: main password, authenticator, recovery codes, each step only if it has not been
 * taken before, so that what was broken off is gone on with; --erase: starting over.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cli/passphrase.h"

#define ERASE_WORD "erase"

static const struct option options[] = {
	{ "erase", no_argument, NULL, 'E' },
	{ "print", no_argument, NULL, 'p' },
	{ NULL, 0, NULL, 0 },
};

static bool write_passphrase(const struct page *page, unsigned int lines, unsigned int columns)
{
	(void)columns;
	return say_raw("A main password, if you like it: six words, drawn at random.\n\n    ") &&
	       sparekey_secret_write(page->data, STDOUT_FILENO) == 0 &&
	       say_raw("\n\nIt is asked for when an app password is made, and by nothing else.\n"
	               "The next question takes this one, or one of your own: 12 characters or "
	               "more.\n") &&
	       (lines == 0 || say_raw("Press Enter to go on."));
}

static int propose(struct cli *cli)
{
	struct sparekey_secret *words = NULL;
	struct signals signals;

	if (sparekey_secret_new(&words) != 0 || passphrase_draw(words) != 0 ||
	    signals_hold(&signals) < 0) {
		sparekey_secret_free(words);
		return say_no_memory();
	}
	struct page page = { .write = write_passphrase, .data = words };
	int code = screen_show(cli, &signals, &page, false);

	signals_release(&signals);
	sparekey_secret_free(words);
	return code == EXIT_STORE ? say_error(code, NULL, "the terminal cannot be written to")
	                          : code;
}

static int initialize(struct cli *cli, const struct sparekey_secret *password, void *data)
{
	(void)data;
	say_patience(cli, true);
	int result = sparekey_initialize(cli->sparekey, password);

	say_patience(cli, false);
	return owner_say_set(cli, result);
}

static int make_main_password(struct cli *cli)
{
	int fd = cli->password_fd;
	int code = 0;

	if (fd == FD_NONE && !term_can_ask(cli)) {
		return say_error(EXIT_REFUSED, "Give one on a terminal, or by --password-fd.",
		                 "a main password is needed");
	}
	if (fd == FD_NONE && isatty(STDOUT_FILENO)) {
		code = propose(cli);
	}
	cli->password_fd = fd == FD_NONE ? FD_NONE : FD_SPENT;
	return code == 0 ? owner_set_password(cli, fd, "Main password: ", initialize, NULL) : code;
}

static int set_up(struct cli *cli, struct sparekey_owner *owner, bool print)
{
	bool has_factor = owner->second_factor == SPAREKEY_FACTOR_TOTP;
	int code = 0;

	if (owner->initialized && has_factor && owner->recovery_codes_left > 0) {
		return owner_say(cli, "Everything is set up. To change it: sparekey passwd, "
		                      "sparekey factor\n");
	}
	code = factor_check_output(cli, print);
	if (code == 0 && owner->initialized) {
		code = owner_prove(cli, owner);
	} else if (code == 0) {
		code = make_main_password(cli);
	}
	if (code == 0 && !has_factor) {
		code = factor_enroll(cli, print);
	}
	if (code == 0 && owner->recovery_codes_left == 0) {
		code = factor_make_codes(cli, print);
	}
	if (code != 0 || print) {
		return code;
	}
	return owner_say(cli, "Everything is set up. To make an app password: sparekey new "
	                      "LABEL\n");
}

/* What cannot be taken back is typed, not nodded at. */
static int confirm_erase(struct cli *cli)
{
	char line[32];

	say_hint(cli, "This ends every app password and forgets main password, authenticator, "
	              "recovery codes and journal.");
	int code = term_ask(cli, "Type \"" ERASE_WORD "\" to go on: ", line, sizeof(line));

	if (code == EXIT_INTERRUPTED || (code == 0 && strcmp(line, ERASE_WORD) == 0)) {
		return code;
	}
	return say_error(EXIT_NO, NULL, "not that word: nothing was erased");
}

static int erase(struct cli *cli, const struct sparekey_owner *owner)
{
	if (!term_can_ask(cli)) {
		return say_error(EXIT_USAGE_ERROR, "Do it on a terminal. Nothing was erased.",
		                 "nobody can be asked whether all shall end");
	}
	int code = owner_prove(cli, owner);

	code = code == 0 ? confirm_erase(cli) : code;
	code = code == 0 ? say_result(cli, sparekey_erase(cli->sparekey)) : code;
	return code == 0 ? owner_say(cli, "Everything is erased. To begin anew: sparekey setup\n")
	                 : code;
}

int setup_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_owner owner;
	bool print = false;
	bool is_erasing = false;
	int letter = 0;

	while ((letter = next_option(argc, argv, ":p", options, argv[0])) != -1) {
		if (letter != 'p' && letter != 'E') {
			return EXIT_USAGE_ERROR;
		}
		print = print || letter == 'p';
		is_erasing = is_erasing || letter == 'E';
	}
	int code = no_arguments(argc, argv, NULL);

	if (code == 0 && print && is_erasing) {
		code = say_error(EXIT_USAGE_ERROR, NULL, "--erase has nothing to print");
	}
	code = code == 0 ? owner_get(cli, &owner) : code;
	if (code != 0) {
		return code;
	}
	return is_erasing ? erase(cli, &owner) : set_up(cli, &owner, print);
}
