/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_RECORD_H
#define CLIENT_RECORD_H

#include <dbus/dbus.h>

#include "sparekey.h"

/* Reads the a{sv} of a password's properties; what it lacks is zero. */
void record_read(DBusMessageIter *dict, struct sparekey_password *ret_password);
/* Appends the rows of a ListPasswords reply. 0 or -ENOMEM. */
int record_read_rows(DBusMessage *reply, struct sparekey_list *list, unsigned int *ret_count);

#endif
