/* SPDX-License-Identifier: MIT */
/*
 * The second factor: an authenticator enrolled and confirmed by its first code, recovery codes of
 * which one is typed back to prove that they were kept; sparekey factor. What was made and could
 * not be shown is told; made anew it replaces what nobody has.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static const struct option options[] = { { "print", no_argument, NULL, 'p' },
	                                 { NULL, 0, NULL, 0 } };

int factor_check_output(const struct cli *cli, bool print)
{
	if (print && (cli->json || cli->plain)) {
		return say_error(EXIT_USAGE_ERROR, NULL,
		                 "--print gives key and codes, --json and --plain do not");
	}
	if (!print && !isatty(STDOUT_FILENO)) {
		return say_error(EXIT_USAGE_ERROR, "Use --print to allow that. Nothing was made.",
		                 "key and codes would go to something that is not a terminal");
	}
	return 0;
}

/* Shows a page, or prints a secret and `end`, with signals held. */
static int show(struct cli *cli, struct signals *signals, struct page *page,
                const struct sparekey_secret *printed, const char *end)
{
	int code = EXIT_DONE;

	if (printed == NULL) {
		code = screen_show(cli, signals, page, false);
	} else {
		int result = sparekey_secret_write(printed, STDOUT_FILENO);

		errno = -result;
		code = result == 0 && say_raw(end) ? EXIT_DONE : EXIT_STORE;
	}
	return code == EXIT_STORE
	               ? say_error(code, NULL, "it could not be written out: %s", strerror(errno))
	               : code;
}

/* A secret of the broker's, asked for while signals are held, then shown. */
struct showing {
	struct cli *cli;
	enum sparekey_operation operation;
	struct sparekey_secret *secret;
	bool print;
	struct page page;
	const char *end;
};

static void take(void *data, const struct sparekey_answer *answer)
{
	if (answer->secret != NULL) {
		sparekey_secret_set(data, sparekey_secret_text(answer->secret),
		                    sparekey_secret_length(answer->secret));
	}
}

static int get_and_show(struct showing *showing)
{
	struct signals signals;
	struct asking asking = { .cli = showing->cli, .signals = &signals };
	const struct sparekey_request request = { .operation = showing->operation };

	if (signals_hold(&signals) < 0) {
		return say_no_memory();
	}
	int result = ask(&asking, &request, take, showing->secret);
	int code = 0;

	if (wants_proof(result) && !asking.is_ended) {
		code = prove(showing->cli, result);
		result = code == 0 ? ask(&asking, &request, take, showing->secret) : 0;
	}
	if (code == 0 && ask_signals(&asking)) {
		code = say_error(EXIT_INTERRUPTED, NULL, "interrupted before it was shown");
	}
	code = code == 0 ? say_result(showing->cli, result) : code;
	if (code == 0) {
		code = show(showing->cli, &signals, &showing->page,
		            showing->print ? showing->secret : NULL, showing->end);
	}
	signals_release(&signals);
	return code;
}

/* The first code. 0, an exit code, said; -1: too late, the key is forgotten. */
static int confirm(struct cli *cli, struct sparekey_secret *typed)
{
	for (unsigned int tries = 1;; tries++) {
		bool is_typed = cli->code_fd == FD_NONE;
		int code = prove_read_code(cli, SPAREKEY_SECOND_FACTOR_REQUIRED, typed);

		if (code != 0) {
			return code;
		}
		int result = sparekey_confirm_totp(cli->sparekey, sparekey_secret_text(typed));

		if (result == SPAREKEY_AUTHENTICATION_REQUIRED || result == SPAREKEY_WRONG_STATE) {
			return -1;
		}
		if (result != SPAREKEY_AUTHENTICATION_FAILED) {
			return say_result(cli, result);
		}
		say_error(EXIT_REFUSED,
		          "Is the clock of the device right? A code counts for half a minute.",
		          "that is not the code of this key");
		if (!is_typed || tries >= PROOF_TRIES) {
			return EXIT_REFUSED;
		}
	}
}

static int enroll(struct showing *showing, struct sparekey_secret *typed)
{
	int code = -1;

	while (code == -1) {
		code = get_and_show(showing);
		code = code == 0 ? confirm(showing->cli, typed) : code;
		if (code == -1) {
			say_hint(showing->cli, "That took too long, and the key is forgotten. "
			                       "Here is a new one.");
		}
	}
	return code;
}

int factor_enroll(struct cli *cli, bool print)
{
	struct showing showing = {
		.cli = cli, .operation = SPAREKEY_OP_ENROLL_TOTP, .print = print, .end = "\n"
	};
	struct sparekey_secret *typed = NULL;
	int code = EXIT_BUG;

	if (sparekey_secret_new(&showing.secret) != 0 || sparekey_secret_new(&typed) != 0) {
		code = say_no_memory();
	} else {
		qr_page(cli, showing.secret, &showing.page);
		code = enroll(&showing, typed);
	}
	sparekey_secret_free(showing.secret);
	sparekey_secret_free(typed);
	return code;
}

/* Five lines of two codes. */
static bool write_codes(const struct page *page, unsigned int lines, unsigned int columns)
{
	const struct sparekey_secret *codes = page->data;
	const char *text = sparekey_secret_text(codes);
	bool is_second = false;
	char one[16];
	bool is_written = say_raw("Recovery codes, each good for one time, for the day the "
	                          "authenticator is lost:\n\n");

	(void)columns;
	while (*text != '\0' && is_written) {
		size_t length = strcspn(text, "\n");

		snprintf(one, sizeof(one), "%.*s", (int)length, text);
		is_written = say_raw("    ") && say_raw(one) && say_raw(is_second ? "\n" : "");
		is_second = !is_second;
		text += length + (text[length] == '\n' ? 1 : 0);
	}
	explicit_bzero(one, sizeof(one));
	return is_written && say_raw(is_second ? "\n" : "") &&
	       say_raw("\nKeep them on paper, or where the authenticator is not.\n") &&
	       (lines == 0 || say_raw("Press Enter when you have them."));
}

/* The next symbol of a code as it is meant (case, blanks, hyphens, o, i and l as 0 and 1); 0: the
 * end of it. */
static char next_symbol(const char **at)
{
	static const char typed[] = "0123456789abcdefghjkmnpqrstvwxyzABCDEFGHJKMNPQRSTVWXYZoOiIlL";
	static const char meant[] = "0123456789abcdefghjkmnpqrstvwxyzabcdefghjkmnpqrstvwxyz001111";

	while (**at == ' ' || **at == '-' || **at == '\t') {
		++*at;
	}
	if (**at == '\0' || **at == '\n') {
		return '\0';
	}
	const char *place = strchr(typed, *(*at)++);

	if (place == NULL || *place == '\0') {
		return '?';
	}
	return meant[place - typed];
}

static bool is_same_code(const char *a, const char *b)
{
	char letter = '\0';

	do {
		letter = next_symbol(&a);
		if (letter != next_symbol(&b)) {
			return false;
		}
	} while (letter != '\0');
	return true;
}

static bool is_one_of(const struct sparekey_secret *typed, const struct sparekey_secret *codes)
{
	const char *code = sparekey_secret_text(codes);
	bool is_found = false;

	while (*code != '\0' && sparekey_secret_length(typed) > 0) {
		is_found = is_found || is_same_code(sparekey_secret_text(typed), code);
		code += strcspn(code, "\n");
		code += *code == '\n' ? 1 : 0;
	}
	return is_found;
}

static int show_again(struct showing *showing)
{
	struct signals signals;

	if (signals_hold(&signals) < 0) {
		return say_no_memory();
	}
	int code = show(showing->cli, &signals, &showing->page, NULL, "");

	signals_release(&signals);
	return code;
}

/* Any of them, typed back: what was not kept is found out now. */
static int ask_back(struct showing *showing, struct sparekey_secret *typed)
{
	static const char hint[] = "To make new ones: sparekey factor codes";

	for (unsigned int tries = 1; term_can_ask(showing->cli); tries++) {
		int code = term_ask_secret(showing->cli, "One of the recovery codes: ", typed);

		if (code != 0) {
			say_hint(showing->cli, "The codes count all the same. %s", hint);
			return code;
		}
		if (is_one_of(typed, showing->secret)) {
			break;
		}
		say_error(EXIT_NO, tries < PROOF_TRIES ? "Here they are once more." : hint,
		          "that is none of them");
		code = tries < PROOF_TRIES ? show_again(showing) : EXIT_NO;
		if (code != 0) {
			return code;
		}
	}
	return 0;
}

int factor_make_codes(struct cli *cli, bool print)
{
	struct showing showing = {
		.cli = cli, .operation = SPAREKEY_OP_GENERATE_CODES, .print = print, .end = ""
	};
	struct sparekey_secret *typed = NULL;
	int code = EXIT_BUG;

	if (sparekey_secret_new(&showing.secret) != 0 || sparekey_secret_new(&typed) != 0) {
		code = say_no_memory();
	} else {
		showing.page = (struct page){ .write = write_codes, .data = showing.secret };
		code = get_and_show(&showing);
		if (code != 0 && sparekey_secret_length(showing.secret) > 0) {
			say_hint(cli, "The recovery codes were made all the same. To make new "
			              "ones: sparekey factor codes");
		}
		code = code == 0 && !print ? ask_back(&showing, typed) : code;
	}
	sparekey_secret_free(showing.secret);
	sparekey_secret_free(typed);
	return code;
}

/* sparekey factor */

static int say_status(struct cli *cli, const struct sparekey_owner *owner)
{
	if (cli->json || cli->plain) {
		return owner_say(cli, "");
	}
	printf("Authenticator   %s\n",
	       owner->second_factor == SPAREKEY_FACTOR_TOTP ? "yes" : "none");
	printf("Recovery codes  %u left\n", owner->recovery_codes_left);
	int code = say_end(0);

	if (!owner->initialized) {
		say_hint(cli, "To set it up: sparekey setup");
	} else if (owner->second_factor != SPAREKEY_FACTOR_TOTP) {
		say_hint(cli, "To add an authenticator: sparekey factor add");
	}
	owner_say_codes(cli);
	return code;
}

static int add(struct cli *cli, const struct sparekey_owner *owner, bool print)
{
	int code = factor_check_output(cli, print);

	code = code == 0 ? owner_prove(cli, owner) : code;
	code = code == 0 ? factor_enroll(cli, print) : code;
	if (code == 0 && owner->recovery_codes_left == 0) {
		code = factor_make_codes(cli, print);
	}
	if (code != 0 || print) {
		return code;
	}
	return owner_say(cli, owner->second_factor == SPAREKEY_FACTOR_TOTP
	                              ? "The new authenticator counts from now on, the old one no "
	                                "more.\n"
	                              : "Added the authenticator.\n");
}

static int make_codes(struct cli *cli, const struct sparekey_owner *owner, bool print)
{
	int code = factor_check_output(cli, print);

	code = code == 0 ? owner_prove(cli, owner) : code;
	code = code == 0 ? factor_make_codes(cli, print) : code;
	return code == 0 && !print ? owner_say(cli, "Earlier recovery codes count no more.\n")
	                           : code;
}

static int take_away(struct cli *cli, const struct sparekey_owner *owner)
{
	if (owner->initialized && owner->second_factor == SPAREKEY_FACTOR_NONE) {
		return say_error(EXIT_NO, NULL, "there is no authenticator");
	}
	int code = owner_prove(cli, owner);

	code = code == 0 ? say_result(cli, sparekey_remove_totp(cli->sparekey)) : code;
	return code == 0 ? owner_say(cli, "Removed the authenticator and the recovery codes.\n")
	                 : code;
}

static int say_usage(void)
{
	return say_error(EXIT_USAGE_ERROR, "sparekey factor status|add|remove|codes",
	                 "what about the second factor?");
}

int factor_command(struct cli *cli, int argc, char **argv)
{
	struct sparekey_owner owner;
	bool print = false;
	int letter = 0;

	while ((letter = next_option(argc, argv, ":p", options, argv[0])) != -1) {
		if (letter != 'p') {
			return EXIT_USAGE_ERROR;
		}
		print = true;
	}
	const char *what = argc - optind == 1 ? argv[optind] : "";
	bool is_add = strcmp(what, "add") == 0;
	bool is_codes = strcmp(what, "codes") == 0;
	bool is_remove = strcmp(what, "remove") == 0;

	if ((!is_add && !is_codes && !is_remove && strcmp(what, "status") != 0) ||
	    (print && !is_add && !is_codes)) {
		return say_usage();
	}
	int code = owner_get(cli, &owner);

	if (code != 0) {
		return code;
	}
	return is_add      ? add(cli, &owner, print)
	       : is_codes  ? make_codes(cli, &owner, print)
	       : is_remove ? take_away(cli, &owner)
	                   : say_status(cli, &owner);
}
