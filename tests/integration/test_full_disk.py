# SPDX-License-Identifier: MIT
"""P21: a real broker on a small disk that is full. What gives access is refused and nothing changes, what takes it goes on,
right passwords verify, and when there is room again everything works without a restart."""
import contextlib
import os
import subprocess
import tempfile
import time
import unittest

from support import (AUTHENTICATION_FAILED, STORAGE_FAILED, Broker, Bus, BusError, Home, TestCase, needs_root, run_tool,
                     wrong_secret)

KIB = 1024
MADE = 60


class Disk:
    """A tmpfs of 2 MiB, and a file that takes what room there is."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sparekey-disk-")
        self.filler = os.path.join(self.directory, "filler")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "sparekey-test", self.directory],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            os.rmdir(self.directory)
            raise unittest.SkipTest(f"no file system can be mounted: {done.stderr.strip()}")

    def fill(self):
        """Takes the last block."""
        with open(self.filler, "ab", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(b"x" * 4 * KIB)

    def make_room(self):
        os.unlink(self.filler)

    def remove(self):
        subprocess.run(["umount", "-l", self.directory], check=False)
        os.rmdir(self.directory)


@needs_root
class FullDisk(TestCase):
    def setUp(self):
        self.disk = Disk()
        self.addCleanup(self.disk.remove)
        self.bus = Bus()
        self.addCleanup(self.bus.stop)
        self.home = Home()
        self.addCleanup(self.home.remove)
        self.data = os.path.join(self.disk.directory, "data")
        self.broker = Broker(self.bus, home=self.home, arguments=[f"--data-dir={self.data}"])
        self.addCleanup(self.broker.stop)
        self.c = self.client(self.broker)
        self.made = [self.c.create(f"label {number}", scopes=["imap", "smtp"]) for number in range(MADE)]

    def fill(self):
        """Until nothing finds room any more, were it in the last page of the file."""
        self.disk.fill()
        for padding in ("x" * 200, "y", "z"):
            for number in range(500):
                try:
                    self.made.append(self.c.create(f"{number}{padding}"))
                except BusError as error:
                    self.assertEqual(error.name, STORAGE_FAILED)
                    break
                self.disk.fill()

    def labels(self):
        return {row["Label"] for _, row in self.c.list()}

    def test_p21_nothing_is_lost_and_revoking_goes_on(self):
        self.fill()
        before = self.c.list()
        for number in range(5):
            self.assert_error(STORAGE_FAILED, self.c.create, f"refused {number}")
            self.assert_error(STORAGE_FAILED, self.c.create_inline, f"refused {number}")
        self.assertEqual(self.c.list(), before)
        # Right ones verify, wrong ones do not; uses that cannot be written are not lost with them.
        for path, secret in self.made[:10]:
            self.assertEqual(self.c.verify(secret)[0], path)
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, wrong_secret(secret))
        # Freezing and narrowing take access away, as revoking does.
        frozen, narrowed = self.made[10], self.made[11]
        self.c.on_password(frozen[0], "Freeze")
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, frozen[1])
        self.c.on_password(narrowed[0], "SetScopes", "asa{sv}", [["smtp"], {}])
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, narrowed[1], "imap")
        # Even if another program takes each block that becomes free, the reserve's first of all.
        ended = self.made[20:32]
        for path, secret in ended:
            self.c.revoke(path)
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)
            self.disk.fill()
        self.assertEqual({path for path, _ in before} - {path for path, _ in ended}, set(self.c.paths()))
        # Room, and no restart.
        self.disk.make_room()
        path, secret = self.c.create("there is room")
        self.assertEqual(self.c.verify(secret)[0], path)
        self.c.on_password(frozen[0], "Thaw")
        self.assertEqual(self.c.verify(frozen[1])[0], frozen[0])
        self.assertEqual(self.broker.process.poll(), None)
        used = dict(self.c.list())[self.made[0][0]]
        self.assertEqual(used["UseCount"], 1)
        # And all of it is on the disk: another broker sees the same.
        expected = dict(self.c.list())
        self.c.close()
        other_home = Home()
        self.addCleanup(other_home.remove)
        other = Broker(home=other_home, arguments=[f"--data-dir={self.data}"])
        self.assertEqual(dict(other.peer().list()), expected)
        other.stop()

    def test_p21_what_was_used_is_not_revoked_as_unused(self):
        """Its last use cannot be written, and counts."""
        self.fill()
        time.sleep(1.1 - time.time() % 1)
        since = int(time.time())
        used = [self.made[number] for number in (3, 30, 50)]
        # More refusals than are kept: a use takes the place of one.
        for number in range(200):
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, "nonsense", remote=f"192.0.2.{number}")
        for path, secret in used:
            self.assertEqual(self.c.verify(secret)[0], path)
        self.assertEqual(self.c.revoke_all(unused_since=since), len(self.made) - len(used))
        self.assertEqual(set(self.c.paths()), {path for path, _ in used})

    def test_p21_unused_ones_are_not_revoked_where_uses_were_lost(self):
        self.fill()
        since = int(time.time()) + 1
        for number, (path, secret) in enumerate(self.made * 3):
            self.assertEqual(self.c.verify(secret, remote=f"192.0.2.{number}")[0], path)
        before = self.c.list()
        self.assert_error(STORAGE_FAILED, self.c.revoke_all, unused_since=since)
        self.assertEqual(self.c.list(), before)
        self.assertEqual(self.c.revoke_all(created_before=since), len(self.made))

    def test_p21_the_tool_says_so(self):
        self.fill()
        done = run_tool(self.home, "new", "-p", "refused", bus=self.bus)
        self.assertEqual((done.returncode, done.stdout), (74, ""), done.stderr)
        self.assertTrue(done.stderr.startswith("sparekey: "), done.stderr)
        for number in range(12):
            done = run_tool(self.home, "revoke", f"label {number}", bus=self.bus)
            self.assertEqual(done.returncode, 0, done.stderr)
        done = run_tool(self.home, "verify", "-s", "imap", bus=self.bus, input_text=self.made[20][1] + "\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.labels()), len(self.made) - 12)

    def test_p21_one_that_starts_on_a_full_disk(self):
        self.fill()
        self.broker.stop_keeping_files()
        again = Broker(self.bus, home=self.home, arguments=[f"--data-dir={self.data}"])
        self.addCleanup(again.stop)
        client = self.client(again)
        self.assertEqual(client.verify(self.made[0][1])[0], self.made[0][0])
        for path, _ in self.made[1:20]:
            client.revoke(path)
        self.assertEqual(len(client.paths()), len(self.made) - 19)

    def test_p21_no_store_is_made_where_there_is_no_room(self):
        self.disk.fill()
        home = Home()
        self.addCleanup(home.remove)
        data = os.path.join(self.disk.directory, "new")
        broker = Broker(home=home, arguments=[f"--data-dir={data}"])
        self.addCleanup(broker.stop)
        client = broker.peer()
        self.assert_error(STORAGE_FAILED, client.create, "one")
        self.assertEqual(client.list(), [])
        self.assertEqual([name for name in (os.listdir(data) if os.path.exists(data) else [])], [])
        self.disk.make_room()
        path, secret = client.create("one")
        self.assertEqual(client.verify(secret)[0], path)


if __name__ == "__main__":
    unittest.main()
