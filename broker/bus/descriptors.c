/* SPDX-License-Identifier: MIT */
/*
 * How many descriptors others may have us hold. Loop thread. Were our table full, the kernel would
 * drop what a message brings, and libdbus the connection by which it came: the bus itself. A peer
 * that sends more than it may in one message loses its connection; on a bus that would be ours, so
 * there as many are taken as the kernel passes.
 *
 * Peers share what the table has, anew with each that comes or goes: a few may send as many as the
 * kernel passes, a hundred a few each. What the first ones were allowed they may still have there
 * when others come, so the shares are of a quarter: share n is at most the whole by n, and the sum
 * of 1/n up to LIMIT_PEERS_ALL, less what the most cuts off, is below four. Calls that bring a
 * descriptor, or are to have one, are refused before they take what the connections need.
 */
#include <sys/resource.h>

#include "bus/internal.h"
#include "sparekey.h"

#define SHARES 4u
#define KINDS 3u /* of a message under way, of those not handled, of answers not read */

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

static unsigned int count_peers(const struct door *door)
{
	unsigned int count = 0;

	list_each(at, &door->links) {
		count += list_entry(at, struct link, link)->kind != LINK_BUS ? 1 : 0;
	}
	return count;
}

static void bound(const struct link *link)
{
	long most = (long)(link->kind == LINK_BUS ? LIMIT_BUS_FDS : link->door->peer_fds);

	dbus_connection_set_max_message_unix_fds(link->connection, most);
	dbus_connection_set_max_received_unix_fds(link->connection, most);
}

void descriptors_share(struct door *door)
{
	unsigned int table = table_size();
	unsigned int fixed = 2u * LIMIT_BUS_FDS + LIMIT_PEERS_ALL + LIMIT_OWN_FDS;
	unsigned int peers = count_peers(door);
	unsigned int all = less(table, fixed) / 2u;
	unsigned int each = all / (SHARES * KINDS * (peers > 0 ? peers : 1));

	door->peer_fds = each == 0 ? 1 : each < LIMIT_MESSAGE_FDS ? each : LIMIT_MESSAGE_FDS;
	door->calls_fds = less(table, fixed + all) > table / 2 ? less(table, fixed + all)
	                                                       : table / 2;
	list_each(at, &door->links) {
		bound(list_entry(at, struct link, link));
	}
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
