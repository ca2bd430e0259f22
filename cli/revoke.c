/* SPDX-License-Identifier: MIT */
/*
 * sparekey revoke: some by name, or all that match. Names are all resolved first, or nothing
 * happens.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/scope.h"

struct wanted {
	bool all;
	bool dry_run;
	bool force;
	bool has_filter;
	struct sparekey_filter filter;
	char scope[LIMIT_SCOPE_BYTES + 1];
};

static const struct option options[] = {
	{ "all", no_argument, NULL, 'A' },         { "unused-for", required_argument, NULL, 'u' },
	{ "scope", required_argument, NULL, 's' }, { "dry-run", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },       { NULL, 0, NULL, 0 },
};

static int read_span(struct wanted *wanted, const char *text)
{
	long long span = 0;

	if (!span_read(text, &span) || span > (long long)time(NULL)) {
		return say_error(EXIT_BAD_DATA, "A number followed by s, m, h, d, w or y.",
		                 "not a span: \"%.80s\"", text);
	}
	wanted->has_filter = true;
	wanted->filter.unused_since = (long long)time(NULL) - span;
	return 0;
}

static int read_option(struct wanted *wanted, int letter)
{
	switch (letter) {
	case 'A':
		wanted->all = true;
		return 0;
	case 'u':
		return read_span(wanted, optarg);
	case 's':
		wanted->has_filter = true;
		wanted->filter.scope = wanted->scope;
		return scope_read(optarg, wanted->scope) == 0
		               ? 0
		               : say_error(EXIT_BAD_DATA, NULL, "not a scope: \"%.80s\"", optarg);
	case 'n':
		wanted->dry_run = true;
		return 0;
	case 'f':
		wanted->force = true;
		return 0;
	default:
		return EXIT_USAGE_ERROR;
	}
}

static bool matches(const struct wanted *wanted, const struct sparekey_password *password)
{
	long long used = password->last_used_at != 0 ? password->last_used_at
	                                             : password->created_at;
	bool has_scope = wanted->filter.scope == NULL;

	for (unsigned int i = 0; i < password->scopes_count && !has_scope; i++) {
		has_scope = strcmp(password->scopes[i], wanted->scope) == 0;
	}
	return has_scope &&
	       (wanted->filter.unused_since == 0 || used < wanted->filter.unused_since);
}

static void say_would(const struct cli *cli, const struct sparekey_password *password)
{
	char room[2048];

	if (cli->plain) {
		output_plain_password(password);
	} else if (!cli->json) {
		printf("Would revoke %s \"%s\".\n", password->id, shown(password->label, room));
	}
}

/* The number is typed, so that nobody ends everything by a habit of the fingers. */
static int confirm(const struct cli *cli, const struct wanted *wanted, unsigned int count)
{
	char question[120];
	char line[32];

	if (wanted->force) {
		return 0;
	}
	if (cli->no_input || !isatty(STDIN_FILENO)) {
		return say_error(EXIT_USAGE_ERROR,
		                 "Use --force to do it without asking. Nothing was revoked.",
		                 "this would revoke %u, and nobody can be asked", count);
	}
	snprintf(question, sizeof(question), "This revokes %u. Type the number to go on: ", count);
	if (!term_ask(question, line, sizeof(line))) {
		return EXIT_NO;
	}
	char *end = NULL;

	if (line[0] == '\0' || strtoul(line, &end, 10) != count || *end != '\0') {
		return say_error(EXIT_NO, NULL, "not that number: nothing was revoked");
	}
	return 0;
}

static int ask_for(const struct cli *cli, const struct wanted *wanted,
                   const struct sparekey_password *rows, unsigned int count)
{
	if (count == 0) {
		return say_error(EXIT_NO, NULL, "nothing matches");
	}
	if (!wanted->dry_run) {
		return confirm(cli, wanted, count);
	}
	for (unsigned int i = 0; i < count; i++) {
		say_would(cli, &rows[i]);
	}
	return 0;
}

static int revoke_matching(struct cli *cli, struct wanted *wanted)
{
	struct sparekey_list list = { NULL, 0 };
	unsigned int count = 0;
	int code = cli_connect(cli);

	if (code == 0) {
		code = say_result(cli, sparekey_list(cli->sparekey, &list));
	}
	if (code != 0) {
		return code;
	}
	for (unsigned int i = 0; i < list.count; i++) {
		if (matches(wanted, &list.rows[i])) {
			list.rows[count++] = list.rows[i];
		}
	}
	code = ask_for(cli, wanted, list.rows, count);
	if (code == 0 && cli->json) {
		output_json_passwords(list.rows, count);
	}
	sparekey_list_free(&list);
	if (code != 0 || wanted->dry_run) {
		return code == 0 ? say_end(0) : code;
	}
	code = say_result(cli, sparekey_revoke_all(cli->sparekey, &wanted->filter, &count));
	if (code == 0) {
		say_done(cli, "Revoked %u. They stopped working now.\n", count);
	}
	return code == 0 ? say_end(0) : code;
}

static int revoke_named(struct cli *cli, const struct wanted *wanted, int count, char **names)
{
	struct sparekey_password *rows = calloc((size_t)count, sizeof(*rows));
	char room[2048];
	int code = rows != NULL ? 0 : EXIT_BUG;

	for (int i = 0; i < count && code == 0; i++) {
		code = resolve(cli, names[i], &rows[i]);
	}
	for (int i = 0; i < count && code == 0; i++) {
		if (wanted->dry_run) {
			say_would(cli, &rows[i]);
			continue;
		}
		code = say_result(cli, sparekey_revoke(cli->sparekey, rows[i].id));
		if (code == 0) {
			say_done(cli, "Revoked %s \"%s\". It stopped working now.\n", rows[i].id,
			         shown(rows[i].label, room));
		}
	}
	if (code == 0 && cli->json) {
		output_json_passwords(rows, (unsigned int)count);
	}
	free(rows);
	return code == 0 ? say_end(0) : code;
}

int revoke_command(struct cli *cli, int argc, char **argv)
{
	struct wanted wanted = { 0 };
	int code = 0;
	int letter = 0;

	while (code == 0 && (letter = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
		code = read_option(&wanted, letter);
	}
	if (code != 0) {
		return code;
	}
	if ((wanted.all || wanted.has_filter) == (optind < argc)) {
		return say_error(
			EXIT_USAGE_ERROR,
			"sparekey revoke PASSWORD..., or --all, --unused-for SPAN, --scope SCOPE",
			"which ones? Either names, or a rule");
	}
	if (optind < argc) {
		return revoke_named(cli, &wanted, argc - optind, argv + optind);
	}
	return revoke_matching(cli, &wanted);
}
