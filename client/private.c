/* SPDX-License-Identifier: MIT */
/*
 * A broker for one handle, where there is no bus and no broker: started with a listening socket
 * handed over as systemd does (sd_listen_fds(3)), ended with the handle (ending.c). The caller's
 * thread. The socket lies in a fresh directory of ours alone. The child gets that socket and a pipe
 * for its errors, nothing else of the caller's descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/client.h"

#define PROGRAM "sparekeyd"
#define DIRECTORY "/sparekey-XXXXXX"
#define HANDED_FD 3

/* What others can write to may be anybody's. */
static bool is_others(const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 || (status.st_mode & 022u) != 0 ||
	       (status.st_uid != 0 && status.st_uid != geteuid());
}

/* sparekeyd beside our own program, else where it is installed. */
static void broker_path(struct sparekey *sparekey, char *ret_path, size_t size)
{
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own));
	const char *slash = length > 0 && (size_t)length < sizeof(own)
	                            ? memrchr(own, '/', (size_t)length)
	                            : NULL;

	sparekey->is_passed_over = false;
	if (slash != NULL) {
		own[slash - own] = '\0';
		snprintf(ret_path, size, "%s/" PROGRAM, own);
		if (access(ret_path, X_OK) == 0) {
			sparekey->is_passed_over = is_others(own) || is_others(ret_path);
			if (!sparekey->is_passed_over) {
				return;
			}
		}
	}
	snprintf(ret_path, size, "%s/" PROGRAM, BINDIR);
}

/* Below XDG_RUNTIME_DIR, if a socket's name has room for that. */
static int make_directory(struct sparekey *sparekey)
{
	const char *base = secure_getenv("XDG_RUNTIME_DIR");

	if (base == NULL || base[0] != '/' || access(base, W_OK) < 0 ||
	    strlen(base) + sizeof(DIRECTORY) > sizeof(sparekey->directory)) {
		base = "/tmp";
	}
	snprintf(sparekey->directory, sizeof(sparekey->directory), "%s" DIRECTORY, base);
	if (mkdtemp(sparekey->directory) == NULL) {
		sparekey->directory[0] = '\0';
		return -errno;
	}
	return 0;
}

static int make_socket(struct sparekey *sparekey, char *ret_address, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = -1;
	int result = make_directory(sparekey);

	if (result < 0) {
		return result;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", sparekey->directory);
	if (!address_of_path(address.sun_path, ret_address, size)) {
		return -ENOMEM;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0) {
		result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

/* The caller's environment with what sd_listen_fds(3) looks for in place of what stood there. The
 * process number is only known to the child: it writes it. */
struct handed {
	char pid[40];
	char **environment; /* owned; its strings are not */
};

static bool is_kept(const char *entry)
{
	return strncmp(entry, "LISTEN_PID=", strlen("LISTEN_PID=")) != 0 &&
	       strncmp(entry, "LISTEN_FDS=", strlen("LISTEN_FDS=")) != 0 &&
	       strncmp(entry, "LISTEN_FDNAMES=", strlen("LISTEN_FDNAMES=")) != 0;
}

static int make_environment(struct handed *handed)
{
	static char one[] = "LISTEN_FDS=1";
	size_t count = 0;
	size_t kept = 0;

	while (environ != NULL && environ[count] != NULL) {
		count++;
	}
	handed->environment = calloc(count + 3, sizeof(*handed->environment));
	if (handed->environment == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (is_kept(environ[i])) {
			handed->environment[kept++] = environ[i];
		}
	}
	handed->environment[kept++] = one;
	handed->environment[kept] = handed->pid;
	return 0;
}

/* snprintf(3) need not be safe between fork and execve. */
static void write_pid(char ret_text[static 40], pid_t pid)
{
	char digits[24];
	size_t count = 0;
	char *at = stpcpy(ret_text, "LISTEN_PID=");

	do {
		digits[count++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	while (count > 0) {
		*at++ = digits[--count];
	}
	*at = '\0';
}

/* Its last words, as the program itself would have said them. */
static void say_why_not(const char *path, int error)
{
	const char *const parts[] = { PROGRAM, ": ", path, ": ", strerrordesc_np(error), "\n" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0) {
			return;
		}
	}
}

/* In the child of a process that may have threads: async-signal-safe calls alone. */
static void become_broker(int fd, int errors, const char *path, struct handed *handed)
{
	char *const arguments[] = { PROGRAM, "--address=none", "--idle-exit=5", NULL };
	const struct sigaction initial = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	sigaction(SIGPIPE, &initial, NULL);
	sigaction(SIGCHLD, &initial, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	write_pid(handed->pid, getpid());
	int nothing = open("/dev/null", O_RDWR);

	/* fd and errors lie above all these. */
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0 || dup2(fd, HANDED_FD) < 0) {
		_exit(EXIT_NO_PROGRAM);
	}
	close_range(HANDED_FD + 1, ~0u, 0);
	setpgid(0, 0); /* Ctrl-C is the caller's to answer, not the broker's */
	execve(path, arguments, handed->environment);
	say_why_not(path, errno);
	_exit(EXIT_NO_PROGRAM);
}

/* Out of the way of the numbers the child gives away. */
static int move_up(int *fd)
{
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, HANDED_FD + 1);

	if (moved < 0) {
		return -errno;
	}
	close(*fd);
	*fd = moved;
	return 0;
}

/* A pipe for what it logs, which matters only if it does not start: neither end ever blocks. */
static int make_pipe(int ret_ends[2])
{
	if (pipe2(ret_ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -errno;
	}
	int result = move_up(&ret_ends[1]);

	if (result < 0) {
		close(ret_ends[0]);
		close(ret_ends[1]);
	}
	return result;
}

static int start(struct sparekey *sparekey, int fd, const char *program)
{
	struct handed handed = { .pid = "" };
	int errors[2] = { -1, -1 };
	int result = make_environment(&handed);

	if (result == 0) {
		result = make_pipe(errors);
	}
	if (result != 0) {
		free(handed.environment);
		return result;
	}
	sparekey->broker = fork();
	if (sparekey->broker == 0) {
		become_broker(fd, errors[1], program, &handed);
	}
	result = sparekey->broker < 0 ? -errno : 0;
	free(handed.environment);
	close(errors[1]);
	if (result < 0) {
		sparekey->broker = 0;
		close(errors[0]);
		return result;
	}
	sparekey->broker_errors = errors[0];
	sparekey->broker_status = -1;
	return 0;
}

int private_start(struct sparekey *sparekey, char *ret_address, size_t size)
{
	char program[PATH_MAX + sizeof(PROGRAM)];
	int result = 0;
	int fd = -1;

	if (getauxval(AT_SECURE) != 0) {
		return -EPERM; /* with rights its caller has not, nothing is started */
	}
	fd = make_socket(sparekey, ret_address, size);
	if (fd < 0) {
		private_stop(sparekey);
		return fd;
	}
	broker_path(sparekey, program, sizeof(program));
	result = move_up(&fd);
	if (result == 0) {
		result = start(sparekey, fd, program);
	}
	close(fd);
	if (result < 0) {
		private_stop(sparekey);
		return result;
	}
	return 0;
}
