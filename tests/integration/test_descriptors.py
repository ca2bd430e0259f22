# SPDX-License-Identifier: MIT
"""P28: descriptors that come with messages. However many, the broker stays on its bus and nobody waits for another's.

run-tests: alone
"""
import contextlib
import os
import resource
import time
import unittest

from support import (AUTHENTICATION_FAILED, LIMIT_EXCEEDED, MANAGER, NAME, PASSWORD, PASSWORDS, PATH, PEER, SANITIZER, VERIFIER,
                     Broker, Bus, BusError, Client, Disconnected, TestCase, TimedOut, Variant, locked, needs_root, wait_until)

GONE = (Disconnected, TimedOut, OSError)
SLOW = 5 if SANITIZER else 1


class DescriptorsTest(TestCase):
    def start(self, hard=None, bus=True):
        def limit():
            if hard is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

        if bus:
            self.bus = Bus()
            self.addCleanup(self.bus.stop)
        self.broker = Broker(self.bus if bus else None, preexec=limit)
        self.addCleanup(self.broker.remove)
        self.read_end, write_end = os.pipe()
        self.addCleanup(os.close, self.read_end)
        self.addCleanup(os.close, write_end)

    def peer(self, **keywords):
        client = self.broker.peer(**keywords)
        self.addCleanup(client.close)
        return client

    def on_bus(self, **keywords):
        client = self.broker.connect(**keywords)
        self.addCleanup(client.close)
        return client

    def freeze(self, client, count):
        return client.send(PASSWORDS + "/aaaaa", PASSWORD, "Freeze", "a{sv}", [{}], extra_fds=[self.read_end] * count)

    def count(self):
        return len(os.listdir(f"/proc/{self.broker.pid}/fd"))


class Peers(DescriptorsTest):
    def test_as_many_as_the_kernel_passes(self):
        self.start()
        owner = self.bus.owner()
        for count in (0, 1, 16, 17, 253):
            with self.subTest(count=count):
                with self.broker.peer(timeout=10) as client:  # one alone: peers share
                    reply = client.call_message(PATH, VERIFIER, "Verify", "ssa{sv}", ["x", "imap", {}],
                                                extra_fds=[self.read_end] * count)
                    self.assertEqual(reply.error_name, AUTHENTICATION_FAILED)
                self.assertEqual(self.bus.owner(), owner)
        self.broker.stop()

    @needs_root
    def test_they_are_closed_again(self):
        self.start()
        self.peer().ping()
        before = self.count()
        for count in (16, 17, 100, 253):
            for _ in range(5):
                with self.broker.peer(timeout=10) as client, contextlib.suppress(*GONE):
                    client.call_message(PATH, VERIFIER, "Verify", "ssa{sv}", ["x", "imap", {}],
                                        extra_fds=[self.read_end] * count)
        wait_until(lambda: self.count() <= before + 1, 5, "the closing of descriptors")
        self.broker.stop()

    def test_they_cannot_fill_the_table(self):
        """Sixty peers with calls that wait for the store, and as many descriptors in each as pass."""
        self.start()
        client = self.on_bus(timeout=20)
        _, secret = client.create("Phone")
        owner = self.bus.owner()
        peers = [self.peer(timeout=20) for _ in range(60)]
        with locked(self.broker.store):
            for count in (16, 253):
                for peer in peers:
                    for _ in range(3):
                        with contextlib.suppress(*GONE):
                            self.freeze(peer, count)
            if os.geteuid() == 0:
                self.assertLess(self.count(), 4000)
            with contextlib.suppress(BusError):
                client.verify("nonsense")
        client.verify(secret)
        self.assertEqual(self.bus.owner(), owner)
        self.broker.stop()

    def test_a_table_that_is_small(self):
        """Calls that bring a descriptor are refused before the connections have none."""
        self.start(hard=1024)
        client = self.on_bus(timeout=20)
        owner = self.bus.owner()
        found = set()
        for _ in range(20):
            peer = self.peer(timeout=20)
            serials = [peer.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [self.read_end, "imap", {}])
                       for _ in range(64)]
            peer.pump(0.1)
            found |= {peer.replies[serial].error_name for serial in serials if serial in peer.replies}
        self.assertEqual(found, {LIMIT_EXCEEDED})
        self.freeze(client, 16)
        client.ping()
        self.assertEqual(self.bus.owner(), owner)
        self.broker.stop()

    @needs_root
    def test_a_table_that_is_full(self):
        """Who waits to be let in costs nothing, and is let in as soon as somebody goes."""
        self.start(hard=64, bus=False)
        peers = []
        for _ in range(80):
            with contextlib.suppress(*GONE, BusError):
                peers.append(Client(self.broker.peer_address, timeout=0.2))
                self.addCleanup(peers[-1].close)
        self.assertGreaterEqual(self.count(), 63)
        before = self.processor_time()
        time.sleep(1)
        self.assertLess(self.processor_time() - before, 0.3)
        for peer in peers[:30]:
            peer.close()
        with Client(self.broker.peer_address, timeout=10 * SLOW) as client:
            client.ping()
        for peer in peers:
            peer.close()
        self.broker.stop()

    def processor_time(self):
        with open(f"/proc/{self.broker.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Waiting(DescriptorsTest):
    """One caller's calls wait for the store, or for each other; others on the same bus do not."""

    def pings(self, send):
        self.start()
        many = self.on_bus(timeout=20)
        many.create("Phone")
        other = self.on_bus(timeout=20)
        with locked(self.broker.store):
            for _ in range(40):
                send(many)
                time.sleep(0.005)  # a bus refuses what it could not deliver at once
            longest = 0
            for _ in range(10):
                begin = time.monotonic()
                other.call(PATH, PEER, "Ping")
                longest = max(longest, time.monotonic() - begin)
                time.sleep(0.02)
        self.assertLess(longest, 0.3 * SLOW)
        self.assertIsNotNone(self.bus.owner())
        self.broker.stop()

    def test_for_the_store(self):
        self.pings(lambda client: self.freeze(client, 16))

    def test_for_each_other(self):
        self.pings(lambda client: client.send(PATH, MANAGER, "ListPasswords", "a{sv}", [{}],
                                              extra_fds=[self.read_end] * 16))

    def test_with_large_messages(self):
        self.pings(lambda client: client.send(PASSWORDS + "/aaaaa", PASSWORD, "Freeze", "a{sv}",
                                              [{"unknown": Variant("s", "x" * 50000)}], destination=NAME))

    def test_for_each_other_with_large_messages(self):
        self.pings(lambda client: client.send(PATH, MANAGER, "ListPasswords", "a{sv}",
                                              [{"unknown": Variant("s", "x" * 50000)}]))


class Unread(DescriptorsTest):
    def test_answers_with_descriptors_that_nobody_reads(self):
        """Nothing more begins for who leaves many; whoever is still there is served."""
        self.start(bus=False)
        client = self.peer(timeout=30)
        client.create("Phone")
        greedy = self.peer(timeout=30)
        for number in range(64):
            greedy.send(PATH, MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", [f"one {number}", {}])
        wait_until(lambda: len(client.list()) == 65, 30, "the creation of all")
        for message in [greedy.wait(serial) for serial in sorted(greedy.awaited)]:
            self.assertIsNone(message.error_name)
            message.close()
        self.broker.stop()


if __name__ == "__main__":
    unittest.main()
