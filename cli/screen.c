/* SPDX-License-Identifier: MIT */
/*
 * Secrets shown once: on the alternate screen, which leaves nothing in the scrollback, until Enter.
 * While a page stands there it fits the window (what scrolls off an alternate screen is gone),
 * nothing typed is echoed, and whatever ends or stops us clears it first. Where there is no such
 * screen, or nobody may be asked, the page is written in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

/* A page while it stands there; `keys`: where Enter comes from, -1: from nowhere. */
struct standing {
	struct page *page;
	int keys;
	struct termios before;
};

/* What a new password's page is made of. */
struct bearer {
	const struct sparekey_password *password;
	const struct sparekey_secret *secret;
};

/* A terminal of which the size is not known is taken for the smallest usual one. */
static bool draw(const struct standing *standing)
{
	const struct page *page = standing->page;
	unsigned int lines = 0;
	unsigned int columns = 0;

	term_size(&lines, &columns);
	return say_raw("\033[H\033[2J") &&
	       page->write(page, lines > 0 ? lines : 24, columns > 0 ? columns : 80);
}

/* The terminal's modes come first: in the background that stops us before anything is written. What
 * was typed before is dropped, so that an Enter too many does not end what it never saw. */
static bool enter(const struct standing *standing)
{
	struct termios quiet = standing->before;

	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	tcsetattr(standing->keys, TCSAFLUSH, &quiet);
	return say_raw("\033[?1049h") && draw(standing);
}

static void leave(const struct standing *standing)
{
	say_raw("\033[H\033[2J\033[?1049l");
	tcsetattr(standing->keys, TCSAFLUSH, &standing->before);
}

/* True: Enter, or nothing more will come. A page that can be turned is, by an "i" before it. */
static bool has_entered(const struct standing *standing)
{
	char letters[64];
	ssize_t count = read(standing->keys, letters, sizeof(letters));

	if (count < 0) {
		return errno != EINTR && errno != EAGAIN;
	}
	if (count > 0 && standing->page->can_turn && letters[0] == 'i') {
		standing->page->is_turned = !standing->page->is_turned;
		draw(standing);
		return false;
	}
	return count == 0 || memchr(letters, '\n', (size_t)count) != NULL;
}

static int wait_for_enter(struct cli *cli, struct signals *signals, const struct standing *standing)
{
	struct pollfd waits[] = { { .fd = standing->keys, .events = POLLIN },
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
			leave(standing);
			signals_stop();
			enter(standing);
		} else if (number == SIGWINCH) {
			draw(standing);
		} else if (waits[0].revents != 0 && has_entered(standing)) {
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

int screen_show(struct cli *cli, struct signals *signals, struct page *page, bool is_inline)
{
	struct standing standing = { .page = page, .keys = -1 };
	int code = EXIT_DONE;

	fflush(stdout);
	standing.keys = is_inline ? -1 : open_keys(cli);
	if (standing.keys < 0 || tcgetattr(standing.keys, &standing.before) < 0) {
		code = page->write(page, 0, 0) ? EXIT_DONE : EXIT_STORE;
	} else {
		code = enter(&standing) ? wait_for_enter(cli, signals, &standing) : EXIT_STORE;
		leave(&standing);
	}
	if (standing.keys > STDIN_FILENO) {
		close(standing.keys);
	}
	return code;
}

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

static bool write_password(const struct page *page, unsigned int lines, unsigned int columns)
{
	const struct bearer *made = page->data;
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

	describe(made->password, text, sizeof(text));
	fit(shown(made->password->label, room),
	    columns == 0           ? SIZE_MAX
	    : columns > around + 1 ? columns - around
	                           : 1,
	    label, sizeof(label));
	snprintf(head, sizeof(head), "Password for \"%s\":%s%s", label, blank, indent);
	fit(text, columns == 0 ? SIZE_MAX : (size_t)left * columns, cut, sizeof(cut));
	return say_raw(head) && sparekey_secret_write(made->secret, STDOUT_FILENO) == 0 &&
	       say_raw(blank) && say_raw(cut) && say_raw("\n") &&
	       (lines == 0 || say_raw("Press Enter when you have it."));
}

int screen_show_password(struct cli *cli, struct signals *signals,
                         const struct sparekey_password *password,
                         const struct sparekey_secret *secret, bool is_inline)
{
	const struct bearer made = { password, secret };
	struct page page = { .write = write_password, .data = &made };

	return screen_show(cli, signals, &page, is_inline);
}
