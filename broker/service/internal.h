/* SPDX-License-Identifier: MIT */
#ifndef SERVICE_INTERNAL_H
#define SERVICE_INTERNAL_H

#include "base/list.h"
#include "base/workers.h"
#include "crypto/warm.h"
#include "service/service.h"

/* What the files of this room share; nobody else includes it. */

/* A step's answer for "a job is under way, the request goes on when it is done". */
#define STEP_UNDER_WAY (-EINPROGRESS)
/* A step's answer for "called again in the next turn": a part of what would take the loop too long
 * is done. */
#define STEP_MORE (-EALREADY)

struct gather;
struct news;
struct penalties;
struct lane;

struct service {
	struct loop *loop;
	struct settings settings;
	struct store *store;      /* borrowed */
	struct secret_pool *pool; /* borrowed */
	struct workers *workers;
	struct warm *warm; /* NULL: cache-seconds is 0, or nothing to remember yet */
	struct gather *gather;
	struct news *news;
	struct penalties *penalties;
	/* Callers whose requests wait for a worker, the next in turn first. */
	struct lane *lanes;
	unsigned int hashing;     /* requests with the workers */
	struct list parked;       /* requests that wait for the store */
	struct list soon;         /* requests that go on in the next turn */
	struct list guesses;      /* requests that wait until their source is free to guess again */
	struct loop_timer *retry; /* of the parked */
	struct loop_timer *next;
	struct loop_timer *sweep; /* the next password to expire */
	bool sweeps_on; /* more have expired than were ended at once: no later time counts */
	unsigned int under_way;
	/* Whose transaction is open over several turns: nobody else reads or writes meanwhile. */
	struct request *writer;
	int64_t last_serial; /* of the journal, written in the open transaction */
	bool stopping;
	struct list proofs; /* the oldest first */
	unsigned int proofs_count;
	struct list proving; /* requests that are to be given one, by their `proving` */
	struct loop_timer *proof_end;
	struct penalties *owner_penalties; /* of wrong main passwords and codes, by caller */
	struct pace *pace;                 /* the same of all callers together */
	bool owes_scrub;                   /* old pages are still in the journal file */
	struct loop_timer *scrub;
};

/* What the steps of the Owner interface have found so far. */
struct owner_work {
	struct store_owner owner;   /* as it was read */
	struct store_owner changed; /* as it was written */
	struct secret
		*seal_key; /* owned; what the main password that comes into force is for sealing */
	struct secret *old_key; /* owned; the same of the one in force; empty: it is the same one */
	struct secret *key;     /* owned; of the authenticator */
	uint8_t sealed[STORE_SEALED_BYTES];
	size_t sealed_length;
	unsigned int place;                     /* which one it is */
	int64_t step;                           /* which step's code it is */
	char hashes[STORE_CODES][PHC_TEXT + 1]; /* of the recovery codes */
	unsigned int hashes_count;
};

/* service.c */
int64_t service_now(const struct service *service);
uint64_t service_now_ms(const struct service *service);
struct phc_cost service_cost(const struct service *service);
/* Goes on with a request at its stage; ends it, with its charge. */
void service_step(struct service *service, struct request *request);
void service_finish(struct service *service, struct request *request, int result);

/* wait.c */
int wait_start(struct service *service);
/* Ends all that wait. */
void wait_stop(struct service *service);
/* At the end: what was made for nobody is ended, if the store can be had in time. */
void wait_for_undos(struct service *service);
/* Steps it again in the next turn. */
void wait_soon(struct service *service, struct request *request);
/* Steps it again until the store is free; after LIMIT_BUSY_WAIT_MS it ends with -EBUSY. */
void wait_for_store(struct service *service, struct request *request);
/* Steps it again once the transaction of service->writer has ended. */
void wait_for_writer(struct service *service, struct request *request);
/* Keeps a guess until another of its source has ended; wakes the first one that waits for that. */
void wait_to_guess(struct service *service, struct request *request);
void wait_wake(struct service *service, const char *id, const struct request *ended);

/* hash.c */
/* Hashes request->secret into request->phc, or compares with it; the request's step is called again
 * at REQUEST_HASHED. */
int service_hash(struct service *service, struct request *request, bool compare);
/* Runs any other job on a worker; request->hashed says how it went. */
int service_work(struct service *service, struct request *request, void (*run)(struct job *job));
/* Ends what waits for a worker. */
void hash_stop(struct service *service);

/* service.c */
/* Notes that a record's hash cannot be trusted. Every record passes here before it is used; only
 * one whose hash is in the warm memory, which was computed, need not. */
void service_check_record(struct store_password *password);
/* Runs `change` in a transaction that takes access away, and commits it: on a full disk begin, a
 * step or the commit may say so, and the second try finds the reserve freed. */
int service_revoke(struct service *service, int (*change)(struct service *service, void *data),
                   void *data);
/* Ends a transaction: commits after a result of 0, else rolls back; returns what holds. */
int service_end(struct service *service, int result);
/* The address a question came from, "" if none is known. */
const char *service_remote(const struct request *request);
bool service_is_live(const struct service *service, const struct store_password *password);
int service_say(struct request *request, int result, const char *what);

/* The steps, one an operation: 0 done, > 0 and < 0 as struct request's `done`, -EBUSY to be called
 * again later. */
int create_step(struct service *service, struct request *request);
int verify_step(struct service *service, struct request *request);
int identify_step(struct service *service, struct request *request);
int renew_step(struct service *service, struct request *request);
int renew_main_step(struct service *service, struct request *request);
int find_step(struct service *service, struct request *request);
int get_step(struct service *service, struct request *request);
int list_step(struct service *service, struct request *request);
int list_events_step(struct service *service, struct request *request);
int revoke_step(struct service *service, struct request *request);
int revoke_all_step(struct service *service, struct request *request);
/* Ends what revoke_all_step has begun, where it did not end by itself; what then holds. */
int revocation_end(struct service *service, struct request *request, int result);
int rename_step(struct service *service, struct request *request);
int set_scopes_step(struct service *service, struct request *request);
int set_expiry_step(struct service *service, struct request *request);
int freeze_step(struct service *service, struct request *request);
int thaw_step(struct service *service, struct request *request);
/* Starts a renewal of a hash; takes the secret over. */
void renew_start(struct service *service, const struct store_password *password,
                 struct secret *secret);

int owner_step(struct service *service, struct request *request);
int initialize_step(struct service *service, struct request *request);
int authenticate_step(struct service *service, struct request *request);
int lock_step(struct service *service, struct request *request);
int change_main_step(struct service *service, struct request *request);
int enroll_step(struct service *service, struct request *request);
int confirm_step(struct service *service, struct request *request);
int remove_step(struct service *service, struct request *request);
int generate_step(struct service *service, struct request *request);
int erase_step(struct service *service, struct request *request);

/* owner.c */
/* The dearest that is computed of what is stored. */
extern const struct phc_cost owner_cost_most;
struct phc_cost owner_cost(const struct service *service);
/* Makes request->work, with the owner's record; SPAREKEY_NOT_INITIALIZED (it is made all the same),
 * -EUCLEAN: damaged. */
int owner_work_new(struct service *service, struct request *request);
void owner_work_free(struct request *request);
/* A transaction, behind what was gathered. */
int owner_begin(struct service *service);
/* Within a transaction: the record again, which must be the one the work began with. */
int owner_reread(struct service *service, struct request *request, struct store_owner *ret_owner);
int owner_event(struct service *service, const char *kind);
/* Zeroes the journal file, at once or as soon as the store is free. */
int owner_start(struct service *service);
void owner_scrub(struct service *service);
/* Tells of what has changed. */
void owner_tell(struct service *service);
/* What a transaction that ends every password does last, and what follows its commit. */
int owner_in_revocation(struct service *service, struct request *request);
void owner_after_revocation(struct service *service, struct request *request);

/* main_password.c: sends the main password in request->secret to be hashed, and the key to be
 * sealed under it; `old_key`: what the one in force is for sealing, NULL if it is the same. */
int main_password_work(struct service *service, struct request *request,
                       const struct secret *old_key);
/* What a change writes, and what follows its commit. */
int main_password_put(struct service *service, struct request *request);
void main_password_changed(struct service *service, struct request *request);

/* authenticate.c: a guess at the main password, or at a code. */
int owner_charge(struct service *service, struct request *request);
void owner_charge_end(struct service *service, struct request *request);
/* It was wrong: noted and counted. */
int owner_wrong(struct service *service, struct request *request, const char *what);

/* pace.c: how fast main passwords and codes may be guessed at in all. */
int pace_new(struct service *service, struct pace **ret_pace);
struct pace *pace_free(struct pace *pace);
/* 0: the request may go on now; STEP_UNDER_WAY: it is stepped again when its turn has come;
 * SPAREKEY_RATE_LIMITED: too many wait. */
int pace_take(struct service *service, struct request *request);
void pace_wrong(struct service *service);
/* Ends all that wait. */
void pace_stop(struct service *service);

/* proof.c */
int proof_start(struct service *service);
/* Whether the request may begin: 0 or the refusal. */
int proof_admit(struct service *service, struct request *request);
/* The same for a change that turns out to give access. */
int proof_admit_more(struct service *service, struct request *request);
/* Makes request->proof with request->work->seal_key, so that granting cannot fail. */
int proof_prepare(struct service *service, struct request *request);
struct proof *proof_free(struct proof *proof);
/* The caller has proved it against that record; takes request->proof over. */
void proof_grant(struct service *service, struct request *request, const struct store_owner *owner,
                 bool has_code);
/* The main password is another now: the caller's proof is of that, and lasts no longer for it. */
void proof_renew(struct service *service, struct request *request, const struct store_owner *owner);
/* The record was written anew for the same main password and factor. */
void proof_follow(struct service *service, const struct request *request);
void proof_end(struct service *service, const char *caller);
/* All but the caller's; NULL: all. */
void proof_end_others(struct service *service, const char *caller);
/* Of the caller's proof; NULL without one. */
const struct secret *proof_seal_key(const struct service *service, const struct request *request);
/* The key of an authenticator that waits for its first code; taken over. */
int proof_keep_key(struct service *service, const struct request *request, struct secret *key);
const struct secret *proof_key(const struct service *service, const struct request *request);
/* Its code was right: the proof counts as one with a code. */
void proof_with_code(struct service *service, const struct request *request,
                     const struct store_owner *owner);

/* Starts a renewal of the main password's hash, and of what is sealed under it. */
void renew_main_start(struct service *service, const struct secret *main_password);

/* policy.c: what arguments may be. 0 or an outcome. */
int policy_expiry(const struct service *service, const struct request *request,
                  int64_t *ret_expires_at);
int policy_scopes(const struct service *service, const struct request *request,
                  struct scope_set *ret_scopes);
int policy_label_free(struct service *service, const char *label, const char *account,
                      const char *own_id);

/* sweep.c: ends what has expired. */
void sweep_due(void *data);
void sweep_plan(struct service *service);

/* journal.c */
/* Copies what fits; NULL is "". On every verification's way, where snprintf is too dear. */
void journal_text(char *ret_text, size_t size, const char *text);
void journal_event(const struct service *service, const char *kind,
                   const struct store_password *password, struct store_event *ret_event);
/* Inside a transaction; service_end tells of it once it is committed. */
int journal_append(struct service *service, const char *kind,
                   const struct store_password *password);

/* gather.c: uses and refusals on their way to the store. */
int gather_new(struct service *service, struct gather **ret_gather);
struct gather *gather_free(struct gather *gather);
void gather_add(struct gather *gather, const struct store_event *event);
/* Writes everything gathered; -EBUSY and faults leave it for the next time. */
int gather_flush(struct gather *gather);
bool gather_empty(const struct gather *gather);
/* Forgets what waits to be written. */
void gather_drop(struct gather *gather);
/* When one was last used, as far as that is not written yet; 0: it was not. */
int64_t gather_last_use(const struct gather *gather, const char *id);
/* Whether there were uses that could neither be written nor kept. */
bool gather_has_lost_use(const struct gather *gather);

/* news.c: what the listener is told, at bounded rates. */
int news_new(struct service *service, struct news **ret_news);
struct news *news_free(struct news *news);
void news_listen(struct news *news, const struct service_listener *listener, void *data);
void news_created(struct news *news, const struct store_password *password);
void news_ended(struct news *news, const char *id, const char *label, enum ended_reason reason);
void news_changed(struct news *news, const struct store_password *password, unsigned int changed);
void news_used(struct news *news, const char *id);
void news_verified(struct news *news, const char *id, const char *scope);
void news_failed(struct news *news, const char *scope);
void news_proof(struct news *news, const char *caller, bool is_held);
void news_owner(struct news *news, const struct owner_state *owner);
void news_events(struct news *news, int64_t last_serial);

#endif
