/* SPDX-License-Identifier: MIT */
/*
 * See store_shim.h. State is of the file, as SQLite's allocator and the linker's --wrap have no
 * user pointer; tests are one thread.
 */
#include "tests/support/store_shim.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
	const char *path;   /* SQLite's, until it is closed */
};

static struct {
	sqlite3_vfs *real;
	sqlite3_vfs vfs;
	sqlite3_mem_methods memory;
	enum shim_fault fault;
	unsigned int left;
	bool sticky;
	bool failed;
	const char *reserve;
	int64_t room;
	int64_t more;
	const struct shim_watch *watch;
	int (*open_directory)(const char *path, int *ret_fd);
} shim;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_fsync(int fd);

static bool fails(enum shim_fault fault)
{
	if (shim.fault != fault) {
		return false;
	}
	if (shim.left > 0) {
		shim.left--;
	}
	if (shim.left > 0 || (shim.failed && !shim.sticky)) {
		return false;
	}
	shim.failed = true;
	return true;
}

void shim_arm(enum shim_fault fault, unsigned int nth, bool sticky)
{
	shim.fault = fault;
	shim.left = nth;
	shim.sticky = sticky;
	shim.failed = false;
}

bool shim_disarm(void)
{
	shim.fault = SHIM_NONE;
	return shim.failed;
}

void shim_disk(const char *reserve, int64_t room, int64_t more)
{
	shim.reserve = reserve;
	shim.room = room;
	shim.more = more;
}

void *__wrap_malloc(size_t size)
{
	return fails(SHIM_MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(SHIM_MEMORY) ? NULL : __real_calloc(count, size);
}

int __wrap_fsync(int fd)
{
	errno = EIO;
	if (fails(SHIM_IO)) {
		return -1;
	}
	if (shim.watch != NULL) {
		shim.watch->descriptor_synced(fd);
	}
	return 0;
}

void shim_watch(const struct shim_watch *watch)
{
	shim.watch = watch;
}

static void *memory_malloc(int size)
{
	return fails(SHIM_MEMORY) ? NULL : shim.memory.xMalloc(size);
}

static void *memory_realloc(void *old, int size)
{
	return fails(SHIM_MEMORY) ? NULL : shim.memory.xRealloc(old, size);
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct shim_file *)(void *)file)->real;
}

static const char *path_of(sqlite3_file *file)
{
	return ((struct shim_file *)(void *)file)->path;
}

static int file_close(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);

	return real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	sqlite3_file *real = real_of(file);

	return fails(SHIM_IO) ? SQLITE_IOERR_READ
	                      : real->pMethods->xRead(real, bytes, size, offset);
}

/* Whether the disk has room for the file to reach `end`. */
static bool has_room(sqlite3_file *real, int64_t end)
{
	sqlite3_int64 size = 0;

	if (shim.reserve == NULL || real->pMethods->xFileSize(real, &size) != SQLITE_OK ||
	    end <= size) {
		return true;
	}
	if (shim.more > 0 && access(shim.reserve, F_OK) != 0) {
		shim.room += shim.more;
		shim.more = 0;
	}
	if (shim.room < end - size) {
		return false;
	}
	shim.room -= end - size;
	return true;
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	sqlite3_file *real = real_of(file);

	if (fails(SHIM_IO)) {
		(void)real->pMethods->xWrite(real, bytes, size / 2, offset);
		return SQLITE_IOERR_WRITE;
	}
	if (fails(SHIM_FULL) || !has_room(real, offset + size)) {
		return SQLITE_FULL;
	}
	int code = real->pMethods->xWrite(real, bytes, size, offset);

	if (code == SQLITE_OK && shim.watch != NULL) {
		shim.watch->written(path_of(file), bytes, (size_t)size, (size_t)offset);
	}
	return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = real_of(file);

	if (fails(SHIM_IO)) {
		return SQLITE_IOERR_TRUNCATE;
	}
	if (shim.watch != NULL) {
		shim.watch->cut(path_of(file), (size_t)size);
	}
	return real->pMethods->xTruncate(real, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *real = real_of(file);

	if (fails(SHIM_IO) || fails(SHIM_FULL)) {
		return SQLITE_IOERR_FSYNC;
	}
	if (shim.watch == NULL) {
		return SQLITE_OK;
	}
	shim.watch->synced(path_of(file));
	return real->pMethods->xSync(real, flags);
}

/* SQLite's own: opens the directory of a file just made or removed, to sync it at once. */
static int open_directory(const char *path, int *ret_fd)
{
	int code = shim.open_directory(path, ret_fd);

	if (code == SQLITE_OK && shim.watch != NULL) {
		shim.watch->names_synced(path);
	}
	return code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	sqlite3_file *real = real_of(file);

	return fails(SHIM_IO) ? SQLITE_IOERR_FSTAT : real->pMethods->xFileSize(real, ret_size);
}

static int file_lock(sqlite3_file *file, int level)
{
	sqlite3_file *real = real_of(file);

	return fails(SHIM_IO) ? SQLITE_IOERR_LOCK : real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
	sqlite3_file *real = real_of(file);

	return real->pMethods->xUnlock(real, level);
}

static int file_check_lock(sqlite3_file *file, int *ret_reserved)
{
	sqlite3_file *real = real_of(file);

	return fails(SHIM_IO) ? SQLITE_IOERR_CHECKRESERVEDLOCK
	                      : real->pMethods->xCheckReservedLock(real, ret_reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
	sqlite3_file *real = real_of(file);

	return real->pMethods->xFileControl(real, operation, argument);
}

static int file_sector(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);

	return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
	struct shim_file *opened = (void *)file;
	int code;

	(void)vfs;
	opened->base.pMethods = NULL;
	opened->real = (void *)(opened + 1);
	opened->path = path;
	if (fails(SHIM_IO)) {
		return SQLITE_CANTOPEN;
	}
	bool is_new = path != NULL && access(path, F_OK) != 0;

	code = shim.real->xOpen(shim.real, path, opened->real, flags, ret_flags);
	if (code == SQLITE_OK) {
		opened->base.pMethods = &methods;
	}
	if (code == SQLITE_OK && is_new && shim.watch != NULL) {
		shim.watch->made(path);
	}
	return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	(void)vfs;
	if (fails(SHIM_IO)) {
		return SQLITE_IOERR_DELETE;
	}
	if (shim.watch == NULL) {
		return shim.real->xDelete(shim.real, path, 0);
	}
	shim.watch->removed(path);
	return shim.real->xDelete(shim.real, path, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_result)
{
	(void)vfs;
	return fails(SHIM_IO) ? SQLITE_IOERR_ACCESS
	                      : shim.real->xAccess(shim.real, path, flags, ret_result);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *ret_path)
{
	(void)vfs;
	return shim.real->xFullPathname(shim.real, path, size, ret_path);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret_text)
{
	(void)vfs;
	(void)size;
	(void)ret_text;
	return shim.failed && shim.fault == SHIM_FULL ? ENOSPC : EIO;
}

int shim_start(void)
{
	sqlite3_mem_methods memory;
	int code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &shim.memory);

	memory = shim.memory;
	memory.xMalloc = memory_malloc;
	memory.xRealloc = memory_realloc;
	if (code == SQLITE_OK) {
		code = sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
	}
	shim.real = sqlite3_vfs_find(NULL);
	if (code != SQLITE_OK || shim.real == NULL) {
		return code != SQLITE_OK ? code : SQLITE_ERROR;
	}
	shim.open_directory =
		(int (*)(const char *, int *))shim.real->xGetSystemCall(shim.real, "openDirectory");
	code = shim.real->xSetSystemCall(shim.real, "openDirectory",
	                                 (sqlite3_syscall_ptr)open_directory);
	if (code != SQLITE_OK) {
		return code;
	}
	shim.vfs = *shim.real;
	shim.vfs.zName = "shim";
	shim.vfs.pNext = NULL;
	shim.vfs.szOsFile = (int)sizeof(struct shim_file) + shim.real->szOsFile;
	shim.vfs.xOpen = vfs_open;
	shim.vfs.xDelete = vfs_delete;
	shim.vfs.xAccess = vfs_access;
	shim.vfs.xFullPathname = vfs_full_path;
	shim.vfs.xGetLastError = vfs_last_error;
	return sqlite3_vfs_register(&shim.vfs, 1);
}
