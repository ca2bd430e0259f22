/* SPDX-License-Identifier: MIT */
/*
 * sparekey status, help.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct option no_options[] = { { NULL, 0, NULL, 0 } };

static void keep_setting(void *data, const char *name, const char *value)
{
	json_object_set_new(data, name, json_string(value));
}

static void print_status(const struct cli *cli, const json_t *status, const char *version,
                         unsigned int count)
{
	const char *name = NULL;
	json_t *value = NULL;

	if (cli->json) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	if (cli->plain) {
		printf("%s\t%s\t%u\n", version, sparekey_way(cli->sparekey), count);
		return;
	}
	printf("Broker     %s\nReached    %s\nPasswords  %u\nSettings\n", version,
	       sparekey_way(cli->sparekey), count);
	json_object_foreach(json_object_get(status, "settings"), name, value)
	{
		printf("  %-18s %s\n", name,
		       json_string_value(value)[0] != '\0' ? json_string_value(value) : "(none)");
	}
}

int status_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_list list = { NULL, 0 };
	char version[64] = "";

	if (getopt_long(argc, argv, "", no_options, NULL) != -1 || optind != argc) {
		return say_error(EXIT_USAGE_ERROR, NULL, "status takes no argument");
	}
	int code = cli_connect(cli);

	if (code != 0) {
		return code;
	}
	json_t *settings = json_object();

	code = say_result(cli, sparekey_version(cli->sparekey, version));
	if (code == 0) {
		code = say_result(cli, sparekey_settings(cli->sparekey, keep_setting, settings));
	}
	if (code == 0) {
		code = say_result(cli, sparekey_list(cli->sparekey, &list));
	}
	json_t *status = json_pack("{s:s, s:s, s:i, s:o}", "version", version, "reached",
	                           sparekey_way(cli->sparekey), "passwords", (int)list.count,
	                           "settings", settings);

	if (code == 0) {
		print_status(cli, status, version, list.count);
	}
	json_decref(status);
	sparekey_list_free(&list);
	return code == 0 ? say_end(0) : code;
}

static const char help_text[] =
	"Usage: sparekey [OPTION]... COMMAND [ARGUMENT]...\n\n"
	"  new LABEL...             make app passwords; each is shown once\n"
	"                           -s SCOPE, -a ACCOUNT, -e WHEN, -p (print), --inline\n"
	"  list                     what there is, when and where it was last used\n"
	"  show PASSWORD            all about one (never the password)\n"
	"  revoke PASSWORD...       end it now; --all, --unused-for SPAN, --scope SCOPE,\n"
	"                           --dry-run, --force\n"
	"  rename PASSWORD LABEL\n"
	"  scope PASSWORD [+|-]SCOPE...   \"any\" clears the list\n"
	"  expire PASSWORD WHEN|never\n"
	"  freeze PASSWORD...       it stops working until thawed\n"
	"  thaw PASSWORD...\n"
	"  verify --scope SCOPE     check one, from the terminal or stdin\n"
	"                           --account NAME, --remote ADDRESS\n"
	"  which                    name the app password on stdin or terminal\n"
	"  status                   running? how reached? what is in force\n"
	"  help\n\n"
	"PASSWORD is a label (compared without case) or an id.\n"
	"Options: --json, --plain, -q/--quiet, -v/--verbose, --color=auto|always|never,\n"
	"  --no-input, --password-fd=N, --code-fd=N, --address=ADDRESS, -h/--help, -V/--version\n";

int help_command(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	fputs(help_text, stdout);
	return say_end(0);
}
