#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples run as they stand, and the demo shows what it promises."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import ROOT, SANITIZER, SPAREKEY, Broker, Bus  # noqa: E402


class Examples(unittest.TestCase):
    def setUp(self):
        self.bus = Bus()
        self.broker = Broker(bus=self.bus)

    def tearDown(self):
        self.broker.stop()
        self.bus.stop()

    def run_example(self, *arguments, text=""):
        return subprocess.run([os.path.join(ROOT, "examples", arguments[0]), *arguments[1:]], input=text, text=True,
                              capture_output=True, timeout=60, env=self.broker.home.environment(self.bus), check=False)

    def test_make_uses_both_forms(self):
        done = self.run_example("make.py", "Example")
        self.assertEqual((done.returncode, done.stdout), (0, "verified Example 1\nverified Example 2\nrevoked both\n"), done)

    def test_make_proves_to_be_the_owner(self):
        self.broker.stop()
        self.broker = Broker(bus=self.bus, settings={"create-requires": "password+code"})
        home = self.broker.home
        main = "walnut-harbor-sixteen"
        read_end, write_end = os.pipe()
        os.write(write_end, main.encode())
        os.close(write_end)
        with subprocess.Popen([SPAREKEY, f"--password-fd={read_end}", "--code-fd=0", "setup", "-p"], text=True,
                              env=home.environment(self.bus), pass_fds=[read_end], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as tool:
            key = re.search("secret=([A-Z2-7]+)", tool.stdout.readline()).group(1)
            code = subprocess.run(["oathtool", "--totp", "-b", key], stdout=subprocess.PIPE, text=True, check=True).stdout
            codes = tool.communicate(code, timeout=60)[0].split()
        os.close(read_end)
        # Without a terminal of its own getpass reads standard input.
        done = subprocess.run([os.path.join(ROOT, "examples", "make.py"), "Example"], input=f"{main}\n{codes[0]}\n", text=True,
                              capture_output=True, timeout=60, env=home.environment(self.bus), start_new_session=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout.rpartition("verified Example 1")[2]),
                         (0, "\nverified Example 2\nrevoked both\n"), done)

    def test_verify_says_yes_and_no(self):
        _, secret = self.broker.connect().create("Phone")
        done = self.run_example("verify.py", "imap", text=secret + "\n")
        self.assertEqual((done.returncode, done.stdout), (0, "yes: Phone\n"), done)
        self.assertEqual(self.run_example("verify.py", "imap", text="nonsense\n").returncode, 1)

    def test_shells_use_the_string_forms(self):
        done = self.run_example("shell.sh")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout.count("From a shell"), 2, done)
        self.assertIn("u 1", done.stdout)


class Demo(unittest.TestCase):
    @unittest.skipIf(SANITIZER, "the demo's programs start the tool many times: covered by the plain build")
    def test_demo(self):
        done = subprocess.run([os.path.join(ROOT, "examples", "demo")], text=True, capture_output=True, timeout=60,
                              env={**os.environ, "SPAREKEY_BUILD": os.environ.get("SPAREKEY_BUILD", "build/release")},
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("otpauth://totp/Sparekey:", done.stdout)
        self.assertIn("yes: Thunderbird on laptop", done.stdout)
        self.assertEqual(done.stdout.count("AuthenticationFailed"), 2)
        self.assertIn("It stopped working now.", done.stdout)


if __name__ == "__main__":
    unittest.main()
