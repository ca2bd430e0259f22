/* SPDX-License-Identifier: MIT */
/*
 * sparekey verify, which: a secret from stdin or the terminal, and what the broker says about it.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "protocol/limits.h"

static const char no_argument_hint[] = "The password comes from stdin or the terminal.";

static const struct option verify_options[] = {
	{ "scope", required_argument, NULL, 's' },
	{ "account", required_argument, NULL, 'a' },
	{ "remote", required_argument, NULL, 'r' },
	{ NULL, 0, NULL, 0 },
};

static int say_yes(const struct cli *cli, const struct sparekey_verification *right)
{
	char room[2048];
	char scopes[SPAREKEY_SCOPES_MAX * (SPAREKEY_SCOPE_SIZE + 1)];

	if (cli->json) {
		return output_json(json_pack("{s:b, s:s, s:s, s:o}", "verified", 1, "id", right->id,
		                             "label", right->label, "scopes",
		                             scopes_json(&right->scopes)),
		                   0);
	}
	if (cli->plain) {
		scopes_text(&right->scopes, ",", "", scopes, sizeof(scopes));
		printf("true\t%s\t%s\t%s\n", right->id, shown(right->label, room), scopes);
	} else {
		say_done(cli, "Yes: %s \"%s\".\n", right->id, shown(right->label, room));
	}
	return EXIT_DONE;
}

static void say_no(const struct cli *cli)
{
	if (cli->json) {
		puts("{\"verified\": false}");
	} else if (cli->plain) {
		puts("false\t\t\t");
	} else {
		say_done(cli, "No.\n");
	}
}

/* The secret comes first: who waits at the terminal holds no broker up. */
static int read_secret(struct cli *cli, struct sparekey_secret **ret_secret)
{
	if (sparekey_secret_new(ret_secret) != 0) {
		return say_no_memory();
	}
	int code = term_read_secret(cli, "App password: ", *ret_secret);

	return code == 0 ? cli_connect(cli) : code;
}

static int verify(struct cli *cli, const struct sparekey_secret *secret, const char *scope,
                  const struct sparekey_check *check)
{
	struct sparekey_verification right;
	int result = sparekey_verify(cli->sparekey, secret, scope, check, &right);

	if (result == SPAREKEY_AUTHENTICATION_FAILED) {
		say_no(cli);
		return say_end(EXIT_NO);
	}
	if (result != 0) {
		return say_result(cli, result);
	}
	return say_end(say_yes(cli, &right));
}

static int read_verify_option(int letter, const char **ret_scope, struct sparekey_check *check)
{
	char plain[SPAREKEY_SCOPE_SIZE];

	switch (letter) {
	case 's':
		*ret_scope = optarg;
		return read_scope(optarg, optarg, plain);
	case 'a':
		return read_account(optarg, &check->account);
	case 'r':
		check->remote = optarg;
		return 0;
	default:
		return EXIT_USAGE_ERROR;
	}
}

int verify_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_secret *secret = NULL;
	struct sparekey_check check = { .account = NULL };
	const char *scope = NULL;
	int code = 0;
	int letter = 0;

	while (code == 0 &&
	       (letter = next_option(argc, argv, ":s:a:", verify_options, argv[0])) != -1) {
		code = read_verify_option(letter, &scope, &check);
	}
	code = code == 0 ? no_arguments(argc, argv, no_argument_hint) : code;
	if (code == 0 && scope == NULL) {
		code = say_error(EXIT_USAGE_ERROR, "Such as: sparekey verify --scope imap",
		                 "--scope is missing");
	}
	code = code == 0 ? read_secret(cli, &secret) : code;
	code = code == 0 ? verify(cli, secret, scope, &check) : code;
	sparekey_secret_free(secret);
	return code;
}

static void say_identity(const struct cli *cli, const struct sparekey_identity *identity)
{
	char room[2048];
	const char *label = shown(identity->label, room);

	if (strcmp(identity->result, "ours") == 0) {
		say_done(cli, "It is %s \"%s\"%s.\n", identity->id, label,
		         identity->state == SPAREKEY_FROZEN ? ", which is frozen" : "");
	} else if (strcmp(identity->result, "wrong") == 0) {
		say_done(cli, "It begins like %s \"%s\", but the rest is wrong.\n", identity->id,
		         label);
	} else if (strcmp(identity->result, "unknown") == 0) {
		say_done(cli, "It has the shape of an app password, but is none of these.\n");
	} else if (strcmp(identity->result, "mistyped") == 0 && identity->id[0] != '\0') {
		say_done(cli,
		         "It is mistyped, probably in group %u. Meant is probably %s \"%s\".\n",
		         identity->group, identity->id, label);
	} else if (strcmp(identity->result, "mistyped") == 0 && identity->group != 0) {
		say_done(cli, "It is mistyped, probably in group %u.\n", identity->group);
	} else if (strcmp(identity->result, "mistyped") == 0) {
		say_done(cli, "It is mistyped in more than one place.\n");
	} else if (strcmp(identity->result, "malformed") == 0) {
		say_done(cli, "It has the shape of no app password.\n");
	} else {
		say_done(cli, "The broker calls it \"%s\".\n", shown(identity->result, room));
	}
}

static int json_identity(const struct sparekey_identity *identity)
{
	json_t *answer = json_pack("{s:s}", "result", identity->result);

	if (identity->group != 0) {
		answer = json_with(answer, "group", json_integer(identity->group));
	}
	if (identity->id[0] != '\0') {
		answer = json_with(answer, "id", json_string(identity->id));
		answer = json_with(answer, "label", json_string(identity->label));
		answer = json_with(answer, "state", json_string(state_name(identity->state)));
	}
	return output_json(answer, 0);
}

/* In the order of the JSON keys; empty where there is none. */
static void plain_identity(const struct sparekey_identity *identity)
{
	char room[2048];
	char group[16] = "";

	if (identity->group != 0) {
		snprintf(group, sizeof(group), "%u", identity->group);
	}
	printf("%s\t%s\t%s\t%s\t%s\n", identity->result, group, identity->id,
	       shown(identity->label, room),
	       identity->id[0] != '\0' ? state_name(identity->state) : "");
}

/* Empty and too long are no app passwords either; the broker refuses to look at them. */
static int identify(struct cli *cli, const struct sparekey_secret *secret,
                    struct sparekey_identity *ret_identity)
{
	if (sparekey_secret_length(secret) == 0) {
		*ret_identity = (struct sparekey_identity){ .result = "malformed" };
		return 0;
	}
	return say_result(cli, sparekey_identify(cli->sparekey, secret, ret_identity));
}

int which_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_identity identity;
	struct sparekey_secret *secret = NULL;

	if (no_more_options(argc, argv, ":") != 0) {
		return EXIT_USAGE_ERROR;
	}
	int code = no_arguments(argc, argv, no_argument_hint);

	code = code == 0 ? read_secret(cli, &secret) : code;

	if (code == 0) {
		code = identify(cli, secret, &identity);
	}
	sparekey_secret_free(secret);
	if (code != 0) {
		return code;
	}
	if (cli->json) {
		code = json_identity(&identity);
	} else if (cli->plain) {
		plain_identity(&identity);
	} else {
		say_identity(cli, &identity);
	}
	if (code == 0 && strcmp(identity.result, "ours") != 0) {
		code = EXIT_NO;
	}
	return say_end(code);
}
