/* SPDX-License-Identifier: MIT */
/*
 * Passwords on stdout: JSON by jansson, tab-separated, a table, a card. A secret never enters
 * jansson's heap: its member is written by write(2) between the pieces.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "protocol/label.h"

const char *state_name(enum sparekey_state state)
{
	switch (state) {
	case SPAREKEY_ACTIVE:
		return "active";
	case SPAREKEY_FROZEN:
		return "frozen";
	case SPAREKEY_REPLACED:
		return "replaced";
	case SPAREKEY_DAMAGED:
		return "damaged";
	}
	return "unknown";
}

void scopes_text(const struct sparekey_password *password, const char *separator, const char *any,
                 char *ret_text, size_t size)
{
	size_t length = 0;

	snprintf(ret_text, size, "%s", password->scopes_count == 0 ? any : "");
	for (unsigned int i = 0; i < password->scopes_count && length < size; i++) {
		length += (size_t)snprintf(ret_text + length, size - length, "%s%s",
		                           i > 0 ? separator : "", password->scopes[i]);
	}
}

static json_t *json_time(long long at)
{
	char text[32];

	if (at == 0) {
		return json_null();
	}
	when_rfc3339(at, text);
	return json_string(text);
}

static json_t *json_or_null(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *json_password(const struct sparekey_password *password)
{
	json_t *scopes = json_array();

	for (unsigned int i = 0; i < password->scopes_count; i++) {
		json_array_append_new(scopes, json_string(password->scopes[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:n}", "id",
	                 password->id, "label", password->label, "account", password->account,
	                 "scopes", scopes, "state", state_name(password->state), "created_at",
	                 json_time(password->created_at), "expires_at",
	                 json_time(password->expires_at), "last_used_at",
	                 json_time(password->last_used_at), "last_used_scope",
	                 json_or_null(password->last_used_scope), "last_used_from",
	                 json_or_null(password->last_used_from), "use_count",
	                 (json_int_t)password->use_count, "app_id");
}

void output_json_passwords(const struct sparekey_password *rows, unsigned int count)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < count; i++) {
		json_array_append_new(array, json_password(&rows[i]));
	}
	json_dumpf(array, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(array);
}

/* Writes the object without its closing brace, then the secret around stdio, then the end. */
static void write_secret_member(const struct secret *secret)
{
	fputs(", \"password\": \"", stdout);
	fflush(stdout);
	secret_write(secret, STDOUT_FILENO); /* symbols and hyphens alone: nothing to escape */
	fputs("\"}", stdout);
}

void output_json_password(const struct sparekey_password *password, const struct secret *secret)
{
	json_t *object = json_password(password);
	char *text = json_dumps(object, 0);

	json_decref(object);
	if (text == NULL) {
		return;
	}
	if (secret != NULL) {
		text[strlen(text) - 1] = '\0';
		fputs(text, stdout);
		write_secret_member(secret);
	} else {
		fputs(text, stdout);
	}
	free(text);
}

static void plain_time(long long at, char ret_text[static 32])
{
	ret_text[0] = '\0';
	if (at != 0) {
		when_rfc3339(at, ret_text);
	}
}

void output_plain_password(const struct sparekey_password *password)
{
	char label[2048];
	char account[2048];
	char from[2048];
	char scopes[SPAREKEY_SCOPES_MAX * SPAREKEY_SCOPE_BYTES];
	char created[32];
	char expires[32];
	char used[32];

	scopes_text(password, ",", "", scopes, sizeof(scopes));
	plain_time(password->created_at, created);
	plain_time(password->expires_at, expires);
	plain_time(password->last_used_at, used);
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%llu\t\n", password->id,
	       shown(password->label, label), shown(password->account, account), scopes,
	       state_name(password->state), created, expires, used, password->last_used_scope,
	       shown(password->last_used_from, from), password->use_count);
}

/* The table: five columns are measured, then padded by display width. */
#define COLUMNS 6u

struct row {
	char cells[COLUMNS][400];
};

static void used_text(const struct sparekey_password *password, long long now, char *ret_text,
                      size_t size)
{
	char when[32];
	char from[2048];

	when_relative(password->last_used_at, now, when);
	snprintf(ret_text, size, "%s%s%s%s%.120s", when,
	         password->last_used_scope[0] != '\0' ? ", " : "", password->last_used_scope,
	         password->last_used_from[0] != '\0' ? ", " : "",
	         shown(password->last_used_from, from));
}

static void fill_row(const struct sparekey_password *password, long long now, struct row *row)
{
	char label[2048];
	char when[32];

	snprintf(row->cells[0], sizeof(row->cells[0]), "%s", password->id);
	snprintf(row->cells[1], sizeof(row->cells[1]), "%.300s%s%s%s",
	         shown(password->label, label), password->state == SPAREKEY_ACTIVE ? "" : " (",
	         password->state == SPAREKEY_ACTIVE ? "" : state_name(password->state),
	         password->state == SPAREKEY_ACTIVE ? "" : ")");
	scopes_text(password, " ", "any", row->cells[2], sizeof(row->cells[2]));
	when_relative(password->created_at, now, when);
	snprintf(row->cells[3], sizeof(row->cells[3]), "%s", when);
	used_text(password, now, row->cells[4], sizeof(row->cells[4]));
	when_relative(password->expires_at, now, when);
	snprintf(row->cells[5], sizeof(row->cells[5]), "%s", when);
}

static void print_row(const struct row *row, const size_t widths[COLUMNS], bool is_bold)
{
	fputs(is_bold ? "\033[1m" : "", stdout);
	for (unsigned int i = 0; i < COLUMNS; i++) {
		fputs(row->cells[i], stdout);
		if (i + 1 < COLUMNS) {
			printf("%*s", (int)(widths[i] - text_width(row->cells[i]) + 2), "");
		}
	}
	fputs(is_bold ? "\033[0m\n" : "\n", stdout);
}

static bool has_color(const struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (cli->color != COLOR_AUTO) {
		return cli->color == COLOR_ALWAYS;
	}
	return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static void print_rows(const struct cli *cli, const struct row *rows, unsigned int count)
{
	static const struct row head = { { "ID", "LABEL", "FOR", "CREATED", "LAST USED",
		                           "EXPIRES" } };
	size_t widths[COLUMNS];

	for (unsigned int column = 0; column < COLUMNS; column++) {
		widths[column] = text_width(head.cells[column]);
		for (unsigned int i = 0; i < count; i++) {
			size_t width = text_width(rows[i].cells[column]);

			widths[column] = width > widths[column] ? width : widths[column];
		}
	}
	print_row(&head, widths, has_color(cli));
	for (unsigned int i = 0; i < count; i++) {
		print_row(&rows[i], widths, false);
	}
}

void output_table(const struct cli *cli, const struct sparekey_list *list)
{
	struct row *rows = calloc((size_t)list->count + 1, sizeof(*rows));
	long long now = (long long)time(NULL);

	if (list->count == 0 || rows == NULL) {
		fputs("No app passwords. To make one: sparekey new LABEL\n", stderr);
	} else {
		for (unsigned int i = 0; i < list->count; i++) {
			fill_row(&list->rows[i], now, &rows[i]);
		}
		print_rows(cli, rows, list->count);
	}
	free(rows);
}

void output_card(const struct cli *cli, const struct sparekey_password *password)
{
	char room[2048];
	char scopes[SPAREKEY_SCOPES_MAX * (SPAREKEY_SCOPE_BYTES + 1)];
	char when[32];
	long long now = (long long)time(NULL);

	(void)cli;
	scopes_text(password, ", ", "any service", scopes, sizeof(scopes));
	printf("Label      %s\n", shown(password->label, room));
	printf("Id         %s\n", password->id);
	printf("State      %s\n", state_name(password->state));
	printf("For        %s\n", scopes);
	if (password->account[0] != '\0') {
		printf("Account    %s\n", shown(password->account, room));
	}
	when_relative(password->created_at, now, when);
	printf("Created    %s\n", when);
	used_text(password, now, room, sizeof(room));
	printf("Last used  %s\n", room);
	printf("Uses       %llu\n", password->use_count);
	when_relative(password->expires_at, now, when);
	printf("Expires    %s\n", when);
}
