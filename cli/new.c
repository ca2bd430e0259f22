/* SPDX-License-Identifier: MIT */
/*
 * sparekey new: what is asked for. Everything that can be checked is checked before the first is
 * made (make.c).
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

struct wanted {
	struct making making;
	const char *scopes[SPAREKEY_SCOPES_MAX];
	bool for_any; /* every service, whatever the setting default-scopes says */
};

static const struct option options[] = {
	{ "scope", required_argument, NULL, 's' },   { "account", required_argument, NULL, 'a' },
	{ "expires", required_argument, NULL, 'e' }, { "print", no_argument, NULL, 'p' },
	{ "inline", no_argument, NULL, 'i' },        { NULL, 0, NULL, 0 },
};

static int add_scope(struct wanted *wanted, const char *scope)
{
	char plain[SPAREKEY_SCOPE_SIZE];
	bool had_others = wanted->making.wish.scopes_count > 0;

	wanted->for_any = wanted->for_any || is_any(scope);
	if (wanted->for_any && (had_others || !is_any(scope))) {
		return say_error(EXIT_BAD_DATA, "Either \"-s any\" alone, or the services by name.",
		                 "\"any\" is every service, and stands alone");
	}
	wanted->making.wish.has_scopes = true;
	int code = wanted->for_any ? 0 : read_scope(scope, scope, plain);

	if (wanted->for_any || code != 0) {
		return code;
	}
	if (wanted->making.wish.scopes_count == SPAREKEY_SCOPES_MAX) {
		return say_error(EXIT_BAD_DATA, NULL, "more than 64 scopes");
	}
	wanted->scopes[wanted->making.wish.scopes_count++] = scope;
	return 0;
}

static int set_expiry(struct wanted *wanted, const char *text)
{
	long long at = 0;
	int code = read_expiry(text, &at);

	wanted->making.wish.has_expires_at = true;
	wanted->making.wish.expires_at = at;
	return code;
}

static int read_option(struct wanted *wanted, int letter)
{
	switch (letter) {
	case 's':
		return add_scope(wanted, optarg);
	case 'a':
		return read_account(optarg, &wanted->making.wish.account);
	case 'e':
		return set_expiry(wanted, optarg);
	case 'p':
		wanted->making.print = true;
		return 0;
	case 'i':
		wanted->making.in_place = true;
		return 0;
	default:
		return EXIT_USAGE_ERROR;
	}
}

/* What the broker compares labels by. 0 or an exit code, said. */
static int read_key(const char *text, char ret_key[static LIMIT_LABEL_KEY_BYTES + 1])
{
	char label[SPAREKEY_LABEL_SIZE];
	int code = read_label(text, label);

	if (code == 0) {
		label_fold(label, ret_key);
	}
	return code;
}

/* Every label is one, and no two are the same to the broker. */
static int check_labels(const struct wanted *wanted)
{
	char(*keys)[LIMIT_LABEL_KEY_BYTES + 1] = calloc((size_t)wanted->making.count + 1,
	                                                sizeof(*keys));
	char room[BRIEF_BYTES];
	int code = 0;

	if (keys == NULL) {
		return say_no_memory();
	}
	for (unsigned int i = 0; i < wanted->making.count && code == 0; i++) {
		code = read_key(wanted->making.labels[i], keys[i]);
		for (unsigned int j = 0; j < i && code == 0; j++) {
			if (strcmp(keys[i], keys[j]) == 0) {
				code = say_error(EXIT_BAD_DATA, NULL,
				                 "the label \"%s\" is given twice",
				                 brief(wanted->making.labels[i], room));
			}
		}
	}
	free(keys);
	return code;
}

/* Whether that account has such a label. A name may also be found as an id, which takes no label
 * away. */
static int check_free(struct cli *cli, const struct wanted *wanted, const char *label)
{
	const char *account = wanted->making.wish.account != NULL ? wanted->making.wish.account
	                                                          : "";
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	char found_key[LIMIT_LABEL_KEY_BYTES + 1];
	char room[BRIEF_BYTES];
	char hint[120];
	char id[SPAREKEY_ID_SIZE];
	struct sparekey_password found;
	int code = read_key(label, key);
	int result = code == 0 ? sparekey_find(cli->sparekey, label, account, id) : 0;

	if (code != 0 || result == SPAREKEY_UNKNOWN_OBJECT) {
		return code;
	}
	if (result == 0) {
		result = sparekey_get(cli->sparekey, id, &found);
	}
	if (result != 0) {
		return result == SPAREKEY_UNKNOWN_OBJECT ? 0 : say_result(cli, result);
	}
	if (label_fold(found.label, found_key) != 0 || strcmp(key, found_key) != 0) {
		return 0;
	}
	snprintf(hint, sizeof(hint), "It is %s. To end it: sparekey revoke %s", id, id);
	return say_error(EXIT_BAD_DATA, hint, "another password has the label \"%s\"",
	                 brief(label, room));
}

/* The output is looked at before anything is made: --print and --json allow all but one that cannot
 * be written to. */
static int check_output(const struct cli *cli, const struct wanted *wanted)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (!cli->json && !wanted->making.print && !isatty(STDOUT_FILENO)) {
		return say_error(EXIT_USAGE_ERROR, "Use --print to allow that. Nothing was made.",
		                 "the password would go to something that is not a terminal");
	}
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
		return say_error(EXIT_STORE, "Nothing was made.",
		                 "standard output is not open for writing");
	}
	return 0;
}

int new_command(struct cli *cli, int argc, char **argv)
{
	struct wanted wanted = { 0 };
	int code = 0;
	int letter = 0;

	while (code == 0 &&
	       (letter = next_option(argc, argv, ":s:a:e:p", options, argv[0])) != -1) {
		code = read_option(&wanted, letter);
	}
	wanted.making.wish.scopes = wanted.scopes;
	wanted.making.count = (unsigned int)(argc - optind);
	wanted.making.labels = argv + optind;
	if (code == 0 && wanted.making.count == 0) {
		code = say_error(EXIT_USAGE_ERROR, "Such as: sparekey new \"Phone\" -s imap",
		                 "a label is missing");
	}
	code = code == 0 ? check_output(cli, &wanted) : code;
	code = code == 0 ? check_labels(&wanted) : code;
	code = code == 0 ? cli_connect(cli) : code;
	for (unsigned int i = 0; i < wanted.making.count && code == 0; i++) {
		code = check_free(cli, &wanted, wanted.making.labels[i]);
	}
	return code == 0 ? make_all(cli, &wanted.making) : code;
}
