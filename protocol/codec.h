/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_CODEC_H
#define PROTOCOL_CODEC_H

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/scope.h"

/*
 * Reading and writing the values both sides use. Writers return false when memory has run out (the
 * message is then to be dropped). libdbus aborts the process on invalid UTF-8 of our own, so every
 * string writer replaces a string that is not valid UTF-8 by its text_escape form.
 */

bool codec_append_string(DBusMessageIter *at, const char *value);
bool codec_append_path(DBusMessageIter *at, const char *value);
bool codec_append_uint32(DBusMessageIter *at, uint32_t value);
bool codec_append_uint64(DBusMessageIter *at, uint64_t value);
bool codec_append_int64(DBusMessageIter *at, int64_t value);
bool codec_append_scopes(DBusMessageIter *at, const struct scope_set *scopes); /* as */

/* Closes a container whose content has been written, or abandons one whose content could not be:
 * left open, it would leak its signature. Gives `written` and whether it could be closed. */
bool codec_container_end(DBusMessageIter *at, DBusMessageIter *inner, bool written);

/* A dictionary a{sv}, ended by codec_container_end. */
bool codec_dict_open(DBusMessageIter *at, DBusMessageIter *ret_dict);
bool codec_dict_string(DBusMessageIter *dict, const char *key, const char *value);
bool codec_dict_bool(DBusMessageIter *dict, const char *key, bool value);
bool codec_dict_uint32(DBusMessageIter *dict, const char *key, uint32_t value);
bool codec_dict_uint64(DBusMessageIter *dict, const char *key, uint64_t value);
bool codec_dict_scopes(DBusMessageIter *dict, const char *key, const struct scope_set *scopes);
/* Opens an entry {key, variant of signature}; the value is written to `ret_value`; then close. */
bool codec_dict_entry_open(DBusMessageIter *dict, const char *key, const char *signature,
                           DBusMessageIter *ret_entry, DBusMessageIter *ret_value);
bool codec_dict_entry_end(DBusMessageIter *dict, DBusMessageIter *entry, DBusMessageIter *value,
                          bool written);

/* Walks the a{sv} at `at`: `entry` gets each key and an iterator inside its variant; a non-zero
 * return ends the walk and is returned. `at` itself is not moved. 0 for an empty dictionary. */
typedef int codec_entry_fn(void *data, const char *key, DBusMessageIter *value);
int codec_dict_each(const DBusMessageIter *at, codec_entry_fn *entry, void *data);

/* Reads one value of exactly that type; false if it is of another. Strings belong to the message.
 */
bool codec_read_string(DBusMessageIter *value, const char **ret_value);
bool codec_read_path(DBusMessageIter *value, const char **ret_value);
bool codec_read_bool(DBusMessageIter *value, bool *ret_value);
bool codec_read_uint32(DBusMessageIter *value, uint32_t *ret_value);
bool codec_read_uint64(DBusMessageIter *value, uint64_t *ret_value);
bool codec_read_int64(DBusMessageIter *value, int64_t *ret_value);

/* Reads an array of strings into a set. Returns 0, SPAREKEY_INVALID_ARGS (another type) or
 * SPAREKEY_INVALID_SCOPE. */
int codec_read_scopes(DBusMessageIter *value, struct scope_set *ret_scopes);

#endif
