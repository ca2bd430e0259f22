/* SPDX-License-Identifier: MIT */
/*
 * The time from starting a program until its name is held: starter, with the bus in
 * DBUS_SESSION_BUS_ADDRESS, then lines of `start NAME PROGRAM [ARGUMENT]`. Between two starts the
 * program is ended by SIGTERM, waited for, and seen to have lost the name.
 */
#include <dbus/dbus.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/command.h"

extern char **environ;

/* Waits until the bus says that the name has got, or lost, its owner. `pid`: whose end is a
 * failure; 0: nobody's. */
static void wait_for(DBusConnection *bus, const char *name, bool held, pid_t pid)
{
	for (;;) {
		DBusMessage *message = dbus_connection_pop_message(bus);
		const char *which = NULL;
		const char *before = NULL;
		const char *after = NULL;
		bool is_it = false;

		if (message == NULL) {
			if (!dbus_connection_read_write(bus, 1000) ||
			    (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid)) {
				give_up("the bus or the program is gone");
			}
			continue;
		}
		is_it = dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameOwnerChanged") &&
		        dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &which,
		                              DBUS_TYPE_STRING, &before, DBUS_TYPE_STRING, &after,
		                              DBUS_TYPE_INVALID) &&
		        strcmp(which, name) == 0 && (after[0] != '\0') == held;
		dbus_message_unref(message);
		if (is_it) {
			return;
		}
	}
}

static void start(DBusConnection *bus, const char *const word[COMMAND_WORDS])
{
	char *argument = word[3][0] != '\0' ? (char *)(uintptr_t)word[3] : NULL;
	char *arguments[] = { (char *)(uintptr_t)word[2], argument, NULL };
	pid_t pid = 0;
	uint64_t begun = now_ns();

	if (posix_spawn(&pid, word[2], NULL, NULL, arguments, environ) != 0) {
		give_up("cannot start the program");
	}
	wait_for(bus, word[1], true, pid);

	uint64_t spent = now_ns() - begun;

	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	wait_for(bus, word[1], false, 0);
	printf("%llu\n", (unsigned long long)spent);
	fflush(stdout);
}

int main(void)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusConnection *bus = dbus_bus_get_private(DBUS_BUS_SESSION, &error);
	char line[512];
	const char *word[COMMAND_WORDS];

	if (bus == NULL) {
		give_up(error.message);
	}
	dbus_bus_add_match(bus, "type='signal',member='NameOwnerChanged'", &error);
	while (next_command(line, word)) {
		start(bus, word);
	}
	return 0;
}
