/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_STORE_SHIM_H
#define SUPPORT_STORE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Faults below SQLite: a VFS over the system's own that becomes the default, and memory that runs
 * out. Syncs are not passed on, so loops of thousands of transactions are quick.
 */
enum shim_fault {
	SHIM_NONE = 0,
	SHIM_IO,     /* the n-th operation on files fails as I/O does; a write has been half done */
	SHIM_FULL,   /* the n-th write or sync finds the disk full */
	SHIM_MEMORY, /* the n-th allocation, SQLite's or the store's, fails */
};

/* Once a process, before anything else of SQLite. 0, or a code of SQLite. */
int shim_start(void);
/* From now on: the n-th (1 is the first) fails, and if `sticky` all after it. */
void shim_arm(enum shim_fault fault, unsigned int nth, bool sticky);
/* Ends it; whether anything has failed. */
bool shim_disarm(void);

/* Told of all that reaches files, once it is done. While one watches, syncs are passed on. */
struct shim_watch {
	void (*made)(const char *path);
	void (*written)(const char *path, const void *bytes, size_t size, size_t at);
	void (*cut)(const char *path, size_t size);
	void (*synced)(const char *path);
	void (*names_synced)(const char *path); /* of the directory that holds it */
	void (*removed)(const char *path);
	void (*descriptor_synced)(int fd); /* by the store itself */
};

/* NULL: nobody. */
void shim_watch(const struct shim_watch *watch);

/* A disk on which files may grow by `room` bytes in all, and by `more` once `reserve` is gone;
 * NULL: no such disk. */
void shim_disk(const char *reserve, int64_t room, int64_t more);

#endif
