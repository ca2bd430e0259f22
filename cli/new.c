/* SPDX-License-Identifier: MIT */
/*
 * sparekey new. Everything that can be checked is checked before the first is made. For --print and
 * --json all are made before the first is written, so that an output is whole or there is none; on
 * a terminal one is made when the one before it has been seen. What was made and could not be shown
 * is revoked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

struct made {
	struct sparekey_password password;
	struct sparekey_secret *secret;
	bool is_live;
};

struct wanted {
	struct sparekey_wish wish;
	const char *scopes[SPAREKEY_SCOPES_MAX];
	bool for_any; /* every service, whatever the setting default-scopes says */
	bool print;
	bool in_place;
	unsigned int count;
	char **labels;
	struct made *made; /* `count` of them */
};

static const struct option options[] = {
	{ "scope", required_argument, NULL, 's' },   { "account", required_argument, NULL, 'a' },
	{ "expires", required_argument, NULL, 'e' }, { "print", no_argument, NULL, 'p' },
	{ "inline", no_argument, NULL, 'i' },        { NULL, 0, NULL, 0 },
};

static int add_scope(struct wanted *wanted, const char *scope)
{
	char plain[SPAREKEY_SCOPE_SIZE];
	bool had_others = wanted->wish.scopes_count > 0;

	wanted->for_any = wanted->for_any || is_any(scope);
	if (wanted->for_any && (had_others || !is_any(scope))) {
		return say_error(EXIT_BAD_DATA, "Either \"-s any\" alone, or the services by name.",
		                 "\"any\" is every service, and stands alone");
	}
	wanted->wish.has_scopes = true;
	int code = wanted->for_any ? 0 : read_scope(scope, scope, plain);

	if (wanted->for_any || code != 0) {
		return code;
	}
	if (wanted->wish.scopes_count == SPAREKEY_SCOPES_MAX) {
		return say_error(EXIT_BAD_DATA, NULL, "more than 64 scopes");
	}
	wanted->scopes[wanted->wish.scopes_count++] = scope;
	return 0;
}

static int set_expiry(struct wanted *wanted, const char *text)
{
	long long now = (long long)time(NULL);
	long long at = 0;
	char room[BRIEF_BYTES];

	wanted->wish.has_expires_at = true;
	if (!when_read(text, now, &at)) {
		return say_error(EXIT_BAD_DATA, "Such as 90d, 12h, 2027-01-31 or never.",
		                 "not a time to come: \"%s\"", brief(text, room));
	}
	if (at != 0 && at <= now) {
		return say_error(EXIT_BAD_DATA, NULL, "\"%s\" is in the past", brief(text, room));
	}
	wanted->wish.expires_at = at;
	return 0;
}

static int read_option(struct wanted *wanted, int letter)
{
	switch (letter) {
	case 's':
		return add_scope(wanted, optarg);
	case 'a':
		return read_account(optarg, &wanted->wish.account);
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

/* What the broker compares labels by. 0 or an exit code, said. */
static int read_key(const char *text, char ret_key[static LIMIT_LABEL_KEY_BYTES + 1])
{
	char label[LIMIT_LABEL_BYTES + 1];
	char room[BRIEF_BYTES];

	if (label_read(text, label) != 0 || label_fold(label, ret_key) != 0) {
		return say_error(EXIT_BAD_DATA,
		                 "1 to 255 bytes, without control or direction characters.",
		                 "not a label: \"%s\"", brief(text, room));
	}
	return 0;
}

/* Every label is one, and no two are the same to the broker. */
static int check_labels(const struct wanted *wanted)
{
	char(*keys)[LIMIT_LABEL_KEY_BYTES + 1] = calloc((size_t)wanted->count + 1, sizeof(*keys));
	char room[BRIEF_BYTES];
	int code = 0;

	if (keys == NULL) {
		return say_no_memory();
	}
	for (unsigned int i = 0; i < wanted->count && code == 0; i++) {
		code = read_key(wanted->labels[i], keys[i]);
		for (unsigned int j = 0; j < i && code == 0; j++) {
			if (strcmp(keys[i], keys[j]) == 0) {
				code = say_error(EXIT_BAD_DATA, NULL,
				                 "the label \"%s\" is given twice",
				                 brief(wanted->labels[i], room));
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
	const char *account = wanted->wish.account != NULL ? wanted->wish.account : "";
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

	if (!cli->json && !wanted->print && !isatty(STDOUT_FILENO)) {
		return say_error(EXIT_USAGE_ERROR, "Use --print to allow that. Nothing was made.",
		                 "the password would go to something that is not a terminal");
	}
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
		return say_error(EXIT_STORE, "Nothing was made.",
		                 "standard output is not open for writing");
	}
	return 0;
}

static int make_one(struct cli *cli, struct wanted *wanted, unsigned int index)
{
	struct made *made = &wanted->made[index];
	int result = sparekey_secret_new(&made->secret);

	wanted->wish.label = wanted->labels[index];
	if (result == 0) {
		result = sparekey_create(cli->sparekey, &wanted->wish, made->password.id,
		                         made->secret);
		made->is_live = made->password.id[0] != '\0';
	}
	if (result == 0) {
		char id[SPAREKEY_ID_SIZE];

		memcpy(id, made->password.id, sizeof(id));
		result = sparekey_get(cli->sparekey, id, &made->password);
		memcpy(made->password.id, id, sizeof(id));
	}
	/* The answer was lost, not the question. */
	if (made->secret != NULL && !made->is_live &&
	    (result == SPAREKEY_NO_BROKER || result == -ENOMEM)) {
		return say_result_with(cli, result,
		                       "It may have been made all the same. To see: sparekey list");
	}
	return say_result(cli, result);
}

/* Revokes what is still held as made and not shown. Says what became of it. */
static void undo(struct cli *cli, struct wanted *wanted)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < wanted->count; i++) {
		struct made *made = &wanted->made[i];

		if (!made->is_live) {
			continue;
		}
		made->is_live = false;
		if (sparekey_revoke(cli->sparekey, made->password.id) == 0) {
			count++;
		} else {
			say_error(EXIT_STORE, NULL, "%s could not be revoked again",
			          made->password.id);
			say_hint(cli, "To end it by hand: sparekey revoke %s", made->password.id);
		}
	}
	if (count > 0) {
		say_hint(cli, count == 1 ? "It was revoked again." : "They were revoked again.");
	}
}

static int say_not_written(void)
{
	return say_error(EXIT_STORE, NULL, "the password could not be written out: %s",
	                 strerror(errno));
}

static int say_interrupted(void)
{
	return say_error(EXIT_INTERRUPTED, NULL, "interrupted before it was shown");
}

static bool write_one(const struct cli *cli, const struct made *made)
{
	if (cli->json) {
		return output_json_secret(&made->password, made->secret);
	}
	int result = sparekey_secret_write(made->secret, STDOUT_FILENO);

	errno = -result;
	return result == 0 && say_raw("\n");
}

static int write_all(struct cli *cli, struct wanted *wanted)
{
	bool is_array = cli->json && wanted->count > 1;
	bool is_written = say_raw(is_array ? "[" : "");

	for (unsigned int i = 0; i < wanted->count && is_written; i++) {
		is_written = (i == 0 || !is_array || say_raw(",\n ")) &&
		             write_one(cli, &wanted->made[i]);
	}
	is_written = is_written && say_raw(is_array ? "]" : "") && say_raw(cli->json ? "\n" : "");
	for (unsigned int i = 0; i < wanted->count && is_written; i++) {
		wanted->made[i].is_live = false;
	}
	return is_written ? 0 : say_not_written();
}

/* For programs: all made, then all written. */
static int make_then_write(struct cli *cli, struct wanted *wanted, struct signals *signals)
{
	int code = 0;

	for (unsigned int i = 0; i < wanted->count && code == 0; i++) {
		say_progress(cli, i, wanted->count);
		code = make_one(cli, wanted, i);
		if (code == 0 && signals_ends(cli, signals_take(signals))) {
			code = say_interrupted();
		}
	}
	say_progress(cli, wanted->count, wanted->count);
	return code == 0 ? write_all(cli, wanted) : code;
}

/* For people: one after another. One that was shown lives, also if it was ended by Ctrl-C. */
static int make_and_show(struct cli *cli, struct wanted *wanted, struct signals *signals)
{
	int code = 0;

	for (unsigned int i = 0; i < wanted->count && code == 0; i++) {
		struct made *made = &wanted->made[i];

		code = make_one(cli, wanted, i);
		if (code == 0 && signals_ends(cli, signals_take(signals))) {
			code = say_interrupted();
		}
		if (code != 0) {
			break;
		}
		code = term_show_secret(cli, signals, &made->password, made->secret,
		                        wanted->in_place);
		made->secret = sparekey_secret_free(made->secret);
		if (code == EXIT_STORE) {
			say_not_written();
			break;
		}
		made->is_live = false;
		say_hint(cli, "Made %s \"%s\". To end it: sparekey revoke %s", made->password.id,
		         made->password.label, made->password.id);
	}
	return code;
}

static int make_all(struct cli *cli, struct wanted *wanted)
{
	struct signals signals;
	int result = signals_hold(&signals);

	wanted->made = calloc((size_t)wanted->count + 1, sizeof(*wanted->made));
	if (result < 0 || wanted->made == NULL) {
		return say_no_memory();
	}
	int code = cli->json || wanted->print ? make_then_write(cli, wanted, &signals)
	                                      : make_and_show(cli, wanted, &signals);

	undo(cli, wanted);
	for (unsigned int i = 0; i < wanted->count; i++) {
		wanted->made[i].secret = sparekey_secret_free(wanted->made[i].secret);
	}
	free(wanted->made);
	signals_release(&signals);
	return code;
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
	wanted.wish.scopes = wanted.scopes;
	wanted.count = (unsigned int)(argc - optind);
	wanted.labels = argv + optind;
	if (code == 0 && wanted.count == 0) {
		code = say_error(EXIT_USAGE_ERROR, "Such as: sparekey new \"Phone\" -s imap",
		                 "a label is missing");
	}
	code = code == 0 ? check_output(cli, &wanted) : code;
	code = code == 0 ? check_labels(&wanted) : code;
	code = code == 0 ? cli_connect(cli) : code;
	for (unsigned int i = 0; i < wanted.count && code == 0; i++) {
		code = check_free(cli, &wanted, wanted.labels[i]);
	}
	return code == 0 ? make_all(cli, &wanted) : code;
}
