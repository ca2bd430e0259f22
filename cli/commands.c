/* SPDX-License-Identifier: MIT */
/*
 * The commands: what runs them, and the help, made of the one table.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct command commands[] = {
	{ "setup", setup_command, "", "main password, authenticator, recovery codes",
	  "Goes on where it was broken off.\n"
	  "  -p, --print          key and codes on standard output, for programs\n"
	  "      --erase          end everything and start over\n"
	  "Without the authenticator a recovery code does: sparekey factor add.\n"
	  "Without the main password nothing can be made or changed, nor erased here; app\n"
	  "passwords go on working, and can be listed and revoked. To start over then, end\n"
	  "sparekeyd and remove ~/.local/share/sparekey (or $XDG_DATA_HOME/sparekey).\n",
	  "sparekey setup" },
	{ "new", new_command, "LABEL...", "make app passwords; each is shown once",
	  "  -s, --scope SCOPE    only for imap, smtp, caldav, ...; may be repeated;\n"
	  "                       \"any\", alone: for any service\n"
	  "  -a, --account NAME   only for that login name\n"
	  "  -e, --expires WHEN   90d, 12h, 2027-01-31 (the end of that day) or never\n"
	  "  -p, --print          the password and a newline on standard output\n"
	  "      --inline         in place rather than on a screen of its own\n",
	  "sparekey new \"Thunderbird on laptop\" -s imap -s smtp" },
	{ "list", list_command, "", "what there is, when and where it was used", "",
	  "sparekey list" },
	{ "show", show_command, "PASSWORD", "all about one (never the password)", "",
	  "sparekey show Phone" },
	{ "revoke", revoke_command, "PASSWORD...", "end it now",
	  "Names, or a rule, of which every part must match:\n"
	  "      --all              every one\n"
	  "      --unused-for SPAN  not used for so long, such as 90d\n"
	  "  -s, --scope SCOPE      those that name that scope\n"
	  "With a rule:\n"
	  "      --force            do not ask for the number\n"
	  "With either:\n"
	  "      --dry-run          tell what would be revoked, and revoke nothing\n",
	  "sparekey revoke \"Old tablet\"" },
	{ "rename", rename_command, "PASSWORD LABEL", "give it another label", "",
	  "sparekey rename Phone \"Old phone\"" },
	{ "scope", scope_command, "PASSWORD [+|-]SCOPE...", "what it is for",
	  "Names set the list, +NAME adds, -NAME takes away, \"any\" clears it, so that it is\n"
	  "good for any service. With +NAME one for any service is for NAME alone.\n"
	  "Without names they are shown.\n",
	  "sparekey scope Phone imap +smtp" },
	{ "expire", expire_command, "PASSWORD WHEN", "when it ends by itself",
	  "WHEN is a span (90d, 12h), a date (2027-01-31, the end of that day) or never.\n",
	  "sparekey expire Phone 90d" },
	{ "freeze", freeze_command, "PASSWORD...", "it stops working until thawed", "",
	  "sparekey freeze Phone" },
	{ "thaw", thaw_command, "PASSWORD...", "it works again", "", "sparekey thaw Phone" },
	{ "verify", verify_command, "-s SCOPE", "check one, from the terminal or stdin",
	  "  -s, --scope SCOPE    the service that asks; needed\n"
	  "  -a, --account NAME   the login name that was given\n"
	  "      --remote ADDRESS the client's address\n"
	  "Exit code 0: right, live and good for that; 1: no.\n",
	  "sparekey -q verify -s imap < candidate && echo ok" },
	{ "which", which_command, "", "which one is this, or what is wrong with it",
	  "The text comes from the terminal or standard input. Exit code 0: one of yours.\n",
	  "sparekey which < phone.txt" },
	{ "passwd", passwd_command, "", "change the main password",
	  "      --revoke         revoke all app passwords in the same step\n"
	  "      --keep           keep them\n"
	  "Without either it is asked; Enter revokes them.\n",
	  "sparekey passwd" },
	{ "factor", factor_command, "status|add|remove|codes",
	  "the authenticator and the recovery codes",
	  "  status               what there is\n"
	  "  add                  a new authenticator, in place of an earlier one\n"
	  "  remove               no authenticator, and no recovery codes\n"
	  "  codes                new recovery codes; earlier ones stop working\n"
	  "With add and codes:\n"
	  "  -p, --print          key or codes on standard output, for programs\n",
	  "sparekey factor codes" },
	{ "status", status_command, "", "set up? running? how reached? what is in force", "",
	  "sparekey status" },
	{ "help", help_command, "[COMMAND]", "this, or all about one command", "",
	  "sparekey help new" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int unknown_command(const char *name)
{
	const char *meant = NULL;
	unsigned int best = 3;
	char hint[60];
	char room[BRIEF_BYTES];

	for (size_t i = 0; i < COMMANDS; i++) {
		unsigned int distance = edit_distance(name, commands[i].name);

		if (distance < best) {
			best = distance;
			meant = commands[i].name;
		}
	}
	snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", meant != NULL ? meant : "");
	return say_error(EXIT_USAGE_ERROR,
	                 meant != NULL ? hint : "To see what there is: sparekey help",
	                 "no command \"%s\"", brief(name, room));
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	unknown_command(name);
	return NULL;
}

static int help_for_one(const char *name)
{
	const struct command *command = command_find(name);

	if (command == NULL) {
		return EXIT_USAGE_ERROR;
	}
	printf("Usage: sparekey [OPTION]... %s%s%s\n\n", command->name,
	       command->arguments[0] != '\0' ? " " : "", command->arguments);
	printf("%s: %s.\n", command->name, command->summary);
	if (command->details[0] != '\0') {
		printf("\n%s", command->details);
	}
	printf("\nExample:\n  %s\n\nOptions of all commands: sparekey help\n", command->example);
	return say_end(0);
}

int say_help(const char *name)
{
	if (name != NULL) {
		return help_for_one(name);
	}
	puts("Usage: sparekey [OPTION]... COMMAND [ARGUMENT]...\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		int width = printf("  %s %s", commands[i].name, commands[i].arguments);

		printf("%*s%s\n", width < 32 ? 32 - width : 1, "", commands[i].summary);
	}
	puts("\nPASSWORD is a label (compared without case) or an id; a label goes first.\n"
	     "All about a command: sparekey help COMMAND\n\n"
	     "      --json               one JSON value\n"
	     "      --plain              tab-separated, without a header\n"
	     "  -q, --quiet              nothing but errors and what was asked for\n"
	     "  -v, --verbose            say how the broker was reached\n"
	     "      --color=WHEN         auto, always or never\n"
	     "      --no-input           never ask\n"
	     "      --address=ADDRESS    a D-Bus address in place of the usual ways\n"
	     "      --password-fd=N      the main password, and\n"
	     "      --code-fd=N          the code, read from a descriptor to its end\n"
	     "  -h, --help               this, or all about a command\n"
	     "  -V, --version            the version");
	return say_end(0);
}

int help_command(struct cli *cli, int argc, char **argv)
{
	int code = no_more_options(argc, argv, ":");

	(void)cli;
	if (code == 0 && argc - optind > 1) {
		code = say_error(EXIT_USAGE_ERROR, "Such as: sparekey help new",
		                 "help takes one command");
	}
	return code == 0 ? say_help(optind < argc ? argv[optind] : NULL) : code;
}
