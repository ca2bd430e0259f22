/* SPDX-License-Identifier: MIT */
/*
 * The main loop. One thread. A callback may free anything on the loop, itself included: what is
 * freed in a turn is only marked, and released at its end. Refused: epoll, which takes a descriptor
 * once only while libdbus watches it twice.
 */
#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/list.h"

#define NO_MEMORY_MS 10 /* until poll is tried again */

/* What each of them begins with. */
struct item {
	struct list link;
	struct loop *loop;
	bool is_dead;
};

struct loop_watch {
	struct item item;
	int fd;
	short events;
	short revents;
	void (*ready)(void *data, short revents);
	void *data;
};

struct loop_timer {
	struct item item;
	bool is_set;
	uint64_t due_ms;
	void (*due)(void *data);
	void *data;
};

struct loop_hook {
	struct item item;
	bool (*prepare)(void *data);
	void *data;
};

struct loop {
	const struct clock *clock;
	struct list watches;
	struct list timers;
	struct list hooks;
	struct pollfd *polled;
	size_t polled_room;
	size_t watches_count;
	unsigned int depth; /* turns under way: a callback may turn the loop too */
	bool quit;
	bool is_woken; /* the turn under way does not sleep */
	bool has_dead;
};

int loop_new(const struct clock *clock, struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL) {
		return -ENOMEM;
	}
	loop->clock = clock;
	list_start(&loop->watches);
	list_start(&loop->timers);
	list_start(&loop->hooks);
	*ret_loop = loop;
	return 0;
}

static void bury(struct loop *loop)
{
	struct list *const lists[] = { &loop->watches, &loop->timers, &loop->hooks };

	for (unsigned int i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list_each_safe(link, lists[i]) {
			if (list_entry(link, struct item, link)->is_dead) {
				list_unlink(link);
				free(list_entry(link, struct item, link));
			}
		}
	}
	loop->has_dead = false;
}

static void add(struct loop *loop, struct list *list, struct item *item)
{
	item->loop = loop;
	list_append(list, &item->link);
}

static void mark_dead(struct item *item)
{
	item->is_dead = true;
	item->loop->has_dead = true;
	if (item->loop->depth == 0) {
		bury(item->loop);
	}
}

struct loop *loop_free(struct loop *loop)
{
	if (loop != NULL) {
		bury(loop);
		free(loop->polled);
		free(loop);
	}
	return NULL;
}

const struct clock *loop_clock(const struct loop *loop)
{
	return loop->clock;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
	loop_wake(loop);
}

void loop_wake(struct loop *loop)
{
	loop->is_woken = true;
}

bool loop_is_quitting(const struct loop *loop)
{
	return loop->quit;
}

static uint64_t now_ms(const struct loop *loop)
{
	return loop->clock->monotonic_ms(loop->clock);
}

static bool run_hooks(struct loop *loop)
{
	bool has_more = false;

	list_each(link, &loop->hooks) {
		struct loop_hook *hook = list_entry(link, struct loop_hook, item.link);

		if (!hook->item.is_dead && hook->prepare(hook->data)) {
			has_more = true;
		}
	}
	return has_more;
}

/* Milliseconds poll may sleep: at most `timeout_ms` (-1: no bound) and until the next timer. */
static int sleep_ms(const struct loop *loop, int timeout_ms)
{
	uint64_t now = now_ms(loop);
	uint64_t wait = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms;

	list_each(link, &loop->timers) {
		const struct loop_timer *timer = list_entry(link, struct loop_timer, item.link);

		if (timer->is_set && !timer->item.is_dead) {
			uint64_t left = timer->due_ms > now ? timer->due_ms - now : 0;

			wait = left < wait ? left : wait;
		}
	}
	if (wait == UINT64_MAX) {
		return -1;
	}
	return wait > 86400000u ? 86400000 : (int)wait;
}

static void make_room(struct loop *loop)
{
	size_t room = 2 * loop->watches_count;
	struct pollfd *polled = loop->polled_room < loop->watches_count
	                                ? reallocarray(loop->polled, room, sizeof(*polled))
	                                : NULL;

	if (polled != NULL) {
		loop->polled = polled;
		loop->polled_room = room;
	}
}

/* How many are to be polled. Without memory for all: those that fit, and `ret_all` is false. */
static size_t fill(struct loop *loop, bool *ret_all)
{
	size_t count = 0;

	make_room(loop);
	*ret_all = true;
	list_each(link, &loop->watches) {
		struct loop_watch *watch = list_entry(link, struct loop_watch, item.link);

		watch->revents = 0;
		if (watch->events == 0 || watch->item.is_dead) {
			continue;
		}
		if (count == loop->polled_room) {
			*ret_all = false;
			break;
		}
		loop->polled[count++] = (struct pollfd){ .fd = watch->fd, .events = watch->events };
	}
	return count;
}

/* The order of the watches is that of fill: both walk the same list, to whose end new ones go. */
static void spread(struct loop *loop, size_t count)
{
	size_t at = 0;

	list_each(link, &loop->watches) {
		struct loop_watch *watch = list_entry(link, struct loop_watch, item.link);

		if (at < count && watch->events != 0 && !watch->item.is_dead) {
			watch->revents = loop->polled[at++].revents;
		}
	}
}

static void call_ready(struct loop *loop)
{
	list_each(link, &loop->watches) {
		struct loop_watch *watch = list_entry(link, struct loop_watch, item.link);
		short revents = watch->revents;

		watch->revents = 0;
		if (revents != 0 && !watch->item.is_dead && watch->events != 0) {
			watch->ready(watch->data, revents);
		}
	}
}

static void call_due(struct loop *loop)
{
	uint64_t now = now_ms(loop);

	list_each(link, &loop->timers) {
		struct loop_timer *timer = list_entry(link, struct loop_timer, item.link);

		if (timer->is_set && !timer->item.is_dead && timer->due_ms <= now) {
			timer->is_set = false;
			timer->due(timer->data);
		}
	}
}

/* The kernel may be short of memory too: to wait for nothing takes none of it. */
static int wait_for(struct loop *loop, size_t count, int wait_ms)
{
	if (poll(loop->polled, count, wait_ms) >= 0 || errno == EINTR) {
		return 0;
	}
	if (errno != ENOMEM && errno != EAGAIN) {
		return -errno;
	}
	(void)poll(NULL, 0, NO_MEMORY_MS);
	return 0;
}

static int turn(struct loop *loop, int timeout_ms)
{
	loop->is_woken = false;
	bool has_more = run_hooks(loop) || loop->is_woken;
	bool all = true;
	size_t count = fill(loop, &all);
	int wait_ms = has_more ? 0 : sleep_ms(loop, all ? timeout_ms : NO_MEMORY_MS);
	int result = wait_for(loop, count, wait_ms);

	if (result == 0) {
		spread(loop, count);
		call_ready(loop);
		call_due(loop);
	}
	return result;
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	loop->depth++;
	int result = turn(loop, timeout_ms);

	loop->depth--;
	if (loop->depth == 0 && loop->has_dead) {
		bury(loop);
	}
	return result;
}

int loop_run(struct loop *loop)
{
	int result = 0;

	while (result == 0 && !loop->quit) {
		result = loop_turn(loop, -1);
	}
	loop->quit = false;
	return result;
}

int loop_watch_new(struct loop *loop, int fd, short events,
                   void (*ready)(void *data, short revents), void *data,
                   struct loop_watch **ret_watch)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL) {
		return -ENOMEM;
	}
	watch->fd = fd;
	watch->events = events;
	watch->ready = ready;
	watch->data = data;
	loop->watches_count++;
	add(loop, &loop->watches, &watch->item);
	*ret_watch = watch;
	return 0;
}

void loop_watch_set_events(struct loop_watch *watch, short events)
{
	watch->events = events;
}

struct loop_watch *loop_watch_free(struct loop_watch *watch)
{
	if (watch != NULL) {
		watch->item.loop->watches_count--;
		mark_dead(&watch->item);
	}
	return NULL;
}

int loop_timer_new(struct loop *loop, void (*due)(void *data), void *data,
                   struct loop_timer **ret_timer)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL) {
		return -ENOMEM;
	}
	timer->due = due;
	timer->data = data;
	add(loop, &loop->timers, &timer->item);
	*ret_timer = timer;
	return 0;
}

void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms)
{
	timer->due_ms = now_ms(timer->item.loop) + delay_ms;
	timer->is_set = true;
}

void loop_timer_clear(struct loop_timer *timer)
{
	timer->is_set = false;
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->is_set;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
	if (timer != NULL) {
		mark_dead(&timer->item);
	}
	return NULL;
}

int loop_hook_new(struct loop *loop, bool (*prepare)(void *data), void *data,
                  struct loop_hook **ret_hook)
{
	struct loop_hook *hook = calloc(1, sizeof(*hook));

	if (hook == NULL) {
		return -ENOMEM;
	}
	hook->prepare = prepare;
	hook->data = data;
	add(loop, &loop->hooks, &hook->item);
	*ret_hook = hook;
	return 0;
}

struct loop_hook *loop_hook_free(struct loop_hook *hook)
{
	if (hook != NULL) {
		mark_dead(&hook->item);
	}
	return NULL;
}
