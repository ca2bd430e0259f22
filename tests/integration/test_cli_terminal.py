#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A secret on the screen, and all that can happen meanwhile; tables in narrow windows; questions."""
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import SPAREKEY, Broker, options, wait_until  # noqa: E402
from test_cli import SECRET, Terminal  # noqa: E402

IN = b"\x1b[?1049h"
OUT = b"\x1b[?1049l"


class Shell(Terminal):
    """A shell with job control on a pseudo-terminal, in which the tool is typed."""

    def __init__(self, home, **changes):
        self.output = b""
        self.pid, self.fd = os.forkpty()
        if self.pid == 0:
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                      home.environment(TERM="xterm", PS1="ready> ", PS2="", TOOL=SPAREKEY, HISTFILE="/dev/null", **changes))
        self.until(b"ready> ")

    def line(self, text):
        self.output = b""
        self.type(text.encode() + b"\n")


def size(terminal, lines, columns):
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def width(line):
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
               for letter in line)


class WithABroker(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.stop)
        self.home = self.broker.home
        self.client = self.broker.peer()

    def end(self, terminal, code):
        self.assertEqual(terminal.end(), code, terminal.output)

    def labels(self):
        return sorted(row["Label"] for _, row in self.client.list())


class TheScreen(WithABroker):
    def assert_hidden(self, output):
        """No secret before the alternate screen, none after it, and it was left as often as entered."""
        self.assertEqual(output.count(IN), output.count(OUT))
        for piece in re.split(re.escape(IN) + b".*?" + re.escape(OUT), output, flags=re.S):
            self.assertIsNone(SECRET.search(piece), output)

    def test_what_is_typed_meanwhile_is_not_echoed(self):
        terminal = Terminal(self.home, "new", "Phone")
        terminal.until(b"Press Enter")
        terminal.type(b"qwertz")
        time.sleep(0.3)
        terminal.type(b"\n")
        self.end(terminal, 0)
        self.assertNotIn(b"qwertz", terminal.output)
        self.assert_hidden(terminal.output)

    def test_end_of_file_is_an_answer(self):
        terminal = Terminal(self.home, "new", "Phone")
        terminal.until(b"Press Enter")
        terminal.type(b"\x04")
        self.end(terminal, 0)
        self.assertEqual(self.labels(), ["Phone"])

    def test_signals_put_the_terminal_back(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number=number):
                terminal = Terminal(self.home, "new", number.name)
                before = termios.tcgetattr(terminal.fd)
                terminal.until(b"Press Enter")
                self.assertFalse(termios.tcgetattr(terminal.fd)[3] & termios.ECHO)
                os.kill(terminal.pid, number)
                terminal.until(b"Made ")
                self.assertEqual(termios.tcgetattr(terminal.fd), before)
                self.end(terminal, -number)
                self.assert_hidden(terminal.output)
        self.assertEqual(len(self.labels()), 3)

    def test_a_signal_before_it_is_shown_undoes_it(self):
        terminal = Terminal(self.home, "new", "Phone", "Tablet")
        terminal.until(b"Press Enter")
        os.kill(self.broker.pid, signal.SIGSTOP)  # the second will be under way when the signal comes
        terminal.type(b"\n")
        terminal.until(b"Made ")
        time.sleep(0.3)
        os.kill(terminal.pid, signal.SIGINT)
        time.sleep(0.1)
        os.kill(self.broker.pid, signal.SIGCONT)
        self.end(terminal, 130)
        self.assertIn(b"sparekey: interrupted before it was shown", terminal.output)
        self.assertNotIn(b"may have been made", terminal.output)
        self.assertEqual(self.labels(), ["Phone"])

    def silent(self, *arguments):
        """A tool that has made one of two, and waits for a broker that does not answer."""
        terminal = Terminal(self.home, "new", *arguments, "Phone", "Tablet")
        terminal.until(b"Press Enter")
        os.kill(self.broker.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.broker.pid, signal.SIGCONT)
        terminal.type(b"\n")
        return terminal

    def test_signals_end_the_wait_for_a_silent_broker(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGQUIT, -signal.SIGQUIT),
                             (signal.SIGHUP, -signal.SIGHUP)):
            with self.subTest(number=number):
                terminal = self.silent()
                terminal.until(b"Still waiting for the broker.", 5)
                start = time.monotonic()
                os.kill(terminal.pid, number)
                self.end(terminal, code)
                self.assertLess(time.monotonic() - start, 4)
                self.assertIn(b'sparekey: interrupted before it was shown\r\n'
                              b'"Tablet" may have been made all the same. To see: sparekey list\r\n', terminal.output)
                os.kill(self.broker.pid, signal.SIGCONT)
                wait_until(lambda: self.labels() == ["Phone"])
                self.client.revoke_all({})

    def test_a_second_ctrl_c_waits_for_nothing(self):
        terminal = self.silent("-q")
        terminal.until(b"\x1b[?1049l")
        os.kill(terminal.pid, signal.SIGINT)
        time.sleep(0.3)
        start = time.monotonic()
        os.kill(terminal.pid, signal.SIGINT)
        self.end(terminal, 130)
        self.assertLess(time.monotonic() - start, 1)
        self.assertNotIn(b"Still waiting", terminal.output)

    def test_what_cannot_be_undone_is_told(self):
        terminal = Terminal(self.home, "new", "--print", *(f"Label {number}" for number in range(60)))
        wait_until(lambda: len(self.labels()) > 3)
        os.kill(self.broker.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.broker.pid, signal.SIGCONT)
        time.sleep(0.3)
        terminal.type(b"\x03")
        start = time.monotonic()
        self.end(terminal, 130)
        self.assertLess(time.monotonic() - start, 4)
        self.assertIsNone(SECRET.search(terminal.output))
        self.assertGreaterEqual(terminal.output.count(b" could not be revoked again"), 3)
        self.assertIn(b"To end them by hand: sparekey revoke ID", terminal.output)

    def test_ctrl_c_ends_every_wait_at_once(self):
        self.client.create("Phone")
        os.kill(self.broker.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.broker.pid, signal.SIGCONT)
        tools = [subprocess.Popen([SPAREKEY, *line.split()], env=self.home.environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                 for line in ("new -p x", "list", "show x", "revoke x", "revoke --all --force", "rename x y", "scope x imap",
                              "expire x 1d", "freeze x", "verify -s imap", "which", "status")]
        time.sleep(1)
        for tool in tools:
            tool.send_signal(signal.SIGINT)
        for tool in tools:
            with self.subTest(tool=tool.args):
                self.assertEqual((tool.communicate(timeout=1)[1], tool.returncode), (b"", -signal.SIGINT))

    def test_a_signal_undoes_what_was_made_where_the_broker_answers(self):
        terminal = Terminal(self.home, "new", "--print", *(f"Label {number}" for number in range(60)))
        wait_until(lambda: len(self.labels()) > 3)
        terminal.type(b"\x03")
        self.end(terminal, 130)
        self.assertIn(b"revoked again.", terminal.output)
        self.assertNotIn(b"may have been made", terminal.output)
        self.assertEqual(self.labels(), [])

    def test_a_signal_ends_the_wait_for_a_reader(self):
        scopes = [word for number in range(60) for word in ("-s", f"scope-number-{number}-of-some-length"[:32])]
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        done = subprocess.Popen([SPAREKEY, "--json", "new", *scopes, "One", "Two", "Three"], env=self.home.environment(),
                                stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        wait_until(lambda: len(self.labels()) == 3)
        time.sleep(0.3)
        done.send_signal(signal.SIGINT)
        self.assertIn(b"They were revoked again.", done.communicate(timeout=10)[1])
        self.assertEqual((done.returncode, self.labels()), (130, []))
        os.close(reader)

    def test_ctrl_z_and_fg(self):
        shell = Shell(self.home)
        shell.line('"$TOOL" new Phone; echo "code $?"')
        shell.until(b"Press Enter")
        shell.type(b"\x1a")
        shell.until(b"Stopped")
        self.assertIn(OUT, shell.output)
        shell.until(b"ready> ")
        shell.line("fg")
        shell.until(b"Press Enter")
        self.assertTrue(SECRET.search(shell.output.partition(IN)[2]))
        shell.type(b"\n")
        shell.until(b"Made ")
        self.assert_hidden(shell.output)
        shell.line("stty -a; exit")
        self.end(shell, 0)
        self.assertRegex(shell.output, rb"(?<!-)\becho\b")

    def test_a_hang_up(self):
        terminal = Terminal(self.home, "new", "Phone")
        terminal.until(b"Press Enter")
        os.close(terminal.fd)
        _, status = wait_until(lambda: [found for found in [os.waitpid(terminal.pid, os.WNOHANG)] if found[0]] or None)[0]
        self.assertIn(os.waitstatus_to_exitcode(status), (0, -signal.SIGHUP))
        self.assertEqual(self.labels(), ["Phone"])

    def test_it_fits_small_windows(self):
        label = "W" * 200 + "日" * 18
        scopes = [f"scope-number-{number}-of-some-length"[:32] for number in range(60)]
        for lines, columns in ((24, 80), (10, 80), (10, 36), (6, 30)):
            with self.subTest(lines=lines, columns=columns):
                shell = Shell(self.home)
                size(shell, lines, columns)
                shell.line('"$TOOL" new "%s" %s' % (label, " ".join("-s " + scope for scope in scopes)))
                shell.until(b"Press Enter when you have it.")
                page = shell.output.rpartition(b"\x1b[2J")[2].decode().replace("\r", "")
                taken = sum(max(1, -(-width(line) // columns)) for line in page.split("\n"))
                self.assertLessEqual(taken, lines, page)
                self.assertTrue(SECRET.search(page.encode()))
                shell.type(b"\n")
                shell.until(b"Made ")
                shell.line("exit")
                shell.end()
                self.client.revoke_all({})

    def test_a_resize_draws_it_again(self):
        terminal = Terminal(self.home, "new", "Phone")
        terminal.until(b"Press Enter when you have it.")
        terminal.output = b""
        size(terminal, 10, 40)
        terminal.until(b"Press Enter when you have it.")
        self.assertTrue(SECRET.search(terminal.output))
        terminal.type(b"\n")
        self.end(terminal, 0)

    def test_enter_comes_from_the_terminal_where_stdin_is_something_else(self):
        shell = Shell(self.home)
        shell.line('"$TOOL" new Phone </dev/null')
        shell.until(b"Press Enter")
        shell.type(b"\n")
        shell.until(b"Made ")
        self.assert_hidden(shell.output)
        shell.line("exit")
        shell.end()

    def test_in_place_where_there_is_no_other_way(self):
        for name, arguments, changes in (("a", (), {"TERM": "dumb"}), ("b", (), {"TERM": None}), ("c", ("--no-input",), {}),
                                         ("d", ("--inline",), {})):
            with self.subTest(arguments=arguments, changes=changes):
                terminal = Terminal(self.home, "new", name, *arguments, **changes)
                self.end(terminal, 0)
                self.assertTrue(SECRET.search(terminal.output))
                self.assertNotIn(b"\x1b", terminal.output)

    def test_several_are_shown_one_after_another(self):
        terminal = Terminal(self.home, "new", "One", "Two", "Three")
        terminal.until(b"Press Enter")
        terminal.type(b"\n")
        terminal.until(b'Password for "Two"')
        terminal.until(b"Press Enter", 20)
        wait_until(lambda: terminal.read(time.monotonic() + 0.2) or terminal.output.count(b"Press Enter") == 2)
        self.assertEqual(self.labels(), ["One", "Two"])
        terminal.type(b"\x03")
        self.end(terminal, 130)
        self.assertEqual(self.labels(), ["One", "Two"])
        self.assert_hidden(terminal.output)


class Questions(WithABroker):
    def ask(self, *arguments):
        for label in ("One", "Two"):
            self.client.create(label)
        terminal = Terminal(self.home, "revoke", *arguments)
        terminal.until(b"Type the number to go on: ")
        return terminal

    def test_ctrl_c_and_end_of_file(self):
        terminal = self.ask("--all")
        terminal.type(b"\x03")
        self.end(terminal, 130)
        terminal = Terminal(self.home, "revoke", "--all")
        terminal.until(b"go on: ")
        terminal.type(b"\x04")
        self.end(terminal, 1)
        self.assertIn(b"nothing was revoked", terminal.output)
        self.assertEqual(self.labels(), ["One", "Two"])

    def test_an_end_of_file_within_the_line_ends_it(self):
        terminal = self.ask("--all")
        terminal.type(b"9\x04")
        self.end(terminal, 1)
        self.assertEqual(self.labels(), ["One", "Two"])

    def test_only_what_the_number_was_typed_for(self):
        terminal = self.ask("--all")
        self.client.create("Meanwhile")
        terminal.type(b"2\n")
        self.end(terminal, 1)
        self.assertIn(b"nothing was revoked", terminal.output)
        self.assertEqual(self.labels(), ["Meanwhile", "One", "Two"])

    def test_one_for_one_is_another(self):
        terminal = self.ask("--all", "--json")
        self.client.revoke(self.client.find("One"))
        self.client.create("Meanwhile")
        terminal.type(b"2\n")
        self.end(terminal, 1)
        self.assertNotIn(b"[", terminal.output)
        self.assertEqual(self.labels(), ["Meanwhile", "Two"])

    def test_ctrl_c_at_the_password(self):
        terminal = Terminal(self.home, "verify", "-s", "imap")
        terminal.until(b"App password: ")
        before = termios.tcgetattr(terminal.fd)[3]
        terminal.type(b"abc\x03")
        self.end(terminal, 130)
        self.assertFalse(before & termios.ECHO)


class Patience(WithABroker):
    def test_a_long_wait_is_told_on_a_terminal_alone(self):
        self.client.create("Phone")
        line = 'sleep 2.8; kill -CONT %d' % self.broker.pid
        for quiet in ((), ("-q",)):
            os.kill(self.broker.pid, signal.SIGSTOP)
            waker = subprocess.Popen(["sh", "-c", line])
            terminal = Terminal(self.home, "list", *quiet)
            self.end(terminal, 0)
            waker.wait()
            self.assertIn(b"Phone", terminal.output)
            self.assertEqual(b"Still waiting for the broker." in terminal.output, not quiet)
        os.kill(self.broker.pid, signal.SIGSTOP)
        waker = subprocess.Popen(["sh", "-c", line])
        self.assertEqual(self.broker.run_tool("list").stderr, "")
        waker.wait()


class TheTable(WithABroker):
    def table(self, columns):
        shell = Shell(self.home)
        size(shell, 24, columns)
        shell.line('clear; "$TOOL" --color=never list; exit')
        shell.end()
        text = shell.output.decode()
        return text[text.index("ID "):].replace("\r", "").split("\nexit")[0].rstrip().split("\n")

    def test_it_fits_the_terminal(self):
        for label in ("Phone", "日本語" * 28, "e\u0301\u0323" * 40, "👩‍💻" * 20, "W" * 255):
            self.client.create(label)
        self.client.create("many", options(scopes=[f"scope-number-{number}" for number in range(64)]))
        path, secret = self.client.create("Frozen one with a label of some length, longer than a column")
        self.client.verify(secret, remote="2001:db8:1234:5678:9abc:def0:1234:5678")
        self.client.on_password(path, "Freeze")
        for columns in (120, 80, 60, 40):
            with self.subTest(columns=columns):
                rows = self.table(columns)
                self.assertEqual(len(rows), 8, rows)
                self.assertTrue(all("EXPIRES" in rows[0] and row for row in rows))
                plain = [row for row in rows if "\u200d" not in row]  # terminals differ on those
                self.assertLessEqual(max(map(width, plain)), columns, rows)
                self.assertTrue(any("… (frozen)" in row for row in rows), rows)

    def test_in_a_pipe_nothing_is_cut(self):
        self.client.create("W" * 255)
        self.assertIn("W" * 255, self.broker.run_tool("list").stdout)


if __name__ == "__main__":
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    unittest.main()
