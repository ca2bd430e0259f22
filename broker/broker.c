/* SPDX-License-Identifier: MIT */
/*
 * The composition root: builds the rooms, joins them, and takes them down in order. Main thread.
 * Owns everything. Ends by SIGTERM or SIGINT, when its bus goes away, or when it has been idle for
 * the time set.
 */
#include "broker.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "bus/door.h"
#include "protocol/secret.h"
#include "service/service.h"
#include "sparekey.h"
#include "store/store.h"

#define SECRETS_KEPT 16u
#define PATH_BYTES 4096u

struct broker {
	const struct broker_options *options;
	struct loop *loop;
	struct secret_pool *pool;
	struct store *store;
	struct service *service;
	struct door *door;
	struct loop_timer *idle;
	struct loop_watch *signals;
	int signal_fd;
	bool is_leaving;
};

static void signal_ready(void *data, short revents)
{
	struct broker *broker = data;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(broker->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		log_event(LOG_LEVEL_INFO, "stopping", "signal=%u", info.ssi_signo);
		loop_quit(broker->loop);
	}
}

static void bus_lost(void *data)
{
	struct broker *broker = data;

	log_event(LOG_LEVEL_NOTICE, "bus-lost", "%s", "");
	loop_quit(broker->loop);
}

static bool is_idle(const struct broker *broker)
{
	return broker->door != NULL && door_idle(broker->door) && service_idle(broker->service);
}

static void set_idle_timer(struct broker *broker)
{
	uint64_t seconds = broker->options->settings.idle_exit_seconds;

	if (seconds > 0) {
		loop_timer_set(broker->idle, 1000u * seconds);
	}
}

/* Anything that happens starts the idle time anew; once leaving, the last call ends us. */
static void activity(void *data)
{
	struct broker *broker = data;

	if (!broker->is_leaving) {
		set_idle_timer(broker);
	} else if (door_left(broker->door) && door_idle(broker->door)) {
		loop_quit(broker->loop);
	}
}

static void idle_due(void *data)
{
	struct broker *broker = data;

	if (!is_idle(broker)) {
		set_idle_timer(broker);
		return;
	}
	log_event(LOG_LEVEL_INFO, "stopping", "reason=idle");
	broker->is_leaving = true;
	door_leave(broker->door);
	activity(broker);
}

static int start_signals(struct broker *broker)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	broker->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (broker->signal_fd < 0) {
		return -errno;
	}
	return loop_watch_new(broker->loop, broker->signal_fd, POLLIN, signal_ready, broker,
	                      &broker->signals);
}

/* DIRECTORY of the store: the option, $XDG_DATA_HOME/sparekey if absolute, ~/.local/share/sparekey.
 */
static int data_directory(const struct broker_options *options, char *ret_path, size_t size)
{
	const char *base = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	int length = 0;

	if (options->data_dir != NULL) {
		length = snprintf(ret_path, size, "%s", options->data_dir);
	} else if (base != NULL && base[0] == '/') {
		length = snprintf(ret_path, size, "%s/sparekey", base);
	} else {
		const struct passwd *user = home == NULL || home[0] != '/' ? getpwuid(geteuid())
		                                                           : NULL;

		home = user != NULL ? user->pw_dir : home;
		if (home == NULL || home[0] != '/') {
			return -ENOENT;
		}
		length = snprintf(ret_path, size, "%s/.local/share/sparekey", home);
	}
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

/* A store that is there must be in order before anybody is told of us. */
static int open_store(struct broker *broker)
{
	char path[PATH_BYTES];
	int result = data_directory(broker->options, path, sizeof(path));

	if (result == 0) {
		result = store_new(path, &broker->store);
	}
	if (result == 0) {
		result = store_open(broker->store);
	}
	if (result == SPAREKEY_NOT_INITIALIZED || result == -EBUSY) {
		return BROKER_DONE;
	}
	if (result != 0) {
		const char *why = broker->store != NULL ? store_refusal(broker->store) : "";

		log_event(LOG_LEVEL_ERROR, "store-refused", "%s",
		          why[0] != '\0' ? why : strerror(result < 0 ? -result : EIO));
		return BROKER_STORE;
	}
	return BROKER_DONE;
}

static int build(struct broker *broker)
{
	int result = loop_new(clock_system(), &broker->loop);

	if (result == 0) {
		result = start_signals(broker);
	}
	if (result == 0) {
		result = secret_pool_new(SECRETS_KEPT, &broker->pool);
	}
	if (result == 0) {
		result = loop_timer_new(broker->loop, idle_due, broker, &broker->idle);
	}
	if (result == 0) {
		result = service_new(broker->loop, &broker->options->settings, broker->store,
		                     broker->pool, &broker->service);
	}
	if (result == 0) {
		result = door_new(broker->loop, broker->service, broker->pool, activity, broker,
		                  &broker->door);
	}
	if (result < 0) {
		log_event(LOG_LEVEL_ERROR, "start-failed", "error=%d", -result);
		return BROKER_FAULT;
	}
	return BROKER_DONE;
}

static void warn_of_memory(const struct broker *broker)
{
	struct secret *probe = NULL;

	if (secret_new(broker->pool, &probe) == 0 && !secret_locked(probe)) {
		log_event(LOG_LEVEL_WARNING, "memory-not-locked",
		          "cure=\"raise RLIMIT_MEMLOCK (LimitMEMLOCK=)\"");
	}
	secret_free(probe);
}

/* Only what a bus daemon of this machine can be: no program is started, no network is used, by an
 * address found lying about. */
static const char *bus_address(const struct broker_options *options, char *ret_room, size_t size)
{
	const char *address = options->address != NULL ? options->address
	                                               : getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (address == NULL && runtime != NULL && runtime[0] == '/') {
		snprintf(ret_room, size, "unix:path=%s/bus", runtime);
		return ret_room;
	}
	return address;
}

/* As sd_listen_fds(3) has it: what is left over from another process is not for us. */
static bool are_sockets_handed(void)
{
	const char *count = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");
	char *end = NULL;

	if (count == NULL || pid == NULL || pid[0] < '0' || pid[0] > '9') {
		return false;
	}
	errno = 0;
	unsigned long number = strtoul(pid, &end, 10);

	return errno == 0 && *end == '\0' && number == (unsigned long)getpid() &&
	       strtol(count, NULL, 10) > 0;
}

static void forget_handed(void)
{
	static const char *const names[] = { "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsetenv(names[i]);
	}
}

static int open_listens(struct broker *broker, bool has_handed)
{
	for (unsigned int i = 0; i < broker->options->listens_count; i++) {
		if (door_listen(broker->door, broker->options->listens[i]) < 0) {
			return BROKER_NO_BUS;
		}
	}
	if (has_handed && broker->options->listens_count == 0) {
		return door_listen(broker->door, "systemd:") < 0 ? BROKER_NO_BUS : BROKER_DONE;
	}
	return BROKER_DONE;
}

static const char *peer_reason(int result)
{
	switch (result) {
	case -EADDRINUSE:
		return "another broker of this user serves it";
	case -EPERM:
		return "that directory, or sparekey in it, is not yours alone: XDG_RUNTIME_DIR "
		       "must be your own, mode 0700";
	case -ENOENT:
		return "XDG_RUNTIME_DIR names no directory";
	default:
		return strerror(-result);
	}
}

/* The peer socket is served unless other sockets are asked for. That another broker has it is no
 * fault if there is a bus. */
static int open_peer(struct broker *broker, bool has_bus)
{
	int result = door_listen_peer(broker->door);

	if (result == 0) {
		return BROKER_DONE;
	}
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char quoted[300];

	log_event(has_bus ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "no-peer-socket",
	          "below=%s reason=\"%s\"",
	          log_quote(runtime != NULL ? runtime : "", quoted, sizeof(quoted)),
	          peer_reason(result));
	return has_bus ? BROKER_DONE : BROKER_NO_BUS;
}

static int open_ways(struct broker *broker)
{
	char room[256];
	const char *address = bus_address(broker->options, room, sizeof(room));
	bool has_bus = address == NULL || strcmp(address, "none") != 0;
	bool has_handed = are_sockets_handed();
	int code = open_listens(broker, has_handed);

	forget_handed();
	if (code == BROKER_DONE && !has_handed && broker->options->listens_count == 0) {
		code = open_peer(broker, has_bus);
	}
	if (code != BROKER_DONE || !has_bus) {
		return code;
	}
	if (address == NULL || strncmp(address, "unix:", strlen("unix:")) != 0) {
		log_event(LOG_LEVEL_ERROR, "no-bus", "reason=\"%s\"",
		          address == NULL ? "no session bus is known"
		                          : "only unix: addresses are used");
		return BROKER_NO_BUS;
	}
	int result = door_join(broker->door, address, bus_lost, broker);

	return result < 0 && result != -ECANCELED ? BROKER_NO_BUS : BROKER_DONE;
}

static void take_down(struct broker *broker)
{
	broker->door = door_free(broker->door);
	broker->service = service_free(broker->service);
	broker->store = store_free(broker->store);
	broker->pool = secret_pool_free(broker->pool);
	broker->idle = loop_timer_free(broker->idle);
	broker->signals = loop_watch_free(broker->signals);
	if (broker->signal_fd >= 0) {
		close(broker->signal_fd);
	}
	broker->loop = loop_free(broker->loop);
}

int broker_run(const struct broker_options *options)
{
	struct broker broker = { .options = options, .signal_fd = -1 };
	int code = open_store(&broker);

	if (code == BROKER_DONE) {
		code = build(&broker);
	}
	if (code == BROKER_DONE) {
		code = open_ways(&broker);
	}
	if (code == BROKER_DONE && !loop_is_quitting(broker.loop)) {
		warn_of_memory(&broker);
		activity(&broker);
		log_event(LOG_LEVEL_INFO, "started", "version=%s", SPAREKEY_VERSION);
		code = loop_run(broker.loop) < 0 ? BROKER_FAULT : BROKER_DONE;
	}
	take_down(&broker);
	return code;
}
