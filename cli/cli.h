/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/secret.h"
#include "sparekey.h"

/* Exit codes (sysexits.h, and CLI contract). */
enum cli_exit {
	EXIT_DONE = 0,
	EXIT_NO = 1,
	EXIT_USAGE_ERROR = 64,
	EXIT_BAD_DATA = 65,
	EXIT_NO_BROKER = 69,
	EXIT_BUG = 70,
	EXIT_STORE = 74,
	EXIT_RATE = 75,
	EXIT_REFUSED = 77,
	EXIT_SETTINGS = 78,
	EXIT_INTERRUPTED = 130,
};

enum cli_color { COLOR_AUTO = 0, COLOR_ALWAYS, COLOR_NEVER };

/* The global options, and the connection once it is made. */
struct cli {
	bool json;
	bool plain;
	bool quiet;
	bool verbose;
	bool no_input;
	enum cli_color color;
	const char *address;
	struct sparekey *sparekey; /* owned by main */
	unsigned int seen_options;
};

/* One command: `argv[0]` is its name. Returns an exit code. */
typedef int command_fn(struct cli *cli, int argc, char **argv);

command_fn new_command;
command_fn list_command;
command_fn show_command;
command_fn revoke_command;
command_fn rename_command;
command_fn scope_command;
command_fn expire_command;
command_fn freeze_command;
command_fn thaw_command;
command_fn verify_command;
command_fn which_command;
command_fn status_command;
command_fn help_command;

/* main.c: connects at the first need; 0 or an exit code, said. */
int cli_connect(struct cli *cli);

/* say.c: one line on stderr, `sparekey: ` and what is wrong; then, if not NULL, a line with what to
 * do. Returns `code`. */
int say_error(int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The exit code of an outcome, after saying what the broker said. */
int say_result(const struct cli *cli, int result);
/* A line about what was done, unless --quiet; on stdout. */
void say_done(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Flushes stdout; `code`, or EXIT_STORE if it could not be written. */
int say_end(int code);
/* A label as it is shown: escaped. Points into `ret_room`. */
const char *shown(const char *text, char ret_room[static 2048]);

/* resolve.c: a label or an id to a record. 0 or an exit code, said; "Did you mean" when it is close
 * to one. */
int resolve(struct cli *cli, const char *name, struct sparekey_password *ret_password);
/* Damerau-Levenshtein distance of two strings, at most 64 bytes of each. */
unsigned int edit_distance(const char *a, const char *b);

/* when.c */
/* `N` followed by s m h d w y. Seconds; false if it is none. */
bool span_read(const char *text, long long *ret_seconds);
/* A span from `now`, a date (the end of that local day), or "never" (0). */
bool when_read(const char *text, long long now, long long *ret_at);
void when_rfc3339(long long at, char ret_text[static 32]);
/* "5 min ago", "in 3 weeks", "never" for 0. */
void when_relative(long long at, long long now, char ret_text[static 32]);

/* output.c: passwords as JSON, as tab-separated text, as a table, as a card. */
void output_json_password(const struct sparekey_password *password, const struct secret *secret);
void output_json_passwords(const struct sparekey_password *rows, unsigned int count);
void output_plain_password(const struct sparekey_password *password);
void output_table(const struct cli *cli, const struct sparekey_list *list);
void output_card(const struct cli *cli, const struct sparekey_password *password);
const char *state_name(enum sparekey_state state);
/* "imap, smtp", or "any". */
void scopes_text(const struct sparekey_password *password, const char *separator, const char *any,
                 char *ret_text, size_t size);

/* term.c */
/* Shows a secret on the alternate screen (or in place) until Enter. 0, EXIT_INTERRUPTED, or
 * EXIT_STORE if it could not be written. */
int term_show_secret(const struct cli *cli, const struct sparekey_password *password,
                     const struct secret *secret, bool is_inline);
/* Reads a secret from the terminal without echo, or from stdin if that is none. 0 or an exit code,
 * said. */
int term_read_secret(const struct cli *cli, const char *prompt, struct secret *secret);
/* Asks for a line on the terminal; false: none could be read. */
bool term_ask(const char *question, char *ret_line, size_t size);

#endif
