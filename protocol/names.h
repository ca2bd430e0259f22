/* SPDX-License-Identifier: MIT */
#ifndef PROTOCOL_NAMES_H
#define PROTOCOL_NAMES_H

/* Names of the D-Bus contract, dbus/org.sparekey.Broker1.*.xml. */

#define NAME_BROKER "org.sparekey.Broker1"
#define NAME_MANAGER "org.sparekey.Broker1.Manager"
#define NAME_VERIFIER "org.sparekey.Broker1.Verifier"
#define NAME_PASSWORD "org.sparekey.Broker1.Password"
#define NAME_OWNER "org.sparekey.Broker1.Owner"
#define NAME_ERROR_PREFIX "org.sparekey.Broker1.Error."

#define PATH_BROKER "/org/sparekey/Broker1"
#define PATH_PASSWORDS "/org/sparekey/Broker1/password"

/* Below $XDG_RUNTIME_DIR: the peer socket (D-Bus without a bus daemon). */
#define PEER_DIRECTORY "sparekey"
#define PEER_SOCKET "peer"

#endif
