#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the tool says: help, errors, options, names, times, and one output for each of several."""
import json
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import SPAREKEY, Broker, run_tool  # noqa: E402

COMMANDS = ("new", "list", "show", "revoke", "rename", "scope", "expire", "freeze", "thaw", "verify", "which", "status",
            "help")


class Tool(unittest.TestCase):
    settings = {}

    def setUp(self):
        self.broker = Broker(settings=self.settings)
        self.addCleanup(self.broker.stop)
        self.home = self.broker.home
        self.client = self.broker.peer()

    def run_it(self, code, *arguments, **keywords):
        done = run_tool(self.home, *arguments, **keywords)
        self.assertEqual(done.returncode, code, done)
        return done

    def refused(self, code, *arguments, **keywords):
        """It said one line of what is wrong and at most one of what to do, and nothing on stdout."""
        done = self.run_it(code, *arguments, **keywords)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertTrue(lines[0].startswith("sparekey: "), lines)
        self.assertLessEqual(len(lines), 2, lines)
        self.assertNotIn("\x1b", done.stderr)
        return lines

    def labels(self):
        return sorted(row["Label"] for _, row in self.client.list())


class Help(Tool):
    def test_each_command_has_help_of_its_own(self):
        everything = self.run_it(0, "help").stdout
        self.assertLessEqual(max(map(len, everything.splitlines())), 80)
        for command in COMMANDS:
            with self.subTest(command=command):
                text = self.run_it(0, "help", command).stdout
                self.assertTrue(text.startswith(f"Usage: sparekey [OPTION]... {command}"), text)
                self.assertIn("Example:\n  sparekey ", text)
                self.assertLessEqual(max(map(len, text.splitlines())), 80)
                for line in ((command, "--help"), ("-h", command), (command, "x", "-h")):
                    self.assertEqual(self.run_it(0, *line).stdout, text)
                self.assertIn(f"\n  {command} ", everything)

    def test_there_is_none_for_what_does_not_exist(self):
        self.assertEqual(self.refused(64, "help", "lst"), ['sparekey: no command "lst"', 'Did you mean "list"?'])
        self.refused(64, "xyzzy", "--help")
        self.refused(64, "help", "new", "list")

    def test_help_and_version_need_no_broker(self):
        for arguments in (("help", "new"), ("list", "--version"), ("-V",), ("--help",)):
            self.run_it(0, "--address=unix:path=/nowhere", *arguments)


class Errors(Tool):
    def test_options(self):
        for arguments, wrong in ((("list", "--foo"), "no option --foo"), (("list", "-x"), "no option -x"),
                                 (("new", "--scope"), "option --scope needs a value"),
                                 (("new", "-s"), "option -s needs a value"),
                                 (("revoke", "--all=3"), "option --all=3 takes no value"),
                                 (("--bar", "list"), "no option --bar")):
            with self.subTest(arguments=arguments):
                lines = self.refused(64, *arguments)
                self.assertEqual(lines[0], "sparekey: " + wrong)
                self.assertTrue(lines[1].startswith("To see how: sparekey help"))

    def test_foreign_text_is_escaped_and_cut(self):
        escape = "\x1b[2J\nsparekey: forged"
        self.client.create("Phone")
        for code, arguments in ((64, (escape,)), (64, ("help", escape)), (64, ("list", "--" + escape)),
                                (64, ("--password-fd", escape, "list")), (65, ("new", "-p", "-s", escape, "x")),
                                (65, ("new", "-p", "-e", escape, "x")), (65, ("new", "-p", "-a", escape, "x")),
                                (65, ("new", "-p", escape)), (65, ("rename", "Phone", escape)),
                                (65, ("scope", "Phone", escape)), (65, ("expire", "Phone", escape)),
                                (65, ("revoke", "--scope", escape)), (65, ("revoke", "--unused-for", escape)),
                                (1, ("show", escape)), (69, ("--address", escape, "list")), (1, ("show", b"\xff\xfe")),
                                (65, ("new", "-p", b"\xff")), (65, ("new", "-p", "x" * 100000)), (1, ("show", "é" * 50000))):
            with self.subTest(arguments=arguments):
                self.assertLess(max(map(len, self.refused(code, *arguments))), 400)
        self.assertEqual(self.labels(), ["Phone"])

    def test_an_address_as_recorded_is_escaped_once(self):
        _, secret = self.client.create("Phone")
        self.run_it(0, "verify", "-s", "imap", "--remote", "a\nb\x1b", input_text=secret)
        for command in (("list",), ("show", "Phone")):
            self.assertIn("a\\nb\\u{1b}", self.run_it(0, *command).stdout)

    def test_a_stream_that_is_closed(self):
        for redirection, code in ((">&-", 74), ("</dev/null >&-", 74), ("1</dev/null", 74)):
            for command in ("new -p x", "--json new x", "--json new x y"):
                done = subprocess.run(["sh", "-c", f'exec "$0" {command} {redirection}', SPAREKEY], check=False,
                                      env=self.home.environment(), stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, code, done)
                self.assertIn(b"Nothing was made.", done.stderr)
        done = subprocess.run(["sh", "-c", 'exec "$0" status >&-', SPAREKEY], env=self.home.environment(), check=False,
                              stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 74)
        self.assertEqual(self.client.events(), [])


class Words(Tool):
    def test_two_dashes_end_options(self):
        self.run_it(0, "new", "-p", "--", "-one")
        self.run_it(0, "rename", "--", "-one", "--json")
        self.run_it(0, "rename", "--", "--json", "x")
        self.run_it(0, "rename", "x", "--", "-x")
        self.run_it(0, "scope", "--", "-x", "imap", "smtp")
        self.run_it(0, "scope", "--json", "--", "-x", "-smtp")
        self.run_it(0, "rename", "--", "-x", "y")
        self.run_it(0, "scope", "y", "--", "-v", "+q")
        done = json.loads(self.run_it(0, "show", "--json", "--", "y").stdout)
        self.assertEqual(done["scopes"], ["imap", "q"])

    def test_options_are_options_wherever_they_stand(self):
        self.run_it(0, "new", "Phone", "-p", "-s", "imap", environment={"POSIXLY_CORRECT": "1"})
        self.assertEqual(self.labels(), ["Phone"])

    def test_all_labels_are_compared_before_the_first_is_made(self):
        self.client.create("Taken")
        for labels in (("Phone", "phone"), ("Caf\u00e9", "cafe\u0301"), ("STRASSE", "stra\u00dfe"), ("a", "b\n"),
                       ("a", "b", "TAKEN")):
            for option in ("--print", "--json"):
                self.refused(65, "new", option, *labels)
        self.assertEqual(self.labels(), ["Taken"])

    def test_a_label_belongs_to_its_account(self):
        self.run_it(0, "new", "-p", "Phone", "-a", "amy")
        self.run_it(0, "new", "-p", "Phone", "-a", "bob")
        self.refused(65, "new", "-p", "PHONE", "-a", "amy")
        lines = self.refused(65, "show", "Phone")
        self.assertIn("sparekey list", lines[1])
        self.run_it(0, "new", "-p", "Phone")
        self.assertEqual(json.loads(self.run_it(0, "--json", "show", "phone").stdout)["account"], "")

    def test_an_id_takes_no_label_away_and_a_label_wins(self):
        path, _ = self.client.create("one")
        identifier = path.rsplit("/", 1)[1]
        self.run_it(0, "new", "-p", identifier.upper())
        lines = self.refused(65, "new", "-p", identifier)
        self.assertIn("sparekey revoke ", lines[1])
        self.assertEqual(json.loads(self.run_it(0, "--json", "show", identifier).stdout)["label"], identifier.upper())

    def test_times(self):
        self.client.create("Phone")
        for zone, end in (("Europe/Berlin", "2029-01-31T22:59:59Z"), ("America/New_York", "2029-02-01T04:59:59Z")):
            done = self.run_it(0, "--json", "expire", "Phone", "2029-01-31", environment={"TZ": zone})
            self.assertEqual(json.loads(done.stdout)["expires_at"], end)
        for word in ("30 februari", "2027-02-30", "-5d", "0d", "5", "d", "9223372036854775808", "9223372036854775807y", "5d5h",
                     "+027-01-01", "2027-1- 1", "1e3d", ""):
            self.refused(65, "expire", "Phone", word)
            self.refused(65, "new", "-p", "-e", word, "x")
        self.assertEqual(self.labels(), ["Phone"])

    def test_a_span_that_reaches_back_to_the_beginning_is_no_rule(self):
        self.client.create("Phone")
        for seconds in range(3):  # unused_since would be 0: not asked
            self.refused(65, "revoke", "--force", "--unused-for", f"{int(time.time()) + seconds}s")
        self.assertEqual(self.labels(), ["Phone"])

    def test_what_cannot_be_taken_from_any(self):
        self.client.create("Phone")
        self.refused(65, "scope", "Phone", "-smtp")
        self.run_it(0, "scope", "Phone", "imap", "smtp")
        self.run_it(0, "scope", "Phone", "-smtp")
        self.refused(65, "scope", "Phone", "-imap")
        self.assertEqual(self.run_it(0, "scope", "Phone").stdout, "imap\n")
        self.assertEqual(json.loads(self.run_it(0, "--json", "scope", "Phone").stdout)["scopes"], ["imap"])


class Several(Tool):
    settings = {"max-passwords": "3"}

    def test_what_fails_leaves_nothing_made_and_nothing_said(self):
        self.client.create("One")
        for option in ("--json", "--print"):
            lines = self.run_it(77, "new", option, "Two", "Three", "Four")
            self.assertEqual(lines.stdout, "")
            self.assertEqual(lines.stderr.splitlines()[1:], ["They were revoked again."])
            self.assertEqual(self.labels(), ["One"])

    def test_an_output_that_fails_leaves_nothing_made(self):
        for command in ("new -p a", "new -p a b", "--json new a", "--json new a b"):
            for line in (f'"$0" {command} >/dev/full', f'(sleep 0.3; exec "$0" {command}) | true'):
                done = subprocess.run(["bash", "-c", "set -o pipefail\n" + line, SPAREKEY], env=self.home.environment(),
                                      stderr=subprocess.PIPE, check=False)
                self.assertEqual(done.returncode, 74, done)
                self.assertIn(b"revoked again", done.stderr)
                self.assertEqual(self.labels(), [])

    def test_one_named_twice_counts_once(self):
        path, _ = self.client.create("One")
        identifier = path.rsplit("/", 1)[1]
        self.assertEqual(len(json.loads(self.run_it(0, "--json", "freeze", "One", "one", identifier).stdout)), 1)
        done = self.run_it(0, "revoke", "One", "ONE", identifier)
        self.assertEqual(done.stdout, f'Revoked {identifier} "One". It stopped working now.\n')

    def test_revoked_is_told_after_it_happened(self):
        self.client.create("One")
        self.client.create("Two")
        would = json.loads(self.run_it(0, "--json", "revoke", "One", "--dry-run").stdout)
        self.assertEqual((would[0]["state"], self.labels()), ("active", ["One", "Two"]))
        self.assertEqual(json.loads(self.run_it(0, "--json", "revoke", "One").stdout)[0]["state"], "revoked")
        row = self.run_it(0, "--plain", "revoke", "--all", "--force").stdout.split("\t")
        self.assertEqual((row[1], row[4]), ("Two", "revoked"))
        self.refused(1, "--json", "revoke", "--all", "--force")


class Checks(Tool):
    def test_what_is_no_password(self):
        _, secret = self.client.create("Phone")
        for text in ("", "a" * (1 << 20), secret + "\0x", "\0" + secret):
            with self.subTest(length=len(text)):
                self.assertEqual(self.run_it(1, "verify", "-s", "imap", input_text=text).stdout, "No.\n")
                self.assertEqual(self.run_it(1, "which", input_text=text).stdout,
                                 "It has the shape of no app password.\n")
        for text in (secret, secret + "\n", secret + "\r\n", secret.upper().replace("-", " ")):
            self.run_it(0, "verify", "-s", "imap", input_text=text)
            self.run_it(0, "which", input_text=text)

    def test_plain(self):
        path, secret = self.client.create("Phone")
        identifier = path.rsplit("/", 1)[1]
        self.assertEqual(self.run_it(0, "--plain", "verify", "-s", "imap", input_text=secret).stdout,
                         f"true\t{identifier}\tPhone\t\n")
        self.assertEqual(self.run_it(1, "--plain", "verify", "-s", "imap", input_text="x").stdout, "false\t\t\t\n")
        self.assertEqual(self.run_it(0, "--plain", "which", input_text=secret).stdout, f"ours\t\t{identifier}\tPhone\tactive\n")
        self.assertEqual(self.run_it(1, "--plain", "which", input_text="x").stdout, "malformed\t\t\t\t\n")

    def test_status(self):
        done = self.run_it(0, "status")
        self.assertTrue(re.match(r"Running    yes, version \S+\nReached    peer unix:path=", done.stdout), done.stdout)
        self.assertIn("sparekey new LABEL", done.stderr)
        self.client.create("Phone")
        self.run_it(0, "freeze", "Phone")
        self.assertIn("\nPasswords  1 (1 frozen)\n", self.run_it(0, "status").stdout)
        told = json.loads(self.run_it(0, "--json", "status").stdout)
        self.assertEqual(list(told), ["version", "reached", "passwords", "settings", "running", "frozen", "set_up",
                                      "second_factor", "recovery_codes_left"])
        self.assertEqual(told["settings"]["max-passwords"], "200")
        self.assertEqual((told["running"], told["passwords"], told["frozen"]), (True, 1, 1))
        self.assertEqual(self.refused(64, "status", "x"), ["sparekey: status takes no argument"])


if __name__ == "__main__":
    unittest.main()
