/* SPDX-License-Identifier: MIT */
/*
 * The terminal: questions, secrets without echo, and the one showing of a new password on the
 * alternate screen, which leaves nothing in the scrollback. While it stands there the page fits the
 * window (what scrolls off an alternate screen is gone), nothing typed is echoed, and whatever ends
 * or stops us clears it first. Refused: readpassphrase(3), whose handlers note a Ctrl-C just before
 * its read and then wait for a key all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

void term_size(unsigned int *ret_lines, unsigned int *ret_columns)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0) {
		size = (struct winsize){ 0 };
	}
	*ret_lines = size.ws_row;
	*ret_columns = size.ws_col;
}

/* What a page is made of; `keys`: where Enter comes from, -1: from nowhere. */
struct page {
	const struct sparekey_password *password;
	const struct sparekey_secret *secret;
	int keys;
	struct termios before;
};

#define LINES_BUT_TEXT 6u /* label, blank, secret, blank, and two to spare: the prompt may wrap */
#define SECRET_COLUMNS 29u
#define INDENT "    "

static void describe(const struct sparekey_password *password, char *ret_text, size_t size)
{
	char scopes[SPAREKEY_SCOPES_MAX * (SPAREKEY_SCOPE_SIZE + 1)];
	char until[48];

	scopes_text(&password->scopes, ", ", "any service", scopes, sizeof(scopes));
	when_local(password->expires_at, until);
	snprintf(ret_text, size, "It is shown once and stored nowhere. For: %s. %s%s.", scopes,
	         password->expires_at == 0 ? "Never expires" : "Expires ",
	         password->expires_at == 0 ? "" : until);
}

/* 0 lines or columns: as long as it gets. */
static bool write_page(const struct page *page, unsigned int lines, unsigned int columns)
{
	char room[2048];
	char label[2048];
	char head[2200];
	char text[2600];
	char cut[2600];
	unsigned int left = lines > LINES_BUT_TEXT + 1 ? lines - LINES_BUT_TEXT : 1;
	const char *blank = lines == 0 || lines > LINES_BUT_TEXT ? "\n\n" : "\n";
	const char *indent = columns == 0 || columns >= SECRET_COLUMNS + strlen(INDENT) ? INDENT
	                                                                                : "";
	size_t around = strlen("Password for \"\":");

	describe(page->password, text, sizeof(text));
	fit(shown(page->password->label, room),
	    columns == 0           ? SIZE_MAX
	    : columns > around + 1 ? columns - around
	                           : 1,
	    label, sizeof(label));
	snprintf(head, sizeof(head), "Password for \"%s\":%s%s", label, blank, indent);
	fit(text, columns == 0 ? SIZE_MAX : (size_t)left * columns, cut, sizeof(cut));
	return say_raw(head) && sparekey_secret_write(page->secret, STDOUT_FILENO) == 0 &&
	       say_raw(blank) && say_raw(cut) && say_raw("\n");
}

/* A terminal of which the size is not known is taken for the smallest usual one. */
static bool draw(const struct page *page)
{
	unsigned int lines = 0;
	unsigned int columns = 0;

	term_size(&lines, &columns);
	return say_raw("\033[H\033[2J") &&
	       write_page(page, lines > 0 ? lines : 24, columns > 0 ? columns : 80) &&
	       say_raw("Press Enter when you have it.");
}

/* The terminal's modes come first: in the background that stops us before anything is written. What
 * was typed before is dropped, so that an Enter too many does not end what it never saw. */
static bool enter(const struct page *page)
{
	struct termios quiet = page->before;

	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	tcsetattr(page->keys, TCSAFLUSH, &quiet);
	return say_raw("\033[?1049h") && draw(page);
}

static void leave(const struct page *page)
{
	say_raw("\033[H\033[2J\033[?1049l");
	tcsetattr(page->keys, TCSAFLUSH, &page->before);
}

/* True: Enter, or nothing more will come. */
static bool has_entered(int keys)
{
	char letters[64];
	ssize_t count = read(keys, letters, sizeof(letters));

	if (count < 0) {
		return errno != EINTR && errno != EAGAIN;
	}
	return count == 0 || memchr(letters, '\n', (size_t)count) != NULL;
}

static int wait_for_enter(struct cli *cli, struct signals *signals, const struct page *page)
{
	struct pollfd waits[] = { { .fd = page->keys, .events = POLLIN },
		                  { .fd = signals->fd, .events = POLLIN } };

	for (;;) {
		if (poll(waits, 2, -1) < 0 && errno != EINTR) {
			return EXIT_DONE;
		}
		int number = signals_take(signals);

		if (signals_ends(cli, number)) {
			return EXIT_INTERRUPTED;
		}
		if (number == SIGTSTP) {
			leave(page);
			signals_stop();
			enter(page);
		} else if (number == SIGWINCH) {
			draw(page);
		} else if (waits[0].revents != 0 && has_entered(page->keys)) {
			return EXIT_DONE;
		}
	}
}

/* Where Enter is typed: stdin, or the terminal itself where stdin is something else. -1: there is
 * none, or nobody may be asked. The caller closes what is not stdin. */
static int open_keys(const struct cli *cli)
{
	const char *term = getenv("TERM");

	if (cli->no_input || term == NULL || strcmp(term, "dumb") == 0 || !isatty(STDOUT_FILENO)) {
		return -1;
	}
	if (isatty(STDIN_FILENO)) {
		return STDIN_FILENO;
	}
	/* Only if that is the one the page is on. */
	return tcgetsid(STDOUT_FILENO) == getsid(0) ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
}

int term_show_secret(struct cli *cli, struct signals *signals,
                     const struct sparekey_password *password, const struct sparekey_secret *secret,
                     bool is_inline)
{
	struct page page = { .password = password, .secret = secret, .keys = -1 };
	int code = EXIT_DONE;

	fflush(stdout);
	page.keys = is_inline ? -1 : open_keys(cli);
	if (page.keys < 0 || tcgetattr(page.keys, &page.before) < 0) {
		code = write_page(&page, 0, 0) ? EXIT_DONE : EXIT_STORE;
	} else {
		code = enter(&page) ? wait_for_enter(cli, signals, &page) : EXIT_STORE;
		leave(&page);
	}
	if (page.keys > STDIN_FILENO) {
		close(page.keys);
	}
	return code;
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

int term_read_secret(struct cli *cli, const char *prompt, struct sparekey_secret *secret)
{
	struct signals signals;
	struct modes modes;

	if (tcgetattr(STDIN_FILENO, &modes.before) < 0) {
		return read_stdin(secret);
	}
	if (cli->no_input) {
		return say_error(EXIT_USAGE_ERROR, "Give it on stdin.",
		                 "--no-input forbids to ask for the password");
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
