/* SPDX-License-Identifier: MIT */
/*
 * Passwords on stdout: JSON by jansson, tab-separated, a card. A secret never enters
 * jansson's heap: its member is written by write(2) between the pieces.
 */
#include <errno.h>
#include <inttypes.h>
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
	if (state == SPAREKEY_REVOKED) {
		return "revoked";
	}
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

void scopes_text(const struct sparekey_scopes *scopes, const char *separator, const char *any,
                 char *ret_text, size_t size)
{
	size_t length = 0;

	snprintf(ret_text, size, "%s", scopes->count == 0 ? any : "");
	for (unsigned int i = 0; i < scopes->count && length < size; i++) {
		const char *quote = any[0] != '\0' && is_any(scopes->names[i]) ? "\"" : "";

		length += (size_t)snprintf(ret_text + length, size - length, "%s%s%s%s",
		                           i > 0 ? separator : "", quote, scopes->names[i], quote);
	}
}

/* An array with one more element. NULL, and nothing kept of either, when memory ran out: jansson
 * would give half an answer. */
static json_t *with_element(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0) {
		json_decref(array);
		return NULL;
	}
	return array;
}

json_t *json_with(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *scopes_json(const struct sparekey_scopes *scopes)
{
	json_t *names = json_array();

	for (unsigned int i = 0; i < scopes->count; i++) {
		names = with_element(names, json_string(scopes->names[i]));
	}
	return names;
}

/* The caller frees it; NULL: memory ran out. Into a buffer of the right size, since json_dumps
 * leaves out the names it has no memory for. */
static char *json_text(const json_t *value, size_t flags)
{
	size_t size = value != NULL ? json_dumpb(value, NULL, 0, flags | JSON_ENSURE_ASCII) : 0;
	char *text = size > 0 ? malloc(size + 1) : NULL;

	if (text == NULL || json_dumpb(value, text, size, flags | JSON_ENSURE_ASCII) != size) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

int output_json(json_t *value, size_t flags)
{
	char *text = json_text(value, flags);

	json_decref(value);
	if (text == NULL) {
		return say_no_memory();
	}
	puts(text);
	free(text);
	return EXIT_DONE;
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
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:n}", "id",
	                 password->id, "label", password->label, "account", password->account,
	                 "scopes", scopes_json(&password->scopes), "state",
	                 state_name(password->state), "created_at", json_time(password->created_at),
	                 "expires_at", json_time(password->expires_at), "last_used_at",
	                 json_time(password->last_used_at), "last_used_scope",
	                 json_or_null(password->last_used_scope), "last_used_from",
	                 json_or_null(password->last_used_from), "use_count",
	                 (json_int_t)password->use_count, "app_id");
}

int output_json_passwords(const struct sparekey_password *rows, unsigned int count)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < count; i++) {
		array = with_element(array, json_password(&rows[i]));
	}
	return output_json(array, JSON_INDENT(2));
}

int output_json_password(const struct sparekey_password *password)
{
	return output_json(json_password(password), 0);
}

/* The object without its closing brace, then the secret, then the end. */
bool output_json_secret(const struct sparekey_password *password,
                        const struct sparekey_secret *secret)
{
	json_t *object = json_password(password);
	char *text = json_text(object, 0);

	json_decref(object);
	if (text == NULL) {
		errno = ENOMEM;
		return false;
	}
	text[strlen(text) - 1] = '\0';
	bool is_written = fflush(stdout) == 0 && say_raw(text) && say_raw(", \"password\": \"") &&
	                  sparekey_secret_write(secret, STDOUT_FILENO) ==
	                          0 && /* nothing to escape in it */
	                  say_raw("\"}");

	free(text);
	return is_written;
}

/* The broker records an address escaped: a second escape would only double its backslashes, but
 * what it ought to have escaped still is. */
static const char *shown_once(const char *text, char ret_room[static 2048])
{
	char *end = ret_room;

	shown(text, ret_room);
	for (const char *from = ret_room; *from != '\0'; from++) {
		from += from[0] == '\\' && from[1] == '\\' ? 1 : 0;
		*end++ = *from;
	}
	*end = '\0';
	return ret_room;
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
	char scopes[SPAREKEY_SCOPES_MAX * SPAREKEY_SCOPE_SIZE];
	char created[32];
	char expires[32];
	char used[32];

	scopes_text(&password->scopes, ",", "", scopes, sizeof(scopes));
	plain_time(password->created_at, created);
	plain_time(password->expires_at, expires);
	plain_time(password->last_used_at, used);
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\t\n", password->id,
	       shown(password->label, label), shown(password->account, account), scopes,
	       state_name(password->state), created, expires, used, password->last_used_scope,
	       shown_once(password->last_used_from, from), password->use_count);
}

void used_text(const struct sparekey_password *password, long long now, char *ret_text, size_t size)
{
	const char *quote = is_any(password->last_used_scope) ? "\"" : "";
	char when[32];
	char from[2048];

	when_relative(password->last_used_at, now, when);
	snprintf(ret_text, size, "%s%s%s%s%s%s%.120s", when,
	         password->last_used_scope[0] != '\0' ? ", " : "", quote, password->last_used_scope,
	         quote, password->last_used_from[0] != '\0' ? ", " : "",
	         shown_once(password->last_used_from, from));
}

bool is_unused_since(const struct sparekey_password *password, long long at)
{
	return (password->last_used_at != 0 ? password->last_used_at : password->created_at) < at;
}

static void print_time(const char *name, long long at, long long now)
{
	char relative[32];
	char local[48];

	when_relative(at, now, relative);
	when_local(at, local);
	printf("%s%s%s%s%s\n", name, relative, at != 0 ? " (" : "", at != 0 ? local : "",
	       at != 0 ? ")" : "");
}

void output_card(const struct sparekey_password *password)
{
	char room[2048];
	char scopes[SPAREKEY_SCOPES_MAX * (SPAREKEY_SCOPE_SIZE + 1)];
	long long now = (long long)time(NULL);

	scopes_text(&password->scopes, ", ", "any service", scopes, sizeof(scopes));
	printf("Label      %s\n", shown(password->label, room));
	printf("Id         %s\n", password->id);
	printf("State      %s\n", state_name(password->state));
	printf("For        %s\n", scopes);
	if (password->account[0] != '\0') {
		printf("Account    %s\n", shown(password->account, room));
	}
	print_time("Created    ", password->created_at, now);
	used_text(password, now, room, sizeof(room));
	printf("Last used  %s\n", room);
	printf("Uses       %" PRIu64 "\n", password->use_count);
	print_time("Expires    ", password->expires_at, now);
}

int output_changed(const struct cli *cli, const char *what,
                   const struct sparekey_password *password)
{
	char room[2048];

	if (cli->json) {
		return output_json_password(password);
	}
	if (cli->plain) {
		output_plain_password(password);
	} else {
		say_done(cli, "%s %s \"%s\".\n", what, password->id, shown(password->label, room));
	}
	return EXIT_DONE;
}
