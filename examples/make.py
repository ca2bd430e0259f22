#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes an app password by both forms, verifies both, and revokes them: make.py LABEL

Where the broker wants the owner's proof first, main password and code are asked for. They go by descriptors, and what they
prove is good for this connection: that is why a shell, which makes a new one for each call, can revoke and not make."""
import getpass
import os
import sys

import dbus

broker = dbus.SessionBus().get_object("org.sparekey.Broker1", "/org/sparekey/Broker1")
manager = dbus.Interface(broker, "org.sparekey.Broker1.Manager")
verifier = dbus.Interface(broker, "org.sparekey.Broker1.Verifier")
owner = dbus.Interface(broker, "org.sparekey.Broker1.Owner")


def asked(question):
    reader, writer = os.pipe()
    os.write(writer, getpass.getpass(question).encode())
    os.close(writer)
    return dbus.types.UnixFd(reader)


try:
    manager.CreatePassword("", {}, signature="sa{sv}")
except dbus.DBusException as error:
    if error.get_dbus_name() == "org.sparekey.Broker1.Error.AuthenticationRequired":
        owner.Authenticate(asked("Main password: "), {"code": asked("Code: ")}, signature="ha{sv}")
by_fd, pipe = manager.CreatePasswordByFileDescriptor(sys.argv[1] + " 1", {}, signature="sa{sv}")
by_text, second = manager.CreatePassword(sys.argv[1] + " 2", {"scopes": ["imap"]}, signature="sa{sv}")
first = os.read(pipe.take(), 100).decode()
for text in (first, second):
    path, details = verifier.Verify(text, "imap", {}, signature="ssa{sv}")
    print("verified", details["label"])
    password = dbus.SessionBus().get_object("org.sparekey.Broker1", path)
    password.Revoke({}, signature="a{sv}", dbus_interface="org.sparekey.Broker1.Password")
print("revoked both")
