# SPDX-License-Identifier: MIT
"""Bad inputs, a row a case: each gets one clear error, changes nothing, and the next call is answered."""
import os
import socket
import sqlite3
import tempfile
import time
import unittest

from support import (AUTHENTICATION_FAILED, INVALID_ARGS, INVALID_EXPIRY, INVALID_LABEL, INVALID_SCOPE, LABEL_IN_USE,
                     NOT_SUPPORTED, PATH, STORAGE_FAILED, VERIFIER, Broker, BusError, Home, SharedBroker, TestCase, Variant,
                     options, pipe_with, run_broker, run_tool, wait_until)

BAD_LABELS = {
    "empty": "", "blanks": "   ", "256 bytes": "x" * 256, "256 bytes of two": "ä" * 128, "newline": "a\nb",
    "escape sequence": "\x1b[2Ja", "tab": "a\tb", "carriage return": "a\rb", "DEL": "a\x7f", "C1": "a\x9bb",
    "next line": "a\x85b", "right-to-left override": "a\u202eb", "isolate": "a\u2066b", "zero width space": "a\u200bb",
    "byte order mark": "\ufeffa", "zero width joiner alone": "a\u200db", "soft hyphen": "a\u00adb",
    "line separator": "a\u2028b", "paragraph separator": "a\u2029b", "not a character": "a\uffffb",
    "unassigned": "a\u0378b", "private use": "a\ue000b", "forty combining marks": "a" + "\u0301" * 40,
    "tag characters": "a\U000e0041b", "arabic letter mark": "a\u061cb", "invisible times": "a\u2062b",
    "only a joiner": "\u200d",
}

# What looks dangerous and is a label like any other: stored and shown as it is.
HARMLESS_LABELS = {
    "SQL": "'); DROP TABLE password;--", "format": "%s%n%n%s", "path": "../../x", "quote": '"', "shell": "$(reboot)`x`",
    "markup": "<b>&amp;</b>", "255 bytes": "y" * 255, "family": "👨\u200d👩\u200d👧", "heart": "❤\ufe0f",
    "decomposed": "e\u0301", "hebrew": "טלפון", "japanese": "電話", "backslash": "\\x00\\n", "option": "--all",
    "null in words": "(null)",
}

BAD_SCOPES = ["", "IMAP", "imap;rm", "imap smtp", "-imap", "x" * 33, "imäp", "imap\n", "im_ap", ".", "imap/x", "*"]


class Refused(SharedBroker):
    """One password that stands in the way, and must stand there afterwards just as it was."""

    def setUp(self):
        super().setUp()
        self.path, self.secret = self.c.create("Phone", scopes=["imap"])
        self.before = self.c.list()

    def refused(self, name, call, *arguments, **keywords):
        text = self.assert_error(name, call, *arguments, **keywords)
        self.assertNotIn("\n", text)
        self.assertEqual(self.c.list(), self.before)

    def test_labels(self):
        for case, label in BAD_LABELS.items():
            with self.subTest(case=case):
                self.refused(INVALID_LABEL, self.c.create, label)
                self.refused(INVALID_LABEL, self.c.create_inline, label)
                self.refused(INVALID_LABEL, self.c.on_password, self.path, "Rename", "sa{sv}", [label, {}])

    def test_huge_labels(self):
        for size in (1 << 16, 1 << 20, 16 << 20):
            self.refused(INVALID_LABEL, self.c.create, "x" * size)

    def test_harmless_labels(self):
        import unicodedata
        for case, label in HARMLESS_LABELS.items():
            with self.subTest(case=case):
                path, secret = self.c.create(label)
                shown = unicodedata.normalize("NFC", label)
                self.assertEqual(self.c.get(path, "Label"), shown)
                self.assertEqual(self.c.find(label), path)
                self.assertEqual(self.c.verify(secret)[1]["label"], shown)
                self.c.revoke(path)
        self.assertEqual(self.c.list(), self.before)

    def test_blanks_around_a_label_are_dropped(self):
        for label in (" Tablet", "Tablet  ", "\u00a0Tablet\u3000"):
            path, _ = self.c.create(label)
            self.assertEqual(self.c.get(path, "Label"), "Tablet")
            self.c.revoke(path)

    def test_scopes(self):
        for scope in BAD_SCOPES:
            with self.subTest(scope=scope):
                self.refused(INVALID_SCOPE, self.c.create, "New", scopes=["smtp", scope])
                self.refused(INVALID_SCOPE, self.c.on_password, self.path, "SetScopes", "asa{sv}", [[scope], {}])
                self.refused(INVALID_SCOPE, self.c.verify, self.secret, scope)
                self.refused(INVALID_SCOPE, self.c.verify_inline, self.secret, scope)
        self.refused(INVALID_SCOPE, self.c.create, "New", scopes=[f"s{number}" for number in range(65)])
        self.refused(INVALID_SCOPE, self.c.create, "New", scopes=[f"s{number}" for number in range(10000)])
        for number in (129, 100000):
            self.refused(INVALID_SCOPE, self.c.create, "New", scopes=["imap"] * number)
            self.refused(INVALID_SCOPE, self.c.on_password, self.path, "SetScopes", "asa{sv}", [["imap"] * number, {}])
        self.c.on_password(self.path, "SetScopes", "asa{sv}", [["imap"] * 128, {}])
        self.assertEqual(self.c.list(), self.before)

    def test_objects_to_keep(self):
        for count in (10001, 50000):
            self.refused(INVALID_ARGS, self.c.revoke_all, {"except": Variant("ao", [self.path] * count)})
        self.assertEqual(self.c.revoke_all({"except": Variant("ao", [self.path] * 10000)}), 0)
        self.assertEqual(self.c.list(), self.before)

    def test_what_is_too_long_costs_next_to_nothing(self):
        """Of the broker's own time, beside a method it has not got, whose message is as large."""
        def costs(calls):
            begun = self.processor_time()
            for call in calls * 2:
                with self.assertRaises(BusError):
                    call()
            return self.processor_time() - begun

        def named(member):
            return [lambda: self.c.manager(member, "sa{sv}", ["x" * (24 << 20), {}])]

        floor = costs(named("NoSuchMethod"))
        for member in ("FindPassword", "CreatePassword"):
            self.assertLess(costs(named(member)), floor + 0.2, member)
        self.assertEqual(self.c.list(), self.before)

    def processor_time(self):
        with open(f"/proc/{self.broker.pid}/stat", encoding="ascii") as stream:
            fields = stream.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_expiries(self):
        for until in (1, int(time.time()) - 1, 1 << 63, (1 << 64) - 1):
            with self.subTest(until=until):
                self.refused(INVALID_EXPIRY, self.c.create, "New", expires_at=until)

    def test_secrets(self):
        canonical = self.secret.encode()
        for case, text in {"empty": b"", "newline": b"\n", "NUL": b"\0", "NUL behind the right one": canonical + b"\0",
                           "NUL and more behind it": canonical + b"\0x", "NUL within": canonical[:9] + b"\0" +
                           canonical[9:], "CR LF and more": canonical + b"\r\nx", "1,025 bytes": b"x" * 1025,
                           "the right one and 1,025 blanks": canonical + b" " * 1025, "twice": canonical * 2,
                           "all but one": canonical[:-1], "not UTF-8": b"\xff\xfe" + canonical,
                           "fullwidth": canonical.decode().translate({ord("0"): 0xff10}).encode() + "０".encode(),
                           "60,000 bytes": b"0" * 60000}.items():
            with self.subTest(case=case):
                self.refused(AUTHENTICATION_FAILED, self.c.verify, text)
        self.assertEqual(self.c.verify(canonical + b"\r\n")[0], self.path)

    def test_inline_secrets(self):
        for text in ("", "\n", "x" * 1025, "x" * 1000000, self.secret + "x", self.secret[:-1], "\u202e" + self.secret,
                     self.secret + "é"):
            with self.subTest(text=text[:40]):
                self.refused(AUTHENTICATION_FAILED, self.c.verify_inline, text)

    def test_a_secret_of_exactly_1024_bytes_is_read(self):
        for blanks, newline in ((1024 - 29, b""), (1024 - 29, b"\n")):
            self.assertEqual(self.c.verify(self.secret.encode() + b" " * blanks + newline)[0], self.path)

    def test_remotes(self):
        self.refused(INVALID_ARGS, self.c.verify, self.secret, remote="x" * 10240)
        self.refused(INVALID_ARGS, self.c.verify, self.secret, remote="x" * 256)
        for remote in ("", "x" * 255, "::ffff:192.0.2.1", "192.0.2.1\nforged", "not an address", "\u202e", "::1%eth0"):
            with self.subTest(remote=remote[:20]):
                self.assertEqual(self.c.verify(self.secret, given=options(remote=remote, record=False))[0], self.path)

    def test_accounts(self):
        for account in ("x" * 256, "a\nb", "\u202e"):
            self.refused(INVALID_ARGS, self.c.create, "New", account=account)

    def test_labels_that_differ_in_case(self):
        for label in ("PHONE", "phone", " phone ", "pHoNe"):
            with self.subTest(label=label):
                self.refused(LABEL_IN_USE, self.c.create, label)
                self.refused(LABEL_IN_USE, self.c.create_inline, label)

    def test_options(self):
        """One row an option that cannot be: what it is called, its error, and the options themselves."""
        account = ("account", Variant("s", "amy"))
        for case, name, given in (
                ("given twice", INVALID_ARGS, [account, account]),
                ("wrong type", INVALID_ARGS, {"scopes": Variant("s", "imap")}),
                ("wrong type of a number", INVALID_ARGS, {"expires_at": Variant("u", 1)}),
                ("array of another type", INVALID_ARGS, {"scopes": Variant("au", [1])}),
                ("a variant in a variant", INVALID_ARGS, {"account": Variant("v", Variant("s", "amy"))}),
                ("must_fly", NOT_SUPPORTED, {"must_fly": Variant("b", True)}),
                ("must_", NOT_SUPPORTED, {"must_": Variant("s", "")}),
                ("10,000", INVALID_ARGS, {f"option{number}": Variant("u", number) for number in range(10000)})):
            with self.subTest(case=case):
                self.refused(name, self.c.create, "New", given)
                self.refused(name, self.c.create_inline, "New", given)

    def test_names_to_find(self):
        for name in ("'; DROP TABLE password;--", "%", "_____", "x" * 100000):
            with self.assertRaises(BusError):
                self.c.find(name)
        self.assertEqual(self.c.list(), self.before)


class Descriptors(SharedBroker):
    def setUp(self):
        super().setUp()
        self.path, self.secret = self.c.create("Phone")

    def refused(self, name, fd):
        try:
            self.assert_error(name, self.c.verify_fd, fd, timeout=2)
            if name == INVALID_ARGS:
                self.assert_error(name, self.c.manager, "IdentifyByFileDescriptor", "ha{sv}", [fd, {}], timeout=2)
        finally:
            os.close(fd)

    def test_descriptors_of_another_kind(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "secret")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(self.secret)
            memory = os.memfd_create("secret")
            os.write(memory, self.secret.encode())
            os.lseek(memory, 0, os.SEEK_SET)
            cases = {"directory": os.open(directory, os.O_RDONLY), "/dev/zero": os.open("/dev/zero", os.O_RDONLY),
                     "/dev/null": os.open("/dev/null", os.O_RDONLY), "regular file": os.open(path, os.O_RDONLY),
                     "memfd": memory, "path only": os.open(path, os.O_PATH), "eventfd": os.eventfd(1),
                     "/dev/random": os.open("/dev/random", os.O_RDONLY), "/proc file": os.open("/proc/self/environ",
                                                                                             os.O_RDONLY)}
            for case, fd in cases.items():
                with self.subTest(case=case):
                    self.refused(INVALID_ARGS, fd)
        self.assertEqual(self.c.verify(self.secret)[0], self.path)

    def test_a_write_end_is_no_secret(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb"):
            with self.assertRaises(BusError) as caught:
                self.c.verify_fd(write_end, timeout=7)
            self.assertIn(caught.exception.name, (INVALID_ARGS, AUTHENTICATION_FAILED))

    def test_sockets_and_named_pipes_are_read(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(self.secret.encode())
            ours.shutdown(socket.SHUT_WR)
            self.assertEqual(self.c.verify_fd(theirs.fileno())[0], self.path)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "fifo")
            os.mkfifo(path)
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
                with open(path, "wb") as writer:
                    writer.write(self.secret.encode())
                self.assertEqual(self.c.verify_fd(reader.fileno())[0], self.path)

    def test_a_secret_in_pieces(self):
        read_end, write_end = os.pipe()
        serial = self.c.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [read_end, "imap", {}])
        os.close(read_end)
        for character in self.secret:
            os.write(write_end, character.encode())
            time.sleep(0.002)
        os.close(write_end)
        self.assertEqual(self.c.wait(serial).args[0], self.path)

    def test_a_silent_pipe_costs_nobody_else_anything(self):
        """It gets its error after 5 s, and others their answers at once; the same for one that never ends, one whose
        holder makes it blocking, and a silent socket."""
        silent, silent_end = os.pipe()
        endless, endless_end = os.pipe()
        ours, theirs = socket.socketpair()
        fds = (silent, silent_end, endless, endless_end)
        self.addCleanup(lambda: [os.close(fd) for fd in fds] and (ours.close(), theirs.close()))
        slow = self.broker.peer()
        self.addCleanup(slow.close)
        start = time.monotonic()
        serials = [slow.send(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [fd, "imap", {}])
                   for fd in (silent, endless, theirs.fileno())]
        other = self.client(self.broker)
        slowest = 0.0
        while time.monotonic() - start < 4.5:
            for fd in (silent, endless, theirs.fileno()):
                os.set_blocking(fd, True)  # of the open file, which the broker shares
            try:
                os.set_blocking(endless_end, False)
                os.write(endless_end, b" ")
            except (BlockingIOError, BrokenPipeError):
                pass
            begin = time.monotonic()
            other.ping()
            self.assertEqual(other.verify(self.secret)[0], self.path)
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.05)
        slow.pump(0)
        self.assertNotIn(serials[0], slow.replies)
        for serial in serials:
            self.assertEqual(slow.wait(serial, 3).error_name, AUTHENTICATION_FAILED)
        self.assertGreater(time.monotonic() - start, 4.9)
        self.assertLess(time.monotonic() - start, 7)
        self.assertLess(slowest, 1.0)

    def test_an_oversized_secret_is_refused_before_its_end(self):
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb", buffering=0) as writer:
            writer.write(b"x" * 2000)
            start = time.monotonic()
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify_fd, read_end, timeout=8)
            self.assertLess(time.monotonic() - start, 7)

    def test_no_descriptor_is_kept(self):
        def count():
            return len(os.listdir(f"/proc/{self.broker.pid}/fd"))

        if os.geteuid() != 0:
            self.skipTest("needs root: the broker's descriptors are nobody else's to count")
        self.c.verify(self.secret)
        before = count()
        for _ in range(20):
            self.c.verify(self.secret)
            self.c.create_inline(f"x{_}")
            self.c.create(f"y{_}")
            self.assert_error(INVALID_ARGS, self.c.verify_fd, pipe_with(b"x"), "imap", {"remote": Variant("u", 1)})
        wait_until(lambda: count() <= before, 5, "the closing of descriptors")


def as_bytes(change):
    """A spoiling by what becomes of the bytes of a good store."""
    def spoil(home):
        with open(home.store, "rb") as stream:
            good = stream.read()
        with open(home.store, "wb") as stream:
            stream.write(change(good))
    return spoil


def by_sql(*statements):
    def spoil(home):
        with sqlite3.connect(home.store) as database:
            for statement in statements:
                database.execute(statement)
        database.close()
    return spoil


def replaced_by(make):
    def spoil(home):
        os.rename(home.store, home.store + ".real")
        make(home.store)
    return spoil


LAWLESS = ("PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(replace(sql, ' NOT NULL', ''), ' STRICT', '')"
           " WHERE name = 'password'")
# Refused at start, with exit 74 and a line that names the file; the file stays as it is.
BAD_STORES = {
    "zero length": as_bytes(lambda good: b""), "text": as_bytes(lambda good: b"not a database\n" * 500),
    "cut in its header": as_bytes(lambda good: good[:60]), "cut behind it": as_bytes(lambda good: good[:600]),
    "cut at a page": as_bytes(lambda good: good[:8192]), "zeroed": as_bytes(lambda good: bytes(len(good))),
    "a flipped bit in the magic": as_bytes(lambda good: bytes([good[0] ^ 1]) + good[1:]),
    "a spoilt schema": as_bytes(lambda good: good[:200] + bytes(3000) + good[3200:]),
    "newer": as_bytes(lambda good: good[:60] + b"\0\0\3\xe7" + good[64:]),
    "foreign": as_bytes(lambda good: good[:68] + b"XXXX" + good[72:]),
    "extra trigger": by_sql("CREATE TRIGGER t AFTER DELETE ON password BEGIN INSERT INTO event SELECT * FROM event; END"),
    "extra view": by_sql("CREATE VIEW v AS SELECT hash FROM password"),
    "NULL allowed": by_sql(*LAWLESS), "mode 0666": lambda home: os.chmod(home.store, 0o666),
    "mode of the directory": lambda home: os.chmod(home.data_dir, 0o755),
    "symlink": replaced_by(lambda path: os.symlink(path + ".real", path)), "FIFO": replaced_by(os.mkfifo),
    "directory": replaced_by(os.mkdir),
}
# One row of it cannot be: the others work, and that one can be revoked.
BAD_HASHES = {"NULL": "NULL", "BLOB": "x'00ff'", "empty": "''", "a megabyte": "printf('%.*c', 1048576, 'x')",
              "another scheme": "'$2b$12$abcdefghijklmnopqrstuv'", "an end within": "'$argon2id' || char(0) || 'x'"}


class Stores(TestCase):
    def setUp(self):
        self.home = Home()
        self.addCleanup(self.home.remove)
        broker = Broker(home=self.home)
        client = broker.peer()
        self.victim, self.secret = client.create("victim")
        self.kept, self.kept_secret = client.create("kept")
        broker.stop()

    def content(self):
        if not os.path.isfile(self.home.store):
            return None
        with open(self.home.store, "rb") as stream:
            return stream.read()

    def test_refused_ones(self):
        good = self.content()
        for case, spoil in BAD_STORES.items():
            with self.subTest(case=case):
                spoil(self.home)
                before = self.content()
                done = run_broker(self.home, "--address=none", "--idle-exit=1")
                self.assertEqual(done.returncode, 74, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(self.home.data_dir, done.stderr)
                self.assertEqual(self.content(), before)
                # It is put back, and works.
                for name in os.listdir(self.home.data_dir):
                    path = os.path.join(self.home.data_dir, name)
                    (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
                os.chmod(self.home.data_dir, 0o700)
                with open(os.open(self.home.store, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
                    stream.write(good)
                broker = Broker(home=self.home)
                self.assertEqual(broker.peer().verify(self.kept_secret)[0], self.kept)
                broker.stop()
                good = self.content()

    def test_bad_hashes(self):
        for case, value in BAD_HASHES.items():
            with self.subTest(case=case):
                by_sql("CREATE TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = 'password'", *LAWLESS)(self.home)
                by_sql(f"UPDATE password SET hash = {value} WHERE label = 'victim'")(self.home)
                by_sql("PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = (SELECT sql FROM kept)"
                       " WHERE name = 'password'", "DROP TABLE kept")(self.home)
                broker = Broker(home=self.home)
                client = broker.peer()
                self.assert_error(AUTHENTICATION_FAILED, client.verify, self.secret)
                self.assertEqual(client.verify(self.kept_secret)[0], self.kept)
                self.assertEqual(client.get(self.victim, "State"), 4)
                client.revoke(self.victim)
                self.victim, self.secret = client.create("victim")
                broker.stop()

    def test_one_that_may_only_be_read(self):
        """The file alone: nothing is written, right ones verify, everything else is told."""
        uid, gid = (65534, 65534) if os.geteuid() == 0 else (None, None)
        home = Home(uid=uid, gid=gid)
        self.addCleanup(home.remove)
        broker = Broker(home=home)
        self.addCleanup(broker.stop)
        from support import Client, in_child
        secret = in_child(lambda: Client(broker.peer_address).create("one")[1], uid, gid)
        os.chmod(home.store, 0o400)

        broker.end()
        again = Broker(home=home)
        self.addCleanup(again.stop)

        def tries():
            client = Client(again.peer_address)
            client.verify(secret)
            for call in (lambda: client.create("two"), lambda: client.on_password(client.paths()[0], "Freeze")):
                self.assert_error(STORAGE_FAILED, call)
            client.verify(secret)
            return len(client.paths())

        self.assertEqual(in_child(tries, uid, gid), "1")
        os.chmod(home.store, 0o600)
        self.assertEqual(in_child(lambda: len(Client(again.peer_address).create("two")), uid, gid), "2")


# The file's bytes, the exit code, and what the line that says so must name.
SETTINGS = {
    "unknown key": (b"colour = blue\n", 0, "colour"), "out of range": (b"argon2-memory-kib = 1023\n", 78, "1024"),
    "over the range": (b"workers = 17\n", 78, "16"), "no number": (b"workers = many\n", 78, "workers"),
    "another word": (b"inline-secrets = maybe\n", 78, "allow"), "no equals sign": (b"workers\n", 78, "sparekey.conf"),
    "10 MB": (b"# x\n" * 2621440, 78, "sparekey.conf"), "NUL": (b"workers = 1\0\n", 78, "sparekey.conf"),
    "a line of 1 MiB": (b"x" * 1048576, 78, "sparekey.conf"), "not UTF-8": (b"default-scopes = \xff\n", 78, "sparekey.conf"),
    "byte order mark and CR LF": (b"\xef\xbb\xbfworkers = 1\r\ncache-seconds = 0\r\n", 0, ""),
    "empty": (b"", 0, ""),
}


class Settings(TestCase):
    def test_files(self):
        home = Home()
        self.addCleanup(home.remove)
        for case, (content, code, named) in SETTINGS.items():
            with self.subTest(case=case):
                with open(home.settings_file, "wb") as stream:
                    stream.write(content)
                checked = run_broker(home, "--check-config")
                self.assertEqual(checked.returncode, code, checked.stderr[:500])
                self.assertIn(named, checked.stderr)
                if code != 0 or named:
                    self.assertTrue(checked.stderr.startswith("sparekeyd: "), checked.stderr[:500])
                    self.assertIn(home.settings_file, checked.stderr)
                else:
                    self.assertEqual(checked.stderr, "")
                if code != 0:
                    self.assertEqual(run_broker(home, "--address=none", "--idle-exit=1").returncode, code)
                    self.assertFalse(os.path.exists(home.data_dir))

    def test_a_fifo(self):
        home = Home()
        self.addCleanup(home.remove)
        os.unlink(home.settings_file)
        os.mkfifo(home.settings_file)
        done = run_broker(home, "--check-config", seconds=10)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn(home.settings_file, done.stderr)


class Input(TestCase):
    """What comes to the tool where a secret should."""

    def test_stdin(self):
        broker = Broker()
        self.addCleanup(broker.stop)
        client = broker.peer()
        client.create("Phone")
        before = client.list()
        for case, text in {"nothing": "", "newline": "\n", "1 MiB without newline": "x" * (1 << 20),
                           "1,025 bytes": "x" * 1025, "blanks": " " * 1024, "NUL": "\0\n"}.items():
            for command in (("verify", "-s", "imap"), ("which",)):
                with self.subTest(case=case, command=command):
                    done = run_tool(broker.home, *command, input_text=text, seconds=20)
                    self.assertIn(done.returncode, (1, 65), done.stderr)
                    self.assertLessEqual(len(done.stderr.splitlines()), 2)
                    self.assertLess(len(done.stdout + done.stderr), 500)
        self.assertEqual(client.list(), before)

    def test_times(self):
        broker = Broker()
        self.addCleanup(broker.stop)
        client = broker.peer()
        for text in ("30 februari", "2027-02-30", "2001-01-01", "9223372036854775808d", "-5d", ""):
            with self.subTest(text=text):
                done = run_tool(broker.home, "new", "-p", "-e", text, "x")
                self.assertEqual((done.returncode, done.stdout), (65, ""), done.stderr)
        self.assertEqual(client.list(), [])


class Environment(TestCase):
    """A broker with a strange environment starts, or says in one line why not."""

    def tried(self, changes):
        home = Home()
        self.addCleanup(home.remove)
        return home, run_broker(home, "--address=none", "--idle-exit=1", environment=changes)

    def test_environments(self):
        cases = {"HOME unset and no data home": {"HOME": None, "XDG_DATA_HOME": None},
                 "relative XDG_DATA_HOME": {"XDG_DATA_HOME": "relative/data"},
                 "empty XDG_DATA_HOME": {"XDG_DATA_HOME": ""},
                 "relative XDG_CONFIG_HOME": {"XDG_CONFIG_HOME": "relative"},
                 "XDG_RUNTIME_DIR unset": {"XDG_RUNTIME_DIR": None},
                 "relative XDG_RUNTIME_DIR": {"XDG_RUNTIME_DIR": "run"},
                 "XDG_RUNTIME_DIR that is not there": {"XDG_RUNTIME_DIR": "/nowhere/at/all"},
                 "a path too long for a socket": {"XDG_RUNTIME_DIR": "/tmp/" + "x" * 200}}
        for case, changes in cases.items():
            with self.subTest(case=case):
                _, done = self.tried(changes)
                self.assertIn(done.returncode, (0, 69, 74, 78), done.stderr)
                self.assertNotIn("(null)", done.stderr)
                self.assertFalse(os.path.exists("relative"))
                if done.returncode != 0:
                    self.assertTrue(done.stderr.startswith("sparekeyd: "), done.stderr)

    def test_a_runtime_directory_of_another_user_is_not_used(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: a directory of another user")
        from support import other_user
        home = Home()
        self.addCleanup(home.remove)
        os.chown(home.runtime, *other_user())
        done = run_broker(home, "--address=none", "--idle-exit=1")
        self.assertFalse(os.path.exists(os.path.join(home.runtime, "sparekey")), done.stderr)
        self.assertIn(home.runtime, done.stderr)

    def test_only_unix_bus_addresses_are_used(self):
        """unixexec: would run a program, tcp: would leave the machine."""
        with tempfile.TemporaryDirectory() as directory, socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.settimeout(0.1)
            trap = os.path.join(directory, "trap")
            for address in (f"unixexec:path=/bin/touch,argv1={trap}", f"autolaunch:;unixexec:path=/bin/touch,argv1={trap}",
                            f"tcp:host=127.0.0.1,port={listener.getsockname()[1]}",
                            f"nonce-tcp:host=127.0.0.1,port={listener.getsockname()[1]},noncefile={trap}"):
                with self.subTest(address=address):
                    home = Home()
                    self.addCleanup(home.remove)
                    done = run_broker(home, "--idle-exit=1", environment={"DBUS_SESSION_BUS_ADDRESS": address})
                    self.assertEqual(done.returncode, 69, done.stderr)
                    self.assertFalse(os.path.exists(trap))
                    with self.assertRaises(TimeoutError):
                        listener.accept()


if __name__ == "__main__":
    unittest.main()
