/* SPDX-License-Identifier: MIT */
/*
 * Signals while a secret is made and shown: held back and taken from a descriptor (signalfd(2)), so
 * that none falls between the making and the showing, and the terminal is put back before any of
 * them has its way. Refused: handlers (they interrupt the client's waits, and need state of their
 * own).
 */
#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"

static const int held[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };

/* What was ignored when we came (nohup, a shell without job control) stays ignored. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int signals_hold(struct signals *ret_signals)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		if (!is_ignored(held[i])) {
			sigaddset(&set, held[i]);
		}
	}
	ret_signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ret_signals->fd < 0) {
		return -errno;
	}
	sigprocmask(SIG_BLOCK, &set, &ret_signals->before);
	return 0;
}

int signals_take(struct signals *signals)
{
	struct signalfd_siginfo signal;

	if (read(signals->fd, &signal, sizeof(signal)) != (ssize_t)sizeof(signal)) {
		return 0;
	}
	return (int)signal.ssi_signo;
}

void signals_stop(void)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
}

void signals_release(struct signals *signals)
{
	close(signals->fd);
	sigprocmask(SIG_SETMASK, &signals->before, NULL);
}

bool signals_ends(struct cli *cli, int number)
{
	switch (number) {
	case SIGINT:
		return true;
	case SIGTERM:
	case SIGHUP:
	case SIGQUIT:
		cli->ended_by = number;
		return true;
	default:
		return false;
	}
}
