#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# run-tests: alone
"""The numbered promises of docs/THREATS.md on durability, availability and side channels, shown on a real broker from
outside. P1-P3 and P23 are in test_at_rest, P7-P9 in test_memory, P12 in test_callers."""
import fcntl
import os
import random
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (AUTHENTICATION_FAILED, INVALID_ARGS, MANAGER, PATH, SANITIZER,  # noqa: E402
                     STORAGE_FAILED, VERIFIER, Broker, Bus, BusError, Client, Disconnected, Home, TestCase, TimedOut,
                     Variant, mistyped_secret, options, run_tool, unknown_secret, wait_until, wrong_secret)
from rawdbus import (DESTINATION, ERROR, INTERFACE, MEMBER, METHOD_CALL, METHOD_RETURN,  # noqa: E402
                     REPLY_SERIAL, SIGNAL, SIGNATURE, UNIX_FDS, frame, marshal)
from rawdbus import PATH as PATH_FIELD  # noqa: E402

KILLS = int(os.environ.get("SPAREKEY_KILLS", "200"))
RACES = int(os.environ.get("SPAREKEY_RACES", "10000"))  # verifications after a revocation, half of them in each process
plain_build = unittest.skipIf(SANITIZER, "the sanitizer's own memory and traps are in the way")
GONE = (Disconnected, TimedOut, OSError)

RESERVED_BYTE = 0x40000001  # SQLite's file format: who holds this byte is inside a write transaction
HOT_MAGIC = bytes.fromhex("d9d505f920a163d7")


def refusal(call):
    try:
        call()
    except BusError as error:
        return error.name, error.text
    raise AssertionError("it was accepted")


def writer_of(store):
    """The process that is inside a write transaction on the open file `store`, or 0."""
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, RESERVED_BYTE, 1, 0)
    kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(store, fcntl.F_GETLK, asked))
    return pid if kind != fcntl.F_UNLCK else 0


def kill_in_commit(pid, store, after, within):
    """In a child of ours: waits, then kills `pid` some microseconds after it is seen inside a write transaction; after
    two seconds it kills it wherever it is. Exits with 1 if the transaction was still under way at the last look."""
    child = os.fork()
    if child != 0:
        return child
    inside = False
    try:
        time.sleep(after)
        file = os.open(store, os.O_RDONLY)
        deadline = time.monotonic() + 2
        while writer_of(file) != pid and time.monotonic() < deadline:
            pass
        moment = time.perf_counter() + within
        while time.perf_counter() < moment:
            pass
        inside = writer_of(file) == pid
        os.kill(pid, signal.SIGKILL)
    finally:
        os._exit(1 if inside else 0)


class Books:
    """What one client was told: its own list of acknowledgements."""

    def __init__(self):
        self.live = {}
        self.ended = set()
        self.unsure = set()  # asked to be revoked, and not told whether it was

    def work(self, client, prefix, go_on):
        """Creates and revokes until `go_on` says no or the broker is gone."""
        number = 0
        while go_on():
            number += 1
            try:
                path, secret = client.create(f"{prefix}-{number}")
            except BusError as error:  # two brokers write: the store may be held for two seconds
                if error.name != STORAGE_FAILED:
                    raise
                continue
            self.live[path] = secret
            if number % 2 == 0:
                self.revoke(client, random.choice([path for path in self.live if path not in self.unsure]))

    def revoke(self, client, victim):
        self.unsure.add(victim)
        try:
            client.revoke(victim)
        except BusError as error:
            if error.name != STORAGE_FAILED:
                raise
            self.unsure.discard(victim)  # nothing was changed
            return
        self.unsure.discard(victim)
        self.live.pop(victim)
        self.ended.add(victim)

    def settle(self, there):
        """What was asked and not answered may have happened or not: what is there decides."""
        for path in self.unsure:
            secret = self.live.pop(path, None)
            if path in there:
                self.live[path] = secret
        self.unsure.clear()


class Durability(TestCase):
    def test_p18_kills_lose_and_revive_nothing(self):
        """Kills at random points inside the commit, while a second broker writes to the same store all the time."""
        kills = min(KILLS, 40) if SANITIZER else KILLS
        home = Home(settings={"max-passwords": "100000"})
        self.addCleanup(home.remove)
        steady_home = Home(settings={"max-passwords": "100000"})
        self.addCleanup(steady_home.remove)
        books, meanwhile = Books(), Books()
        first = Broker(home=home)
        first.peer().create("first")
        first.stop()
        steady = Broker(home=steady_home, arguments=[f"--data-dir={home.data_dir}"])
        self.addCleanup(steady.remove)
        ending = threading.Event()
        trouble = []

        def second_broker():
            try:
                with Client(steady.peer_address) as client:
                    meanwhile.work(client, "steady", lambda: not ending.wait(0.02))
            except BaseException as error:  # the main thread must learn of everything
                trouble.append(error)

        worker = threading.Thread(target=second_broker)
        worker.start()
        inside = hot = 0
        try:
            for number in range(kills):
                was_inside, was_hot = self.kill_once(home, books, number)
                inside += was_inside
                hot += was_hot
                self.assertEqual(trouble, [])
        finally:
            ending.set()
            worker.join()
        steady.stop()
        print(f"P18: {kills} kills, {inside} inside a commit, {hot} left a hot journal, "
              f"{len(books.live) + len(books.ended)} + {len(meanwhile.live) + len(meanwhile.ended)} acknowledged",
              file=sys.stderr)
        self.assertGreater(inside, kills // 2)
        self.assertGreater(hot, kills // 10)
        self.assertGreater(len(meanwhile.live), kills // 8)
        self.assertGreater(len(meanwhile.ended), kills // 20)
        self.check_books(home, books, meanwhile)

    def kill_once(self, home, books, number):
        broker = Broker(home=home)
        client = broker.peer()
        killer = kill_in_commit(broker.pid, home.store, random.uniform(0, 0.03), random.uniform(0, 0.0015))
        try:
            books.work(client, f"{number}", lambda: True)
        except GONE:  # the kill, wherever it hit
            pass
        broker.process.wait()
        with open(home.store + "-journal", "rb") as stream:
            is_hot = stream.read(8) == HOT_MAGIC
        _, status = os.waitpid(killer, 0)
        broker.check_log()
        self.assertEqual(broker.process.returncode, -signal.SIGKILL, broker.log())
        client.close()
        return os.waitstatus_to_exitcode(status) == 1, is_hot

    def check_books(self, home, *all_books):
        broker = Broker(home=home)
        client = broker.peer()
        there = set(client.paths())
        for books in all_books:
            books.settle(there)
            self.assertEqual([path for path in books.live if path not in there], [], "acknowledged and lost")
            self.assertEqual([path for path in books.ended if path in there], [], "revoked and back")
            for path, secret in random.sample(sorted(books.live.items()), min(100, len(books.live))):
                self.assertEqual(client.verify(secret)[0], path)
        with sqlite3.connect(f"file:{home.store}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            created = {row[0] for row in database.execute("SELECT DISTINCT password FROM event WHERE kind = 'created'")}
        database.close()
        # Record and journal line are one transaction.
        self.assertEqual([path for path in there if path.rpartition("/")[2] not in created], [])
        broker.stop()

    def test_p20_refused_after_revoke_from_any_process(self):
        """Warm in one broker with a use that waits to be written, revoked in the other, and verifications under way in
        both while it is: the one that starts after the acknowledgement is refused by either."""
        races = 500 if SANITIZER else RACES
        homes = [Home(settings={"max-passwords": "100000"}, volatile=True) for _ in range(2)]
        brokers = [Broker(home=homes[0]), Broker(home=homes[1], arguments=[f"--data-dir={homes[0].data_dir}"])]
        for home, broker in zip(homes, brokers):
            self.addCleanup(home.remove)
            self.addCleanup(broker.remove)
        clients = [broker.peer() for broker in brokers]
        racers = [broker.peer() for broker in brokers]
        accepted = []
        warm_ones = 0
        for number in range(races // 2):
            one, other = (clients[number % 2], clients[1 - number % 2])
            path, secret = one.create_inline(f"race {number}")
            one.verify_inline(secret)
            under_way = [(racer, racer.send(PATH, VERIFIER, "Verify", "ssa{sv}", [secret, "imap", {}]))
                         for racer in racers if number % 20 == 0]
            (one if number % 4 == 3 else other).revoke(path)
            for client in clients:
                try:
                    client.verify_inline(secret)
                    accepted.append(number)
                except BusError as error:
                    self.assertEqual(error.name, AUTHENTICATION_FAILED)
            for racer, serial in under_way:
                warm_ones += racer.wait(serial).kind != ERROR
        self.assertEqual(accepted, [])
        self.assertGreater(warm_ones, races // 400, "nothing was warm, or nothing raced")
        for broker in reversed(brokers):
            broker.stop()


def strange_messages(destination):
    """Messages that are right D-Bus and that nobody expects: bytes, descriptors that go with them, and whether an answer
    must come. Serials from 1000."""
    def call(serial, body=b"", fds=0, **fields):
        header = {PATH_FIELD: PATH, INTERFACE: VERIFIER, MEMBER: "Verify"}
        if destination is not None:
            header[DESTINATION] = destination
        header.update({globals()[name]: value for name, value in fields.items()})
        if fds:
            header[UNIX_FDS] = fds
        return frame(METHOD_CALL, serial, header, body), fds, True

    text = marshal("ssa{sv}", ["x", "imap", {}])
    yield "no body for a signature that wants one", call(1000)
    yield "descriptors nobody asked for", call(1001, text, 10, SIGNATURE="ssa{sv}")
    yield "16 descriptors", call(1002, text, 16, SIGNATURE="ssa{sv}")
    yield "a descriptor index that is there", call(1003, marshal("hsa{sv}", [0, "imap", {}], []), 1, SIGNATURE="hsa{sv}",
                                                   MEMBER="VerifyByFileDescriptor")
    deep = Variant("s", "x")
    for _ in range(20):
        deep = Variant("v", deep)
    yield "nested variants", call(1004, marshal("ssa{sv}", ["x", "imap", {"deep": deep}]), SIGNATURE="ssa{sv}")
    yield "255 types", call(1005, b"x" * 255, SIGNATURE="y" * 255)
    for serial, kind, fields in ((1006, SIGNAL, {PATH_FIELD: "/org/freedesktop/DBus", INTERFACE: "org.example.X",
                                                 MEMBER: "NameOwnerChanged"}),
                                 (1007, METHOD_RETURN, {REPLY_SERIAL: 1}), (1008, ERROR, {REPLY_SERIAL: 2, 4: "a.b"}),
                                 (1009, SIGNAL, {PATH_FIELD: "/", INTERFACE: "org.freedesktop.DBus", MEMBER: "x"})):
        if destination is not None:
            fields[DESTINATION] = destination
        yield f"message of kind {kind}", (frame(kind, serial, fields), 0, False)


class Availability(TestCase):
    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.stop)
        self.broker = Broker(self.bus)
        self.addCleanup(self.broker.remove)
        self.peer = self.broker.peer()
        self.addCleanup(self.peer.close)
        self.on_bus = self.broker.connect()
        self.addCleanup(self.on_bus.close)

    def answers(self):
        """Both ways in are open, to those who were there before and to newcomers."""
        for client in (self.peer, self.on_bus):
            client.ping()
        with self.broker.connect() as newcomer:
            newcomer.ping()

        def comes_in():
            try:
                with Client(self.broker.peer_address):
                    return True
            except (Disconnected, OSError):  # those before us are on their way out
                return False

        wait_until(comes_in, 10, "a place for a newcomer")

    def test_p28_bytes_that_are_no_bus(self):
        address = self.broker.peer_address.partition("=")[2]
        whole = frame(METHOD_CALL, 1, {PATH_FIELD: PATH, MEMBER: "Ping"})
        in_it = b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
        for garbage in (b"\0" * 100, b"\0AUTH ANONYMOUS\r\n", b"\0AUTH DBUS_COOKIE_SHA1 00\r\n", os.urandom(5000),
                        b"\0AUTH EXTERNAL " + b"f" * 40000, in_it + os.urandom(1000), in_it + b"l\1\0\1" + b"\xff" * 12,
                        in_it + b"B" + whole[1:], in_it + whole[:20], in_it + b"l" + b"\0" * 400,
                        in_it + frame(METHOD_CALL, 1, {PATH_FIELD: Variant("u", 5), MEMBER: "Ping"}),
                        in_it + frame(METHOD_CALL, 0, {PATH_FIELD: PATH, MEMBER: "Ping"}),
                        in_it + frame(METHOD_CALL, 1, {PATH_FIELD: PATH, MEMBER: "Ping"}, version=2),
                        in_it + frame(METHOD_CALL, 1, {PATH_FIELD: PATH, MEMBER: "Ping"}, body_length=1 << 30),
                        in_it + frame(METHOD_CALL, 1, {PATH_FIELD: PATH, MEMBER: "Ping", SIGNATURE: "a" * 40 + "y"}, b"")):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.connect(address)
                try:
                    peer.sendall(garbage)
                except OSError:
                    pass
            self.peer.ping()
        self.answers()
        self.broker.stop()

    def test_p28_silent_connections_are_bounded_and_aged(self):
        address = self.broker.peer_address.partition("=")[2]
        silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(60)]
        start = time.monotonic()
        for peer in silent:
            peer.connect(address)
        self.peer.ping()
        time.sleep(0.2)
        left = 0
        for peer in silent:
            peer.setblocking(False)
            try:
                left += peer.recv(1) != b""
            except BlockingIOError:
                left += 1
            except OSError:
                pass
        self.assertLessEqual(left, 16)
        # Whoever speaks gets in at once: the oldest of the silent ones makes room.
        with Client(self.broker.peer_address, timeout=3) as client:
            client.list(limit=1)
        self.answers()
        self.assertLess(time.monotonic() - start, 9)
        for peer in silent:
            peer.close()
        self.broker.stop()

    def test_p28_many_connections_of_one_user(self):
        others = []
        with self.assertRaises((Disconnected, TimedOut, OSError, BusError)):
            for _ in range(200):
                others.append(Client(self.broker.peer_address, timeout=3))
                others[-1].list(limit=1)
        self.assertGreater(len(others), 10)
        self.assertLess(len(others), 200)
        self.peer.ping()
        self.on_bus.ping()
        for other in others:
            other.close()
        self.answers()
        self.broker.stop()

    def test_p28_strange_messages(self):
        for way, destination in ((self.broker.peer, None), (self.broker.connect, self.bus.owner())):
            for case, (data, count, is_answered) in strange_messages(destination):
                with self.subTest(way=way.__name__, case=case):
                    client = way(timeout=10)
                    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
                    serial = struct.unpack("<I", data[8:12])[0]
                    client.awaited.add(serial)
                    client.send_bytes(data, fds)
                    for fd in fds:
                        os.close(fd)
                    if is_answered:
                        self.assertIn(client.wait(serial).error_name, (INVALID_ARGS, AUTHENTICATION_FAILED))
                    client.ping()
                    client.close()
                    self.assertIsNone(self.broker.process.poll())
        self.answers()
        self.broker.stop()

    def test_p28_numbers_of_descriptors(self):
        """On the bus a message with more than libdbus's default of 16 would throw the broker off it; peer to peer the
        most that the kernel passes at once is 253."""
        owner = self.bus.owner()
        for count in (1, 16, 17, 64, 200, 253):
            for way in (self.broker.peer, self.broker.connect):
                with self.subTest(count=count, way=way.__name__):
                    client = way(timeout=10)
                    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
                    try:
                        reply = client.call_message(PATH, VERIFIER, "Verify", "ssa{sv}", ["x", "imap", {}], extra_fds=fds)
                        self.assertIsNotNone(reply.error_name)
                        if count <= 16 or way == self.broker.peer:
                            self.assertEqual(reply.error_name, AUTHENTICATION_FAILED)
                    except GONE:
                        # The bus daemon may throw the sender out; that must not be us.
                        self.assertEqual(way, self.broker.connect)
                        self.assertGreater(count, 16)
                    for fd in fds:
                        os.close(fd)
                    client.close()
                    self.assertIsNone(self.broker.process.poll(), self.broker.log())
                    self.assertEqual(self.bus.owner(), owner)
        self.answers()
        self.broker.stop()

    def test_p28_sizes_of_messages(self):
        owner = self.bus.owner()
        for way in (self.broker.peer, self.broker.connect):
            for size in (1 << 16, 1 << 20, 24 << 20):
                with self.subTest(size=size, way=way.__name__):
                    client = way(timeout=60)
                    self.assertEqual(refusal(lambda: client.verify_inline("x" * size))[0], AUTHENTICATION_FAILED)
                    answer = client.call_message(PATH, MANAGER, "Nothing", "ay", [b"x" * size])
                    self.assertTrue(answer.error_name.endswith("UnknownMethod"))
                    client.close()
        with self.broker.peer() as client:  # over the specification's bound of 128 MiB: that sender is cut off
            with self.assertRaises(GONE):
                client.send_bytes(frame(METHOD_CALL, 99, {PATH_FIELD: PATH, MEMBER: "Ping", SIGNATURE: "ay"},
                                        body_length=1 << 28) + b"\0" * 100000)
                client.ping()
        self.assertEqual(self.bus.owner(), owner)
        self.answers()
        self.broker.stop()

    def test_p28_a_flood_of_calls_is_bounded_for_its_caller_alone(self):
        """Pipes that stay silent hold calls open: past the bound the caller is refused, others are not."""
        for way in (self.broker.peer, self.broker.connect):
            client = way(timeout=20)
            read_end, write_end = os.pipe()
            serials = [client.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [read_end, "imap", {}])
                       for _ in range(80)]
            for serial in serials[64:]:
                self.assertTrue(client.wait(serial, 3).error_name.endswith("LimitExceeded"))
            for other in (self.on_bus, self.peer):
                self.assertTrue(refusal(lambda: other.find("nobody"))[0].endswith("UnknownObject"))
            os.close(write_end)
            os.close(read_end)
            for serial in serials[:64]:
                self.assertEqual(client.wait(serial).error_name, AUTHENTICATION_FAILED)
            client.close()
        self.broker.stop()

    @plain_build
    def test_ping_beside_four_verifications_answers_as_if_idle(self):
        broker = Broker(settings={"argon2-memory-kib": "65536", "argon2-passes": "3", "cache-seconds": "0"})
        self.addCleanup(broker.remove)
        client = broker.peer()
        _, secret = client.create("one")
        start = time.monotonic()
        client.verify(secret)
        alone = time.monotonic() - start
        verified = []

        def verify():
            with Client(broker.peer_address) as own:
                verified.append(own.verify(secret)[0])

        threads = [threading.Thread(target=verify) for _ in range(4)]
        for thread in threads:
            thread.start()
        times = []
        while any(thread.is_alive() for thread in threads):
            start = time.monotonic()
            client.ping()
            times.append(time.monotonic() - start)
        self.assertEqual(len(verified), 4)
        self.assertGreater(len(times), 20)
        self.assertLess(sorted(times)[len(times) // 2], alone / 10)
        broker.stop()

    def test_a_caller_that_is_gone_leaves_nothing(self):
        broker = Broker(settings={"argon2-memory-kib": "65536", "argon2-passes": "4"})
        self.addCleanup(broker.remove)
        watcher = broker.peer()
        for number in range(5):
            leaver = Client(broker.peer_address)
            leaver.send(PATH, MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", [f"left {number}", {}])
            time.sleep(0.01)
            leaver.close()
        time.sleep(2)
        self.assertEqual(watcher.paths(), [])
        broker.stop()


class SideChannels(TestCase):
    def test_p38_one_error_for_every_refusal(self):
        """Name and text, by both forms and both ways in."""
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        client = broker.peer()
        frozen_path, frozen = client.create("frozen")
        client.on_password(frozen_path, "Freeze")
        gone_path, gone = client.create("gone")
        client.revoke(gone_path)
        _, gone_with_others = client.create("gone with others", account="carol")
        client.revoke_all(options(account="carol"))
        until = int(time.time()) + 1
        _, expired = client.create("expired", expires_at=until)
        _, scoped = client.create("scoped", scopes=["smtp"])
        _, bound = client.create("bound", account="bob")
        _, damaged = client.create("damaged")
        with sqlite3.connect(broker.store) as database:
            database.execute("UPDATE password SET hash = 'none' WHERE id = ?", (damaged[:5],))
        database.close()
        wait_until(lambda: time.time() > until + 0.1)
        cases = {"frozen": frozen, "revoked": gone, "revoked with others": gone_with_others, "expired": expired,
                 "scope": scoped, "account": bound, "damaged": damaged, "unknown": unknown_secret(),
                 "wrong": wrong_secret(scoped), "wrong of a frozen one": wrong_secret(frozen),
                 "mistyped": mistyped_secret(scoped), "nonsense": "nonsense", "empty": "", "long": "x" * 2000}
        answers = {}
        for way in (client, broker.connect()):
            for case, text in cases.items():
                for form in (way.verify, way.verify_inline):
                    answers.setdefault(refusal(lambda: form(text)), []).append(case)
            for diagnosis in ("malformed", "mistyped"):
                answers.setdefault(refusal(lambda: way.verify("", given=options(diagnosis=diagnosis))), []).append(diagnosis)
        self.assertEqual(len(answers), 1, answers)
        name, text = answers.popitem()[0]
        self.assertEqual(name, AUTHENTICATION_FAILED)
        self.assertNotRegex(text.lower(), "frozen|revoked|expire|scope|account|unknown|mistyped|malformed")
        reasons = {event[4].get("reason") for event in client.events() if event[2] == "refused"}
        self.assertLessEqual({"frozen", "scope", "account", "unknown", "wrong", "malformed", "mistyped"}, reasons)
        broker.stop()

    def test_p38_a_store_that_is_missing_is_no_other_answer(self):
        empty, full = Broker(), Broker()
        self.addCleanup(empty.remove)
        self.addCleanup(full.remove)
        full.peer().create("Phone")
        for text in (unknown_secret(), "nonsense", ""):
            answers = {refusal(lambda: broker.peer().verify(text)) for broker in (empty, full)}
            self.assertEqual(len(answers), 1, answers)
        full.stop()
        empty.stop()

    def test_p39_no_label_reaches_the_terminal_raw(self):
        """The broker takes none, and the tool escapes one that somebody wrote into the store."""
        broker = Broker()
        self.addCleanup(broker.remove)
        client = broker.peer()
        client.create("good")
        hostile = ("\x1b[2Jevil", "\u202eevil", "evil\nline", "evil\x9b2J", "evil\u2066", "evil\u200b", "\ufeffevil",
                   "evil\rgood", "evil\x07\x08", "evil\tx", "evil\u2028x", "evil\x7f", "evil\x85x")
        for label in hostile:
            with self.subTest(label=label):
                self.assertEqual(refusal(lambda: client.create(label))[0].rsplit(".", 1)[1], "InvalidLabel")
                with sqlite3.connect(broker.store) as database:
                    database.execute("UPDATE password SET label = ?", (label,))
                database.close()
                identifier = client.paths()[0].rsplit("/", 1)[1]
                for arguments in (("list",), ("--plain", "list"), ("--json", "list"), ("show", identifier),
                                  ("revoke", "--dry-run", "--all", "--force")):
                    said = run_tool(broker.home, *arguments)
                    text = said.stdout + said.stderr
                    self.assertLess(len(text.splitlines()), 25)
                    for character in label:
                        if character not in "\n\t" and not character.isprintable():
                            self.assertNotIn(character, text, arguments)
                    for line in text.splitlines():
                        self.assertNotIn(line.strip(), ("line", "good", "evil"), arguments)
        broker.stop()


if __name__ == "__main__":
    unittest.main()
