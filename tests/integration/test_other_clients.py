#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The usual programs that speak D-Bus get what the contract says: gdbus, busctl and dbus-send, with answers and errors."""
import re
import shutil
import subprocess
import unittest

from support import (MANAGER, NAME, OBJECT_MANAGER, PASSWORD, PATH, PROPERTIES, VERIFIER, SharedBroker, unknown_secret)


class Commands(SharedBroker):
    def run_it(self, *line):
        if shutil.which(line[0]) is None:
            self.skipTest(f"no {line[0]} here")
        return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False,
                              env=self.broker.home.environment(self.bus))

    def gdbus(self, path, method, *arguments):
        return self.run_it("gdbus", "call", "--address", self.bus.address, "--dest", NAME, "--object-path", path,
                           "--method", method, *arguments)

    def busctl(self, *arguments):
        return self.run_it("busctl", f"--address={self.bus.address}", *arguments)

    def dbus_send(self, path, method, *arguments):
        return self.run_it("dbus-send", f"--bus={self.bus.address}", f"--dest={NAME}", "--print-reply=literal", path,
                           method, *arguments)

    def test_gdbus(self):
        done = self.gdbus(PATH, f"{MANAGER}.CreatePassword", "By gdbus", "{'scopes': <['imap']>, 'colour': <1>}")
        path, secret = re.fullmatch(r"\(objectpath '(\S+)', '(\S+)'\)\n", done.stdout).groups()
        done = self.gdbus(PATH, f"{VERIFIER}.Verify", secret, "imaps", "{'remote': <'192.0.2.7'>}")
        self.assertIn("'label': <'By gdbus'>", done.stdout)
        self.assertIn(f"'id': <'{secret[:5]}'>", done.stdout)
        for arguments, error in (([secret, "smtp", "{}"], "Error.AuthenticationFailed"),
                                 ([unknown_secret(), "imap", "{}"], "Error.AuthenticationFailed"),
                                 ([secret, "", "{}"], "Error.InvalidScope"),
                                 ([secret, "imap", "{'must_fly': <true>}"], "Error.NotSupported"),
                                 ([secret, "imap", "{'remote': <uint32 1>}"], "DBus.Error.InvalidArgs")):
            done = self.gdbus(PATH, f"{VERIFIER}.Verify", *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn(error, done.stderr)
        self.assertEqual(self.gdbus(path, f"{PASSWORD}.Rename", "Renamed", "{}").stdout, "()\n")
        self.assertIn("'Renamed'", self.gdbus(path, f"{PROPERTIES}.Get", PASSWORD, "Label").stdout)
        done = self.run_it("gdbus", "introspect", "--address", self.bus.address, "--dest", NAME, "--object-path", "/",
                           "--recurse", "--only-properties")
        self.assertIn(f"node {path}", done.stdout)
        self.assertEqual(self.gdbus(path, f"{PASSWORD}.Revoke", "{}").returncode, 0)
        self.assertIn("Error.UnknownObject", self.gdbus(path, f"{PASSWORD}.Revoke", "@a{sv} {}").stderr)

    def test_busctl(self):
        done = self.busctl("call", NAME, PATH, MANAGER, "CreatePassword", "sa{sv}", "By busctl", "1", "account", "s", "me")
        path, secret = re.fullmatch(r'os "(\S+)" "(\S+)"\n', done.stdout).groups()
        done = self.busctl("call", NAME, PATH, VERIFIER, "Verify", "ssa{sv}", secret, "imap", "1", "account", "s", "me")
        self.assertTrue(done.stdout.startswith("oa{sv} "), done)
        done = self.busctl("tree", "--list", NAME)
        for node in ("/", "/org", "/org/sparekey", PATH, path):
            self.assertIn(node, done.stdout.split())
        done = self.busctl("introspect", NAME, path)
        self.assertRegex(done.stdout, r"\.Label\s+property\s+s\s+\"By busctl\"\s+emits-change")
        self.assertRegex(done.stdout, r"\.LastUsedAt\s+property\s+t\s+\d+\s+emits-invalidation")
        self.assertRegex(done.stdout, r"\.Id\s+property\s+s\s+\"\w{5}\"\s+const")
        self.assertEqual(self.busctl("get-property", NAME, path, PASSWORD, "Scopes").stdout, "as 0\n")
        self.assertNotEqual(self.busctl("set-property", NAME, path, PASSWORD, "Label", "s", "x").returncode, 0)
        done = self.busctl("call", NAME, PATH, MANAGER, "RevokeAll", "a{sv}a{sv}", "1", "account", "s", "me", "0")
        self.assertEqual(done.stdout, "u 1\n")
        self.assertNotEqual(self.busctl("call", NAME, PATH, MANAGER, "RevokeAll", "a{sv}a{sv}", "1", "colour", "s", "me",
                                        "0").returncode, 0)

    def test_dbus_send(self):
        path, secret = self.c.create("By another")
        done = self.dbus_send(PATH, f"{OBJECT_MANAGER}.GetManagedObjects")
        self.assertIn(path, done.stdout)
        done = self.dbus_send(PATH, f"{PROPERTIES}.GetAll", f"string:{MANAGER}")
        self.assertIn("PeerAddress", done.stdout)
        # It cannot write variants of a dictionary, so the signature it sends is another.
        done = self.dbus_send(PATH, f"{VERIFIER}.Verify", f"string:{secret}", "string:imap", "dict:string:string:")
        self.assertIn("InvalidArgs", done.stderr)
        self.assertIn("ssa{sv}", done.stderr)
        self.assertIn("UnknownMethod", self.dbus_send(PATH, f"{VERIFIER}.Fly").stderr)


if __name__ == "__main__":
    unittest.main()
