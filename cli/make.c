/* SPDX-License-Identifier: MIT */
/*
 * Making and showing. For --print and --json all are made before the first is written, so that an
 * output is whole or there is none; on a terminal one is made when the one before it has been seen.
 * Signals are held meanwhile: what was made and could not be shown is revoked again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

struct made {
	struct sparekey_password password;
	struct sparekey_secret *secret;
	bool is_live;
};

/* `lost`: the label for which no answer came, or NULL. */
static int say_interrupted(const char *lost)
{
	char hint[BRIEF_BYTES + 80];
	char room[BRIEF_BYTES];

	if (lost != NULL) {
		snprintf(hint, sizeof(hint),
		         "\"%s\" may have been made all the same. To see: sparekey list",
		         brief(lost, room));
	}
	return say_error(EXIT_INTERRUPTED, lost != NULL ? hint : NULL,
	                 "interrupted before it was shown");
}

/* Also of one that failed: it may have been made, and its secret lost. */
static void take_made(void *data, const struct sparekey_answer *answer)
{
	struct made *made = data;

	memcpy(made->password.id, answer->id, sizeof(made->password.id));
	made->is_live = answer->id[0] != '\0';
	if (answer->secret != NULL) {
		sparekey_secret_set(made->secret, sparekey_secret_text(answer->secret),
		                    sparekey_secret_length(answer->secret));
	}
}

static void take_record(void *data, const struct sparekey_answer *answer)
{
	struct made *made = data;
	char id[SPAREKEY_ID_SIZE];

	memcpy(id, made->password.id, sizeof(id));
	made->password = answer->password;
	memcpy(made->password.id, id, sizeof(id));
}

static int make_one(struct asking *asking, struct making *making, unsigned int index)
{
	struct made *made = &making->made[index];
	const struct sparekey_request create = { .operation = SPAREKEY_OP_CREATE,
		                                 .wish = &making->wish };
	const struct sparekey_request get = { .operation = SPAREKEY_OP_GET,
		                              .id = made->password.id };
	int result = sparekey_secret_new(&made->secret);

	making->wish.label = making->labels[index];
	if (result == 0) {
		result = ask(asking, &create, take_made, made);
	}
	if (wants_proof(result) && !asking->is_ended) {
		int code = prove(asking->cli, result);

		if (code != 0) {
			return code;
		}
		result = ask(asking, &create, take_made, made);
	}
	if (result == 0 && !asking->is_ended) {
		result = ask(asking, &get, take_record, made);
	}
	/* The answer was lost, not the question. */
	bool is_lost = made->secret != NULL && !made->is_live &&
	               (result == SPAREKEY_NO_BROKER || result == -ENOMEM || result == -ETIMEDOUT);

	if (ask_signals(asking)) {
		return say_interrupted(is_lost ? making->wish.label : NULL);
	}
	return say_result_with(asking->cli, result,
	                       is_lost ? "It may have been made all the same. To see: sparekey list"
	                               : NULL);
}

/* Revokes what is still held as made and not shown. Says what became of it. */
static void undo(struct asking *asking, struct making *making)
{
	struct cli *cli = asking->cli;
	unsigned int count = 0;
	unsigned int left = 0;
	const char *id = "";

	for (unsigned int i = 0; i < making->count; i++) {
		struct made *made = &making->made[i];

		if (!made->is_live) {
			continue;
		}
		const struct sparekey_request revoke = { .operation = SPAREKEY_OP_REVOKE,
			                                 .id = made->password.id };

		made->is_live = false;
		if (ask(asking, &revoke, NULL, NULL) == 0) {
			count++;
		} else {
			say_error(EXIT_STORE, NULL, "%s could not be revoked again",
			          made->password.id);
			left++;
			id = made->password.id;
		}
	}
	if (left > 0) {
		say_hint(cli, "To end %s by hand: sparekey revoke %s", left == 1 ? "it" : "them",
		         left == 1 ? id : "ID");
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

static bool write_one(const struct cli *cli, const struct made *made)
{
	if (cli->json) {
		return output_json_secret(&made->password, made->secret);
	}
	int result = sparekey_secret_write(made->secret, STDOUT_FILENO);

	errno = -result;
	return result == 0 && say_raw("\n");
}

static int write_all(struct asking *asking, struct making *making)
{
	struct cli *cli = asking->cli;
	bool is_array = cli->json && making->count > 1;
	bool is_written = true;

	for (unsigned int i = 0; i < making->count && is_written; i++) {
		if (!ask_output(asking)) {
			return say_interrupted(NULL);
		}
		is_written = (!is_array || say_raw(i == 0 ? "[" : ",\n ")) &&
		             write_one(cli, &making->made[i]);
	}
	is_written = is_written && say_raw(is_array ? "]" : "") && say_raw(cli->json ? "\n" : "");
	for (unsigned int i = 0; i < making->count && is_written; i++) {
		making->made[i].is_live = false;
	}
	return is_written ? 0 : say_not_written();
}

/* For programs: all made, then all written. */
static int make_then_write(struct asking *asking, struct making *making)
{
	int code = 0;

	for (unsigned int i = 0; i < making->count && code == 0; i++) {
		say_progress(asking->cli, i, making->count);
		code = make_one(asking, making, i);
	}
	say_progress(asking->cli, making->count, making->count);
	return code == 0 ? write_all(asking, making) : code;
}

/* For people: one after another. One that was shown lives, also if it was ended by Ctrl-C. */
static int make_and_show(struct asking *asking, struct making *making)
{
	struct cli *cli = asking->cli;
	int code = 0;

	for (unsigned int i = 0; i < making->count && code == 0; i++) {
		struct made *made = &making->made[i];

		code = make_one(asking, making, i);
		if (code != 0) {
			break;
		}
		code = screen_show_password(cli, asking->signals, &made->password, made->secret,
		                            making->in_place);
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

int make_all(struct cli *cli, struct making *making)
{
	struct signals signals;
	struct asking asking = { .cli = cli, .signals = &signals };
	int result = signals_hold(&signals);

	making->made = calloc((size_t)making->count + 1, sizeof(*making->made));
	if (result < 0 || making->made == NULL) {
		return say_no_memory();
	}
	int code = cli->json || making->print ? make_then_write(&asking, making)
	                                      : make_and_show(&asking, making);

	undo(&asking, making);
	for (unsigned int i = 0; i < making->count; i++) {
		making->made[i].secret = sparekey_secret_free(making->made[i].secret);
	}
	free(making->made);
	signals_release(&signals);
	return code;
}
