/* SPDX-License-Identifier: MIT */
#ifndef BUS_WATCH_H
#define BUS_WATCH_H

#include <dbus/dbus.h>

#include "base/loop.h"

/* Puts libdbus's watches and timeouts on the loop. Returns 0 or -ENOMEM. They go when the
 * connection or server is finalised or watch_detach is called. */
int watch_connection(struct loop *loop, DBusConnection *connection);
int watch_server(struct loop *loop, DBusServer *server);
void watch_detach_connection(DBusConnection *connection);
void watch_detach_server(DBusServer *server);

#endif
