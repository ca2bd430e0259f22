/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD shim: the n-th system call that can give a chosen error gives it, whoever makes it -
 * broker, libdbus, SQLite, libsodium. What the kernel would have done before the error is done:
 * nothing, but that close closes, and that a write against a full disk has written the first half.
 * Any thread. Refused: ptrace and seccomp, which a process that is not dumpable withstands and
 * which cannot be armed anew for every n.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/support/fail.h"

#define EXPORT __attribute__((visibility("default")))

/* Errors, as bits. */
enum {
	INTR = 1,
	IO = 2,
	FULL = 4,    /* ENOSPC */
	FILES = 8,   /* EMFILE */
	MEMORY = 16, /* ENOMEM, of sockets ENOBUFS */
	LOCKS = 32,  /* ENOLCK */
	RESET = 64,  /* ECONNRESET */
};

static struct fail_control *control;

static void __attribute__((constructor)) start(void)
{
	control = fail_control();
}

static int number_of(unsigned int error)
{
	switch (error) {
	case INTR:
		return EINTR;
	case FULL:
		return ENOSPC;
	case FILES:
		return EMFILE;
	case MEMORY:
		return ENOMEM;
	case LOCKS:
		return ENOLCK;
	case RESET:
		return ECONNRESET;
	default:
		return EIO;
	}
}

/* Whether this call fails; `errors` are those it can give. Sets errno. */
static bool fails(const char *name, unsigned int errors)
{
	if (control == NULL || (control->error & errors) == 0 || !fail_now(control, name)) {
		return false;
	}
	errno = number_of(control->error);
	return true;
}

/* Only files lie on disks: pipes and sockets have no EIO and no ENOSPC. */
static unsigned int on(int fd, unsigned int errors)
{
	struct stat status;
	bool is_file = syscall(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode);

	return is_file ? errors : errors & INTR;
}

#define NEXT(name)                                                                                 \
	static __typeof__(&name) next;                                                             \
	if (next == NULL) {                                                                        \
		*(void **)&next = dlsym(RTLD_NEXT, #name);                                         \
	}

/* A call that does nothing when it fails. */
#define PLAIN(type, name, errors, failed, parameters, arguments)                                   \
	EXPORT type name parameters                                                                \
	{                                                                                          \
		NEXT(name)                                                                         \
		return fails(#name, errors) ? failed : next arguments;                             \
	}

#define OPENING (INTR | IO | FULL | FILES | MEMORY)

static mode_t mode_of(int flags, va_list arguments)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
	EXPORT int name(const char *path, int flags, ...)                                          \
	{                                                                                          \
		NEXT(name)                                                                         \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode_t mode = mode_of(flags, arguments);                                           \
		va_end(arguments);                                                                 \
		return fails(#name, OPENING) ? -1 : next(path, flags, mode);                       \
	}

#define OPENAT(name)                                                                               \
	EXPORT int name(int directory, const char *path, int flags, ...)                           \
	{                                                                                          \
		NEXT(name)                                                                         \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode_t mode = mode_of(flags, arguments);                                           \
		va_end(arguments);                                                                 \
		return fails(#name, OPENING) ? -1 : next(directory, path, flags, mode);            \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

PLAIN(ssize_t, read, on(fd, INTR | IO), -1, (int fd, void *bytes, size_t size), (fd, bytes, size))
PLAIN(ssize_t, pread, INTR | IO, -1, (int fd, void *bytes, size_t size, off_t at),
      (fd, bytes, size, at))
PLAIN(ssize_t, pread64, INTR | IO, -1, (int fd, void *bytes, size_t size, off64_t at),
      (fd, bytes, size, at))
PLAIN(ssize_t, preadv2, on(fd, INTR | IO), -1,
      (int fd, const struct iovec *room, int count, off_t at, int flags),
      (fd, room, count, at, flags))

/* A full disk takes half of a write, and then none. */
#define WRITE(name, parameters, whole, half)                                                       \
	EXPORT ssize_t name parameters                                                             \
	{                                                                                          \
		NEXT(name)                                                                         \
		if (!fails(#name, on(fd, INTR | IO | FULL))) {                                     \
			return next whole;                                                         \
		}                                                                                  \
		if (control->error == FULL && size > 1) {                                          \
			return next half;                                                          \
		}                                                                                  \
		return -1;                                                                         \
	}

WRITE(write, (int fd, const void *bytes, size_t size), (fd, bytes, size), (fd, bytes, size / 2))
WRITE(pwrite, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at),
      (fd, bytes, size / 2, at))
WRITE(pwrite64, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at),
      (fd, bytes, size / 2, at))

PLAIN(int, fsync, IO | FULL, -1, (int fd), (fd))
PLAIN(int, fdatasync, IO | FULL, -1, (int fd), (fd))
PLAIN(int, ftruncate, INTR | IO, -1, (int fd, off_t size), (fd, size))
PLAIN(int, ftruncate64, INTR | IO, -1, (int fd, off64_t size), (fd, size))
PLAIN(int, posix_fallocate, FULL, ENOSPC, (int fd, off_t at, off_t size), (fd, at, size))

EXPORT int close(int fd)
{
	NEXT(close)
	int result = next(fd);

	return result == 0 && fails("close", INTR | IO) ? -1 : result;
}

PLAIN(int, link, IO | FULL, -1, (const char *from, const char *to), (from, to))
PLAIN(int, linkat, IO | FULL, -1, (int a, const char *from, int b, const char *to, int flags),
      (a, from, b, to, flags))
PLAIN(int, unlink, IO, -1, (const char *path), (path))
PLAIN(int, unlinkat, IO, -1, (int directory, const char *path, int flags), (directory, path, flags))
PLAIN(int, rename, IO | FULL, -1, (const char *from, const char *to), (from, to))
PLAIN(int, mkdir, IO | FULL, -1, (const char *path, mode_t mode), (path, mode))
PLAIN(int, fchmod, IO, -1, (int fd, mode_t mode), (fd, mode))
PLAIN(int, flock, INTR | LOCKS, -1, (int fd, int operation), (fd, operation))
PLAIN(int, access, IO | MEMORY, -1, (const char *path, int mode), (path, mode))
PLAIN(int, stat, IO | MEMORY, -1, (const char *path, struct stat *status), (path, status))
PLAIN(int, lstat, IO | MEMORY, -1, (const char *path, struct stat *status), (path, status))
PLAIN(int, fstat, IO | MEMORY, -1, (int fd, struct stat *status), (fd, status))
PLAIN(int, stat64, IO | MEMORY, -1, (const char *path, struct stat64 *status), (path, status))
PLAIN(int, lstat64, IO | MEMORY, -1, (const char *path, struct stat64 *status), (path, status))
PLAIN(int, fstat64, IO | MEMORY, -1, (int fd, struct stat64 *status), (fd, status))
PLAIN(int, fstatat, IO | MEMORY, -1, (int fd, const char *path, struct stat *status, int flags),
      (fd, path, status, flags))
PLAIN(int, statvfs, INTR | IO, -1, (const char *path, struct statvfs *status), (path, status))

/* Locks are asked for without waiting, so nothing interrupts them; the kernel may run out of
 * locks. */
#define FCNTL(name)                                                                                \
	EXPORT int name(int fd, int command, ...)                                                  \
	{                                                                                          \
		NEXT(name)                                                                         \
		va_list arguments;                                                                 \
		va_start(arguments, command);                                                      \
		void *argument = va_arg(arguments, void *);                                        \
		va_end(arguments);                                                                 \
		bool is_lock = command == F_SETLK || command == F_GETLK || command == F_OFD_SETLK; \
		bool is_copy = command == F_DUPFD_CLOEXEC || command == F_DUPFD;                   \
		unsigned int errors = is_lock ? IO | LOCKS : is_copy ? FILES : 0;                  \
		return fails(#name, errors) ? -1 : next(fd, command, argument);                    \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

PLAIN(int, dup, FILES | INTR, -1, (int fd), (fd))
PLAIN(int, poll, INTR | MEMORY, -1, (struct pollfd * fds, nfds_t count, int timeout_ms),
      (fds, count, timeout_ms))
PLAIN(int, socket, FILES | MEMORY, -1, (int domain, int type, int protocol),
      (domain, type, protocol))
PLAIN(int, socketpair, FILES | MEMORY, -1, (int domain, int type, int protocol, int fds[2]),
      (domain, type, protocol, fds))
PLAIN(int, connect, INTR | MEMORY, -1, (int fd, const struct sockaddr *at, socklen_t size),
      (fd, at, size))
PLAIN(int, accept, INTR | FILES | MEMORY, -1,
      (int fd, struct sockaddr *restrict at, socklen_t *restrict size), (fd, at, size))
PLAIN(int, accept4, INTR | FILES | MEMORY, -1,
      (int fd, struct sockaddr *restrict at, socklen_t *restrict size, int flags),
      (fd, at, size, flags))
PLAIN(ssize_t, sendmsg, INTR | MEMORY | RESET, -1,
      (int fd, const struct msghdr *message, int flags), (fd, message, flags))
PLAIN(ssize_t, recvmsg, INTR | MEMORY | RESET, -1, (int fd, struct msghdr *message, int flags),
      (fd, message, flags))
PLAIN(ssize_t, send, INTR | MEMORY | RESET, -1, (int fd, const void *bytes, size_t size, int flags),
      (fd, bytes, size, flags))
PLAIN(ssize_t, recv, INTR | MEMORY | RESET, -1, (int fd, void *bytes, size_t size, int flags),
      (fd, bytes, size, flags))
PLAIN(int, pipe2, FILES, -1, (int fds[2], int flags), (fds, flags))
PLAIN(int, pipe, FILES, -1, (int fds[2]), (fds))
PLAIN(int, eventfd, FILES | MEMORY, -1, (unsigned int value, int flags), (value, flags))
PLAIN(int, madvise, MEMORY, -1, (void *at, size_t size, int advice), (at, size, advice))
PLAIN(int, mlock, MEMORY, -1, (const void *at, size_t size), (at, size))
PLAIN(int, mprotect, MEMORY, -1, (void *at, size_t size, int protection), (at, size, protection))
PLAIN(void *, mmap, MEMORY, MAP_FAILED,
      (void *at, size_t size, int protection, int flags, int fd, off_t offset),
      (at, size, protection, flags, fd, offset))
PLAIN(ssize_t, getrandom, INTR, -1, (void *bytes, size_t size, unsigned int flags),
      (bytes, size, flags))
