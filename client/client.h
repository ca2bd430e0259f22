/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <dbus/dbus.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "protocol/limits.h"
#include "protocol/secret.h"
#include "sparekey.h"

/* What the files of this room share; nobody else includes it. */

#define ERROR_BYTES 1400u
#define WAY_BYTES 1024u
#define WAY_MS 5000u /* to connect and authenticate by one way */
#define RETRY_MS 20u /* between two looks at what is gone through by timer */

/* A directory whose socket "s" has a name that fits. */
#define DIRECTORY_BYTES (sizeof(((struct sockaddr_un *)NULL)->sun_path) - (sizeof("/s") - 1))
#define EXIT_NO_PROGRAM 127 /* of what was to become a broker */

/* How far the way to a broker has been gone. */
enum reach_stage {
	REACH_DOWN = 0,   /* nobody wants one */
	REACH_NEXT,       /* the way in `way` is to be tried */
	REACH_CONNECTING, /* its queue is full: tried again by timer */
	REACH_PROVING,    /* authenticating */
	REACH_GREETING,   /* Hello or Ping is sent */
	REACH_STARTING,   /* the bus is asked to start the broker */
	REACH_NAMING,     /* the bus is asked who owns its name */
	REACH_CLEARING,   /* an earlier broker of our own is still ending: looked at by timer */
	REACH_HEARING,    /* ours has failed: what it says last and how it ends, likewise */
	REACH_UP,
};

/* The ways, in the order they are tried. */
enum reach_way {
	WAY_NONE = 0,
	WAY_ADDRESS,    /* the one that was given; alone */
	WAY_PEER,       /* the peer socket */
	WAY_BUS,        /* the session bus, to have the broker started */
	WAY_PEER_AGAIN, /* where the started one listens */
	WAY_BUS_AGAIN,  /* it does not: the bus itself */
	WAY_PRIVATE,    /* a broker of our own */
};

/* One request on its way. Owned by the handle's list until it is answered. */
struct call {
	struct call *next;
	enum sparekey_operation operation;
	DBusMessage *message; /* to be sent; NULL for SPAREKEY_OP_REACH */
	dbus_uint32_t serial; /* 0: waits for a broker */
	uint64_t until_ms;
	uint64_t number;   /* in the order they were made */
	bool is_answered;  /* but its secret is still to be read */
	bool is_reading;   /* its answer is being read: it may not be freed */
	bool is_cancelled; /* meanwhile */
	int secret_fd;     /* a created secret that is still to be read; -1 */
	sparekey_done_fn *done;
	void *data;
	void (*row)(void *data, const char *name, const char *value);
	void *row_data;
	struct sparekey_answer answer;
};

#define WATCHES 2u /* libdbus has one for reading and one for writing */

struct sparekey {
	char *address; /* owned; NULL: the usual ways */
	unsigned int flags;
	int timeout_ms;
	uint64_t until_ms; /* the deadline of the next request, one of several; 0: its own */
	int epoll_fd;
	int timer_fd;
	struct call *calls; /* in the order they were made */
	struct call **calls_end;
	uint64_t calls_made;
	unsigned int sent; /* of them, and not ended yet */
	pid_t process;     /* it belongs to */

	enum reach_stage stage;
	enum reach_way way;
	DBusConnection *connection;
	int socket_fd;          /* the connection's, not ours; -1 */
	uint32_t socket_events; /* of it in epoll */
	DBusWatch *watches[WATCHES];
	uint64_t way_until_ms;  /* this way is given up then */
	uint64_t retry_ms;      /* REACH_CONNECTING, _CLEARING, _HEARING: the next attempt */
	dbus_uint32_t question; /* serial of Hello, Ping, StartServiceByName, GetNameOwner */
	bool is_bus;
	bool is_refused;     /* a broker that is there will not have us */
	bool has_started;    /* the bus has been asked to start the broker */
	uint32_t generation; /* of the socket: events of an earlier one are stale */
	char owner[256];     /* the broker's unique name on a bus; "" peer to peer */
	char way_text[WAY_BYTES];
	char error[ERROR_BYTES];
	int failure; /* why no way worked; SPAREKEY_NO_BROKER, SPAREKEY_STORAGE_FAILED */

	pid_t broker;            /* started for this handle alone; 0: none */
	int broker_errors;       /* the read end of its stderr; -1 */
	int broker_status;       /* how it ended, as wait(2) has it; -1: not known */
	uint64_t broker_kill_ms; /* it was asked to end, and is killed then; UINT64_MAX: it was not
	                          */
	uint64_t broker_hush_ms; /* if it says nothing up to then it has said all */
	char broker_words[2048]; /* what it said last */
	char directory[DIRECTORY_BYTES]; /* of its socket; "": none */
	bool is_passed_over; /* there was one beside our program, that others can write to */

	sparekey_news_fn *told;
	void *told_data;
};

/* handle.c */
int client_fail(struct sparekey *sparekey, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
uint64_t client_now_ms(void);
uint64_t client_until_ms(const struct sparekey *sparekey); /* the deadline of a request made now */

/* socket.c: connections that never block. */
/* Connects to a unix: address and gives libdbus the socket. -EAGAIN: the other end's queue is full,
 * try again later. Other -errno: why not, said. */
int socket_open(struct sparekey *sparekey, const char *address);
/* Closes it; takes none. */
void socket_close(struct sparekey *sparekey);
/* What epoll tells of it. */
uint64_t socket_mark(const struct sparekey *sparekey);
/* Hands libdbus what epoll reported. */
void socket_ready(struct sparekey *sparekey, uint32_t events);

/* address.c: where `way` leads; false: nowhere. */
bool address_of_way(struct sparekey *sparekey, char *ret_address, size_t size);

/* The address of a socket; false: no memory, or no room. */
bool address_of_path(const char *path, char *ret_address, size_t size);

/* reach.c: the way to a broker. */
void reach_begin(struct sparekey *sparekey);
/* Goes on after something has happened: the socket, an answer, or the time. */
void reach_step(struct sparekey *sparekey);
/* Takes the answer to reach's own question; false: it is none. */
bool reach_answered(struct sparekey *sparekey, DBusMessage *message);
/* The connection is gone. */
void reach_lost(struct sparekey *sparekey);
/* At that stage, which is looked at again by timer. */
void reach_linger(struct sparekey *sparekey, enum reach_stage stage);
/* When it must be called again without anything happening; UINT64_MAX: never. */
uint64_t reach_due_ms(const struct sparekey *sparekey);

/* call.c: requests under way. */
void call_send_waiting(struct sparekey *sparekey);
/* Ends all that wait, or (sent_only) all that had been sent, with a result whose text is said
 * already. */
void call_fail_all(struct sparekey *sparekey, int result, bool sent_only);
void call_message(struct sparekey *sparekey, DBusMessage *message);
void call_expire(struct sparekey *sparekey, uint64_t now_ms);
uint64_t call_due_ms(const struct sparekey *sparekey);
void call_free_all(struct sparekey *sparekey);
/* Takes it off the list, calls back, frees it. */
void call_finish(struct sparekey *sparekey, struct call *call, int result);

/* receive.c: reads the secret of a call that is answered otherwise, and ends the call. */
void receive_begin(struct sparekey *sparekey, struct call *call);
void receive_ready(struct sparekey *sparekey, int fd);

/* given.c */
/* 0, SPAREKEY_INVALID_ARGS, or SPAREKEY_NOT_SUPPORTED (of a later version). */
int given_check(const struct sparekey_request *request);
/* Whether it can stand at the end of an object path of ours. */
bool given_is_id(const char *id);

/* request.c */
/* The message of a request. SPAREKEY_INVALID_ARGS, SPAREKEY_NOT_SUPPORTED (of a later version),
 * -ENOMEM, -errno of pipe2(2). */
int request_encode(const struct sparekey_request *request, DBusMessage **ret_message);

/* answer.c: reads a reply into call->answer; 0, SPAREKEY_FAILED (not understood; said), -ENOMEM. */
int answer_read(struct sparekey *sparekey, struct call *call, DBusMessage *reply);
void answer_free(struct sparekey_answer *answer);

/* news.c */
void news_message(const struct sparekey *sparekey, DBusMessage *message);
/* Has a bus send us the broker's signals, and word of its going. */
void news_subscribe(struct sparekey *sparekey);
void news_connected(const struct sparekey *sparekey);
void news_lost(const struct sparekey *sparekey);

/* private.c: a broker for this handle alone. */
/* Starts it, when the one before it is over; its address. SPAREKEY_NO_BROKER (said), -errno. */
int private_start(struct sparekey *sparekey, char *ret_address, size_t size);

/* ending.c: its end. Only ending_wait waits. */
/* Asks it to end, and takes away its socket. */
void private_stop(struct sparekey *sparekey);
/* Whether the one that was asked to end is no more; past its time it is made to. */
bool ending_is_over(struct sparekey *sparekey);
/* Waits until it is, for a bounded time. */
void ending_wait(struct sparekey *sparekey);
/* It has failed: the stage is REACH_HEARING, until ending_hear, called by timer, has heard all it
 * says, or its end: then it is said why, and the way is over. */
void ending_begin(struct sparekey *sparekey);
void ending_hear(struct sparekey *sparekey);

/* blocking.c: makes a request and waits for its end; `take` gets the answer of a success. */
int client_run(struct sparekey *sparekey, const struct sparekey_request *request,
               void (*take)(const struct sparekey_answer *answer, void *ret), void *ret);

/* secret.c */
struct secret *client_secret(const struct sparekey_secret *secret);

#endif
