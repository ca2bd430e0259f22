/* SPDX-License-Identifier: MIT */
/* The loop: watches, timers, hooks, and freeing any of them from inside a callback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"

struct fake_clock {
	struct clock clock;
	uint64_t now_ms;
};

static uint64_t fake_monotonic(const struct clock *clock)
{
	return ((const struct fake_clock *)(const void *)clock)->now_ms;
}

static int64_t fake_wall(const struct clock *clock)
{
	(void)clock;
	return 0;
}

struct world {
	struct fake_clock clock;
	struct loop *loop;
	struct loop_watch *watches[2];
	struct loop_timer *timers[2];
	struct loop_hook *hook;
	struct loop_hook *other_hook;
	unsigned int calls;
	unsigned int hooks_left;
};

static int set_up(void **state)
{
	static struct world world;

	world = (struct world){ .clock = { { fake_wall, fake_monotonic }, 1000 } };
	assert_int_equal(loop_new(&world.clock.clock, &world.loop), 0);
	*state = &world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	world->loop = loop_free(world->loop);
	return 0;
}

static void count(void *data)
{
	((struct world *)data)->calls++;
}

static void a_timer_is_due_at_its_time_and_once(void **state)
{
	struct world *world = *state;

	assert_int_equal(loop_timer_new(world->loop, count, world, &world->timers[0]), 0);
	loop_timer_set(world->timers[0], 10);
	world->clock.now_ms += 9;
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 0);
	world->clock.now_ms += 1;
	loop_turn(world->loop, 0);
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 1);
	assert_false(loop_timer_is_set(world->timers[0]));
	loop_timer_free(world->timers[0]);
}

static void free_both(void *data)
{
	struct world *world = data;

	world->calls++;
	world->timers[0] = loop_timer_free(world->timers[0]);
	world->timers[1] = loop_timer_free(world->timers[1]);
}

static void a_timer_may_free_itself_and_the_next(void **state)
{
	struct world *world = *state;

	assert_int_equal(loop_timer_new(world->loop, free_both, world, &world->timers[0]), 0);
	assert_int_equal(loop_timer_new(world->loop, free_both, world, &world->timers[1]), 0);
	loop_timer_set(world->timers[0], 0);
	loop_timer_set(world->timers[1], 0);
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 1);
}

static void ready(void *data, short revents)
{
	struct world *world = data;

	assert_true((revents & POLLIN) != 0);
	world->calls++;
	world->watches[0] = loop_watch_free(world->watches[0]);
	world->watches[1] = loop_watch_free(world->watches[1]);
}

static void two_watches_share_a_descriptor_and_may_free_each_other(void **state)
{
	struct world *world = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(
		loop_watch_new(world->loop, ends[0], POLLIN, ready, world, &world->watches[0]), 0);
	assert_int_equal(
		loop_watch_new(world->loop, ends[0], POLLIN, ready, world, &world->watches[1]), 0);
	loop_turn(world->loop, 0);
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 1);
	close(ends[0]);
	close(ends[1]);
}

static void a_watch_without_events_is_left_out(void **state)
{
	struct world *world = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(ends[1]); /* would be POLLHUP for ever */
	assert_int_equal(loop_watch_new(world->loop, ends[0], 0, ready, world, &world->watches[0]),
	                 0);
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 0);
	loop_watch_free(world->watches[0]);
	close(ends[0]);
}

static void ignore(int signal)
{
	(void)signal;
}

static bool prepare(void *data)
{
	struct world *world = data;

	if (--world->hooks_left == 0) {
		loop_quit(world->loop);
	}
	return true;
}

static void a_hook_with_more_to_do_keeps_poll_from_sleeping(void **state)
{
	struct world *world = *state;

	world->hooks_left = 3;
	assert_int_equal(loop_hook_new(world->loop, prepare, world, &world->hook), 0);
	assert_int_equal(loop_run(world->loop), 0);
	assert_int_equal(world->hooks_left, 0);
	loop_hook_free(world->hook);
}

/* What ends the loop does not end what is waited for afterwards. */
static void quitting_is_for_the_run_alone(void **state)
{
	struct world *world = *state;
	struct sigaction action = { .sa_handler = ignore };
	const struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
	struct timespec before;
	struct timespec after;

	loop_quit(world->loop);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(loop_turn(world->loop, -1), 0);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &after), 0);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
	                    (after.tv_nsec - before.tv_nsec) / 1000000 >=
	            40);
	assert_int_equal(loop_run(world->loop), 0); /* asked for before it began */
}

static bool quit(void *data)
{
	loop_quit(((struct world *)data)->loop);
	return false;
}

static void a_hook_may_quit(void **state)
{
	struct world *world = *state;

	assert_int_equal(loop_hook_new(world->loop, quit, world, &world->hook), 0);
	assert_int_equal(loop_run(world->loop), 0);
	loop_hook_free(world->hook);
}

static bool free_hooks(void *data)
{
	struct world *world = data;

	world->calls++;
	world->hook = loop_hook_free(world->hook);
	world->other_hook = loop_hook_free(world->other_hook);
	return false;
}

static void a_hook_may_free_itself_and_the_next(void **state)
{
	struct world *world = *state;

	assert_int_equal(loop_hook_new(world->loop, free_hooks, world, &world->hook), 0);
	assert_int_equal(loop_hook_new(world->loop, free_hooks, world, &world->other_hook), 0);
	loop_turn(world->loop, 0);
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 1);
}

/* What frees itself and then turns the loop is released when the outer turn has left it behind. */
static void free_both_and_turn(void *data)
{
	struct world *world = data;

	free_both(data);
	loop_turn(world->loop, 0);
	loop_turn(world->loop, 0);
}

static void a_callback_may_turn_the_loop(void **state)
{
	struct world *world = *state;
	struct loop_timer *last = NULL;

	assert_int_equal(loop_timer_new(world->loop, free_both_and_turn, world, &world->timers[0]),
	                 0);
	assert_int_equal(loop_timer_new(world->loop, count, world, &world->timers[1]), 0);
	assert_int_equal(loop_timer_new(world->loop, count, world, &last), 0);
	loop_timer_set(world->timers[0], 0);
	loop_timer_set(world->timers[1], 0);
	loop_timer_set(last, 0);
	loop_turn(world->loop, 0);
	assert_int_equal(world->calls, 2);
	loop_timer_free(last);
}

/* A signal ends the sleep, not the loop. */
static void a_signal_is_no_failure(void **state)
{
	struct world *world = *state;
	struct sigaction action = { .sa_handler = ignore };
	const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(loop_turn(world->loop, -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_timer_is_due_at_its_time_and_once, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_timer_may_free_itself_and_the_next, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
			two_watches_share_a_descriptor_and_may_free_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_watch_without_events_is_left_out, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_hook_with_more_to_do_keeps_poll_from_sleeping,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hook_may_quit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quitting_is_for_the_run_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hook_may_free_itself_and_the_next, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_callback_may_turn_the_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_signal_is_no_failure, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
