/* SPDX-License-Identifier: MIT */
/*
 * The terminal: questions, and secrets without echo. Refused: readpassphrase(3), whose handlers
 * note a Ctrl-C just before its read and then wait for a key all the same.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

void term_size(unsigned int *ret_lines, unsigned int *ret_columns)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0) {
		size = (struct winsize){ 0 };
	}
	*ret_lines = size.ws_row;
	*ret_columns = size.ws_col;
}

/* One that is too long is left empty: it is no app password, as an empty one is none. */
static int read_stdin(struct sparekey_secret *secret)
{
	int result = sparekey_secret_read(secret, STDIN_FILENO);

	if (result < 0 && result != -EMSGSIZE) {
		return say_error(EXIT_STORE, NULL, "stdin: %s", sparekey_strerror(result));
	}
	return 0;
}

/* The terminal's modes, without echo and as they were. */
struct modes {
	struct termios before;
	struct termios quiet;
};

static void set_modes(const struct termios *modes)
{
	if (modes != NULL) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, modes);
	}
}

/* Ctrl-Z while a question stands there: the terminal as it was, and the question again after it. */
static void stop_asking(const char *question, const struct modes *modes)
{
	set_modes(modes != NULL ? &modes->before : NULL);
	signals_stop();
	set_modes(modes != NULL ? &modes->quiet : NULL);
	fputs(question, stderr);
}

/* Until stdin has a line: a Ctrl-C just before read(2) would be lost on a handler, not here. */
static int wait_for_line(struct cli *cli, struct signals *signals, const char *question,
                         const struct modes *modes)
{
	struct pollfd waits[] = { { .fd = STDIN_FILENO, .events = POLLIN },
		                  { .fd = signals->fd, .events = POLLIN } };
	int number = 0;

	fputs(question, stderr);
	for (;;) {
		if (poll(waits, 2, -1) < 0 && errno != EINTR) {
			return EXIT_NO;
		}
		number = signals_take(signals);
		if (signals_ends(cli, number)) {
			return EXIT_INTERRUPTED;
		}
		if (number == SIGTSTP) {
			stop_asking(question, modes);
		} else if (number == 0 && waits[0].revents != 0) {
			return 0;
		}
	}
}

/* One line, or what stands before an end of file, straight into the secret: one read(2), so that
 * none waits while signals are held. What is beyond its capacity is dropped with the modes. */
static int read_line(struct sparekey_secret *secret)
{
	int result = sparekey_secret_read_once(secret, STDIN_FILENO);

	return result == 0 || result == -EMSGSIZE ? 0 : EXIT_STORE;
}

bool term_can_ask(const struct cli *cli)
{
	return !cli->no_input && isatty(STDIN_FILENO);
}

int term_ask_secret(struct cli *cli, const char *prompt, struct sparekey_secret *secret)
{
	struct signals signals;
	struct modes modes;

	fflush(stdout);
	if (tcgetattr(STDIN_FILENO, &modes.before) < 0) {
		return say_error(EXIT_STORE, NULL, "the terminal cannot be read");
	}
	modes.quiet = modes.before;
	modes.quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	modes.quiet.c_lflag |= ICANON | ISIG;
	if (signals_hold(&signals) < 0) {
		return say_no_memory();
	}
	set_modes(&modes.quiet);
	int code = wait_for_line(cli, &signals, prompt, &modes);

	code = code == 0 ? read_line(secret) : code;
	set_modes(&modes.before);
	fputc('\n', stderr);
	signals_release(&signals);
	return code == EXIT_STORE ? say_error(code, NULL, "the terminal cannot be read") : code;
}

int term_read_secret(struct cli *cli, const char *prompt, struct sparekey_secret *secret)
{
	if (!isatty(STDIN_FILENO)) {
		return read_stdin(secret);
	}
	if (cli->no_input) {
		return say_error(EXIT_USAGE_ERROR, "Give it on stdin.",
		                 "--no-input forbids to ask for the password");
	}
	return term_ask_secret(cli, prompt, secret);
}

int term_ask(struct cli *cli, const char *question, char *ret_line, size_t size)
{
	struct signals signals;

	fflush(stdout);
	if (signals_hold(&signals) < 0) {
		return EXIT_NO;
	}
	int code = wait_for_line(cli, &signals, question, NULL);

	if (code == 0) {
		ssize_t count = read(STDIN_FILENO, ret_line, size - 1);

		code = count > 0 ? 0 : EXIT_NO;
		ret_line[count > 0 ? count : 0] = '\0';
		ret_line[strcspn(ret_line, "\n")] = '\0';
	}
	if (code != 0) {
		fputc('\n', stderr);
	}
	signals_release(&signals);
	return code;
}
