#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A broker started on demand goes when it is idle, and nobody's call falls between two of them."""
import os
import random
import time
import unittest

from support import NAME, SPAREKEYD, Bus, Client, Home, TestCase

SECONDS = float(os.environ.get("SPAREKEY_IDLE_SECONDS", "12"))


def make_activatable(bus, home, *arguments):
    """Has the bus start a broker of that home at the first call."""
    wrapper = os.path.join(home.directory, "start")
    with open(wrapper, "w", encoding="utf-8") as stream:
        stream.write("#!/bin/sh\nexec env -i")
        for name, value in home.environment(bus).items():
            stream.write(f" '{name}={value}'")
        stream.write(f" '{SPAREKEYD}' {' '.join(arguments)} 2>>'{home.directory}/log'\n")
    os.chmod(wrapper, 0o700)
    with open(os.path.join(bus.directory, "services", NAME + ".service"), "w", encoding="utf-8") as stream:
        stream.write(f"[D-BUS Service]\nName={NAME}\nExec={wrapper}\n")
    with bus.connect() as connection:
        connection.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig",
                        destination="org.freedesktop.DBus")


class Idle(TestCase):
    def test_no_call_falls_between_two_brokers(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        home = Home()
        self.addCleanup(home.remove)
        make_activatable(bus, home, "--idle-exit=1")
        client = Client(bus.address, on_bus=True)
        self.addCleanup(client.close)
        until = time.monotonic() + SECONDS
        pause, last, changes, calls = 1.0, None, 0, 0
        while time.monotonic() < until:
            client.manager("ListPasswords", "a{sv}", [{}])
            calls += 1
            answered = time.monotonic()
            owner = bus.owner()
            # Half of the calls shall come just before it leaves, half just after: the moments around it are the test.
            pause += -0.0005 if owner != last else 0.0005
            changes += owner != last
            last = owner
            time.sleep(max(0.0, pause + random.uniform(-0.0005, 0.0005) - (time.monotonic() - answered)))
        self.assertGreater(changes, 2)
        self.assertGreater(calls - changes, 2)


if __name__ == "__main__":
    unittest.main()
