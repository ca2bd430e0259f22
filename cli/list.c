/* SPDX-License-Identifier: MIT */
/*
 * sparekey list, show.
 */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"

#define STALE_S (90LL * 86400)

#define NAMED 5u

/* By the rule of revoke --unused-for, so that the hint ends what it names. */
static void say_stale(const struct cli *cli, const struct sparekey_list *list)
{
	long long at = (long long)time(NULL) - STALE_S;
	char names[NAMED * 26] = "";
	char more[40] = "";
	size_t length = 0;
	unsigned int count = 0;

	for (unsigned int i = 0; i < list->count; i++) {
		if (is_unused_since(&list->rows[i], at) && count++ < NAMED) {
			length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
			                           count > 1 ? ", " : "", list->rows[i].id);
		}
	}
	if (count > NAMED) {
		snprintf(more, sizeof(more), " and %u more", count - NAMED);
	}
	if (count > 0) {
		fflush(stdout);
		say_hint(cli, "%s", "");
		say_hint(cli,
		         "Not used for over 90 days: %s%s. To end them: "
		         "sparekey revoke --unused-for 90d",
		         names, more);
	}
}

static int say_list(const struct cli *cli, const struct sparekey_list *list)
{
	if (cli->json) {
		return output_json_passwords(list->rows, list->count);
	}
	if (cli->plain) {
		for (unsigned int i = 0; i < list->count; i++) {
			output_plain_password(&list->rows[i]);
		}
	} else if (list->count == 0) {
		say_hint(cli, "No app passwords. To make one: sparekey new LABEL");
	} else {
		output_table(cli, list);
		say_stale(cli, list);
	}
	return EXIT_DONE;
}

int list_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_list list = { NULL, 0 };

	if (no_more_options(argc, argv, ":") != 0) {
		return EXIT_USAGE_ERROR;
	}
	int code = no_arguments(argc, argv, "To see one: sparekey show PASSWORD");

	if (code == 0) {
		code = cli_connect(cli);
	}
	if (code == 0) {
		code = list_all(cli, &list);
	}
	if (code != 0) {
		return code;
	}
	code = say_end(say_list(cli, &list));
	sparekey_list_free(&list);
	owner_say_codes(cli);
	return code;
}

int show_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;

	if (no_more_options(argc, argv, ":") != 0) {
		return EXIT_USAGE_ERROR;
	}
	if (argc - optind != 1) {
		return say_error(EXIT_USAGE_ERROR, "sparekey show PASSWORD",
		                 "show takes one label or id");
	}
	int code = resolve(cli, argv[optind], &password);

	if (code != 0) {
		return code;
	}
	if (cli->json) {
		code = output_json_password(&password);
	} else if (cli->plain) {
		output_plain_password(&password);
	} else {
		output_card(&password);
	}
	return say_end(code);
}
