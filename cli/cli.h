/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#define FD_NONE (-1)
#define FD_SPENT (-2)

/* The global options, and the connection once it is made. */
struct cli {
	bool json;
	bool plain;
	bool quiet;
	bool verbose;
	bool no_input;
	enum cli_color color;
	const char *address;
	int password_fd; /* of the main password; FD_NONE, or FD_SPENT once it has been read */
	int code_fd;
	struct sparekey *sparekey; /* owned by main */
	bool wants_help;
	int ended_by;         /* a signal to end by, once all is tidied up; 0: none */
	long long started_at; /* of work told by say_progress, monotonic seconds */
	bool has_progress;
};

/* One command: `argv[0]` is its name. Returns an exit code. */
typedef int command_fn(struct cli *cli, int argc, char **argv);

/* commands.c: what there is, and the help made of it. */
struct command {
	const char *name;
	command_fn *run;
	const char *arguments;
	const char *summary;
	const char *details; /* options and what else is worth knowing */
	const char *example;
};
/* NULL: said that there is none, and which one was probably meant. */
const struct command *command_find(const char *name);
/* Help for all (NULL), or for one command. */
int say_help(const char *name);

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
command_fn setup_command;
command_fn passwd_command;
command_fn factor_command;
command_fn status_command;
command_fn help_command;

/* main.c: connects at the first need; 0 or an exit code, said. */
int cli_connect(struct cli *cli);

struct option; /* getopt.h */

/* options.c: as getopt_long, but says itself what is wrong, and then returns '?'. `letters` begin
 * with ":" or "+:". `command`: whose help is pointed to, or NULL. */
int next_option(int argc, char **argv, const char *letters, const struct option *options,
                const char *command);
/* The value of --account: 0 and `ret_account` points to it, or an exit code, said. */
int read_account(const char *text, const char **ret_account);
/* The plain form of a label, which label_fold takes; 0 or an exit code, said. */
int read_label(const char *text, char ret_label[static SPAREKEY_LABEL_SIZE]);
/* A time to come, or 0 for "never"; 0 or an exit code, said. */
int read_expiry(const char *text, long long *ret_at);
/* Whether a word stands for every service. Over D-Bus a scope may have that name too; here none. */
bool is_any(const char *text);
/* A scope by its plain name; `word` is what the user gave. 0 or an exit code, said. */
int read_scope(const char *text, const char *word, char ret_scope[static SPAREKEY_SCOPE_SIZE]);
/* For a command without options; 0 or an exit code, said. */
int no_more_options(int argc, char **argv, const char *letters);
/* Behind the options of a command that takes none; 0 or an exit code, said. */
int no_arguments(int argc, char **argv, const char *hint);
/* Moves global options to the front, wherever they stand before "--", so that "list --json" does
 * what it says. */
void gather_globals(int argc, char **argv);

/* fit.c: `text` cut to `columns` and `size` - 1 bytes, with an ellipsis if it was. Returns
 * `ret_text`. */
#define ELLIPSIS "\xe2\x80\xa6"
const char *fit(const char *text, size_t columns, char *ret_text, size_t size);

/* table.c: whether stdout is to be coloured. */
bool has_color(const struct cli *cli);

/* say.c: one line on stderr, `sparekey: ` and what is wrong; then, if not NULL, a line with what to
 * do. Both are escaped here. Returns `code`. */
int say_error(int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* EXIT_BUG, after saying that memory ran out. */
int say_no_memory(void);
/* The exit code of an outcome, after saying what the broker said, and what to do. */
int say_result(const struct cli *cli, int result);
int say_result_with(const struct cli *cli, int result, const char *hint);
/* A line on stderr that helps on, unless --quiet; escaped here. */
void say_hint(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Work that may take long: told from two seconds on, on a terminal alone. 0 done begins it. */
void say_progress(struct cli *cli, unsigned int done, unsigned int count);
/* The same for a single call: true before it, false after it. Not where it reads a secret: that
 * wait would be broken off. */
#define PATIENCE_MS 2000
void say_patience(const struct cli *cli, bool begins);
/* What say_patience says, where the wait is our own. */
void say_waiting(struct cli *cli);
/* Writes past stdio; false if it cannot. */
bool say_raw(const char *text);
/* A line about what was done, unless --quiet; on stdout. */
void say_done(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Flushes stdout; `code`, or EXIT_STORE if it could not be written. */
int say_end(int code);
/* A label as it is shown: escaped. Points into `ret_room`. */
const char *shown(const char *text, char ret_room[static 2048]);
/* What was typed, cut for an error's line; not escaped. */
#define BRIEF_COLUMNS 60u
#define BRIEF_BYTES ((size_t)4 * BRIEF_COLUMNS)
const char *brief(const char *text, char ret_room[static BRIEF_BYTES]);

/* pages.c: sparekey_list, with patience told; an exit code, said. */
int list_all(struct cli *cli, struct sparekey_list *ret_list);
/* Calls `look` for each, by id, and keeps none. The library's result. */
int look_at_all(struct cli *cli, void (*look)(void *data, const struct sparekey_password *password),
                void *data);

/* resolve.c: a label or an id to a record. 0 or an exit code, said; "Did you mean" when it is close
 * to one. */
int resolve(struct cli *cli, const char *name, struct sparekey_password *ret_password);
/* Damerau-Levenshtein distance of two strings, at most 64 bytes of each. */
unsigned int edit_distance(const char *a, const char *b);

/* each.c: one deed for each of `count` named passwords. */
struct deed {
	int (*act)(struct sparekey *sparekey, const char *id);
	const char *done;  /* "Revoked" */
	const char *after; /* a sentence behind it, or "" */
	bool is_ending;
};
int act_on_each(struct cli *cli, const struct deed *deed, int count, char **names);

/* when.c */
/* `N` followed by s m h d w y. Seconds; false if it is none. */
bool span_read(const char *text, long long *ret_seconds);
/* A span from `now`, a date (the end of that local day), or "never" (0). */
bool when_read(const char *text, long long now, long long *ret_at);
void when_rfc3339(long long at, char ret_text[static 32]);
/* "2027-01-31 23:59 CET", where the user is. */
void when_local(long long at, char ret_text[static 48]);
/* "5 min ago", "in 3 weeks", "never" for 0. */
void when_relative(long long at, long long now, char ret_text[static 32]);

struct json_t;

/* output.c: passwords as JSON, as tab-separated text, as a card. JSON is written whole or not at
 * all: 0, or EXIT_BUG after saying that memory ran out. */
int output_json_password(const struct sparekey_password *password);
int output_json_passwords(const struct sparekey_password *rows, unsigned int count);
/* A value, with flags of jansson's, and a newline; lets go of it. NULL: memory ran out. */
int output_json(struct json_t *value, size_t flags);
/* An object with one more member; NULL, with both let go, when memory ran out. Takes NULL. */
struct json_t *json_with(struct json_t *object, const char *name, struct json_t *value);
/* With the secret as last member, past stdio; no newline. False: it could not be written. */
bool output_json_secret(const struct sparekey_password *password,
                        const struct sparekey_secret *secret);
void output_plain_password(const struct sparekey_password *password);
void output_card(const struct sparekey_password *password);
/* After a change: the record for --json and --plain, else `what` and its name. */
int output_changed(const struct cli *cli, const char *what,
                   const struct sparekey_password *password);
/* A state of the tool's alone: what it has just revoked. */
#define SPAREKEY_REVOKED ((enum sparekey_state)0x100)
const char *state_name(enum sparekey_state state);
/* "imap, smtp", or `any`; where that is not empty, a scope that has the name "any" is quoted. */
void scopes_text(const struct sparekey_scopes *scopes, const char *separator, const char *any,
                 char *ret_text, size_t size);
/* Their names as a JSON array; the caller's. */
struct json_t *scopes_json(const struct sparekey_scopes *scopes);
/* "5 min ago, imap, 192.0.2.7" */
void used_text(const struct sparekey_password *password, long long now, char *ret_text,
               size_t size);
/* Whether it was used last, or else made, before `at`: the rule of RevokeAll. */
bool is_unused_since(const struct sparekey_password *password, long long at);

/* table.c: fits the terminal, if it goes to one. */
void output_table(const struct cli *cli, const struct sparekey_list *list);

/* signals.c: signals that end, stop or resize, held back while a secret is made and shown. */
struct signals {
	int fd;
	sigset_t before;
};
int signals_hold(struct signals *ret_signals);
/* The next one that came: a number, or 0. */
int signals_take(struct signals *signals);
/* Stops the process as SIGTSTP does, until it goes on. */
void signals_stop(void);
void signals_release(struct signals *signals);
/* Whether it asks to end; notes by which in `cli`, SIGINT apart. */
bool signals_ends(struct cli *cli, int number);

/* ask.c: requests awaited beside held signals. The first signal that ends leaves what is under way
 * a short time, once for all requests of one `asking`; the second leaves it none. */
struct asking {
	struct cli *cli;
	struct signals *signals;
	bool is_ended;        /* a signal to end has come */
	long long give_up_ms; /* monotonic; then nothing is awaited any more */
};
/* The request's result; `take` is called with its answer, whatever the result. -ETIMEDOUT: given up
 * after a signal, so that it may be done all the same. */
int ask(struct asking *asking, const struct sparekey_request *request,
        void (*take)(void *data, const struct sparekey_answer *answer), void *data);
/* Takes the signals that have come; true: one of them, or one before, is to end. */
bool ask_signals(struct asking *asking);
/* Waits until stdout takes more; false: a signal is to end instead. */
bool ask_output(struct asking *asking);

/* make.c: makes `count` passwords and shows each once. 0 or an exit code, said. */
struct making {
	struct sparekey_wish wish; /* but for the label */
	bool print;
	bool in_place;
	unsigned int count;
	char **labels;
	struct made *made; /* make.c's own */
};
int make_all(struct cli *cli, struct making *making);

/* term.c */
/* Whether somebody can be asked: stdin is a terminal, and --no-input is not given. */
bool term_can_ask(const struct cli *cli);
/* Reads a secret from the terminal on stdin without echo. 0 or an exit code, said. */
int term_ask_secret(struct cli *cli, const char *prompt, struct sparekey_secret *secret);
/* The same, or from stdin to its end if that is no terminal. */
int term_read_secret(struct cli *cli, const char *prompt, struct sparekey_secret *secret);
/* Asks for a line on the terminal. 0, EXIT_INTERRUPTED, or EXIT_NO if none could be read. */
int term_ask(struct cli *cli, const char *question, char *ret_line, size_t size);
/* Lines and columns of the terminal on stdout; 0 each if it is none. */
void term_size(unsigned int *ret_lines, unsigned int *ret_columns);

/* screen.c */
/* What stands on the alternate screen. `write` writes it past stdio, with what ends it, for a
 * window of so many lines and columns; 0: in place, as long as it gets, and nothing is waited for.
 */
struct page {
	bool (*write)(const struct page *page, unsigned int lines, unsigned int columns);
	const void *data;
	bool can_turn; /* by an "i" before Enter: light and dark change places */
	bool is_turned;
};
/* Shows it until Enter, or in place. 0, EXIT_INTERRUPTED if it was shown and then a signal came, or
 * EXIT_STORE if it could not be written. */
int screen_show(struct cli *cli, struct signals *signals, struct page *page, bool is_inline);
/* The same of a new password. */
int screen_show_password(struct cli *cli, struct signals *signals,
                         const struct sparekey_password *password,
                         const struct sparekey_secret *secret, bool is_inline);

/* qr.c: the page of a new authenticator's key, `uri` as a QR code and the key in it as text. The
 * page keeps the secret. */
void qr_page(const struct cli *cli, const struct sparekey_secret *uri, struct page *ret_page);

/* proof.c */
/* Whether a result says that the owner has to prove something first. */
bool wants_proof(int result);
/* Asks for main password and code as that result wants it, and proves them. 0: try again what gave
 * the result; or an exit code, said. */
int prove(struct cli *cli, int why);
/* A code from its descriptor or the terminal, without the blanks that some write into it. 0 or an
 * exit code, said. */
int prove_read_code(struct cli *cli, int why, struct sparekey_secret *ret_code);
/* Wrong ones that are asked for again on a terminal. */
#define PROOF_TRIES 3u

/* owner.c */
/* What is set up; 0 or an exit code, said. Connects. */
int owner_get(struct cli *cli, struct sparekey_owner *ret_owner);
/* Asks for the proof that what concerns the owner needs. 0 or an exit code, said. */
int owner_prove(struct cli *cli, const struct sparekey_owner *owner);
/* A warning where few recovery codes are left; nothing of a broker that knows none. */
void owner_say_codes(struct cli *cli);
/* "totp", "none" or "other". */
const char *owner_factor(const struct sparekey_owner *owner);
/* What is set up, as --json and --plain want it, or else `text`. An exit code. */
int owner_say(struct cli *cli, const char *text);
/* A new main password: from `fd`, or (-1) asked for twice on the terminal. `set` makes it that: 0,
 * an exit code, said, or SET_AGAIN, said that it cannot be one. 0 or an exit code, said. */
#define SET_AGAIN (-1)
typedef int set_password_fn(struct cli *cli, const struct sparekey_secret *password, void *data);
int owner_set_password(struct cli *cli, int fd, const char *prompt, set_password_fn *set,
                       void *data);
/* What `set` returns for a result. */
int owner_say_set(const struct cli *cli, int result);

/* factor.c */
/* A new authenticator: its key shown (or printed), its first code asked for. 0 or an exit code,
 * said. */
int factor_enroll(struct cli *cli, bool print);
/* New recovery codes: shown, and one typed back; or printed. 0 or an exit code, said. */
int factor_make_codes(struct cli *cli, bool print);
/* Before anything is made that would be shown: whether it can be. 0 or an exit code, said. */
int factor_check_output(const struct cli *cli, bool print);

#endif
