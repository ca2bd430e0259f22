# SPDX-License-Identifier: MIT
"""Faults: the n-th allocation, the n-th system call of a real broker fails, for n = 1, 2, ... until a clean run.

Whatever fails, the broker lives on, every call gets one answer, what was acknowledged is there, what was refused is not,
and a second broker, which nothing befalls, sees the same store. So do the tool and the library end: with their answer, or
with an error that says so. CI takes every few of the n, another few each time; SPAREKEY_FAULTS=all takes all.
"""
import collections
import contextlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

if os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"  # thousands of commits: no disk

from faults import ERRORS, Failing  # noqa: E402
from support import (BUILD, SANITIZER, SPAREKEY, STORAGE_FAILED, STANDARD, UNKNOWN_OBJECT, Broker, Bus, BusError,  # noqa: E402
                     Disconnected, Home, TestCase, TimedOut, run_tool, wait_until, wrong_secret)

ALL = os.environ.get("SPAREKEY_FAULTS") == "all"
MOST = 20000
FAULTS = {STANDARD + "Failed", STANDARD + "NoMemory", STORAGE_FAILED}
LOST = "the connection"
BREAKS_CONNECTIONS = {"ENOMEM", "ECONNRESET"}


def numbers(step):
    """1, 2, 3, ... or every `step`-th of them, from a random first."""
    step = 1 if ALL else step * (3 if SANITIZER else 1)
    return range(random.randint(1, step), MOST, step)


def attempt(call, *arguments):
    """What it gave, and the name of its error."""
    try:
        return call(*arguments), None
    except BusError as error:
        return None, error.name
    except (Disconnected, OSError):
        return None, LOST


class Rounds(TestCase):
    """One broker on which things fail, and beside it one on the same store on which nothing does."""

    def start(self, shim, bus=None):
        self.failing = Failing(shim)
        self.addCleanup(self.failing.close)
        self.broker = Broker(bus, environment=self.failing.environment)
        self.addCleanup(self.broker.stop)
        self.kept, self.secret = self.client(self.broker).create("kept")
        self.steady = Broker(arguments=[f"--data-dir={self.broker.home.data_dir}"])
        self.addCleanup(self.steady.stop)
        self.other = self.steady.peer()

    def life(self, client, label):
        """The whole path; the error of each call by its name, None for success."""
        errors = {}
        made, errors["create"] = attempt(client.create, label)
        found, errors["verify"] = attempt(client.verify, self.secret)
        if found:
            self.assertEqual(found[0], self.kept)
        self.assertNotEqual(attempt(client.verify, wrong_secret(self.secret))[1], None, "a wrong one was accepted")
        rows, errors["list"] = attempt(client.list)
        if rows is not None:
            self.assertIn(self.kept, [path for path, _ in rows])
        _, errors["freeze"] = attempt(client.on_password, self.kept, "Freeze")
        _, errors["thaw"] = attempt(client.on_password, self.kept, "Thaw")
        if made:
            found, errors["verify new"] = attempt(client.verify, made[1])
            if found:
                self.assertEqual(found[0], made[0])
            _, errors["revoke"] = attempt(client.revoke, made[0])
        return errors

    def check_store(self, label, errors):
        """Seen by the other broker. What a caller was told of as failed is undone when it is seen to have been done."""
        def labels():
            return {row["Label"]: path for path, row in self.other.list()}

        if errors["create"] is not None or errors.get("revoke", "none") is None:
            wait_until(lambda: label not in labels(), 5, f"that {label} is gone: {errors}")
        left = labels()
        self.assertEqual(left.pop("kept"), self.kept)
        if label in left:
            _, error = attempt(self.other.revoke, left.pop(label))
            # Where the answer to the revocation was lost, it may have been done just now.
            self.assertIn(error, (None, UNKNOWN_OBJECT) if errors.get("revoke") else (None,))
        self.assertEqual(left, {})
        if self.other.get(self.kept, "State") == 2:
            self.assertIsNotNone(errors["thaw"])
            self.other.on_password(self.kept, "Thaw")

    def round(self, nth, allowed, **how):
        client = self.broker.connect(timeout=10)
        label = f"n{nth}"
        self.failing.arm(nth, **how)
        try:
            errors = self.life(client, label)
        except TimedOut:
            name = self.failing.disarm()
            raise AssertionError(f"{nth}: no answer after {name} failed\n{self.broker.log()[-2000:]}") from None
        name = self.failing.disarm()
        self.broker.clients.remove(client)
        client.close()
        where = f"{nth}, {name}: {errors}\n{self.broker.log()[-1000:]}"
        self.assertIsNone(self.broker.process.poll(), where)
        self.assertLessEqual(set(errors.values()) - {None}, allowed, where)
        if name is None:
            self.assertEqual(set(errors.values()), {None}, where)
        with self.subTest(where):
            self.check_store(label, errors)
            with self.broker.connect(timeout=10) as again:
                self.broker.clients.remove(again)
                self.assertEqual(again.verify(self.secret)[0], self.kept)
        return name

    def loop(self, step, allowed, least, **how):
        """Rounds until nothing fails any more; `least`: there must have been so many n."""
        for nth in numbers(step):
            if self.round(nth, allowed, **how) is None:
                self.assertGreater(nth, least)
                return
        raise AssertionError("it never ends")


class Allocations(Rounds):
    def test_p43_of_a_broker(self):
        self.start("fail-alloc.so")
        self.loop(9, FAULTS, 300)

    def test_p43_of_a_broker_on_a_bus(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        self.start("fail-alloc.so", bus)
        self.loop(9, FAULTS, 300)

    def test_p43_all_after_the_nth(self):
        """Then calls may stay without an answer; but the broker lives, and goes on when there is memory."""
        self.start("fail-alloc.so")
        for nth in numbers(80):
            client = self.broker.connect(timeout=0.2)
            self.failing.arm(nth, sticky=True)
            with contextlib.suppress(TimedOut):
                self.life(client, f"n{nth}")
            name = self.failing.disarm()
            client.close()
            self.assertIsNone(self.broker.process.poll(), f"{nth}, {name}\n{self.broker.log()[-1000:]}")
            for path, row in self.other.list():
                if row["Label"] != "kept":
                    self.other.revoke(path)
                elif row["State"] == 2:
                    self.other.on_password(path, "Thaw")
            with self.broker.connect(timeout=10) as again:
                self.assertEqual(again.verify(self.secret)[0], self.kept)
            if name is None:
                return
        raise AssertionError("it never ends")


class Starts(TestCase):
    """The n-th from the very start: it ends with an error that says so, or it serves."""

    def started(self, home, failing, bus):
        broker = Broker(bus, home=home, environment=failing.environment, wait=False)
        self.addCleanup(broker.remove)

        def is_settled():
            with contextlib.suppress(AssertionError):
                return broker.process.poll() is not None or broker.is_ready()
            return True

        wait_until(is_settled, 20, "its start or its end")
        return broker

    def serve(self, broker, secret):
        """Asks for the whole path; connections may be lost as well, but not the third time."""
        for label in ("first", "second", "third"):
            try:
                client = broker.connect(timeout=10)
                if secret is not None:
                    client.verify(secret)
                path, made = client.create(label)
                client.verify(made)
                client.revoke(path)
                return
            except (Disconnected, OSError):
                continue
            except BusError as error:
                self.assertIn(error.name, FAULTS)
        raise AssertionError(f"does not serve\n{broker.log()}")

    def clear(self, broker):
        """What was made for nobody may be there for a moment, and an answer may have been lost with its connection."""
        with broker.connect(timeout=10) as client:
            for path, row in client.list():
                if row["Label"] != "kept":
                    with contextlib.suppress(BusError):
                        client.revoke(path)

    def loop(self, shim, step, least, bus=None, fresh=False, error=0):
        home = Home()
        self.addCleanup(home.remove)
        secret = None
        if not fresh:
            broker = Broker(bus, home=home)
            secret = broker.connect().create("kept")[1]
            broker.stop()
        failing = Failing(shim)
        self.addCleanup(failing.close)
        for nth in numbers(step):
            failing.arm(nth, error=error)
            broker = self.started(home, failing, bus)
            ended = broker.process.poll()
            if ended is None:
                try:
                    self.serve(broker, secret)
                except TimedOut:
                    raise AssertionError(f"{nth}: no answer after {failing.disarm()} failed\n{broker.log()}") from None
            name = failing.disarm()
            where = f"{nth}, {name}: {ended}\n{broker.log()}"
            if ended is None:
                self.clear(broker)
                broker.stop()
            else:
                self.assertIn(ended, (69, 70, 74, 78), where)
                self.assertRegex(broker.log(), r"\Asparekeyd: .{10,}", where)
                broker.check_log()
            if fresh:
                shutil.rmtree(home.data_dir, ignore_errors=True)
            if name is None:
                self.assertGreater(nth, least)
                return
        raise AssertionError("it never ends")

    def test_p43_allocations(self):
        self.loop("fail-alloc.so", 41, 500)

    def test_p43_allocations_on_a_bus(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        self.loop("fail-alloc.so", 59, 500, bus)

    def test_p43_allocations_of_one_that_makes_its_store(self):
        self.loop("fail-alloc.so", 59, 500, fresh=True)

    def test_p22_system_calls(self):
        for name in ("EIO", "EMFILE", "ENOMEM"):
            self.loop("fail-call.so", 23, 10, error=ERRORS[name])

    def test_p22_system_calls_of_one_that_makes_its_store(self):
        for name in ("EIO", "ENOSPC", "EMFILE"):
            self.loop("fail-call.so", 37, 10, fresh=True, error=ERRORS[name])


class SystemCalls(Rounds):
    def test_p22_interrupted_calls_do_no_harm(self):
        self.start("fail-call.so")
        self.loop(9, set(), 50, error=ERRORS["EINTR"])

    def test_p22_failed_calls(self):
        self.start("fail-call.so")
        for name in ("EIO", "ENOSPC", "EMFILE", "ENOMEM", "ENOLCK", "ECONNRESET"):
            with self.subTest(name):
                allowed = FAULTS | {LOST} if name in BREAKS_CONNECTIONS else FAULTS
                self.loop(13, allowed, 5, error=ERRORS[name])


class Programs(TestCase):
    """The tool and a program on the library: the right answer, or an exit code and a text that say what failed."""

    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.stop)
        self.c = self.client(self.broker)
        self.kept, self.secret = self.c.create("kept")

    def left(self):
        return collections.Counter(row["Label"] for _, row in self.c.list())

    def loop(self, shim, step, run, check, error=0):
        failing = Failing(shim)
        self.addCleanup(failing.close)
        for nth in numbers(step):
            failing.arm(nth, error=error)
            done = run(failing.environment)
            name = failing.disarm()
            with self.subTest(f"{nth}, {name}: {done}"):
                self.assertGreaterEqual(done.returncode, 0)
                check(done)
            for path, row in self.c.list():
                if row["Label"] != "kept":
                    self.c.revoke(path)
            if name is None:
                self.assertEqual(done.returncode, 0)
                return
        raise AssertionError("it never ends")

    def tool(self, *arguments, input_text=""):
        return lambda environment: run_tool(self.broker.home, *arguments, input_text=input_text, environment=environment)

    def failed(self, done):
        """Whether it says so; libdbus, too, may say what it met."""
        said = [line for line in done.stderr.splitlines() if not line.startswith("dbus[")]
        if done.returncode == 0:
            self.assertEqual(said, [])
            return False
        self.assertIn(done.returncode, (69, 70, 74))
        self.assertTrue(said[0].startswith("sparekey: "), done.stderr)
        self.assertEqual(done.stdout, "")
        return True

    def check_new(self, done):
        if done.returncode == 69:
            self.failed(done)  # the answer was lost with the connection: it may have been made
        elif self.failed(done):
            self.assertEqual(self.left(), {"kept": 1})
        else:
            self.assertEqual(self.c.verify(done.stdout[:-1])[1]["label"], "made")

    def check_verify(self, done):
        if not self.failed(done):
            self.assertIn("kept", done.stdout)

    def check_list(self, done):
        if not self.failed(done):
            self.assertEqual([row["label"] for row in json.loads(done.stdout)], ["kept"])

    def check_revoke(self, done):
        if not self.failed(done):
            self.assertEqual(self.left(), {"kept": 1})

    def make_and(self, run):
        def both(environment):
            self.c.create("victim")
            return run(environment)
        return both

    def sweep(self, shim, step, error=0):
        self.loop(shim, step, self.tool("new", "-p", "made"), self.check_new, error)
        self.loop(shim, step, self.tool("verify", "-s", "imap", input_text=self.secret + "\n"), self.check_verify, error)
        self.loop(shim, step, self.tool("list", "--json"), self.check_list, error)
        self.loop(shim, step, self.make_and(self.tool("revoke", "victim")), self.check_revoke, error)

    def test_p43_tool(self):
        self.sweep("fail-alloc.so", 17)

    def test_p22_tool(self):
        for name in ("EIO", "EMFILE", "ENOMEM"):
            self.sweep("fail-call.so", 5, ERRORS[name])

    def test_p43_tool_that_proves(self):
        """As new, with a main password that the broker asks for first."""
        main = "correct horse battery"
        self.broker = Broker(settings={"create-requires": "password"})
        self.addCleanup(self.broker.stop)
        self.c = self.client(self.broker)
        home = self.broker.home

        def run(*arguments):
            def with_password(environment):
                read_end, write_end = os.pipe()
                os.write(write_end, main.encode())
                os.close(write_end)
                try:
                    return subprocess.run([SPAREKEY, f"--password-fd={read_end}", *arguments], stdin=subprocess.DEVNULL,
                                          pass_fds=[read_end], capture_output=True, text=True, timeout=60, check=False,
                                          env=home.environment(None, **environment))
                finally:
                    os.close(read_end)
            return with_password

        def check_status(done):
            if not self.failed(done):
                self.assertEqual(json.loads(done.stdout)["second_factor"], "none")

        self.assertEqual(run("setup", "-p", "--code-fd=0")({}).returncode, 77)  # no code, but a main password
        self.assertEqual(run("new", "-p", "kept")({}).returncode, 0)
        self.loop("fail-alloc.so", 17, run("new", "-p", "made"), self.check_new)
        self.loop("fail-call.so", 5, run("new", "-p", "made"), self.check_new, ERRORS["EIO"])
        self.loop("fail-alloc.so", 17, run("--json", "factor", "status"), check_status)

    def test_p43_library(self):
        """A program of somebody else's on libsparekey: its own text says what the library answered."""
        def probe(*arguments):
            def run(environment):
                return subprocess.run([os.path.join(BUILD, "probe"), *arguments], input=self.secret, text=True,
                                      capture_output=True, timeout=60, check=False,
                                      env=self.broker.home.environment(None, **environment))
            return run

        def check_right(done):
            self.assertIn(done.stdout, ("0\n", "1\n", "") if done.returncode else ("0\n", "1\n"))
            self.assertNotIn("Sanitizer", done.stderr)

        def check_life(done):
            self.assertNotIn("Sanitizer", done.stderr)

        self.loop("fail-alloc.so", 17, probe("verify", self.broker.peer_address, "imap", "1"), check_right)
        self.loop("fail-alloc.so", 17, probe("async", self.broker.peer_address, "3"), check_life)


if __name__ == "__main__":
    unittest.main()
