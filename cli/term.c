/* SPDX-License-Identifier: MIT */
/*
 * The terminal: questions, secrets without echo, and the one showing of a new password on the
 * alternate screen, which leaves nothing in the scrollback. A flag says that Ctrl-C came, the only
 * state of this file: a signal handler has nowhere else to put it.
 */
#include <bsd/readpassphrase.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* Without SA_RESTART, so that a read ends. */
static void catch_interrupts(struct sigaction *ret_before)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	interrupted = 0;
	sigaction(SIGINT, &action, ret_before);
}

static bool write_all(const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t count = write(STDOUT_FILENO, text, length);

		if (count < 0 && errno != EINTR) {
			return false;
		}
		if (count > 0) {
			text += count;
			length -= (size_t)count;
		}
	}
	return true;
}

static void wait_for_enter(void)
{
	char letter = 0;

	while (!interrupted && letter != '\n') {
		ssize_t count = read(STDIN_FILENO, &letter, 1);

		if (count == 0 || (count < 0 && errno != EINTR)) {
			return;
		}
	}
}

static void describe(const struct sparekey_password *password, char *ret_text, size_t size)
{
	char scopes[SPAREKEY_SCOPES_MAX * (SPAREKEY_SCOPE_BYTES + 1)];
	char until[32];

	scopes_text(password, ", ", "any service", scopes, sizeof(scopes));
	when_rfc3339(password->expires_at, until);
	snprintf(ret_text, size, "It is shown once and stored nowhere. For: %s. %s%s.\n", scopes,
	         password->expires_at == 0 ? "Never expires" : "Expires ",
	         password->expires_at == 0 ? "" : until);
}

static bool write_page(const struct sparekey_password *password, const struct secret *secret)
{
	char label[2048];
	char head[2200];
	char text[2600];

	snprintf(head, sizeof(head), "Password for \"%s\":\n\n    ", shown(password->label, label));
	describe(password, text, sizeof(text));
	return write_all(head) && secret_write(secret, STDOUT_FILENO) == 0 && write_all("\n\n") &&
	       write_all(text);
}

int term_show_secret(const struct cli *cli, const struct sparekey_password *password,
                     const struct secret *secret, bool is_inline)
{
	const char *term = getenv("TERM");
	bool in_place = is_inline || cli->no_input || term == NULL || strcmp(term, "dumb") == 0 ||
	                !isatty(STDIN_FILENO);
	struct sigaction before;

	fflush(stdout);
	catch_interrupts(&before);
	bool is_written = (in_place || write_all("\033[?1049h\033[H\033[2J")) &&
	                  write_page(password, secret);

	if (is_written && !in_place) {
		is_written = write_all("Press Enter when you have it.\n");
		if (is_written) {
			wait_for_enter();
		}
		write_all("\033[H\033[2J\033[?1049l");
	}
	sigaction(SIGINT, &before, NULL);
	if (!is_written) {
		return EXIT_STORE;
	}
	return interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

static int read_stdin(struct secret *secret)
{
	ssize_t count = 0;

	do {
		count = secret_read_some(secret, STDIN_FILENO);
	} while (count > 0);
	if (count < 0 && count != -EMSGSIZE) {
		return say_error(EXIT_STORE, NULL, "stdin: %s", strerror((int)-count));
	}
	secret_chomp(secret);
	return 0;
}

int term_read_secret(const struct cli *cli, const char *prompt, struct secret *secret)
{
	struct sigaction before;

	if (!isatty(STDIN_FILENO)) {
		return read_stdin(secret);
	}
	if (cli->no_input) {
		return say_error(EXIT_USAGE_ERROR, "Give it on stdin.",
		                 "--no-input forbids to ask for the password");
	}
	catch_interrupts(&before);
	char *text = (char *)secret_buffer(secret);
	const char *got = readpassphrase(prompt, text, SECRET_CAPACITY, 0);

	sigaction(SIGINT, &before, NULL);
	if (got == NULL || interrupted) {
		secret_clear(secret);
		return interrupted ? EXIT_INTERRUPTED
		                   : say_error(EXIT_STORE, NULL, "the terminal cannot be read");
	}
	secret_set_length(secret, strnlen(text, SECRET_CAPACITY));
	return 0;
}

bool term_ask(const char *question, char *ret_line, size_t size)
{
	fputs(question, stderr);
	fflush(stderr);
	if (fgets(ret_line, (int)size, stdin) == NULL) {
		return false;
	}
	ret_line[strcspn(ret_line, "\n")] = '\0';
	return true;
}
