/* SPDX-License-Identifier: MIT */
/*
 * Penalties: what is free, how the delay grows and goes, whom it concerns, and that the table keeps
 * its bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "service/penalty.h"

#define ID "k7mq3"
#define REMOTE "192.0.2.7"
#define START UINT64_C(1000000)

static bool is_full; /* there is no memory */

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return is_full ? NULL : __real_reallocarray(old, count, size);
}

static int setup(void **state)
{
	return penalties_new(&penalty_rules_password, (struct penalties **)state);
}

static int teardown(void **state)
{
	*state = penalties_free(*state);
	return 0;
}

static enum penalty charge(void *state, const char *id, const char *remote, uint64_t at_ms)
{
	return penalties_charge(state, id, remote, "#1", at_ms);
}

static void end(void *state, const char *id, const char *remote, bool is_wrong, uint64_t at_ms)
{
	penalties_end(state, id, remote, "#1", is_wrong, at_ms);
}

/* A wrong guess, from charge to end; whether it was admitted. */
static bool guess(void *state, const char *remote, uint64_t at_ms)
{
	if (charge(state, ID, remote, at_ms) != PENALTY_ADMITTED) {
		return false;
	}
	end(state, ID, remote, true, at_ms);
	return true;
}

static void use_up(void *state, const char *remote, uint64_t at_ms)
{
	for (unsigned int i = 0; i < PENALTY_FREE; i++) {
		assert_true(guess(state, remote, at_ms));
	}
}

static void ten_are_free_then_the_distance_doubles(void **state)
{
	uint64_t at_ms = START;
	uint64_t delay_ms = PENALTY_DELAY_MS;

	use_up(*state, REMOTE, at_ms);
	for (unsigned int i = 0; i < 10; i++) {
		assert_true(guess(*state, REMOTE, at_ms));
		assert_false(guess(*state, REMOTE, at_ms));
		assert_false(guess(*state, REMOTE, at_ms + delay_ms - 1));
		at_ms += delay_ms;
		delay_ms = delay_ms * 2 < PENALTY_DELAY_MS_MOST ? delay_ms * 2
		                                                : PENALTY_DELAY_MS_MOST;
	}
	assert_int_equal(delay_ms, PENALTY_DELAY_MS_MOST);
}

/* While it goes on in delay nothing comes back; quiet brings back one in six seconds, then all. */
static void quiet_is_forgiven(void **state)
{
	use_up(*state, REMOTE, START);
	assert_true(guess(*state, REMOTE, START)); /* in delay until START + 1000 */
	assert_false(guess(*state, REMOTE, START + 999));
	assert_true(guess(*state, REMOTE, START + 1000 + PENALTY_FREE_MS));
	use_up(*state, REMOTE, START + 1000 + 20 * PENALTY_FREE_MS);
	assert_true(guess(*state, REMOTE, START + 1000 + 20 * PENALTY_FREE_MS));
	assert_false(guess(*state, REMOTE, START + 1999 + 20 * PENALTY_FREE_MS));
	assert_true(guess(*state, REMOTE, START + 2000 + 20 * PENALTY_FREE_MS));
}

static void a_rate_of_ten_a_minute_is_never_delayed(void **state)
{
	for (unsigned int i = 0; i < 1000; i++) {
		assert_true(guess(*state, REMOTE, START + i * (uint64_t)PENALTY_FREE_MS));
	}
}

static void right_ones_cost_nothing(void **state)
{
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_ADMITTED);
		end(*state, ID, REMOTE, false, START);
	}
	use_up(*state, REMOTE, START);
}

/* As many at once as are free; what comes on top of that waits for one of them to end. */
static void many_at_once_wait(void **state)
{
	for (unsigned int i = 0; i < PENALTY_FREE; i++) {
		assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_ADMITTED);
	}
	assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_WAIT);
	end(*state, ID, REMOTE, false, START);
	assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_ADMITTED);
	for (unsigned int i = 0; i < PENALTY_FREE; i++) {
		end(*state, ID, REMOTE, true, START);
	}
	/* None is free: one at a time. */
	assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_ADMITTED);
	assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_WAIT);
	end(*state, ID, REMOTE, true, START);
	assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_REFUSED);
}

static void it_concerns_that_network_and_that_password_alone(void **state)
{
	static const char *const same[] = { "192.0.2.200", "::ffff:192.0.2.9" };
	static const char *const other[] = { "192.0.3.7", "2001:db8::1", "", "no address" };

	use_up(*state, REMOTE, START);
	assert_true(guess(*state, REMOTE, START));
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(charge(*state, ID, same[i], START), PENALTY_REFUSED);
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		assert_int_equal(charge(*state, ID, other[i], START), PENALTY_ADMITTED);
	}
	assert_int_equal(charge(*state, "9x2hd", REMOTE, START), PENALTY_ADMITTED);
}

static void an_ipv6_network_has_64_bits(void **state)
{
	use_up(*state, "2001:db8:1:2::1", START);
	assert_true(guess(*state, "2001:db8:1:2::1", START));
	assert_int_equal(charge(*state, ID, "2001:db8:1:2:ffff::9", START), PENALTY_REFUSED);
	assert_int_equal(charge(*state, ID, "2001:db8:1:3::1", START), PENALTY_ADMITTED);
}

/* Without an address each caller is a source; no caller's name passes for a network. */
static void without_an_address_the_caller_counts(void **state)
{
	for (unsigned int i = 0; i <= PENALTY_FREE; i++) {
		assert_int_equal(penalties_charge(*state, ID, "", ":1.5", START), PENALTY_ADMITTED);
		penalties_end(*state, ID, "", ":1.5", true, START);
	}
	assert_int_equal(penalties_charge(*state, ID, "", ":1.5", START), PENALTY_REFUSED);
	assert_int_equal(penalties_charge(*state, ID, "", ":1.6", START), PENALTY_ADMITTED);
	assert_int_equal(penalties_charge(*state, ID, REMOTE, ":1.5", START), PENALTY_ADMITTED);
	assert_int_equal(penalties_charge(*state, ID, "", "4c00002", START), PENALTY_ADMITTED);
}

/* Whoever came last is remembered, however many came before; whoever is being checked is not
 * dropped. */
static void the_table_keeps_its_bound(void **state)
{
	char remote[32];

	assert_int_equal(charge(*state, "9x2hd", "198.51.100.1", START - 1), PENALTY_ADMITTED);
	for (unsigned int i = 0; i < 3 * PENALTY_SOURCES; i++) {
		(void)snprintf(remote, sizeof(remote), "10.%u.%u.1", i / 256, i % 256);
		assert_true(guess(*state, remote, START + i));
	}
	for (unsigned int i = 0; i < PENALTY_FREE; i++) {
		assert_true(guess(*state, remote, START + 3 * PENALTY_SOURCES));
	}
	assert_false(guess(*state, remote, START + 3 * PENALTY_SOURCES));
	end(*state, "9x2hd", "198.51.100.1", false, START + 3 * PENALTY_SOURCES);
}

/* Who waits for whom: the source alone decides. */
static void sources_are_the_same_or_not(void **state)
{
	(void)state;
	assert_true(penalties_same("192.0.2.1", ":1.1", "192.0.2.250", ":1.2"));
	assert_true(penalties_same("192.0.2.1", ":1.1", "::ffff:192.0.2.3", ":1.1"));
	assert_true(penalties_same("2001:db8::1", "#1", "2001:db8::2", "#2"));
	assert_true(penalties_same("", "#1", "no address", "#1"));
	assert_false(penalties_same("192.0.2.1", ":1.1", "192.0.3.1", ":1.1"));
	assert_false(penalties_same("", "#1", "", "#2"));
	assert_false(penalties_same("192.0.2.1", "#1", "", "#1"));
}

/* An end without a charge, as of one that had to give way, changes nothing. */
static void an_end_without_a_charge_is_nothing(void **state)
{
	for (unsigned int i = 0; i < 100; i++) {
		end(*state, ID, REMOTE, true, START);
	}
	use_up(*state, REMOTE, START);
}

/* A guess is not let through uncounted: the first waits, later ones take the place of the quietest.
 */
static void without_memory_nothing_is_free(void **state)
{
	char remote[32];

	is_full = true;
	assert_int_equal(charge(*state, ID, REMOTE, START), PENALTY_NO_MEMORY);
	is_full = false;
	assert_true(guess(*state, REMOTE, START));
	is_full = true;
	for (unsigned int i = 0; i < 40; i++) {
		(void)snprintf(remote, sizeof(remote), "10.0.%u.1", i);
		assert_true(guess(*state, remote, START + 1));
	}
	use_up(*state, "10.1.0.1", START + 2);
	assert_true(guess(*state, "10.1.0.1", START + 2));
	assert_false(guess(*state, "10.1.0.1", START + 2));
	is_full = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ten_are_free_then_the_distance_doubles),
		TEST(quiet_is_forgiven),
		TEST(a_rate_of_ten_a_minute_is_never_delayed),
		TEST(right_ones_cost_nothing),
		TEST(many_at_once_wait),
		TEST(it_concerns_that_network_and_that_password_alone),
		TEST(an_ipv6_network_has_64_bits),
		TEST(without_an_address_the_caller_counts),
		TEST(the_table_keeps_its_bound),
		TEST(sources_are_the_same_or_not),
		TEST(an_end_without_a_charge_is_nothing),
		TEST(without_memory_nothing_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
