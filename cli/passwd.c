/* SPDX-License-Identifier: MIT */
/*
 * sparekey passwd: another main password. Whoever had the old one could make app passwords, so
 * whether they are to end with it is asked, and yes is what nobody need type.
 */
#include <getopt.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"

enum fate { FATE_ASK = 0, FATE_REVOKE, FATE_KEEP };

static const struct option options[] = {
	{ "revoke", no_argument, NULL, 'r' },
	{ "keep", no_argument, NULL, 'k' },
	{ NULL, 0, NULL, 0 },
};

static int ask_fate(struct cli *cli, enum fate *fate)
{
	char line[32];

	while (*fate == FATE_ASK) {
		int code = term_ask(cli, "Revoke all app passwords, too? [Y/n] ", line,
		                    sizeof(line));

		if (code != 0) {
			return say_error(code, NULL, "nothing was changed");
		}
		if (line[0] == '\0' || strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0) {
			*fate = FATE_REVOKE;
		} else if (strcasecmp(line, "n") == 0 || strcasecmp(line, "no") == 0) {
			*fate = FATE_KEEP;
		}
	}
	return 0;
}

static int set(struct cli *cli, const struct sparekey_secret *password, void *data)
{
	enum fate *fate = data;
	int code = ask_fate(cli, fate);

	if (code != 0) {
		return code;
	}
	say_patience(cli, true);
	int result = sparekey_change_main_password(cli->sparekey, password, *fate == FATE_REVOKE);

	say_patience(cli, false);
	return owner_say_set(cli, result);
}

static int change(struct cli *cli, enum fate fate)
{
	struct sparekey_owner owner;
	int fd = isatty(STDIN_FILENO) ? -1 : STDIN_FILENO;
	int code = owner_get(cli, &owner);

	code = code == 0 ? owner_prove(cli, &owner) : code;
	code = code == 0 ? owner_set_password(cli, fd, "New main password: ", set, &fate) : code;
	if (code != 0) {
		return code;
	}
	return owner_say(cli, fate == FATE_REVOKE
	                              ? "Changed the main password. All app passwords have "
	                                "stopped working.\n"
	                              : "Changed the main password. The app passwords go on "
	                                "working.\n");
}

int passwd_command(struct cli *cli, int argc, char **argv)
{
	enum fate fate = FATE_ASK;
	int letter = 0;

	while ((letter = next_option(argc, argv, ":", options, argv[0])) != -1) {
		enum fate wanted = letter == 'r' ? FATE_REVOKE : FATE_KEEP;

		if (letter != 'r' && letter != 'k') {
			return EXIT_USAGE_ERROR;
		}
		if (fate != FATE_ASK && fate != wanted) {
			return say_error(EXIT_USAGE_ERROR, NULL, "either --keep or --revoke");
		}
		fate = wanted;
	}
	int code = no_arguments(argc, argv, "The new one is asked for, or comes from stdin.");

	if (code != 0) {
		return code;
	}
	if (fate == FATE_ASK && !term_can_ask(cli)) {
		return say_error(EXIT_USAGE_ERROR, "Say --keep or --revoke.",
		                 "nobody can be asked whether all app passwords shall end");
	}
	if (cli->no_input && isatty(STDIN_FILENO)) {
		return say_error(EXIT_REFUSED, "Give it on standard input.",
		                 "a new main password is needed");
	}
	return change(cli, fate);
}
