/* SPDX-License-Identifier: MIT */
/*
 * sparekey rename, scope, expire, freeze, thaw.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "protocol/label.h"
#include "protocol/scope.h"

static const struct option no_options[] = { { NULL, 0, NULL, 0 } };

/* Where arguments begin; a minus sign may begin one (scope PASSWORD -smtp), so options end at the
 * first. */
static int arguments(int argc, char **argv, int least, int most, const char *usage)
{
	if (getopt_long(argc, argv, "+", no_options, NULL) != -1) {
		return EXIT_USAGE_ERROR;
	}
	int count = argc - optind;

	if (count < least || (most > 0 && count > most)) {
		return say_error(EXIT_USAGE_ERROR, usage, "wrong number of arguments");
	}
	return 0;
}

/* After a change: the record as it is now, for --json, else a line. */
static int say_changed(struct cli *cli, const char *id, const char *what)
{
	struct sparekey_password password;
	char room[2048];
	int code = say_result(cli, sparekey_get(cli->sparekey, id, &password));

	if (code != 0) {
		return code;
	}
	if (cli->json) {
		output_json_password(&password, NULL);
		putchar('\n');
	} else if (cli->plain) {
		output_plain_password(&password);
	} else {
		say_done(cli, "%s %s \"%s\".\n", what, password.id, shown(password.label, room));
	}
	return say_end(0);
}

int rename_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;
	char label[LIMIT_LABEL_BYTES + 1];
	int code = arguments(argc, argv, 2, 2, "sparekey rename PASSWORD LABEL");

	if (code == 0 && label_read(argv[optind + 1], label) != 0) {
		code = say_error(EXIT_BAD_DATA,
		                 "1 to 255 bytes, without control or direction characters.",
		                 "not a label");
	}
	if (code == 0) {
		code = resolve(cli, argv[optind], &password);
	}
	if (code == 0) {
		code = say_result(cli, sparekey_rename(cli->sparekey, password.id, label));
	}
	return code == 0 ? say_changed(cli, password.id, "Renamed") : code;
}

/* One [+|-]SCOPE or "any" applied to a set; `is_fresh`: the first bare name replaces what was
 * there. */
static int apply(struct scope_set *set, const char *word, bool *is_fresh)
{
	char plain[LIMIT_SCOPE_BYTES + 1];
	bool has_sign = word[0] == '+' || word[0] == '-';

	if (strcmp(word, "any") == 0) {
		*set = (struct scope_set){ 0 };
		*is_fresh = false;
		return 0;
	}
	if (scope_read(word + (has_sign ? 1 : 0), plain) != 0) {
		return say_error(EXIT_BAD_DATA, "Scopes are names such as imap, smtp, caldav.",
		                 "not a scope: \"%.80s\"", word);
	}
	if (!has_sign && *is_fresh) {
		*set = (struct scope_set){ 0 };
		*is_fresh = false;
	}
	if (word[0] == '-') {
		if (scope_set_has(set, plain) && set->count == 1) {
			return say_error(EXIT_BAD_DATA,
			                 "To allow all on purpose: any. To end it: revoke.",
			                 "without \"%s\" it would serve everything", plain);
		}
		scope_set_remove(set, plain);
		return 0;
	}
	return scope_set_add(set, plain) == 0
	               ? 0
	               : say_error(EXIT_BAD_DATA, NULL, "more than 64 scopes");
}

static void set_of(const struct sparekey_password *password, struct scope_set *ret_set)
{
	*ret_set = (struct scope_set){ 0 };
	for (unsigned int i = 0; i < password->scopes_count; i++) {
		scope_set_add(ret_set, password->scopes[i]);
	}
}

int scope_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;
	struct scope_set set;
	const char *names[LIMIT_SCOPES];
	bool is_fresh = true;
	int code = arguments(argc, argv, 1, 0, "sparekey scope PASSWORD [+|-]SCOPE...");
	int first = optind + 1;

	if (code == 0) {
		code = resolve(cli, argv[optind], &password);
	}
	if (code != 0) {
		return code;
	}
	if (first == argc) {
		char text[SPAREKEY_SCOPES_MAX * SPAREKEY_SCOPE_BYTES];

		scopes_text(&password, cli->plain ? "," : " ", "any", text, sizeof(text));
		printf("%s\n", text);
		return say_end(0);
	}
	set_of(&password, &set);
	for (int i = first; i < argc && code == 0; i++) {
		code = apply(&set, argv[i], &is_fresh);
	}
	for (unsigned int i = 0; i < set.count; i++) {
		names[i] = set.names[i];
	}
	if (code == 0) {
		code = say_result(
			cli, sparekey_set_scopes(cli->sparekey, password.id, names, set.count));
	}
	return code == 0 ? say_changed(cli, password.id, "Changed the scopes of") : code;
}

int expire_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;
	long long at = 0;
	long long now = (long long)time(NULL);
	int code = arguments(argc, argv, 2, 2, "sparekey expire PASSWORD WHEN|never");

	if (code == 0 && (!when_read(argv[optind + 1], now, &at) || (at != 0 && at <= now))) {
		code = say_error(EXIT_BAD_DATA, "Such as 90d, 12h, 2027-01-31 or never.",
		                 "not a time to come: \"%.80s\"", argv[optind + 1]);
	}
	if (code == 0) {
		code = resolve(cli, argv[optind], &password);
	}
	if (code == 0) {
		code = say_result(cli, sparekey_set_expiry(cli->sparekey, password.id, at));
	}
	return code == 0 ? say_changed(cli, password.id, "Changed the expiry of") : code;
}

/* Freezes or thaws all named, after all have been found. */
static int each(struct cli *cli, int argc, char **argv,
                int (*act)(struct sparekey *sparekey, const char *id), const char *what)
{
	int code = arguments(argc, argv, 1, 0, "sparekey freeze|thaw PASSWORD...");
	int count = argc - optind;
	struct sparekey_password *rows = code == 0 ? calloc((size_t)count, sizeof(*rows)) : NULL;

	if (code == 0 && rows == NULL) {
		code = EXIT_BUG;
	}
	for (int i = 0; i < count && code == 0; i++) {
		code = resolve(cli, argv[optind + i], &rows[i]);
	}
	for (int i = 0; i < count && code == 0; i++) {
		code = say_result(cli, act(cli->sparekey, rows[i].id));
		if (code == 0 && !cli->json) {
			code = say_changed(cli, rows[i].id, what);
		} else if (code == 0) {
			code = say_result(cli, sparekey_get(cli->sparekey, rows[i].id, &rows[i]));
		}
	}
	if (code == 0 && cli->json) {
		output_json_passwords(rows, (unsigned int)count);
	}
	free(rows);
	return code == 0 ? say_end(0) : code;
}

int freeze_command(struct cli *cli, int argc, char **argv)
{
	return each(cli, argc, argv, sparekey_freeze, "Froze");
}

int thaw_command(struct cli *cli, int argc, char **argv)
{
	return each(cli, argc, argv, sparekey_thaw, "Thawed");
}
