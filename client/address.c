/* SPDX-License-Identifier: MIT */
/*
 * Where the ways to a broker lead. The caller's thread. Refused: trusting the environment of a
 * program that has more rights than its caller (secure_getenv(3)), and its XDG_RUNTIME_DIR without
 * looking whose it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/client.h"
#include "protocol/names.h"

/* DIRECTORY below which sockets of ours may lie, or NULL. */
static const char *runtime_directory(void)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	struct stat status;

	if (runtime == NULL || runtime[0] != '/' || lstat(runtime, &status) < 0 ||
	    !S_ISDIR(status.st_mode) || status.st_uid != geteuid()) {
		return NULL;
	}
	return runtime;
}

bool address_of_path(const char *path, char *ret_address, size_t size)
{
	char *escaped = dbus_address_escape_value(path);

	if (escaped == NULL) {
		return false;
	}
	int length = snprintf(ret_address, size, "unix:path=%s", escaped);

	dbus_free(escaped);
	return length > 0 && (size_t)length < size;
}

/* The address of a socket below the runtime directory; false: there is none. */
static bool address_below_runtime(const char *tail, char *ret_address, size_t size)
{
	const char *runtime = runtime_directory();
	char path[WAY_BYTES];
	int length = -1;

	if (runtime != NULL) {
		length = snprintf(path, sizeof(path), "%s/%s", runtime, tail);
	}
	return length > 0 && (size_t)length < sizeof(path) && access(path, F_OK) == 0 &&
	       address_of_path(path, ret_address, size);
}

static bool bus_address(char *ret_address, size_t size)
{
	const char *address = secure_getenv("DBUS_SESSION_BUS_ADDRESS");

	if (address == NULL || address[0] == '\0') {
		return address_below_runtime("bus", ret_address, size);
	}
	return snprintf(ret_address, size, "%s", address) < (int)size;
}

bool address_of_way(struct sparekey *sparekey, char *ret_address, size_t size)
{
	switch (sparekey->way) {
	case WAY_ADDRESS:
		if (snprintf(ret_address, size, "%s", sparekey->address) < (int)size) {
			return true;
		}
		client_fail(sparekey, 0, "the address is over %zu bytes", size - 1);
		return false;
	case WAY_PEER:
	case WAY_PEER_AGAIN:
		return address_below_runtime(PEER_DIRECTORY "/" PEER_SOCKET, ret_address, size);
	case WAY_BUS:
	case WAY_BUS_AGAIN:
		return bus_address(ret_address, size);
	case WAY_PRIVATE:
	case WAY_NONE:
		return false;
	}
	return false;
}
