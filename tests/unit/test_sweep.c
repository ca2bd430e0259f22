/* SPDX-License-Identifier: MIT */
/*
 * What expires is ended, whatever comes between: a store somebody else holds at that moment, a row
 * somebody else has ended. Two processes on one store are two stores here, and the clock is ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/statvfs.h>

#include "service/internal.h"
#include "sparekey.h"
#include "tests/support/store_files.h"

#define NOW 5000

struct world {
	struct clock clock;
	int64_t wall_s;
	uint64_t now_ms;
	struct store_files *files;
	struct loop *loop;
	struct secret_pool *pool;
	struct store *store;
	struct store *other; /* of another process */
	struct service *service;
	const char *ends; /* what the other one ends between walk and transaction */
	unsigned int told;
};

static struct world world;

static int64_t wall_s(const struct clock *clock)
{
	(void)clock;
	return world.wall_s;
}

static uint64_t now_ms(const struct clock *clock)
{
	(void)clock;
	return world.now_ms;
}

int __real_statvfs(const char *path, struct statvfs *status);
int __wrap_statvfs(const char *path, struct statvfs *status);

/* The first that a transaction asks for, before its lock. */
int __wrap_statvfs(const char *path, struct statvfs *status)
{
	const char *id = world.ends;

	world.ends = NULL;
	if (id != NULL) {
		assert_int_equal(store_files_delete(world.other, id), 0);
	}
	return __real_statvfs(path, status);
}

static void ended(void *data, const char *id, const char *label, enum ended_reason reason)
{
	(void)data;
	(void)label;
	assert_string_not_equal(id, "");
	assert_int_equal(reason, ENDED_EXPIRED);
	world.told++;
}

static void ignore_serial(void *data, int64_t serial)
{
	(void)data;
	(void)serial;
}

static const struct service_listener listener = { .ended = ended, .events_added = ignore_serial };

static int set_up(void **state)
{
	const struct settings settings = { .max_passwords = 200, .workers = 1 };
	void *files = NULL;

	assert_int_equal(store_files_setup(&files), 0);
	world = (struct world){ .clock = { wall_s, now_ms }, .wall_s = NOW, .now_ms = 1000 };
	world.files = files;
	world.store = store_files_make(world.files);
	world.other = store_files_open(world.files);
	assert_int_equal(loop_new(&world.clock, &world.loop), 0);
	assert_int_equal(secret_pool_new(1, &world.pool), 0);
	assert_int_equal(
		service_new(world.loop, &settings, world.store, world.pool, &world.service), 0);
	service_listen(world.service, &listener, NULL);
	loop_turn(world.loop, 0);
	*state = &world;
	return 0;
}

static int tear_down(void **state)
{
	void *files = world.files;

	(void)state;
	service_free(world.service);
	secret_pool_free(world.pool);
	loop_free(world.loop);
	store_free(world.store);
	store_free(world.other);
	return store_files_teardown(&files);
}

/* Made by the other one. */
static void make(const char *id, int64_t expires_at)
{
	struct store_password password = store_files_record(id, id);

	password.expires_at = expires_at;
	assert_int_equal(store_begin(world.other), 0);
	assert_int_equal(store_password_insert(world.other, &password), 0);
	assert_int_equal(store_commit(world.other), 0);
}

static void pass(uint64_t seconds)
{
	world.wall_s += (int64_t)seconds;
	world.now_ms += seconds * 1000u;
	for (unsigned int i = 0; i < 10; i++) {
		loop_turn(world.loop, 0);
	}
}

static bool exists(const char *id)
{
	struct store_password password;
	int result = store_password_get(world.other, id, &password);

	assert_true(result == 0 || result == SPAREKEY_UNKNOWN_OBJECT);
	return result == 0;
}

static void ends_what_is_due(void **state)
{
	(void)state;
	make("00001", NOW + 10);
	make("00002", NOW + 100000);
	sweep_plan(world.service);
	pass(9);
	assert_true(exists("00001"));
	pass(1);
	assert_false(exists("00001"));
	assert_true(exists("00002"));
	assert_int_equal(world.told, 1);
}

/* Somebody holds the store when it is asked for the next time. */
static void a_store_that_was_busy_is_asked_again(void **state)
{
	(void)state;
	make("00001", NOW + 10);
	assert_int_equal(store_begin(world.other), 0);
	sweep_plan(world.service);
	store_rollback(world.other);
	pass(1);
	pass(10);
	assert_false(exists("00001"));
	assert_int_equal(world.told, 1);
}

static void what_another_has_ended_keeps_nobody(void **state)
{
	(void)state;
	make("00001", NOW + 10);
	make("00002", NOW + 10);
	make("00003", NOW + 10);
	sweep_plan(world.service);
	world.ends = "00002";
	pass(12);
	assert_null(world.ends);
	assert_false(exists("00001") || exists("00002") || exists("00003"));
	assert_int_equal(world.told, 2);
}

/* The loop's timers stand still while a machine sleeps; the wall clock does not. */
static void a_sleep_delays_it_by_a_minute_at_most(void **state)
{
	(void)state;
	make("00001", NOW + 7200);
	sweep_plan(world.service);
	world.wall_s += 7200;
	pass(60);
	assert_false(exists("00001"));
}

/* A copy put back from a backup, of which no request has told yet. */
static void a_store_that_was_replaced_is_swept_too(void **state)
{
	size_t size = 0;
	unsigned char *bytes = NULL;

	(void)state;
	make("00001", NOW + 10);
	sweep_plan(world.service);
	bytes = store_files_read(world.files->path, &size);
	store_files_write(store_files_name(world.files, "copy"), bytes, size);
	free(bytes);
	world.other = store_free(world.other);
	assert_int_equal(rename(store_files_name(world.files, "copy"), world.files->path), 0);
	pass(10);
	pass(1);
	world.other = store_files_open(world.files);
	assert_false(exists("00001"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(ends_what_is_due),
		TEST(a_store_that_was_busy_is_asked_again),
		TEST(what_another_has_ended_keeps_nobody),
		TEST(a_sleep_delays_it_by_a_minute_at_most),
		TEST(a_store_that_was_replaced_is_swept_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
