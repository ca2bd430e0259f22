/* SPDX-License-Identifier: MIT */
/*
 * sparekey revoke: some by name, or all that match a rule. What is told is what has happened.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

struct wanted {
	bool all;
	bool dry_run;
	bool force;
	bool has_filter;
	struct sparekey_filter filter;
	char scope[SPAREKEY_SCOPE_SIZE];
};

static const struct option options[] = {
	{ "all", no_argument, NULL, 'A' },         { "unused-for", required_argument, NULL, 'u' },
	{ "scope", required_argument, NULL, 's' }, { "dry-run", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },       { NULL, 0, NULL, 0 },
};

static int read_span(struct wanted *wanted, const char *text)
{
	long long now = (long long)time(NULL);
	long long span = 0;
	char room[BRIEF_BYTES];

	/* A time of 0 would be no rule at all, and end everything. */
	if (!span_read(text, &span) || span >= now) {
		return say_error(EXIT_BAD_DATA, "A number followed by s, m, h, d, w or y.",
		                 "not a span: \"%s\"", brief(text, room));
	}
	wanted->has_filter = true;
	wanted->filter.unused_since = now - span;
	return 0;
}

static int read_option(struct wanted *wanted, int letter)
{
	switch (letter) {
	case 'A':
		wanted->all = true;
		wanted->filter.all = true;
		return 0;
	case 'u':
		return read_span(wanted, optarg);
	case 's':
		wanted->has_filter = true;
		wanted->filter.scope = wanted->scope;
		return read_scope(optarg, optarg, wanted->scope);
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
	bool has_scope = wanted->filter.scope == NULL;

	for (unsigned int i = 0; i < password->scopes.count && !has_scope; i++) {
		has_scope = strcmp(password->scopes.names[i], wanted->scope) == 0;
	}
	return has_scope && (wanted->filter.unused_since == 0 ||
	                     is_unused_since(password, wanted->filter.unused_since));
}

/* The number is typed, so that nobody ends everything by a habit of the fingers. */
static int confirm(struct cli *cli, const struct wanted *wanted, unsigned int count)
{
	char question[120];
	char line[32];
	char wished[16];

	if (wanted->force) {
		return 0;
	}
	if (cli->no_input || !isatty(STDIN_FILENO)) {
		return say_error(EXIT_USAGE_ERROR,
		                 "Use --force to do it without asking. Nothing was revoked.",
		                 "this would revoke %u, and nobody can be asked", count);
	}
	snprintf(question, sizeof(question), "This revokes %u. Type the number to go on: ", count);
	snprintf(wished, sizeof(wished), "%u", count);
	int code = term_ask(cli, question, line, sizeof(line));

	if (code == EXIT_INTERRUPTED || (code == 0 && strcmp(line, wished) == 0)) {
		return code;
	}
	return say_error(EXIT_NO, NULL, "not that number: nothing was revoked");
}

/* The ones that match now, and only they. */
static int list_matching(struct cli *cli, const struct wanted *wanted,
                         struct sparekey_list *ret_list)
{
	int code = list_all(cli, ret_list);
	unsigned int count = 0;

	for (unsigned int i = 0; i < ret_list->count; i++) {
		if (matches(wanted, &ret_list->rows[i])) {
			ret_list->rows[count++] = ret_list->rows[i];
		}
	}
	ret_list->count = count;
	return code;
}

/* Both lists are in order of id. */
static bool are_same(const struct sparekey_list *a, const struct sparekey_list *b)
{
	bool is_same = a->count == b->count;

	for (unsigned int i = 0; i < a->count && is_same; i++) {
		is_same = strcmp(a->rows[i].id, b->rows[i].id) == 0;
	}
	return is_same;
}

/* Asks, and looks again: while the question stood there the world went on, and what is revoked must
 * be what the number was typed for. */
static int confirm_list(struct cli *cli, const struct wanted *wanted,
                        const struct sparekey_list *list)
{
	struct sparekey_list now = { NULL, 0 };
	int code = confirm(cli, wanted, list->count);

	if (code == 0 && !wanted->force) {
		code = list_matching(cli, wanted, &now);
		if (code == 0 && !are_same(list, &now)) {
			code = say_error(EXIT_NO, "To look again: add --dry-run.",
			                 "what matches has changed meanwhile: nothing was revoked");
		}
	}
	sparekey_list_free(&now);
	return code;
}

/* Takes out of `list` what still lives: told is what happened, not what was meant to. */
static int keep_ended(struct cli *cli, struct sparekey_list *list)
{
	struct sparekey_list left = { NULL, 0 };
	unsigned int at = 0;
	unsigned int count = 0;
	int code = list_all(cli, &left);

	for (unsigned int i = 0; i < list->count && code == 0; i++) {
		while (at < left.count && strcmp(left.rows[at].id, list->rows[i].id) < 0) {
			at++;
		}
		if (at == left.count || strcmp(left.rows[at].id, list->rows[i].id) != 0) {
			list->rows[count++] = list->rows[i];
		}
	}
	list->count = code == 0 ? count : list->count;
	sparekey_list_free(&left);
	return code;
}

static int say_rows(const struct cli *cli, const struct sparekey_list *list, const char *what)
{
	char room[2048];

	if (cli->json) {
		return output_json_passwords(list->rows, list->count);
	}
	for (unsigned int i = 0; i < list->count; i++) {
		if (cli->plain) {
			output_plain_password(&list->rows[i]);
		} else if (what != NULL) {
			printf("%s %s \"%s\".\n", what, list->rows[i].id,
			       shown(list->rows[i].label, room));
		}
	}
	return EXIT_DONE;
}

/* One transaction by the rule. Between our list and the broker's there is a moment; if they differ,
 * that is told too. */
static int revoke_list(struct cli *cli, const struct wanted *wanted, struct sparekey_list *list)
{
	unsigned int count = 0;

	say_patience(cli, true);
	int result = sparekey_revoke_all(cli->sparekey, &wanted->filter, &count);

	say_patience(cli, false);
	int code = say_result(cli, result);

	if (code == 0 && count != list->count) {
		code = keep_ended(cli, list);
	}
	if (code != 0) {
		return code;
	}
	for (unsigned int i = 0; i < list->count; i++) {
		list->rows[i].state = SPAREKEY_REVOKED;
	}
	code = say_rows(cli, list, NULL);
	say_done(cli, "Revoked %u. %s working now.\n", count,
	         count == 1 ? "It stopped" : "They stopped");
	if (count > list->count) {
		say_hint(cli, "%u of them were made at the last moment.", count - list->count);
	}
	return say_end(code);
}

static int revoke_matching(struct cli *cli, const struct wanted *wanted)
{
	struct sparekey_list list = { NULL, 0 };
	int code = cli_connect(cli);

	if (code == 0) {
		code = list_matching(cli, wanted, &list);
	}
	if (code == 0 && list.count == 0) {
		code = say_error(EXIT_NO, NULL, "nothing matches");
	} else if (code == 0 && wanted->dry_run) {
		code = say_end(say_rows(cli, &list, "Would revoke"));
	} else if (code == 0) {
		code = confirm_list(cli, wanted, &list);
		code = code == 0 ? revoke_list(cli, wanted, &list) : code;
	}
	sparekey_list_free(&list);
	return code;
}

static int do_nothing(struct sparekey *sparekey, const char *id)
{
	(void)sparekey;
	(void)id;
	return 0;
}

int revoke_command(struct cli *cli, int argc, char **argv)
{
	struct wanted wanted = { 0 };
	int code = 0;
	int letter = 0;

	while (code == 0 && (letter = next_option(argc, argv, ":s:", options, argv[0])) != -1) {
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
		const struct deed deed = {
			.act = wanted.dry_run ? do_nothing : sparekey_revoke,
			.done = wanted.dry_run ? "Would revoke" : "Revoked",
			.after = wanted.dry_run ? "" : " It stopped working now.",
			.is_ending = !wanted.dry_run,
		};

		return act_on_each(cli, &deed, argc - optind, argv + optind);
	}
	return revoke_matching(cli, &wanted);
}
