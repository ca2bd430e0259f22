#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is kept to make the second verification cheap shows nowhere: every answer is of now, and the caller's own."""
import os
import time
import unittest

from support import AUTHENTICATION_FAILED, SharedBroker, options, result


class Warm(SharedBroker):
    def test_the_details_are_those_of_now(self):
        path, secret = self.c.create("Phone")
        later = int(time.time()) + 3600
        for _ in range(2):
            self.assertEqual(self.c.verify(secret)[1]["label"], "Phone")
        self.c.on_password(path, "Rename", "sa{sv}", ["Old phone", {}])
        self.assertEqual(self.c.verify(secret)[1]["label"], "Old phone")
        self.assertEqual(self.c.verify(secret)[1]["expires_at"], 0)
        self.c.on_password(path, "SetExpiry", "ta{sv}", [later, {}])
        self.assertEqual(self.c.verify(secret)[1]["expires_at"], later)
        self.c.on_password(path, "SetScopes", "asa{sv}", [["imap", "smtp"], {}])
        self.assertEqual(self.c.verify(secret)[1]["scopes"], ["imap", "smtp"])
        self.c.on_password(path, "SetScopes", "asa{sv}", [["smtp"], {}])
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)
        self.assertEqual(self.c.verify(secret, "smtp")[1]["scopes"], ["smtp"])
        self.c.revoke(path)
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, "smtp")

    def test_everyone_gets_an_answer_of_his_own(self):
        secrets = [self.c.create(f"Label {number}", account=f"user-{number}")[1] for number in range(40)]
        others = [self.client(self.broker), self.broker.peer()]
        for _ in range(3):
            for number, secret in enumerate(secrets):
                for client in [self.c] + others:
                    found, details = client.verify(secret, account=f"user-{number}")
                    self.assertTrue(found.endswith(secret[:5]))
                    self.assertEqual((details["id"], details["label"], details["account"]),
                                     (secret[:5], f"Label {number}", f"user-{number}"))

    def piece_by_piece(self, *pieces):
        """A verification whose first piece is in the pipe when it is sent, and the others come later."""
        read_end, write_end = os.pipe()
        try:
            os.write(write_end, pieces[0])
            message = self.c.send("/org/sparekey/Broker1", "org.sparekey.Broker1.Verifier", "VerifyByFileDescriptor",
                                  "hsa{sv}", [read_end, "imap", options()], self.c.destination)
            for piece in pieces[1:]:
                time.sleep(0.05)
                os.write(write_end, piece)
        finally:
            os.close(write_end)
            os.close(read_end)
        return result(self.c.wait(message))

    def test_a_secret_in_pieces_is_one_secret(self):
        _, secret = self.c.create("Phone")
        text = secret.encode()
        for pieces in ((text,), (text[:7], text[7:]), (text, b"\n"), (b" " * 900 + text[:9], b" " * 90, text[9:])):
            self.assertEqual(self.piece_by_piece(*pieces)[1]["label"], "Phone")
        for pieces in ((text + b" " * 1000, b"\n\n"), (text + b" " * 995 + b"\n\n",), (text, b"x")):
            self.assert_error(AUTHENTICATION_FAILED, self.piece_by_piece, *pieces)


if __name__ == "__main__":
    unittest.main()
