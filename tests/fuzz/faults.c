/* SPDX-License-Identifier: MIT */
/*
 * Failures by plan: the linker puts each function below in the place of the one it is named for
 * (--wrap), so the modules under test meet failures where the plan says, and libraries do not. On
 * in one thread at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static _Thread_local struct {
	struct faults faults;
	unsigned int next;     /* in the plan */
	unsigned int distance; /* calls until it fails; 0: none does any more */
	unsigned int happened;
	bool is_on;
} state;

void faults_read(struct source *source, struct faults *ret_faults)
{
	*ret_faults = (struct faults){ .count = source_byte(source) % (FAULTS_MOST + 1) };
	for (unsigned int i = 0; i < ret_faults->count; i++) {
		ret_faults->plan[i] = source_byte(source);
	}
}

static void next_fault(void)
{
	state.distance = state.next < state.faults.count ? state.faults.plan[state.next] : 0;
	state.next++;
}

void faults_begin(const struct faults *faults)
{
	state.faults = *faults;
	state.next = 0;
	state.happened = 0;
	state.is_on = true;
	next_fault();
}

void faults_pause(void)
{
	state.is_on = false;
}

void faults_resume(void)
{
	state.is_on = true;
}

unsigned int faults_happened(void)
{
	return state.happened;
}

static bool fails(void)
{
	if (!state.is_on || state.distance == 0 || --state.distance > 0) {
		return false;
	}
	state.happened++;
	next_fault();
	return true;
}

/* The C library. */

#define REAL(type, name, ...)                                                                      \
	type __real_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)

REAL(void *, malloc, size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

REAL(void *, calloc, size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

REAL(void *, realloc, void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

REAL(char *, strdup, const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static ssize_t failed(int error)
{
	errno = error;
	return -1;
}

REAL(ssize_t, getrandom, void *bytes, size_t size, unsigned int flags)
{
	return fails() ? failed(EAGAIN) : __real_getrandom(bytes, size, flags);
}

REAL(ssize_t, read, int fd, void *bytes, size_t size)
{
	return fails() ? failed(EIO) : __real_read(fd, bytes, size);
}

REAL(ssize_t, preadv2, int fd, const struct iovec *room, int count, off_t at, int flags)
{
	return fails() ? failed(EIO) : __real_preadv2(fd, room, count, at, flags);
}

REAL(int, pipe2, int *ends, int flags)
{
	return fails() ? (int)failed(EMFILE) : __real_pipe2(ends, flags);
}

/* libdbus, where memory can run out. */

REAL(dbus_bool_t, dbus_message_iter_append_basic, DBusMessageIter *at, int type, const void *value)
{
	return fails() ? FALSE : __real_dbus_message_iter_append_basic(at, type, value);
}

REAL(dbus_bool_t, dbus_message_iter_open_container, DBusMessageIter *at, int type,
     const char *signature, DBusMessageIter *inner)
{
	return fails() ? FALSE
	               : __real_dbus_message_iter_open_container(at, type, signature, inner);
}

REAL(DBusMessage *, dbus_message_new_method_call, const char *name, const char *path,
     const char *interface, const char *member)
{
	return fails() ? NULL : __real_dbus_message_new_method_call(name, path, interface, member);
}

REAL(DBusMessage *, dbus_message_new_method_return, DBusMessage *call)
{
	return fails() ? NULL : __real_dbus_message_new_method_return(call);
}

REAL(DBusMessage *, dbus_message_new_error, DBusMessage *call, const char *name, const char *text)
{
	return fails() ? NULL : __real_dbus_message_new_error(call, name, text);
}

REAL(DBusMessage *, dbus_message_new_signal, const char *path, const char *interface,
     const char *name)
{
	return fails() ? NULL : __real_dbus_message_new_signal(path, interface, name);
}

REAL(dbus_bool_t, dbus_connection_send, DBusConnection *connection, DBusMessage *message,
     dbus_uint32_t *ret_serial)
{
	return fails() ? FALSE : __real_dbus_connection_send(connection, message, ret_serial);
}
