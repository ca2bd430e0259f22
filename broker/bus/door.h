/* SPDX-License-Identifier: MIT */
#ifndef BUS_DOOR_H
#define BUS_DOOR_H

#include <stdbool.h>

#include "base/loop.h"
#include "protocol/secret.h"
#include "service/service.h"

/*
 * The front door: the session bus, the peer socket and handed-over listening sockets, served alike
 * by libdbus. Loop thread.
 */
struct door;

/* `service` and `pool` stay the caller's and must outlive it; becomes the service's listener.
 * `activity(data)` is called after everything that may have made the broker busy or idle. 0 or
 * -ENOMEM. */
int door_new(struct loop *loop, struct service *service, struct secret_pool *pool,
             void (*activity)(void *data), void *data, struct door **ret_door);
/* Refuses calls under way, releases the name, sends what is queued (bounded), closes everything. */
struct door *door_free(struct door *door);

/* Serves a D-Bus listening address; only the broker's own uid and root are let in, by EXTERNAL
 * alone. 0 or -errno; logged. */
int door_listen(struct door *door, const char *address);
/* Serves the peer socket below $XDG_RUNTIME_DIR. -EADDRINUSE: another broker of this user has it.
 * -ENOENT: there is no such directory. -EPERM: it is not ours alone. */
int door_listen_peer(struct door *door);
/* Joins a bus and requests the name; everything is registered before. `lost(data)` is called when
 * the bus goes away. Turns the loop meanwhile, for ten seconds at most. Returns 0, -ENOTCONN (no
 * bus; logged), -EADDRINUSE (the name is taken; who has it is logged) or -ECANCELED (the loop is to
 * end). */
int door_join(struct door *door, const char *address, void (*lost)(void *data), void *data);

/* Begins to leave: takes no new connections and gives the name back. What was sent to us before the
 * bus has taken the name is still served, so that nobody's call falls between two brokers. */
void door_leave(struct door *door);
/* Whether nothing more can come after door_leave: the bus has answered, or there is none. */
bool door_left(const struct door *door);

/* Whether no peer is connected and no call is under way. */
bool door_idle(const struct door *door);

#endif
