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
	struct sparekey_owner owner;
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
		printf("  %-23s %s\n", name,
		       json_string_value(value)[0] != '\0' ? shown(json_string_value(value), room)
		                                           : "(none)");
	}
}

static void print_owner(const struct sparekey_owner *owner)
{
	bool has_factor = owner->second_factor == SPAREKEY_FACTOR_TOTP;

	printf("Set up     %s\n", owner->initialized ? "yes" : "no");
	printf("Factor     %s\n", has_factor ? "authenticator" : "none");
	if (has_factor) {
		printf("Codes      %u recovery code%s left\n", owner->recovery_codes_left,
		       owner->recovery_codes_left == 1 ? "" : "s");
	}
}

/* What to do next. */
static void say_next(const struct cli *cli, const struct status *status)
{
	const char *required =
		json_string_value(json_object_get(status->settings, "create-requires"));
	bool needs_code = required != NULL && strcmp(required, "password+code") == 0;
	bool needs_password = needs_code || (required != NULL && strcmp(required, "password") == 0);

	if ((needs_password && !status->owner.initialized) ||
	    (needs_code && status->owner.second_factor == SPAREKEY_FACTOR_NONE)) {
		say_hint(cli, "To set it up: sparekey setup");
	} else if (status->count == 0) {
		say_hint(cli, "To make a password: sparekey new LABEL");
	}
}

static void print_text(const struct cli *cli, const struct status *status)
{
	char room[2048];

	printf("Running    %s, version %s\n",
	       status->is_private ? "no; one was started for this command" : "yes",
	       shown(status->version, room));
	printf("Reached    %s\n", shown(status->way, room));
	print_owner(&status->owner);
	printf("Passwords  %u", status->count);
	if (status->frozen > 0) {
		printf(" (%u frozen)", status->frozen);
	}
	putchar('\n');
	print_settings(status->settings);
	fflush(stdout);
	say_next(cli, status);
}

static int print_status(const struct cli *cli, const struct status *status)
{
	if (cli->json) {
		return output_json(json_pack("{s:s, s:s, s:i, s:O, s:b, s:i, s:b, s:s, s:i}",
		                             "version", status->version, "reached", status->way,
		                             "passwords", (int)status->count, "settings",
		                             status->settings, "running", !status->is_private,
		                             "frozen", (int)status->frozen, "set_up",
		                             (int)status->owner.initialized, "second_factor",
		                             owner_factor(&status->owner), "recovery_codes_left",
		                             (int)status->owner.recovery_codes_left),
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

static int gather(struct cli *cli, struct status *status)
{
	int result = 0;

	status->way = sparekey_way(cli->sparekey);
	status->is_private = strcmp(status->way, "private") == 0;
	status->settings = json_object();
	result = sparekey_version(cli->sparekey, status->version);
	if (result == 0) {
		result = sparekey_settings(cli->sparekey, keep_setting, status);
	}
	if (result == 0 && status->settings == NULL) {
		return say_no_memory();
	}
	if (result == 0) {
		result = sparekey_owner(cli->sparekey, &status->owner);
	}
	if (result == 0) {
		result = look_at_all(cli, count_one, status);
	}
	return say_result(cli, result);
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
	code = gather(cli, &status);
	if (code == 0) {
		code = say_end(print_status(cli, &status));
	}
	if (code == 0) {
		owner_say_codes(cli);
	}
	json_decref(status.settings);
	return code;
}
