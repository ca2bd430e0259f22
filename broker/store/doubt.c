/* SPDX-License-Identifier: MIT */
/*
 * Commits that SQLite says have failed. Loop thread, owned by the store.
 *
 * If the very last step fails, which ends the journal, everything may be in its place all the same:
 * the caller would be told that nothing was changed, although it was. So the file is opened anew,
 * which rolls back what is not whole, and asked whether it holds the last record and the last event
 * of the transaction. If it does, it is done, but the disk may still have the journal that undoes
 * it: one more commit ends that. Refused: believing the file's change counter, which another
 * process that has rolled ours back raises to the same number.
 */
#include <string.h>

#include "sparekey.h"
#include "store/db.h"

#define TEXT_OF(number) #number
#define SAME_VERSION(number) "PRAGMA user_version = " TEXT_OF(number)

void doubt_begin(struct store *store)
{
	store->doubt.password.id[0] = '\0';
	store->doubt.owner.hash[0] = '\0';
	store->doubt.serial = 0;
}

void doubt_written(struct store *store, const struct store_password *password)
{
	store->doubt.password = *password;
}

void doubt_deleted(struct store *store, const char *id)
{
	size_t length = strnlen(id, sizeof(store->doubt.password.id) - 1);

	memcpy(store->doubt.password.id, id, length);
	store->doubt.password.id[length] = '\0';
	store->doubt.password.state = 0;
}

void doubt_owner(struct store *store, const struct store_owner *owner)
{
	store->doubt.owner = *owner;
}

void doubt_event(struct store *store, int64_t serial)
{
	store->doubt.serial = serial;
}

static bool has_password(struct store *store)
{
	const struct store_password *wanted = &store->doubt.password;
	struct store_password found;
	int result;

	if (wanted->id[0] == '\0') {
		return true;
	}
	result = store_password_get(store, wanted->id, &found);
	if (wanted->state == 0) {
		return result == SPAREKEY_UNKNOWN_OBJECT;
	}
	return result == 0 && found.state == wanted->state &&
	       found.expires_at == wanted->expires_at &&
	       scope_set_equal(&found.scopes, &wanted->scopes) &&
	       strcmp(found.label, wanted->label) == 0 && strcmp(found.hash, wanted->hash) == 0;
}

static bool has_owner(struct store *store)
{
	const struct store_owner *wanted = &store->doubt.owner;
	struct store_owner found;

	return wanted->hash[0] == '\0' ||
	       (store_owner_get(store, &found) == 0 && strcmp(found.hash, wanted->hash) == 0 &&
	        found.step == wanted->step && found.sealed_length == wanted->sealed_length &&
	        memcmp(found.sealed, wanted->sealed, wanted->sealed_length) == 0);
}

static int note_serial(void *data, const struct store_event *event)
{
	*(int64_t *)data = event->serial;
	return 0;
}

static bool has_event(struct store *store)
{
	int64_t wanted = store->doubt.serial;
	int64_t before = wanted + 1;
	int64_t found = 0;
	bool has_more = false;

	return wanted == 0 ||
	       (store_event_each(store, 0, &before, "", 1, note_serial, &found, &has_more) == 0 &&
	        found == wanted);
}

/* Changes nothing, yet goes the whole way to the disk. */
static int commit_again(struct store *store)
{
	int result = db_run(store, DB_BEGIN);

	if (result != 0) {
		return result;
	}
	result = db_exec(store->db, SAME_VERSION(DB_VERSION));
	if (result == 0) {
		result = db_run(store, DB_COMMIT);
	}
	if (result != 0) {
		db_close(store);
	}
	return result;
}

int doubt_settle(struct store *store, int result)
{
	db_close(store);
	if (db_open(store) != 0) {
		return result;
	}
	if ((store->doubt.password.id[0] == '\0' && store->doubt.serial == 0) ||
	    !has_password(store) || !has_owner(store) || !has_event(store)) {
		return result;
	}
	return commit_again(store) == 0 ? 0 : result;
}
