/* SPDX-License-Identifier: MIT */
/*
 * A broker for one connection, where there is no bus and no broker: started with a listening socket
 * handed over as systemd does (sd_listen_fds(3)), ended with the connection. The caller's thread.
 * The socket lies in a fresh directory of ours alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"

#define HANDED_FD 3
#define ENDING_MS 3000

/* sparekeyd beside our own program, else where it is installed. */
static void broker_path(char *ret_path, size_t size)
{
	char own[200];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (length > 0) {
		own[length] = '\0';
		char *slash = strrchr(own, '/');

		if (slash != NULL) {
			*slash = '\0';
			snprintf(ret_path, size, "%s/sparekeyd", own);
			if (access(ret_path, X_OK) == 0) {
				return;
			}
		}
	}
	snprintf(ret_path, size, "%s/sparekeyd", BINDIR);
}

static int make_socket(struct sparekey *sparekey, char *ret_path, size_t size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	base = base != NULL && base[0] == '/' && access(base, W_OK) == 0 ? base : "/tmp";
	snprintf(sparekey->directory, sizeof(sparekey->directory), "%.60s/sparekey-XXXXXX", base);
	if (mkdtemp(sparekey->directory) == NULL) {
		sparekey->directory[0] = '\0';
		return -errno;
	}
	snprintf(ret_path, size, "%.90s/s", sparekey->directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", ret_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4) < 0) {
		return -errno;
	}
	return fd;
}

/* In the child: only async-signal-safe calls besides setenv, which no thread of ours can disturb.
 */
static void become_broker(int fd, int errors, const char *path)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", pid, 1);
	unsetenv("LISTEN_FDNAMES");
	dup2(errors, STDERR_FILENO);
	if (fd == HANDED_FD) {
		fcntl(fd, F_SETFD, 0);
	} else {
		dup2(fd, HANDED_FD);
	}
	fcntl(HANDED_FD, F_SETFL, fcntl(HANDED_FD, F_GETFL) & ~O_NONBLOCK);
	setpgid(0, 0); /* Ctrl-C is ours to answer, not the broker's */
	execl(path, "sparekeyd", "--address=none", "--idle-exit=5", (char *)NULL);
	_exit(127);
}

/* The broker has said on stderr what is wrong; its exit code tells store and settings apart. */
static int why_not_started(struct sparekey *sparekey, const char *program)
{
	static const struct timespec moment = { 0, 200000000 };
	int status = 0;
	char text[2048];

	nanosleep(&moment, NULL);
	ssize_t length = read(sparekey->broker_errors, text, sizeof(text));

	if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0) {
		return -errno;
	}
	if (waitpid(sparekey->broker, &status, WNOHANG) == sparekey->broker) {
		sparekey->broker = 0;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 74) {
		return client_fail(sparekey, SPAREKEY_STORAGE_FAILED,
		                   "the broker refused its store");
	}
	return client_fail(sparekey, SPAREKEY_NO_BROKER, "the broker %.200s did not start",
	                   program);
}

/* One question without a descriptor: libdbus loses those that arrive together with the end of
 * authentication. */
static int first_word(struct sparekey *sparekey)
{
	DBusMessage *reply = NULL;
	int result = client_ask(sparekey, client_method(sparekey, "/", DBUS_INTERFACE_PEER, "Ping"),
	                        CALL_MS, &reply);

	if (result == 0) {
		dbus_message_unref(reply);
	}
	return result;
}

int client_start_private(struct sparekey *sparekey)
{
	char socket_path[108];
	char program[300];
	char address[200];
	int errors[2];
	int fd = make_socket(sparekey, socket_path, sizeof(socket_path));

	if (fd < 0) {
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "no broker, and none could be started: %s", strerror(-fd));
	}
	/* What it logs matters only if it does not start. Neither end ever blocks. */
	if (pipe2(errors, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(fd);
		return -errno;
	}
	broker_path(program, sizeof(program));
	sparekey->broker = fork();
	if (sparekey->broker == 0) {
		become_broker(fd, errors[1], program);
	}
	close(fd);
	close(errors[1]);
	sparekey->broker_errors = errors[0];
	if (sparekey->broker < 0) {
		sparekey->broker = 0;
		return client_fail(sparekey, SPAREKEY_NO_BROKER,
		                   "no broker, and none could be started");
	}
	snprintf(address, sizeof(address), "unix:path=%s", socket_path);
	int result = client_open(sparekey, address);

	if (result != 0) {
		return why_not_started(sparekey, program);
	}
	snprintf(sparekey->way, sizeof(sparekey->way), "private");
	return first_word(sparekey);
}

void client_stop_private(struct sparekey *sparekey)
{
	static const struct timespec pause = { 0, 10000000 };
	char path[220];

	if (sparekey->broker > 0) {
		kill(sparekey->broker, SIGTERM);
		for (unsigned int waited = 0;
		     waited < ENDING_MS / 10 && waitpid(sparekey->broker, NULL, WNOHANG) == 0;
		     waited++) {
			nanosleep(&pause, NULL);
		}
	}
	if (sparekey->broker_errors > 0) {
		close(sparekey->broker_errors);
	}
	if (sparekey->directory[0] != '\0') {
		snprintf(path, sizeof(path), "%s/s", sparekey->directory);
		unlink(path);
		rmdir(sparekey->directory);
	}
}
