#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""P25 where the owner and who guesses are one source, behind a server that tells no address: a right password is let in also
once the warm memory of it has ended."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (AUTHENTICATION_FAILED, OWN, PATH, ROOT, SANITIZER, VERIFIER, Broker, BusError, TestCase,  # noqa: E402
                     wrong_secret)

RATE_LIMITED = OWN + "RateLimited"


class OneSource(TestCase):
    def start(self, **settings):
        environment = {}
        if not SANITIZER:
            directory = tempfile.mkdtemp(prefix="sparekey-preload-")
            self.addCleanup(shutil.rmtree, directory)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", directory + "/it.so",
                            os.path.join(ROOT, "tests", "support", "count-argon2.c"), "-ldl"], check=True)
            self.written = directory + "/written"
            environment = {"LD_PRELOAD": directory + "/it.so", "COUNT_ARGON2": self.written}
        broker = Broker(settings=settings, environment=environment)
        self.addCleanup(broker.stop)
        return broker.connect(timeout=60)

    def evaluations(self):
        return 0 if SANITIZER or not os.path.exists(self.written) else os.path.getsize(self.written)

    def guess(self, client, secret, most=40):
        """Guesses until nothing is checked any more; how often that took."""
        for number in range(most):
            try:
                client.verify(wrong_secret(secret))
            except BusError as error:
                if error.name == RATE_LIMITED:
                    return number
                self.assertEqual(error.name, AUTHENTICATION_FAILED)
        raise AssertionError("never limited")

    def test_p25_a_right_password_passes_where_guesses_do_not(self):
        client = self.start(**{"cache-seconds": "1"})
        path, secret = client.create("Phone")
        client.verify(secret)
        before = self.evaluations()
        begun = time.monotonic()
        rights = 0
        while time.monotonic() - begun < 6:
            guessed = time.monotonic()
            while time.monotonic() - guessed < 1.2:  # the memory ends meanwhile
                with self.assertRaises(BusError):
                    client.verify(wrong_secret(secret))
            asked = time.monotonic()
            self.assertEqual(client.verify(secret)[0], path)
            self.assertLess(time.monotonic() - asked, 1)
            self.assertEqual(client.verify(secret)[0], path)  # warm
            rights += 1
        # A change of the record, or a new hash of it, does not make a guesser of its owner.
        client.on_password(path, "Rename", "sa{sv}", ["Tablet", {}])
        self.guess(client, secret)
        self.assertEqual(client.verify(secret)[1]["label"], "Tablet")
        # Ten guesses, one more, and one after 1, 2 and 4 s each; and one for each right one.
        self.assertLessEqual(self.evaluations() - before, 15 + rights + 1)

    def test_right_ones_and_guesses_at_once(self):
        """From one connection, as one server has it: the first ten wrong ones are being checked, the others wait."""
        client = self.start(**{"cache-seconds": "1"})
        path, secret = client.create("Phone")
        client.verify(secret)
        wrong = wrong_secret(secret)
        for _ in range(4):
            time.sleep(1.1)
            serials = [client.send(PATH, VERIFIER, "Verify", "ssa{sv}", [text, "imap", {}]) for text in [wrong] * 40 + [secret] * 3]
            answers = [client.wait(serial) for serial in serials]
            self.assertEqual([answer.args[0] for answer in answers[-3:]], [path] * 3)
            self.assertLessEqual({answer.error_name for answer in answers[:-3]}, {RATE_LIMITED, AUTHENTICATION_FAILED})

    def test_what_was_right_is_not_for_ever(self):
        client = self.start(**{"cache-seconds": "1"})
        path, secret = client.create("Phone")
        client.verify(secret)
        self.guess(client, secret)
        client.on_password(path, "SetScopes", "asa{sv}", [["smtp"], {}])
        self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
        client.on_password(path, "Freeze")
        self.assert_error(AUTHENTICATION_FAILED, client.verify, secret, "smtp")
        client.on_password(path, "Thaw")
        self.assertEqual(client.verify(secret, "smtp")[0], path)
        client.revoke(path)
        self.assert_error(AUTHENTICATION_FAILED, client.verify, secret, "smtp")

    def test_where_nothing_is_remembered_the_source_alone_counts(self):
        """The hole that is left: docs/THREATS.md."""
        client = self.start(**{"cache-seconds": "0"})
        path, secret = client.create("Phone")
        client.verify(secret)
        self.guess(client, secret)
        self.assert_error(RATE_LIMITED, client.verify, secret)
        self.assertEqual(client.verify(secret, remote="192.0.2.7")[0], path)


if __name__ == "__main__":
    unittest.main()
