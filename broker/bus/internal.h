/* SPDX-License-Identifier: MIT */
#ifndef BUS_INTERNAL_H
#define BUS_INTERNAL_H

#include <dbus/dbus.h>

#include "base/list.h"
#include "bus/door.h"
#include "protocol/codec.h"
#include "protocol/names.h"
#include "service/request.h"

/* What the files of this room share; nobody else includes it. */

#define SERVERS 8u
#define REPEATS 32u
#define LIGHT_TEXTS 9u

enum link_kind {
	LINK_SILENT = 0, /* a peer that has not authenticated yet */
	LINK_ROOT,       /* root on another user's peer socket: Verifier alone */
	LINK_OWNER,      /* a peer with the broker's own uid */
	LINK_BUS,        /* the session bus */
};

/* One connection. Owned by the door's list. */
struct link {
	struct list link;
	struct door *door;
	DBusConnection *connection;
	enum link_kind kind;
	bool is_heard;              /* its messages come to us: the filter is in place */
	char name[24];              /* of a peer, as a caller: "#N" */
	struct loop_timer *silence; /* closes a peer that does not authenticate */
	long unread;                /* answers, when last looked at */
	uint64_t read_ms;           /* when it last had read some of them, or all */
	bool is_deaf;               /* a bus that reads nothing: it is told no signals */
};

/* One who has calls under way: a unique name on the bus, or a peer connection. */
struct caller {
	struct list link;
	struct link *origin;
	char name[256];
	unsigned int calls;
	struct list waiting; /* calls that have not begun, by their `queued` */
	struct list turn;    /* among the door's callers with such calls */
};

struct repeat;

struct door {
	struct loop *loop;
	struct service *service;  /* borrowed */
	struct secret_pool *pool; /* borrowed */
	struct loop_hook *hook;
	struct list links;
	struct list calls;
	struct list callers;
	struct list turns; /* callers with calls that have not begun, the next first */
	struct repeat *repeats[REPEATS]; /* answers kept, by id */
	unsigned int calls_under_way;
	unsigned int links_made; /* numbers them */
	DBusServer *servers[SERVERS];
	unsigned int servers_count;
	char peer_address[300];
	int peer_lock;
	struct link *bus;
	const struct call *large; /* begun, its answer under way; one at a time, since none counts
	                             as unread before it is whole */
	unsigned long unread;     /* by all connections, when last looked at */
	uint64_t looked_ms;
	struct loop_timer *look;
	unsigned int
		peer_fds; /* descriptors: of one message, of those not handled, of those unread */
	unsigned int calls_fds; /* the first number that no call may have */
	bool is_leaving;
	bool is_closing; /* no call begins any more */
	uint64_t join_until_ms;
	dbus_uint32_t question; /* asked of the bus while joining it; 0: none */
	DBusMessage *answer;    /* to that, owned */
	dbus_uint32_t release;  /* the request to take our name; 0: answered, or not asked */
	void (*lost)(void *data);
	void *lost_data;
	void (*activity)(void *data);
	void *activity_data;
};

struct call;
struct inlet;

enum method_flag {
	METHOD_INLINE = 1,     /* a secret crosses as a string: inline-secrets can refuse it */
	METHOD_SECRET_OUT = 2, /* the reply carries a descriptor */
	METHOD_FOR_ROOT = 4,   /* root may call it on a user's peer socket */
	METHOD_UNDO = 8,       /* what it made is undone if the caller is gone */
	METHOD_REPEATS = 16,   /* its answer depends on the password's record alone */
	METHOD_LARGE = 32,     /* its answer may be */
	METHOD_WATCH = 64,     /* of no use once the caller is gone */
};

/* Reads arguments after the signature was checked; 0 or an outcome with call->request.what. */
typedef int decode_fn(struct call *call, DBusMessageIter *arguments);
/* Writes the answer's body after success. false: out of memory. */
typedef bool encode_fn(struct call *call, DBusMessageIter *reply);

struct method {
	const char *member;
	const char *in;
	const char *out;
	enum operation operation; /* OPERATION_NONE: by the object: one password is read first, else
	                             answered at once */
	decode_fn *decode;
	encode_fn *encode;
	unsigned int flags;
};

struct interface {
	const char *name;
	const struct method *methods;
	unsigned int methods_count;
	const char *xml; /* its introspection */
};

enum object_kind {
	OBJECT_NONE = 0,
	OBJECT_ABOVE,
	OBJECT_BROKER,
	OBJECT_PASSWORDS,
	OBJECT_PASSWORD
};

struct child {
	char id[24];
};

struct use_row {
	char scope[LIMIT_SCOPE_BYTES + 1];
	uint64_t count;
};

/* One method call on its way. Owned by the door's list until it is answered. */
struct call {
	struct list link;
	struct list queued; /* with its caller, until it begins */
	struct door *door;
	struct link *origin;        /* NULL once that connection is gone */
	DBusConnection *connection; /* a reference of our own */
	DBusMessage *message;       /* likewise; once read, what an answer needs of it */
	struct caller *caller;
	const struct method *method;
	enum object_kind object;
	struct request request;
	struct inlet *inlet;    /* reads the secret that comes by descriptor */
	int secret_fd;          /* given, not yet read; -1 */
	int code_fd;            /* likewise, a second one */
	bool watched;           /* a match rule tells when the caller goes */
	dbus_uint32_t presence; /* the question whether it was still there by then; 0: answered, or
	                           not asked */
	bool held;              /* done, and waiting for that answer */
	int held_result;
	bool failed;        /* a row could not be written into the reply */
	DBusMessage *reply; /* being written */
	DBusMessageIter body;
	DBusMessageIter rows;
	bool rows_open;
	char path_id[24];           /* OBJECT_PASSWORD */
	const char *property;       /* Properties.Get */
	const char *interface_name; /* Properties.Get, GetAll */
	bool wants_owner;           /* they are of the Owner interface, too */
	struct request_id *except;
	char *texts[LIGHT_TEXTS]; /* owned: the strings, once it is lightened */
	struct child *children;   /* ids for Introspect */
	unsigned int children_count;
	struct use_row uses[LIMIT_USE_SCOPES];
	unsigned int uses_count;
};

extern const struct interface manager_interface;
extern const struct interface verifier_interface;
extern const struct interface owner_interface;
extern const struct interface password_interface;
extern const struct interface introspectable_interface;
extern const struct interface properties_interface;
extern const struct interface object_manager_interface;

/* dispatch.c */
DBusHandlerResult dispatch_message(DBusConnection *connection, DBusMessage *message, void *link);
/* The interfaces of an object, as far as that link may see them; ended by NULL. */
const struct interface *const *dispatch_interfaces(enum object_kind object, enum link_kind link);

/* caller.c: SPAREKEY_LIMIT_EXCEEDED at too many calls, of that caller or in all; -ENOMEM. */
int caller_charge(struct link *link, DBusMessage *message, struct caller **ret_caller);
void caller_discharge(struct door *door, struct caller *caller);
/* Lets a call wait for its caller's turn; the same for one that ends without having begun. */
void caller_queue(struct call *call);
void caller_unqueue(struct call *call);
/* Begins calls, the callers in turn, for a moment. Whether more could begin at once. */
bool caller_run(struct door *door);

/* call.c */
int call_new(struct link *link, DBusMessage *message, struct call **ret_call);
/* Decodes, and lets go of the message: calls that wait hold little. 0 or an outcome or -errno. */
int call_read(struct call *call);
/* Begins: waits for the secret if one comes by descriptor, submits. */
void call_start(struct call *call);
/* Answers: 0 with the method's encoder, else an error by that result and request.what. Frees the
 * call. */
void call_finish(struct call *call, int result);
/* The bus has answered whether a caller was still there. */
void call_present(struct door *door, dbus_uint32_t question, bool is_there);
/* Ends what waits for such an answer, at the end of the door. */
void call_release_held(struct door *door);
/* The caller is gone, or its connection: nothing may be made for it any more. */
void call_abandon_name(struct door *door, const char *name);
void call_abandon_link(struct door *door, const struct link *link);
/* To the service. */
void call_submit(struct call *call);
/* Has the bus tell, or tell no more, when a unique name goes. */
void call_watch_name(DBusConnection *connection, const char *name, bool watch);
int call_say(struct call *call, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* error.c: answers with an outcome or -errno; `what` "": the outcome's own text. Without memory for
 * that a peer loses its connection. */
void error_reply(struct link *link, DBusMessage *message, int result, const char *what);

/* reply.c: writes and sends the answer of a call that succeeded; false: out of memory, nothing was
 * sent. */
bool reply_send(struct call *call);
/* Appends the read end of a pipe that holds the secret, once. */
bool reply_append_secret(DBusMessageIter *reply, const struct secret *secret);
/* Lets go of the answers kept, at the end of the door. */
void reply_forget(struct door *door);
/* light.c: lets go of the message of a call, but for what its answer needs. Without memory for that
 * it is kept. */
void light_call(struct call *call);
void light_free(struct call *call);

/* arrival.c: reads the secrets that come with a call by descriptor, then submits it; 0, or what it
 * ends with at once. */
int arrival_await(struct call *call);

/* inlet.c: reads a secret from a descriptor without ever blocking. Takes `fd` over in any case.
 * Returns INLET_READ if all of it was there: then `done` is not called and no inlet made. Else 0,
 * and `done(call, result)` comes later: 0, -EMSGSIZE, -ETIMEDOUT or -errno; or
 * SPAREKEY_INVALID_ARGS (no pipe and no socket), -errno. */
#define INLET_READ (-EALREADY)
int inlet_new(struct call *call, int fd, struct secret *secret,
              void (*done)(struct call *call, int result), struct inlet **ret_inlet);
struct inlet *inlet_free(struct inlet *inlet);
/* Takes the descriptor of an argument over into call->secret_fd. -errno: we can have none more;
 * SPAREKEY_LIMIT_EXCEEDED: calls may not; SPAREKEY_INVALID_ARGS: the message does not bring it. */
int inlet_descriptor(struct call *call, DBusMessageIter *argument);

/* options.c */
enum option_kind {
	OPTION_STRING,
	OPTION_UINT32,
	OPTION_UINT64,
	OPTION_INT64,
	OPTION_BOOL,
	OPTION_NOT,
	OPTION_CODE, /* a string, or a descriptor for call->code_fd */
	OPTION_SCOPES,
	OPTION_OBJECT,
	OPTION_OBJECTS,
	OPTION_LATER,
};

struct option {
	const char *key;
	enum option_kind kind;
	size_t offset; /* in struct request_arguments */
	size_t flag;   /* of a bool that says it was given; 0: none */
};

/* Reads the a{sv} at `at`. Unknown keys are ignored unless they begin with must_, or all refused if
 * `strict`. */
int options_read(struct call *call, DBusMessageIter *at, const struct option *options,
                 unsigned int count, bool strict);
/* The id an object path below PATH_PASSWORDS names, or NULL. */
const char *path_to_id(const char *path);

/* record.c: the properties of a password. `uses` may be NULL. `told`: for a broadcast, without
 * LastUsedFrom. */
bool record_append_all(DBusMessageIter *at, const struct store_password *password,
                       const struct call *uses, bool told);
/* The a{sa{sv}} of ObjectManager for it. */
bool record_append_interfaces(DBusMessageIter *at, const struct store_password *password,
                              const struct call *uses, bool told);
/* One by name, as a variant; SPAREKEY_UNKNOWN_PROPERTY. */
int record_append_one(DBusMessageIter *at, const char *name, const struct store_password *password,
                      const struct call *uses);
bool record_append_changed(DBusMessageIter *dict, const struct store_password *password,
                           unsigned int changed);
bool record_has(const char *name);
int record_keep_use(void *data, const char *scope, uint64_t count); /* store_use_fn into a call */
void record_path(const char *id, char ret_path[static 64]);

/* manager.c: the properties of the Manager. */
bool manager_append_properties(DBusMessageIter *dict, const struct door *door);
bool manager_has(const char *name);
/* One by name, as a variant. */
bool manager_append_one(DBusMessageIter *at, const char *name, const struct door *door);

/* owner.c: those of the Owner. */
bool owner_has(const char *name);
bool owner_append_properties(DBusMessageIter *dict, const struct owner_state *owner);
bool owner_append_one(DBusMessageIter *at, const char *name, const struct owner_state *owner);

/* rows.c: replies that are written row by row. */
bool rows_open(struct call *call, const char *signature);
int rows_password(void *data, const struct store_password *password);
int rows_managed(void *data, const struct store_password *password);
int rows_event(void *data, const struct store_event *event);
bool rows_close(struct call *call);

/* peer.c */
void peer_connected(DBusServer *server, DBusConnection *connection, void *door);
void peer_check(struct link *link);
/* Why an authenticated peer was not let in: SPAREKEY_LIMIT_EXCEEDED, SPAREKEY_ACCESS_DENIED. */
int peer_refusal(const struct link *link);

/* door.c */
int link_new(struct door *door, DBusConnection *connection, enum link_kind kind,
             struct link **ret_link);
struct link *link_free(struct link *link);

/* backlog.c: answers and signals that wait to be read. */
int backlog_new(struct door *door);
/* Once a turn: looks how much waits in all, and drops who reads nothing. */
void backlog_check(struct door *door);
/* Whether its answers pile up unread: nothing is begun for it. */
bool backlog_chokes(const struct link *link);
/* Whether a call may begin: one with a large answer waits while too much is unread. */
bool backlog_admits(const struct call *call);
/* Whether a signal may go there; drops a peer that has left too much unread. */
bool backlog_takes_signal(struct link *link);

/* descriptors.c: how many each may have us hold, by the size of our table. */
void descriptors_share(struct door *door);
/* Whether a call may have this one. */
bool descriptors_has_room(const struct door *door, int fd);
/* Whether those in its answers pile up unread. */
bool descriptors_choke(const struct link *link);

void door_close_servers(struct door *door);

/* join.c: asks the bus to take the name back; the serial of the request, 0 if it could not be sent.
 */
dbus_uint32_t join_release(const struct door *door);

/* signals.c */
extern const struct service_listener signals_listener;

#endif
