/* SPDX-License-Identifier: MIT */
/*
 * The table of `list`. Into a pipe it is as wide as it gets; on a terminal it fits: long cells are
 * cut, and where that is not enough columns go, since `show` tells all about one. Rows are made
 * twice, once to be measured and once to be printed, so ten thousand need no memory of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

enum column {
	COLUMN_ID = 0,
	COLUMN_LABEL,
	COLUMN_FOR,
	COLUMN_CREATED,
	COLUMN_USED,
	COLUMN_EXPIRES
};

#define COLUMNS 6u
#define GAP 2u

struct row {
	char cells[COLUMNS][2200];
	const char *state; /* behind the label, and never cut; "" for active */
};

static const char *const heads[COLUMNS] = {
	"ID", "LABEL", "FOR", "CREATED", "LAST USED", "EXPIRES"
};

static const char *state_note(enum sparekey_state state)
{
	switch (state) {
	case SPAREKEY_ACTIVE:
		return "";
	case SPAREKEY_FROZEN:
		return " (frozen)";
	case SPAREKEY_REPLACED:
		return " (replaced)";
	case SPAREKEY_DAMAGED:
		return " (damaged)";
	}
	return " (unknown)";
}

static void fill_row(const struct sparekey_password *password, long long now, struct row *ret_row)
{
	size_t size = sizeof(ret_row->cells[0]);
	char when[32];

	snprintf(ret_row->cells[COLUMN_ID], size, "%s", password->id);
	text_escape(password->label, ret_row->cells[COLUMN_LABEL], size);
	ret_row->state = state_note(password->state);
	scopes_text(&password->scopes, " ", "any", ret_row->cells[COLUMN_FOR], size);
	when_relative(password->created_at, now, when);
	snprintf(ret_row->cells[COLUMN_CREATED], size, "%s", when);
	used_text(password, now, ret_row->cells[COLUMN_USED], size);
	when_relative(password->expires_at, now, when);
	snprintf(ret_row->cells[COLUMN_EXPIRES], size, "%s", when);
}

static size_t row_width(const size_t widths[COLUMNS])
{
	size_t sum = 0;

	for (unsigned int i = 0; i < COLUMNS; i++) {
		sum += widths[i] > 0 ? widths[i] + GAP : 0;
	}
	return sum - GAP;
}

/* Takes from the widest cell that may be cut, until the row fits; false if it cannot. */
static bool squeeze(size_t widths[COLUMNS], size_t columns)
{
	static const size_t least[COLUMNS] = {
		[COLUMN_LABEL] = 20, [COLUMN_FOR] = 9, [COLUMN_USED] = 12
	};

	while (row_width(widths) > columns) {
		unsigned int widest = COLUMNS;

		for (unsigned int i = 0; i < COLUMNS; i++) {
			if (least[i] > 0 && widths[i] > least[i] &&
			    (widest == COLUMNS || widths[i] > widths[widest])) {
				widest = i;
			}
		}
		if (widest == COLUMNS) {
			return false;
		}
		widths[widest]--;
	}
	return true;
}

/* Leaves out columns, one more each time, until the others fit when cut; 0 is one left out. */
static void fit_widths(size_t widths[COLUMNS], size_t columns)
{
	static const enum column order[] = { COLUMN_CREATED, COLUMN_FOR, COLUMN_USED };
	size_t tried[COLUMNS];
	size_t gone = 0;

	memcpy(tried, widths, sizeof(tried));
	while (!squeeze(tried, columns) && gone < sizeof(order) / sizeof(order[0])) {
		widths[order[gone++]] = 0;
		memcpy(tried, widths, sizeof(tried));
	}
	memcpy(widths, tried, sizeof(tried));
}

static void print_cell(const char *text, const char *note, size_t width, bool is_last)
{
	char cut[2200];
	size_t note_width = text_width(note);

	fit(text, width > note_width ? width - note_width : 0, cut, sizeof(cut));
	size_t taken = text_width(cut) + note_width;

	printf("%s%s", cut, note);
	if (!is_last) {
		printf("%*s", (int)((width > taken ? width - taken : 0) + GAP), "");
	}
}

static void print_row(const struct row *row, const size_t widths[COLUMNS])
{
	for (unsigned int i = 0; i < COLUMNS; i++) {
		if (widths[i] > 0) {
			print_cell(row->cells[i], i == COLUMN_LABEL ? row->state : "", widths[i],
			           i + 1 == COLUMNS);
		}
	}
	putchar('\n');
}

bool has_color(const struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (cli->color != COLOR_AUTO) {
		return cli->color == COLOR_ALWAYS;
	}
	return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static void measure(const struct row *row, size_t widths[COLUMNS])
{
	for (unsigned int i = 0; i < COLUMNS; i++) {
		size_t width = text_width(row->cells[i]) +
		               (i == COLUMN_LABEL ? text_width(row->state) : 0);

		widths[i] = width > widths[i] ? width : widths[i];
	}
}

static void print_head(const struct cli *cli, const size_t widths[COLUMNS])
{
	struct row head = { .state = "" };

	for (unsigned int i = 0; i < COLUMNS; i++) {
		snprintf(head.cells[i], sizeof(head.cells[i]), "%s", heads[i]);
	}
	fputs(has_color(cli) ? "\033[1m" : "", stdout);
	print_row(&head, widths);
	fputs(has_color(cli) ? "\033[0m" : "", stdout);
}

void output_table(const struct cli *cli, const struct sparekey_list *list)
{
	long long now = (long long)time(NULL);
	size_t widths[COLUMNS];
	struct row row;
	unsigned int lines = 0;
	unsigned int columns = 0;

	for (unsigned int i = 0; i < COLUMNS; i++) {
		widths[i] = strlen(heads[i]);
	}
	for (unsigned int i = 0; i < list->count; i++) {
		fill_row(&list->rows[i], now, &row);
		measure(&row, widths);
	}
	term_size(&lines, &columns);
	if (columns > 0) {
		fit_widths(widths, columns);
	}
	print_head(cli, widths);
	for (unsigned int i = 0; i < list->count; i++) {
		fill_row(&list->rows[i], now, &row);
		print_row(&row, widths);
	}
}
