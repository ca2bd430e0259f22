#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the tool answers in each of its forms: for people, --plain and --json; and by rules instead of names."""
import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import SANITIZER, SPAREKEY, Broker, options, run_tool  # noqa: E402
from test_limits import fill  # noqa: E402

SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"
OTHERS = "01234-56789-abcde-fghjk-mnpn2"  # a right check, nobody's id


def changed(text, *places):
    """With another symbol at each place."""
    letters = list(text)
    for place in places:
        letters[place] = SYMBOLS[(SYMBOLS.index(letters[place]) + 1) % 32]
    return "".join(letters)


class Forms(unittest.TestCase):
    settings = {}

    def setUp(self):
        self.broker = Broker(settings=self.settings)
        self.addCleanup(self.broker.stop)
        self.home = self.broker.home

    def run_it(self, code, *arguments, **keywords):
        done = run_tool(self.home, *arguments, **keywords)
        self.assertEqual(done.returncode, code, done)
        return done

    def make(self, *arguments):
        secret = self.run_it(0, "new", "-p", *arguments).stdout.strip()
        return secret, secret[:5]

    def json(self, code, *arguments, **keywords):
        return json.loads(self.run_it(code, "--json", *arguments, **keywords).stdout)

    def age(self, identifier, days):
        """As if it had been made so long ago."""
        with sqlite3.connect(self.home.store) as database:
            database.execute("UPDATE password SET created_at = ? WHERE id = ?", (int(time.time()) - days * 86400, identifier))


class Which(Forms):
    def test_each_answer_in_each_form(self):
        secret, ours = self.make("Phone")
        cases = (
            (0, secret, f'It is {ours} "Phone".\n', {"result": "ours", "id": ours, "label": "Phone", "state": "active"}),
            (1, OTHERS, "It has the shape of an app password, but is none of these.\n", {"result": "unknown"}),
            (1, changed(secret, 6), f'It is mistyped, probably in group 2. Meant is probably {ours} "Phone".\n',
             {"result": "mistyped", "group": 2, "id": ours, "label": "Phone", "state": "active"}),
            (1, changed(OTHERS, 12), "It is mistyped, probably in group 3.\n", {"result": "mistyped", "group": 3}),
            (1, "swordfish", "It has the shape of no app password.\n", {"result": "malformed"}),
            (1, "", "It has the shape of no app password.\n", {"result": "malformed"}),
            (1, secret[1] + secret[0] + secret[2:], "It is mistyped in more than one place.\n", {"result": "mistyped"}),
        )
        for code, text, words, told in cases:
            if words.startswith("It is mistyped in more") and text[:2] == secret[:2]:
                continue  # two equal symbols: their swap is no error
            with self.subTest(words=words):
                self.assertEqual(self.run_it(code, "which", input_text=text).stdout, words)
                self.assertEqual(self.json(code, "which", input_text=text), told)
                plain = self.run_it(code, "--plain", "which", input_text=text).stdout
                self.assertEqual(plain, "\t".join(str(told.get(key, "")) for key in
                                                  ("result", "group", "id", "label", "state")) + "\n")
        self.run_it(0, "freeze", "Phone")
        self.assertEqual(self.run_it(0, "which", input_text=secret).stdout, f'It is {ours} "Phone", which is frozen.\n')
        self.assertEqual(self.run_it(0, "-q", "which", input_text=secret).stdout, "")

    def test_the_rest_is_wrong(self):
        secret, ours = self.make("Phone")
        # Three differences that leave both sums of the check as they are, found by trying.
        values = [SYMBOLS.index(letter) for letter in secret.replace("-", "")]
        alpha = [1]
        while len(alpha) < 25:
            alpha.append((alpha[-1] << 1) ^ (0x25 if alpha[-1] & 16 else 0))

        def times(a, b):
            product = 0
            while b:
                product ^= a if b & 1 else 0
                a = (a << 1) ^ (0x25 if a & 16 else 0)
                b >>= 1
            return product

        x, y = next((x, y) for x in range(1, 32) for y in range(1, 32) if x ^ y and
                    times(x, alpha[6]) ^ times(y, alpha[7]) ^ times(x ^ y, alpha[8]) == 0)
        for place, difference in ((6, x), (7, y), (8, x ^ y)):
            values[place] ^= difference
        text = "".join(SYMBOLS[value] for value in values)
        self.assertEqual(self.run_it(1, "which", input_text=text).stdout,
                         f'It begins like {ours} "Phone", but the rest is wrong.\n')
        self.assertEqual(self.json(1, "which", input_text=text)["result"], "wrong")

    def test_it_takes_no_argument(self):
        for command, options in (("which", ()), ("list", ()), ("verify", ("-s", "imap"))):
            self.assertIn("takes no argument", self.run_it(64, command, *options, "x").stderr)


class ByRule(Forms):
    def test_unused_for(self):
        old, new = self.make("Old")[1], self.make("New")[1]
        self.age(old, 100)
        listed = self.run_it(0, "list")
        self.assertIn(f"Not used for over 90 days: {old}. To end them: sparekey revoke --unused-for 90d", listed.stderr)
        self.assertNotIn("Not used", self.run_it(0, "-q", "list").stderr)
        told = self.run_it(0, "revoke", "--unused-for", "90d", "--dry-run")
        self.assertEqual(told.stdout, f'Would revoke {old} "Old".\n')
        rows = self.json(0, "revoke", "--unused-for", "90d", "--dry-run")
        self.assertEqual([(row["id"], row["state"]) for row in rows], [(old, "active")])
        rows = self.json(0, "revoke", "--unused-for", "90d", "--force")
        self.assertEqual([(row["id"], row["state"]) for row in rows], [(old, "revoked")])
        self.assertEqual([row["id"] for row in self.json(0, "list")], [new])
        self.assertIn("nothing matches", self.run_it(1, "revoke", "--unused-for", "90d", "--force").stderr)

    def test_more_stale_ones_than_are_named(self):
        for number in range(7):
            self.age(self.make(f"Old {number}")[1], 91 + number)
        self.assertRegex(self.run_it(0, "list").stderr, r"days: (\w{5}, ){4}\w{5} and 2 more\. To end them")

    def test_scope(self):
        mail, any_service = self.make("Mail", "-s", "imaps")[1], self.make("Any")[1]
        rows = self.run_it(0, "--plain", "revoke", "--scope", "imap", "--force").stdout.splitlines()
        self.assertEqual([row.split("\t")[0] for row in rows[:1]], [mail])
        self.assertEqual([row["id"] for row in self.json(0, "list")], [any_service])

    def test_a_rule_or_names(self):
        self.make("Phone")
        for arguments in ((), ("--all", "Phone"), ("--scope", "imap", "Phone")):
            self.assertIn("Either names, or a rule", self.run_it(64, "revoke", *arguments).stderr)

    def test_dry_run_of_names(self):
        phone = self.make("Phone")[1]
        self.assertEqual(self.run_it(0, "revoke", "--dry-run", "phone").stdout, f'Would revoke {phone} "Phone".\n')
        self.assertEqual([row["state"] for row in self.json(0, "revoke", "--dry-run", "phone")], ["active"])


class Defaults(Forms):
    settings = {"default-scopes": "imap"}

    def test_any_service_can_be_asked_for(self):
        secret, phone = self.make("Phone", "-s", "any")
        self.assertEqual(self.json(0, "show", phone)["scopes"], [])
        self.run_it(0, "verify", "-s", "smtp", input_text=secret)
        self.assertEqual(self.json(0, "show", self.make("Tablet")[1])["scopes"], ["imap"])


class Changes(Forms):
    def test_freeze_and_thaw(self):
        secret, phone = self.make("Phone")
        self.assertEqual([row["state"] for row in self.json(0, "freeze", "Phone")], ["frozen"])
        self.run_it(1, "verify", "-s", "imap", input_text=secret)
        fields = self.run_it(0, "--plain", "thaw", phone).stdout.rstrip("\n").split("\t")
        self.assertEqual(fields[:2] + fields[4:5], [phone, "Phone", "active"])
        self.run_it(0, "verify", "-s", "imap", input_text=secret)

    def test_scopes(self):
        phone = self.make("Phone", "-s", "imap", "-s", "smtp")[1]
        for arguments, scopes in ((("+sieve",), ["imap", "sieve", "smtp"]), (("-smtp",), ["imap", "sieve"]),
                                  (("xmpp",), ["xmpp"]), (("any",), [])):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.json(0, "scope", phone, "--", *arguments)["scopes"], scopes)

    def test_that_it_served_everything_is_told(self):
        told = "It served every service until now; from now on only: imap smtp\n"
        self.make("Phone")
        for arguments, said in ((("-q", "scope", "Phone", "+imap"), ""), (("scope", "Phone", "+smtp"), ""),
                                (("scope", "Phone", "any"), ""), (("scope", "Phone", "any"), ""),
                                (("scope", "Phone", "+smtp", "+imap"), told), (("scope", "Phone", "any"), ""),
                                (("scope", "Phone", "smtp", "imap"), ""),
                                (("scope", "Phone", "any"), ""), (("--json", "scope", "Phone", "any", "+smtp", "+imap"), told)):
            self.assertEqual(self.run_it(0, *arguments).stderr, said)

    def test_a_scope_that_is_named_any_is_not_any_service(self):
        client = self.broker.peer()
        client.create("Named so", options(scopes=["any", "imap"]))
        client.create("Of all")
        self.assertEqual(self.run_it(0, "scope", "Named so").stdout, '"any" imap\n')
        self.assertIn('For        "any", imap\n', self.run_it(0, "show", "Named so").stdout)
        self.assertIn('  "any" imap  ', self.run_it(0, "list").stdout)
        self.assertIn("\tany,imap\t", self.run_it(0, "--plain", "show", "Named so").stdout)
        self.assertEqual(self.json(0, "show", "Named so")["scopes"], ["any", "imap"])
        self.assertEqual(self.run_it(0, "scope", "Of all").stdout, "any\n")
        self.assertEqual(self.json(0, "scope", "Named so", "--", "-any")["scopes"], ["imap"])

    def test_any_is_no_scope(self):
        secret, phone = self.make("Phone")
        for arguments in (("verify", "-s", "any"), ("revoke", "--force", "-s", "any"), ("scope", phone, "+any"),
                          ("new", "-p", "x", "-s", "any", "-s", "imap"), ("new", "-p", "x", "-s", "imap", "-s", "any")):
            with self.subTest(arguments=arguments):
                self.assertIn('"any" is every service, and', self.run_it(65, *arguments, input_text=secret).stderr)
        self.assertEqual([row["scopes"] for row in self.json(0, "list")], [[]])

    def test_how_many_arguments(self):
        self.make("Phone")
        for code, arguments, words in ((64, ("rename", "Phone"), "an argument is missing"), (64, ("freeze",), "missing"),
                                       (64, ("rename", "Phone", "x", "y"), "too many arguments"),
                                       (64, ("show",), "takes one label or id"), (64, ("show", "a", "b"), "takes one")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.run_it(code, *arguments).stderr)

    def test_an_account_is_checked_and_minded(self):
        secret, _ = self.make("Phone", "-a", "me@example.org")
        self.run_it(0, "verify", "-s", "imap", "-a", "me@example.org", input_text=secret)
        self.assertEqual(self.json(1, "verify", "-s", "imap", "-a", "you@example.org", input_text=secret), {"verified": False})
        self.assertIn("not an account name", self.run_it(65, "verify", "-s", "imap", "-a", "a\nb", input_text=secret).stderr)

    def test_show_and_an_empty_list(self):
        self.assertEqual(self.json(0, "list"), [])
        self.assertIn("No app passwords", self.run_it(0, "list").stderr)
        phone = self.make("Phone")[1]
        self.assertTrue(self.run_it(0, "--plain", "show", "Phone").stdout.startswith(f"{phone}\tPhone\t"))


class Many(Forms):
    COUNT = 3001  # 20 MB, were all of them kept
    DATA_BYTES = 12 << 20

    def fill(self):
        self.make("First")
        self.broker.stop_keeping_files()
        fill(self.broker.store, self.COUNT - 1)
        with sqlite3.connect(self.home.store) as database:
            database.execute("UPDATE password SET label = 'Dovecot', label_key = 'dovecot', state = 2 WHERE number = "
                             "(SELECT max(number) FROM password)")
        self.broker = Broker(home=self.home)
        self.addCleanup(self.broker.stop)

    def said_within(self, *arguments):
        """What the tool says where it may take so much memory."""
        def limit():
            if not SANITIZER:
                resource.setrlimit(resource.RLIMIT_DATA, (self.DATA_BYTES, self.DATA_BYTES))

        return subprocess.run([SPAREKEY, *arguments], env=self.home.environment(), preexec_fn=limit, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def test_what_is_only_counted_or_compared_is_not_kept(self):
        self.fill()
        self.assertIn(f"Passwords  {self.COUNT} (1 frozen)\n", self.said_within("status"))
        self.assertIn('Did you mean "Dovecot"?', self.said_within("show", "Dovecto"))
        if not SANITIZER:
            self.assertEqual(self.said_within("list"), "sparekey: Cannot allocate memory\n")

    def test_damaged_ones_are_counted_too(self):
        self.fill()
        with sqlite3.connect(self.home.store) as database:
            database.execute("UPDATE password SET hash = 'x', id = '!' || number WHERE number > 100")
        told = self.json(0, "status")["passwords"]
        self.assertEqual(told, len(self.json(0, "list")))
        self.assertEqual(told, self.COUNT)


if __name__ == "__main__":
    unittest.main()
