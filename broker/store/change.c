/* SPDX-License-Identifier: MIT */
/*
 * Changing records of passwords, within the caller's transaction. Loop thread.
 *
 * What is written is checked as strictly as what is read, so that we never make a row we would call
 * damaged. Refused: one statement that inserts or replaces, since a taken id must be noticed.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "protocol/label.h"
#include "sparekey.h"
#include "store/db.h"

/* The texts that are stored in another form than the record has them. */
struct forms {
	char label_key[LIMIT_LABEL_KEY_BYTES + 1];
	char scopes[SCOPE_SET_TEXT];
};

static bool texts_sound(const struct store_password *password)
{
	const char *const texts[] = { password->label, password->account, password->hash,
		                      password->last_used_scope, password->last_used_from };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!row_text_sound(texts[i], strlen(texts[i]))) {
			return false;
		}
	}
	return password_id_valid(password->id) && password->label[0] != '\0' &&
	       password->hash[0] != '\0';
}

static bool numbers_sound(const struct store_password *password)
{
	return (password->state == STORE_STATE_ACTIVE || password->state == STORE_STATE_FROZEN) &&
	       password->expires_at >= 0 && password->created_at >= 0 &&
	       password->last_used_at >= 0 && password->use_count <= INT64_MAX;
}

static int make_forms(const struct store_password *password, struct forms *ret_forms)
{
	if (!texts_sound(password) || !numbers_sound(password)) {
		return -EINVAL;
	}
	scope_set_format(&password->scopes, ',', ret_forms->scopes);
	return label_fold(password->label, ret_forms->label_key);
}

/* Binds texts from the first place on. */
static int bind_texts(sqlite3_stmt *statement, const char *const texts[], int count)
{
	int code = SQLITE_OK;

	for (int i = 0; i < count && code == SQLITE_OK; i++) {
		code = db_bind_text(statement, i + 1, texts[i]);
	}
	return code;
}

static int bind_insert(sqlite3_stmt *statement, const struct store_password *password,
                       const struct forms *forms)
{
	const char *const texts[] = { password->id,      password->label, forms->label_key,
		                      password->account, forms->scopes,   password->hash };
	const int64_t numbers[] = { password->state, password->created_at, password->expires_at,
		                    password->last_used_at };
	int code = bind_texts(statement, texts, 6);

	for (int i = 0; i < 4 && code == SQLITE_OK; i++) {
		code = sqlite3_bind_int64(statement, 7 + i, numbers[i]);
	}
	if (code == SQLITE_OK) {
		code = db_bind_text(statement, 11, password->last_used_scope);
	}
	if (code == SQLITE_OK) {
		code = db_bind_text(statement, 12, password->last_used_from);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 13, (int64_t)password->use_count);
	}
	return code;
}

int store_password_insert(struct store *store, const struct store_password *password)
{
	struct forms forms;
	DB_AUTO statement = NULL;
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = make_forms(password, &forms);
	}
	if (result == 0) {
		result = db_prepare(store, DB_PASSWORD_INSERT, &statement);
	}
	if (result == 0) {
		result = db_result(store->db, bind_insert(statement, password, &forms));
	}
	if (result == 0) {
		result = db_step(store, statement);
	}
	if (result == 0) {
		doubt_written(store, password);
	}
	return result;
}

static int bind_update(sqlite3_stmt *statement, const struct store_password *password,
                       const struct forms *forms)
{
	const char *const texts[] = { password->id, password->label, forms->label_key,
		                      forms->scopes, password->hash };
	int code = bind_texts(statement, texts, 5);

	if (code == SQLITE_OK) {
		code = sqlite3_bind_int(statement, 6, (int)password->state);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_bind_int64(statement, 7, password->expires_at);
	}
	return code;
}

int store_password_update(struct store *store, const struct store_password *password)
{
	struct forms forms;
	DB_AUTO statement = NULL;
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = make_forms(password, &forms);
	}
	if (result == 0) {
		result = db_prepare(store, DB_PASSWORD_UPDATE, &statement);
	}
	if (result == 0) {
		result = db_result(store->db, bind_update(statement, password, &forms));
	}
	if (result == 0) {
		result = db_step(store, statement);
	}
	if (result == 0 && sqlite3_changes(store->db) == 0) {
		return SPAREKEY_UNKNOWN_OBJECT;
	}
	if (result == 0) {
		doubt_written(store, password);
	}
	return result;
}

static int delete_by_number(struct store *store, enum db_statement which, int64_t number)
{
	DB_AUTO statement = NULL;
	int result = db_prepare(store, which, &statement);

	if (result == 0) {
		result = db_result(store->db, sqlite3_bind_int64(statement, 1, number));
	}
	return result != 0 ? result : db_step(store, statement);
}

int store_password_delete(struct store *store, const char *id)
{
	int64_t number = 0;
	int result = db_ready_to_write(store);

	if (result == 0) {
		result = password_number(store, id, &number);
	}
	if (result == 0) {
		result = delete_by_number(store, DB_USE_DELETE, number);
	}
	if (result == 0) {
		result = delete_by_number(store, DB_PASSWORD_DELETE, number);
	}
	if (result == 0) {
		doubt_deleted(store, id);
	}
	return result;
}
