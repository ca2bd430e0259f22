/* SPDX-License-Identifier: MIT */
#ifndef SERVICE_REQUEST_H
#define SERVICE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/workers.h"
#include "crypto/phc.h"
#include "protocol/secret.h"
#include "store/store.h"

/*
 * One operation on its way: the arguments as the bus decoded them (checked by the service, in the
 * order of refusals: options, proof, arguments, state), the answer, and where it stands. The bus
 * owns it and what its pointers point to; between service_submit and `done` the service uses it.
 */
enum operation {
	OPERATION_NONE = 0,
	OPERATION_CREATE,
	OPERATION_FIND,
	OPERATION_GET,
	OPERATION_LIST,
	OPERATION_IDENTIFY,
	OPERATION_VERIFY,
	OPERATION_REVOKE,
	OPERATION_REVOKE_ALL,
	OPERATION_RENAME,
	OPERATION_SET_SCOPES,
	OPERATION_SET_EXPIRY,
	OPERATION_FREEZE,
	OPERATION_THAW,
	OPERATION_LIST_EVENTS,
	OPERATION_OWNER, /* how far the owner has set it up */
	OPERATION_INITIALIZE,
	OPERATION_AUTHENTICATE,
	OPERATION_LOCK,
	OPERATION_CHANGE_MAIN_PASSWORD,
	OPERATION_ENROLL_TOTP,
	OPERATION_CONFIRM_TOTP,
	OPERATION_REMOVE_TOTP,
	OPERATION_GENERATE_CODES,
	OPERATION_ERASE,
	OPERATION_RENEW_MAIN, /* the service's own: the hash of the main password made again */
	OPERATION_RENEW,      /* the service's own: a hash made again with the cost in force */
	OPERATIONS,
};

/* Each job of the workers leads to the next. */
enum request_stage { REQUEST_BEGIN = 0, REQUEST_HASHED, REQUEST_OPENED };

enum identity {
	IDENTITY_MALFORMED = 0,
	IDENTITY_MISTYPED,
	IDENTITY_UNKNOWN,
	IDENTITY_WRONG,
	IDENTITY_OURS,
};

struct service;

struct request_id {
	char text[24];
};

/* Arguments. NULL or false: not given. */
struct request_arguments {
	const char *text; /* label or name */
	char id[24];      /* the object called */
	const char *account;
	const char *scope;
	const char *remote;
	const char *diagnosis;
	uint32_t group;
	bool unrecorded; /* do not count it as a use */
	bool has_scopes;
	bool bad_scopes; /* one of them is not a scope */
	struct scope_set scopes;
	bool has_expires_at;
	uint64_t expires_at;
	bool has_unused_since;
	uint64_t unused_since;
	bool has_created_before;
	uint64_t created_before;
	const char *after; /* list: ids greater than this */
	uint32_t limit;
	bool everything;     /* list: no paging, SPAREKEY_LIMIT_EXCEEDED above a page */
	uint64_t not_before; /* events */
	int64_t before;
	const struct request_id *except; /* revoke all: these stay; sorted by strcmp */
	unsigned int except_count;
	const char *code; /* of the authenticator; what came by descriptor is in request->code */
	bool revoke;      /* change of the main password: every app password too */
};

/* How far the owner has set it up. */
struct owner_state {
	bool is_initialized;
	bool has_factor;
	uint32_t codes_left;
};

struct request {
	enum operation operation;
	struct request_arguments in;
	struct secret *secret; /* owned; given (verify, identify, main password) or made */
	struct secret *code;   /* owned; given by descriptor, NULL: not */
	const char *caller;    /* who asks, for fairness and penalties; "" for the service itself */
	bool abandoned;        /* the caller is gone: nothing may be made for it any more */
	bool is_undo; /* ends what was made for nobody: waits for the store as long as that takes,
	                 beside all calls there may be */
	/* Called once, with 0, > 0 enum sparekey_error or < 0 -errno. `what` may then hold a line
	 * for the caller. */
	void (*done)(struct request *request, int result);

	/* The answer. */
	struct store_password password;
	enum identity identity;
	uint32_t group;
	uint32_t count;
	int64_t valid_until; /* of a proof */
	struct owner_state owner;
	char scope[LIMIT_SCOPE_BYTES + 1]; /* in.scope by its plain name */
	store_password_fn *row;            /* list: gets each row */
	store_event_fn *event;             /* events: gets each line */
	store_use_fn *use;                 /* get, list: gets each scope's uses, before the row */
	void *row_data;
	char what[120];

	/* The service's own. */
	struct service *service;
	enum request_stage stage;
	struct list link; /* among the parked */
	uint64_t parked_until_ms;
	char charged[PASSWORD_ID + 1]; /* a guess at this id is charged to its source; "": none */
	char waiting[PASSWORD_ID + 1]; /* it has waited to guess at this id */
	bool is_owner_charged;         /* the same for one at the main password, or at a code */
	bool is_wrong;                 /* and it was wrong */
	bool is_woken;                 /* others wait behind it for the same source */
	bool has_begun;                /* list, events: a part of the answer may be given */
	char reached[24];              /* list, revoke all: how far it has come */
	int64_t serial;                /* events: the same */
	struct proof *proof;           /* Owner: owned, what is granted at its end */
	struct list proving;           /* among those that are to be given a proof */
	bool is_locked;                /* the caller locked meanwhile: none is given */
	bool has_pace;                 /* its turn among all guesses has come */
	struct owner_work *work;       /* of the Owner interface: owned, what it has found so far */
	struct revocation *revocation; /* revoke all: owned, what it has done so far */
	struct job job;
	struct phc phc;
	int hashed; /* what the job found */
};

#endif
