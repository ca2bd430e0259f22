/* SPDX-License-Identifier: MIT */
/*
 * sparekey: global options, then a command by table. The process is hardened before it can hold a
 * secret: another program of the same user can neither trace nor read it. No option and no
 * environment variable ever takes a password.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cli.h"

struct command {
	const char *name;
	command_fn *run;
};

static const struct command commands[] = {
	{ "new", new_command },       { "list", list_command },     { "show", show_command },
	{ "revoke", revoke_command }, { "rename", rename_command }, { "scope", scope_command },
	{ "expire", expire_command }, { "freeze", freeze_command }, { "thaw", thaw_command },
	{ "verify", verify_command }, { "which", which_command },   { "status", status_command },
	{ "help", help_command },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "plain", no_argument, NULL, 'l' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "color", required_argument, NULL, 'c' },
	{ "no-input", no_argument, NULL, 'n' },
	{ "password-fd", required_argument, NULL, 'P' },
	{ "code-fd", required_argument, NULL, 'C' },
	{ "address", required_argument, NULL, 'A' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

int cli_connect(struct cli *cli)
{
	if (cli->sparekey != NULL) {
		return 0;
	}
	int result = sparekey_connect(cli->address, &cli->sparekey);

	if (cli->sparekey == NULL) {
		return say_error(EXIT_BUG, NULL, "%s", strerror(ENOMEM));
	}
	if (result == 0 && cli->verbose) {
		fprintf(stderr, "sparekey: reached the broker: %s\n", sparekey_way(cli->sparekey));
	}
	return say_result(cli, result);
}

static int read_color(struct cli *cli, const char *text)
{
	static const char *const names[] = { "auto", "always", "never" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			cli->color = (enum cli_color)i;
			return 0;
		}
	}
	return say_error(EXIT_USAGE_ERROR, NULL, "--color is auto, always or never");
}

/* The descriptors of the owner's proof: nothing asks for it yet, but what is no number is wrong
 * today as well. */
static int check_fd(const char *text)
{
	char *end = NULL;
	long number = strtol(text, &end, 10);

	if (end == text || *end != '\0' || number < 0 || number > 65535) {
		return say_error(EXIT_USAGE_ERROR, NULL,
		                 "not the number of a descriptor: \"%.40s\"", text);
	}
	return 0;
}

/* 0 to go on, -1 done, or an exit code. */
static int read_option(struct cli *cli, int letter)
{
	switch (letter) {
	case 'j':
		cli->json = true;
		return 0;
	case 'l':
		cli->plain = true;
		return 0;
	case 'q':
		cli->quiet = true;
		return 0;
	case 'v':
		cli->verbose = true;
		return 0;
	case 'c':
		return read_color(cli, optarg);
	case 'n':
		cli->no_input = true;
		return 0;
	case 'P':
	case 'C':
		return check_fd(optarg);
	case 'A':
		cli->address = optarg;
		return 0;
	case 'h':
		help_command(cli, 0, NULL);
		return -1;
	case 'V':
		puts("sparekey " SPAREKEY_VERSION);
		return -1;
	default:
		return EXIT_USAGE_ERROR;
	}
}

static int unknown_command(const char *name)
{
	const char *meant = NULL;
	unsigned int best = 3;
	char hint[60];

	for (size_t i = 0; i < COMMANDS; i++) {
		unsigned int distance = edit_distance(name, commands[i].name);

		if (distance < best) {
			best = distance;
			meant = commands[i].name;
		}
	}
	snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", meant != NULL ? meant : "");
	char room[2048];

	return say_error(EXIT_USAGE_ERROR,
	                 meant != NULL ? hint : "To see what there is: sparekey help",
	                 "no command \"%.80s\"", shown(name, room));
}

static int run(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, argv[0]) == 0) {
			optind = 0; /* glibc: scan anew */
			return commands[i].run(cli, argc, argv);
		}
	}
	return unknown_command(argv[0]);
}

static bool harden(void)
{
	static const struct rlimit no_core = { 0, 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && setrlimit(RLIMIT_CORE, &no_core) == 0 &&
	       secret_start() == 0;
}

/* Takes the global options out of the whole line, wherever they stand before "--". */
static bool is_global(const char *word, bool *ret_has_value)
{
	static const char *const plain[] = { "--json", "--plain",    "--quiet", "-q", "--verbose",
		                             "-v",     "--no-input", "--help",  "-h" };
	static const char *const valued[] = { "--color", "--password-fd", "--code-fd",
		                              "--address" };

	*ret_has_value = false;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(word, plain[i]) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
		size_t length = strlen(valued[i]);

		if (strncmp(word, valued[i], length) == 0 &&
		    (word[length] == '=' || word[length] == '\0')) {
			*ret_has_value = word[length] == '\0';
			return true;
		}
	}
	return false;
}

/* Moves global options behind the command to its front, so that "list --json" does what it says. */
static void gather_globals(int argc, char **argv)
{
	int front = 1;
	bool has_value = false;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!is_global(argv[i], &has_value)) {
			continue;
		}
		for (int moved = 0; moved <= (has_value && i + moved < argc - 1 ? 1 : 0); moved++) {
			char *word = argv[i + moved];

			memmove(&argv[front + 1], &argv[front],
			        (size_t)(i + moved - front) * sizeof(*argv));
			argv[front++] = word;
		}
		i += has_value ? 1 : 0;
	}
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int code = 0;
	int letter = 0;

	(void)setlocale(LC_ALL, "");
	if (!harden()) {
		return say_error(EXIT_BUG, NULL, "this process cannot be hardened");
	}
	gather_globals(argc, argv);
	while (code == 0 && (letter = getopt_long(argc, argv, "+qvhV", options, NULL)) != -1) {
		code = read_option(&cli, letter);
	}
	if (code == 0 && optind == argc) {
		code = say_error(EXIT_USAGE_ERROR, "To see what there is: sparekey help",
		                 "a command is missing");
	} else if (code == 0) {
		code = run(&cli, argc - optind, argv + optind);
	}
	cli.sparekey = sparekey_disconnect(cli.sparekey);
	return code < 0 ? say_end(0) : code;
}
