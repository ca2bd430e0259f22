/* SPDX-License-Identifier: MIT */
/*
 * A request awaited beside held signals: the broker may never answer, and Ctrl-C must end the wait
 * all the same. What is under way then has a short time left, since an answer that still comes
 * tells what is to be undone. Refused: the library's blocking calls, which look at no signal.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define ENDING_MS 2000
#define NEVER LLONG_MAX
#define NO_MEMORY_MS 10 /* until poll is tried again */

struct asked {
	bool is_done;
	int result;
	void (*take)(void *data, const struct sparekey_answer *answer);
	void *data;
};

static void on_answer(void *data, int result, const struct sparekey_answer *answer)
{
	struct asked *asked = data;

	asked->is_done = true;
	asked->result = result;
	if (asked->take != NULL) {
		asked->take(asked->data, answer);
	}
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool ask_signals(struct asking *asking)
{
	int number = 0;

	while ((number = signals_take(asking->signals)) != 0) {
		if (signals_ends(asking->cli, number)) {
			asking->give_up_ms = now_ms() + (asking->is_ended ? 0 : ENDING_MS);
			asking->is_ended = true;
		} else if (number == SIGTSTP) {
			signals_stop();
		}
	}
	return asking->is_ended;
}

/* Until something comes, or it is time to say something or to give up. */
static int wait_once(const struct asking *asking, long long say_ms)
{
	struct pollfd waits[] = { { .fd = sparekey_fd(asking->cli->sparekey), .events = POLLIN },
		                  { .fd = asking->signals->fd, .events = POLLIN } };
	long long until = asking->is_ended ? asking->give_up_ms : say_ms;
	long long left = until - now_ms();

	return poll(waits, 2, until == NEVER ? -1 : left > 0 ? (int)left : 0);
}

int ask(struct asking *asking, const struct sparekey_request *request,
        void (*take)(void *data, const struct sparekey_answer *answer), void *data)
{
	struct asked asked = { .take = take, .data = data };
	long long say_ms = now_ms() + PATIENCE_MS;
	int result = sparekey_submit(asking->cli->sparekey, request, on_answer, &asked);

	while (result == 0 && !asked.is_done) {
		if (wait_once(asking, say_ms) < 0 && errno != EINTR) {
			(void)poll(NULL, 0, NO_MEMORY_MS);
		}
		result = sparekey_dispatch(asking->cli->sparekey);
		bool is_ended = ask_signals(asking);

		if (result == 0 && is_ended && now_ms() >= asking->give_up_ms) {
			result = -ETIMEDOUT;
		} else if (now_ms() >= say_ms) {
			say_waiting(asking->cli);
			say_ms = NEVER;
		}
	}
	if (!asked.is_done) {
		sparekey_cancel(asking->cli->sparekey, &asked);
		return result;
	}
	return asked.result;
}

bool ask_output(struct asking *asking)
{
	struct pollfd waits[] = { { .fd = STDOUT_FILENO, .events = POLLOUT },
		                  { .fd = asking->signals->fd, .events = POLLIN } };

	do {
		(void)poll(waits, 2, -1);
	} while (!ask_signals(asking) && waits[0].revents == 0);
	return !asking->is_ended;
}
