/* SPDX-License-Identifier: MIT */
/*
 * All passwords: kept, where all of them are needed at once, or one after another, page by page,
 * since a record takes 7 KB and there may be ten thousands.
 */
#include <string.h>

#include "cli.h"

#define PAGE_ROWS 200u

int list_all(struct cli *cli, struct sparekey_list *ret_list)
{
	say_patience(cli, true);
	int result = sparekey_list(cli->sparekey, ret_list);

	say_patience(cli, false);
	return say_result(cli, result);
}

int look_at_all(struct cli *cli, void (*look)(void *data, const struct sparekey_password *password),
                void *data)
{
	char after[SPAREKEY_ID_SIZE] = "";
	bool is_last = false;
	int result = 0;

	say_patience(cli, true);
	while (result == 0 && !is_last) {
		struct sparekey_list page = { NULL, 0 };

		result = sparekey_list_page(cli->sparekey, after, PAGE_ROWS, &page);
		for (unsigned int i = 0; i < page.count; i++) {
			look(data, &page.rows[i]);
		}
		/* A broker that does not go on must not keep us for ever. */
		is_last = page.count < PAGE_ROWS ||
		          strcmp(page.rows[page.count - 1].id, after) == 0;
		if (!is_last) {
			memcpy(after, page.rows[page.count - 1].id, sizeof(after));
		}
		sparekey_list_free(&page);
	}
	say_patience(cli, false);
	return result;
}
