/* SPDX-License-Identifier: MIT */
/*
 * sparekey list, show.
 */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"

#define STALE_S (90LL * 86400)

static const struct option no_options[] = { { NULL, 0, NULL, 0 } };

static void say_stale(const struct cli *cli, const struct sparekey_list *list)
{
	long long now = (long long)time(NULL);
	unsigned int count = 0;

	for (unsigned int i = 0; i < list->count && !cli->quiet; i++) {
		long long used = list->rows[i].last_used_at;

		if (used != 0 && now - used > STALE_S) {
			printf("%s%s", count++ == 0 ? "\nNot used for over 90 days: " : ", ",
			       list->rows[i].id);
		}
	}
	if (count > 0) {
		printf(". To end them: sparekey revoke --unused-for 90d\n");
	}
}

int list_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_list list = { NULL, 0 };

	if (getopt_long(argc, argv, "", no_options, NULL) != -1) {
		return EXIT_USAGE_ERROR;
	}
	if (optind != argc) {
		return say_error(EXIT_USAGE_ERROR, "To see one: sparekey show PASSWORD",
		                 "list takes no argument");
	}
	int code = cli_connect(cli);

	if (code == 0) {
		code = say_result(cli, sparekey_list(cli->sparekey, &list));
	}
	if (code != 0) {
		return code;
	}
	if (cli->json) {
		output_json_passwords(list.rows, list.count);
	} else if (cli->plain) {
		for (unsigned int i = 0; i < list.count; i++) {
			output_plain_password(&list.rows[i]);
		}
	} else {
		output_table(cli, &list);
		say_stale(cli, &list);
	}
	sparekey_list_free(&list);
	return say_end(0);
}

int show_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;

	if (getopt_long(argc, argv, "", no_options, NULL) != -1) {
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
		output_json_password(&password, NULL);
		putchar('\n');
	} else if (cli->plain) {
		output_plain_password(&password);
	} else {
		output_card(cli, &password);
	}
	return say_end(0);
}
