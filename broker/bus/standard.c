/* SPDX-License-Identifier: MIT */
/*
 * The standard interfaces: Introspectable, Properties, ObjectManager (D-Bus specification, Standard
 * Interfaces). Loop thread. They go the same way as our own methods, so that they are charged,
 * parked and answered alike.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "gen/introspect_xml.h"
#include "sparekey.h"

#define COUNT(array) ((unsigned int)(sizeof(array) / sizeof((array)[0])))

/* Introspection. */

static int keep_child(struct call *call, const char *id)
{
	if (call->children == NULL) {
		call->children = calloc(LIMIT_PAGE_ROWS, sizeof(*call->children));
		if (call->children == NULL) {
			return -ENOMEM;
		}
	}
	snprintf(call->children[call->children_count].id, sizeof(call->children->id), "%s", id);
	call->children_count++;
	return 0;
}

/* Above a page introspection shows the first page; ListPasswords has them all. */
static int child_row(void *data, const struct store_password *password)
{
	return keep_child(data, password->id);
}

static int decode_introspect(struct call *call, DBusMessageIter *arguments)
{
	(void)arguments;
	call->request.row_data = call;
	if (call->object == OBJECT_PASSWORDS) {
		call->request.row = child_row;
		call->request.in.limit = LIMIT_PAGE_ROWS;
	}
	return 0;
}

/* "/" leads to "org", and so on down to the broker. */
static void print_child_above(FILE *out, const char *path)
{
	const char *rest = &PATH_BROKER[strcmp(path, "/") == 0 ? 1 : strlen(path) + 1];

	fprintf(out, "  <node name=\"%.*s\"/>\n", (int)strcspn(rest, "/"), rest);
}

static void print_children(FILE *out, const struct call *call)
{
	switch (call->object) {
	case OBJECT_ABOVE:
		print_child_above(out, dbus_message_get_path(call->message));
		break;
	case OBJECT_BROKER:
		if (call->origin == NULL || call->origin->kind != LINK_ROOT) {
			fputs("  <node name=\"password\"/>\n", out);
		}
		break;
	case OBJECT_PASSWORDS:
		for (unsigned int i = 0; i < call->children_count; i++) {
			fprintf(out, "  <node name=\"%s\"/>\n", call->children[i].id);
		}
		break;
	case OBJECT_PASSWORD:
	case OBJECT_NONE:
		break;
	}
}

static char *introspect(const struct call *call)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	enum link_kind kind = call->origin != NULL ? call->origin->kind : LINK_ROOT;

	if (out == NULL) {
		return NULL;
	}
	fputs(DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE "<node>\n", out);
	for (const struct interface *const *at = dispatch_interfaces(call->object, kind);
	     *at != NULL; at++) {
		fputs((*at)->xml, out);
	}
	fputs("  <interface name=\"org.freedesktop.DBus.Peer\">\n    <method name=\"Ping\"/>\n"
	      "    <method name=\"GetMachineId\">\n      <arg name=\"machine_uuid\" type=\"s\" "
	      "direction=\"out\"/>\n"
	      "    </method>\n  </interface>\n",
	      out);
	print_children(out, call);
	fputs("</node>\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool encode_introspect(struct call *call, DBusMessageIter *reply)
{
	char *text = introspect(call);
	bool is_done = text != NULL && codec_append_string(reply, text);

	free(text);
	return is_done;
}

static const struct method introspectable_methods[] = {
	{ "Introspect", "", "s", OPERATION_NONE, decode_introspect, encode_introspect,
	  METHOD_FOR_ROOT | METHOD_LARGE },
};

const struct interface introspectable_interface = {
	"org.freedesktop.DBus.Introspectable", introspectable_methods,
	COUNT(introspectable_methods),
	"  <interface name=\"org.freedesktop.DBus.Introspectable\">\n    <method "
	"name=\"Introspect\">\n"
	"      <arg name=\"xml_data\" type=\"s\" direction=\"out\"/>\n    </method>\n  "
	"</interface>\n"
};

/* Properties. */

static int no_interface(struct call *call)
{
	return call_say(call, SPAREKEY_UNKNOWN_INTERFACE, "no interface \"%.60s\" here",
	                call->interface_name);
}

static bool has_interface(const struct call *call)
{
	enum link_kind kind = call->origin != NULL ? call->origin->kind : LINK_ROOT;
	const struct interface *const *at = dispatch_interfaces(call->object, kind);

	while (*at != NULL && strcmp((*at)->name, call->interface_name) != 0) {
		at++;
	}
	return *at != NULL;
}

/* An empty name stands for every interface (D-Bus specification, Properties). */
static bool is_meant(const struct call *call, const char *interface)
{
	return call->interface_name[0] == '\0' || strcmp(call->interface_name, interface) == 0;
}

static bool has_property(const struct call *call)
{
	if (call->object == OBJECT_PASSWORD) {
		return is_meant(call, NAME_PASSWORD) && record_has(call->property);
	}
	return call->object == OBJECT_BROKER &&
	       ((is_meant(call, NAME_MANAGER) && manager_has(call->property)) ||
	        (is_meant(call, NAME_OWNER) && owner_has(call->property)));
}

static int decode_interface(struct call *call, DBusMessageIter *arguments)
{
	codec_read_string(arguments, &call->interface_name);
	call->request.use = record_keep_use;
	call->request.row_data = call;
	call->wants_owner = call->object == OBJECT_BROKER && is_meant(call, NAME_OWNER);
	return call->interface_name[0] == '\0' || has_interface(call) ? 0 : no_interface(call);
}

static int decode_property(struct call *call, DBusMessageIter *arguments)
{
	int result = decode_interface(call, arguments);

	dbus_message_iter_next(arguments);
	codec_read_string(arguments, &call->property);
	if (result == 0 && !has_property(call)) {
		return call_say(call, SPAREKEY_UNKNOWN_PROPERTY, "no property \"%.60s\"",
		                call->property);
	}
	return result;
}

static int decode_set(struct call *call, DBusMessageIter *arguments)
{
	int result = decode_property(call, arguments);

	return result == 0 ? call_say(call, SPAREKEY_PROPERTY_READ_ONLY, "\"%.60s\" is read-only",
	                              call->property)
	                   : result;
}

static bool encode_get(struct call *call, DBusMessageIter *reply)
{
	const char *name = call->property;

	if (call->object == OBJECT_PASSWORD) {
		return record_append_one(reply, name, &call->request.password, call) == 0;
	}
	return is_meant(call, NAME_OWNER) && owner_has(name)
	               ? owner_append_one(reply, name, &call->request.owner)
	               : manager_append_one(reply, name, call->door);
}

static bool append_broker(DBusMessageIter *dict, const struct call *call)
{
	return (!is_meant(call, NAME_MANAGER) || manager_append_properties(dict, call->door)) &&
	       (!call->wants_owner || owner_append_properties(dict, &call->request.owner));
}

static bool encode_get_all(struct call *call, DBusMessageIter *reply)
{
	DBusMessageIter dict;

	if (call->object == OBJECT_PASSWORD && is_meant(call, NAME_PASSWORD)) {
		return record_append_all(reply, &call->request.password, call, false);
	}
	return codec_dict_open(reply, &dict) &&
	       codec_container_end(reply, &dict,
	                           call->object != OBJECT_BROKER || append_broker(&dict, call));
}

static const struct method properties_methods[] = {
	{ "Get", "ss", "v", OPERATION_NONE, decode_property, encode_get, 0 },
	{ "GetAll", "s", "a{sv}", OPERATION_NONE, decode_interface, encode_get_all, 0 },
	{ "Set", "ssv", "", OPERATION_NONE, decode_set, NULL, 0 },
};

const struct interface properties_interface = {
	"org.freedesktop.DBus.Properties", properties_methods, COUNT(properties_methods),
	"  <interface name=\"org.freedesktop.DBus.Properties\">\n    <method name=\"Get\">\n"
	"      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"
	"      <arg name=\"property_name\" type=\"s\" direction=\"in\"/>\n"
	"      <arg name=\"value\" type=\"v\" direction=\"out\"/>\n    </method>\n    <method "
	"name=\"GetAll\">\n"
	"      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"
	"      <arg name=\"properties\" type=\"a{sv}\" direction=\"out\"/>\n    </method>\n    "
	"<method name=\"Set\">\n"
	"      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"
	"      <arg name=\"property_name\" type=\"s\" direction=\"in\"/>\n"
	"      <arg name=\"value\" type=\"v\" direction=\"in\"/>\n    </method>\n"
	"    <signal name=\"PropertiesChanged\">\n      <arg name=\"interface_name\" type=\"s\"/>\n"
	"      <arg name=\"changed_properties\" type=\"a{sv}\"/>\n"
	"      <arg name=\"invalidated_properties\" type=\"as\"/>\n    </signal>\n  </interface>\n"
};

/* ObjectManager. */

static int decode_managed(struct call *call, DBusMessageIter *arguments)
{
	(void)arguments;
	call->request.row = rows_managed;
	call->request.use = record_keep_use;
	call->request.in.everything = true;
	return rows_open(call, "{oa{sa{sv}}}") ? 0 : -ENOMEM;
}

static bool encode_managed(struct call *call, DBusMessageIter *reply)
{
	(void)reply;
	return rows_close(call);
}

static const struct method object_manager_methods[] = {
	{ "GetManagedObjects", "", "a{oa{sa{sv}}}", OPERATION_LIST, decode_managed, encode_managed,
	  METHOD_LARGE },
};

const struct interface object_manager_interface = {
	"org.freedesktop.DBus.ObjectManager", object_manager_methods, COUNT(object_manager_methods),
	"  <interface name=\"org.freedesktop.DBus.ObjectManager\">\n    <method "
	"name=\"GetManagedObjects\">\n"
	"      <arg name=\"objects\" type=\"a{oa{sa{sv}}}\" direction=\"out\"/>\n    </method>\n"
	"    <signal name=\"InterfacesAdded\">\n      <arg name=\"object\" type=\"o\"/>\n"
	"      <arg name=\"interfaces\" type=\"a{sa{sv}}\"/>\n    </signal>\n"
	"    <signal name=\"InterfacesRemoved\">\n      <arg name=\"object\" type=\"o\"/>\n"
	"      <arg name=\"interfaces\" type=\"as\"/>\n    </signal>\n  </interface>\n"
};
