/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_STORE_POWER_H
#define SUPPORT_STORE_POWER_H

#include <stddef.h>
#include <stdint.h>

/*
 * A disk that loses power. Everything done to files and names below one directory is recorded, in
 * order: by a VFS below SQLite, and by the linker's --wrap for what the store does itself. From any
 * length of that record, and a seed, follows a state in which the disk may be found: what was
 * synced is there; of what was not, each sector of 512 bytes of each write is there or not, in
 * any combination and so in any order; files are longer than what was written to them, with
 * zeros or rubbish in between; names made or taken away since their directory was synced are so
 * or not, each by itself.
 */
struct power;

/* Once a process, before anything else of SQLite. 0, or a code of SQLite. */
int power_start(void);
/* Records from now on what happens in `root`, whose content counts as synced. One record at a time
 * is open; power_stop closes it. */
struct power *power_record(const char *root);
void power_stop(void);
struct power *power_free(struct power *power);

/* How many things have happened. */
size_t power_length(const struct power *power);
/* Makes `root`, which must not exist, as the disk may be found when power fails after the first
 * `length` of them. */
void power_lose(const struct power *power, size_t length, uint64_t seed, const char *root);

#endif
