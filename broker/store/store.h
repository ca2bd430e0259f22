/* SPDX-License-Identifier: MIT */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/limits.h"
#include "protocol/password.h"
#include "protocol/scope.h"

/*
 * The store: one SQLite file, DIRECTORY/sparekey.db. Loop thread only; never sleeps, and waits for
 * nothing but its own commit. Several processes may have it open.
 *
 * Results of every function here, besides those named at it:
 * - SPAREKEY_NOT_INITIALIZED: there is no store (and the function does not make one);
 * - -EBUSY: another process holds the lock; nothing was done, call again later
 *   (LIMIT_BUSY_WAIT_MS in all);
 * - -ENOSPC: disk full, nothing was changed;
 * - -EROFS: cannot be written, nothing was changed;
 * - -EIO: could not be read or written;
 * - -EUCLEAN: damaged;
 * - -ESTALE: the file in its place is no longer the one that was opened: moved, deleted or put
 *   back from a backup;
 * - -EPERM: refused: wrong owner, mode, type, format, newer or foreign (see store_refusal);
 * - -ENOMEM.
 */
#define STORE_HASH_BYTES 127u
#define STORE_KIND_BYTES 31u
#define STORE_REASON_BYTES 31u

struct store;

enum store_state { STORE_STATE_ACTIVE = 1, STORE_STATE_FROZEN = 2, STORE_STATE_DAMAGED = 4 };

/* A password's record. Times are seconds since 1970 UTC, 0 never. Strings are UTF-8. */
struct store_password {
	char id[24]; /* five symbols; "_N" (row N) where the stored id itself is damaged, so that it
	                can still be named */
	char label[LIMIT_LABEL_BYTES + 1];
	char account[LIMIT_ACCOUNT_BYTES + 1];
	struct scope_set scopes;
	char hash[STORE_HASH_BYTES + 1]; /* PHC string; the caller checks it by phc_parse */
	enum store_state state;
	int64_t created_at;
	int64_t expires_at;
	int64_t last_used_at;
	char last_used_scope[LIMIT_SCOPE_BYTES + 1];
	char last_used_from[LIMIT_REMOTE_SHOWN_BYTES + 1];
	uint64_t use_count;
	int64_t version; /* grows with every change but uses */
};

/* What the owner's proof is checked against. */
#define STORE_SEALED_BYTES 128u
#define STORE_CODES 10u

struct store_owner {
	char hash[STORE_HASH_BYTES + 1]; /* PHC string; the caller checks it by phc_parse */
	uint8_t sealed[STORE_SEALED_BYTES];
	size_t sealed_length; /* of the TOTP key, sealed; 0: no factor is enrolled */
	int64_t step;         /* of TOTP, the last one used; 0: none */
	bool is_damaged;      /* proves nothing */
};

/* The recovery codes of one set, in their order. */
struct store_codes {
	unsigned int count;
	unsigned int left;
	struct store_code {
		char hash[STORE_HASH_BYTES + 1]; /* "": damaged, counts as used */
		bool is_used;
	} codes[STORE_CODES];
};

/* One line of the journal. Empty strings and 0 are left out. */
struct store_event {
	int64_t serial;
	int64_t time;
	char kind[STORE_KIND_BYTES + 1];
	char id[24];
	char label[LIMIT_LABEL_BYTES + 1];
	char scope[LIMIT_SCOPE_BYTES + 1];
	char remote[LIMIT_REMOTE_SHOWN_BYTES + 1];
	char account[LIMIT_ACCOUNT_BYTES + 1];
	char reason[STORE_REASON_BYTES + 1];
	uint32_t count;
	uint32_t group;
};

/* Uses gathered in memory, to be added to a record. */
struct store_use {
	char id[PASSWORD_ID + 1];
	char scope[LIMIT_SCOPE_BYTES + 1];
	char from[LIMIT_REMOTE_SHOWN_BYTES + 1];
	int64_t at;
	uint64_t count;
};

/* What a password row is handed to; the record is valid only during the call. A non-zero return
 * ends the walk and is returned by it. Must not write to the store. */
typedef int store_password_fn(void *data, const struct store_password *password);
typedef int store_event_fn(void *data, const struct store_event *event);
typedef int store_use_fn(void *data, const char *scope, uint64_t count);

/* Names the store of `directory`; touches no file. 0 or -ENOMEM. */
int store_new(const char *directory, struct store **ret_store);
struct store *store_free(struct store *store);
/* After -EPERM or -EUCLEAN of opening: one line that names path and cure. Otherwise "". Owned by
 * the store. */
const char *store_refusal(const struct store *store);

/* Opens what is there (every other function does it by itself as well). 0, or as above. */
int store_open(struct store *store);
/* Opens it, or makes directory and file if there is none: under a temporary name, then linked into
 * place. */
int store_make(struct store *store);

/* Gives back what memory the file's pages took; the next question reads them again. */
void store_rest(struct store *store);

/* One transaction for everything that writes: begin takes the lock at once (BEGIN EXCLUSIVE), so
 * that -EBUSY comes here and never from commit. After any failure in between: rollback. store_begin
 * does not make a store. */
int store_begin(struct store *store);
/* On return of 0 it is on the disk (synchronous EXTRA). Otherwise nothing was changed, and it is
 * rolled back. */
int store_commit(struct store *store);
void store_rollback(struct store *store);
/* Overwrites the old pages in SQLite's journal file with zeros, if there are any. After a commit
 * whose old content must not stay there; -EBUSY: another process holds the lock. */
int store_scrub(struct store *store);
/* As store_begin, store_commit for what takes access away: on a full disk the reserve file is freed
 * first. */
int store_begin_revocation(struct store *store);

/* Live passwords are those that are not expired at `now`; a damaged one is live. Of those that have
 * expired and were not ended yet, thousands count as live. */
int store_password_count(struct store *store, int64_t now, uint32_t *ret_count);
/* SPAREKEY_UNKNOWN_OBJECT: no such id. Finds expired ones too. */
int store_password_get(struct store *store, const char *id, struct store_password *ret_password);
/* By folded label among the live ones: of `account`, or, if that is NULL, of any.
 * SPAREKEY_UNKNOWN_OBJECT: none; SPAREKEY_INVALID_ARGS: `account` is NULL and several accounts have
 * it, none of them "". */
int store_password_find(struct store *store, const char *label_key, const char *account,
                        int64_t now, char ret_id[static 24]);
/* A part of all live ones by id, at most `limit` (0: no limit), and not more than can be looked at
 * in a few milliseconds: so it may hand out none and have more all the same. `place` is "" or an id
 * at the start, and is moved on behind what was looked at; with the same `place` the next call goes
 * on. */
int store_password_each(struct store *store, char place[static 24], uint32_t limit, int64_t now,
                        store_password_fn *row, void *data, bool *ret_has_more);
/* Ones that have expired at `now`, at most `limit` (0: no limit). */
int store_password_each_expired(struct store *store, int64_t now, uint32_t limit,
                                store_password_fn *row, void *data);
/* The next time one will expire, after `now`; 0: none. */
int store_next_expiry(struct store *store, int64_t now, int64_t *ret_at);
/* Uses of one by scope, in order of scope. */
int store_use_each(struct store *store, const char *id, store_use_fn *row, void *data);

/* SPAREKEY_NOT_INITIALIZED: no main password has been set. */
int store_owner_get(struct store *store, struct store_owner *ret_owner);
/* None is not an error. */
int store_codes_get(struct store *store, struct store_codes *ret_codes);

/* The following only between begin and commit. */

/* Sets, or replaces, all of it. */
int store_owner_put(struct store *store, const struct store_owner *owner);
/* Replaces the set by `count` unused ones (0: there are none any more). */
int store_codes_put(struct store *store, const struct store_codes *codes);
/* The code of that place in the set is used. SPAREKEY_AUTHENTICATION_FAILED: it was already. */
int store_code_use(struct store *store, unsigned int place, int64_t at);
/* Forgets everything: at most `most` lines of the journal at a time, and with the last of them main
 * password, factor, recovery codes, and what passwords are left. */
int store_owner_erase(struct store *store, unsigned int most, bool *ret_has_more);

/* -EEXIST: the id is taken. The label key is made by label_fold; the caller has checked that it is
 * free. */
int store_password_insert(struct store *store, const struct store_password *password);
/* Writes label, scopes, hash, state, expires_at of the row with that id and raises its version; the
 * caller has read the record in this transaction. SPAREKEY_UNKNOWN_OBJECT. */
int store_password_update(struct store *store, const struct store_password *password);
/* Deletes the row (damaged ones too, and by "_N") and its uses. SPAREKEY_UNKNOWN_OBJECT. */
int store_password_delete(struct store *store, const char *id);
/* Adds gathered uses; the latest time wins. A password that is gone is no error. */
int store_use_add(struct store *store, const struct store_use *use);
/* `ret_serial` may be NULL. */
int store_event_append(struct store *store, const struct store_event *event, int64_t *ret_serial);

/* A part of the journal, newest first: time >= not_before, serial < *before (INT64_MAX: all), of
 * password `id` ("" for all), at most `limit` (0: no limit), and not more than can be looked at in
 * a few milliseconds. `before` is moved on to the last one looked at. */
int store_event_each(struct store *store, int64_t not_before, int64_t *before, const char *id,
                     uint32_t limit, store_event_fn *row, void *data, bool *ret_has_more);

#endif
