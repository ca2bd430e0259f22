# SPDX-License-Identifier: MIT
"""What lies on the disk: no secret (P1), hostile hashes never obeyed (P2), modes and owners (P3), and stores that are not
ours, refused and left byte-identical (P23)."""
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import unittest

from support import (AUTHENTICATION_FAILED, PATH, ROOT, SANITIZER, STORAGE_FAILED, Broker, BusError, Home, TestCase,
                     needs_root, other_user, run_broker, unknown_secret, wrong_secret)


def parts(secret, length=8):
    """The text whole and every part of so many characters, with and without hyphens; the public id alone is none."""
    found = {secret.encode()}
    for text in (secret[5:], secret.replace("-", "")[3:]):
        found.update(text[at:at + length].encode() for at in range(len(text) - length + 1))
    return found


def files_below(directory):
    for base, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(base, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def content_of(path):
    with open(path, "rb") as stream:
        return stream.read()


class Counter:
    """Counts Argon2id evaluations from outside, by a preloaded library."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sparekey-count-")
        os.chmod(self.directory, 0o755)
        library = os.path.join(self.directory, "count.so")
        self.file = os.path.join(self.directory, "counted")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library,
                        os.path.join(ROOT, "tests", "support", "count-argon2.c"), "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": library, "COUNT_ARGON2": self.file}

    def count(self):
        return os.path.getsize(self.file) if os.path.exists(self.file) else 0

    def remove(self):
        shutil.rmtree(self.directory)


class Secrets(TestCase):
    def test_p01_no_secret_at_rest(self):
        """200 rounds of all there is to do with one; the journal file is read while it is hot as well."""
        broker = Broker(settings={"max-passwords": 1000})
        self.addCleanup(broker.remove)
        client = self.client(broker)
        known = []

        def search():
            whole = b"".join(content_of(path) for path in files_below(broker.home.directory))
            self.assertIn(b"label 1", whole, "the search does not find what is there")
            for secret in known:
                for part in parts(secret):
                    self.assertNotIn(part, whole)

        for number in range(200):
            path, secret = client.create(f"label {number}") if number % 2 else client.create_inline(f"label {number}")
            known.append(secret)
            client.verify(secret)
            client.verify_inline(secret, remote="192.0.2.1")
            for text in (wrong_secret(secret), secret[:-1], secret + "x"):
                self.assert_error(AUTHENTICATION_FAILED, client.verify_inline, text)
            client.identify(secret)
            if number % 3 == 0:
                client.revoke(path)
        search()
        broker.stop_keeping_files()
        search()


class HostileHashes(TestCase):
    salt, tag = "c29tZXNhbHRzb21lc2FsdA", "A" * 43

    def hostile(self):
        whole = f"{self.salt}${self.tag}"
        rows = [f"$argon2id$v=19$m={m},t={t},p={p}${whole}" for m, t, p in (
            (4294967295, 1, 1), (4194305, 1, 1), (1023, 1, 1), (8, 1, 1), (0, 1, 1), (-1, 1, 1), (1024, 17, 1),
            (1024, 4294967295, 1), (1024, 0, 1), (1024, 1, 0), (1024, 1, 5), (1024, 1, 16777215),
            (99999999999999999999, 1, 1), ("1024 ", 1, 1), ("0x400", 1, 1), ("01024", 1, 1), ("+1024", 1, 1))]
        fine = "$argon2id$v=19$m=1024,t=1,p=1$"
        return rows + [
            f"$argon2id$v=16$m=1024,t=1,p=1${whole}", f"$argon2i$v=19$m=1024,t=1,p=1${whole}",
            f"$argon2d$v=19$m=1024,t=1,p=1${whole}", f"$argon2id$m=1024,t=1,p=1${whole}",
            f"{fine}{self.salt}$AAAAAA", f"{fine}{self.salt}$", f"{fine}${self.tag}", f"{fine}{self.salt}",
            f"$argon2id$v=19$m=1024,t=1${whole}", f"$argon2id$v=19$t=1,m=1024,p=1${whole}",
            f"{fine}{whole}=", f"{fine}{whole} ", f" {fine}{whole}", f"{fine}{whole}\n", f"{fine}{whole}$",
            f"{fine}{whole},keyid=x", f"$argon2id$v=19$m=1024,t=1,p=1,data=AAAA${whole}",
            f"{fine}{self.salt}${self.tag}" + "A" * 1048576, "$argon2id$" + "A" * 1048576, "", "$", "plain text",
            "$2y$10$abcdefghijklmnopqrstuu5Lo0g67CiD4M4RpN1BmBb4Crp5w7dbK", "{PLAIN}hunter2", "%s%n",
            f"{fine}{self.salt}\0${self.tag}"]

    def test_p02_hostile_hashes_are_never_computed(self):
        counter = None if SANITIZER else Counter()
        hostile = self.hostile()
        broker = Broker(environment=counter.environment if counter else None)
        self.addCleanup(broker.remove)
        client = self.client(broker)
        made = [client.create(f"victim {number}") for number in range(len(hostile))]
        good_path, good = client.create("good")
        before = counter.count() if counter else 0
        with sqlite3.connect(broker.store) as database:
            for (_, secret), text in zip(made, hostile):
                changed = database.execute("UPDATE password SET hash = ? WHERE id = ?", (text, secret[:5])).rowcount
                self.assertEqual(changed, 1)
        database.close()
        for (path, secret), text in zip(made, hostile):
            with self.subTest(hash=text[:60]):
                self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
                self.assertNotEqual(client.identify(secret)["result"], "ours")
                self.assertEqual(client.get(path, "State"), 4)
                if text:
                    self.assertNotIn(text[:1000], repr(client.get_all(path)))
        if counter:
            self.assertEqual(before, len(made) + 1, "the counter does not count")
            self.assertEqual(counter.count(), before)
        self.assertEqual(client.verify(good)[0], good_path)
        if counter:
            self.assertEqual(counter.count(), before + 1)
            self.addCleanup(counter.remove)
        self.assertEqual(len(client.list()), len(made) + 1)
        for path, _ in made:
            client.revoke(path)
        self.assertEqual(client.paths(), [good_path])
        broker.stop()

    def test_p02_a_hash_beyond_the_settings_but_not_the_bounds_is_still_right(self):
        """Lowered settings must not lock out what was made under higher ones."""
        home = Home(settings={"argon2-memory-kib": 4096, "argon2-passes": 3})
        self.addCleanup(home.remove)
        broker = Broker(home=home)
        path, secret = broker.connect().create("Phone")
        broker.stop()
        home.set({})
        broker = Broker(home=home)
        self.assertEqual(broker.connect().verify(secret)[0], path)
        broker.stop()


class Evaluations(TestCase):
    """Argon2 evaluations counted from outside: one for a right password the first time, none the second, none for
    malformed, mistyped or unknown text; with 10 and with 10,000 passwords in the store."""

    @unittest.skipIf(SANITIZER, "a library cannot be preloaded before the sanitizer's own")
    def test_evaluations_with_few_and_with_many_passwords(self):
        for filling in (10, 10000):
            with self.subTest(passwords=filling):
                counter = Counter()
                self.addCleanup(counter.remove)
                broker = Broker(environment=counter.environment, settings={"max-passwords": 20000})
                self.addCleanup(broker.remove)
                client = self.client(broker)
                path, secret = client.create("Phone")
                self.assertEqual(counter.count(), 1)
                self.fill(broker.store, filling)
                count = counter.count()
                steps = [(secret, 1, True), (secret, 0, True), (secret, 0, True), ("hunter2", 0, False),
                         (secret[:-1] + ("0" if secret[-1] != "0" else "1"), 0, False),
                         (unknown_secret([secret[:5]]), 0, False), ("", 0, False), (wrong_secret(secret), 1, False),
                         (secret, 0, True)]
                for text, evaluations, right in steps:
                    if right:
                        self.assertEqual(client.verify(text)[0], path)
                    else:
                        self.assert_error(AUTHENTICATION_FAILED, client.verify, text)
                    self.assertEqual(counter.count() - count, evaluations, text == secret)
                    count = counter.count()
                client.on_password(path, "Freeze")
                self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
                self.assertLessEqual(counter.count() - count, 1)
                count = counter.count()
                client.identify("hunter2")
                client.identify(unknown_secret([secret[:5]]))
                self.assertEqual(counter.count(), count)
                client.revoke(path)
                self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
                self.assertEqual(counter.count(), count)
                broker.stop()

    def fill(self, store, number):
        """Copies the one row so many times, under other ids and labels."""
        with sqlite3.connect(store) as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(password)")]
            row = dict(zip(columns, database.execute("SELECT * FROM password").fetchone()))
            kept = [name for name in columns if name != "number"]
            text = f"INSERT INTO password({', '.join(kept)}) VALUES ({', '.join('?' * len(kept))})"
            symbols = "0123456789abcdefghjkmnpqrstvwxyz"
            for value in range(number):
                identifier = "zz" + symbols[value // 1024 % 32] + symbols[value // 32 % 32] + symbols[value % 32]
                row.update(id=identifier, label=f"Filling {value}", label_key=f"filling {value}")
                database.execute(text, [row[name] for name in kept])
        database.close()


class Modes(TestCase):
    def modes(self, home):
        found = {"directory": stat.S_IMODE(os.stat(home.data_dir).st_mode)}
        found.update((name, stat.S_IMODE(os.lstat(os.path.join(home.data_dir, name)).st_mode))
                     for name in os.listdir(home.data_dir))
        return found

    def test_p03_files_0600_in_a_directory_0700(self):
        for umask in (0, 0o77, 0o777):
            with self.subTest(umask=oct(umask)):
                broker = Broker(preexec=lambda umask=umask: os.umask(umask))
                client = self.client(broker)
                path, secret = client.create("Phone")
                client.verify(secret)
                client.revoke(path)
                found = self.modes(broker.home)
                self.assertEqual(found.pop("directory"), 0o700)
                self.assertEqual(set(found.values()), {0o600}, found)
                runtime = os.path.join(broker.home.runtime, "sparekey")
                self.assertEqual(stat.S_IMODE(os.stat(runtime).st_mode), 0o700)
                broker.stop()

    def test_p03_a_store_is_made_by_create_alone(self):
        broker = Broker()
        client = self.client(broker)
        secret = unknown_secret()
        self.assertEqual(client.list(), [])
        self.assertEqual(client.events(), [])
        self.assertEqual(client.revoke_all({}), 0)
        self.assertEqual(client.managed().keys() - {PATH}, set())
        self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
        self.assertEqual(client.identify(secret), {"result": "unknown"})
        self.assertFalse(os.path.exists(broker.home.data_dir))
        client.create("Phone")
        self.assertTrue(os.path.exists(broker.store))
        broker.stop()

    def test_p03_a_mode_once_narrowed_is_not_widened(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        client = self.client(broker)
        client.create("Phone")
        os.chmod(broker.store, 0o600)
        client.create("Tablet")
        self.assertEqual(set(self.modes(broker.home).values()), {0o700, 0o600})
        broker.stop()


class RefusedStores(TestCase):
    """P23: refused at the start with exit 74, a line that names path and cure, and not one byte written."""

    @classmethod
    def setUpClass(cls):
        broker = Broker()
        client = broker.connect()
        for number in range(30):
            _, secret = client.create(f"Label {number}")
            client.verify(secret)
        broker.stop_keeping_files()
        with open(broker.store, "rb") as stream:
            cls.good = stream.read()
        broker.remove()

    def home_with(self, content, mode=0o600):
        home = Home()
        self.addCleanup(home.remove)
        os.mkdir(home.data_dir, 0o700)
        with open(home.store, "wb") as stream:
            stream.write(content)
        os.chmod(home.store, mode)
        return home

    def snapshot(self, home):
        found = {}
        for path in files_below(home.data_dir):
            with open(path, "rb") as stream:
                found[path] = (stream.read(), os.stat(path).st_mode, os.stat(path).st_mtime_ns)
        return found

    def assert_refused(self, home, *words):
        before = self.snapshot(home)
        done = run_broker(home, "--address=none", "--idle-exit=1")
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertEqual(self.snapshot(home), before)
        # The path of what is wrong, and more than that: a cure.
        self.assertIn(home.data_dir, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertLess(len(done.stderr.splitlines()), 4, done.stderr)
        return done.stderr

    def changed(self, at, content):
        return self.good[:at] + content + self.good[at + len(content):]

    def test_p23_the_good_one_is_not_refused(self):
        """So that what follows is refused for what was done to it."""
        home = self.home_with(self.good)
        done = run_broker(home, "--address=none", "--idle-exit=1")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_p23_what_is_no_store_of_ours(self):
        cases = {"zero length": b"", "text": b"This is no database.\n" * 100, "cut in the header": self.good[:60],
                 "cut after the header": self.good[:100], "cut within a page": self.good[:5000],
                 "cut by its last page": self.good[:-4096], "zeros": b"\0" * len(self.good),
                 "newer": self.changed(60, (999).to_bytes(4, "big")), "foreign": self.changed(68, b"\0\0\0\1"),
                 "no application": self.changed(68, b"\0\0\0\0"), "bad magic": self.changed(0, b"X"),
                 "page size": self.changed(16, b"\0\3"), "WAL": self.changed(18, b"\2\2"),
                 "reserved bytes": self.changed(20, b"\xff"), "encoding": self.changed(56, b"\0\0\0\2"),
                 "negative version": self.changed(60, b"\xff\xff\xff\xff"),
                 "schema page damaged": self.changed(100, b"\xff" * 40)}
        for case, content in cases.items():
            with self.subTest(case=case):
                self.assert_refused(self.home_with(content))

    def with_sql(self, *statements):
        home = self.home_with(self.good)
        database = sqlite3.connect(home.store)
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()
        for name in os.listdir(home.data_dir):
            os.chmod(os.path.join(home.data_dir, name), 0o600)
        return home

    def test_p23_what_acts_is_refused(self):
        for statement in ("CREATE TRIGGER evil AFTER INSERT ON password BEGIN DELETE FROM event; END",
                          "CREATE VIEW evil AS SELECT * FROM password",
                          "CREATE VIRTUAL TABLE evil USING fts5(x)", "DROP TABLE password_use", "DROP INDEX password_id",
                          "CREATE UNIQUE INDEX evil ON password(label)", "ALTER TABLE password ADD COLUMN evil TEXT"):
            with self.subTest(statement=statement):
                self.assert_refused(self.with_sql(statement))

    def test_p23_modes(self):
        for mode in (0o666, 0o644, 0o640, 0o620, 0o601):
            with self.subTest(mode=oct(mode)):
                text = self.assert_refused(self.home_with(self.good, mode), "chmod")
                self.assertIn("sparekey.db", text)
        for mode in (0o755, 0o750, 0o770, 0o701):
            with self.subTest(directory=oct(mode)):
                home = self.home_with(self.good)
                os.chmod(home.data_dir, mode)
                self.assert_refused(home, "chmod")
                self.assertEqual(stat.S_IMODE(os.stat(home.data_dir).st_mode), mode)

    @needs_root
    def test_p23_owners(self):
        home = self.home_with(self.good)
        os.chown(home.store, *other_user())
        self.assert_refused(home)
        home = self.home_with(self.good)
        os.chown(home.data_dir, *other_user())
        self.assert_refused(home)

    def test_p23_types(self):
        def symlink(home):
            os.rename(home.store, home.store + ".real")
            os.symlink(home.store + ".real", home.store)

        def dangling(home):
            os.unlink(home.store)
            os.symlink("/nowhere/sparekey.db", home.store)

        def fifo(home):
            os.unlink(home.store)
            os.mkfifo(home.store, 0o600)

        def directory(home):
            os.unlink(home.store)
            os.mkdir(home.store, 0o700)

        def hard_link(home):
            os.link(home.store, home.data_dir + "/other-name")

        for change in (symlink, dangling, fifo, directory, hard_link):
            with self.subTest(type=change.__name__):
                home = self.home_with(self.good)
                change(home)
                if change is hard_link:
                    done = run_broker(home, "--address=none", "--idle-exit=1")
                    self.assertIn(done.returncode, (0, 74))
                    self.assertEqual(content_of(home.store), self.good)
                else:
                    self.assert_refused(home)

    def test_p23_a_hot_journal_beside_a_foreign_file_is_not_played_back(self):
        home = self.home_with(self.changed(68, b"\0\0\0\1"))
        with open(home.store + "-journal", "wb") as stream:
            stream.write(bytes.fromhex("d9d505f920a163d7") + b"\0\0\0\1" + os.urandom(4) + b"\0\0\0\1" +
                         (512).to_bytes(4, "big") + (4096).to_bytes(4, "big") + b"\0" * 484 + os.urandom(4104))
        os.chmod(home.store + "-journal", 0o600)
        self.assert_refused(home)

    def test_p23_bit_flips_never_make_a_right_password_of_a_wrong_one(self):
        """40 flips anywhere: the broker refuses at start or at the touch of the page, or goes on; it never dies, and the
        file differs from before only if it was not refused."""
        chance = random.Random(20)
        text = unknown_secret()
        for _ in range(40):
            at = chance.randrange(100, len(self.good))
            home = self.home_with(self.changed(at, bytes([self.good[at] ^ 1 << chance.randrange(8)])))
            before = self.snapshot(home)
            broker = Broker(home=home, wait=False)
            try:
                broker.wait_ready()
            except AssertionError:
                self.assertEqual(broker.process.returncode, 74, broker.log())
                self.assertEqual(self.snapshot(home), before, at)
                continue
            client = broker.connect()
            for call in (client.list, lambda: client.verify(text), client.events, client.managed):
                try:
                    call()
                except BusError as error:
                    self.assertIn(error.name, (STORAGE_FAILED, AUTHENTICATION_FAILED), at)
            client.ping()
            broker.stop()

    def test_one_damaged_row_alone(self):
        """NULL cannot be (NOT NULL, STRICT), but text of any kind can: shown as damaged, revocable, the others work."""
        broker = Broker()
        client = self.client(broker)
        good_path, good = client.create("Good")
        columns = {"label": b"\xff\xfe", "scopes": "IMAP,,;", "hash": "none", "state": 99, "created_at": -5,
                   "id": "", "account": "a\nb", "version": -1}
        for column, value in columns.items():
            with self.subTest(column=column):
                _, secret = client.create(f"Damaged {column}")
                client.verify(secret)
                with sqlite3.connect(broker.store) as database:
                    if isinstance(value, bytes):
                        database.execute(f"UPDATE password SET {column} = CAST(? AS TEXT) WHERE id = ?",
                                         (value, secret[:5]))
                    else:
                        database.execute(f"UPDATE password SET {column} = ? WHERE id = ?", (value, secret[:5]))
                database.close()
                rows = client.list()
                self.assertEqual(len(rows), 2)
                damaged = [path for path, found in rows if path != good_path]
                self.assertEqual(dict(rows)[damaged[0]]["State"], 4, column)
                self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
                self.assertEqual(client.verify(good)[0], good_path)
                client.introspect(damaged[0])
                client.revoke(damaged[0])
                self.assertEqual(client.paths(), [good_path])
        broker.stop()


if __name__ == "__main__":
    unittest.main()
