/* SPDX-License-Identifier: MIT */
/*
 * sparekey status: what a newcomer wants to know first, and what is in force.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct status {
	char version[64];
	const char *way;
	bool is_private;
	unsigned int count;
	unsigned int frozen;
	json_t *settings; /* NULL: memory ran out */
};

static void keep_setting(void *data, const char *name, const char *value)
{
	struct status *status = data;

	status->settings = json_with(status->settings, name, json_string(value));
}

static void print_settings(json_t *settings)
{
	const char *name = NULL;
	json_t *value = NULL;
	char room[2048];

	puts("Settings");
	json_object_foreach(settings, name, value)
	{
		printf("  %-18s %s\n", name,
		       json_string_value(value)[0] != '\0' ? shown(json_string_value(value), room)
		                                           : "(none)");
	}
}

static void print_text(const struct cli *cli, const struct status *status)
{
	char room[2048];

	printf("Running    %s, version %s\n",
	       status->is_private ? "no; one was started for this command" : "yes",
	       shown(status->version, room));
	printf("Reached    %s\n", shown(status->way, room));
	puts("Set up     yes: this version has nothing to set up");
	printf("Passwords  %u", status->count);
	if (status->frozen > 0) {
		printf(" (%u frozen)", status->frozen);
	}
	putchar('\n');
	print_settings(status->settings);
	fflush(stdout);
	if (status->count == 0) {
		say_hint(cli, "To make a password: sparekey new LABEL");
	}
}

static int print_status(const struct cli *cli, const struct status *status)
{
	if (cli->json) {
		return output_json(json_pack("{s:s, s:s, s:i, s:O, s:b, s:i}", "version",
		                             status->version, "reached", status->way, "passwords",
		                             (int)status->count, "settings", status->settings,
		                             "running", !status->is_private, "frozen",
		                             (int)status->frozen),
		                   JSON_INDENT(2));
	}
	if (cli->plain) {
		printf("%s\t%s\t%u\n", status->version, status->way, status->count);
	} else {
		print_text(cli, status);
	}
	return EXIT_DONE;
}

static void count_one(void *data, const struct sparekey_password *password)
{
	struct status *status = data;

	status->count++;
	status->frozen += password->state == SPAREKEY_FROZEN ? 1 : 0;
}

int status_command(struct cli *cli, int argc, char **argv)
{
	struct status status = { .settings = NULL };

	if (no_more_options(argc, argv, ":") != 0) {
		return EXIT_USAGE_ERROR;
	}
	int code = no_arguments(argc, argv, NULL);

	if (code == 0) {
		code = cli_connect(cli);
	}
	if (code != 0) {
		return code;
	}
	status.way = sparekey_way(cli->sparekey);
	status.is_private = strcmp(status.way, "private") == 0;
	status.settings = json_object();
	code = say_result(cli, sparekey_version(cli->sparekey, status.version));
	if (code == 0) {
		code = say_result(cli, sparekey_settings(cli->sparekey, keep_setting, &status));
	}
	if (code == 0 && status.settings == NULL) {
		code = say_no_memory();
	}
	if (code == 0) {
		code = say_result(cli, look_at_all(cli, count_one, &status));
	}
	if (code == 0) {
		code = say_end(print_status(cli, &status));
	}
	json_decref(status.settings);
	return code;
}
