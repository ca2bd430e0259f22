/* SPDX-License-Identifier: MIT */
/*
 * Records read lately, and ids that were not there, told again for as long as the file says that
 * nothing was committed since. Loop thread, owned by the store.
 *
 * A reading transaction on a file in PERSIST mode is twenty system calls, four of them locks: more
 * than all the rest of a warm verification. SQLite itself keeps its pages from one transaction to
 * the next if bytes 24 to 39 of the header are as they were: every commit of a rollback journal
 * raises the counter in them before it is acknowledged (SQLite database file format, 1.3.7). The
 * same bytes are read here, without the locks. What they cannot show without a lock is harmless: a
 * commit that has not reached the first page yet is not acknowledged yet, and one that never will
 * be is rolled back to the very state that was read. So the next question after an acknowledged
 * revocation finds other bytes, whoever made it.
 *
 * Refused: trusting them in WAL mode, whose commits do not raise the counter (the version bytes are
 * read along); on file systems that show another machine's writing only to who takes a lock; within
 * a transaction, which sees what it has written. A pread through SQLite's own file, since closing a
 * second descriptor would drop its locks.
 */
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "sparekey.h"
#include "store/db.h"

#define STAMP_AT 16 /* page size, write and read version, ..., change counter, pages, free ones */
#define VERSIONS 2  /* of these bytes, the write and the read version: 1, rollback journal */
#define ZFS_MAGIC 0x2fc12fc1

/* Those of this machine, whose reads see every write that has returned. */
static bool is_local(const char *path)
{
	struct statfs status;

	if (statfs(path, &status) != 0) {
		return false;
	}
	switch ((unsigned long)status.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case ZFS_MAGIC:
		return true;
	default:
		return false;
	}
}

void recent_open(struct store *store)
{
	store->recent.is_usable = is_local(store->path);
}

void recent_close(struct store *store)
{
	for (size_t i = 0; i < RECENT_RECORDS; i++) {
		free(store->recent.records[i]);
		store->recent.records[i] = NULL;
	}
	store->recent.is_usable = false;
}

/* What the file says now. False: it cannot be told, or would prove nothing. */
static bool read_stamp(const struct store *store, struct recent_stamp *ret_stamp)
{
	struct recent_stamp stamp;
	sqlite3_file *file = NULL;

	if (!store->recent.is_usable || store->writing ||
	    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file) !=
	            SQLITE_OK ||
	    file == NULL || file->pMethods == NULL ||
	    file->pMethods->xRead(file, stamp.header, sizeof(stamp.header), STAMP_AT) !=
	            SQLITE_OK) {
		return false;
	}
	*ret_stamp = stamp;
	return stamp.header[VERSIONS] == 1 && stamp.header[VERSIONS + 1] == 1;
}

static bool is_same(const struct recent_stamp *a, const struct recent_stamp *b)
{
	return memcmp(a->header, b->header, sizeof(a->header)) == 0;
}

/* FNV-1a: one place an id; two that meet there take turns. */
static struct store_password **place(struct store *store, const char *id)
{
	uint32_t hash = 2166136261u;

	for (; *id != '\0'; id++) {
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	}
	return &store->recent.records[hash % RECENT_RECORDS];
}

bool recent_get(struct store *store, const char *id, struct store_password *ret_password,
                int *ret_result)
{
	const struct store_password *record = *place(store, id);
	struct recent *recent = &store->recent;

	/* The empty id is nobody's: a record that is worth nothing any more has it. */
	recent->is_stamped = id[0] != '\0' && read_stamp(store, &recent->before);
	if (!recent->is_stamped || record == NULL || strcmp(record->id, id) != 0 ||
	    !is_same(&recent->before, &recent->stamp)) {
		return false;
	}
	*ret_result = record->state != 0 ? 0 : SPAREKEY_UNKNOWN_OBJECT;
	if (record->state != 0) {
		*ret_password = *record;
	}
	return true;
}

/* All that is kept is of one moment. */
static void move_on(struct recent *recent)
{
	if (is_same(&recent->before, &recent->stamp)) {
		return;
	}
	for (size_t i = 0; i < RECENT_RECORDS; i++) {
		if (recent->records[i] != NULL) {
			recent->records[i]->id[0] = '\0';
		}
	}
	recent->stamp = recent->before;
}

/* The same bytes before and after: what was read between is what they stand for. */
void recent_keep(struct store *store, const char *id, const struct store_password *password)
{
	struct store_password **record = place(store, id);
	struct recent_stamp after;

	if (!store->recent.is_stamped || strlen(id) >= sizeof((*record)->id) ||
	    !read_stamp(store, &after) || !is_same(&after, &store->recent.before)) {
		return;
	}
	move_on(&store->recent);
	if (*record == NULL) {
		*record = malloc(sizeof(**record));
	}
	if (*record == NULL) {
		return;
	}
	if (password != NULL) {
		**record = *password;
	} else {
		(*record)->state = 0;
		memcpy((*record)->id, id, strlen(id) + 1);
	}
}
