/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_ERROR_H
#define PROTOCOL_ERROR_H

#include "sparekey.h"

/* The D-Bus error name of a result of ours: an outcome (> 0) by its own name, a fault (< 0) as
 * StorageFailed for storage codes (-EIO, -ENOSPC, -EROFS, -EBUSY, -EUCLEAN, -ESTALE) and
 * org.freedesktop.DBus.Error.Failed otherwise. Static string. */
const char *error_name(int result);

/* The outcome a D-Bus error name stands for; SPAREKEY_FAILED for a name that is none of ours.
 * NoReply, Disconnected, ServiceUnknown, NameHasNoOwner, NoServer, Timeout and Spawn.* are
 * SPAREKEY_NO_BROKER. */
enum sparekey_error error_from_name(const char *name);

/* One English line about an outcome, for people. Static string. */
const char *error_text(enum sparekey_error error);

#endif
