#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Verifies an app password from stdin, as a mail server would: verify.py SCOPE [REMOTE]"""
import os
import sys

import dbus

broker = dbus.SessionBus().get_object("org.sparekey.Broker1", "/org/sparekey/Broker1")
verifier = dbus.Interface(broker, "org.sparekey.Broker1.Verifier")
options = {"remote": sys.argv[2]} if len(sys.argv) > 2 else dbus.Dictionary({}, signature="sv")
reader, writer = os.pipe()
os.write(writer, sys.stdin.buffer.readline())
os.close(writer)
try:
    path, details = verifier.VerifyByFileDescriptor(dbus.types.UnixFd(reader), sys.argv[1], options,
                                                    signature="hsa{sv}")
    print(f"yes: {details['label']}")
except dbus.DBusException as error:
    print(f"no: {error.get_dbus_name()}")
    sys.exit(1)
