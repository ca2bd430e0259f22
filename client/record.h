/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_RECORD_H
#define CLIENT_RECORD_H

#include <dbus/dbus.h>

#include "sparekey.h"

/* Values out of messages. What a broker says is cut to fit, never trusted to; what it lacks is
 * zero. */

/* Copies a string, cut at a character's end; false if it is none. */
bool record_text(DBusMessageIter *value, char *ret_text, size_t size);
/* A time or a count; 0 if it is none, or beyond what a time can be. */
int64_t record_time(DBusMessageIter *value);
void record_scopes(DBusMessageIter *value, struct sparekey_scopes *ret_scopes);
/* The last element of an object path that names a password; false if it is none. */
bool record_id(DBusMessageIter *value, char ret_id[static SPAREKEY_ID_SIZE]);

/* The a{sv} of a password's properties. */
void record_password(DBusMessageIter *dict, struct sparekey_password *ret_password);
/* A row (xtssa{sv}) of ListEvents. */
void record_event(DBusMessageIter *row, struct sparekey_event *ret_event);

#endif
