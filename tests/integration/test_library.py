#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# run-tests: alone
"""The client library, driven by a program that knows nothing but sparekey.h: every way to a broker, deadlines, use in a
foreign main loop, news, forged replies (P15), a broker that lies, and building against what is installed."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (make_activatable, BUILD, MANAGER, NAME, PASSWORDS, PATH, PROPERTIES, ROOT, SANITIZER,  # noqa: E402
                     SANITIZER_REPORTS, Broker, Bus, BusError, Connection, Disconnected, Home, TestCase, TimedOut,
                     Variant, run_tool, start, wait_until, wrong_secret)
from rawdbus import (DESTINATION, ERROR, ERROR_NAME, INTERFACE, MEMBER, METHOD_RETURN, PATH as PATH_FIELD, REPLY_SERIAL,
                     SIGNAL, SIGNATURE, UNIX_FDS, frame, marshal)  # noqa: E402

PROBE = os.path.join(BUILD, "probe")
TIMEOUT = 400  # of a request that is to end by its deadline, in ms
LATE = 200 if not SANITIZER else 2000  # how much later it may end
SILENCE = 250 if not SANITIZER else 1000  # between two ticks of a timer of 5 ms; whoever waited would wait far longer

AUTHENTICATION_FAILED, RATE_LIMITED, LIMIT_EXCEEDED, STORAGE_FAILED = 6, 7, 13, 18
INVALID_ARGS, UNKNOWN_OBJECT, FAILED, NO_BROKER, BAD_SETTINGS = 20, 21, 27, 28, 29


def probe(home, *arguments, bus=None, text="", seconds=60, program=PROBE, **changes):
    """What the probe printed, line by line."""
    done = subprocess.run([program, *map(str, arguments)], input=text, text=True, errors="replace", timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home.environment(bus, **changes), check=False)
    if done.returncode != 0 or any(report in done.stderr for report in SANITIZER_REPORTS):
        raise AssertionError(f"{arguments}: {done}")
    return done.stdout.splitlines()


class Started:
    """A probe that goes on beside the test."""

    def __init__(self, home, *arguments, bus=None, program=PROBE, **changes):
        self.process = start([program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             bufsize=1, env=home.environment(bus, **changes))

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def say(self, text="\n"):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        rest = self.process.stdout.read().splitlines()
        self.process.stdout.close()
        code = self.process.wait(30)
        if code != 0:
            raise AssertionError(f"exit code {code}")
        return rest


class LibraryTest(TestCase):
    def home(self):
        home = Home()
        self.addCleanup(home.remove)
        return home

    def bus(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        return bus

    def start_broker(self, *arguments, **keywords):
        broker = Broker(*arguments, **keywords)
        self.addCleanup(broker.remove)
        return broker

    def bus_alone(self):
        """A bus, a broker on it whose socket nobody finds, and the home of a client."""
        bus = self.bus()
        broker = self.start_broker(bus)
        return bus, broker, self.home()

    def assert_late(self, line, result=NO_BROKER, timeout=TIMEOUT):
        """Ended by its deadline, and not much after it."""
        got, took = map(int, line.split()[:2])
        self.assertEqual(got, result, line)
        self.assertGreaterEqual(took, timeout - 1, line)
        self.assertLessEqual(took, timeout + LATE, line)


class Ways(LibraryTest):
    def way(self, home, *arguments, **keywords):
        line, = probe(home, "version", *(arguments or ("-", 20000)), **keywords)
        result, _, way = line.split(" ", 2)
        self.assertEqual(int(result), 0, line)
        return way

    def test_the_peer_socket_comes_first(self):
        bus = self.bus()
        broker = self.start_broker(bus)
        self.assertEqual(self.way(broker.home, bus=bus), "peer " + broker.peer_address)
        broker.stop()

    def test_the_bus_starts_a_broker_and_is_left_for_its_socket(self):
        bus, home = self.bus(), self.home()
        make_activatable(bus, home)
        self.assertIsNone(bus.owner())
        self.assertEqual(self.way(home, bus=bus), f"peer unix:path={home.runtime}/sparekey/peer")
        self.assertIsNotNone(bus.owner())

    def test_the_bus_alone(self):
        bus, broker, home = self.bus_alone()
        self.assertEqual(self.way(home, bus=bus), "bus " + bus.address)
        self.assertEqual(probe(home, "async", "-", 20, bus=bus)[0].split()[:2], ["20", "0"])
        broker.stop()

    def test_a_broker_of_its_own_that_ends_with_it(self):
        home = self.home()
        self.assertEqual(self.way(home), "private")
        self.assertEqual(probe(home, "async", "-", 5)[0].split()[:2], ["5", "0"])
        self.assertTrue(os.path.exists(home.store))
        self.assertEqual(os.listdir(home.runtime), [])

    def test_an_address_that_is_given_and_no_other(self):
        bus = self.bus()
        broker = self.start_broker(bus)
        self.assertEqual(self.way(broker.home, broker.peer_address, 9000), "peer " + broker.peer_address)
        self.assertEqual(self.way(self.home(), bus.address, 9000), "bus " + bus.address)
        for address in ("unix:path=/nowhere", "tcp:host=127.0.0.1,port=1", "unixexec:path=/bin/true", "nonsense", "unix:"):
            line, = probe(broker.home, "version", address, 9000, bus=bus)
            self.assertEqual(int(line.split()[0]), NO_BROKER, line)
        broker.stop()

    def test_the_environment_starts_nothing_and_reaches_no_network(self):
        home = self.home()
        marker = os.path.join(home.directory, "ran")
        for address in (f"unixexec:path=/bin/touch,argv1={marker}", "tcp:host=127.0.0.1,port=1", "launchd:env=X"):
            self.assertEqual(self.way(home, DBUS_SESSION_BUS_ADDRESS=address), "private")
        self.assertFalse(os.path.exists(marker))

    def test_a_private_broker_that_cannot_start_says_why(self):
        """Time and again: what it says and how it ends must not race."""
        program = self.stranger_with("#!/bin/sh\necho 'sparekeyd: it is broken' >&2\nexit $WITH\n")
        for code, result in ((74, STORAGE_FAILED), (78, BAD_SETTINGS), (69, NO_BROKER)):
            for _ in range(15):
                line, = probe(self.home(), "version", "-", 20000, program=program, WITH=str(code))
                self.assertEqual(int(line.split()[0]), result, line)
                self.assertIn("it is broken", line)

    def test_a_private_broker_that_cannot_be_executed_says_why(self):
        program = self.stranger_with("#!/nowhere/sh\n")
        neighbour = os.path.join(os.path.dirname(program), "sparekeyd")
        line, = probe(self.home(), "version", "-", 20000, program=program)
        self.assertEqual(int(line.split()[0]), NO_BROKER, line)
        self.assertIn(f"none could be started: {neighbour}: No such file or directory", line)

    def test_one_that_was_passed_over_is_told_of(self):
        for what in ("sparekeyd", "."):
            for mode in (0o775, 0o757):
                program = self.stranger_with("#!/bin/sh\necho 'sparekeyd: it ran' >&2\nexit 69\n")
                os.chmod(os.path.join(os.path.dirname(program), what), mode)
                line, = probe(self.home(), "version", "-", 20000, program=program)
                self.assertNotIn("it ran", line)
                if line.startswith("0 "):
                    self.skipTest("a broker is installed, and was taken")
                self.assertIn("/sparekeyd: No such file or directory; the one beside this program was passed over: others can "
                              "write to it", line)

    def test_a_runtime_directory_with_any_name(self):
        """As long as a socket's name allows, the socket lies in it; nothing is cut."""
        home = self.home()
        room = 107 - len("/sparekey-XXXXXX/s")
        for length, is_in_it in ((61, True), (room - 1, True), (room, True), (room + 1, False), (250, False)):
            for name in ("r", "%,;= "):
                base = os.path.join(home.directory, name).ljust(length, "r")
                os.mkdir(base, 0o700)
                twice = Started(home, "twice", "-", 20000, XDG_RUNTIME_DIR=base)
                line = twice.line()
                self.assertEqual(line.split()[::2], ["0", "private"], (length, line))
                self.assertEqual([found[:9] for found in os.listdir(base)], ["sparekey-"] * is_in_it, length)
                twice.end()
                self.assertEqual(os.listdir(base), [])

    def stranger_with(self, broker):
        """The probe beside a program that passes for sparekeyd."""
        room = tempfile.mkdtemp(prefix="sparekey-probe-")
        self.addCleanup(shutil.rmtree, room, ignore_errors=True)
        for name in ("probe", "libsparekey.so.0"):
            shutil.copy2(os.path.join(BUILD, name), room)
        with open(os.path.join(room, "sparekeyd"), "w", encoding="utf-8") as stream:
            stream.write(broker)
        os.chmod(os.path.join(room, "sparekeyd"), 0o755)
        return os.path.join(room, "probe")

    def test_a_private_broker_that_hangs_blocks_nobody(self):
        program = self.stranger_with("#!/bin/sh\ntrap '' TERM\nexec sleep 100\n")
        home = self.home()
        self.assert_late(probe(home, "version", "-", TIMEOUT, program=program)[0])
        result, took, silence = map(int, probe(home, "tick", "-", 20000, program=program)[0].split())
        self.assertEqual(result, NO_BROKER)
        self.assertLess(took, 6000 + LATE)  # the time for one way, not the request's
        self.assertLess(silence, SILENCE)
        self.assertEqual(os.listdir(home.runtime), [])

    # It takes its socket away and does not end when asked to: the way leads nowhere at once.
    STUBBORN = "#!/bin/sh\ntrap '' TERM\nexec 3>&-\nexec sleep 100\n"
    # Likewise, and it has always something to say.
    CHATTY = "#!/bin/sh\nexec 3>&-\nwhile :; do echo 'sparekeyd: still here' >&2; sleep 0.1; done\n"

    def test_the_end_of_one_that_will_not_go_is_not_waited_for(self):
        program = self.stranger_with(self.STUBBORN)
        home = self.home()
        lines = probe(home, "reach", "-", 20000, TIMEOUT, program=program)
        self.assertEqual(int(lines[0].split()[0]), NO_BROKER, lines)
        self.assert_late(lines[1])
        self.assertIn("has not ended in time", lines[1])
        _, second = probe(home, "tick", "-", 20000, TIMEOUT, program=program)
        self.assert_late(second)
        self.assertLess(int(second.split()[2]), SILENCE, second)

    def test_one_that_will_not_go_makes_room_for_the_next(self):
        """It is killed for the request that waits for that; the next one fares no better."""
        first, second = probe(self.home(), "tick", "-", 20000, 20001, program=self.stranger_with(self.STUBBORN))
        for line, least, most in ((first, 0, 1500), (second, 2500, 5000)):
            result, took, silence = map(int, line.split())
            self.assertEqual(result, NO_BROKER, line)
            self.assertTrue(least <= took < most + LATE, line)
            self.assertLess(silence, SILENCE, line)

    def test_one_that_will_not_go_is_ended_without_any_request(self):
        """A handle that is only dispatched leaves no process behind, not even a dead one."""
        loop = Started(self.home(), "news", "-", program=self.stranger_with(self.STUBBORN))
        self.assertTrue(loop.line().startswith(f"{NO_BROKER} "))
        pid = loop.process.pid

        def children():
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
                return stream.read().split()

        self.assertEqual(len(children()), 1)
        wait_until(lambda: not children(), 10)
        loop.end()

    def test_the_words_of_one_that_failed_are_not_waited_for(self):
        program = self.stranger_with(self.CHATTY)
        self.assert_late(probe(self.home(), "version", "-", TIMEOUT, program=program)[0])
        line, = probe(self.home(), "tick", "-", TIMEOUT, program=program)
        self.assert_late(line)
        self.assertLess(int(line.split()[2]), SILENCE, line)
        line, = probe(self.home(), "version", "-", 20000, program=program)
        self.assertIn("still here", line)
        self.assertLess(int(line.split()[1]), 1500 + LATE, line)

    def test_a_broker_restarted_between_two_calls(self):
        for alone in (False, True):
            with self.subTest(alone=alone):
                bus = self.bus()
                broker = self.start_broker(bus)
                home = self.home() if alone else broker.home
                twice = Started(home, "twice", "-", 9000, bus=bus)
                self.assertTrue(twice.line().startswith(("0 ")))
                broker.kill()
                again = self.start_broker(bus, home=broker.home)
                twice.say()
                line = twice.line()
                # Whatever was sent before it was noticed is a failure the caller is told of; here nothing was.
                self.assertEqual((line.split()[0], line.split()[2]), ("0", "bus" if alone else "peer"), line)
                self.assertEqual(twice.end(), [])
                again.stop()


class Full:
    """A listening socket with no room left in its queue."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(0)
        self.waiting = []
        with contextlib.suppress(BlockingIOError):
            while True:
                peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                self.waiting.append(peer)
                peer.connect(path)

    def close(self):
        for peer in self.waiting:
            peer.close()
        self.socket.close()


class Server:
    """A lying broker: a socket whose other end says what the test wants. `answer(connection, message)` is called for each
    message; with authenticate=False, `answer(connection, None)` once."""

    def __init__(self, answer, authenticate=True, greets=True):
        self.directory = tempfile.mkdtemp(prefix="sparekey-liar-")
        self.greets = greets
        self.path = os.path.join(self.directory, "s")
        self.address = "unix:path=" + self.path
        self.answer = answer
        self.authenticate = authenticate
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(8)
        self.ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        connection = Connection.__new__(Connection)
        peer.settimeout(20)
        connection.__dict__.update(socket=peer, buffer=b"", fds=[], serial=0, timeout=20, ended=lambda: self.ended)
        try:
            if not self.authenticate:
                self.answer(connection, None)
                return
            self.greet(connection)
            while True:
                message = connection.parse()
                if message is None:
                    connection.receive_some(time.monotonic() + 20)
                elif message.member == "Hello" and self.greets:
                    reply_error(connection, message, "org.freedesktop.DBus.Error.UnknownMethod")
                elif self.answer(connection, message) == "hang up":
                    return
        except (OSError, Disconnected, TimedOut):
            pass
        finally:
            connection.close()

    @staticmethod
    def greet(connection):
        while True:
            line = connection.line()
            if line == b"BEGIN":
                return
            connection.socket.sendall(b"AGREE_UNIX_FD\r\n" if line == b"NEGOTIATE_UNIX_FD"
                                      else b"OK 0123456789abcdef0123456789abcdef\r\n")

    def close(self):
        self.ended = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def reply(connection, message, signature="", values=(), fds=(), count=None):
    """Answers; `fds` go along, `count` is how many it says."""
    fields = {REPLY_SERIAL: message.serial}
    if signature:
        fields[SIGNATURE] = signature
    count = len(fds) if count is None else count
    if count:
        fields[UNIX_FDS] = count
    body = marshal(signature.replace("h", "u"), values)
    connection.send_bytes(frame(METHOD_RETURN, connection.next_serial(), fields, body), fds)


def reply_error(connection, message, name, text="told so"):
    fields = {REPLY_SERIAL: message.serial, ERROR_NAME: name}
    if text is not None:
        fields[SIGNATURE] = "s"
    connection.send_bytes(frame(ERROR, connection.next_serial(), fields, marshal("s", [text]) if text is not None else b""))


class Deadlines(LibraryTest):
    def socket_home(self):
        home = self.home()
        os.mkdir(os.path.join(home.runtime, "sparekey"), 0o700)
        return home, os.path.join(home.runtime, "sparekey", "peer")

    def both(self, home, address="-", bus=None):
        """By a blocking call, and beside a ticking timer."""
        self.assert_late(probe(home, "version", address, TIMEOUT, bus=bus)[0])
        line, = probe(home, "tick", address, TIMEOUT, bus=bus)
        self.assert_late(line)
        self.assertLess(int(line.split()[2]), SILENCE, line)

    def test_a_full_queue(self):
        home, path = self.socket_home()
        full = Full(path)
        self.addCleanup(full.close)
        self.both(home)
        self.both(home, "unix:path=" + path)

    def test_one_that_accepts_and_is_silent(self):
        home, path = self.socket_home()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            silent.bind(path)
            silent.listen(100)
            self.both(home)
            self.both(home, "unix:path=" + path)

    def test_one_that_authenticates_and_is_silent(self):
        for greets in (False, True):
            silent = Server(lambda connection, message: None, greets=greets)
            self.addCleanup(silent.close)
            self.both(self.home(), silent.address)

    def test_one_that_sends_a_drop_at_a_time(self):
        def drip(connection, message):
            for byte in b"\0" if message is None else frame(SIGNAL, 1, {PATH_FIELD: "/", INTERFACE: "a.b", MEMBER: "c"}) * 9:
                connection.socket.sendall(bytes([byte]))
                time.sleep(0.01)

        dripping = Server(drip)
        self.addCleanup(dripping.close)
        self.both(self.home(), dripping.address)

    def test_a_stopped_broker(self):
        broker = self.start_broker()
        twice = Started(broker.home, "twice", "-", TIMEOUT)
        self.assertTrue(twice.line().startswith("0 "))
        os.kill(broker.pid, signal.SIGSTOP)
        twice.say()
        self.assert_late(twice.line())
        twice.end()
        self.both(broker.home)
        os.kill(broker.pid, signal.SIGCONT)
        self.assertTrue(probe(broker.home, "version", "-", 9000)[0].startswith("0 "))
        broker.stop()

    def test_a_stopped_broker_on_a_bus(self):
        bus, broker, home = self.bus_alone()
        os.kill(broker.pid, signal.SIGSTOP)
        self.both(home, bus=bus)
        os.kill(broker.pid, signal.SIGCONT)
        broker.stop()

    def test_a_stopped_bus(self):
        bus, broker, home = self.bus_alone()
        twice = Started(home, "twice", "-", TIMEOUT, bus=bus)
        self.assertTrue(twice.line().startswith("0 "))
        os.kill(bus.process.pid, signal.SIGSTOP)
        try:
            twice.say()
            self.assert_late(twice.line())
            self.both(home, bus=bus)
        finally:
            os.kill(bus.process.pid, signal.SIGCONT)
        twice.end()
        broker.stop()

    def test_a_broker_that_dies_in_the_middle(self):
        """Told at once, not at the deadline."""
        for alone in (False, True):
            with self.subTest(alone=alone):
                bus = self.bus()
                broker = self.start_broker(bus)
                twice = Started(self.home() if alone else broker.home, "twice", "-", 20000, bus=bus)
                self.assertTrue(twice.line().startswith("0 "))
                os.kill(broker.pid, signal.SIGSTOP)
                twice.say()
                time.sleep(0.2)
                broker.kill()
                line = twice.line()
                self.assertEqual(int(line.split()[0]), NO_BROKER, line)
                self.assertLess(int(line.split()[1]), 200 + 2000, line)
                twice.end()

    def test_a_stopped_broker_cancelled_and_freed(self):
        broker = self.start_broker()
        os.kill(broker.pid, signal.SIGSTOP)
        begun = time.monotonic()
        lines = probe(broker.home, "cancel", broker.peer_address, 300)
        self.assertEqual(lines[-1], "0")
        self.assertLess(time.monotonic() - begun, 31)
        os.kill(broker.pid, signal.SIGCONT)
        broker.stop()


class Asynchronous(LibraryTest):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(settings={"max-passwords": "1000"})
        cls.addClassCleanup(cls.broker.stop)

    def test_fifty_lives_beside_a_ticking_timer(self):
        done, failed, silence = map(int, probe(self.broker.home, "async", "-", 50)[0].split())
        self.assertEqual((done, failed), (50, 0))
        self.assertLess(silence, SILENCE)

    def test_more_at_once_than_a_broker_takes_from_one_caller(self):
        self.assertEqual(probe(self.broker.home, "async", "-", 300)[0].split()[:2], ["300", "0"])

    def test_cancelled_requests_call_nobody(self):
        version, called = probe(self.broker.home, "cancel", "-", 60)
        self.assertTrue(version.startswith("0 "), version)
        self.assertEqual(called, "0")

    def test_a_callback_cancels_another_that_has_failed_with_it(self):
        """Both end in the same moment: one is told, and its word on the other holds."""
        gone = Server(lambda connection, message: "hang up", greets=False)
        self.addCleanup(gone.close)
        self.assertEqual(probe(self.home(), "cancel-other", gone.address, 300), ["1"])
        hung = Server(lambda connection, message: None)
        self.addCleanup(hung.close)
        self.assertEqual(probe(self.home(), "cancel-other", hung.address, 300), ["1"])
        left = Server(lambda connection, message: "hang up")
        self.addCleanup(left.close)
        self.assertEqual(probe(self.home(), "cancel-other", left.address, 300), ["1"])

    def test_a_callback_that_asks_anew_neither_recurses_nor_keeps_the_loop(self):
        for command in ("again", "again-reach"):
            left, depth, silence = map(int, probe(self.broker.home, command, "-", 20000 if not SANITIZER else 2000)[0].split())
            self.assertEqual((left, depth), (0, 1), command)
            self.assertLess(silence, SILENCE, command)

    def test_two_threads_with_a_handle_each(self):
        _, secret = self.broker.connect().create("threads")
        self.assertEqual(probe(self.broker.home, "threads", "-", "imap", 300, text=secret), ["600"])

    def test_two_hundred_handles(self):
        bus = self.bus()
        broker = self.start_broker(bus)
        answered, by_bus = map(int, probe(broker.home, "handles", "-", 200, bus=bus)[0].split())
        self.assertEqual(answered, 200)
        self.assertGreaterEqual(by_bus, 136)  # the socket has room for 64
        # Without a bus the others are refused: nobody starts brokers of their own beside one that is there.
        self.assertEqual(probe(broker.home, "handles", "-", 80, DBUS_SESSION_BUS_ADDRESS=None), ["64 0"])
        broker.stop()


class News(LibraryTest):
    def hear(self, home, bus, broker, way):
        news = Started(home, "news", "-", bus=bus)
        self.assertRegex(news.line(), "^8 ")
        self.assertEqual(news.line().split()[:3:2], ["0", way])
        client = broker.connect()
        path, secret = client.create("Phone")
        mine = path.rsplit("/", 1)[1]
        wait_for = {f'1 {mine} "Phone"', f'3 {mine} ""', f'4 {mine} "" imap', '5  "" smtp', "6 "}
        client.verify(secret)
        self.assertRaises(BusError, client.verify, "nonsense", "smtp")
        client.on_password(path, "Rename", "sa{sv}", ["Telephone", {}])
        while wait_for:
            line = news.line()
            wait_for -= {begin for begin in wait_for if line.startswith(begin)}
        client.revoke(path)
        while not (line := news.line()).startswith(f'2 {mine} "Telephone"  1 '):
            self.assertRegex(line, "^[36] ")
        return news

    def test_by_socket_and_bus_and_what_is_lost(self):
        for alone in (False, True):
            with self.subTest(alone=alone):
                bus = self.bus()
                broker = self.start_broker(bus)
                news = self.hear(self.home() if alone else broker.home, bus, broker, "bus" if alone else "peer")
                broker.kill()
                while (line := news.line())[0] != "7":
                    self.assertRegex(line, "^[36] ")
                again = self.start_broker(bus, home=broker.home)
                news.say()
                while not (line := news.line()).startswith("8 "):
                    self.assertRegex(line, "^[67] ")
                self.assertRegex(news.line(), "^0 ")
                path, _ = again.connect().create("After it")
                while not news.line().startswith(f'1 {path.rsplit("/", 1)[1]} "After it"'):
                    pass
                news.end()
                again.stop()


class Forged(LibraryTest):
    """P15: on a bus where anybody may send anything to anybody, as a stock session bus is."""

    COUNT = 10000 if not SANITIZER else 2000

    def messages(self, target, serials):
        """Forged replies and signals for that name, over and over."""
        path = PASSWORDS + "/00000"
        bodies = (("oa{sv}", [path, {"label": Variant("s", "Forged")}]), ("v", [Variant("s", "forged")]), ("", []),
                  ("s", [target]), ("u", [1]), ("a(oa{sv})", [[]]))
        names = (NAME + ".Error.AuthenticationFailed", "org.freedesktop.DBus.Error.NoReply",
                 "org.freedesktop.DBus.Error.ServiceUnknown")
        signals = ((PATH, MANAGER, "PasswordEnded", "osu", [path, "Forged", 1]),
                   (path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [NAME + ".Password", {}, []]),
                   ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss", [NAME, ":1.0", ""]))
        while True:
            for serial in serials:
                for signature, values in bodies:
                    fields = {REPLY_SERIAL: serial, DESTINATION: target}
                    if signature:
                        fields[SIGNATURE] = signature
                    yield METHOD_RETURN, fields, marshal(signature, values)
                for name in names:
                    yield ERROR, {REPLY_SERIAL: serial, DESTINATION: target, ERROR_NAME: name, SIGNATURE: "s"}, \
                        marshal("s", ["forged"])
            for at, interface, member, signature, values in signals:
                yield SIGNAL, {PATH_FIELD: at, INTERFACE: interface, MEMBER: member, SIGNATURE: signature,
                               DESTINATION: target}, marshal(signature, values)

    def forge(self, forger, target, count, serials=range(1, 33)):
        messages = self.messages(target, serials)
        batch = bytearray()
        for _ in range(count):
            kind, fields, body = next(messages)
            batch += frame(kind, forger.next_serial(), fields, body, flags=1)
            if len(batch) > 30000:
                forger.send_bytes(bytes(batch))
                batch.clear()
        forger.send_bytes(bytes(batch))

    def newcomer(self, forger, known):
        """The unique name of whoever has come to the bus."""
        def find():
            names = forger.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames",
                                destination="org.freedesktop.DBus")[0]
            return [name for name in names if name.startswith(":") and name not in known]

        return wait_until(find)[0]

    def names(self, forger):
        return set(forger.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames",
                               destination="org.freedesktop.DBus")[0])

    def test_p15_the_forger_is_heard(self):
        """What is forged below arrives: a client that looks at the serial alone takes it."""
        bus = self.bus()
        with bus.connect() as victim, bus.connect() as forger:
            serial = victim.serial + 1
            self.forge(forger, victim.name, 40, [serial])
            victim.awaited.add(serial)
            message = victim.wait(serial, 5)
            self.assertEqual((message.sender, message.args[0]), (forger.name, PASSWORDS + "/00000"))

    def test_p15_forged_replies_are_not_taken(self):
        bus, broker, home = self.bus_alone()
        client = broker.connect()
        _, secret = client.create("Phone")
        forger = bus.connect()
        self.addCleanup(forger.close)
        for text, right in ((secret, "1"), (wrong_secret(secret), "0")):
            with self.subTest(right=right):
                known = self.names(forger)
                # The broker is stopped before the question: whatever comes first is forged.
                verify = Started(home, "verify", bus.address, "imap", 1, bus=bus)
                os.kill(broker.pid, signal.SIGSTOP)
                try:
                    verify.say(text)
                    verify.process.stdin.close()
                    self.forge(forger, self.newcomer(forger, known), self.COUNT)
                    time.sleep(0.2)
                    self.assertIsNone(verify.process.poll())
                finally:
                    os.kill(broker.pid, signal.SIGCONT)
                self.assertEqual(verify.line(), right)
                verify.process.stdout.close()
                self.assertEqual(verify.process.wait(20), 0)
        broker.stop()

    def test_p15_not_on_the_way_in_either(self):
        """A forger who knows the next name and speaks before, during and after the greeting."""
        bus, broker, home = self.bus_alone()
        _, secret = broker.connect().create("Phone")
        forger = bus.connect()
        self.addCleanup(forger.close)
        ended = threading.Event()
        last = int(forger.name.rpartition(".")[2])
        targets = [f":1.{last + step}" for step in range(1, 12)]

        def flood():
            with contextlib.suppress(Disconnected, OSError):
                while not ended.is_set():
                    for target in targets:
                        self.forge(forger, target, 100, range(1, 9))

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            for number in range(8):
                self.assertEqual(probe(home, "verify", bus.address, "imap", 20, bus=bus, text=secret), ["20"], number)
        finally:
            ended.set()
            thread.join()
        broker.stop()

    def test_p15_forged_news_is_no_news(self):
        bus, broker, home = self.bus_alone()
        forger = bus.connect()
        self.addCleanup(forger.close)
        known = self.names(forger)
        news = Started(home, "news", bus.address, bus=bus)
        self.assertRegex(news.line(), "^8 ")
        self.assertRegex(news.line(), "^0 ")
        self.forge(forger, self.newcomer(forger, known), self.COUNT // 4)
        path, _ = broker.connect().create("True")
        while (line := news.line()) != f'1 {path.rsplit("/", 1)[1]} "True"  0 0 0':
            self.assertRegex(line, "^6 ")
        for line in news.end():
            self.assertRegex(line, "^6 ")
        broker.stop()


class Liars(LibraryTest):
    """A broker that says anything: the right outcome, no crash, little memory."""

    MEMORY = 40 * 1024  # KiB; what one answer of 16 MiB takes, twice
    CALLS = ("create", "verify", "list", "list-all", "events", "get", "find", "identify", "settings", "revoke-all")

    def ask(self, answer, what, authenticate=True, timeout=TIMEOUT):
        """Result, milliseconds, text, and what came."""
        server = Server(answer, authenticate)
        self.addCleanup(server.close)
        line = probe(self.home(), "do", server.address, timeout, what)[0]
        came, result, took, memory, text = re.match(r"(\S*) (\d+) (\d+) (\d+) ?(.*)", line).groups()
        if not SANITIZER:
            self.assertLess(int(memory), self.MEMORY, line)
        self.assertLess(int(took), timeout + LATE, line)
        return int(result), int(took), text, came

    def says(self, *what, **keywords):
        """A server that answers the greeting and then everything with that."""
        return lambda connection, message: reply(connection, message, *what, **keywords)

    def test_garbage(self):
        for garbage in (b"\0" * 100, b"REJECTED\r\n" * 50, b"x" * 100000, b"OK\r\n\r\n\r\n", b"ERROR\r\n" * 1000):
            result, took, _, _ = self.ask(lambda connection, _: (connection.socket.sendall(garbage), time.sleep(0.1)), "get",
                                          authenticate=False)
            self.assertEqual(result, NO_BROKER, garbage[:20])
        for garbage in (os.urandom(1000), b"l" * 5000, frame(METHOD_RETURN, 1, {REPLY_SERIAL: 2}, version=9),
                        frame(METHOD_RETURN, 1, {REPLY_SERIAL: 2}, body_length=1 << 31),
                        frame(METHOD_RETURN, 0, {REPLY_SERIAL: 2}), frame(77, 1, {REPLY_SERIAL: 2}),
                        frame(METHOD_RETURN, 1, {}), frame(METHOD_RETURN, 1, {REPLY_SERIAL: Variant("s", "2")}),
                        frame(METHOD_RETURN, 1, {REPLY_SERIAL: 2, SIGNATURE: "a" * 40 + "s"}, b"\0" * 8)):
            for what in ("get", "create"):
                result, took, _, _ = self.ask(lambda connection, _: connection.socket.sendall(garbage), what)
                self.assertEqual(result, NO_BROKER, garbage[:40])

    def test_answers_of_another_type(self):
        deep = Variant("i", 1)
        for _ in range(20):
            deep = Variant("v", deep)
        for signature, values in (("s", ["hello"]), ("", ()), ("v", [deep]), ("as", [["x"] * 1000]), ("ay", [b"x" * 100000]),
                                  ("oa{sv}s", [PASSWORDS, {}, "more"]), ("a{ss}", [{"a": "b"}]), ("(ss)", [("a", "b")])):
            for what in self.CALLS:
                if what == "settings" and signature == "v":
                    continue
                result, _, text, came = self.ask(self.says(signature, values), what)
                self.assertEqual((result, text), (FAILED, "the broker's answer was not understood"), (signature, what))

    def test_values_of_another_type_are_passed_over(self):
        wrong = {"Id": Variant("u", 7), "Label": Variant("as", ["x"]), "Scopes": Variant("s", "imap"),
                 "State": Variant("u", 4000), "CreatedAt": Variant("s", "now"), "ExpiresAt": Variant("t", (1 << 64) - 1),
                 "UseCounts": Variant("a{ss}", {"imap": "many"}), "LastUsedFrom": Variant("s", "x" * 100000),
                 "Account": Variant("v", Variant("s", "x"))}
        self.assertEqual(self.ask(self.says("a{sv}", [wrong]), "get")[::3], (0, "/0/0"))
        many = {"Id": Variant("s", "x" * 5000), "Scopes": Variant("as", ["y" * 5000] * 200),
                "UseCounts": Variant("a{st}", {f"scope-{n}": n for n in range(200)})}
        self.assertEqual(self.ask(self.says("a{sv}", [many]), "get")[::3], (0, "x" * 23 + "/64/64"))
        details = {"id": Variant("u", 1), "label": Variant("s", "L" * 10000), "scopes": Variant("as", ["z"] * 1000)}
        self.assertEqual(self.ask(self.says("oa{sv}", [PASSWORDS, details]), "verify")[::3], (0, "/" + "L" * 255))
        self.assertEqual(self.ask(self.says("o", ["/" + "a" * 5000]), "find")[::3], (0, "a" * 23))

    def test_errors_as_outcomes(self):
        for name, number in (("org.sparekey.Broker1.Error.RateLimited", RATE_LIMITED),
                             ("org.sparekey.Broker1.Error.AuthenticationFailed", AUTHENTICATION_FAILED),
                             ("org.freedesktop.DBus.Error.UnknownObject", UNKNOWN_OBJECT),
                             ("org.freedesktop.DBus.Error.InvalidArgs", INVALID_ARGS),
                             ("org.freedesktop.DBus.Error.NoReply", NO_BROKER), ("no.such.Error", FAILED)):
            for said in ("because", "", None, "x" * 1000000):
                result, _, text, _ = self.ask(lambda connection, message: reply_error(connection, message, name, said), "get")
                self.assertEqual(result, number, name)
                self.assertTrue(text == said if said == "because" else 0 < len(text) < 1400, text[:50])

    def test_a_secret_without_a_descriptor(self):
        path = PASSWORDS + "/abcde"
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        os.write(write_end, b"k7mq3-xwd9h-2tv8e-pnb4r-q2cwm")
        os.close(write_end)
        # None at all; one that is not there; two, of which one is told of.
        self.assertEqual(self.ask(self.says("oh", [path, 0]), "create")[::3], (FAILED, "abcde/0"))
        self.assertEqual(self.ask(self.says("oh", [path, 5], fds=[0]), "create")[::3], (FAILED, "abcde/0"))
        self.assertEqual(self.ask(self.says("oh", [path, 0], count=3), "create")[0], NO_BROKER)
        self.assertEqual(self.ask(self.says("oh", [path, 0], fds=[read_end, 0, 1]), "create")[::3], (0, "abcde/29"))
        # Now it is empty: somebody else took it.
        result, _, text, came = self.ask(self.says("oh", [path, 0], fds=[read_end]), "create")
        self.assertEqual((result, came, text), (FAILED, "abcde/0", "somebody else took the secret: revoke abcde"))

    def test_a_secret_that_never_comes(self):
        path = PASSWORDS + "/abcde"
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.addCleanup(os.close, write_end)
        stop = threading.Event()

        def block():
            """The flags of a pipe's end belong to all who hold it."""
            while not stop.is_set():
                os.set_blocking(read_end, True)

        thread = threading.Thread(target=block)
        thread.start()
        try:
            result, took, _, came = self.ask(self.says("oh", [path, 0], fds=[read_end]), "create")
        finally:
            stop.set()
            thread.join()
        self.assertEqual((result, came), (NO_BROKER, "abcde/0"))
        self.assertGreaterEqual(took, TIMEOUT - 1)

    def test_an_endless_secret(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        ended = threading.Event()
        os.set_blocking(write_end, False)

        def pour():
            while not ended.is_set():
                with contextlib.suppress(BlockingIOError):
                    os.write(write_end, b"x" * 65536)

        thread = threading.Thread(target=pour)
        thread.start()
        try:
            result, _, _, came = self.ask(self.says("oh", [PASSWORDS + "/abcde", 0], fds=[read_end]), "create")
        finally:
            ended.set()
            thread.join()
            os.close(write_end)
        self.assertEqual((result, came), (FAILED, "abcde/0"))

    def test_a_secret_that_is_no_pipe(self):
        one, other = socket.socketpair()
        fds = [os.open("/dev/zero", os.O_RDONLY), os.open("/", os.O_RDONLY), os.open(__file__, os.O_RDONLY), one.fileno(),
               os.open("/dev/null", os.O_RDWR)]
        for fd in fds:
            self.assertEqual(self.ask(self.says("oh", [PASSWORDS + "/abcde", 0], fds=[fd]), "create")[::3],
                             (FAILED, "abcde/0"))
        one.close()
        other.close()
        for fd in fds[:3] + fds[4:]:
            os.close(fd)

    def test_twenty_megabytes(self):
        result, _, _, _ = self.ask(self.says("s", ["x" * 20000000]), "list", timeout=20000)
        self.assertEqual(result, NO_BROKER)
        row = struct.pack("<I", 1) + b"/\0" + b"\0" * 2 + struct.pack("<I", 0) + b"\0" * 4
        body = struct.pack("<I", len(row) * 900000) + b"\0" * 4 + row * 900000

        def rows(connection, message):
            connection.send_bytes(frame(METHOD_RETURN, connection.next_serial(),
                                        {REPLY_SERIAL: message.serial, SIGNATURE: "a(oa{sv})"}, body))

        # Row after row, each of which would be a record of 7 KiB here.
        self.assertEqual(self.ask(rows, "list", timeout=20000)[::3], (FAILED, "0"))
        event = (1, 2, "refused", "", {})
        self.assertEqual(self.ask(self.says("a(xtssa{sv})", [[event] * 1001]), "events")[0], FAILED)
        self.assertEqual(self.ask(self.says("a(xtssa{sv})", [[event] * 1000]), "events")[::3], (0, "1000"))

    def test_pages_without_end(self):
        page = [(PASSWORDS + "/00000", {"Id": Variant("s", "00000")})] * 1000
        self.assertEqual(self.ask(self.says("a(oa{sv})", [page]), "list-all", timeout=5000)[::3], (FAILED, "0"))
        at = [0]

        def onward(connection, message):
            if message.member != "ListPasswords":
                return reply(connection, message)
            rows = []
            for _ in range(1000):
                at[0] += 1
                rows.append((f"{PASSWORDS}/{at[0]:05}", {"Id": Variant("s", f"{at[0]:05}")}))
            time.sleep(0.1)
            return reply(connection, message, "a(oa{sv})", [rows])

        result, took, _, _ = self.ask(onward, "list-all", timeout=800)
        self.assertEqual(result, NO_BROKER)
        self.assertGreaterEqual(took, 799)

    def test_a_flood_of_signals(self):
        signal_ = frame(SIGNAL, 7, {PATH_FIELD: PATH, INTERFACE: MANAGER, MEMBER: "PasswordEnded", SIGNATURE: "osu"},
                        marshal("osu", [PASSWORDS + "/00000", "x" * 200, 1])) * 100
        stray = frame(METHOD_RETURN, 8, {REPLY_SERIAL: 77777}) * 100

        def flood(connection, message):
            while not connection.ended():
                connection.send_bytes(signal_ + stray)

        result, took, _, _ = self.ask(flood, "get")
        self.assertEqual(result, NO_BROKER)
        self.assertGreaterEqual(took, TIMEOUT - 1)

        def answer_in_it(connection, message):
            for _ in range(30):
                connection.send_bytes(signal_ + stray)
            reply(connection, message, "a{sv}", [{"Id": Variant("s", "abcde")}])

        self.assertEqual(self.ask(answer_in_it, "get", timeout=9000)[::3], (0, "abcde/0/0"))

    def test_it_hangs_up(self):
        for what in self.CALLS:
            result, took, _, _ = self.ask(lambda connection, message: "hang up", what, timeout=9000)
            self.assertEqual(result, NO_BROKER)
            self.assertLess(took, 4000)

    def test_a_stranger_listens(self):
        """A socket whose other end is another user's is left alone."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        home = self.home()
        home.environment()
        room = tempfile.mkdtemp(prefix="sparekey-liar-", dir="/tmp")
        self.addCleanup(shutil.rmtree, room, ignore_errors=True)
        os.chmod(room, 0o777)
        pid = os.fork()
        if pid == 0:
            os.setresuid(65534, 65534, 65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
                listening.bind(room + "/s")
                listening.listen(5)
                time.sleep(5)
            os._exit(0)
        wait_until(lambda: os.path.exists(room + "/s"))
        time.sleep(0.05)
        line, = probe(home, "version", "-", 20000, DBUS_SESSION_BUS_ADDRESS=f"unix:path={room}/s")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.assertEqual(line.split()[::2], ["0", "private"], line)


class LostAnswers(LibraryTest):
    def test_the_tool_says_that_it_may_have_been_made(self):
        def answer(connection, message):
            if message.member != "FindPassword":
                return "hang up"
            reply_error(connection, message, "org.freedesktop.DBus.Error.UnknownObject")
            return None

        liar = Server(answer)
        self.addCleanup(liar.close)
        done = run_tool(self.home(), "--address", liar.address, "new", "-p", "Phone")
        self.assertEqual((done.returncode, done.stdout), (69, ""), done)
        self.assertIn("It may have been made all the same. To see: sparekey list", done.stderr)


class Strangers(unittest.TestCase):
    """Building against what is installed."""

    def test_the_header_is_cplusplus(self):
        with tempfile.TemporaryDirectory() as room:
            source = os.path.join(room, "user.cc")
            with open(source, "w", encoding="utf-8") as stream:
                stream.write("#include <sparekey.h>\nint main() {\n  sparekey *broker = nullptr;\n"
                             "  sparekey_password password{};\n  return sparekey_new(nullptr, 0, &broker) +\n"
                             "         sparekey_get(broker, \"00000\", &password);\n}\n")
            for standard in ("c++11", "c++20"):
                done = subprocess.run(["g++", f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                                       "-fsyntax-only", "-I" + os.path.join(ROOT, "include"), source], capture_output=True,
                                      text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", "c",
                                   os.path.join(ROOT, "include", "sparekey.h")], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(SANITIZER, "a program without the sanitizer's runtime cannot load the library")
    def test_a_strangers_program(self):
        with tempfile.TemporaryDirectory() as room:
            stage = os.path.join(room, "stage")
            build = os.environ.get("SPAREKEY_BUILD", "build/release")
            environment = {name: value for name, value in os.environ.items()
                           if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CFLAGS")}
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(ROOT, build, "libsparekey.pc"))  # of another prefix, perhaps
            # What is built is installed: `-o` keeps it from being built anew with other flags.
            subprocess.run(["make", "--no-print-directory", "-o", build + "/configuration", "BUILD=" + build,
                            "DESTDIR=" + stage, "prefix=/usr/local", "install"], cwd=ROOT, env=environment, check=True,
                           stdout=subprocess.DEVNULL)
            environment.update(PKG_CONFIG_PATH=stage + "/usr/local/lib/pkgconfig", PKG_CONFIG_SYSROOT_DIR=stage)
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsparekey"], env=environment, check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.split()
            program = os.path.join(room, "passwords")
            subprocess.run(["cc", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program,
                            os.path.join(ROOT, "examples", "passwords.c"), *flags], check=True)
            broker = Broker()
            try:
                for label in ("Phone", "Laptop"):
                    done = subprocess.run([program, label], env=broker.home.environment(
                        LD_LIBRARY_PATH=stage + "/usr/local/lib"), capture_output=True, text=True, check=False)
                    self.assertEqual((done.returncode, done.stdout), (0, f"yes: {label}\nrevoked\n"), done)
                broker.connect().create("Phone")
                done = subprocess.run([program, "Phone"], env=broker.home.environment(
                    LD_LIBRARY_PATH=stage + "/usr/local/lib"), capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, "yes" in done.stdout), (1, False), done)
                broker.stop()
            finally:
                broker.remove()


class Owner(LibraryTest):
    """Main password, authenticator and recovery codes, by one handle; news of them by another."""

    def test_all_of_it(self):
        broker = Broker(settings={"create-requires": "password+code"})
        self.addCleanup(broker.stop)
        heard = Started(broker.home, "news", "-")
        self.assertTrue(heard.line().startswith("8 "))
        owner = Started(broker.home, "owner", "-")

        def say(*words):
            owner.say(" ".join(words) + "\n")
            return owner.line()

        def code(key, after):
            return subprocess.run(["oathtool", "--totp", "-b", "-N", f"@{int(time.time()) + after}", key], capture_output=True,
                                  text=True, check=True).stdout.strip()

        main, other = "walnut-harbor-sixteen", "sixteen-walnut-harbors"
        self.assertEqual((say("owner"), say("create", "x"), say("enroll"), say("authenticate", main)),
                         ("0 0 1 0", "1", "1 ", "1 "))
        self.assertEqual((say("initialize", "short"), say("initialize", main), say("initialize", main)), ("12 ", "0 ", "2 "))
        wait_until(lambda: heard.line().startswith("9 "))
        self.assertEqual((say("create", "x"), say("confirm", "123456"), say("lock"), say("create", "x")), ("5", "17", "0", "3"))
        self.assertEqual((say("authenticate", other), say("authenticate", main)), ("6 ", "0 until"))
        result, uri = say("enroll").split()
        key = re.search("secret=([A-Z2-7]+)", uri).group(1)
        self.assertEqual((result, say("confirm", "12345"), say("confirm", code(key, -30)), say("owner")),
                         ("0", "6", "0", "0 1 2 0"))
        wait_until(lambda: heard.line().startswith("9 "))
        self.assertEqual(say("create", "x"), "0")
        codes = [say("codes").split()[1]] + [owner.line() for _ in range(10)]
        self.assertEqual(({len(one) for one in codes[:10]}, codes[10], say("owner")), ({11}, "", "0 1 2 10"))
        self.assertEqual((say("lock"), say("authenticate", main), say("erase")), ("0", "4 ", "3"))
        self.assertEqual((say("authenticate", main, code(key, -30)), say("authenticate", main, codes[4].upper()),
                          say("authenticate", main, codes[4])), ("6 ", "0 until", "6 "))
        self.assertEqual((say("change", "short"), say("change", other), say("create", "y")), ("12 ", "0 ", "0"))
        self.assertEqual((say("change", main, "revoke"), broker.connect().list()), ("0 ", []))
        self.assertEqual((say("remove"), say("owner"), say("create", "z"), say("erase"), say("owner")),
                         ("0", "0 1 1 0", "5", "0", "0 0 1 0"))
        owner.end()
        heard.end()


if __name__ == "__main__":
    unittest.main()
