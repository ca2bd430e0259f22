#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every setting in force does what it says, and what a settings file may hold."""
import os
import time
import unittest

from support import (AUTHENTICATION_FAILED, INLINE_SECRETS_DISABLED, INVALID_EXPIRY, INVALID_SCOPE, LIMIT_EXCEEDED,
                     MANAGER, PATH, SANITIZER, UNKNOWN_OBJECT, Broker, Home, TestCase, locked, run_broker, stored_hash,
                     wait_until, wrong_secret)
from test_at_rest import Counter


class InForce(TestCase):
    def started(self, settings=None, **keywords):
        broker = Broker(settings=settings, **keywords)
        self.addCleanup(broker.remove)
        return broker, self.client(broker)

    def test_max_passwords_is_the_most_and_not_one_less(self):
        broker, client = self.started({"max-passwords": 3})
        made = [client.create(f"Phone {number}")[0] for number in range(3)]
        self.assert_error(LIMIT_EXCEEDED, client.create, "One more")
        self.assert_error(LIMIT_EXCEEDED, client.create_inline, "One more")
        self.assertEqual(sorted(client.paths()), sorted(made))
        client.revoke(made[0])
        client.create("One more")
        broker.stop()

    def test_max_passwords_holds_among_calls_under_way(self):
        broker, client = self.started({"max-passwords": 3})
        serials = [client.send(PATH, MANAGER, "CreatePassword", "sa{sv}", [f"Phone {number}", {}]) for number in range(20)]
        self.assertEqual(sum(client.wait(serial).error_name is None for serial in serials), 3)
        self.assertEqual(len(client.paths()), 3)
        broker.stop()

    def test_a_label_is_taken_once_among_calls_under_way(self):
        broker, client = self.started()
        serials = [client.send(PATH, MANAGER, "CreatePassword", "sa{sv}", ["Phone", {}]) for _ in range(20)]
        self.assertEqual(sum(client.wait(serial).error_name is None for serial in serials), 1)
        self.assertEqual(len(client.paths()), 1)
        broker.stop()

    def test_max_lifetime(self):
        broker, client = self.started({"max-lifetime": "1h"})
        now = int(time.time())
        path, _ = client.create("No end given")
        self.assertAlmostEqual(client.get(path, "ExpiresAt"), now + 3600, delta=5)
        for until in (0, now + 3700, now + 10 ** 9):
            self.assert_error(INVALID_EXPIRY, client.create, "Too long", expires_at=until)
            self.assert_error(INVALID_EXPIRY, client.on_password, path, "SetExpiry", "ta{sv}", [until, {}])
        client.create("Within", expires_at=now + 3500)
        self.assertEqual(len(client.list()), 2)
        broker.stop()

    def test_default_scopes(self):
        broker, client = self.started({"default-scopes": "smtp, imaps"})
        path, secret = client.create("Given none")
        self.assertEqual(client.get(path, "Scopes"), ["imap", "smtp"])
        self.assert_error(AUTHENTICATION_FAILED, client.verify, secret, "caldav")
        other, _ = client.create("Any service", scopes=[])
        self.assertEqual(client.get(other, "Scopes"), [])
        broker.stop()

    def test_inline_secrets_refused(self):
        broker, client = self.started({"inline-secrets": "refuse"})
        path, secret = client.create("Phone")
        self.assert_error(INLINE_SECRETS_DISABLED, client.create_inline, "Tablet")
        self.assert_error(INLINE_SECRETS_DISABLED, client.verify_inline, secret)
        self.assert_error(INLINE_SECRETS_DISABLED, client.verify_inline, "nonsense")
        self.assertEqual(client.verify(secret)[0], path)
        self.assertEqual(len(client.list()), 1)
        self.assertEqual(client.get(PATH, "Settings", MANAGER)["inline-secrets"], "refuse")
        broker.stop()

    @unittest.skipIf(SANITIZER, "a library cannot be preloaded before the sanitizer's own")
    def test_cache_seconds(self):
        """How long a success is remembered, and that a refusal is not: counted from outside."""
        counter = Counter()
        self.addCleanup(counter.remove)
        for seconds, second, third in ((0, 1, 1), (1, 0, 1), (600, 0, 0)):
            with self.subTest(seconds=seconds):
                broker, client = self.started({"cache-seconds": seconds}, environment=counter.environment)
                _, secret = client.create("Phone", scopes=["imap"])
                counts = []
                for wait in (0, 0, 1.2):
                    time.sleep(wait)
                    before = counter.count()
                    client.verify(secret)
                    counts.append(counter.count() - before)
                self.assertEqual(counts, [1, second, third])
                broker.stop()
        broker, client = self.started(environment=counter.environment)
        _, secret = client.create("Phone", scopes=["imap"])
        for text, scope in ((secret, "smtp"), (wrong_secret(secret), "imap")):
            before = counter.count()
            for _ in range(3):
                self.assert_error(AUTHENTICATION_FAILED, client.verify, text, scope)
            self.assertEqual(counter.count() - before, 3, "a refusal was remembered")
        broker.stop()

    def test_a_hash_is_renewed_after_a_success(self):
        home = Home(settings={"argon2-memory-kib": 2048, "argon2-passes": 2})
        self.addCleanup(home.remove)
        broker = Broker(home=home)
        path, secret = broker.connect().create("Phone")
        broker.stop()
        old = stored_hash(home.store, secret[:5])
        self.assertIn("$m=2048,t=2,p=1$", old)
        home.set({})
        broker = Broker(home=home)
        self.addCleanup(broker.remove)
        client = self.client(broker)
        self.assert_error(AUTHENTICATION_FAILED, client.verify, wrong_secret(secret))
        time.sleep(0.3)
        self.assertEqual(stored_hash(home.store, secret[:5]), old)
        client.verify(secret)
        renewed = wait_until(lambda: (stored_hash(home.store, secret[:5]) != old) and stored_hash(home.store, secret[:5]))
        self.assertIn("$m=1024,t=1,p=1$", renewed)
        self.assertNotEqual(renewed.split("$")[4], old.split("$")[4], "the salt was used again")
        for _ in range(2):
            self.assertEqual(client.verify(secret)[0], path)
        broker.stop()
        broker = Broker(home=home)
        self.assertEqual(broker.connect().verify(secret)[0], path)
        self.assertEqual(stored_hash(home.store, secret[:5]), renewed)
        broker.stop()

    def test_settings_are_shown_as_they_are(self):
        given = {"max-passwords": 7, "max-lifetime": "2d", "cache-seconds": 11, "workers": 3, "idle-exit-seconds": 12,
                 "argon2-memory-kib": 2048, "argon2-passes": 4, "default-scopes": "xmpp",
                 "create-requires": "password", "proof-seconds": 77, "owner-argon2-memory-kib": 8192,
                 "owner-argon2-passes": 2}
        home = Home(settings=given)
        self.addCleanup(home.remove)
        broker = Broker(home=home)
        self.addCleanup(broker.remove)
        shown = self.client(broker).get(PATH, "Settings", MANAGER)
        expected = {**given, "max-lifetime": 2 * 86400, "default-scopes": ["xmpp"], "inline-secrets": "allow",
                    "idle-exit-seconds": 0}  # the option wins over the file
        self.assertEqual(shown, expected)
        broker.stop()


class Files(TestCase):
    """Bad settings: exit 78 with file, line and what is allowed; the same by --check-config."""

    def home_with(self, content):
        home = Home()
        self.addCleanup(home.remove)
        with open(home.settings_file, "wb") as stream:
            stream.write(content)
        return home

    def test_bad_files(self):
        cases = {"out of range": (b"\nmax-passwords = 0\n", ":2", "1 to 1000000"),
                 "far too large": (b"cache-seconds = 99999999999999999999\n", ":1", "0 to 86400"),
                 "not a number": (b"# x\nworkers = many\n", ":2", "1 to 16"),
                 "negative": (b"argon2-passes = -1\n", ":1", "1 to 16"),
                 "another word": (b"inline-secrets = maybe\n", ":1", "allow or refuse"),
                 "bad scope": (b"default-scopes = IMAP\n", ":1", "default-scopes"),
                 "bad span": (b"max-lifetime = 3 fortnights\n", ":1", "max-lifetime"),
                 "no equals sign": (b"max-passwords 5\n", ":1", ""), "NUL": (b"max-passwords = 5\0\n", "", ""),
                 "10 MB": (b"# x\n" * 2500000, "", ""), "given twice": (b"workers = 1\nworkers = 2\n", ":2", "twice")}
        for case, (content, place, allowed) in cases.items():
            with self.subTest(case=case):
                home = self.home_with(content)
                for arguments in (("--address=none", "--idle-exit=1"), ("--check-config",)):
                    done = run_broker(home, *arguments)
                    self.assertEqual(done.returncode, 78, done.stderr)
                    self.assertIn(home.settings_file + place, done.stderr)
                    self.assertIn(allowed, done.stderr)
                self.assertFalse(os.path.exists(os.path.join(home.runtime, "sparekey", "peer")))

    def test_a_fifo_is_refused_and_not_waited_for(self):
        home = self.home_with(b"")
        os.unlink(home.settings_file)
        os.mkfifo(home.settings_file, 0o600)
        self.assertEqual(run_broker(home, "--check-config", seconds=5).returncode, 78)

    def test_good_files(self):
        for content in (b"", b"# nothing\n", b"\xef\xbb\xbfmax-passwords = 5\r\n\r\nworkers = 1\r\n", b"workers=2",
                        b"  workers   =  2  \n"):
            with self.subTest(content=content):
                done = run_broker(self.home_with(content), "--check-config")
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_an_unknown_key_is_a_warning(self):
        home = self.home_with(b"workers = 1\ncolour = red\n")
        for arguments in (("--check-config",), ("--address=none", "--idle-exit=1")):
            done = run_broker(home, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("colour", done.stderr)
            self.assertIn("warning", done.stderr)

    def test_config_stands_in_place_of_both(self):
        home = self.home_with(b"max-passwords = 0\n")
        other = os.path.join(home.directory, "other.conf")
        with open(other, "w", encoding="ascii") as stream:
            stream.write("max-passwords = 9\nargon2-memory-kib = 1024\n")
        self.assertEqual(run_broker(home, "--check-config", f"--config={other}").returncode, 0)
        self.assertEqual(run_broker(home, "--check-config", "--config=/nowhere/x.conf").returncode, 78)


class Busy(TestCase):
    """Another process holds the store: a call waits for it up to two seconds, and others are answered meanwhile."""

    def test_a_call_waits_for_the_store(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        client = self.client(broker)
        path, secret = client.create("Phone")
        client.verify(secret)
        other = self.client(broker)
        with locked(broker.store):
            start = time.monotonic()
            serials = [client.send(PATH, MANAGER, "CreatePassword", "sa{sv}", ["Tablet", {}]),
                       client.send(PATH, MANAGER, "ListPasswords", "a{sv}", [{}]),
                       client.send(path, "org.sparekey.Broker1.Password", "Rename", "sa{sv}", ["Telephone", {}])]
            slowest = 0.0
            while time.monotonic() - start < 0.7:
                begin = time.monotonic()
                other.ping()
                slowest = max(slowest, time.monotonic() - begin)
            client.pump(0)
            self.assertEqual(client.replies, {})
        for serial in serials:
            self.assertIsNone(client.wait(serial, 2).error_name)
        self.assertLess(slowest, 0.5)
        self.assertEqual(client.get(path, "Label"), "Telephone")
        broker.stop()

    def test_a_call_does_not_wait_for_ever(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        client = self.client(broker)
        path, secret = client.create("Phone")
        with locked(broker.store):
            start = time.monotonic()
            serials = [client.send(PATH, MANAGER, "CreatePassword", "sa{sv}", ["Tablet", {}]),
                       client.send(PATH, MANAGER, "FindPassword", "sa{sv}", ["Phone", {}])]
            for serial in serials:
                self.assertTrue(client.wait(serial, 8).error_name.endswith("StorageFailed"))
            self.assertGreater(time.monotonic() - start, 1.8)
            self.assertLess(time.monotonic() - start, 6)
        self.assertEqual([row[0] for row in client.list()], [path])
        self.assertEqual(client.verify(secret)[0], path)
        self.assert_error(UNKNOWN_OBJECT, client.find, "Tablet")
        self.assert_error(INVALID_SCOPE, client.verify, secret, "")
        broker.stop()


if __name__ == "__main__":
    unittest.main()
