# SPDX-License-Identifier: MIT
"""The end: what was asked before it is answered or refused, what was gathered is written, and it does not last."""
import itertools
import os
import signal
import sqlite3
import threading
import time
import unittest

from support import (ALPHABET, INTROSPECTABLE, MANAGER, PATH, VERIFIER, Broker, Bus, Client, Disconnected, TestCase,
                     TimedOut, locked, wait_until)
from rawdbus import INTERFACE, MEMBER, METHOD_CALL, PATH as PATH_FIELD, frame


def uses_of(store):
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        return sum(count for (count,) in database.execute("SELECT use_count FROM password"))


def fill(store, count):
    """Copies the first password of the store so often, under other ids and labels."""
    database = sqlite3.connect(store, isolation_level=None)
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(password)")]
    first = dict(zip(columns, database.execute("SELECT * FROM password LIMIT 1").fetchone()))
    database.execute("BEGIN")
    for number, symbols in zip(range(count), itertools.product(ALPHABET, repeat=5)):
        row = {**first, "id": "".join(symbols), "label": f"copy {number}", "label_key": f"copy {number}",
               "number": first["number"] + 1 + number}
        database.execute(f"INSERT INTO password ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    database.execute("COMMIT")
    database.close()


class Ending(TestCase):
    def start(self, settings=None):
        broker = Broker(settings=settings)
        self.addCleanup(broker.remove)
        return broker

    def peer(self, broker):
        client = broker.peer()
        self.addCleanup(client.close)
        return client

    def test_uses_wait_for_a_store_that_is_locked(self):
        broker = self.start()
        client = self.peer(broker)
        _, secret = client.create("Phone")
        for _ in range(3):
            client.verify(secret)
        with locked(broker.store):
            broker.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        self.assertEqual(broker.process.wait(20), 0)
        self.assertNotIn("uses-not-written", broker.log())
        self.assertEqual(uses_of(broker.store), 3)

    def test_a_store_that_stays_locked_is_given_up(self):
        broker = self.start()
        client = self.peer(broker)
        _, secret = client.create("Phone")
        client.verify(secret)
        begin = time.monotonic()
        with locked(broker.store):
            self.assertEqual(broker.end(), 0)
        self.assertIn("uses-not-written entries=1", broker.log())
        self.assertLess(time.monotonic() - begin, 8)

    def test_a_large_answer_is_read_to_its_end(self):
        broker = self.start({"max-passwords": "1000"})
        client = self.peer(broker)
        client.create("Phone")
        fill(broker.store, 900)
        serial = client.send(PATH, MANAGER, "ListPasswords", "a{sv}", [{}])
        time.sleep(0.3)
        broker.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        self.assertEqual(len(client.wait(serial, 10).args[0]), 901)
        self.assertEqual(broker.process.wait(10), 0)

    def unread(self, broker):
        """A connection that leaves more unread than its socket holds."""
        slow = self.peer(broker)
        for _ in range(10):
            slow.send_bytes(b"".join(frame(METHOD_CALL, slow.next_serial(), {PATH_FIELD: PATH, INTERFACE: INTROSPECTABLE,
                                                                              MEMBER: "Introspect"}) for _ in range(40)))
            time.sleep(0.05)
        return slow

    def test_who_does_not_read_is_not_waited_for(self):
        broker = self.start()
        self.unread(broker)
        begin = time.monotonic()
        self.assertEqual(broker.end(), 0)
        self.assertLess(time.monotonic() - begin, 5)

    def test_who_goes_is_not_waited_for(self):
        broker = self.start()
        slow = self.unread(broker)
        broker.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        begin = time.monotonic()
        slow.close()
        self.assertEqual(broker.process.wait(20), 0)
        self.assertLess(time.monotonic() - begin, 0.5)

    def test_a_call_that_comes_meanwhile(self):
        """It is refused, and what it brings is let go of."""
        broker = self.start()
        self.unread(broker)
        late = self.peer(broker)
        read_end, write_end = os.pipe()
        broker.process.send_signal(signal.SIGSTOP)
        try:
            serial = late.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [read_end, "imap", {}])
            broker.process.send_signal(signal.SIGTERM)
        finally:
            broker.process.send_signal(signal.SIGCONT)
        self.assertIsNotNone(late.wait(serial, 10).error_name)
        self.assertEqual(broker.process.wait(20), 0, broker.log())
        os.close(read_end)
        os.close(write_end)

    def test_calls_that_come_without_end(self):
        broker = self.start()
        self.unread(broker)
        flood = self.peer(broker)
        is_over = threading.Event()

        def send():
            read_end, write_end = os.pipe()
            try:
                while not is_over.is_set():
                    flood.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [read_end, "imap", {}])
                    flood.pump()
            except (Disconnected, TimedOut, OSError):
                pass
            finally:
                os.close(read_end)
                os.close(write_end)

        sender = threading.Thread(target=send)
        sender.start()
        begin = time.monotonic()
        try:
            time.sleep(0.2)
            self.assertEqual(broker.end(), 0, broker.log())
            self.assertLess(time.monotonic() - begin, 6)
        finally:
            is_over.set()
            sender.join()


class Undoing(TestCase):
    """What was made for a caller who is gone is ended, also if the store is locked just then."""

    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.stop)
        self.broker = Broker(self.bus)
        self.addCleanup(self.broker.remove)
        self.broker.connect().create("First")  # so that the store is there

    def count(self):
        with sqlite3.connect(f"file:{self.broker.store}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM password").fetchone()[0]

    def made_for_nobody(self):
        """The bus stands still, so the broker is not told yet that the caller has gone."""
        self.broker.process.send_signal(signal.SIGSTOP)
        client = Client(self.bus.address, on_bus=True)
        client.send(PATH, MANAGER, "CreatePassword", "sa{sv}", ["Lost", {}])
        client.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", destination="org.freedesktop.DBus")
        client.close()
        wait_until(lambda: self.bus_forgot(client.name), what="the end of the caller")
        self.bus.process.send_signal(signal.SIGSTOP)
        self.broker.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.count() == 2, what="the creation")

    def bus_forgot(self, name):
        with self.bus.connect() as connection:
            return not connection.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", [name],
                                       destination="org.freedesktop.DBus")[0]

    def test_it_waits_for_a_store_that_is_locked(self):
        try:
            self.made_for_nobody()
            with locked(self.broker.store):
                self.bus.process.send_signal(signal.SIGCONT)
                time.sleep(3)
        finally:
            self.bus.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.count() == 1, what="the end of what nobody knows of")
        wait_until(lambda: "reason=caller-gone" in self.broker.log(), what="the word about it")
        self.broker.stop()

    def test_at_the_end_too(self):
        try:
            self.made_for_nobody()
            with locked(self.broker.store):
                self.bus.process.send_signal(signal.SIGCONT)
                time.sleep(0.3)
                self.broker.process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
        finally:
            self.bus.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.broker.process.wait(20), 0, self.broker.log())
        self.assertEqual(self.count(), 1)

    def test_it_does_not_keep_the_end_waiting_for_ever(self):
        try:
            self.made_for_nobody()
            with locked(self.broker.store):
                self.bus.process.send_signal(signal.SIGCONT)
                time.sleep(0.3)
                self.assertEqual(self.broker.end(), 0)
        finally:
            self.bus.process.send_signal(signal.SIGCONT)
        self.assertIn("undo-failed", self.broker.log())


if __name__ == "__main__":
    unittest.main()
