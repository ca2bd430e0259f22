/* SPDX-License-Identifier: MIT */
/*
 * How many descriptors others may have us hold. Loop thread. Were our table full, the kernel would
 * drop what a message brings, and libdbus the connection by which it came: the bus itself. So a
 * peer that sends more than it may in one message loses its connection; on a bus that would be
 * ours, so there as many are taken as the kernel passes.
 *
 * What everybody may have at once is LIMIT_DESCRIPTORS, which is what the process asks for. Where
 * it was given less, each peer has less, and calls that bring a descriptor or are to have one are
 * refused before they take what the connections need.
 */
#include <sys/resource.h>

#include "bus/internal.h"
#include "sparekey.h"

static unsigned int table_size(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < LIMIT_DESCRIPTORS
	               ? (unsigned int)limit.rlim_cur
	               : LIMIT_DESCRIPTORS;
}

static unsigned int less(unsigned int a, unsigned int b)
{
	return a > b ? a - b : 0;
}

void descriptors_share(struct door *door)
{
	unsigned int table = table_size();
	unsigned int fixed = 2u * LIMIT_BUS_FDS + 2u * LIMIT_CALLS + LIMIT_OWN_FDS;
	unsigned int each = less(less(table, fixed) / LIMIT_PEERS_ALL, 1) / 3u;

	door->peer_fds = each == 0 ? 1 : each < LIMIT_MESSAGE_FDS ? each : LIMIT_MESSAGE_FDS;
	fixed = 2u * LIMIT_BUS_FDS + LIMIT_PEERS_ALL * (1u + 2u * door->peer_fds);
	door->calls_fds = less(table, fixed) > table / 2 ? less(table, fixed) : table / 2;
}

void descriptors_bound(const struct link *link)
{
	long most = (long)(link->kind == LINK_BUS ? LIMIT_BUS_FDS : link->door->peer_fds);

	dbus_connection_set_max_message_unix_fds(link->connection, most);
	dbus_connection_set_max_received_unix_fds(link->connection, most);
}

/* The kernel gives the lowest number that is free: it says how many are taken. */
bool descriptors_has_room(const struct door *door, int fd)
{
	return (unsigned int)fd < door->calls_fds;
}

bool descriptors_choke(const struct link *link)
{
	return dbus_connection_get_is_connected(link->connection) &&
	       dbus_connection_get_outgoing_unix_fds(link->connection) > (long)link->door->peer_fds;
}
