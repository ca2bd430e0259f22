/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * The main loop: poll(2) over watches, timers and prepare hooks. poll and not epoll, because
 * libdbus puts two watches on one descriptor. One thread. A callback may free any watch, timer or
 * hook, its own included, and add new ones; the loop defers the release of what it is walking over.
 * Sleeps without limit when nothing is due (no wake-ups when idle).
 */
struct loop;
struct loop_watch;
struct loop_timer;
struct loop_hook;

int loop_new(const struct clock *clock, struct loop **ret_loop); /* 0 or -ENOMEM */
struct loop *loop_free(struct loop *loop); /* everything on it must be freed before */
const struct clock *loop_clock(const struct loop *loop);

/* Runs until loop_quit, which may have been called before. Returns 0 or -errno of poll. */
int loop_run(struct loop *loop);
/* One turn: hooks, poll for at most `timeout_ms` (-1: until something is due), callbacks. Returns 0
 * or -errno. */
int loop_turn(struct loop *loop, int timeout_ms);
/* Ends loop_run after its turn; a loop_turn waits as ever. */
void loop_quit(struct loop *loop);
/* For a hook: what somebody turns the loop for has come, so this turn does not sleep. */
void loop_wake(struct loop *loop);
/* Whether the next loop_run ends at once: for who turns the loop by himself. */
bool loop_is_quitting(const struct loop *loop);

/* Calls `ready(data, revents)` when poll reports one of `events` (POLLIN, POLLOUT; POLLERR, POLLHUP
 * and POLLNVAL always; with events 0 the descriptor is left out of poll altogether). The descriptor
 * stays the caller's. 0 or -ENOMEM. */
int loop_watch_new(struct loop *loop, int fd, short events,
                   void (*ready)(void *data, short revents), void *data,
                   struct loop_watch **ret_watch);
void loop_watch_set_events(struct loop_watch *watch, short events);
struct loop_watch *loop_watch_free(struct loop_watch *watch);

/* A timer that is not set. 0 or -ENOMEM. */
int loop_timer_new(struct loop *loop, void (*due)(void *data), void *data,
                   struct loop_timer **ret_timer);
/* Due once, `delay_ms` from now by the monotonic clock; replaces an earlier setting. */
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_clear(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);
struct loop_timer *loop_timer_free(struct loop_timer *timer);

/* Calls `prepare(data)` before each poll; true means there is more to do, so poll does not sleep. 0
 * or -ENOMEM. */
int loop_hook_new(struct loop *loop, bool (*prepare)(void *data), void *data,
                  struct loop_hook **ret_hook);
struct loop_hook *loop_hook_free(struct loop_hook *hook);

#endif
