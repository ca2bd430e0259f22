/* SPDX-License-Identifier: MIT */
/*
 * What is looked at before SQLite may touch anything: the directory, the journal file, the file and
 * its header (SQLite database file format, section 1.3). Owned by nobody, loop thread.
 *
 * SQLite rolls a hot journal back as soon as it reads, takes an empty file for a new database, and
 * follows what it finds beside the file; a file that is not ours must stay as it is to the byte. So
 * its first 100 bytes are read by hand, and the descriptor is closed before SQLite opens its own.
 * Refused: repairing rights or owner, since whoever widened them may have read the file already and
 * the owner should know; a lock around the reading, for the bytes checked are the same before and
 * after every transaction of ours. A file shorter than its header says is left to SQLite: with a
 * journal beside it that is how a killed commit looks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sparekey.h"
#include "store/db.h"

#define HEADER_BYTES 100u
#define FILE_BYTES_LEAST 512
#define CURE_DAMAGED "put back a backup, or move it away to start anew"
#define CURE_FOREIGN "move it away, or set another data directory"

static uint32_t big_endian(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "regular file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symbolic link";
	case S_IFIFO:
		return "FIFO";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

/* Owner and rights of file or directory; `rights` is what chmod should be told. */
static int check_rights(struct store *store, const char *path, const struct stat *status,
                        int rights)
{
	if (status->st_uid != geteuid()) {
		return db_refuse(
			store, -EPERM,
			"%s: belongs to uid %u instead of uid %u; chown it, or " CURE_FOREIGN, path,
			(unsigned int)status->st_uid, (unsigned int)geteuid());
	}
	if ((status->st_mode & 077u) != 0) {
		return db_refuse(
			store, -EPERM,
			"%s: group or others have rights on it (mode %04o); run: chmod %o '%s'",
			path, (unsigned int)(status->st_mode & 07777u), (unsigned int)rights, path);
	}
	return 0;
}

int header_directory(struct store *store, int *ret_fd)
{
	struct stat status;
	int fd = open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (fd < 0 && errno == ENOENT) {
		return SPAREKEY_NOT_INITIALIZED;
	}
	if (fd < 0 && errno == ENOMEM) {
		return -ENOMEM;
	}
	if (fd < 0) {
		return db_refuse(store, -EPERM,
		                 "%s: cannot be opened as a directory (%s); run: chmod 700 '%s', "
		                 "or " CURE_FOREIGN,
		                 store->directory, strerrordesc_np(errno), store->directory);
	}
	result = fstat(fd, &status) == 0 ? check_rights(store, store->directory, &status, 0700)
	                                 : db_errno(errno);
	if (result != 0) {
		(void)close(fd);
		return result;
	}
	*ret_fd = fd;
	return 0;
}

/* Type, owner and rights of one of our files, `path` for the text. SPAREKEY_NOT_INITIALIZED: there
 * is none. */
static int check_file(struct store *store, int directory, const char *name, const char *path,
                      struct stat *ret_status)
{
	struct stat status;

	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? SPAREKEY_NOT_INITIALIZED : db_errno(errno);
	}
	if (!S_ISREG(status.st_mode)) {
		return db_refuse(store, -EPERM, "%s: is a %s, not a regular file; " CURE_FOREIGN,
		                 path, type_name(status.st_mode));
	}
	*ret_status = status;
	return check_rights(store, path, &status, 0600);
}

/* What SQLite would read along with the file. */
static int check_companions(struct store *store, int directory)
{
	char path[DB_REFUSAL_BYTES / 2];
	struct stat status;
	int result;

	(void)snprintf(path, sizeof(path), "%s/" DB_JOURNAL, store->directory);
	result = check_file(store, directory, DB_JOURNAL, path, &status);
	if (result != 0 && result != SPAREKEY_NOT_INITIALIZED) {
		return result;
	}
	if (fstatat(directory, DB_WAL, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		return db_refuse(
			store, -EPERM,
			"%s/" DB_WAL
			": was left by another program, which writes the store in another way; "
			"end that program, then run: sqlite3 '%s' 'PRAGMA journal_mode=DELETE'",
			store->directory, store->path);
	}
	return 0;
}

/* The fields SQLite itself would only find wrong in part, or take another meaning from. */
static bool layout_sound(const unsigned char *header)
{
	unsigned int page = (unsigned int)header[16] << 8 | header[17];

	/* 1 stands for 65536. */
	if (page != 1 && (page < 512 || (page & (page - 1)) != 0)) {
		return false;
	}
	/* Payload fractions are fixed; schema format 4; UTF-8. */
	return header[21] == 64 && header[22] == 32 && header[23] == 32 &&
	       big_endian(header + 44) == 4 && big_endian(header + 56) == 1;
}

static int check_header(struct store *store, const unsigned char *header)
{
	uint32_t version = big_endian(header + 60);

	if (big_endian(header + 68) != DB_APPLICATION_ID) {
		return db_refuse(store, -EPERM,
		                 "%s: is a database of another program; " CURE_FOREIGN,
		                 store->path);
	}
	if (version > DB_VERSION) {
		return db_refuse(store, -EPERM,
		                 "%s: was written by a newer Sparekey (format %u, this one knows "
		                 "%d); update Sparekey",
		                 store->path, version, DB_VERSION);
	}
	if (header[18] != 1 || header[19] != 1) {
		return db_refuse(
			store, -EPERM,
			"%s: was switched to WAL by another program; end that program, then run: "
			"sqlite3 '%s' 'PRAGMA journal_mode=DELETE'",
			store->path, store->path);
	}
	if (version < 1 || !layout_sound(header)) {
		return db_refuse(store, -EUCLEAN, "%s: its header is damaged; " CURE_DAMAGED,
		                 store->path);
	}
	return 0;
}

/* Emptied and cut files are told apart from foreign ones: they were ours, and are not to be taken
 * for new. */
static int check_content(struct store *store, int fd, const struct stat *status)
{
	static const char magic[16] = "SQLite format 3";
	unsigned char header[HEADER_BYTES] = { 0 };
	ssize_t length = pread(fd, header, sizeof(header), 0);

	if (length < 0) {
		return db_errno(errno);
	}
	if (length == 0) {
		return db_refuse(store, -EUCLEAN, "%s: has been emptied; " CURE_DAMAGED,
		                 store->path);
	}
	if (memcmp(header, magic, sizeof(magic)) != 0) {
		return db_refuse(
			store, -EPERM,
			"%s: is not a store of Sparekey, or its header is damaged; " CURE_DAMAGED,
			store->path);
	}
	if (status->st_size < FILE_BYTES_LEAST) {
		return db_refuse(store, -EUCLEAN, "%s: has been cut off; " CURE_DAMAGED,
		                 store->path);
	}
	return check_header(store, header);
}

static int check_opened(struct store *store, int directory, struct header_file *ret_file)
{
	struct stat named = { 0 };
	struct stat status;
	int result = check_file(store, directory, DB_FILE, store->path, &named);
	int fd;

	if (result != 0) {
		return result;
	}
	/* O_NONBLOCK: should a FIFO have come in its place meanwhile. */
	fd = openat(directory, DB_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		return db_refuse(store, -EPERM, "%s: may not be read; run: chmod 600 '%s'",
		                 store->path, store->path);
	}
	if (fd < 0) {
		return db_errno(errno);
	}
	if (fstat(fd, &status) != 0) {
		result = db_errno(errno);
	} else if (status.st_dev != named.st_dev || status.st_ino != named.st_ino) {
		result = -ESTALE;
	} else {
		result = check_content(store, fd, &status);
	}
	(void)close(fd);
	if (result == 0) {
		*ret_file = (struct header_file){ status.st_dev, status.st_ino, status.st_nlink };
	}
	return result;
}

int header_check(struct store *store, struct header_file *ret_file)
{
	int directory = -1;
	int result = header_directory(store, &directory);

	if (result != 0) {
		return result;
	}
	result = check_companions(store, directory);
	if (result == 0) {
		result = check_opened(store, directory, ret_file);
	}
	(void)close(directory);
	return result;
}
