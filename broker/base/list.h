/* SPDX-License-Identifier: MIT */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A doubly linked ring with the links inside the members. A link that is in no list points at
 * itself. */
struct list {
	struct list *next;
	struct list *previous;
};

/* NOLINTBEGIN(bugprone-macro-parentheses): names of types, members and variables */
#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define list_each(link, head)                                                                      \
	for (struct list *link = (head)->next; link != (head); link = link->next)
/* Safe when the body unlinks `link` (and nothing else). */
#define list_each_safe(link, head)                                                                 \
	for (struct list *link = (head)->next, *link##_next = link->next; link != (head);          \
	     link = link##_next, link##_next = link->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void list_start(struct list *list)
{
	list->next = list;
	list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *head, struct list *link)
{
	link->previous = head->previous;
	link->next = head;
	head->previous->next = link;
	head->previous = link;
}

static inline void list_unlink(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_start(link);
}

#endif
