# SPDX-License-Identifier: MIT
"""Who may do what (P12): another uid nothing, root on a user's socket the Verifier alone, the owner everything."""
import os
import unittest

from support import (AUTHENTICATION_FAILED, INTROSPECTABLE, MANAGER, OBJECT_MANAGER, PASSWORD, PATH, PEER, PROPERTIES,
                     SECOND_FACTOR_NOT_ENROLLED, VERIFIER, Broker, Bus, BusError, Client, Connection, Disconnected, Home,
                     TestCase, in_child, needs_root, options, other_user, unknown_secret, wait_until)
from rawdbus import split
from test_contract import installed_interfaces, interfaces_of, methods_of

CLOSED = ("Disconnected", "BrokenPipeError", "ConnectionResetError")  # by the broker, while it was talked to


def succeed(address, path):
    """The names of all calls that succeed there, with arguments that would be right."""
    try:
        client = Client(address, timeout=5)
    except (OSError, Disconnected) as error:
        return type(error).__name__
    done = []
    with client:
        known = [(name, method, signature) for name, interface in installed_interfaces().items()
                 for method, signature in methods_of(interface)]
        for name, method, signature in sorted(known, key=lambda call: ("", "Revoke", "Erase", "Lock").index(call[1])
                                              if call[1] in ("Revoke", "Erase", "Lock") else 0):
            if try_call(client, path if name == PASSWORD else PATH, name, method, signature):
                done.append(method)
        for interface, method, signature, arguments in (
                (PROPERTIES, "GetAll", "s", [MANAGER]), (PROPERTIES, "Get", "ss", [MANAGER, "Version"]),
                (OBJECT_MANAGER, "GetManagedObjects", "", []), (INTROSPECTABLE, "Introspect", "", []),
                (PEER, "Ping", "", [])):
            try:
                client.call(PATH, interface, method, signature, arguments)
                done.append(method)
            except BusError:
                pass
    return " ".join(sorted(done))


def try_call(client, path, interface, method, signature):
    read_end, write_end = os.pipe()
    os.write(write_end, unknown_secret().encode())
    os.close(write_end)
    given = {"s": method, "h": read_end, "as": ["imap"], "t": 0, "u": 10, "a{sv}": {}}
    arguments = [given[kind] for kind in split(signature)]
    if method.startswith("Verify"):
        arguments[1] = "imap"
    if method == "FindPassword":
        arguments[0] = "CreatePassword"
    if method == "RevokeAll":
        arguments[0] = options(scope="nothing")
    try:
        client.call(path, interface, method, signature, arguments)
        return True
    except BusError as error:
        # "no" is an answer: the question was heard.
        return error.name in (AUTHENTICATION_FAILED, SECOND_FACTOR_NOT_ENROLLED)
    finally:
        os.close(read_end)


class Callers(TestCase):
    def open_up(self, broker):
        """Opens the directories: so what refuses is the check of the caller, not the file system."""
        home = broker.home
        for path in (home.directory, home.runtime, os.path.join(home.runtime, "sparekey")):
            os.chmod(path, 0o755)
        os.chmod(os.path.join(home.runtime, "sparekey", "peer"), 0o777)

    @needs_root
    def test_p12_another_uid_can_call_nothing(self):
        uid, gid = other_user()
        for owner in ((None, None), (uid - 1, gid)):
            with self.subTest(owner=owner):
                broker = Broker(uid=owner[0], gid=owner[1])
                self.addCleanup(broker.remove)
                path, secret = PATH + "/password/00000", None
                if owner[0] is None:
                    path, secret = broker.connect().create("Phone")
                self.assertEqual(in_child(lambda: succeed(broker.peer_address, path), uid, gid), "PermissionError")
                self.open_up(broker)
                self.assertIn(in_child(lambda: succeed(broker.peer_address, path), uid, gid), CLOSED)

                def lie():
                    """The right uid in words, the wrong one in the kernel's."""
                    try:
                        with Connection(broker.peer_address, timeout=5, uid=owner[0] or 0):
                            return "in"
                    except (Disconnected, OSError):
                        return "out"

                self.assertEqual(in_child(lie, uid, gid), "out")
                if secret is not None:
                    self.assertEqual(broker.connect().verify(secret)[0], path)
                broker.stop()

    @needs_root
    def test_another_uid_takes_nobodys_place(self):
        """Where the file system does not keep strangers away: they cannot drive out those who are about to speak."""
        home = Home()
        self.addCleanup(home.remove)
        address = f"unix:abstract=sparekey-test-{os.getpid()}"
        broker = Broker(home=home, arguments=[f"--listen={address}"], wait=False)
        self.addCleanup(broker.remove)
        silent = Connection(wait_until(lambda: is_served(address) and address), authenticate=False, timeout=10)
        self.addCleanup(silent.close)
        uid, gid = other_user()

        def crowd():
            others = [Connection(address, authenticate=False, timeout=5) for _ in range(40)]
            try:
                closed = sum(other.socket.recv(1) == b"" for other in others)
            finally:
                for other in others:
                    other.close()
            return closed

        self.assertEqual(in_child(crowd, uid, gid), "40")
        silent.authenticate(os.geteuid())
        silent.call(PATH, PEER, "Ping")
        silent.close()
        broker.stop()

    @needs_root
    def test_p12_the_owner_can_call_everything(self):
        """So that the refusals above and below mean something."""
        uid, gid = other_user()
        broker = Broker(uid=uid, gid=gid)
        self.addCleanup(broker.remove)
        path = in_child(lambda: create_there(broker.peer_address, "Phone"), uid, gid).split()[0]
        everything = [method for interface in installed_interfaces().values() for method, _ in methods_of(interface)]
        found = in_child(lambda: succeed(broker.peer_address, path), uid, gid).split()
        self.assertEqual(found, sorted(everything + ["Get", "GetAll", "GetManagedObjects", "Introspect", "Ping"]))
        broker.stop()

    @needs_root
    def test_p12_root_on_a_users_socket_may_verify_and_nothing_else(self):
        uid, gid = other_user()
        broker = Broker(uid=uid, gid=gid)
        self.addCleanup(broker.remove)
        path, secret = in_child(lambda: create_there(broker.peer_address, "Phone"), uid, gid).split()
        found = succeed(broker.peer_address, path).split()
        self.assertEqual(set(found) - {"Introspect", "Ping"}, {"Verify", "VerifyByFileDescriptor"})
        root = broker.peer()
        self.assertEqual(root.verify(secret)[0], path)
        self.assertEqual(set(interfaces_of(root.introspect(PATH))) & {MANAGER, VERIFIER, PASSWORD, OBJECT_MANAGER},
                         {VERIFIER})
        for hidden in (PATH + "/password", path):
            self.assertRaises(BusError, root.introspect, hidden)
        for call in (lambda: root.get(path, "Label"), lambda: root.get_all(path), lambda: root.revoke(path),
                     lambda: root.create("New"), lambda: root.create_inline("New"), root.list, root.managed,
                     lambda: root.get(PATH, "Settings", MANAGER), lambda: root.revoke_all({}),
                     lambda: root.call(path, None, "Revoke", "a{sv}", [{}]),
                     lambda: root.call(PATH, None, "ListPasswords", "a{sv}", [{}])):
            self.assertRaises(BusError, call)
        # Broadcasts tell labels: root hears none of them.
        self.assertEqual(in_child(lambda: labels_after_one_more(broker.peer_address), uid, gid), "Phone, Tablet")
        root.pump(0.5)
        self.assertNotIn("Tablet", repr(root.signals))
        broker.stop()

    @needs_root
    def test_p12_a_session_bus_refuses_another_uid(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        os.chmod(bus.directory, 0o755)
        uid, gid = other_user()

        def come_in():
            try:
                with Client(bus.address, on_bus=True, timeout=5) as client:
                    client.list()
                return "in"
            except (Disconnected, OSError) as error:
                return type(error).__name__

        self.assertEqual(in_child(come_in), "in")
        self.assertNotEqual(in_child(come_in, uid, gid), "in")
        broker.stop()

    def test_only_external_is_offered(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        for mechanism in (b"AUTH ANONYMOUS 00", b"AUTH DBUS_COOKIE_SHA1 30", b"AUTH", b"AUTH KERBEROS_V4"):
            connection = Connection(broker.peer_address, authenticate=False, timeout=5)
            connection.socket.sendall(b"\0" + mechanism + b"\r\n")
            self.assertEqual(connection.line().strip(), b"REJECTED EXTERNAL")
            connection.close()
        self.assertFalse(os.path.exists(os.path.join(broker.home.home, ".dbus-keyrings")))
        broker.stop()


def is_served(address):
    try:
        Connection(address, authenticate=False).close()
        return True
    except OSError:
        return False


def create_there(address, label):
    with Client(address) as client:
        return " ".join(client.create(label))


def labels_after_one_more(address):
    with Client(address) as client:
        client.create("Tablet")
        return ", ".join(sorted(row[1]["Label"] for row in client.list()))


if __name__ == "__main__":
    unittest.main()
