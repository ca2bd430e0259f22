/* SPDX-License-Identifier: MIT */
/*
 * sparekey verify, which: a secret from stdin or the terminal, and what the broker says about it.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct option verify_options[] = {
	{ "scope", required_argument, NULL, 's' },
	{ "account", required_argument, NULL, 'a' },
	{ "remote", required_argument, NULL, 'r' },
	{ NULL, 0, NULL, 0 },
};
static const struct option no_options[] = { { NULL, 0, NULL, 0 } };

static void say_yes(const struct cli *cli, const struct sparekey_password *password)
{
	char room[2048];

	if (!cli->json) {
		say_done(cli, "Yes: %s \"%s\".\n", password->id, shown(password->label, room));
		return;
	}
	json_t *scopes = json_array();

	for (unsigned int i = 0; i < password->scopes_count; i++) {
		json_array_append_new(scopes, json_string(password->scopes[i]));
	}
	json_t *answer = json_pack("{s:b, s:s, s:s, s:o}", "verified", 1, "id", password->id,
	                           "label", password->label, "scopes", scopes);

	json_dumpf(answer, stdout, 0);
	putchar('\n');
	json_decref(answer);
}

static int verify(struct cli *cli, const char *scope, const char *account, const char *remote)
{
	struct sparekey_password password;
	SECRET_AUTO secret = NULL;
	int code = secret_new(NULL, &secret) == 0 ? term_read_secret(cli, "App password: ", secret)
	                                          : EXIT_BUG;

	if (code == 0) {
		code = cli_connect(cli);
	}
	if (code != 0) {
		return code;
	}
	int result = sparekey_verify(cli->sparekey, secret, scope, account, remote, &password);

	if (result == SPAREKEY_AUTHENTICATION_FAILED) {
		if (cli->json) {
			puts("{\"verified\": false}");
		}
		say_done(cli, "No.\n");
		return say_end(EXIT_NO);
	}
	if (result != 0) {
		return say_result(cli, result);
	}
	say_yes(cli, &password);
	return say_end(0);
}

int verify_command(struct cli *cli, int argc, char **argv)
{
	const char *scope = NULL;
	const char *account = NULL;
	const char *remote = NULL;
	int letter = 0;

	while ((letter = getopt_long(argc, argv, "s:a:", verify_options, NULL)) != -1) {
		switch (letter) {
		case 's':
			scope = optarg;
			break;
		case 'a':
			account = optarg;
			break;
		case 'r':
			remote = optarg;
			break;
		default:
			return EXIT_USAGE_ERROR;
		}
	}
	if (optind != argc) {
		return say_error(EXIT_USAGE_ERROR, "The password comes from stdin or the terminal.",
		                 "verify takes no argument");
	}
	if (scope == NULL) {
		return say_error(EXIT_USAGE_ERROR, "Such as: sparekey verify --scope imap",
		                 "--scope is missing");
	}
	return verify(cli, scope, account, remote);
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
	} else {
		say_done(cli, "It has the shape of no app password.\n");
	}
}

static void json_identity(const struct sparekey_identity *identity)
{
	json_t *answer = json_pack("{s:s}", "result", identity->result);

	if (identity->group != 0) {
		json_object_set_new(answer, "group", json_integer(identity->group));
	}
	if (identity->id[0] != '\0') {
		json_object_set_new(answer, "id", json_string(identity->id));
		json_object_set_new(answer, "label", json_string(identity->label));
		json_object_set_new(answer, "state", json_string(state_name(identity->state)));
	}
	json_dumpf(answer, stdout, 0);
	putchar('\n');
	json_decref(answer);
}

int which_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_identity identity;
	SECRET_AUTO secret = NULL;

	if (getopt_long(argc, argv, "", no_options, NULL) != -1) {
		return EXIT_USAGE_ERROR;
	}
	if (optind != argc) {
		return say_error(EXIT_USAGE_ERROR, "The password comes from stdin or the terminal.",
		                 "which takes no argument");
	}
	int code = secret_new(NULL, &secret) == 0 ? term_read_secret(cli, "App password: ", secret)
	                                          : EXIT_BUG;

	if (code == 0 && secret_length(secret) == 0) {
		code = say_error(EXIT_BAD_DATA, NULL, "nothing was given");
	}
	if (code == 0) {
		code = cli_connect(cli);
	}
	if (code == 0) {
		code = say_result(cli, sparekey_identify(cli->sparekey, secret, &identity));
	}
	if (code != 0) {
		return code;
	}
	if (cli->json) {
		json_identity(&identity);
	} else if (cli->plain) {
		printf("%s\t%u\t%s\n", identity.result, identity.group, identity.id);
	} else {
		say_identity(cli, &identity);
	}
	return say_end(strcmp(identity.result, "ours") == 0 ? EXIT_DONE : EXIT_NO);
}
