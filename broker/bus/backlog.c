/* SPDX-License-Identifier: MIT */
/*
 * Answers and signals that nobody has read yet, and what is done about them. Loop thread. Each
 * connection may let a megabyte of answers wait before its calls wait too. Many that do so are
 * another matter: once three megabytes wait in all, a connection is allowed little, and large
 * answers, up to twice as much in all, are for those who have read everything; who reads nothing
 * for some seconds is dropped. At three times as much, which only signals reach, he is dropped
 * after a moment. A bus is never dropped: it reads for all.
 *
 * Refused: room in equal parts for all, of which a thousand rows for one would need more; dropping
 * at once, which would take whoever is only slow.
 */
#include "base/log.h"
#include "bus/internal.h"

#define LOOK_MS 50u /* while too much waits: nothing need happen by itself */

static bool is_peer(const struct link *link)
{
	return link->kind == LINK_OWNER || link->kind == LINK_ROOT;
}

static bool is_full(const struct door *door)
{
	return door->unread > LIMIT_OUTGOING_ALL_BYTES;
}

/* What waits for one that is still there. */
static long unread(const struct link *link)
{
	return dbus_connection_get_is_connected(link->connection)
	               ? dbus_connection_get_outgoing_size(link->connection)
	               : 0;
}

static void look_again(void *data)
{
	(void)data; /* the turn that it makes looks */
}

int backlog_new(struct door *door)
{
	return loop_timer_new(door->loop, look_again, door, &door->look);
}

static unsigned long look_at_all(struct door *door, uint64_t now_ms)
{
	unsigned long sum = 0;

	list_each(at, &door->links) {
		struct link *link = list_entry(at, struct link, link);
		long size = unread(link);

		if (size == 0 || size < link->unread || link->unread == 0) {
			link->read_ms = now_ms;
		}
		link->unread = size;
		sum += (unsigned long)size;
	}
	return sum;
}

/* Of those who have read nothing since then the one with most. */
static struct link *worst(const struct door *door, uint64_t since_ms)
{
	struct link *found = NULL;

	list_each(at, &door->links) {
		struct link *link = list_entry(at, struct link, link);

		if (is_peer(link) && link->unread > 0 && link->read_ms <= since_ms &&
		    (found == NULL || link->unread > found->unread)) {
			found = link;
		}
	}
	return found;
}

static uint64_t patience_ms(const struct door *door)
{
	return door->unread > 3ul * LIMIT_OUTGOING_ALL_BYTES ? LIMIT_UNREAD_AT_MOST_MS
	                                                     : LIMIT_UNREAD_MS;
}

static void drop(struct link *link)
{
	log_event(LOG_LEVEL_NOTICE, "peer-dropped", "peer=%s reason=reads-nothing", link->name);
	link->unread = 0;
	dbus_connection_close(link->connection);
}

void backlog_check(struct door *door)
{
	const struct clock *clock = loop_clock(door->loop);
	uint64_t now_ms = clock->monotonic_ms(clock);
	struct link *link = NULL;

	door->looked_ms = now_ms;
	door->unread = look_at_all(door, now_ms);
	while (door->unread > LIMIT_OUTGOING_ALL_BYTES) {
		link = worst(door, now_ms - patience_ms(door));
		if (link == NULL) {
			break;
		}
		door->unread -= (unsigned long)link->unread;
		drop(link);
	}
	if (is_full(door) && !loop_timer_is_set(door->look)) {
		loop_timer_set(door->look, LOOK_MS);
	}
}

bool backlog_chokes(const struct link *link)
{
	return unread(link) > (long)(is_full(link->door) ? LIMIT_OUTGOING_LEFT_BYTES
	                                                 : LIMIT_OUTGOING_BYTES) ||
	       descriptors_choke(link);
}

/* Whoever has read everything goes on, however much others leave, as long as there is room. */
bool backlog_admits(const struct call *call)
{
	bool is_large = (call->method->flags & METHOD_LARGE) != 0;

	if (is_large && call->door->large != NULL) {
		return false;
	}
	if (call->origin == NULL) {
		return true;
	}
	if (is_full(call->door) && is_large) {
		return unread(call->origin) == 0 &&
		       call->door->unread <= 2ul * LIMIT_OUTGOING_ALL_BYTES;
	}
	return !backlog_chokes(call->origin);
}

bool backlog_takes_signal(struct link *link)
{
	long size = unread(link);

	if (link->kind == LINK_OWNER &&
	    (size > (long)LIMIT_BACKLOG_BYTES ||
	     (is_full(link->door) && size > (long)LIMIT_OUTGOING_LEFT_BYTES &&
	      link->read_ms + LIMIT_UNREAD_SIGNALS_MS <= link->door->looked_ms))) {
		drop(link);
		return false;
	}
	if (link->kind == LINK_BUS && size > (long)LIMIT_BACKLOG_BYTES) {
		if (!link->is_deaf) {
			log_event(LOG_LEVEL_WARNING, "signals-lost", "reason=bus-reads-nothing");
		}
		link->is_deaf = true;
		return false;
	}
	link->is_deaf = false;
	return true;
}
