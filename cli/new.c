/* SPDX-License-Identifier: MIT */
/*
 * sparekey new: everything that can be checked is checked before the first is made; a password that
 * could not be shown is revoked again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"
#include "protocol/scope.h"

struct wanted {
	struct sparekey_wish wish;
	const char *scopes[SPAREKEY_SCOPES_MAX];
	bool print;
	bool in_place;
};

static const struct option options[] = {
	{ "scope", required_argument, NULL, 's' },   { "account", required_argument, NULL, 'a' },
	{ "expires", required_argument, NULL, 'e' }, { "print", no_argument, NULL, 'p' },
	{ "inline", no_argument, NULL, 'i' },        { NULL, 0, NULL, 0 },
};

static int add_scope(struct wanted *wanted, const char *scope)
{
	char plain[LIMIT_SCOPE_BYTES + 1];

	if (scope_read(scope, plain) != 0 || wanted->wish.scopes_count == SPAREKEY_SCOPES_MAX) {
		return say_error(EXIT_BAD_DATA, "Scopes are names such as imap, smtp, caldav.",
		                 "not a scope: \"%.80s\"", scope);
	}
	wanted->scopes[wanted->wish.scopes_count++] = scope;
	wanted->wish.has_scopes = true;
	return 0;
}

static int set_expiry(struct wanted *wanted, const char *text)
{
	long long now = (long long)time(NULL);

	wanted->wish.has_expires_at = true;
	if (!when_read(text, now, &wanted->wish.expires_at)) {
		return say_error(EXIT_BAD_DATA, "Such as 90d, 12h, 2027-01-31 or never.",
		                 "not a time: \"%.80s\"", text);
	}
	if (wanted->wish.expires_at != 0 && wanted->wish.expires_at <= now) {
		return say_error(EXIT_BAD_DATA, NULL, "\"%.80s\" is in the past", text);
	}
	return 0;
}

static int read_option(struct wanted *wanted, int letter)
{
	switch (letter) {
	case 's':
		return add_scope(wanted, optarg);
	case 'a':
		wanted->wish.account = optarg;
		return account_check(optarg) == 0
		               ? 0
		               : say_error(EXIT_BAD_DATA, NULL, "not an account name");
	case 'e':
		return set_expiry(wanted, optarg);
	case 'p':
		wanted->print = true;
		return 0;
	case 'i':
		wanted->in_place = true;
		return 0;
	default:
		return EXIT_USAGE_ERROR;
	}
}

static int check_label(struct cli *cli, const struct wanted *wanted, const char *text)
{
	char label[LIMIT_LABEL_BYTES + 1];
	char room[2048];
	char id[24];
	struct sparekey_password found;

	if (strlen(text) > (size_t)4 * LIMIT_LABEL_BYTES || label_read(text, label) != 0) {
		return say_error(EXIT_BAD_DATA,
		                 "1 to 255 bytes, without control or direction characters.",
		                 "not a label: \"%.200s\"", shown(text, room));
	}
	const char *account = wanted->wish.account != NULL ? wanted->wish.account : "";
	int result = sparekey_find(cli->sparekey, label, account, id);

	if (result == SPAREKEY_UNKNOWN_OBJECT) {
		return 0;
	}
	if (result == 0 && sparekey_get(cli->sparekey, id, &found) == 0 && strcmp(id, label) == 0 &&
	    strcmp(found.label, label) != 0) {
		return 0; /* the name of an id, not of a label */
	}
	return result != 0 ? say_result(cli, result)
	                   : say_error(EXIT_BAD_DATA, NULL, "another password has the label \"%s\"",
	                               shown(label, room));
}

static int check_labels(struct cli *cli, const struct wanted *wanted, int count, char **labels)
{
	int code = 0;

	for (int i = 0; i < count && code == 0; i++) {
		code = check_label(cli, wanted, labels[i]);
		for (int j = 0; j < i && code == 0; j++) {
			if (strcmp(labels[i], labels[j]) == 0) {
				code = say_error(EXIT_USAGE_ERROR, NULL, "the same label twice");
			}
		}
	}
	return code;
}

static int show(struct cli *cli, const struct wanted *wanted,
                const struct sparekey_password *password, const struct secret *secret)
{
	if (cli->json) {
		output_json_password(password, secret);
		return fflush(stdout) == 0 && !ferror(stdout) ? 0 : EXIT_STORE;
	}
	if (wanted->print) {
		fflush(stdout);
		if (secret_write(secret, STDOUT_FILENO) != 0 ||
		    write(STDOUT_FILENO, "\n", 1) != 1) {
			return EXIT_STORE;
		}
		return 0;
	}
	return term_show_secret(cli, password, secret, wanted->in_place);
}

static void say_made(const struct cli *cli, const struct wanted *wanted,
                     const struct sparekey_password *password)
{
	char room[2048];

	if (!cli->quiet && !cli->json && !wanted->print) {
		fprintf(stderr, "Made %s \"%s\". To end it: sparekey revoke %s\n", password->id,
		        shown(password->label, room), password->id);
	}
}

static int make_one(struct cli *cli, struct wanted *wanted, const char *label)
{
	struct sparekey_password password = { 0 };
	SECRET_AUTO secret = NULL;
	char id[24] = "";
	int result = secret_new(NULL, &secret);

	wanted->wish.label = label;
	if (result == 0) {
		result = sparekey_create(cli->sparekey, &wanted->wish, id, secret);
	}
	if (result == 0) {
		result = sparekey_get(cli->sparekey, id, &password);
	}
	if (result != 0) {
		if (id[0] != '\0') {
			sparekey_revoke(cli->sparekey, id);
		}
		return say_result(cli, result);
	}
	int code = show(cli, wanted, &password, secret);

	if (code == EXIT_STORE) {
		clearerr(stdout);
		sparekey_revoke(cli->sparekey, id);
		return say_error(code, "It was revoked again.",
		                 "the password could not be written out: %s", strerror(errno));
	}
	say_made(cli, wanted, &password);
	return code;
}

static int make_all(struct cli *cli, struct wanted *wanted, int count, char **labels)
{
	bool is_array = cli->json && count > 1;
	int code = 0;

	fputs(is_array ? "[" : "", stdout);
	for (int i = 0; i < count && code == 0; i++) {
		fputs(is_array && i > 0 ? ",\n" : "", stdout);
		code = make_one(cli, wanted, labels[i]);
	}
	fputs(is_array ? "]" : "", stdout);
	fputs(cli->json && code == 0 ? "\n" : "", stdout);
	return code == 0 ? say_end(0) : code;
}

int new_command(struct cli *cli, int argc, char **argv)
{
	struct wanted wanted = { 0 };
	int code = 0;
	int letter = 0;

	while (code == 0 && (letter = getopt_long(argc, argv, "s:a:e:p", options, NULL)) != -1) {
		code = read_option(&wanted, letter);
	}
	wanted.wish.scopes = wanted.scopes;
	if (code == 0 && optind == argc) {
		code = say_error(EXIT_USAGE_ERROR, "sparekey new LABEL...", "a label is missing");
	}
	if (code == 0 && !cli->json && !wanted.print && !isatty(STDOUT_FILENO)) {
		code = say_error(EXIT_USAGE_ERROR, "Use --print to allow that. Nothing was made.",
		                 "the password would go to something that is not a terminal");
	}
	if (code == 0) {
		code = cli_connect(cli);
	}
	if (code == 0) {
		code = check_labels(cli, &wanted, argc - optind, argv + optind);
	}
	return code == 0 ? make_all(cli, &wanted, argc - optind, argv + optind) : code;
}
