# SPDX-License-Identifier: MIT
"""The broker a program starts for itself, where another stands in its place: how it failed is told, however it ends, and one
that anybody could have put there is not started."""
import os
import shutil
import subprocess
import time
import unittest

from support import Home, SPAREKEY


class InItsPlace(unittest.TestCase):
    def setUp(self):
        self.home = Home()
        self.bin = os.path.join(self.home.directory, "bin")
        os.mkdir(self.bin, 0o700)
        shutil.copy(SPAREKEY, self.bin)

    def tearDown(self):
        self.home.remove()

    def put(self, script, mode=0o700):
        path = os.path.join(self.bin, "sparekeyd")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, mode)

    def list(self):
        return subprocess.run([os.path.join(self.bin, "sparekey"), "list"], capture_output=True, text=True, timeout=60,
                              env=self.home.environment(), stdin=subprocess.DEVNULL, check=False)

    def expect(self, code, text):
        done = self.list()
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual([name for name in os.listdir(self.home.runtime) if name.startswith("sparekey-")], [])

    def test_it_says_why_and_ends(self):
        for code, told in ((74, 74), (78, 78), (69, 69), (1, 69)):
            with self.subTest(code=code):
                self.put(f"echo 'sparekeyd: a-reason of mine' >&2; exit {code}\n")
                self.expect(told, "a-reason of mine")

    def test_it_says_why_and_ends_later(self):
        # Its end can be waited for only after what it speaks by is closed.
        self.put("echo 'sparekeyd: a-reason of mine' >&2; exec 2>&- 3>&-; sleep 0.4; exit 74\n")
        self.expect(74, "a-reason of mine")

    def test_it_says_nothing(self):
        self.put("exit 3\n")
        self.expect(69, "did not come up")

    def test_it_says_more_than_anybody_reads(self):
        self.put("yes 'sparekeyd: a long story' | head -n 1000 >&2; echo 'sparekeyd: and its end' >&2; exit 74\n")
        self.expect(74, "did not come up: and its end\n")

    def test_it_is_killed(self):
        self.put("kill -9 $$\n")
        self.expect(69, "did not come up")

    def test_it_closes_its_socket_and_goes_on(self):
        self.put("echo 'sparekeyd: still here' >&2; exec 3>&-; exec sleep 50\n")
        start = time.monotonic()
        self.expect(69, "still here")
        self.assertLess(time.monotonic() - start, 20)

    def test_one_that_others_could_have_put_there(self):
        self.put("echo 'sparekeyd: started all the same' >&2; exit 74\n", mode=0o777)
        self.assertNotIn("started all the same", self.list().stderr)
        self.put("echo 'sparekeyd: started all the same' >&2; exit 74\n")
        os.chmod(self.bin, 0o777)
        self.assertNotIn("started all the same", self.list().stderr)

    def test_what_it_inherits(self):
        self.put("ls -l /proc/$$/fd >\"$HOME/fds\"; env | grep '^LISTEN_' | sort >\"$HOME/listen\"; echo $$ >\"$HOME/pid\"\n"
                 "exit 69\n")
        with open(os.path.join(self.home.directory, "callers-own"), "wb") as own:
            subprocess.run([os.path.join(self.bin, "sparekey"), "list"], capture_output=True, timeout=60, check=False,
                           env=self.home.environment(LISTEN_FDS="3", LISTEN_PID="1", LISTEN_FDNAMES="x"),
                           pass_fds=(own.fileno(),))

        def told(name):
            with open(os.path.join(self.home.home, name), encoding="utf-8") as file:
                return file.read()

        self.assertEqual(told("listen").split(), ["LISTEN_FDS=1", "LISTEN_PID=" + told("pid").strip()])
        self.assertIn("socket:", told("fds"))
        self.assertNotIn("callers-own", told("fds"))


if __name__ == "__main__":
    unittest.main()
