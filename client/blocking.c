/* SPDX-License-Identifier: MIT */
/*
 * The blocking calls: a request, and the caller's own main loop until it is answered. The caller's
 * thread. What is wanted of the answer is taken in the callback, since it is gone after it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

/* One blocking call. Lives on the stack of the call. */
struct waiter {
	bool is_done;
	int result;
	void (*take)(const struct sparekey_answer *answer, void *ret);
	void *ret;
};

static void waited(void *data, int result, const struct sparekey_answer *answer)
{
	struct waiter *waiter = data;

	waiter->is_done = true;
	waiter->result = result;
	if (waiter->take != NULL) {
		waiter->take(answer, waiter->ret);
	}
}

static int turn(struct sparekey *sparekey)
{
	struct pollfd ready = { .fd = sparekey->epoll_fd, .events = POLLIN };

	if (poll(&ready, 1, -1) < 0 && errno != EINTR) {
		return -errno;
	}
	return sparekey_dispatch(sparekey);
}

/* `take` is called with the answer of a failure too: it is then as far as it came. */
static int run_until(struct sparekey *sparekey, const struct sparekey_request *request,
                     uint64_t until_ms,
                     void (*take)(const struct sparekey_answer *answer, void *ret), void *ret)
{
	struct waiter waiter = { .take = take, .ret = ret };
	int result = call_submit(sparekey, request, until_ms, waited, &waiter);

	while (result == 0 && !waiter.is_done) {
		result = turn(sparekey);
	}
	if (!waiter.is_done) {
		sparekey_cancel(sparekey, &waiter);
		return result;
	}
	return waiter.result;
}

static int run(struct sparekey *sparekey, const struct sparekey_request *request,
               void (*take)(const struct sparekey_answer *answer, void *ret), void *ret)
{
	return run_until(sparekey, request, call_until_ms(sparekey), take, ret);
}

int sparekey_reach(struct sparekey *sparekey)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_REACH };

	return run(sparekey, &request, NULL, NULL);
}

struct created {
	char *id;
	struct sparekey_secret *secret;
};

static void take_created(const struct sparekey_answer *answer, void *ret)
{
	const struct created *created = ret;

	memcpy(created->id, answer->id, SPAREKEY_ID_SIZE);
	if (answer->secret != NULL) {
		sparekey_secret_set(created->secret, sparekey_secret_text(answer->secret),
		                    sparekey_secret_length(answer->secret));
	}
}

int sparekey_create(struct sparekey *sparekey, const struct sparekey_wish *wish,
                    char ret_id[SPAREKEY_ID_SIZE], struct sparekey_secret *ret_secret)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_CREATE, .wish = wish };
	struct created created = { ret_id, ret_secret };

	ret_id[0] = '\0';
	return run(sparekey, &request, take_created, &created);
}

static void take_id(const struct sparekey_answer *answer, void *ret)
{
	memcpy(ret, answer->id, SPAREKEY_ID_SIZE);
}

int sparekey_find(struct sparekey *sparekey, const char *name, const char *account,
                  char ret_id[SPAREKEY_ID_SIZE])
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_FIND,
		                                  .name = name,
		                                  .account = account };

	return run(sparekey, &request, take_id, ret_id);
}

static void take_password(const struct sparekey_answer *answer, void *ret)
{
	*(struct sparekey_password *)ret = answer->password;
}

int sparekey_get(struct sparekey *sparekey, const char *id, struct sparekey_password *ret_password)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_GET, .id = id };

	return run(sparekey, &request, take_password, ret_password);
}

/* Appends a page to a list. */
struct page {
	struct sparekey_list *list;
	unsigned int count;
	int result;
};

static void take_page(const struct sparekey_answer *answer, void *ret)
{
	struct page *page = ret;
	struct sparekey_list *list = page->list;
	const struct sparekey_list *more = &answer->list;
	struct sparekey_password *rows = reallocarray(
		list->rows, (size_t)list->count + more->count + 1, sizeof(*list->rows));

	if (rows == NULL) {
		page->result = -ENOMEM;
		return;
	}
	list->rows = rows;
	if (more->count > 0) {
		memcpy(&rows[list->count], more->rows, more->count * sizeof(*rows));
	}
	list->count += more->count;
	page->count = more->count;
}

static int add_page(struct sparekey *sparekey, const char *after, unsigned int limit,
                    uint64_t until_ms, struct page *page)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_LIST,
		                                  .name = after,
		                                  .limit = limit };
	int result = run_until(sparekey, &request, until_ms, take_page, page);

	return result != 0 ? result : page->result;
}

int sparekey_list_page(struct sparekey *sparekey, const char *after, unsigned int limit,
                       struct sparekey_list *ret_list)
{
	struct sparekey_list list = { NULL, 0 };
	struct page page = { .list = &list };
	int result = add_page(sparekey, after, limit, call_until_ms(sparekey), &page);

	if (result != 0) {
		sparekey_list_free(&list);
		return result;
	}
	*ret_list = list;
	return 0;
}

/* Where the next page begins. Whoever does not get ahead would go on for ever. */
static int go_on(struct sparekey *sparekey, const struct sparekey_list *list,
                 char after[static SPAREKEY_ID_SIZE])
{
	const char *last = list->count > 0 ? list->rows[list->count - 1].id : "";

	if (strcmp(last, after) <= 0) {
		return client_fail(sparekey, SPAREKEY_FAILED,
		                   "the broker's answer was not understood");
	}
	memcpy(after, last, SPAREKEY_ID_SIZE);
	return 0;
}

int sparekey_list(struct sparekey *sparekey, struct sparekey_list *ret_list)
{
	struct sparekey_list list = { NULL, 0 };
	struct page page = { .list = &list };
	uint64_t until_ms = call_until_ms(sparekey);
	char after[SPAREKEY_ID_SIZE] = "";
	int result = add_page(sparekey, after, LIMIT_PAGE_ROWS, until_ms, &page);

	while (result == 0 && page.count >= LIMIT_PAGE_ROWS) {
		result = go_on(sparekey, &list, after);
		if (result == 0) {
			result = add_page(sparekey, after, LIMIT_PAGE_ROWS, until_ms, &page);
		}
	}
	if (result != 0) {
		sparekey_list_free(&list);
		return result;
	}
	*ret_list = list;
	return 0;
}

void sparekey_list_free(struct sparekey_list *list)
{
	free(list->rows);
	*list = (struct sparekey_list){ NULL, 0 };
}

static int run_on(struct sparekey *sparekey, enum sparekey_operation operation, const char *id)
{
	const struct sparekey_request request = { .operation = operation, .id = id };

	return run(sparekey, &request, NULL, NULL);
}

int sparekey_revoke(struct sparekey *sparekey, const char *id)
{
	return run_on(sparekey, SPAREKEY_OP_REVOKE, id);
}

int sparekey_freeze(struct sparekey *sparekey, const char *id)
{
	return run_on(sparekey, SPAREKEY_OP_FREEZE, id);
}

int sparekey_thaw(struct sparekey *sparekey, const char *id)
{
	return run_on(sparekey, SPAREKEY_OP_THAW, id);
}

static void take_count(const struct sparekey_answer *answer, void *ret)
{
	*(unsigned int *)ret = answer->count;
}

int sparekey_revoke_all(struct sparekey *sparekey, const struct sparekey_filter *filter,
                        unsigned int *ret_count)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_REVOKE_ALL,
		                                  .filter = filter };

	return run(sparekey, &request, take_count, ret_count);
}

int sparekey_rename(struct sparekey *sparekey, const char *id, const char *label)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_RENAME,
		                                  .id = id,
		                                  .name = label };

	return run(sparekey, &request, NULL, NULL);
}

int sparekey_set_scopes(struct sparekey *sparekey, const char *id, const char *const *scopes,
                        unsigned int count)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_SET_SCOPES,
		                                  .id = id,
		                                  .scopes = scopes,
		                                  .scopes_count = count };

	return run(sparekey, &request, NULL, NULL);
}

int sparekey_set_expiry(struct sparekey *sparekey, const char *id, int64_t expires_at)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_SET_EXPIRY,
		                                  .id = id,
		                                  .expires_at = expires_at };

	return run(sparekey, &request, NULL, NULL);
}

static void take_verification(const struct sparekey_answer *answer, void *ret)
{
	*(struct sparekey_verification *)ret = answer->verification;
}

int sparekey_verify(struct sparekey *sparekey, const struct sparekey_secret *secret,
                    const char *scope, const struct sparekey_check *check,
                    struct sparekey_verification *ret_verification)
{
	const struct sparekey_request request = {
		.operation = SPAREKEY_OP_VERIFY, .secret = secret, .scope = scope, .check = check
	};
	struct sparekey_verification unwanted;

	return run(sparekey, &request, take_verification,
	           ret_verification != NULL ? ret_verification : &unwanted);
}

static void take_identity(const struct sparekey_answer *answer, void *ret)
{
	*(struct sparekey_identity *)ret = answer->identity;
}

int sparekey_identify(struct sparekey *sparekey, const struct sparekey_secret *secret,
                      struct sparekey_identity *ret_identity)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_IDENTIFY,
		                                  .secret = secret };

	return run(sparekey, &request, take_identity, ret_identity);
}

struct lines {
	struct sparekey_events *events;
	int result;
};

static void take_events(const struct sparekey_answer *answer, void *ret)
{
	struct lines *lines = ret;
	struct sparekey_event *rows = calloc((size_t)answer->events.count + 1, sizeof(*rows));

	if (rows == NULL) {
		lines->result = -ENOMEM;
		return;
	}
	if (answer->events.count > 0) {
		memcpy(rows, answer->events.rows, answer->events.count * sizeof(*rows));
	}
	*lines->events = (struct sparekey_events){ rows, answer->events.count };
}

int sparekey_list_events(struct sparekey *sparekey, int64_t not_before, int64_t before,
                         const char *id, unsigned int limit, struct sparekey_events *ret_events)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_LIST_EVENTS,
		                                  .not_before = not_before,
		                                  .before = before,
		                                  .id = id,
		                                  .limit = limit };
	struct sparekey_events events = { NULL, 0 };
	struct lines lines = { &events, 0 };
	int result = run(sparekey, &request, take_events, &lines);

	result = result != 0 ? result : lines.result;
	if (result != 0) {
		sparekey_events_free(&events);
		return result;
	}
	*ret_events = events;
	return 0;
}

void sparekey_events_free(struct sparekey_events *events)
{
	free(events->rows);
	*events = (struct sparekey_events){ NULL, 0 };
}

static void take_version(const struct sparekey_answer *answer, void *ret)
{
	memcpy(ret, answer->version, sizeof(answer->version));
}

int sparekey_version(struct sparekey *sparekey, char ret_version[64])
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_VERSION };

	return run(sparekey, &request, take_version, ret_version);
}

int sparekey_settings(struct sparekey *sparekey,
                      void (*row)(void *data, const char *name, const char *value), void *data)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_SETTINGS,
		                                  .row = row,
		                                  .row_data = data };

	return run(sparekey, &request, NULL, NULL);
}
