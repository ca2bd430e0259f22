/* SPDX-License-Identifier: MIT */
/*
 * Requests before they are sent: in the order they were made whatever is taken back meanwhile, each
 * with its own deadline; and those that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/client.h"

#define LAST(given) (sizeof((given).reserved) / sizeof((given).reserved[0]) - 1)

static void done(void *data, int result, const struct sparekey_answer *answer)
{
	(void)data;
	(void)result;
	(void)answer;
}

static int set_up(void **state)
{
	return sparekey_new("unix:path=/nonexistent", 0, (struct sparekey **)state);
}

static int tear_down(void **state)
{
	*state = sparekey_free(*state);
	return 0;
}

static int submit(struct sparekey *sparekey, enum sparekey_operation operation, void *data)
{
	const struct sparekey_request request = { .operation = operation };

	return sparekey_submit(sparekey, &request, done, data);
}

static void test_a_deadline_does_not_outlive_a_request_that_was_refused(void **state)
{
	struct sparekey *sparekey = *state;

	sparekey->until_ms = 1;
	assert_int_equal(submit(sparekey, SPAREKEY_OP_NONE, NULL), SPAREKEY_INVALID_ARGS);
	assert_int_equal(submit(sparekey, SPAREKEY_OP_VERSION, NULL), 0);
	assert_true(sparekey->calls->until_ms > client_now_ms());
}

static void test_a_deadline_that_was_set_is_one_request_s(void **state)
{
	struct sparekey *sparekey = *state;

	sparekey->until_ms = 1;
	assert_int_equal(submit(sparekey, SPAREKEY_OP_VERSION, NULL), 0);
	assert_int_equal(submit(sparekey, SPAREKEY_OP_VERSION, NULL), 0);
	assert_int_equal(sparekey->calls->until_ms, 1);
	assert_true(sparekey->calls->next->until_ms > client_now_ms());
}

/* What is reserved was asked of a later version. What the operation does not use is not looked at.
 */
static void test_what_is_reserved_is_refused(void **state)
{
	struct sparekey_wish wish = { .label = "Phone" };
	struct sparekey_filter filter = { .all = true };
	struct sparekey_check check = { .remote = NULL };
	struct sparekey_secret *secret = NULL;
	struct sparekey_request request = { .wish = &wish, .filter = &filter, .check = &check };
	const struct {
		enum sparekey_operation operation;
		uint64_t *last;
	} all[] = {
		{ SPAREKEY_OP_CREATE, &wish.reserved[LAST(wish)] },
		{ SPAREKEY_OP_REVOKE_ALL, &filter.reserved[LAST(filter)] },
		{ SPAREKEY_OP_VERIFY, &check.reserved[LAST(check)] },
		{ SPAREKEY_OP_REACH, &request.reserved[LAST(request)] },
	};

	assert_int_equal(sparekey_secret_new(&secret), 0);
	request.secret = secret;
	request.scope = "imap";
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*all[i].last = 1;
		request.operation = all[i].operation;
		assert_int_equal(sparekey_submit(*state, &request, done, NULL),
		                 SPAREKEY_NOT_SUPPORTED);
		request.operation = SPAREKEY_OP_VERSION;
		assert_int_equal(sparekey_submit(*state, &request, done, NULL),
		                 all[i].operation == SPAREKEY_OP_REACH ? SPAREKEY_NOT_SUPPORTED
		                                                       : 0);
		*all[i].last = 0;
		request.operation = all[i].operation;
		assert_int_equal(sparekey_submit(*state, &request, done, NULL), 0);
	}
	sparekey_secret_free(secret);
}

/* Makes one for each character, takes back those of `cancelled`, and adds one more. */
static void expect_order(struct sparekey *sparekey, const char *cancelled, const char *left)
{
	char names[] = "abcd";
	char order[8] = "";
	size_t count = 0;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(submit(sparekey, SPAREKEY_OP_VERSION, &names[i]), 0);
	}
	for (; *cancelled != '\0'; cancelled++) {
		sparekey_cancel(sparekey, &names[*cancelled - 'a']);
	}
	assert_int_equal(submit(sparekey, SPAREKEY_OP_VERSION, &names[3]), 0);
	for (const struct call *call = sparekey->calls; call != NULL; call = call->next) {
		order[count++] = *(const char *)call->data;
	}
	assert_string_equal(order, left);
	call_free_all(sparekey);
	assert_null(sparekey->calls);
}

static void test_the_order_outlives_what_is_taken_back(void **state)
{
	expect_order(*state, "", "abcd");
	expect_order(*state, "a", "bcd");
	expect_order(*state, "b", "acd");
	expect_order(*state, "c", "abd");
	expect_order(*state, "cb", "ad");
	expect_order(*state, "bc", "ad");
	expect_order(*state, "abc", "d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_deadline_does_not_outlive_a_request_that_was_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_a_deadline_that_was_set_is_one_request_s,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_reserved_is_refused, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_the_order_outlives_what_is_taken_back, set_up,
		                                tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
