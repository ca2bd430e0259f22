/* SPDX-License-Identifier: MIT */
#ifndef SPAREKEY_H
#define SPAREKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/*
 * libsparekey: app-specific passwords for programs. Make, verify, list and revoke them, at the
 * broker of the user who runs the program (sparekeyd(8)). sparekey(3) is the same as a man page.
 *
 * The shortest useful program:
 *
 *     struct sparekey *sparekey = NULL;
 *     struct sparekey_secret *typed = NULL;
 *     struct sparekey_verification right;
 *     int result = sparekey_new(NULL, 0, &sparekey);
 *
 *     if (result == 0) {
 *             result = sparekey_secret_new(&typed);
 *     }
 *     if (result == 0) {
 *             result = sparekey_secret_read(typed, STDIN_FILENO);
 *     }
 *     if (result == 0) {
 *             result = sparekey_verify(sparekey, typed, "imap",
 *                                      &(struct sparekey_check){ .remote = "192.0.2.7" }, &right);
 *     }
 *     puts(result == 0 ? right.label : "no");
 *     sparekey_secret_free(typed);
 *     sparekey_free(sparekey);
 *
 * THREADS. A `struct sparekey`, and what hangs on it, is used by one thread at a time; different
 * ones by different threads at once. No function here changes a signal's disposition, the locale or
 * the environment, or waits for a process of the caller's own. From within a callback only
 * sparekey_submit, sparekey_cancel, sparekey_error_text, sparekey_way and what concerns secrets may
 * be called on the same handle.
 *
 * A child made by fork(2) may not use its parent's handles: requests fail there with
 * SPAREKEY_NO_BROKER; sparekey_free closes the child's share and leaves the parent's alone. A
 * program that serves others, or has threads that fork badly, sets SPAREKEY_NO_PRIVATE_BROKER.
 *
 * STRINGS are UTF-8 and end in NUL. Those given stay the caller's and are not used after the call
 * has returned; those got belong to the struct they are in. TIMES are seconds since 1970-01-01 UTC;
 * 0 is never. A pointer that is NULL, and a number that is 0, mean "not given" unless said
 * otherwise.
 *
 * RESULTS. 0 is success. A positive number is one of these outcomes; it has a D-Bus error name
 * (org.sparekey.Broker1.xml, ERRORS). A negative number is -errno, a fault of the machine: -ENOMEM,
 * -EMFILE and -ENFILE from any function; others are named at the function. Outputs are written on
 * success only, unless said otherwise; they need not be initialised. Numbers are never reused, new
 * ones come at the end: treat one you do not know as a refusal.
 */
enum sparekey_error {
	SPAREKEY_OK = 0,
	SPAREKEY_NOT_INITIALIZED = 1,
	SPAREKEY_ALREADY_INITIALIZED = 2,
	SPAREKEY_AUTHENTICATION_REQUIRED = 3,
	SPAREKEY_SECOND_FACTOR_REQUIRED = 4,
	SPAREKEY_SECOND_FACTOR_NOT_ENROLLED = 5,
	SPAREKEY_AUTHENTICATION_FAILED = 6,
	SPAREKEY_RATE_LIMITED = 7,
	SPAREKEY_LABEL_IN_USE = 8,
	SPAREKEY_INVALID_LABEL = 9,
	SPAREKEY_INVALID_SCOPE = 10,
	SPAREKEY_INVALID_EXPIRY = 11,
	SPAREKEY_INVALID_MAIN_PASSWORD = 12,
	SPAREKEY_LIMIT_EXCEEDED = 13,
	SPAREKEY_REQUEST_DENIED = 14,
	SPAREKEY_ALREADY_DECIDED = 15,
	SPAREKEY_NOT_SUPPORTED = 16,
	SPAREKEY_WRONG_STATE = 17,
	SPAREKEY_STORAGE_FAILED = 18,
	SPAREKEY_INLINE_SECRETS_DISABLED = 19,
	/* Errors of D-Bus itself (D-Bus specification, standard error names). */
	SPAREKEY_INVALID_ARGS = 20,
	SPAREKEY_UNKNOWN_OBJECT = 21,
	SPAREKEY_UNKNOWN_INTERFACE = 22,
	SPAREKEY_UNKNOWN_METHOD = 23,
	SPAREKEY_UNKNOWN_PROPERTY = 24,
	SPAREKEY_PROPERTY_READ_ONLY = 25,
	SPAREKEY_ACCESS_DENIED = 26,
	SPAREKEY_FAILED = 27,
	/* No broker could be reached, it went away, or it did not answer before the deadline. */
	SPAREKEY_NO_BROKER = 28,
	/* A broker was started and found its settings wrong (sparekeyd(8), FILES). */
	SPAREKEY_BAD_SETTINGS = 29,
};

/* One English line about an outcome. Static. */
const char *sparekey_strerror(int result);

/*
 * SECRETS live in guarded memory: locked where the limit on locked memory allows, left out of core
 * files, wiped when freed. They cross to and from the broker by a pipe, never inside a message.
 */
struct sparekey_secret;

#define SPAREKEY_SECRET_BYTES 1024 /* the longest the broker takes */

/* An empty secret. -ENOSYS: libsodium cannot start. */
int sparekey_secret_new(struct sparekey_secret **ret_secret);
/* Wipes and frees; takes NULL. Returns NULL. */
struct sparekey_secret *sparekey_secret_free(struct sparekey_secret *secret);
/* Replaces what it holds by a copy of `length` bytes. -EMSGSIZE: more than SPAREKEY_SECRET_BYTES;
 * it is left as it was. */
int sparekey_secret_set(struct sparekey_secret *secret, const void *bytes, size_t length);
/* Replaces what it holds by what comes from `fd` up to its end, and drops one final newline. Blocks
 * as `fd` does. -EMSGSIZE: more than SPAREKEY_SECRET_BYTES; -errno of read(2). It is then empty. */
int sparekey_secret_read(struct sparekey_secret *secret, int fd);
/* The same of what one read(2) of `fd` gives: a line typed on a terminal. */
int sparekey_secret_read_once(struct sparekey_secret *secret, int fd);
/* Writes all of it to `fd`, nothing behind it. Blocks as `fd` does. -errno of write(2). */
int sparekey_secret_write(const struct sparekey_secret *secret, int fd);
/* Its bytes, and a NUL behind them. The secret's own: gone when it is freed or replaced. */
const char *sparekey_secret_text(const struct sparekey_secret *secret);
size_t sparekey_secret_length(const struct sparekey_secret *secret);
/*
 * THE BROKER. sparekey_new makes the handle and touches nothing; the first request reaches a
 * broker, and after it has gone away the next request reaches one again. The ways, in order: the
 * peer socket $XDG_RUNTIME_DIR/sparekey/peer, where no bus daemon listens in; the session bus,
 * which starts the broker if need be (then the peer socket again); at last a broker started for
 * this handle alone, ended with it. Only unix: addresses are used, and only sockets whose other end
 * is the caller or root: an address found in the environment starts no program and reaches no
 * network. On a bus an answer counts only from the unique name that owns the broker's name.
 *
 * DEADLINES. Each request has one, from the moment it is made to its answer, connecting,
 * authenticating and starting a broker included. Past it the request ends with SPAREKEY_NO_BROKER;
 * what it asked for may then have been done or not.
 */
struct sparekey;

enum sparekey_flag {
	SPAREKEY_NO_PRIVATE_BROKER = 1, /* do not start a broker of one's own */
};

#define SPAREKEY_TIMEOUT_MS 30000 /* of a request, unless set otherwise */

/* `address`: a D-Bus address (of a bus, or of a broker's socket) to use instead of the usual ways,
 * or NULL. `flags`: of enum sparekey_flag. -ENOSYS as sparekey_secret_new; -errno of
 * epoll_create1(2). */
int sparekey_new(const char *address, unsigned int flags, struct sparekey **ret_sparekey);
/* Ends the connection, and the broker that was started for it (waits up to three seconds for that);
 * requests that wait are forgotten without a word. Takes NULL. Returns NULL. Not from a callback.
 */
struct sparekey *sparekey_free(struct sparekey *sparekey);
/* The deadline of requests made from now on, in milliseconds, 1 to INT32_MAX. */
void sparekey_set_timeout(struct sparekey *sparekey, int timeout_ms);
/* What was wrong with the last request that failed: one line, for people. The handle's own, until
 * the next request. It may quote what others have chosen: escape it before a terminal shows it. */
const char *sparekey_error_text(const struct sparekey *sparekey);
/* Reaches a broker now rather than with the first request. SPAREKEY_NO_BROKER,
 * SPAREKEY_STORAGE_FAILED and SPAREKEY_BAD_SETTINGS (a broker started for it refused its store, or
 * its settings). */
int sparekey_reach(struct sparekey *sparekey);
/* How it was reached: "peer ADDRESS", "bus ADDRESS", "private", or "" while it is not. */
const char *sparekey_way(const struct sparekey *sparekey);

/*
 * RECORDS. Their sizes, and those of what is given, are the same in every version of this library:
 * `reserved` is room for members to come. What is got has zero there. What is given must have zero
 * there, as a zero-initialised struct does: anything else was asked of a later version, and the
 * request is refused with SPAREKEY_NOT_SUPPORTED rather than answered without it.
 */
#define SPAREKEY_ID_SIZE 24     /* an id and its NUL */
#define SPAREKEY_LABEL_SIZE 256 /* likewise a label */
#define SPAREKEY_ACCOUNT_SIZE 256
#define SPAREKEY_SCOPE_SIZE 33
#define SPAREKEY_REMOTE_SIZE 1024 /* escaped by the broker */
#define SPAREKEY_SCOPES_MAX 64

/* org.sparekey.Broker1.Password, State. 0: not known to this version. */
enum sparekey_state {
	SPAREKEY_ACTIVE = 1,
	SPAREKEY_FROZEN = 2,
	SPAREKEY_REPLACED = 3,
	SPAREKEY_DAMAGED = 4, /* it never verifies; it can be revoked */
};

struct sparekey_scopes {
	unsigned int count; /* 0: any service */
	char names[SPAREKEY_SCOPES_MAX][SPAREKEY_SCOPE_SIZE];
};

/* Uses of one password for one scope. */
struct sparekey_use {
	char scope[SPAREKEY_SCOPE_SIZE];
	uint64_t count;
};

/* One password (org.sparekey.Broker1.Password, its properties). */
struct sparekey_password {
	char id[SPAREKEY_ID_SIZE];
	char label[SPAREKEY_LABEL_SIZE];
	char account[SPAREKEY_ACCOUNT_SIZE]; /* the only login name it serves; "": any */
	struct sparekey_scopes scopes;
	enum sparekey_state state;
	int64_t created_at;
	int64_t expires_at;
	int64_t last_used_at;
	char last_used_scope[SPAREKEY_SCOPE_SIZE];
	char last_used_from[SPAREKEY_REMOTE_SIZE];
	uint64_t use_count;
	unsigned int uses_count; /* how many of `uses` are filled */
	struct sparekey_use uses[SPAREKEY_SCOPES_MAX];
	uint64_t reserved[64]; /* zero */
};

/* Passwords by id. Free with sparekey_list_free. */
struct sparekey_list {
	struct sparekey_password *rows;
	unsigned int count;
};

/* One line of the journal (Manager.ListEvents). */
struct sparekey_event {
	int64_t serial;
	int64_t time;
	char kind[32]; /* "created", "verified", "refused", ... */
	char id[SPAREKEY_ID_SIZE];
	char label[SPAREKEY_LABEL_SIZE];
	char scope[SPAREKEY_SCOPE_SIZE];
	char remote[SPAREKEY_REMOTE_SIZE];
	char account[SPAREKEY_ACCOUNT_SIZE];
	char reason[32]; /* of a refusal: "wrong", "scope", ... */
	uint32_t count;
	uint32_t group;        /* of a mistyped one: 1 to 5; 0: not known */
	uint64_t reserved[48]; /* zero */
};

/* Lines, newest first. Free with sparekey_events_free. */
struct sparekey_events {
	struct sparekey_event *rows;
	unsigned int count;
};

/* What verified (Verifier.VerifyByFileDescriptor, details). */
struct sparekey_verification {
	char id[SPAREKEY_ID_SIZE];
	char label[SPAREKEY_LABEL_SIZE];
	char account[SPAREKEY_ACCOUNT_SIZE];
	struct sparekey_scopes scopes;
	int64_t expires_at;
	uint64_t reserved[64]; /* zero */
};

/* What the owner has set up (org.sparekey.Broker1.Owner, its properties). */
struct sparekey_owner {
	bool initialized;           /* there is a main password */
	unsigned int second_factor; /* 1: none, 2: an authenticator (TOTP); 0: another */
	unsigned int recovery_codes_left;
	uint64_t reserved[16]; /* zero */
};

/* What a text is (Manager.IdentifyByFileDescriptor). */
struct sparekey_identity {
	char result[16];           /* ours, wrong, unknown, mistyped, malformed */
	unsigned int group;        /* mistyped: where it probably is, 1 to 5; 0: not known */
	char id[SPAREKEY_ID_SIZE]; /* "" where none is named */
	char label[SPAREKEY_LABEL_SIZE];
	enum sparekey_state state;
	uint64_t reserved[64]; /* zero */
};

/*
 * WHAT IS GIVEN. Zero-initialise, set what you want.
 */

/* What a new password shall be. */
struct sparekey_wish {
	const char *label;
	const char *account;
	bool has_scopes; /* false: the setting default-scopes */
	const char *const *scopes;
	unsigned int scopes_count; /* 0 with has_scopes: any service */
	bool has_expires_at;
	int64_t expires_at;
	uint64_t reserved[16]; /* must be zero */
};

/* What a server knows about a login. */
struct sparekey_check {
	const char *account; /* the login name as the client gave it */
	const char *remote;  /* the client's address */
	bool unrecorded;     /* do not count it as a use */
	/* From an adaptor that kept the text to itself: "malformed" or "mistyped", with the group.
	 * The secret is then empty, and the answer no. */
	const char *diagnosis;
	uint32_t group;
	uint64_t reserved[16]; /* must be zero */
};

/* Which ones; all that is given must match. With nothing given SPAREKEY_INVALID_ARGS, unless `all`.
 */
struct sparekey_filter {
	bool all;          /* nothing else is given: every one is meant */
	const char *scope; /* those for any service do not match */
	const char *account;
	int64_t unused_since; /* last used (or, never used, made) before */
	int64_t created_before;
	const char *const *except; /* ids that stay */
	unsigned int except_count;
	uint64_t reserved[16]; /* must be zero */
};

/*
 * BLOCKING CALLS. Each returns when it is answered or its deadline has passed. Beside the outcomes
 * named: SPAREKEY_NO_BROKER, SPAREKEY_STORAGE_FAILED (nothing was changed), SPAREKEY_LIMIT_EXCEEDED
 * (too many calls under way), SPAREKEY_NOT_SUPPORTED (the connection carries no descriptors),
 * SPAREKEY_ACCESS_DENIED (root at another user's broker: verification alone).
 */

/* Makes one (Manager.CreatePasswordByFileDescriptor): `ret_id` and `ret_secret`, shown nowhere else
 * again. What `ret_secret` held is gone in any case. SPAREKEY_INVALID_LABEL, _INVALID_SCOPE,
 * _INVALID_EXPIRY, _INVALID_ARGS (account), _LABEL_IN_USE, _LIMIT_EXCEEDED (max-passwords).
 * SPAREKEY_FAILED with `ret_id` set: it was made, but somebody else took the secret; revoke it. */
int sparekey_create(struct sparekey *sparekey, const struct sparekey_wish *wish,
                    char ret_id[SPAREKEY_ID_SIZE], struct sparekey_secret *ret_secret);
/* By label or id (Manager.FindPassword); `account` may be NULL. SPAREKEY_UNKNOWN_OBJECT;
 * SPAREKEY_INVALID_ARGS: several accounts have that label. */
int sparekey_find(struct sparekey *sparekey, const char *name, const char *account,
                  char ret_id[SPAREKEY_ID_SIZE]);
/* All about one. SPAREKEY_UNKNOWN_OBJECT. */
int sparekey_get(struct sparekey *sparekey, const char *id, struct sparekey_password *ret_password);
/* Up to `limit` (1 to 1000) with ids greater than `after`, "" for the first page
 * (Manager.ListPasswords). */
int sparekey_list_page(struct sparekey *sparekey, const char *after, unsigned int limit,
                       struct sparekey_list *ret_list);
/* All of them, page by page, under one deadline. */
int sparekey_list(struct sparekey *sparekey, struct sparekey_list *ret_list);
void sparekey_list_free(struct sparekey_list *list);
/* Ends it: it has stopped working everywhere when this returns. SPAREKEY_UNKNOWN_OBJECT. */
int sparekey_revoke(struct sparekey *sparekey, const char *id);
/* Ends all that match, in one transaction. SPAREKEY_INVALID_SCOPE, SPAREKEY_INVALID_ARGS. */
int sparekey_revoke_all(struct sparekey *sparekey, const struct sparekey_filter *filter,
                        unsigned int *ret_count);
/* SPAREKEY_UNKNOWN_OBJECT, SPAREKEY_INVALID_LABEL, SPAREKEY_LABEL_IN_USE, SPAREKEY_WRONG_STATE (its
 * record is damaged). */
int sparekey_rename(struct sparekey *sparekey, const char *id, const char *label);
/* `count` 0: any service. SPAREKEY_UNKNOWN_OBJECT, SPAREKEY_INVALID_SCOPE, SPAREKEY_WRONG_STATE. */
int sparekey_set_scopes(struct sparekey *sparekey, const char *id, const char *const *scopes,
                        unsigned int count);
/* 0: never. SPAREKEY_UNKNOWN_OBJECT, SPAREKEY_INVALID_EXPIRY, SPAREKEY_WRONG_STATE. */
int sparekey_set_expiry(struct sparekey *sparekey, const char *id, int64_t expires_at);
/* It stops working until it is thawed. SPAREKEY_UNKNOWN_OBJECT, SPAREKEY_WRONG_STATE. */
int sparekey_freeze(struct sparekey *sparekey, const char *id);
int sparekey_thaw(struct sparekey *sparekey, const char *id);
/* Whether a text is right for a scope (Verifier.VerifyByFileDescriptor). 0: yes. Anything else is
 * no: SPAREKEY_AUTHENTICATION_FAILED, SPAREKEY_RATE_LIMITED (nothing was checked),
 * SPAREKEY_INVALID_SCOPE, SPAREKEY_INVALID_ARGS. `check` and `ret_verification` may be NULL. */
int sparekey_verify(struct sparekey *sparekey, const struct sparekey_secret *secret,
                    const char *scope, const struct sparekey_check *check,
                    struct sparekey_verification *ret_verification);
/* What a text is, without counting it as a use or a guess. SPAREKEY_AUTHENTICATION_FAILED: it is
 * empty or too long. */
int sparekey_identify(struct sparekey *sparekey, const struct sparekey_secret *secret,
                      struct sparekey_identity *ret_identity);
/* The journal, newest first: lines of `not_before` or later, with a serial smaller than `before`
 * (0: from the newest), of password `id` (NULL: of all), at most `limit` (1 to 1000). */
int sparekey_list_events(struct sparekey *sparekey, int64_t not_before, int64_t before,
                         const char *id, unsigned int limit, struct sparekey_events *ret_events);
void sparekey_events_free(struct sparekey_events *events);
/* The broker's version. */
int sparekey_version(struct sparekey *sparekey, char ret_version[64]);
/* Calls `row` for each setting in force, name and value as text, during the call. */
int sparekey_settings(struct sparekey *sparekey,
                      void (*row)(void *data, const char *name, const char *value), void *data);

/*
 * THE OWNER'S PROOF. With the setting create-requires as it is by default, sparekey_create and
 * sparekey_thaw, and sparekey_set_scopes and sparekey_set_expiry where they give more than there
 * was, need a handle that has proved the main password and a code. Without:
 * SPAREKEY_NOT_INITIALIZED (there is no main password yet), SPAREKEY_AUTHENTICATION_REQUIRED (no
 * proof, or it has ended), SPAREKEY_SECOND_FACTOR_NOT_ENROLLED (no authenticator yet),
 * SPAREKEY_SECOND_FACTOR_REQUIRED (the proof was made without a code); nothing was done then. A
 * proof is its connection's: it ends with it, at the time sparekey_authenticate tells, and by
 * sparekey_lock. Taking access away needs none. A main password and a code cross by pipes alone.
 */

#define SPAREKEY_FACTOR_NONE 1
#define SPAREKEY_FACTOR_TOTP 2

/* The owner's state. SPAREKEY_UNKNOWN_INTERFACE: the broker knows no owner. */
int sparekey_owner(struct sparekey *sparekey, struct sparekey_owner *ret_owner);
/* Sets the first main password; the handle has then proved it. SPAREKEY_ALREADY_INITIALIZED,
 * SPAREKEY_INVALID_MAIN_PASSWORD (less than 12 characters, more than 1024 bytes, or no UTF-8). */
int sparekey_initialize(struct sparekey *sparekey, const struct sparekey_secret *main_password);
/* Proves both. `code`: what the authenticator shows, or a recovery code; NULL: none.
 * SPAREKEY_AUTHENTICATION_FAILED: one of them is wrong, or the code was used before;
 * SPAREKEY_SECOND_FACTOR_REQUIRED: the main password was right, and a code is needed;
 * SPAREKEY_RATE_LIMITED: nothing was checked; SPAREKEY_NOT_INITIALIZED. `ret_valid_until` may be
 * NULL. */
int sparekey_authenticate(struct sparekey *sparekey, const struct sparekey_secret *main_password,
                          const struct sparekey_secret *code, int64_t *ret_valid_until);
/* Ends the proof; succeeds without one, too. */
int sparekey_lock(struct sparekey *sparekey);
/*
 * What follows needs the proof of the main password, and of a code where an authenticator is
 * enrolled, whatever create-requires says: SPAREKEY_NOT_INITIALIZED,
 * SPAREKEY_AUTHENTICATION_REQUIRED, SPAREKEY_SECOND_FACTOR_REQUIRED.
 */

/* `revoke`: every app password is revoked along with it. Proofs of other connections end.
 * SPAREKEY_INVALID_MAIN_PASSWORD. */
int sparekey_change_main_password(struct sparekey *sparekey,
                                  const struct sparekey_secret *new_password, bool revoke);
/* The address (otpauth://) of a new authenticator, for a QR code. It counts, in place of one
 * enrolled before, once sparekey_confirm_totp has been given its first code on the same connection,
 * within ten minutes and within the proof. SPAREKEY_FAILED: somebody else took it. */
int sparekey_enroll_totp(struct sparekey *sparekey, struct sparekey_secret *ret_uri);
/* `code`: six digits; it is used up. SPAREKEY_AUTHENTICATION_FAILED, SPAREKEY_RATE_LIMITED,
 * SPAREKEY_WRONG_STATE (no authenticator waits for it). */
int sparekey_confirm_totp(struct sparekey *sparekey, const char *code);
/* The recovery codes go with it. SPAREKEY_SECOND_FACTOR_NOT_ENROLLED. */
int sparekey_remove_totp(struct sparekey *sparekey);
/* Ten new recovery codes, each with a newline behind it; older ones stop working. SPAREKEY_FAILED:
 * somebody else took them; make others. */
int sparekey_generate_codes(struct sparekey *sparekey, struct sparekey_secret *ret_codes);
/* Ends every password, without a tombstone, and forgets main password, authenticator, recovery
 * codes and journal. */
int sparekey_erase(struct sparekey *sparekey);

/*
 * ASYNCHRONOUS USE. sparekey_fd is one descriptor for any main loop: when it is readable (poll(2),
 * POLLIN), call sparekey_dispatch, which never blocks and calls what is due. It stays the same for
 * the life of the handle; do not read from it. Deadlines and reconnecting go by it too: no timer of
 * one's own is needed. Blocking calls may be mixed in; callbacks of other requests are called
 * during them.
 *
 * Reaching a broker does not block either, but for what fork(2) takes to start a private one.
 */
int sparekey_fd(const struct sparekey *sparekey);
/* 0; -errno of epoll_wait(2); -ECHILD: the handle is another process's. Not from a callback. */
int sparekey_dispatch(struct sparekey *sparekey);

enum sparekey_operation {
	SPAREKEY_OP_NONE = 0,
	SPAREKEY_OP_REACH,        /* needs nothing; a broker is there */
	SPAREKEY_OP_CREATE,       /* wish; answers id, secret */
	SPAREKEY_OP_FIND,         /* name, account; answers id */
	SPAREKEY_OP_GET,          /* id; answers password */
	SPAREKEY_OP_LIST,         /* name: after, limit; answers list */
	SPAREKEY_OP_REVOKE,       /* id */
	SPAREKEY_OP_REVOKE_ALL,   /* filter; answers count */
	SPAREKEY_OP_RENAME,       /* id, name */
	SPAREKEY_OP_SET_SCOPES,   /* id, scopes, scopes_count */
	SPAREKEY_OP_SET_EXPIRY,   /* id, expires_at */
	SPAREKEY_OP_FREEZE,       /* id */
	SPAREKEY_OP_THAW,         /* id */
	SPAREKEY_OP_VERIFY,       /* secret, scope, check; answers verification */
	SPAREKEY_OP_IDENTIFY,     /* secret; answers identity */
	SPAREKEY_OP_LIST_EVENTS,  /* not_before, before, id, limit; answers events */
	SPAREKEY_OP_VERSION,      /* answers version */
	SPAREKEY_OP_SETTINGS,     /* row, row_data, called before the callback */
	SPAREKEY_OP_OWNER,        /* answers owner */
	SPAREKEY_OP_INITIALIZE,   /* secret: the main password */
	SPAREKEY_OP_AUTHENTICATE, /* secret: the main password, code; answers valid_until */
	SPAREKEY_OP_LOCK,
	SPAREKEY_OP_CHANGE_MAIN_PASSWORD, /* secret: the new one, revoke */
	SPAREKEY_OP_ENROLL_TOTP,          /* answers secret: the address */
	SPAREKEY_OP_CONFIRM_TOTP,         /* name: the code */
	SPAREKEY_OP_REMOVE_TOTP,
	SPAREKEY_OP_GENERATE_CODES, /* answers secret: the codes */
	SPAREKEY_OP_ERASE,
};

/* One request: the operation and what it needs, as the blocking call of that name takes it. */
struct sparekey_request {
	enum sparekey_operation operation;
	const char *id;
	const char *name;
	const char *account;
	const char *scope;
	const char *const *scopes;
	unsigned int scopes_count;
	int64_t expires_at;
	int64_t not_before;
	int64_t before;
	unsigned int limit;
	const struct sparekey_secret *secret;
	const struct sparekey_wish *wish;
	const struct sparekey_check *check;
	const struct sparekey_filter *filter;
	void (*row)(void *data, const char *name, const char *value);
	void *row_data;
	const struct sparekey_secret *code;
	bool revoke;
	uint64_t reserved[30]; /* must be zero */
};

/* One answer, valid during the callback. What the operation does not answer is zero. */
struct sparekey_answer {
	char id[SPAREKEY_ID_SIZE];
	struct sparekey_secret *secret;
	struct sparekey_password password;
	struct sparekey_list list;
	struct sparekey_events events;
	struct sparekey_verification verification;
	struct sparekey_identity identity;
	unsigned int count;
	char version[64];
	struct sparekey_owner owner;
	int64_t valid_until;
	uint64_t reserved[45]; /* zero */
};

/* Called once for each request, with its result and its answer; sparekey_error_text says what was
 * wrong. May make and cancel requests. */
typedef void sparekey_done_fn(void *data, int result, const struct sparekey_answer *answer);

/* Makes a request and returns at once; `done` is called later, by sparekey_dispatch or during a
 * blocking call. SPAREKEY_INVALID_ARGS: the operation, or something it needs, is missing;
 * SPAREKEY_NOT_SUPPORTED: something reserved is set; -errno of pipe2(2). Then `done` is not called.
 */
int sparekey_submit(struct sparekey *sparekey, const struct sparekey_request *request,
                    sparekey_done_fn *done, void *data);
/* Forgets every request made with that `data`: `done` is not called for them. What they asked for
 * may be done all the same. */
void sparekey_cancel(struct sparekey *sparekey, const void *data);

/*
 * NEWS. What the broker tells everybody (signals of Manager and of Password). Told while somebody
 * calls sparekey_dispatch, or waits in a blocking call; news of a time without a connection are
 * lost, so list anew after SPAREKEY_NEWS_CONNECTED.
 */
enum sparekey_news_kind {
	SPAREKEY_NEWS_CREATED = 1,  /* id, label */
	SPAREKEY_NEWS_ENDED,        /* id, label, reason as in Manager.PasswordEnded */
	SPAREKEY_NEWS_CHANGED,      /* id: label, scopes, state, expiry or uses are others now */
	SPAREKEY_NEWS_VERIFIED,     /* id, scope, at; at most one a minute for each id and scope */
	SPAREKEY_NEWS_FAILED,       /* scope, at, count: failures since the last one told */
	SPAREKEY_NEWS_EVENTS_ADDED, /* serial: the last line of the journal */
	SPAREKEY_NEWS_LOST,         /* the connection is gone; the next request makes a new one */
	SPAREKEY_NEWS_CONNECTED,    /* there is a connection: list anew */
	SPAREKEY_NEWS_OWNER, /* main password, authenticator or recovery codes are others now */
};

struct sparekey_news {
	enum sparekey_news_kind kind;
	char id[SPAREKEY_ID_SIZE];
	char label[SPAREKEY_LABEL_SIZE];
	char scope[SPAREKEY_SCOPE_SIZE];
	uint32_t reason;
	uint32_t count;
	int64_t at;
	int64_t serial;
	uint64_t reserved[64]; /* zero */
};

typedef void sparekey_news_fn(void *data, const struct sparekey_news *news);

/* Has `told` called with news from now on; NULL ends it. Before the first request. */
void sparekey_listen(struct sparekey *sparekey, sparekey_news_fn *told, void *data);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
