#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The owner's proof by the tool: setup, passwd, factor, and what asks for main password and code."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import SPAREKEY, Broker, Home  # noqa: E402
from test_cli import SECRET, Terminal  # noqa: E402
from test_cli_terminal import IN, OUT, size  # noqa: E402

SETTINGS = {"create-requires": "password+code", "owner-argon2-memory-kib": "1024", "owner-argon2-passes": "1"}
MAIN = "correct horse battery"
OTHER = "another horse, same battery"
RECOVERY = re.compile(r"\b[0-9a-z]{5}-[0-9a-z]{5}\b(?!-)")


class Phone:
    """An authenticator with one key. A code is never shown twice: what the clock does not give yet comes from the next
    step, which a broker takes as well; beyond that it is waited for."""

    def __init__(self, uri):
        self.uri = uri
        self.key = re.search(r"secret=([A-Z2-7]+)", uri).group(1)
        self.used = -1

    def at(self, step):
        return subprocess.run(["oathtool", "--totp", "-b", "-N", f"@{step * 30}", self.key], capture_output=True, text=True,
                              check=True).stdout.strip()

    def code(self):
        step = max(self.used + 1, int(time.time() + 10) // 30 - 1)  # one that lasts until it is typed
        while step > int(time.time()) // 30 + 1:
            time.sleep(0.5)
        self.used = step
        return self.at(step)

    def wrong(self):
        now = int(time.time()) // 30
        right = {self.at(step) for step in range(now - 3, now + 4)}
        return next(f"{number:06}" for number in range(1000) if f"{number:06}" not in right)


@contextlib.contextmanager
def given(**texts):
    """The options of descriptors with these texts (password=, code=), and the descriptors."""
    words, fds = [], []
    for name, text in texts.items():
        read_end, write_end = os.pipe()
        os.write(write_end, text.encode())
        os.close(write_end)
        words.append(f"--{name}-fd={read_end}")
        fds.append(read_end)
    try:
        yield words, fds
    finally:
        for fd in fds:
            os.close(fd)


class Screen:
    """What a terminal shows: enough of one for our pages."""

    def __init__(self, output, columns=80, lines=24):
        self.cells = {}
        row = column = 0
        light = None
        for part in re.finditer(r"\x1b\[\??([0-9;]*)([A-Za-z])|(.)", output, re.S):
            numbers, letter, character = part.groups()
            if letter == "H":
                row, column = ([int(number) - 1 for number in numbers.split(";")] if numbers else [0, 0])
            elif letter == "J":
                self.cells = {}
            elif letter == "m":
                light = {"0": None, "38;5;16;48;5;231": (0, 255)}[numbers]
            elif character == "\r":
                column = 0
            elif character == "\n":
                row += 1
            elif character:
                self.cells[row, column] = (character, light)
                column += 1
        self.lines = 1 + max(row for row, _ in self.cells)
        self.columns = 1 + max(column for _, column in self.cells)
        self.fits = self.lines <= lines and self.columns <= columns
        self.size = (lines, columns)

    def text(self):
        return "\n".join("".join(self.cells.get((row, column), " ")[0] for column in range(self.columns))
                         for row in range(self.lines))

    def scan(self, dark_background):
        """What zbarimg reads of it."""
        ground, ink = (0, 255) if dark_background else (255, 0)
        lines, columns = self.size
        scale = 6
        rows = []
        for row in range(lines):
            upper, lower = bytearray(), bytearray()
            for column in range(columns):
                character, colors = self.cells.get((row, column), (" ", None))
                front, back = colors or (ink, ground)
                upper += bytes([front if character in "█▀" else back]) * scale
                lower += bytes([front if character in "█▄" else back]) * scale
            rows += [bytes(upper)] * scale + [bytes(lower)] * scale
        with tempfile.NamedTemporaryFile(suffix=".pgm") as file:
            file.write(b"P5 %d %d 255\n" % (columns * scale, len(rows)) + b"".join(rows))
            file.flush()
            return subprocess.run(["zbarimg", "-q", "--raw", "-Sdisable", "-Sqrcode.enable", file.name], capture_output=True,
                                  text=True, check=False).stdout.strip()


class WithAnOwner(unittest.TestCase):
    settings = SETTINGS

    def setUp(self):
        self.broker = Broker(settings=self.settings)
        self.addCleanup(self.broker.stop)
        self.home = self.broker.home
        self.client = self.broker.peer()

    def run_tool(self, *arguments, text=None, **texts):
        with given(**texts) as (words, fds):
            return subprocess.run([SPAREKEY, *words, *arguments], env=self.home.environment(), pass_fds=fds, text=True,
                                  input=text if text is not None else "", capture_output=True, timeout=60, check=False)

    def start_setup(self, *words):
        read_end, write_end = os.pipe()
        with given(password=MAIN + "\n") as (options, fds):
            tool = subprocess.Popen([SPAREKEY, *options, f"--code-fd={read_end}", *words], env=self.home.environment(),
                                    pass_fds=fds + [read_end], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        os.close(read_end)
        return tool, write_end

    def set_up(self):
        """As a program does it: the phone, and the recovery codes."""
        tool, codes = self.start_setup("setup", "--print")
        phone = Phone(tool.stdout.readline().strip())
        os.write(codes, phone.code().encode() + b"\n")
        os.close(codes)
        said, errors = tool.communicate(timeout=30)
        self.assertEqual((tool.returncode, errors), (0, ""))
        codes = said.split()
        self.assertEqual(len(codes), 10, said)
        return phone, codes

    def owner(self):
        done = self.run_tool("factor", "status", "--plain")
        self.assertEqual(done.returncode, 0, done)
        initialized, factor, left = done.stdout.strip().split("\t")
        return initialized == "true", factor, int(left)

    def terminal(self, *arguments, **changes):
        return Terminal(self.home, *arguments, **changes)

    def answer(self, terminal, *pairs):
        """Each question answered as it comes, once."""
        for question, text in pairs:
            terminal.until(question.encode())
            terminal.seen = getattr(terminal, "seen", b"") + terminal.output
            terminal.output = terminal.output.partition(question.encode())[2]
            time.sleep(0.05)  # the modes are set before the question, and dropped with them is what came too early
            terminal.type(text.encode() + b"\n")

    def end(self, terminal, code):
        self.assertEqual(terminal.end(), code, terminal.output)

    def labels(self):
        return sorted(row["Label"] for _, row in self.client.list())


class Setup(WithAnOwner):
    def test_from_nothing_to_an_app_password(self):
        terminal = self.terminal("setup", LANG="C.UTF-8")
        size(terminal, 24, 80)
        terminal.until(b"Press Enter to go on.")
        page = terminal.output.rpartition(b"\x1b[2J")[2].decode()
        passphrase = re.search(r"\n +([a-z]+(?:-[a-z]+){5,})\r", page).group(1)
        self.answer(terminal, ("Press Enter to go on.", ""), ("Main password: ", passphrase), ("Once more: ", passphrase))
        terminal.until(b"Press Enter when you have it.")
        screen = Screen(terminal.output.rpartition(b"\x1b[2J")[2].decode())
        key = "".join(re.findall(r"\b[A-Z2-7]{4}\b", screen.text()))
        self.assertEqual(len(key), 32, screen.text())
        phone = Phone("otpauth://?secret=" + key)
        self.answer(terminal, ("Press Enter when you have it.", ""), ("Code: ", phone.code()))
        terminal.until(b"Press Enter when you have them.")
        codes = RECOVERY.findall(terminal.output.decode())
        self.assertEqual(len(codes), 10)
        self.answer(terminal, ("Press Enter when you have them.", ""),
                    ("One of the recovery codes: ", codes[7].upper().replace("-", " ").replace("0", "o").replace("1", "L")))
        terminal.until(b"Everything is set up.")
        self.end(terminal, 0)
        for secret in (passphrase, key, codes[7]):  # nothing of them outside of the alternate screen
            self.assertNotIn(secret.encode(), re.sub(re.escape(IN) + b".*?" + re.escape(OUT), b"",
                                                     terminal.seen + terminal.output, flags=re.S))
        self.assertEqual(self.owner(), (True, "totp", 10))
        done = self.run_tool("new", "-p", "Phone", password=passphrase, code=phone.code())
        self.assertEqual(done.returncode, 0, done)
        self.client.verify(done.stdout.strip())

    @unittest.skipUnless(shutil.which("zbarimg"), "zbarimg is not installed")
    def test_the_qr_code_is_read_on_every_background(self):
        _, codes = self.set_up()
        for lines, columns, changes, turns, backgrounds in (
                (24, 80, {}, 0, (True, False)), (24, 80, {"NO_COLOR": "1"}, 0, (True,)), (24, 80, {"NO_COLOR": "1"}, 1, (False,)),
                (50, 60, {}, 0, (True, False)), (60, 200, {}, 0, (True, False))):
            with self.subTest(lines=lines, columns=columns, changes=changes, turns=turns):
                terminal = self.terminal("factor", "add", **changes)
                size(terminal, lines, columns)
                self.answer(terminal, ("Main password: ", MAIN), ("Code: ", codes.pop()))
                terminal.until(b"Press Enter when you have it.")
                for _ in range(turns):
                    terminal.output = b""
                    terminal.type(b"i\n")
                    terminal.until(b"Press Enter when you have it.")
                screen = Screen(terminal.output.rpartition(b"\x1b[2J")[2].decode(), columns, lines)
                self.assertTrue(screen.fits, screen.text())
                key = "".join(re.findall(r"\b[A-Z2-7]{4}\b", screen.text()))
                for dark in backgrounds:
                    uri = screen.scan(dark)
                    self.assertTrue(uri.startswith("otpauth://totp/Sparekey:"), (dark, uri, screen.text()))
                    self.assertEqual(Phone(uri).key, key)
                terminal.type(b"\n")
                terminal.until(b"Code: ")
                terminal.type(b"\x03")
                self.end(terminal, 130)

    def test_a_window_too_small_for_it_has_the_key(self):
        phone, _ = self.set_up()
        terminal = self.terminal("factor", "add")
        size(terminal, 20, 60)
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", phone.code()))
        terminal.until(b"Press Enter when you have it.")
        screen = Screen(terminal.output.rpartition(b"\x1b[2J")[2].decode(), 60, 20)
        self.assertTrue(screen.fits, screen.text())
        self.assertEqual(len("".join(re.findall(r"\b[A-Z2-7]{4}\b", screen.text()))), 32, screen.text())
        terminal.output = b""
        size(terminal, 60, 60)
        terminal.until(b"Press Enter when you have it.")
        self.assertIn("█", Screen(terminal.output.rpartition(b"\x1b[2J")[2].decode(), 60, 60).text())
        terminal.type(b"\x03")
        self.end(terminal, 130)

    def test_it_goes_on_where_it_was_broken_off(self):
        terminal = self.terminal("setup")
        self.answer(terminal, ("Press Enter to go on.", ""), ("Main password: ", MAIN), ("Once more: ", MAIN))
        terminal.until(b"Press Enter when you have it.")
        terminal.type(b"\x03")
        self.end(terminal, 130)
        self.assertEqual(self.owner(), (True, "none", 0))
        terminal = self.terminal("setup")
        self.answer(terminal, ("Main password: ", MAIN))
        terminal.until(b"Press Enter when you have it.")
        key = "".join(re.findall(r"\b[A-Z2-7]{4}\b", Screen(terminal.output.rpartition(b"\x1b[2J")[2].decode()).text()))
        phone = Phone("otpauth://?secret=" + key)
        self.answer(terminal, ("Press Enter when you have it.", ""), ("Code: ", phone.wrong()), ("Code: ", phone.code()))
        terminal.until(b"Press Enter when you have them.")
        terminal.type(b"\x03")
        terminal.until(b"The recovery codes were made all the same.")
        self.end(terminal, 130)
        self.assertEqual(self.owner(), (True, "totp", 10))

    def test_once_is_enough(self):
        self.set_up()
        done = self.run_tool("setup")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn("Everything is set up.", done.stdout)

    def test_a_main_password_that_is_none(self):
        done = self.run_tool("setup", "--print", password="too short", code="123456")
        self.assertEqual((done.returncode, done.stdout), (65, ""), done)
        terminal = self.terminal("setup")
        self.answer(terminal, ("Press Enter to go on.", ""), ("Main password: ", "short"), ("Once more: ", "short"),
                    ("Main password: ", MAIN), ("Once more: ", OTHER), ("the two are not the same", ""))
        terminal.until(b"Once more: ")
        terminal.type(b"\x03")
        self.end(terminal, 130)
        self.assertEqual(self.owner(), (False, "none", 0))

    def test_nothing_secret_goes_where_it_would_stay(self):
        done = self.run_tool("setup", password=MAIN, code="123456")
        self.assertEqual((done.returncode, done.stdout), (64, ""), done)
        self.assertIn("Nothing was made.", done.stderr)
        self.assertEqual(self.run_tool("setup", "--print", "--json", password=MAIN).returncode, 64)
        self.assertEqual(self.run_tool("setup", "--print").returncode, 77)
        self.assertEqual(self.owner(), (False, "none", 0))

    def test_recovery_codes_that_were_not_kept(self):
        phone, codes = self.set_up()
        terminal = self.terminal("factor", "codes")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", phone.code()), ("Press Enter when you have them.", ""),
                    ("One of the recovery codes: ", codes[0]), ("Press Enter when you have them.", ""),
                    ("One of the recovery codes: ", ""), ("Press Enter when you have them.", ""),
                    ("One of the recovery codes: ", "0"))
        terminal.until(b"To make new ones: sparekey factor codes")
        self.end(terminal, 1)

    def test_erase(self):
        phone, codes = self.set_up()
        done = self.run_tool("new", "-p", "Phone", password=MAIN, code=phone.code())
        self.assertEqual(self.run_tool("setup", "--erase", password=MAIN, code=codes[0]).returncode, 64)
        terminal = self.terminal("setup", "--erase")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", codes.pop()), ('Type "erase" to go on: ', "yes"))
        self.end(terminal, 1)
        self.assertEqual(self.labels(), ["Phone"])
        terminal = self.terminal("setup", "--erase")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", codes.pop()), ('Type "erase" to go on: ', "erase"))
        terminal.until(b"Everything is erased.")
        self.end(terminal, 0)
        self.assertEqual((self.labels(), self.owner()), ([], (False, "none", 0)))
        self.assertEqual(self.run_tool("which", text=done.stdout).returncode, 1)

    def test_who_has_forgotten_is_told_what_is_left(self):
        self.set_up()
        terminal = self.terminal("setup", "--erase")
        self.answer(terminal, *[("Main password: ", "something else " + str(number)) for number in range(3)])
        terminal.until(b"Forgotten? What is left: sparekey help setup")
        self.end(terminal, 77)
        self.assertIn("remove ~/.local/share/sparekey", self.run_tool("help", "setup").stdout)


class Proof(WithAnOwner):
    def test_before_setup(self):
        for words in (("new", "-p", "Phone"), ("passwd", "--keep"), ("factor", "add", "-p"), ("factor", "remove")):
            with self.subTest(words=words):
                done = self.run_tool(*words, text=OTHER, password=MAIN)
                self.assertEqual((done.returncode, done.stdout), (69, ""), done)
                self.assertTrue(done.stderr.endswith("To set it up: sparekey setup\n"), done)

    def test_before_the_authenticator(self):
        tool, codes = self.start_setup("setup", "--print")
        Phone(tool.stdout.readline().strip())
        os.close(codes)
        self.assertEqual((tool.communicate()[1].splitlines()[0], tool.returncode),
                         ("sparekey: that is not the code of this key", 77))
        done = self.run_tool("new", "-p", "Phone", password=MAIN)
        self.assertEqual((done.returncode, done.stdout), (77, ""), done)
        self.assertEqual(done.stderr, "sparekey: no second factor has been set up yet\n"
                         "To add an authenticator: sparekey factor add\n")
        self.assertIn("Set up     yes\nFactor     none\n", self.run_tool("status").stdout)

    def test_new_asks_once_for_all(self):
        phone, _ = self.set_up()
        terminal = self.terminal("new", "One", "Two")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", phone.code()), ("Press Enter", ""), ("Press Enter", ""))
        self.end(terminal, 0)
        said = terminal.seen + terminal.output
        self.assertNotIn(MAIN.encode(), said)
        self.assertEqual(self.labels(), ["One", "Two"])

    def test_wrong_ones_are_asked_for_again(self):
        phone, _ = self.set_up()
        code = phone.code()
        terminal = self.terminal("new", "Phone")
        self.answer(terminal, ("Main password: ", OTHER), ("Main password: ", MAIN), ("Code: ", phone.wrong()),
                    ("Code: ", code[:3] + " " + code[3:]))
        terminal.until(b"Press Enter")
        self.assertIn(b"sparekey: wrong main password\r\n", terminal.seen)
        self.assertIn(b"sparekey: wrong code, or used before\r\n", terminal.seen)
        terminal.type(b"\n")
        self.end(terminal, 0)
        terminal = self.terminal("new", "Tablet")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", code), ("Code: ", ""), ("Code: ", phone.wrong()))
        self.end(terminal, 77)
        self.assertEqual(self.labels(), ["Phone"])

    def test_three_wrong_main_passwords(self):
        self.set_up()
        terminal = self.terminal("new", "Phone")
        self.answer(terminal, *[("Main password: ", OTHER)] * 3)
        self.end(terminal, 77)
        self.assertNotIn(b"Code: ", terminal.seen + terminal.output)

    def test_by_descriptors(self):
        phone, codes = self.set_up()
        code = phone.code()
        done = self.run_tool("new", "-p", "Phone", password=MAIN + "\n", code=code + "\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.client.verify(done.stdout.strip())
        for texts, what in (({"password": MAIN, "code": code}, "main password or code"),
                            ({"password": OTHER, "code": phone.code()}, "main password or code"),
                            ({"password": OTHER}, "wrong main password"), ({"password": "x" * 2000}, "too long"),
                            ({"password": MAIN + "\n ", "code": codes[0]}, "main password or code")):
            with self.subTest(texts=texts):
                done = self.run_tool("new", "-p", "Tablet", **texts)
                self.assertEqual((done.returncode, done.stdout), (77, ""), done)
                self.assertIn(what, done.stderr)
        self.assertEqual(self.labels(), ["Phone"])

    def test_a_recovery_code_once(self):
        _, codes = self.set_up()
        for number, (text, code) in enumerate(((codes[3], 0), (codes[3], 77), (codes[4].upper().replace("-", ""), 0))):
            done = self.run_tool("new", "-p", f"Label {number}", password=MAIN, code=text)
            self.assertEqual(done.returncode, code, done)
        self.assertEqual(self.owner(), (True, "totp", 8))

    def test_nobody_is_asked(self):
        self.set_up()
        for words in (("--no-input", "new", "Phone"), ("new", "-p", "Phone")):
            done = self.run_tool(*words[:-1], "-p", words[-1])
            self.assertEqual((done.returncode, done.stdout), (77, ""), done)
            self.assertIn("--password-fd", done.stderr)
        done = self.run_tool("new", "-p", "Phone", password=MAIN)
        self.assertEqual((done.returncode, done.stdout), (77, ""), done)
        self.assertIn("--code-fd", done.stderr)
        terminal = self.terminal("--no-input", "new", "Phone")
        self.end(terminal, 77)
        self.assertNotIn(b"Main password", terminal.output)

    def test_options_that_cannot_be(self):
        for words in (("--password-fd=x",), ("--password-fd=-1",), ("--password-fd=0", "--code-fd=0")):
            self.assertEqual(self.run_tool(*words, "list").returncode, 64)
        self.assertEqual(self.run_tool("--password-fd=99", "list").returncode, 0)
        terminal = self.terminal("--password-fd=0", "new", "Phone")
        terminal.until(b"descriptor 0 is a terminal")
        self.end(terminal, 64)

    def test_giving_more_asks_and_taking_away_does_not(self):
        phone, codes = self.set_up()
        codes = iter(codes)
        self.assertEqual(self.run_tool("new", "-p", "Phone", "-s", "imap", "-e", "9d", password=MAIN,
                                       code=phone.code()).returncode, 0)
        for more, less in ((("scope", "Phone", "+smtp"), ("scope", "Phone", "imap")),
                           (("expire", "Phone", "never"), ("expire", "Phone", "1d")),
                           (("thaw", "Phone"), ("freeze", "Phone"))):
            with self.subTest(more=more):
                if more[0] == "thaw":
                    self.assertEqual(self.run_tool(*less).returncode, 0)
                self.assertEqual(self.run_tool(*more).returncode, 77)
                done = self.run_tool(*more, password=MAIN, code=next(codes))
                self.assertEqual((done.returncode, done.stderr), (0, ""), done)
                self.assertEqual(self.run_tool(*less).returncode, 0)
        self.assertEqual(self.run_tool("revoke", "Phone").returncode, 0)

    def test_one_proof_for_several(self):
        phone, codes = self.set_up()
        self.assertEqual(self.run_tool("new", "-p", "One", "Two", "Three", password=MAIN, code=phone.code()).returncode, 0)
        self.run_tool("freeze", "One", "Two", "Three")
        done = self.run_tool("thaw", "One", "Two", "Three")
        self.assertEqual((done.returncode, done.stderr.count("sparekey: ")), (77, 1), done)
        done = self.run_tool("thaw", "One", "Two", "Three", password=MAIN, code=codes[0])
        self.assertEqual((done.returncode, done.stdout.count("Thawed")), (0, 3), done)

    def test_too_many_guesses(self):
        self.set_up()
        seen = {self.run_tool("new", "-p", "Phone", password=OTHER).returncode for _ in range(25)}
        self.assertEqual(seen, {77})  # each by a connection of its own: slowed down, and nobody is kept out

    def test_few_codes_are_told(self):
        phone, codes = self.set_up()
        for number, text in enumerate(codes[:8]):
            done = self.run_tool("new", "-p", f"Label {number}", password=MAIN, code=text)
            self.assertEqual((done.returncode, "2 recovery codes are left" in done.stderr), (0, number == 7), done)
        for words in (("list",), ("status",), ("list", "--json")):
            self.assertIn("2 recovery codes are left. To make new ones: sparekey factor codes\n",
                          self.run_tool(*words).stderr)
        self.assertEqual(self.run_tool("-q", "list").stderr, "")
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["recovery_codes_left"], 2)
        done = self.run_tool("factor", "codes", "-p", password=MAIN, code=phone.code())
        self.assertEqual((done.returncode, len(done.stdout.split())), (0, 10), done)
        self.assertEqual(self.run_tool("list").stderr, "")
        self.assertEqual(self.run_tool("new", "-p", "x", password=MAIN, code=codes[9]).returncode, 77)

    def test_ctrl_c_at_every_question(self):
        _, codes = self.set_up()
        questions = (("new", "Phone"), [("Main password: ", MAIN), ("Code: ", None)]), \
            (("passwd",), [("Main password: ", MAIN), ("Code: ", None), ("New main password: ", OTHER),
                           ("Once more: ", OTHER), ("[Y/n] ", "n")]), \
            (("factor", "add"), [("Main password: ", MAIN), ("Code: ", None), ("Press Enter", ""), ("Code: ", "")]), \
            (("setup", "--erase"), [("Main password: ", MAIN), ("Code: ", None), ("go on: ", "erase")])
        for words, pairs in questions:
            for number, (question, _) in enumerate(pairs):
                with self.subTest(words=words, question=question):
                    terminal = self.terminal(*words)
                    before = termios.tcgetattr(terminal.fd)
                    self.answer(terminal, *((said, codes.pop() if text is None else text)
                                            for said, text in pairs[:number]))
                    terminal.until(question.encode())
                    terminal.type(b"\x03")
                    while terminal.read(time.monotonic() + 20):
                        pass
                    after = termios.tcgetattr(terminal.fd)  # as the one who ended has left it
                    self.end(terminal, 130)
                    self.assertEqual(after, before)
        self.assertEqual((self.labels(), self.owner()), ([], (True, "totp", len(codes))))


class WithoutACode(WithAnOwner):
    settings = {**SETTINGS, "create-requires": "password"}

    def test_new_asks_for_none_and_factor_does(self):
        phone, _ = self.set_up()
        terminal = self.terminal("new", "Phone")
        self.answer(terminal, ("Main password: ", MAIN), ("Press Enter", ""))
        self.end(terminal, 0)
        terminal = self.terminal("factor", "remove")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", phone.code()))
        self.end(terminal, 0)
        self.assertEqual(self.owner(), (True, "none", 0))


class Passwd(WithAnOwner):
    def make(self, phone):
        done = self.run_tool("new", "-p", "Phone", password=MAIN, code=phone.code())
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.strip()

    def change(self, code, old, new, *answers):
        terminal = self.terminal("passwd")
        self.answer(terminal, ("Main password: ", old), ("Code: ", code), ("New main password: ", new), ("Once more: ", new),
                    *[("[Y/n] ", answer) for answer in answers])
        terminal.until(b"Changed the main password.")
        self.end(terminal, 0)

    def test_on_a_terminal(self):
        phone, codes = self.set_up()
        self.make(phone)
        self.change(codes[0], MAIN, OTHER, "n")
        self.assertEqual(self.labels(), ["Phone"])
        self.assertEqual(self.run_tool("new", "-p", "x", password=MAIN, code=codes[1]).returncode, 77)
        self.change(codes[1], OTHER, MAIN, "what?", "")
        self.assertEqual(self.labels(), [])
        self.assertEqual(self.run_tool("new", "-p", "x", password=MAIN, code=phone.code()).returncode, 0)

    def test_by_descriptors(self):
        phone, codes = self.set_up()
        self.make(phone)
        done = self.run_tool("passwd", text=OTHER + "\n", password=MAIN, code=codes[0])
        self.assertEqual(done.returncode, 64, done)
        done = self.run_tool("passwd", "--keep", text="short\n", password=MAIN, code=codes[0])
        self.assertEqual(done.returncode, 65, done)
        done = self.run_tool("passwd", "--keep", text=OTHER + "\n", password=MAIN, code=codes[1])
        self.assertEqual((done.returncode, self.labels()), (0, ["Phone"]), done)
        done = self.run_tool("passwd", "--revoke", text=MAIN, password=OTHER, code=codes[2])
        self.assertEqual((done.returncode, self.labels()), (0, []), done)
        self.assertEqual(self.run_tool("passwd", "--revoke", "--keep").returncode, 64)
        done = self.run_tool("--json", "passwd", "--keep", text=MAIN, password=MAIN, code=codes[3])
        self.assertEqual(json.loads(done.stdout), {"set_up": True, "second_factor": "totp", "recovery_codes_left": 6})


class Factor(WithAnOwner):
    def test_without_the_phone(self):
        old, codes = self.set_up()
        read_end, write_end = os.pipe()
        terminal = self.terminal("factor", "add")
        self.answer(terminal, ("Main password: ", MAIN), ("Code: ", codes[0]))
        terminal.until(b"Press Enter when you have it.")
        key = "".join(re.findall(r"\b[A-Z2-7]{4}\b", Screen(terminal.output.rpartition(b"\x1b[2J")[2].decode()).text()))
        phone = Phone("otpauth://?secret=" + key)
        phone.used = old.used
        self.answer(terminal, ("Press Enter when you have it.", ""), ("Code: ", phone.code()))
        terminal.until(b"The new authenticator counts from now on")
        self.end(terminal, 0)
        os.close(read_end)
        os.close(write_end)
        self.assertEqual(self.owner(), (True, "totp", 9))
        self.assertEqual(self.run_tool("new", "-p", "x", password=MAIN, code=phone.code()).returncode, 0)

    def test_remove_and_words(self):
        phone, _ = self.set_up()
        self.assertEqual(self.run_tool("factor", "remove", password=MAIN, code=phone.code()).returncode, 0)
        self.assertEqual(self.owner(), (True, "none", 0))
        done = self.run_tool("factor", "remove")
        self.assertEqual((done.returncode, done.stderr), (1, "sparekey: there is no authenticator\n"), done)
        for words in (("factor",), ("factor", "x"), ("factor", "add", "codes"), ("factor", "status", "-p")):
            self.assertEqual(self.run_tool(*words).returncode, 64)

    def test_status(self):
        self.assertEqual(json.loads(self.run_tool("--json", "factor", "status").stdout),
                         {"set_up": False, "second_factor": "none", "recovery_codes_left": 0})
        self.assertIn("To set it up: sparekey setup", self.run_tool("status").stderr)
        self.set_up()
        done = self.run_tool("factor", "status")
        self.assertEqual(done.stdout, "Authenticator   yes\nRecovery codes  10 left\n")
        status = json.loads(self.run_tool("status", "--json").stdout)
        self.assertEqual((status["set_up"], status["second_factor"], status["recovery_codes_left"]), (True, "totp", 10))
        self.assertIn("Set up     yes\nFactor     authenticator\nCodes      10 recovery codes left\n",
                      self.run_tool("status").stdout)


class WithoutABroker(unittest.TestCase):
    def test_setup_by_a_broker_of_its_own(self):
        home = Home(SETTINGS)
        self.addCleanup(home.remove)
        with given(password=MAIN) as (words, fds):
            tool = subprocess.Popen([SPAREKEY, *words, "--code-fd=0", "setup", "-p"], env=home.environment(), pass_fds=fds,
                                    text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            phone = Phone(tool.stdout.readline())
            said, _ = tool.communicate(phone.code(), timeout=30)
        self.assertEqual((tool.returncode, len(said.split())), (0, 10))
        with given(password=MAIN, code=phone.code()) as (words, fds):
            done = subprocess.run([SPAREKEY, *words, "new", "-p", "Phone"], env=home.environment(), pass_fds=fds,
                                  capture_output=True, check=True)
        self.assertTrue(SECRET.search(done.stdout))


if __name__ == "__main__":
    unittest.main()
