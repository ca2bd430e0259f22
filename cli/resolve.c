/* SPDX-License-Identifier: MIT */
/*
 * From what the user typed to a password; when there is none, the one probably meant.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "protocol/label.h"

#define COMPARED 64u

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int rows[3][COMPARED + 1];
	unsigned int length_a = (unsigned int)strnlen(a, COMPARED);
	unsigned int length_b = (unsigned int)strnlen(b, COMPARED);

	for (unsigned int j = 0; j <= length_b; j++) {
		rows[0][j] = j;
		rows[2][j] = j;
	}
	for (unsigned int i = 1; i <= length_a; i++) {
		unsigned int *now = rows[i % 3];
		const unsigned int *before = rows[(i + 2) % 3];
		const unsigned int *earlier = rows[(i + 1) % 3];

		now[0] = i;
		for (unsigned int j = 1; j <= length_b; j++) {
			unsigned int cost = a[i - 1] == b[j - 1] ? 0 : 1;

			now[j] = least(least(before[j] + 1, now[j - 1] + 1), before[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
				now[j] = least(now[j], earlier[j - 2] + 1);
			}
		}
	}
	return rows[length_a % 3][length_b];
}

/* How far what was typed is from a label: from the whole, or from its nearest word. */
static unsigned int distance_to(const char *typed, const char *label)
{
	char key[LIMIT_LABEL_KEY_BYTES + 1];
	unsigned int best = UINT32_MAX;

	if (label_fold(label, key) != 0) {
		return best;
	}
	best = edit_distance(typed, key);
	for (char *rest = NULL, *word = strtok_r(key, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		if (strlen(word) >= 4) {
			best = least(best, edit_distance(typed, word));
		}
	}
	return best;
}

struct nearest {
	char typed[LIMIT_LABEL_KEY_BYTES + 1];
	unsigned int distance;
	char label[SPAREKEY_LABEL_SIZE];
};

static void compare(void *data, const struct sparekey_password *password)
{
	struct nearest *nearest = data;
	unsigned int distance = distance_to(nearest->typed, password->label);

	if (distance < nearest->distance) {
		nearest->distance = distance;
		memcpy(nearest->label, password->label, sizeof(nearest->label));
	}
}

static int not_found(struct cli *cli, const char *name)
{
	struct nearest nearest = { .distance = UINT32_MAX };
	char room[BRIEF_BYTES];
	char hint[300];
	bool is_near = strlen(name) <= LIMIT_LABEL_BYTES && label_fold(name, nearest.typed) == 0 &&
	               look_at_all(cli, compare, &nearest) == 0 &&
	               nearest.distance <= 1 + (unsigned int)strlen(nearest.typed) / 4;

	snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", nearest.label);
	return say_error(EXIT_NO, is_near ? hint : NULL, "no password \"%s\"", brief(name, room));
}

int resolve(struct cli *cli, const char *name, struct sparekey_password *ret_password)
{
	char id[SPAREKEY_ID_SIZE];
	int code = cli_connect(cli);

	if (code != 0) {
		return code;
	}
	int result = sparekey_find(cli->sparekey, name, NULL, id);

	if (result == SPAREKEY_UNKNOWN_OBJECT) {
		return not_found(cli, name);
	}
	if (result == 0) {
		result = sparekey_get(cli->sparekey, id, ret_password);
	}
	/* The one thing it may find wrong with a name: several accounts have that label. */
	return say_result_with(cli, result,
	                       result == SPAREKEY_INVALID_ARGS
	                               ? "Name it by its id. To see ids: sparekey list"
	                               : NULL);
}
