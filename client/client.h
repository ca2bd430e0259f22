/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <dbus/dbus.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/secret.h"
#include "sparekey.h"

/* What the files of this room share. */

#define CONNECT_MS 5000
#define CALL_MS 30000
#define ERROR_BYTES 256u

struct sparekey {
	DBusConnection *connection;
	char owner[256]; /* the broker's unique name on a bus; "" peer to peer */
	char way[300];   /* how it was reached, for people */
	char error[ERROR_BYTES];
	pid_t broker;        /* started for this connection alone; 0: none */
	int broker_errors;   /* read end of its stderr; 0: none */
	char directory[200]; /* of its socket */
};

int client_fail(struct sparekey *sparekey, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A connection to `address`, authenticated with a server of our own uid, within CONNECT_MS. */
int client_open(struct sparekey *sparekey, const char *address);
/* Sends `call` (taken over) and waits for its reply from the broker. */
int client_ask(struct sparekey *sparekey, DBusMessage *call, int timeout_ms,
               DBusMessage **ret_reply);
DBusMessage *client_method(const struct sparekey *sparekey, const char *path, const char *interface,
                           const char *member);
int client_start_private(struct sparekey *sparekey);
void client_stop_private(struct sparekey *sparekey);

#endif
