#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The owner's proof: main password, authenticator, recovery codes (P5, P14, P33, P34, P35). Codes are made here by the RFC's own
words, not by the library the broker uses."""
import base64
import contextlib
import os
import sqlite3
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (MANAGER, OWNER, PATH, Broker, Bus, BusError, TestCase, Variant, code_at, key_of, locked, pipe_with,
                     read_all, wait_until)  # noqa: E402
from test_contract import installed_interfaces, methods_of  # noqa: E402

ERROR = "org.sparekey.Broker1.Error."
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
MAIN = "correct horse battery staple"
OTHER = "Tr0ub4dor & three more"


def piped(secret):
    return pipe_with(secret if isinstance(secret, bytes) else secret.encode())


class Owner:
    """The Owner interface by one connection."""

    def __init__(self, client):
        self.c = client
        self.key = None
        self.last = 0

    def call(self, member, signature="a{sv}", args=({},)):
        return self.c.call(PATH, OWNER, member, signature, list(args))

    def with_secret(self, member, secret, options=None):
        fd = piped(secret)
        try:
            return self.call(member, "ha{sv}", (fd, options or {}))
        finally:
            os.close(fd)

    def initialize(self, main=MAIN):
        return self.with_secret("Initialize", main)

    def authenticate(self, main=MAIN, code=None, by_fd=False):
        if code is None:
            return self.with_secret("Authenticate", main)[0]
        if not by_fd:
            return self.with_secret("Authenticate", main, {"code": Variant("s", code)})[0]
        fd = piped(code)
        try:
            return self.with_secret("Authenticate", main, {"code": Variant("h", fd)})[0]
        finally:
            os.close(fd)

    def lock(self):
        return self.call("Lock", "", ())

    def change(self, new=OTHER, **options):
        return self.with_secret("ChangeMainPassword", new, {name: Variant("b", value) for name, value in options.items()})

    def enroll(self):
        """The key that the address brings."""
        self.uri = read_all(self.call("EnrollTotp")[0]).decode()
        self.key, query = key_of(self.uri)
        return query

    def code(self, off=0):
        return code_at(self.key, int(time.time()) // 30 + off)

    def fresh(self):
        """A code that was not used yet: the next of the three that count, if need be after a wait."""
        wait_until(lambda: int(time.time()) // 30 + 1 > self.last, 40, "a step that was not used")
        now = int(time.time() + 10) // 30  # one that lasts until it is given
        self.last = max(self.last + 1, now - 1)
        return code_at(self.key, self.last)

    def confirm(self, code=None):
        return self.call("ConfirmTotp", "sa{sv}", (code if code is not None else self.fresh(), {}))

    def set_up(self):
        """Main password and factor; the proof counts with a code."""
        self.initialize()
        self.enroll()
        self.confirm()
        return self

    def codes(self):
        return read_all(self.call("GenerateRecoveryCodes")[0]).decode().splitlines()

    def properties(self):
        found = self.c.get_all(PATH, OWNER)
        return found["Initialized"], found["SecondFactor"], found["RecoveryCodesLeft"]


class OwnerTest(TestCase):
    settings = {"create-requires": "password+code"}

    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.stop)
        self.broker = Broker(self.bus, settings=self.settings)
        self.addCleanup(self.end, self.broker)
        self.c = self.client(self.broker)
        self.o = Owner(self.c)

    def proven(self, o=None):
        """Another connection that has given main password and code."""
        o = o or self.another()
        o.key = self.o.key
        self.forget_steps()
        o.authenticate(MAIN, o.fresh())
        return o

    @staticmethod
    def end(broker):
        if broker.process.poll() is None:  # a killed one has ended as it should
            broker.stop()

    def another(self, **keywords):
        return Owner(self.client(self.broker, **keywords))

    def peer(self):
        client = self.broker.peer()
        self.addCleanup(client.close)
        return Owner(client)

    def second(self):
        """Another broker on the same store."""
        second = Broker(settings=self.settings, arguments=[f"--data-dir={self.broker.home.data_dir}"])
        self.addCleanup(second.stop)
        return second

    def restart(self, **settings):
        self.broker.stop_keeping_files()
        if settings:
            self.broker.home.set({name.replace("_", "-"): value for name, value in settings.items()})
        self.broker = Broker(self.bus, home=self.broker.home)
        self.addCleanup(self.broker.stop)

    def forget_steps(self):
        """As if no code of the authenticator had been used yet."""
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            database.execute("UPDATE owner SET step = 0")
            database.commit()

    def race(self, work, brokers=None):
        """How many of several connections succeed at the same time."""
        clients = [Owner(self.client(broker)) for broker in (brokers or [self.broker] * 4)]
        results = []
        gate = threading.Barrier(len(clients))

        def run(o):
            gate.wait()
            try:
                work(o)
                results.append(True)
            except BusError as error:
                results.append(error.name == ERROR + "AuthenticationFailed" and None)
        threads = [threading.Thread(target=run, args=(o,)) for o in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for o in clients:
            o.c.close()
        self.assertNotIn(False, results)
        return results.count(True)

    def kinds(self):
        return [event[2] for event in self.c.events()]


class Flow(OwnerTest):
    def test_from_nothing_to_a_password_and_back(self):
        self.assertEqual(self.o.properties(), (1, 1, 0))
        self.assert_error(ERROR + "NotInitialized", self.c.create, "Phone")
        self.assert_error(ERROR + "NotInitialized", self.o.authenticate)
        self.assertFalse(os.path.exists(self.broker.home.store))
        self.o.initialize()
        self.assertEqual(self.o.properties(), (2, 1, 0))
        self.assert_error(ERROR + "AlreadyInitialized", self.o.initialize, OTHER)
        self.assert_error(ERROR + "SecondFactorNotEnrolled", self.c.create, "Phone")
        query = self.o.enroll()
        self.assertEqual({name: query[name] for name in ("issuer", "algorithm", "digits", "period")},
                         {"issuer": "Sparekey", "algorithm": "SHA1", "digits": "6", "period": "30"})
        self.assertEqual(len(self.o.key), 20)
        self.assert_error(ERROR + "AuthenticationFailed", self.o.confirm, "000000" if self.o.code() != "000000" else "000001")
        self.assert_error(ERROR + "SecondFactorNotEnrolled", self.c.create, "Phone")
        self.o.confirm()
        self.assertEqual(self.o.properties(), (2, 2, 0))
        path, secret = self.c.create("Phone")
        self.assertTrue(self.c.verify(secret))
        self.o.lock()
        self.assert_error(ERROR + "AuthenticationRequired", self.c.create, "Tablet")
        self.c.revoke(path)  # taking away needs no proof
        self.assert_error(ERROR + "SecondFactorRequired", self.o.authenticate)
        before = time.time()
        until = self.o.authenticate(MAIN, self.o.fresh())
        self.assertTrue(before + 298 <= until <= time.time() + 301, until)
        self.c.create("Tablet")
        self.assertEqual([kind for kind in reversed(self.kinds())],
                         ["initialized", "authentication-failed", "factor-added", "created", "verified", "revoked",
                          "authenticated", "created"])

    def test_main_passwords_that_are_none(self):
        for bad in ("", "eleven char", "x" * 1025, b"twelve chars\xff", b"twelve\0chars and more"):
            self.assert_error(ERROR + "InvalidMainPassword", self.o.initialize, bad)
        self.assertEqual(self.o.properties(), (1, 1, 0))
        self.assertFalse(os.path.exists(self.broker.home.store))
        self.o.initialize("p\u00e4ssw\u00f6rter!!")  # 12 characters
        self.another().authenticate("pa\u0308sswo\u0308rter!!")  # the same from another keyboard
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, "p\u00e4ssworter!!")
        for bad in ("", "x" * 1025, b"\xff" * 12):
            self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, bad)

    def test_the_proof_is_the_connections_own_and_ends_with_it(self):
        self.o.set_up()
        for by_bus in (False, True):
            other = self.another() if by_bus else self.peer()
            self.assert_error(ERROR + "AuthenticationRequired", other.c.create, f"Other {by_bus}")
            other.key, other.last = self.o.key, self.o.last
            self.forget_steps()
            other.last = 0
            other.authenticate(MAIN, other.fresh())
            other.c.create(f"Mine {by_bus}")
            other.c.close()
        for after in (self.another(), self.peer()):
            self.assert_error(ERROR + "AuthenticationRequired", after.c.create, "After")

    def test_a_proof_from_before_the_factor_does_not_count_as_with_code(self):
        self.o.initialize()
        early = self.another()
        early.authenticate()
        self.o.enroll()
        self.o.confirm()
        self.assert_error(ERROR + "SecondFactorRequired", early.c.create, "Phone")
        self.assert_error(ERROR + "SecondFactorRequired", early.enroll)
        self.c.create("Phone")

    def test_signals_tell_of_each_change(self):
        watcher = self.client(self.broker, subscribe=True)
        self.o.set_up()
        self.o.codes()

        def told():
            watcher.ping()
            return [message.body[1] for message in watcher.signals if message.member == "PropertiesChanged"
                    and message.body[0] == OWNER]
        wait_until(lambda: len(told()) >= 3, 10, "three changes")
        self.assertEqual([tuple(value[name].value for name in ("Initialized", "SecondFactor", "RecoveryCodesLeft"))
                          for value in told()], [(2, 1, 0), (2, 2, 0), (2, 2, 10)])

    def test_erase_starts_over(self):
        self.o.set_up()
        _, secret = self.c.create("Phone")
        codes = self.o.codes()
        self.o.call("Erase")
        self.assertEqual(self.o.properties(), (1, 1, 0))
        self.assert_error(ERROR + "AuthenticationFailed", self.c.verify, secret)
        self.assertEqual(self.c.list(), [])
        self.assertEqual([kind for kind in self.kinds() if kind != "refused"], ["erased"])
        self.assert_error(ERROR + "NotInitialized", self.c.create, "Phone")
        self.o.initialize(OTHER)
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, codes[0], True)


class Ending(OwnerTest):
    """What is under way when the proof ends does not outlive it."""

    def queue(self, o, count=20):
        return [o.c.send(PATH, MANAGER, "CreatePassword", "sa{sv}", [f"Queued {number}", {}]) for number in range(count)]

    def made(self, o, serials):
        return sum(o.c.wait(serial).error_name is None for serial in serials)

    def test_creations_under_way_end_with_the_main_password(self):
        self.o.set_up()
        thief = self.proven()
        serials = self.queue(thief)
        self.o.change(revoke=True)
        before = self.c.list()
        self.assertLess(self.made(thief, serials), 20)
        self.assertEqual((before, self.c.list()), ([], []))

    def test_creations_under_way_end_with_an_erase(self):
        self.o.set_up()
        thief = self.proven()
        serials = self.queue(thief)
        self.o.call("Erase")
        self.made(thief, serials)
        self.assertEqual(self.c.list(), [])
        self.assertEqual([kind for kind in self.kinds() if kind != "refused"], ["erased"])

    def test_creations_and_proofs_under_way_end_with_lock(self):
        self.o.set_up()
        serials = self.queue(self.o)
        locked_at = self.c.send(PATH, OWNER, "Lock")
        self.c.wait(locked_at)
        there = len(self.c.list())
        self.made(self.o, serials)
        self.assertEqual(len(self.c.list()), there)
        self.forget_steps()
        fds = [piped(MAIN), piped(self.o.code())]
        serial = self.c.send(PATH, OWNER, "Authenticate", "ha{sv}", [fds[0], {"code": Variant("h", fds[1])}])
        self.c.wait(self.c.send(PATH, OWNER, "Lock"))
        self.c.wait(serial)
        self.assert_error(ERROR + "AuthenticationRequired", self.c.create, "After the lock")

    def test_a_change_prolongs_nothing(self):
        self.restart(create_requires="password", proof_seconds=2)
        o = self.another()
        o.initialize()
        begin = time.monotonic()
        time.sleep(1.2)
        o.change()
        o.c.create("Within")
        time.sleep(max(0, begin + 2.3 - time.monotonic()))
        self.assert_error(ERROR + "AuthenticationRequired", o.c.create, "Beyond")

    def test_another_authenticator_ends_the_code_of_the_old_one(self):
        self.o.set_up()
        phone = self.proven()
        phone.c.create("With the old one")
        self.o.enroll()
        self.o.confirm(self.o.code())  # also in the same half minute
        self.assert_error(ERROR + "SecondFactorRequired", phone.c.create, "With none")
        self.assert_error(ERROR + "SecondFactorRequired", phone.call, "GenerateRecoveryCodes")
        self.c.create("With the new one")

    def test_an_erase_over_many_turns(self):
        """Others are answered meanwhile, and what is left is one line."""
        self.o.set_up()
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            database.executemany("INSERT INTO event (time, kind, password, label, scope, remote, account, reason, count,"
                                 " mistyped_group) VALUES (1, 'refused', '', '', '', '', '', '', 1, 0)", [()] * 3000)
            database.commit()
        for number in range(120):
            self.c.create_inline(f"Phone {number}")
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            database.execute("UPDATE password SET expires_at = 5 WHERE label = 'Phone 7'")  # not swept yet
            database.commit()
        other = self.another()
        serial = self.c.send(PATH, OWNER, "Erase", "a{sv}", [{}])
        self.assertLess(len(other.c.list()), 121)
        self.assertIsNone(self.c.wait(serial).error_name)
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            self.assertEqual([database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                              for table in ("password", "password_use", "owner", "recovery_code", "event")], [0, 0, 0, 0, 1])


class Changing(OwnerTest):
    def test_all_others_lose_their_proof_and_the_factor_stays(self):
        self.o.set_up()
        other = self.proven()
        _, secret = self.c.create("Phone")
        self.o.change()
        self.assert_error(ERROR + "AuthenticationRequired", other.c.create, "Tablet")
        self.c.create("Laptop")  # the one who changed it keeps his
        self.assertTrue(self.c.verify(secret))
        self.assert_error(ERROR + "AuthenticationFailed", other.authenticate, MAIN, self.o.code())
        self.forget_steps()
        other.last = 0
        other.authenticate(OTHER, other.fresh())  # the key was sealed anew
        self.o.change("another one still", revoke=True)
        self.assert_error(ERROR + "AuthenticationFailed", self.c.verify, secret)
        self.assertEqual(self.c.list(), [])
        self.assertEqual(self.kinds().count("main-password-changed"), 2)
        self.assert_error(ERROR + "InvalidMainPassword", self.o.change, "too short")

    def test_a_dearer_hash_is_made_when_it_was_right(self):
        """Of the main password, and the key sealed with it; the proof that it gave goes on."""
        self.o.set_up()

        def stored():
            with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
                return database.execute("SELECT hash, sealed FROM owner").fetchone()
        before = stored()
        self.restart(create_requires="password+code", owner_argon2_memory_kib=8192)
        o = self.another()
        o.key = self.o.key
        self.forget_steps()
        o.authenticate(MAIN, o.fresh())
        wait_until(lambda: "m=8192," in stored()[0], 10, "another hash")
        self.assertNotEqual(stored()[1], before[1])
        o.c.create("Phone")
        again = self.another()
        again.authenticate(MAIN, o.fresh())
        again.c.create("Tablet")

    def test_it_needs_the_proof_and_the_code(self):
        self.o.initialize()
        self.assert_error(ERROR + "AuthenticationRequired", self.another().change)
        self.o.enroll()
        self.o.confirm()
        self.restart(create_requires="password")
        o = self.another()
        o.authenticate()  # the setting asks for no code
        o.c.create("Phone")
        self.assert_error(ERROR + "SecondFactorRequired", o.change)

    def test_a_proof_ends_where_another_process_has_changed_it(self):
        self.o.set_up()
        second = self.second()
        there = self.proven(Owner(self.client(second)))
        there.change()
        self.assert_error(ERROR + "AuthenticationRequired", self.c.create, "Phone")


class Codes(OwnerTest):
    def test_each_works_once_also_after_a_restart(self):
        self.o.set_up()
        used = self.o.last
        for _ in range(2):
            self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, code_at(self.o.key, used))
            self.restart()

    def test_one_step_each_side_and_no_more(self):
        self.o.set_up()
        wait_until(lambda: time.time() % 30 < 20, 15, "a moment well within a step")
        now = int(time.time()) // 30
        for off, right in ((-2, False), (2, False), (-1, True), (0, True), (1, True)):
            self.forget_steps()
            o = self.another()
            if right:
                o.authenticate(MAIN, code_at(self.o.key, now + off), by_fd=off == 0)
            else:
                self.assert_error(ERROR + "AuthenticationFailed", o.authenticate, MAIN, code_at(self.o.key, now + off))
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, code_at(self.o.key, now))

    def test_codes_that_are_none(self):
        self.o.set_up()
        for code in ("", "12345", "1234567", "12 456", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666"):
            self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, code)
        self.assert_error(INVALID_ARGS, self.another().authenticate, MAIN, "01234-56789")
        o = self.another()
        self.assert_error(INVALID_ARGS, o.with_secret, "Authenticate", MAIN, {"code": Variant("u", 123456)})

    def test_without_the_main_password_no_code_is_tried(self):
        self.o.set_up()
        codes = self.o.codes()
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, OTHER, self.o.fresh())
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, OTHER, codes[0], True)
        self.assertEqual(self.o.properties(), (2, 2, 10))
        self.another().authenticate(MAIN, code_at(self.o.key, self.o.last))  # it was not used up

    def test_one_code_in_a_race_lets_one_in(self):
        self.o.set_up()
        for _ in range(5):
            self.forget_steps()
            code = self.o.code()
            self.assertEqual(self.race(lambda o, code=code: o.authenticate(MAIN, code)), 1)


    def test_one_code_at_two_brokers_lets_one_in(self):
        self.o.set_up()
        second = self.second()
        for _ in range(10):
            self.forget_steps()
            code = self.o.code()
            self.assertEqual(self.race(lambda o, code=code: o.authenticate(MAIN, code), [self.broker, second]), 1)

    def test_one_that_let_in_before_a_kill_does_not_after_it(self):
        self.o.set_up()
        for _ in range(5):
            self.forget_steps()
            code = self.o.code()
            self.another().authenticate(MAIN, code)
            self.broker.kill()
            self.broker = Broker(self.bus, home=self.broker.home)
            self.addCleanup(self.end, self.broker)
            self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, code)


class Recovery(OwnerTest):
    def test_each_once_typed_forgivingly(self):
        self.o.set_up()
        codes = self.o.codes()
        self.assertEqual((len(set(codes)), self.o.properties()), (10, (2, 2, 10)))
        for code in codes:
            self.assertRegex(code, r"^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$")
        typed = codes[0].upper().replace("-", " ").replace("0", "O").replace("1", "l")
        self.another().authenticate(MAIN, typed + "\n", True)
        self.assertEqual(self.o.properties(), (2, 2, 9))
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, codes[0], True)
        self.assert_error(INVALID_ARGS, self.another().authenticate, MAIN, codes[1])
        newer = self.o.codes()
        self.assert_error(ERROR + "AuthenticationFailed", self.another().authenticate, MAIN, codes[1], True)
        self.another().authenticate(MAIN, newer[9], True)
        self.assertEqual(self.o.properties(), (2, 2, 9))

    def test_once_under_two_brokers_racing(self):
        self.o.set_up()
        second = self.second()
        rounds = int(os.environ.get("SPAREKEY_RECOVERY_RACES", "100"))
        done = 0
        while done < rounds:
            for code in self.o.codes():
                self.assertEqual(self.race(lambda o, code=code: o.authenticate(MAIN, code, True), [self.broker, second]), 1)
                done += 1
                if done == rounds:
                    break


class Guessing(OwnerTest):
    def test_wrong_ones_are_slowed_down_and_a_right_one_waits_half_a_minute_at_most(self):
        self.o.initialize()
        guesser = self.another()
        answers = []
        for _ in range(8):
            with self.assertRaises(BusError) as caught:
                guesser.authenticate(OTHER)
            answers.append(caught.exception.name.removeprefix(ERROR))
        self.assertEqual(answers[:6], ["AuthenticationFailed"] * 6)
        self.assertIn("RateLimited", answers[6:])
        self.another().authenticate()  # others are not held up by one
        events = [event for event in self.c.events() if event[2] == "authentication-failed"]
        self.assertEqual(sum(event[4]["count"].value if hasattr(event[4]["count"], "value") else event[4]["count"]
                             for event in events), answers.count("AuthenticationFailed"))

        def right():
            try:
                guesser.authenticate()
                return True
            except BusError as error:
                self.assertEqual(error.name, ERROR + "RateLimited")
                return False
        wait_until(right, 32, "the right password to be let in")


    def test_who_guesses_by_ever_new_connections_keeps_nobody_out(self):
        self.o.initialize()
        ended = threading.Event()
        guesses = []

        def guess():
            while not ended.is_set():
                with Owner(self.broker.peer()).c as client:
                    with contextlib.suppress(BusError):
                        guesses.append(1)
                        Owner(client).authenticate(OTHER)
        threads = [threading.Thread(target=guess) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(guesses) > 60, 60, "many wrong ones")
            for _ in range(3):
                begin = time.monotonic()
                self.another().authenticate()
                self.assertLess(time.monotonic() - begin, 30)
            begin, count = time.monotonic(), len(guesses)
            time.sleep(3)
            self.assertLess((len(guesses) - count) / (time.monotonic() - begin), 5)  # a second
        finally:
            ended.set()
            for thread in threads:
                thread.join()


class Admission(OwnerTest):
    """P14: every method, by every caller."""

    def password(self):
        """A live one with a scope and an end, made by the one who may."""
        self.made = getattr(self, "made", 0) + 1
        return self.c.create(f"Made {self.made}", {"scopes": Variant("as", ["imap"]),
                                                   "expires_at": Variant("t", int(time.time()) + 9000)})

    def callers(self):
        """By what they have proved."""
        without = self.another()
        self.o.initialize()
        without.authenticate()
        self.o.enroll()
        self.o.confirm()
        second = Broker(settings={**self.settings, "proof-seconds": 1}, arguments=[f"--data-dir={self.broker.home.data_dir}"])
        self.addCleanup(second.stop)
        expired, locked = Owner(self.client(second)), self.another()
        for o in (expired, locked):
            self.proven(o)
        locked.lock()
        time.sleep(1.2)
        return {"no proof": self.another(), "proof without code": without, "expired proof": expired, "after Lock": locked,
                "other connection": self.peer(), "proof": self.o}

    def table(self):
        """Method, what it needs (None: nothing; "code": it must be one that counts), and a right call of it."""
        def on(member, signature="a{sv}", *given):
            return lambda o, path, secret: o.c.on_password(path, member, signature, [*given, {}])

        now = int(time.time())
        return (
            ("CreatePassword", "code", lambda o, path, secret: o.c.create_inline(f"New {len(self.c.list())}")),
            ("CreatePasswordByFileDescriptor", "code", lambda o, path, secret: o.c.create(f"New {len(self.c.list())}")),
            ("FindPassword", None, lambda o, path, secret: o.c.find(secret[:5])),
            ("ListPasswords", None, lambda o, path, secret: o.c.list()),
            ("IdentifyByFileDescriptor", None, lambda o, path, secret: o.c.identify(secret)),
            ("RevokeAll", None, lambda o, path, secret: o.c.revoke_all({"scope": Variant("s", "imap")})),
            ("ListEvents", None, lambda o, path, secret: o.c.events()),
            ("Verify", None, lambda o, path, secret: o.c.verify_inline(secret)),
            ("VerifyByFileDescriptor", None, lambda o, path, secret: o.c.verify(secret)),
            ("Revoke", None, on("Revoke")), ("Rename", None, lambda o, path, secret: o.c.on_password(
                path, "Rename", "sa{sv}", [f"Renamed {secret[:5]}", {}])),
            ("SetScopes", "code", on("SetScopes", "asa{sv}", ["imap", "smtp"])),
            ("SetScopes", None, on("SetScopes", "asa{sv}", ["imap"])),
            ("SetExpiry", "code", on("SetExpiry", "ta{sv}", now + 90000)), ("SetExpiry", None, on("SetExpiry", "ta{sv}", now + 500)),
            ("Freeze", None, on("Freeze")),
            ("Thaw", "code", lambda o, path, secret: (self.c.on_password(path, "Freeze"), o.c.on_password(path, "Thaw"))),
            ("EnrollTotp", "code", lambda o, path, secret: o.call("EnrollTotp")),
            ("ConfirmTotp", "code", lambda o, path, secret: o.confirm("000000")),
            ("GenerateRecoveryCodes", "code", lambda o, path, secret: o.codes()),
            ("ChangeMainPassword", "code", lambda o, path, secret: o.change(MAIN)),
            ("RemoveTotp", "code", lambda o, path, secret: o.call("RemoveTotp")),
            ("Erase", "code", lambda o, path, secret: o.call("Erase")),
            ("Lock", None, lambda o, path, secret: o.lock()),
        )

    def test_the_matrix(self):
        callers = self.callers()
        table = self.table()
        known = {method for interface in installed_interfaces().values() for method, _ in methods_of(interface)}
        self.assertEqual({method for method, _, _ in table} | {"Initialize", "Authenticate"}, known)
        refused = {"proof without code": ERROR + "SecondFactorRequired"}
        for method, need, work in table:
            for caller, o in callers.items():
                if caller == "proof" or (method == "Lock" and caller == "proof without code"):
                    continue
                path, secret = self.password()
                with self.subTest(method=method, caller=caller):
                    if need is None:
                        work(o, path, secret)
                    else:
                        self.assert_error(refused.get(caller, ERROR + "AuthenticationRequired"), work, o, path, secret)
                if method != "RevokeAll":
                    self.c.revoke_all({"scope": Variant("s", "imap")})
        # Without the proof nothing else about a call is judged.
        self.assert_error(ERROR + "AuthenticationRequired", callers["no proof"].change, "")
        for method, need, work in table:
            with self.subTest(method=method, caller="proof"):
                path, secret = ("", "") if method == "Lock" else self.password() if method != "Erase" else ("", "")
                if method == "ConfirmTotp":
                    self.assert_error(ERROR + "AuthenticationFailed", work, self.o, path, secret)
                else:
                    work(self.o, path, secret)
                if method == "RemoveTotp":
                    self.assertEqual(self.o.properties(), (2, 1, 0))
                    self.assert_error(ERROR + "SecondFactorNotEnrolled", self.c.create, "Late")
                    self.assert_error(ERROR + "SecondFactorNotEnrolled", self.o.call, "RemoveTotp")

    def test_nothing_required_needs_no_setup(self):
        broker = Broker(settings={"create-requires": "nothing"})
        self.addCleanup(broker.stop)
        client = self.client(broker)
        client.create("Phone")
        self.assert_error(ERROR + "NotInitialized", Owner(client).call, "EnrollTotp")

    def test_the_proof_ends_in_time(self):
        self.restart(create_requires="password", proof_seconds=1)
        o = self.another()
        o.initialize()
        o.c.create("Phone")
        time.sleep(1.2)
        self.assert_error(ERROR + "AuthenticationRequired", o.c.create, "Tablet")
        o.authenticate()
        o.c.create("Tablet")


class AtRest(OwnerTest):
    def test_nothing_secret_is_in_any_file(self):
        self.o.set_up()
        codes = self.o.codes()
        key = self.o.key
        self.forget_steps()
        self.another().authenticate(MAIN, codes[0], True)
        self.o.change()
        self.broker.stop_keeping_files()
        needles = {"main password": MAIN.encode(), "new one": OTHER.encode(), "key": key, "hex": key.hex().encode(),
                   "base32": base64.b32encode(key).rstrip(b"="), **{code: code.encode() for code in codes},
                   **{code + " joined": code.replace("-", "").encode() for code in codes}}
        read = 0
        for directory, _, names in os.walk(self.broker.home.home):
            for name in names:
                with open(os.path.join(directory, name), "rb") as file:
                    content = file.read()
                read += len(content)
                for what, needle in needles.items():
                    self.assertNotIn(needle, content, f"{what} in {name}")
                    self.assertNotIn(needle[:8], content, f"{what} in part in {name}")
        self.assertGreater(read, 20000)
        with open(self.broker.home.store + "-journal", "rb") as file:
            journal = file.read()
        self.assertEqual(journal.count(0), len(journal))

    def journal(self):
        with open(self.broker.home.store + "-journal", "rb") as file:
            return file.read()

    def test_what_a_kill_kept_from_being_zeroed_is_zeroed_at_the_start(self):
        self.o.set_up()
        self.o.change()
        self.assertEqual(self.journal().strip(b"\0"), b"")
        self.broker.kill()
        with open(self.broker.home.store + "-journal", "r+b") as file:  # as if it had been killed just before that
            file.seek(1000)
            file.write(MAIN.encode())
        self.broker = Broker(self.bus, home=self.broker.home)
        self.addCleanup(self.end, self.broker)
        wait_until(lambda: self.journal().strip(b"\0") == b"", 5, "the zeros")

    def test_a_copy_of_the_store_makes_no_code(self):
        """P5: what is sealed does not open without the main password, nor after a change by the old one."""
        self.o.set_up()
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            sealed, = database.execute("SELECT sealed FROM owner").fetchone()
        self.assertNotIn(self.o.key, sealed)
        self.o.change()
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            database.execute("UPDATE owner SET sealed = ?", (sealed,))  # the old one put back under the new hash
            database.commit()
        self.forget_steps()
        other = self.another()
        self.assert_error(ERROR + "StorageFailed", other.authenticate, OTHER, self.o.code())

    def test_a_damaged_record_is_not_taken_for_none(self):
        self.o.set_up()
        with contextlib.closing(sqlite3.connect(self.broker.home.store)) as database:
            database.execute("UPDATE owner SET hash = 'nonsense'")
            database.commit()
        self.assert_error(ERROR + "AlreadyInitialized", self.another().initialize)
        self.assert_error(ERROR + "StorageFailed", self.another().authenticate)

    def test_a_busy_store_changes_nothing(self):
        self.o.set_up()
        with locked(self.broker.home.store):
            self.assert_error(ERROR + "StorageFailed", self.another().authenticate, MAIN, self.o.fresh())
        self.another().authenticate(MAIN, code_at(self.o.key, self.o.last))


if __name__ == "__main__":
    unittest.main()
