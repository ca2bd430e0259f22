#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# run-tests: alone
"""P31 at a hundred thousand passwords and lines of the journal: what has to look at all of them does so in many turns of
the loop. Of the loop's own processor time: the waits of a busy machine are not its own."""
import contextlib
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ALPHABET, ROOT, SANITIZER, Broker, TestCase  # noqa: E402

COUNT = 100000
MOST_MS = 20


def fill(store):
    """So many copies of the one password, and so many lines of the journal; both of yesterday."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        for table, count in (("password", COUNT), ("event", COUNT)):
            names = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
            first = dict(zip(names, database.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()))
            for number in range(count):
                identifier = "".join(ALPHABET[(number + 40000) >> shift & 31] for shift in range(20, -1, -5))
                first.update({"number": None, "id": identifier, "label": f"Label {number}", "label_key": f"label {number}"}
                             if table == "password" else {"serial": None, "time": int(time.time()) - 86400})
                database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})",
                                 [first[name] for name in names])
        database.commit()


@unittest.skipIf(SANITIZER, "measures; covered by the plain build")
class Turns(TestCase):
    def start(self):
        directory = tempfile.mkdtemp(prefix="sparekey-preload-")
        self.addCleanup(shutil.rmtree, directory)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", directory + "/it.so",
                        os.path.join(ROOT, "tests", "support", "time-turns.c"), "-ldl"], check=True)
        self.written = directory + "/written"
        maker = Broker(settings={"max-passwords": "1000000"})
        self.addCleanup(maker.home.remove)
        maker.connect().create("First")
        maker.stop_keeping_files()
        fill(maker.store)
        self.broker = Broker(home=maker.home, environment={"LD_PRELOAD": directory + "/it.so", "TIME_TURNS": self.written})
        self.addCleanup(self.broker.stop_keeping_files)
        return self.broker.connect(timeout=120)

    def longest(self, name, work):
        with open(self.written, "r+b") as stream:
            stream.write(bytes(24))
        begun = time.monotonic()
        value = work()
        took = (time.monotonic() - begun) * 1000
        with open(self.written, "rb") as stream:
            _, own, _ = struct.unpack("3d", stream.read())
        print(f"    {name}: {took:.0f} ms; longest turn {own:.1f} ms of its own", flush=True)
        self.found[name] = own
        return value

    def test_p31_what_looks_at_all_takes_many_turns(self):
        client = self.start()
        self.found = {}
        now = int(time.time())
        self.assertEqual(self.longest("the last page", lambda: client.list(after="zzzzz")), [])
        self.assertEqual(self.longest("none of all revoked", lambda: client.revoke_all(scope="nothing")), 0)
        self.assertEqual(len(self.longest("events of today", lambda: client.events(not_before=now - 3600))), 1)
        self.assertEqual(self.longest("events of tomorrow", lambda: client.events(not_before=now + 86400)), [])
        self.assertEqual(len(self.longest("a page of events", client.events)), 1000)
        self.assertEqual({name: most for name, most in self.found.items() if most > MOST_MS}, {})


if __name__ == "__main__":
    unittest.main()
