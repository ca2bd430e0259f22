/* SPDX-License-Identifier: MIT */
#ifndef SPAREKEY_H
#define SPAREKEY_H

#include <stdbool.h>

/*
 * Outcomes of every operation of Sparekey. 0 is success; a positive number is an outcome the caller
 * must handle and has a D-Bus error name (org.sparekey.Broker1.xml, ERRORS); a negative number is
 * -errno, a fault of the machine. Numbers are never reused; new ones are added at the end.
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
	/* No broker could be reached, or it went away before it answered. */
	SPAREKEY_NO_BROKER = 28,
};

/*
 * The client API, blocking. One thread at a time for one connection. Strings given are UTF-8 and
 * stay the caller's. Every function returns an outcome as above; sparekey_error_text then says what
 * was wrong. SPAREKEY_NO_BROKER: none could be reached, or it went away. What a password record
 * points to lives until the next call on that connection or sparekey_list_free.
 */
struct secret;
struct sparekey;

/* State of a password (org.sparekey.Broker1.Password, State). */
enum sparekey_state {
	SPAREKEY_ACTIVE = 1,
	SPAREKEY_FROZEN = 2,
	SPAREKEY_REPLACED = 3,
	SPAREKEY_DAMAGED = 4
};

#define SPAREKEY_SCOPES_MAX 64
#define SPAREKEY_SCOPE_BYTES 33

struct sparekey_password {
	char id[24];
	char label[256];
	char account[256];
	unsigned int scopes_count; /* 0: any service */
	char scopes[SPAREKEY_SCOPES_MAX][SPAREKEY_SCOPE_BYTES];
	enum sparekey_state state;
	long long created_at; /* seconds since 1970 UTC; 0: never */
	long long expires_at;
	long long last_used_at;
	char last_used_scope[SPAREKEY_SCOPE_BYTES];
	char last_used_from[1024];
	unsigned long long use_count;
};

struct sparekey_list {
	struct sparekey_password *rows; /* by id */
	unsigned int count;
};

/* What a new password shall be. NULL or 0: not given. */
struct sparekey_wish {
	const char *label;
	const char *account;
	const char *const *scopes; /* scopes_count of them, as the user wrote them */
	unsigned int scopes_count;
	bool has_scopes; /* false: the setting default-scopes */
	bool has_expires_at;
	long long expires_at;
};

struct sparekey_filter {
	const char *scope;
	const char *account;
	long long unused_since;    /* 0: not asked */
	const char *const *except; /* ids that stay */
	unsigned int except_count;
};

/* What a text is (IdentifyByFileDescriptor). */
struct sparekey_identity {
	char result[16]; /* ours, wrong, unknown, mistyped, malformed */
	unsigned int group;
	char id[24];
	char label[256];
	enum sparekey_state state;
};

/* Reaches a broker: `address` alone if it is not NULL (a bus or a peer-to-peer address); else the
 * peer socket, the session bus, or a broker started for this connection alone. `ret_sparekey` is
 * set in any case but -ENOMEM, so that its error can be read. */
int sparekey_connect(const char *address, struct sparekey **ret_sparekey);
/* Takes NULL; ends a broker that was started for it. Returns NULL. */
struct sparekey *sparekey_disconnect(struct sparekey *sparekey);
const char *sparekey_error_text(const struct sparekey *sparekey);
/* How the broker was reached: "peer ...", "bus ...", "private". */
const char *sparekey_way(const struct sparekey *sparekey);

/* Makes one; the secret is appended to nothing: `ret_secret` is set to it. NotSupported: the
 * connection carries no descriptors. */
int sparekey_create(struct sparekey *sparekey, const struct sparekey_wish *wish, char ret_id[24],
                    struct secret *ret_secret);
/* By label or id. SPAREKEY_UNKNOWN_OBJECT. `account` may be NULL. */
int sparekey_find(struct sparekey *sparekey, const char *name, const char *account,
                  char ret_id[24]);
int sparekey_get(struct sparekey *sparekey, const char *id, struct sparekey_password *ret_password);
int sparekey_list(struct sparekey *sparekey, struct sparekey_list *ret_list);
void sparekey_list_free(struct sparekey_list *list);
int sparekey_revoke(struct sparekey *sparekey, const char *id);
int sparekey_revoke_all(struct sparekey *sparekey, const struct sparekey_filter *filter,
                        unsigned int *ret_count);
int sparekey_rename(struct sparekey *sparekey, const char *id, const char *label);
int sparekey_set_scopes(struct sparekey *sparekey, const char *id, const char *const *scopes,
                        unsigned int count);
int sparekey_set_expiry(struct sparekey *sparekey, const char *id, long long expires_at);
int sparekey_freeze(struct sparekey *sparekey, const char *id);
int sparekey_thaw(struct sparekey *sparekey, const char *id);
/* SPAREKEY_AUTHENTICATION_FAILED: no. The id, label and scopes of `ret_password` are set on yes. */
int sparekey_verify(struct sparekey *sparekey, const struct secret *secret, const char *scope,
                    const char *account, const char *remote,
                    struct sparekey_password *ret_password);
int sparekey_identify(struct sparekey *sparekey, const struct secret *secret,
                      struct sparekey_identity *ret_identity);
/* Manager's property as text: Version, or a setting by name ("Settings" of the contract). */
int sparekey_version(struct sparekey *sparekey, char ret_text[64]);
/* Calls `row` with name and value of each setting in force. */
int sparekey_settings(struct sparekey *sparekey,
                      void (*row)(void *data, const char *name, const char *value), void *data);

#endif
