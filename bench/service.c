/* SPDX-License-Identifier: MIT */
/*
 * The least a service on libdbus can be: joins the bus, takes a name, answers Ping. service NAME
 */
#include <dbus/dbus.h>

#include "bench/command.h"

int main(int argc, char **argv)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusConnection *bus = dbus_bus_get_private(DBUS_BUS_SESSION, &error);

	if (argc != 2 || bus == NULL ||
	    dbus_bus_request_name(bus, argv[1], DBUS_NAME_FLAG_DO_NOT_QUEUE, &error) !=
	            DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER) {
		give_up(error.message != NULL ? error.message : "service NAME");
	}
	while (dbus_connection_read_write_dispatch(bus, -1)) {
	}
	return 0;
}
