#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tool on a pseudo-terminal and in pipes, with a real broker."""
import json
import os
import pty
import re
import select
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import SPAREKEY, Broker, Home, run_tool  # noqa: E402

SECRET = re.compile(rb"[0-9a-z]{5}(?:-[0-9a-z]{5}){4}")


class Terminal:
    """The tool on a pseudo-terminal."""

    def __init__(self, home, *arguments, **changes):
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(SPAREKEY, ["sparekey", *arguments], home.environment(**{"TERM": "xterm", **changes}))

    def until(self, text, seconds=20):
        deadline = time.monotonic() + seconds
        while text not in self.output:
            if time.monotonic() > deadline or not self.read(deadline):
                raise AssertionError(f"{text!r} did not come: {self.output!r}")

    def read(self, deadline):
        ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
        try:
            data = os.read(self.fd, 4096) if ready else b""
        except OSError:
            data = b""
        self.output += data
        return bool(data)

    def type(self, text):
        os.write(self.fd, text)

    def end(self, seconds=20):
        deadline = time.monotonic() + seconds
        while self.read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class OnATerminal(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.home = self.broker.home
        self.client = self.broker.peer()

    def tearDown(self):
        self.broker.stop()

    def test_a_secret_is_shown_on_the_alternate_screen_until_enter(self):
        terminal = Terminal(self.home, "new", "Phone")
        terminal.until(b"Press Enter")
        before, _, after = terminal.output.partition(b"\x1b[?1049h")
        self.assertFalse(SECRET.search(before))
        secret = SECRET.search(after).group().decode()
        self.client.verify(secret)
        terminal.type(b"\n")
        self.assertEqual(terminal.end(), 0)
        _, _, left = terminal.output.partition(b"\x1b[?1049l")
        self.assertFalse(SECRET.search(left))
        self.assertIn(b'Made ' + secret[:5].encode() + b' "Phone"', left)

    def test_inline_shows_it_in_place(self):
        terminal = Terminal(self.home, "new", "--inline", "Phone")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(SECRET.search(terminal.output))
        self.assertNotIn(b"\x1b[?1049h", terminal.output)

    def test_one_shown_before_ctrl_c_lives(self):
        terminal = Terminal(self.home, "new", "Phone")
        terminal.until(b"Press Enter")
        secret = SECRET.search(terminal.output).group().decode()
        terminal.type(b"\x03")
        self.assertEqual(terminal.end(), 130)
        self.assertIn(b"\x1b[?1049l", terminal.output)
        self.client.verify(secret)

    def test_verify_asks_without_echo(self):
        _, secret = self.client.create("Phone")
        terminal = Terminal(self.home, "verify", "--scope", "imap")
        terminal.until(b"App password: ")
        terminal.type(secret.encode() + b"\n")
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn(secret[6:].encode(), terminal.output)

    def test_revoke_all_asks_for_the_number(self):
        for number in range(3):
            self.client.create(f"label {number}")
        terminal = Terminal(self.home, "revoke", "--all")
        terminal.until(b"Type the number")
        terminal.type(b"2\n")
        self.assertEqual(terminal.end(), 1)
        self.assertEqual(len(self.client.list()), 3)
        terminal = Terminal(self.home, "revoke", "--all")
        terminal.until(b"Type the number")
        terminal.type(b"3\n")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(self.client.list(), [])

    def test_no_color_is_minded(self):
        self.client.create("Phone")
        for changes, has_color in (({}, True), ({"NO_COLOR": "1"}, False)):
            terminal = Terminal(self.home, "list", **changes)
            self.assertEqual(terminal.end(), 0)
            self.assertEqual(b"\x1b[1m" in terminal.output, has_color)


class InAPipe(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.home = self.broker.home
        self.client = self.broker.peer()

    def tearDown(self):
        self.broker.stop()

    def run_it(self, code, *arguments, **keywords):
        done = run_tool(self.home, *arguments, **keywords)
        self.assertEqual(done.returncode, code, done)
        return done

    def test_nothing_is_made_for_a_pipe(self):
        done = self.run_it(64, "new", "Phone")
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.splitlines()[0],
                         "sparekey: the password would go to something that is not a terminal")
        self.assertEqual(self.client.list(), [])

    def test_print_json_and_plain(self):
        secret = self.run_it(0, "new", "One", "-s", "imap", "-p").stdout
        self.assertRegex(secret, r"^[0-9a-z]{5}(-[0-9a-z]{5}){4}\n$")
        made = json.loads(self.run_it(0, "--json", "new", "Two").stdout)
        self.assertEqual(list(made), ["id", "label", "account", "scopes", "state", "created_at", "expires_at",
                                      "last_used_at", "last_used_scope", "last_used_from", "use_count", "app_id", "password"])
        self.client.verify(made["password"])
        self.assertEqual(len(json.loads(self.run_it(0, "--json", "new", "A", "B").stdout)), 2)
        row = self.run_it(0, "list", "--plain").stdout.splitlines()
        self.assertEqual({len(line.split("\t")) for line in row}, {12})
        answer = json.loads(self.run_it(0, "--json", "verify", "-s", "imap", input_text=secret).stdout)
        self.assertEqual((answer["verified"], answer["label"], answer["scopes"]), (True, "One", ["imap"]))
        self.assertEqual(json.loads(self.run_it(1, "--json", "verify", "-s", "smtp", input_text=secret).stdout),
                         {"verified": False})

    def test_one_that_could_not_be_written_is_revoked_again(self):
        done = os.system(f"env -i HOME={self.home.home} XDG_RUNTIME_DIR={self.home.runtime} {SPAREKEY} new -p x "
                         f">/dev/full 2>/dev/null")
        self.assertEqual(os.waitstatus_to_exitcode(done), 74)
        self.assertEqual(self.client.list(), [])

    def test_all_names_are_resolved_first(self):
        self.client.create("Old tablet")
        done = self.run_it(1, "revoke", "old tablet", "nobody")
        self.assertIn('no password "nobody"', done.stderr)
        self.assertEqual(len(self.client.list()), 1)
        done = self.run_it(1, "revoke", "tablt")
        self.assertEqual(done.stderr.splitlines(), ['sparekey: no password "tablt"', 'Did you mean "Old tablet"?'])

    def test_exit_codes(self):
        self.client.create("Phone")
        for code, arguments in ((64, ()), (64, ("lst",)), (64, ("verify",)), (64, ("new", "-p")), (64, ("revoke",)),
                                (65, ("new", "-p", "phone")), (65, ("new", "-p", "a\nb")), (65, ("new", "-p", "-s", "IM AP", "x")),
                                (65, ("new", "-p", "-e", "30 februari", "x")), (65, ("expire", "Phone", "2001-01-01")),
                                (1, ("show", "nobody")), (64, ("revoke", "--all")), (64, ("--password-fd=x", "list")),
                                (69, ("--address=unix:path=/nowhere", "list")), (69, ("--address=tcp:host=localhost", "list"))):
            with self.subTest(arguments=arguments):
                done = self.run_it(code, *arguments)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.startswith("sparekey: "), done.stderr)
        self.assertEqual(len(self.client.list()), 1)


class WithoutABroker(unittest.TestCase):
    def test_it_starts_one_for_itself(self):
        home = Home()
        secret = run_tool(home, "new", "Phone", "-p").stdout
        done = run_tool(home, "verify", "-s", "imap", input_text=secret)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = run_tool(home, "-v", "list")
        self.assertIn("private", done.stderr)
        self.assertIn("Phone", done.stdout)
        self.assertEqual([name for name in os.listdir(home.runtime) if name.startswith("sparekey-")], [])
        with open(home.store, "wb"):
            pass
        done = run_tool(home, "list")
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn(home.store, done.stderr)
        home.remove()


if __name__ == "__main__":
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    unittest.main()
