/* SPDX-License-Identifier: MIT */
/*
 * Lists, page by page. The caller's thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

/* Appends a page to a list. Rows must come in order of id, or a liar could make the list endless.
 */
struct page {
	struct sparekey_list *list;
	unsigned int count;
	int result;
};

/* Whether `id` stands behind `last`: damaged ones, "_N", come behind all others, by number. */
static bool is_behind(const char *id, const char *last)
{
	if (id[0] == '_' && last[0] == '_') {
		return strtoll(id + 1, NULL, 10) > strtoll(last + 1, NULL, 10);
	}
	if (id[0] == '_' || last[0] == '_') {
		return id[0] == '_';
	}
	return strcmp(id, last) > 0;
}

static bool is_in_order(const struct sparekey_list *list, const struct sparekey_list *more)
{
	const char *last = list->count > 0 ? list->rows[list->count - 1].id : "";

	for (unsigned int i = 0; i < more->count; i++) {
		if (!is_behind(more->rows[i].id, last)) {
			return false;
		}
		last = more->rows[i].id;
	}
	return true;
}

static void take_page(const struct sparekey_answer *answer, void *ret)
{
	struct page *page = ret;
	struct sparekey_list *list = page->list;
	const struct sparekey_list *more = &answer->list;
	struct sparekey_password *rows = NULL;

	if (!is_in_order(list, more)) {
		page->result = SPAREKEY_FAILED;
		return;
	}
	rows = reallocarray(list->rows, (size_t)list->count + more->count + 1, sizeof(*list->rows));
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
                    struct page *page)
{
	const struct sparekey_request request = { .operation = SPAREKEY_OP_LIST,
		                                  .name = after,
		                                  .limit = limit };
	int result = client_run(sparekey, &request, take_page, page);

	if (result == 0 && page->result != 0) {
		result = client_fail(sparekey, page->result,
		                     "the broker's answer was not understood");
	}
	return result;
}

int sparekey_list_page(struct sparekey *sparekey, const char *after, unsigned int limit,
                       struct sparekey_list *ret_list)
{
	struct sparekey_list list = { NULL, 0 };
	struct page page = { .list = &list };
	int result = add_page(sparekey, after, limit, &page);

	if (result != 0) {
		sparekey_list_free(&list);
		return result;
	}
	*ret_list = list;
	return 0;
}

static int add_pages(struct sparekey *sparekey, struct page *page)
{
	uint64_t until_ms = client_until_ms(sparekey);
	char after[SPAREKEY_ID_SIZE] = "";
	int result = 0;

	do {
		sparekey->until_ms = until_ms;
		result = add_page(sparekey, after, LIMIT_PAGE_ROWS, page);
		if (page->list->count > 0) {
			memcpy(after, page->list->rows[page->list->count - 1].id, sizeof(after));
		}
	} while (result == 0 && page->count >= LIMIT_PAGE_ROWS);
	return result;
}

int sparekey_list(struct sparekey *sparekey, struct sparekey_list *ret_list)
{
	struct sparekey_list list = { NULL, 0 };
	struct page page = { .list = &list };
	int result = add_pages(sparekey, &page);

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
