/* SPDX-License-Identifier: MIT */
/*
 * sparekey rename, scope, expire, freeze, thaw.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "protocol/scope.h"

/* Where arguments begin; a minus sign may begin one (scope PASSWORD -smtp), so options end at the
 * first. A "--" behind it is taken out: it ends options there too, though none are left. */
static int arguments(int *argc, char **argv, int least, int most)
{
	char usage[80];
	const struct command *command = command_find(argv[0]);

	if (no_more_options(*argc, argv, "+:") != 0) {
		return EXIT_USAGE_ERROR;
	}
	for (int i = optind; i < *argc; i++) {
		if (strcmp(argv[i], "--") == 0 && strcmp(argv[optind - 1], "--") != 0) {
			memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof(*argv));
			--*argc;
			break;
		}
	}
	int count = *argc - optind;

	if (count < least || (most > 0 && count > most)) {
		snprintf(usage, sizeof(usage), "sparekey %s %s", argv[0],
		         command != NULL ? command->arguments : "");
		return say_error(EXIT_USAGE_ERROR, usage,
		                 count < least ? "an argument is missing" : "too many arguments");
	}
	return 0;
}

/* After a change: the record as it is now. */
static int say_changed(struct cli *cli, const char *id, const char *what)
{
	struct sparekey_password password;
	int code = say_result(cli, sparekey_get(cli->sparekey, id, &password));

	if (code == 0) {
		code = say_end(output_changed(cli, what, &password));
	}
	return code;
}

int rename_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;
	char label[SPAREKEY_LABEL_SIZE];
	int code = arguments(&argc, argv, 2, 2);

	if (code == 0) {
		code = read_label(argv[optind + 1], label);
	}
	if (code == 0) {
		code = resolve(cli, argv[optind], &password);
	}
	if (code == 0) {
		code = say_result(cli, sparekey_rename(cli->sparekey, password.id, label));
	}
	return code == 0 ? say_changed(cli, password.id, "Renamed") : code;
}

/* One [+|-]SCOPE or "any" applied to a set; `is_fresh`: no bare name has come, of which the first
 * replaces what was there. */
static int apply(struct scope_set *set, const char *word, bool *is_fresh)
{
	char plain[SPAREKEY_SCOPE_SIZE];
	bool has_sign = word[0] == '+' || word[0] == '-';
	int code = 0;

	if (is_any(word)) {
		*set = (struct scope_set){ 0 };
		return 0;
	}
	code = read_scope(word + (has_sign ? 1 : 0), word, plain);
	if (code != 0) {
		return code;
	}
	if (!has_sign && *is_fresh) {
		*set = (struct scope_set){ 0 };
		*is_fresh = false;
	}
	if (word[0] == '-') {
		if (set->count == 0) {
			return say_error(EXIT_BAD_DATA, "Name what it shall be for instead.",
			                 "it serves everything, which \"%s\" cannot be taken from",
			                 plain);
		}
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
	for (unsigned int i = 0; i < password->scopes.count; i++) {
		scope_set_add(ret_set, password->scopes.names[i]);
	}
}

static int say_scopes(const struct cli *cli, const struct sparekey_password *password)
{
	char text[SPAREKEY_SCOPES_MAX * SPAREKEY_SCOPE_SIZE];

	if (cli->json || cli->plain) {
		return say_end(output_changed(cli, "", password));
	}
	scopes_text(&password->scopes, " ", "any", text, sizeof(text));
	printf("%s\n", text);
	return say_end(0);
}

/* Added to one that was for any service, a name takes all the others away. */
static void say_narrowed(const struct cli *cli, const struct scope_set *set)
{
	char text[SCOPE_SET_TEXT];
	char room[BRIEF_BYTES];

	scope_set_format(set, ' ', text);
	fflush(stdout);
	say_hint(cli, "It served every service until now; from now on only: %s", brief(text, room));
}

static int set_scopes(struct cli *cli, const char *id, const struct scope_set *set)
{
	const char *names[LIMIT_SCOPES];

	for (unsigned int i = 0; i < set->count; i++) {
		names[i] = set->names[i];
	}
	int result = sparekey_set_scopes(cli->sparekey, id, names, set->count);

	if (wants_proof(result)) {
		int code = prove(cli, result);

		if (code != 0) {
			return code;
		}
		result = sparekey_set_scopes(cli->sparekey, id, names, set->count);
	}
	return say_result(cli, result);
}

int scope_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;
	struct scope_set set;
	bool is_fresh = true;
	int code = arguments(&argc, argv, 1, 0);

	if (code == 0) {
		code = resolve(cli, argv[optind], &password);
	}
	if (code != 0) {
		return code;
	}
	int first = optind + 1;

	if (first == argc) {
		return say_scopes(cli, &password);
	}
	set_of(&password, &set);
	for (int i = first; i < argc && code == 0; i++) {
		code = apply(&set, argv[i], &is_fresh);
	}
	code = code == 0 ? set_scopes(cli, password.id, &set) : code;
	code = code == 0 ? say_changed(cli, password.id, "Changed the scopes of") : code;
	if (code == 0 && is_fresh && password.scopes.count == 0 && set.count > 0) {
		say_narrowed(cli, &set);
	}
	return code;
}

static int set_expiry(struct cli *cli, const char *id, long long at)
{
	int result = sparekey_set_expiry(cli->sparekey, id, at);

	if (wants_proof(result)) {
		int code = prove(cli, result);

		if (code != 0) {
			return code;
		}
		result = sparekey_set_expiry(cli->sparekey, id, at);
	}
	return say_result(cli, result);
}

int expire_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_password password;
	long long at = 0;
	int code = arguments(&argc, argv, 2, 2);

	if (code == 0) {
		code = read_expiry(argv[optind + 1], &at);
	}
	if (code == 0) {
		code = resolve(cli, argv[optind], &password);
	}
	if (code == 0) {
		code = set_expiry(cli, password.id, at);
	}
	return code == 0 ? say_changed(cli, password.id, "Changed the expiry of") : code;
}

int freeze_command(struct cli *cli, int argc, char **argv)
{
	struct deed deed = {
		.act = sparekey_freeze, .done = "Froze", .after = "", .is_ending = false
	};
	int code = arguments(&argc, argv, 1, 0);

	return code == 0 ? act_on_each(cli, &deed, argc - optind, argv + optind) : code;
}

int thaw_command(struct cli *cli, int argc, char **argv)
{
	struct deed deed = {
		.act = sparekey_thaw, .done = "Thawed", .after = "", .is_ending = false
	};
	int code = arguments(&argc, argv, 1, 0);

	return code == 0 ? act_on_each(cli, &deed, argc - optind, argv + optind) : code;
}
