/* SPDX-License-Identifier: MIT */
/*
 * sparekey: global options, then a command by table. The process is hardened before it can hold a
 * secret: another program of the same user can neither trace nor read it. No option and no
 * environment variable ever takes a password.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli.h"

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
	say_patience(cli, true);
	int result = sparekey_new(cli->address, 0, &cli->sparekey);

	if (result == 0) {
		result = sparekey_reach(cli->sparekey);
	}
	say_patience(cli, false);
	if (cli->sparekey == NULL) {
		return say_error(EXIT_BUG, NULL, "%s", sparekey_strerror(result));
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

/* A descriptor of the owner's proof. On a terminal what is typed would be seen: there it is asked
 * for. */
static int read_fd(const char *text, int *ret_fd)
{
	char room[BRIEF_BYTES];
	char *end = NULL;
	long number = strtol(text, &end, 10);

	if (end == text || *end != '\0' || number < 0 || number > 65535) {
		return say_error(EXIT_USAGE_ERROR, NULL, "not the number of a descriptor: \"%s\"",
		                 brief(text, room));
	}
	if (isatty((int)number)) {
		return say_error(EXIT_USAGE_ERROR, "Without the option it is asked for.",
		                 "descriptor %ld is a terminal", number);
	}
	*ret_fd = (int)number;
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
		return read_fd(optarg, &cli->password_fd);
	case 'C':
		return read_fd(optarg, &cli->code_fd);
	case 'A':
		cli->address = optarg;
		return 0;
	case 'h':
		cli->wants_help = true;
		return 0;
	case 'V':
		puts("sparekey " SPAREKEY_VERSION);
		return -1;
	default:
		return EXIT_USAGE_ERROR;
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	const struct command *command = command_find(argv[0]);

	if (command == NULL) {
		return EXIT_USAGE_ERROR;
	}
	if (cli->wants_help) {
		return say_help(command->name);
	}
	optind = 0; /* glibc: scan anew */
	return command->run(cli, argc, argv);
}

/* A standard stream that is not open must not become our connection to the broker: each is opened
 * the wrong way round, so that using it fails as it did. */
static bool open_streams(void)
{
	static const int flags[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd) {
			return false;
		}
	}
	return true;
}

static bool harden(void)
{
	static const struct rlimit no_core = { 0, 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && setrlimit(RLIMIT_CORE, &no_core) == 0;
}

/* Options, then the command. */
static int obey(struct cli *cli, int argc, char **argv)
{
	int code = 0;
	int letter = 0;

	gather_globals(argc, argv);
	while (code == 0 && (letter = next_option(argc, argv, "+:qvhV", options, NULL)) != -1) {
		code = read_option(cli, letter);
	}
	if (code != 0) {
		return code < 0 ? say_end(0) : code;
	}
	if (cli->password_fd >= 0 && cli->password_fd == cli->code_fd) {
		return say_error(EXIT_USAGE_ERROR, NULL,
		                 "main password and code cannot come from the same descriptor");
	}
	if (optind < argc) {
		return run(cli, argc - optind, argv + optind);
	}
	if (cli->wants_help) {
		return say_help(NULL);
	}
	return say_error(EXIT_USAGE_ERROR, "To see what there is: sparekey help",
	                 "a command is missing");
}

int main(int argc, char **argv)
{
	struct cli cli = { .password_fd = FD_NONE, .code_fd = FD_NONE };

	(void)setlocale(LC_ALL, "");
	unsetenv("POSIXLY_CORRECT"); /* options after labels are options wherever we run */
	opterr = 0;
	if (!open_streams() || !harden()) {
		return say_error(EXIT_BUG, NULL, "this process cannot be hardened");
	}
	int code = obey(&cli, argc, argv);

	cli.sparekey = sparekey_free(cli.sparekey);
	if (cli.ended_by != 0) {
		(void)signal(cli.ended_by, SIG_DFL);
		raise(cli.ended_by);
	}
	return code;
}
