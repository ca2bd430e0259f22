/* SPDX-License-Identifier: MIT */
/*
 * One deed for each of several passwords: revoke, freeze, thaw. All are found before the first is
 * touched, one named twice counts once. If one fails the others are done all the same, since who
 * takes access away wants it taken from as many as can be; what was done and what was not is said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The named ones, each once. */
static int find_all(struct cli *cli, int count, char **names, struct sparekey_password *rows,
                    unsigned int *ret_count)
{
	unsigned int found = 0;

	for (int i = 0; i < count; i++) {
		bool is_known = false;
		int code = resolve(cli, names[i], &rows[found]);

		if (code != 0) {
			return code;
		}
		for (unsigned int j = 0; j < found && !is_known; j++) {
			is_known = strcmp(rows[j].id, rows[found].id) == 0;
		}
		found += is_known ? 0 : 1;
	}
	*ret_count = found;
	return 0;
}

static void say_one(const struct cli *cli, const struct deed *deed,
                    const struct sparekey_password *password)
{
	char room[2048];

	if (cli->plain) {
		output_plain_password(password);
	} else {
		say_done(cli, "%s %s \"%s\".%s\n", deed->done, password->id,
		         shown(password->label, room), deed->after);
	}
}

/* The record after the deed; one that has ended has no other. */
static int act_on_one(struct cli *cli, const struct deed *deed, struct sparekey_password *password)
{
	struct sparekey_password after;
	int result = deed->act(cli->sparekey, password->id);

	if (result == 0 && deed->is_ending) {
		password->state = SPAREKEY_REVOKED;
	} else if (result == 0) {
		result = sparekey_get(cli->sparekey, password->id, &after);
		*password = result == 0 ? after : *password;
	}
	return result;
}

static int act_on_found(struct cli *cli, const struct deed *deed, struct sparekey_password *rows,
                        unsigned int count)
{
	char hint[300];
	unsigned int done = 0;
	int code = 0;

	for (unsigned int i = 0; i < count; i++) {
		say_progress(cli, i, count);
		int result = act_on_one(cli, deed, &rows[i]);

		if (wants_proof(result)) {
			int refused = prove(cli, result);

			if (refused != 0) {
				code = refused;
				break;
			}
			result = act_on_one(cli, deed, &rows[i]);
		}
		if (result != 0) {
			snprintf(hint, sizeof(hint), "Not done for %s \"%s\".", rows[i].id,
			         rows[i].label);
			code = say_result_with(cli, result, hint);
			continue;
		}
		if (!cli->json) {
			say_one(cli, deed, &rows[i]);
		}
		rows[done++] = rows[i];
	}
	say_progress(cli, count, count);
	if (cli->json && code == 0) {
		return say_end(output_json_passwords(rows, count));
	}
	for (unsigned int i = 0; cli->json && code != 0 && i < done; i++) {
		say_hint(cli, "%s %s \"%s\".", deed->done, rows[i].id, rows[i].label);
	}
	return code == 0 ? say_end(0) : code;
}

int act_on_each(struct cli *cli, const struct deed *deed, int count, char **names)
{
	struct sparekey_password *rows = calloc((size_t)count + 1, sizeof(*rows));
	unsigned int found = 0;

	if (rows == NULL) {
		return say_no_memory();
	}
	int code = find_all(cli, count, names, rows, &found);

	if (code == 0) {
		code = act_on_found(cli, deed, rows, found);
	}
	free(rows);
	return code;
}
