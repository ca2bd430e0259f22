#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How a broker starts, shares its place, goes when idle and ends: the name, the ways in, exit codes, signals."""
import os
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from support import (AUTHENTICATION_FAILED, MANAGER, NAME, PASSWORD, PATH, SPAREKEYD, VERIFIER, Broker, Bus, Client, Home, TestCase, locked, run_broker, start, unknown_secret, wait_until)

DRIVER = ("/org/freedesktop/DBus", "org.freedesktop.DBus")


def on_driver(connection, member, signature="", args=()):
    return connection.call(*DRIVER, member, signature, args, destination=DRIVER[1])


class TheName(TestCase):
    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.stop)

    def test_a_second_broker_says_who_has_the_name(self):
        broker = Broker(self.bus)
        self.addCleanup(broker.remove)
        owner = self.bus.owner()
        home = Home()
        self.addCleanup(home.remove)
        done = run_broker(home, f"--address={self.bus.address}")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn(NAME, done.stderr)
        self.assertIn(owner, done.stderr)
        self.assertIn(str(broker.pid), done.stderr)
        self.assertEqual(self.bus.owner(), owner)
        broker.stop()
        wait_until(lambda: self.bus.owner() is None, what="the name to be free: nobody queued for it")

    def test_the_name_cannot_be_taken_from_it(self):
        broker = Broker(self.bus)
        self.addCleanup(broker.remove)
        owner = self.bus.owner()
        with self.bus.connect() as thief:
            for flags in (0, 1, 2, 3, 4, 7):
                self.assertNotIn(on_driver(thief, "RequestName", "su", [NAME, flags])[0], (1, 4))
            self.assertEqual(self.bus.owner(), owner)
        self.assertEqual(self.bus.owner(), owner)
        broker.stop()

    def test_it_asks_not_to_queue(self):
        """The flags of RequestName, as a monitor sees them."""
        with self.bus.connect() as monitor:
            monitor.call(*DRIVER[:1], "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                         [["member='RequestName'"], 0], destination=DRIVER[1])
            broker = Broker(self.bus)
            self.addCleanup(broker.remove)
            wait_until(lambda: monitor.pump(0.05) or monitor.calls)
            self.assertEqual([call.args for call in monitor.calls if call.args[0] == NAME], [[NAME, 4]])
        broker.stop()

    def test_the_first_call_finds_a_whole_broker(self):
        """Callers that wait for the name and call in the same breath."""
        for _ in range(10):
            with Client(self.bus.address, on_bus=True) as client:
                on_driver(client, "AddMatch", "s", [f"member='NameOwnerChanged',arg0='{NAME}'"])
                broker = Broker(self.bus, wait=False)
                self.addCleanup(broker.remove)
                client.wait_signal("NameOwnerChanged", where=lambda found: found.args[2] != "")
                self.assert_error(AUTHENTICATION_FAILED, client.verify, unknown_secret())
                self.assertTrue(client.get(PATH, "PeerAddress", MANAGER).startswith(broker.peer_address))
                broker.stop()
                wait_until(lambda: self.bus.owner() is None)

    def test_it_ends_with_its_bus(self):
        bus = Bus()
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        with broker.peer() as client:
            _, secret = client.create("Phone")
            client.verify(secret)
            bus.stop()
            self.assertEqual(broker.process.wait(10), 0, broker.log())
        self.assertEqual(uses_of(broker.store), 1)

    def test_a_bus_that_is_not_there(self):
        home = Home()
        self.addCleanup(home.remove)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            dead = os.path.join(home.directory, "dead")
            silent.bind(dead)
        for address in ("unix:path=/nowhere/bus", f"unix:path={dead}", "unix:", "nonsense", ""):
            with self.subTest(address=address):
                done = run_broker(home, f"--address={address}")
                self.assertEqual(done.returncode, 69, done.stderr)
                self.assertIn("no-bus", done.stderr)
                self.assertLess(len(done.stderr.splitlines()), 4)


def uses_of(store):
    """How many uses are written in the file."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        found = database.execute("SELECT coalesce(sum(count), 0) FROM event WHERE kind = 'verified'").fetchone()[0]
    database.close()
    return found


class TwoOfOneUser(TestCase):
    def test_a_second_broker_leaves_the_peer_socket_to_the_first(self):
        first = Broker()
        self.addCleanup(first.remove)
        _, secret = first.peer().create("Phone")
        done = run_broker(first.home, "--address=none")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("another broker", done.stderr)
        self.assertEqual(len(first.peer().list()), 1)
        bus = Bus()
        self.addCleanup(bus.stop)
        second = Broker(bus, home=first.home)  # with a bus it has another way in, and goes on
        self.addCleanup(second.remove)
        self.assertEqual(second.connect().verify(secret)[1]["label"], "Phone")
        self.assertEqual(second.connect().get(PATH, "PeerAddress", MANAGER), "")
        self.assertNotIn("peer", second.connect().get(PATH, "Features", MANAGER))
        self.assertEqual(len(first.peer().list()), 1)
        second.stop()
        first.peer().ping()
        first.stop()

    def test_the_place_of_a_killed_one_is_taken_over(self):
        first = Broker()
        path, secret = first.peer().create("Phone")
        first.kill()
        second = Broker(home=first.home)
        self.assertEqual(second.peer().verify(secret)[0], path)
        second.stop()
        first.remove()


class Listening(TestCase):
    def test_listen_addresses(self):
        home = Home()
        self.addCleanup(home.remove)
        addresses = [f"unix:path={home.directory}/one", f"unix:path={home.directory}/two"]
        broker = Broker(home=home, arguments=[f"--listen={address}" for address in addresses], wait=False)
        self.addCleanup(broker.remove)
        for address in addresses:
            wait_until(lambda address=address: os.path.exists(address.partition("=")[2]))
        with Client(addresses[0]) as one, Client(addresses[1]) as two:
            path, secret = one.create("Phone")
            self.assertEqual(two.verify(secret)[0], path)
        self.assertFalse(os.path.exists(os.path.join(home.runtime, "sparekey", "peer")))
        broker.stop()

    def test_a_listening_socket_handed_over(self):
        """As systemd does it: descriptor 3, LISTEN_FDS and LISTEN_PID."""
        home = Home()
        self.addCleanup(home.remove)
        place = os.path.join(home.directory, "handed")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(place)
            listener.listen()
            line = f'exec 3<&{listener.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@"'
            process = start(["bash", "-c", line, SPAREKEYD, "--address=none", "--idle-exit=1"],
                            pass_fds=[listener.fileno()], env=home.environment(), stderr=subprocess.DEVNULL)
        with Client(f"unix:path={place}") as client:
            path, secret = client.create("Phone")
            self.assertEqual(client.verify(secret)[0], path)
        self.assertFalse(os.path.exists(os.path.join(home.runtime, "sparekey", "peer")))
        self.assertEqual(process.wait(10), 0)

    def test_sockets_handed_to_somebody_else(self):
        """What a service manager left in the environment of another process means nothing to us."""
        home = Home()
        self.addCleanup(home.remove)
        for changes in ({"LISTEN_PID": "1"}, {"LISTEN_PID": None}, {"LISTEN_PID": "x"}):
            with self.subTest(changes=changes):
                broker = Broker(home=home, environment={"LISTEN_FDS": "1", **changes})
                self.addCleanup(broker.remove)
                broker.peer().ping()
                broker.stop()

    def test_addresses_that_cannot_be(self):
        home = Home()
        self.addCleanup(home.remove)
        for address in ("nonsense", "unix:path=/nowhere/at/all", "unix:", ""):
            done = run_broker(home, "--address=none", f"--listen={address}")
            self.assertEqual(done.returncode, 69, (address, done.stderr))


class Silence(TestCase):
    """A bus that takes connections, or not even those, and says nothing: the start ends, or is ended."""

    def setUp(self):
        self.home = Home()
        self.addCleanup(self.home.remove)
        place = os.path.join(self.home.directory, "silent")
        self.address = f"unix:path={place}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(self.listener.close)
        self.listener.bind(place)

    def start(self):
        broker = Broker(home=self.home, address=f"--address={self.address}", wait=False)
        self.addCleanup(broker.remove)
        wait_until(lambda: os.path.exists(os.path.join(self.home.runtime, "sparekey", "peer")), what="the peer socket")
        return broker

    def fill(self):
        """Connects until nobody more can."""
        self.listener.listen(0)
        while True:
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.addCleanup(one.close)
            one.setblocking(False)
            try:
                one.connect(self.listener.getsockname())
            except BlockingIOError:
                return

    def check(self):
        broker = self.start()
        begin = time.monotonic()
        with Client(broker.peer_address, timeout=5) as peer:  # nobody waits for the bus there
            _, secret = peer.create("Phone")
            peer.verify(secret)
        self.assertIsNone(broker.process.poll())
        self.assertEqual(broker.process.wait(20), 69)
        self.assertIn("no answer in 10 seconds", broker.log())
        self.assertGreater(time.monotonic() - begin, 5)
        broker = self.start()
        time.sleep(0.2)
        begin = time.monotonic()
        self.assertEqual(broker.end(), 0)
        self.assertLess(time.monotonic() - begin, 2)

    def test_a_bus_that_says_nothing(self):
        self.listener.listen(5)
        self.check()

    def test_a_bus_that_takes_nobody(self):
        self.fill()
        self.check()

    def test_a_bus_that_comes_back(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        bus.process.send_signal(signal.SIGSTOP)
        self.address = bus.address
        broker = self.start()
        time.sleep(0.3)
        bus.process.send_signal(signal.SIGCONT)
        wait_until(lambda: bus.owner() is not None)
        with Client(bus.address, on_bus=True) as client:
            client.create("Phone")
        broker.stop()


class CommandLine(TestCase):
    def test_exit_codes(self):
        home = Home()
        self.addCleanup(home.remove)
        for arguments in (("--fly",), ("argument",), ("--idle-exit=-1",), ("--idle-exit=1d",), ("--idle-exit=86401",),
                          ("--idle-exit",)):
            with self.subTest(arguments=arguments):
                self.assertEqual(run_broker(home, *arguments).returncode, 64)
        self.assertRegex(run_broker(home, "--version").stdout, r"^sparekeyd \d+\.\d+")

    def test_data_dir_holds_the_store_itself(self):
        home = Home()
        self.addCleanup(home.remove)
        place = os.path.join(home.directory, "elsewhere")
        broker = Broker(home=home, arguments=[f"--data-dir={place}"])
        self.addCleanup(broker.remove)
        broker.peer().create("Phone")
        self.assertTrue(os.path.exists(os.path.join(place, "sparekey.db")))
        self.assertFalse(os.path.exists(home.data_dir))
        broker.stop()


class Ending(TestCase):
    """SIGTERM and SIGINT: replies under way are finished or refused, everything gathered is written."""

    def test_gathered_uses_are_written(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                broker = Broker()
                self.addCleanup(broker.remove)
                client = broker.peer()
                path, secret = client.create("Phone")
                for _ in range(5):
                    client.verify(secret, "smtp", remote="192.0.2.9")
                self.assert_error(AUTHENTICATION_FAILED, client.verify, "nonsense", "smtp")
                self.assertEqual(uses_of(broker.store), 0, "they should still be waiting")
                self.assertEqual(broker.end(number), 0)
                self.assertEqual(uses_of(broker.store), 5)
                again = Broker(home=broker.home)
                found = again.peer().get_all(path)
                self.assertEqual((found["UseCount"], found["LastUsedFrom"]), (5, "192.0.2.9"))
                self.assertIn("refused", [event[2] for event in again.peer().events()])
                again.stop()

    def test_uses_are_written_within_seconds_anyway(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        client = broker.peer()
        _, secret = client.create("Phone")
        client.verify(secret)
        client.verify(secret)
        wait_until(lambda: uses_of(broker.store) == 2, 6, "the writing of uses")
        broker.kill()

    def test_calls_under_way_are_finished_or_refused(self):
        """Hashes that run, one that waits for its secret, one that waits for the store: each is answered."""
        for bus in (None, Bus()):
            if bus is not None:
                self.addCleanup(bus.stop)
            broker = Broker(bus, settings={"argon2-memory-kib": 65536, "argon2-passes": 3, "cache-seconds": 0})
            self.addCleanup(broker.remove)
            client = broker.connect()
            path, secret = client.create("Phone")
            silent, write_end = os.pipe()
            serials = {"silent": client.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [silent, "imap", {}])}
            for number in range(6):
                serials[f"verify {number}"] = client.send(PATH, VERIFIER, "Verify", "ssa{sv}", [secret, "imap", {}])
                serials[f"create {number}"] = client.send(PATH, MANAGER, "CreatePassword", "sa{sv}", [f"x{number}", {}])
            client.ping()
            broker.process.terminate()
            made = set()
            for case, serial in serials.items():
                reply = client.wait(serial, 20)
                self.assertNotEqual(reply.error_name, "org.freedesktop.DBus.Error.NoReply", case)
                if reply.error_name is None and case.startswith("create"):
                    made.add(reply.args[0])
                if case == "silent":
                    self.assertIsNotNone(reply.error_name)
            self.assertEqual(broker.process.wait(20), 0, broker.log())
            broker.check_log()
            os.close(silent)
            os.close(write_end)
            again = Broker(home=broker.home)
            self.assertEqual(set(again.peer().paths()), made | {path}, "acknowledged and there are not the same")
            again.stop()

    def test_it_ends_though_the_store_is_locked(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        client = broker.peer()
        path, secret = client.create("Phone")
        client.verify(secret)
        with locked(broker.store):
            serial = client.send(path, PASSWORD, "Rename", "sa{sv}", ["Tablet", {}])
            time.sleep(0.1)
            begin = time.monotonic()
            broker.process.terminate()
            self.assertIsNotNone(client.wait(serial, 5).error_name)
            self.assertEqual(broker.process.wait(10), 0, broker.log())
            self.assertLess(time.monotonic() - begin, 6)
        self.assertEqual(uses_of(broker.store), 0)


class Idle(TestCase):
    def broker(self, seconds=1, **keywords):
        broker = Broker(arguments=[f"--idle-exit={seconds}"], **keywords)
        self.addCleanup(broker.remove)
        return broker

    def ends(self, broker, least, most):
        begin = time.monotonic()
        self.assertEqual(broker.process.wait(most), 0, broker.log())
        self.assertGreater(time.monotonic() - begin, least)

    def test_it_goes_when_idle_and_gives_the_name_back(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = self.broker(bus=bus)
        with Client(bus.address, on_bus=True) as client:  # who merely is on the bus keeps nobody
            client.ping()
            self.ends(broker, 0.5, 5)
        self.assertIsNone(bus.owner())

    def test_a_peer_connection_keeps_it(self):
        broker = self.broker()
        with Client(broker.peer_address) as client:
            time.sleep(2.5)
            client.ping()
        self.ends(broker, 0.5, 5)

    def test_a_call_under_way_keeps_it(self):
        """On the bus: a secret that does not come for three seconds."""
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = self.broker(bus=bus)
        with Client(bus.address, on_bus=True) as client:
            _, secret = client.create("Phone")
            read_end, write_end = os.pipe()
            serial = client.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [read_end, "imap", {}])
            time.sleep(3)
            os.write(write_end, secret.encode())
            os.close(write_end)
            os.close(read_end)
            self.assertIsNone(client.wait(serial).error_name)
            self.ends(broker, 0.5, 8)  # the use is written first
        self.assertEqual(uses_of(broker.store), 1)

    def test_a_hash_under_way_keeps_it(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = self.broker(bus=bus, settings={"argon2-memory-kib": 262144, "argon2-passes": 12})
        with Client(bus.address, on_bus=True, timeout=90) as client:
            path, secret = client.create("Phone")
            self.assertEqual(path.rpartition("/")[2], secret[:5])
            self.assertEqual([row[0] for row in client.list()], [path])
            self.ends(broker, 0.5, 8)

    def test_no_call_is_lost_as_it_goes(self):
        """Under D-Bus activation: calls that arrive at the very moment it goes are answered, by it or by the next one."""
        bus = Bus()
        self.addCleanup(bus.stop)
        home = Home()
        self.addCleanup(home.remove)
        script = os.path.join(home.directory, "activate")
        with open(script, "w", encoding="utf-8") as stream:
            stream.write("#!/bin/sh\n" + "".join(f"export {name}='{value}'\n" for name, value in
                                                home.environment(bus).items()) +
                         f"exec {SPAREKEYD} --address={bus.address} --idle-exit=1 2>>{script}.log\n")
        os.chmod(script, 0o755)
        with open(os.path.join(bus.directory, "services", "sparekey.service"), "w", encoding="utf-8") as stream:
            stream.write(f"[D-BUS Service]\nName={NAME}\nExec={script}\n")
        with bus.connect() as connection:
            on_driver(connection, "ReloadConfig")
        with Client(bus.address, on_bus=True) as client:
            secret = client.create_inline("Phone")[1]
        pause, last, changes, calls = 1.0, None, 0, 0
        end = time.monotonic() + 12
        with Client(bus.address, on_bus=True, timeout=20) as client:
            while time.monotonic() < end:
                self.assertEqual(client.verify_inline(secret, record=False)[1]["label"], "Phone")
                answered = time.monotonic()
                owner = bus.owner()
                # Half of the calls shall come just before it goes, half just after: the moments around it are the test.
                pause += -0.0005 if owner != last else 0.0005
                changes += owner != last
                last = owner
                calls += 1
                time.sleep(max(0.0, pause + (calls % 5 - 2) * 0.0003 - (time.monotonic() - answered)))
        self.assertGreater(changes, 2, "it never went between the calls")
        self.assertGreater(calls - changes, 1, "it always went between the calls")
        wait_until(lambda: bus.owner() is None, 8, "the last one to go")


if __name__ == "__main__":
    unittest.main()
