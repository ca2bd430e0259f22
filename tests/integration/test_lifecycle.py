# SPDX-License-Identifier: MIT
"""A password's life: scopes and accounts, expiry at the second, freeze and thaw, rename, uses, the journal, pages of the
list, and ending many at once."""
import time
import unittest

from support import (AUTHENTICATION_FAILED, INVALID_ARGS, INVALID_EXPIRY, INVALID_LABEL, INVALID_SCOPE, LABEL_IN_USE,
                     LIMIT_EXCEEDED, MANAGER, PASSWORDS, PATH, UNKNOWN_OBJECT, VERIFIER, Broker,
                     Bus, SharedBroker, TestCase, Variant, mistyped_secret, options, unknown_secret,
                     wrong_secret)

ALIASES = {"imaps": "imap", "pop3s": "pop3", "submission": "smtp", "submissions": "smtp", "managesieve": "sieve",
           "xmpp-client": "xmpp"}


def soon(seconds):
    return int(time.time()) + seconds


class Scopes(SharedBroker):
    def test_a_scope_is_a_wall(self):
        path, secret = self.c.create("Phone", scopes=["imap", "smtp"])
        for scope in ("imap", "smtp", "imaps", "submission", "submissions"):
            self.assertEqual(self.c.verify(secret, scope)[0], path)
        for scope in ("pop3", "sieve", "caldav", "ima", "imap2", "x"):
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, scope)

    def test_no_scope_is_any_service(self):
        path, secret = self.c.create("Phone")
        for scope in ("imap", "smtp", "my-own-service", "0"):
            self.assertEqual(self.c.verify(secret, scope)[0], path)

    def test_aliases_are_stored_and_told_by_their_plain_names(self):
        for alias, name in ALIASES.items():
            with self.subTest(alias=alias):
                path, secret = self.c.create(alias, scopes=[alias])
                self.assertEqual(self.c.get(path, "Scopes"), [name])
                for used in (alias, name):
                    self.assertEqual(self.c.verify(secret, used)[1]["scopes"], [name])
                self.assertEqual(self.c.get(path, "LastUsedScope"), name)
                self.assertEqual(self.c.get(path, "UseCounts"), {name: 2})

    def test_scopes_are_a_set(self):
        path, _ = self.c.create("Phone", scopes=["smtp", "imap", "submission", "imaps", "imap"])
        self.assertEqual(self.c.get(path, "Scopes"), ["imap", "smtp"])

    def test_sixty_four_scopes_and_not_one_more(self):
        names = [f"service-{number}" for number in range(65)]
        path, _ = self.c.create("Phone", scopes=names[:64])
        self.assertEqual(self.c.get(path, "Scopes"), sorted(names[:64]))
        self.assert_error(INVALID_SCOPE, self.c.create, "Tablet", scopes=names)
        self.assert_error(INVALID_SCOPE, self.c.on_password, path, "SetScopes", "asa{sv}", [names, {}])
        self.assertEqual(len(self.c.get(path, "Scopes")), 64)

    def test_set_scopes_counts_at_once(self):
        path, secret = self.c.create("Phone")
        self.c.verify(secret, "smtp")
        self.c.on_password(path, "SetScopes", "asa{sv}", [["imap"], {}])
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, "smtp")
        self.c.on_password(path, "SetScopes", "asa{sv}", [[], {}])
        self.assertEqual(self.c.verify(secret, "smtp")[1]["scopes"], [])


class Accounts(SharedBroker):
    def test_a_bound_password_needs_its_account(self):
        path, secret = self.c.create("Phone", account="alice@example.org")
        self.assertEqual(self.c.verify(secret, account="alice@example.org")[0], path)
        for given in ({}, options(account=""), options(account="bob@example.org"), options(account="alice"),
                      options(account="ALICE@example.org")):
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, given=given)

    def test_a_free_password_serves_every_account(self):
        path, secret = self.c.create("Phone")
        for account in ("", "alice@example.org"):
            self.assertEqual(self.c.verify(secret, account=account)[0], path)

    def test_labels_are_each_accounts_own(self):
        first, _ = self.c.create("Phone", account="alice")
        second, _ = self.c.create("Phone", account="bob")
        self.assert_error(LABEL_IN_USE, self.c.create, "phone", account="bob")
        self.assertEqual(self.c.find("phone", account="alice"), first)
        self.assertEqual(self.c.find("phone", account="bob"), second)
        self.assert_error(UNKNOWN_OBJECT, self.c.find, "phone", account="carol")
        third, _ = self.c.create("Phone")
        self.assertEqual(self.c.find("phone"), third)

    def test_bad_accounts(self):
        for account in ("a\nb", "a\u202eb", "x" * 256, "\x7f"):
            with self.subTest(account=account[:10]):
                self.assert_error(INVALID_ARGS, self.c.create, "Phone", account=account)
        self.c.create("Phone", account="x" * 255)
        self.assertEqual(len(self.c.list()), 1)


class Expiry(SharedBroker):
    def test_expiry_at_the_second(self):
        until = soon(2)
        path, secret = self.c.create("Phone", expires_at=until)
        self.assertEqual(self.c.verify(secret)[1]["expires_at"], until)
        while time.time() < until:
            time.sleep(max(0.0, until - time.time()))
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)
        self.assertEqual(self.c.list(), [])
        self.assert_error(UNKNOWN_OBJECT, self.c.find, "Phone")
        self.assertEqual(self.c.wait_signal("PasswordEnded", 3).args, [path, "Phone", 3])
        self.assertEqual(self.c.wait_signal("InterfacesRemoved", 3).args[0], path)
        self.assert_error(UNKNOWN_OBJECT, self.c.get, path, "Label")
        self.assertIn("expired", [event[2] for event in self.c.events() if event[3] == secret[:5]])
        self.c.create("Phone")

    def test_an_expiry_that_is_set_later_comes_too(self):
        path, _ = self.c.create("Phone", expires_at=soon(10000))
        self.c.create("Tablet")
        self.c.on_password(path, "SetExpiry", "ta{sv}", [soon(2), {}])
        self.assertEqual(self.c.wait_signal("PasswordEnded", 5).args, [path, "Phone", 3])
        self.assertEqual([row[1]["Label"] for row in self.c.list()], ["Tablet"])

    def test_set_expiry(self):
        path, _ = self.c.create("Phone")
        self.c.on_password(path, "SetExpiry", "ta{sv}", [0, {}])
        for until in (soon(100), soon(10), soon(100000), 0):
            self.c.on_password(path, "SetExpiry", "ta{sv}", [until, {}])
            self.assertEqual(self.c.get(path, "ExpiresAt"), until)

    def test_bad_expiries(self):
        path, _ = self.c.create("Phone", expires_at=soon(1000))
        before = self.c.get_all(path)
        for until in (1, soon(-1), soon(-100000), 1 << 63, (1 << 64) - 1):
            with self.subTest(until=until):
                self.assert_error(INVALID_EXPIRY, self.c.create, "Tablet", expires_at=until)
                self.assert_error(INVALID_EXPIRY, self.c.on_password, path, "SetExpiry", "ta{sv}", [until, {}])
        self.assertEqual(self.c.get_all(path), before)
        self.assertEqual(len(self.c.list()), 1)


class FreezeAndRename(SharedBroker):
    def test_freeze_and_thaw(self):
        path, secret = self.c.create("Phone")
        self.c.verify(secret)
        self.c.on_password(path, "Freeze")
        self.assertEqual(self.c.get(path, "State"), 2)
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify_inline, secret)
        self.c.on_password(path, "Thaw")
        self.assertEqual(self.c.get(path, "State"), 1)
        self.assertEqual(self.c.verify(secret)[0], path)

    def test_a_frozen_one_can_be_changed_and_ended(self):
        path, _ = self.c.create("Phone")
        self.c.on_password(path, "Freeze")
        self.c.on_password(path, "Rename", "sa{sv}", ["Tablet", {}])
        self.c.on_password(path, "SetScopes", "asa{sv}", [["imap"], {}])
        self.assertEqual((self.c.get(path, "Label"), self.c.get(path, "Scopes"), self.c.get(path, "State")),
                         ("Tablet", ["imap"], 2))
        self.c.revoke(path)
        self.assertEqual(self.c.list(), [])

    def test_rename(self):
        path, secret = self.c.create("Phone")
        self.c.create("Tablet")
        self.c.on_password(path, "Rename", "sa{sv}", ["  Ma\u0308rz ", {}])
        self.assertEqual(self.c.get(path, "Label"), "März")
        self.assertEqual(self.c.find("mÄRZ"), path)
        self.assert_error(UNKNOWN_OBJECT, self.c.find, "Phone")
        self.assert_error(LABEL_IN_USE, self.c.on_password, path, "Rename", "sa{sv}", ["TABLET", {}])
        self.assert_error(INVALID_LABEL, self.c.on_password, path, "Rename", "sa{sv}", [" ", {}])
        self.c.on_password(path, "Rename", "sa{sv}", ["MÄRZ", {}])
        self.assertEqual(self.c.get(path, "Label"), "MÄRZ")
        self.assertEqual(self.c.verify(secret)[1]["label"], "MÄRZ")

    def test_revoking_one_leaves_the_others(self):
        first, first_secret = self.c.create("Phone")
        second, second_secret = self.c.create("Tablet")
        for secret in (first_secret, second_secret):
            self.c.verify(secret)
        self.c.revoke(first)
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, first_secret)
        self.assertEqual(self.c.verify(second_secret)[0], second)


class Verifying(SharedBroker):
    def test_reading_is_forgiving(self):
        path, secret = self.c.create("Phone")
        bare = secret.replace("-", "")
        for text in (secret.upper(), bare, bare.upper(), " " + secret + " ", secret + "\n", secret + "\r\n",
                     secret.replace("-", " "), " ".join(bare), secret.replace("-", "--"), "\t" + secret,
                     secret.replace("-", "\u00a0"), secret.replace("0", "o").replace("1", "l"),
                     secret.replace("0", "O").replace("1", "I"), secret.replace("1", "i")):
            with self.subTest(form=text.replace(secret, "SECRET")):
                self.assertEqual(self.c.verify(text)[0], path)
                self.assertEqual(self.c.verify_inline(text)[0], path)

    def test_uses_are_counted(self):
        path, secret = self.c.create("Phone")
        self.assertEqual(self.c.get(path, "LastUsedAt"), 0)
        self.assertEqual(self.c.get(path, "UseCounts"), {})
        for scope in ("imap", "imap", "smtp"):
            self.c.verify(secret, scope, remote="192.0.2.7")
        found = self.c.get_all(path)
        self.assertAlmostEqual(found["LastUsedAt"], time.time(), delta=5)
        self.assertEqual((found["LastUsedScope"], found["LastUsedFrom"], found["UseCount"], found["UseCounts"]),
                         ("smtp", "192.0.2.7", 3, {"imap": 2, "smtp": 1}))
        self.assertEqual(self.c.list()[0][1], found)

    def test_what_is_not_recorded_is_no_use(self):
        path, secret = self.c.create("Phone")
        self.c.verify(secret, record=False, remote="192.0.2.7")
        self.c.verify_inline(secret, record=False)
        self.assertEqual((self.c.get(path, "UseCount"), self.c.get(path, "LastUsedAt"),
                          self.c.get(path, "LastUsedFrom")), (0, 0, ""))
        self.c.verify(secret, record=True)
        self.assertEqual(self.c.get(path, "UseCount"), 1)

    def test_a_refusal_is_no_use(self):
        path, secret = self.c.create("Phone", scopes=["imap"])
        for given, scope in ((secret, "smtp"), (wrong_secret(secret), "imap"), (mistyped_secret(secret), "imap")):
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, given, scope)
        self.assertEqual(self.c.get(path, "UseCount"), 0)

    def test_diagnosis(self):
        self.c.create("Phone")
        for given in (options(diagnosis="malformed"), options(diagnosis="mistyped", group=4),
                      options(diagnosis="mistyped")):
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, "", given=given)
        found = [event[4] for event in self.c.events(limit=3)]
        self.assertEqual([(details["reason"], details.get("group")) for details in found],
                         [("mistyped", None), ("mistyped", 4), ("malformed", None)])

    def test_bad_diagnosis(self):
        for given in (options(diagnosis="sleepy"), options(diagnosis=""), options(diagnosis="mistyped", group=6)):
            self.assert_error(INVALID_ARGS, self.c.verify, "", given=given)


class UnderWay(SharedBroker):
    """What happens to a password while its hash is under way counts for that very verification."""

    settings = {"argon2-memory-kib": 131072, "argon2-passes": 4, "cache-seconds": 600}

    def overtaken(self, change, given=None, scope="imap"):
        """A verification is sent, then `change` is made and acknowledged; the reply to the verification."""
        path, secret = self.c.create("Phone")
        verifier = self.client(self.broker)
        begin = time.monotonic()
        serial = verifier.send(PATH, VERIFIER, "Verify", "ssa{sv}", [secret, scope, given or {}])
        verifier.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", destination="org.freedesktop.DBus")
        time.sleep(0.02)  # so that it was begun first
        change(path)
        verifier.pump(0)
        self.assertNotIn(serial, verifier.replies, f"hashed within {time.monotonic() - begin} s: too fast to be overtaken")
        return path, secret, verifier.wait(serial)

    def test_nothing_overtakes_without_a_change(self):
        path, _, reply = self.overtaken(lambda path: self.c.find("Phone"))
        self.assertEqual(reply.args[0], path)

    def test_ended_while_it_is_hashed(self):
        for change in (self.c.revoke, lambda path: self.c.revoke_all({})):
            _, secret, reply = self.overtaken(change)
            self.assertEqual(reply.error_name, AUTHENTICATION_FAILED)
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)

    def test_changed_while_it_is_hashed(self):
        changes = {"frozen": ("Freeze", "a{sv}", [{}]), "scope": ("SetScopes", "asa{sv}", [["smtp"], {}])}
        for reason, (method, signature, arguments) in changes.items():
            with self.subTest(reason=reason):
                path, _, reply = self.overtaken(lambda path: self.c.on_password(path, method, signature, arguments))
                self.assertEqual(reply.error_name, AUTHENTICATION_FAILED)
                self.assertEqual(self.c.events(limit=1)[0][4]["reason"], reason)
                self.c.revoke(path)

    def test_ended_by_another_process_while_it_is_hashed(self):
        other = Broker(arguments=[f"--data-dir={self.broker.home.data_dir}"])
        self.addCleanup(other.remove)
        with other.peer() as client:
            _, secret, reply = self.overtaken(client.revoke)
            self.assertEqual(reply.error_name, AUTHENTICATION_FAILED)
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)
        other.stop()


class Journal(SharedBroker):
    def kinds(self, **values):
        return [event[2] for event in self.c.events(**values)]

    def test_every_change_is_a_line(self):
        path, secret = self.c.create("Phone", account="alice")
        self.c.verify(secret, account="alice", remote="192.0.2.7")
        self.c.on_password(path, "Rename", "sa{sv}", ["Tablet", {}])
        self.c.on_password(path, "SetScopes", "asa{sv}", [["imap"], {}])
        self.c.on_password(path, "SetExpiry", "ta{sv}", [soon(1000), {}])
        self.c.on_password(path, "Freeze")
        self.c.on_password(path, "Thaw")
        self.c.revoke(path)
        events = self.c.events(password=path)
        self.assertEqual([event[2] for event in events],
                         ["revoked", "thawed", "frozen", "expiry-changed", "scopes-changed", "renamed", "verified",
                          "created"])
        serials = [event[0] for event in events]
        self.assertEqual(serials, sorted(set(serials), reverse=True))
        for serial, at, _, identifier, details in events:
            self.assertAlmostEqual(at, time.time(), delta=10)
            self.assertEqual(identifier, secret[:5])
            self.assertIn(details["label"], ("Phone", "Tablet"), serial)
        self.assertEqual({key: events[6][4][key] for key in ("scope", "remote", "account")},
                         {"scope": "imap", "remote": "192.0.2.7", "account": "alice"})

    def test_types_of_details(self):
        _, secret = self.c.create("Phone")
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, mistyped_secret(secret, 2), remote="192.0.2.7",
                          account="bob")
        reply = self.c.call_message(PATH, MANAGER, "ListEvents", "tua{sv}", [0, 1, {}])
        details = reply.body[0][0][4]
        self.assertEqual({key: value.signature for key, value in details.items() if key != "label"},
                         {"scope": "s", "remote": "s", "account": "s", "count": "u", "reason": "s", "group": "u"})

    def test_reasons_of_refusals(self):
        path, secret = self.c.create("Phone", scopes=["imap"], account="alice")
        gone, gone_secret = self.c.create("Old")
        self.c.revoke(gone)
        alice = options(account="alice")
        cases = [
            ("hunter2", "imap", alice, "malformed", None), ("", "imap", alice, "malformed", None),
            (mistyped_secret(secret, 4), "imap", alice, "mistyped", 4),
            (unknown_secret([secret[:5]]), "imap", alice, "unknown", None),
            (wrong_secret(secret), "imap", alice, "wrong", None), (secret, "smtp", alice, "scope", None),
            (secret, "imap", options(account="bob"), "account", None), (secret, "imap", {}, "account", None),
            (gone_secret, "imap", {}, "unknown", None)]
        for text, scope, given, reason, group in cases:
            with self.subTest(reason=reason):
                self.assert_error(AUTHENTICATION_FAILED, self.c.verify, text, scope,
                                  {**given, **options(remote=f"192.0.2.{cases.index((text, scope, given, reason, group))}")})
                event = self.c.events(limit=1)[0]
                self.assertEqual((event[2], event[4].get("reason"), event[4].get("group")), ("refused", reason, group))
                named = reason in ("wrong", "scope", "account") or (reason == "mistyped" and event[3])
                self.assertEqual(event[3], secret[:5] if named else "")
        self.c.on_password(path, "Freeze")
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, given=alice)
        self.assertEqual(self.c.events(limit=1)[0][4]["reason"], "frozen")

    def test_refusals_from_different_sources_are_different_lines(self):
        secret = unknown_secret()
        for remote in ("192.0.2.1", "198.51.100.1"):
            for _ in range(2):
                self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, remote=remote)
        lines = [event[4] for event in self.c.events(limit=10) if event[2] == "refused"]
        for remote in ("192.0.2.1", "198.51.100.1"):
            self.assertEqual(sum(details["count"] for details in lines if details.get("remote") == remote), 2)

    def test_no_line_holds_what_was_typed(self):
        _, secret = self.c.create("Phone")
        for text in ("hunter2-my-real-password", mistyped_secret(secret), wrong_secret(secret)):
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, text)
            self.assertNotIn(text[6:14], repr(self.c.events()))

    def test_bounds_and_filters(self):
        first, _ = self.c.create("Phone")
        self.c.create("Tablet")
        self.assertEqual({event[3] for event in self.c.events(password=first)}, {first.rpartition("/")[2]})
        whole = self.c.events()
        self.assertEqual(self.c.events(limit=1), whole[:1])
        self.assertEqual(self.c.events(before=whole[0][0]), whole[1:])
        self.assertEqual(self.c.events(limit=1, before=whole[0][0]), whole[1:2])
        self.assertEqual(self.c.events(not_before=soon(1000)), [])
        self.assert_error(INVALID_ARGS, self.c.events, limit=0)
        self.assertEqual(self.c.events(password=PASSWORDS + "/00000"), [])

    def test_a_remote_is_escaped(self):
        path, secret = self.c.create("Phone")
        self.c.verify(secret, remote="192.0.2.1\nforged line\u202e")
        shown = self.c.get(path, "LastUsedFrom")
        self.assertTrue(shown.startswith("192.0.2.1"))
        for character in "\n\u202e":
            self.assertNotIn(character, shown)
            self.assertNotIn(character, self.c.events(limit=1)[0][4]["remote"])


class Many(TestCase):
    """1,005 passwords: pages, bounds of one answer, and ending many at once."""

    @classmethod
    def setUpClass(cls):
        cls.bus = Bus()
        cls.addClassCleanup(cls.bus.stop)
        cls.broker = Broker(cls.bus, settings={"max-passwords": 2000})
        cls.addClassCleanup(cls.broker.stop)

    def setUp(self):
        self.c = self.client(self.broker)

    def make(self, numbers, **values):
        """Many at once: up to 32 calls under way."""
        made = []
        numbers = list(numbers)
        for start in range(0, len(numbers), 32):
            serials = [self.c.send(PATH, MANAGER, "CreatePassword", "sa{sv}", [f"Label {number}", options(**values)])
                       for number in numbers[start:start + 32]]
            for serial in serials:
                reply = self.c.wait(serial)
                self.assertIsNone(reply.error_name, reply)
                made.append(reply.args[0])
        return made

    def test_pages_and_ending_all(self):
        made = sorted(self.make(range(1000)))
        self.assertEqual(len(self.c.managed().keys() - {PATH}), 1000)
        more = self.make(range(1000, 1005), scopes=["imap"])
        self.assert_error(LIMIT_EXCEEDED, self.c.managed)
        rows = self.c.list()
        self.assertEqual(len(rows), 1000)
        self.assertEqual([path for path, _ in rows], sorted(made + more)[:1000])
        self.assertEqual(self.c.paths(), sorted(made + more))
        self.assertEqual([path for path, _ in self.c.list(limit=3)], sorted(made + more)[:3])
        self.assertEqual([path for path, _ in self.c.list(limit=2, after=rows[2][1]["Id"])],
                         [path for path, _ in rows[3:5]])
        self.assertEqual(self.c.list(after="zzzzz"), [])
        for limit in (0, 1001, (1 << 32) - 1):
            self.assert_error(INVALID_ARGS, self.c.list, limit=limit)
            self.assert_error(INVALID_ARGS, self.c.events, limit=limit)
        self.assertEqual(len(self.c.list(limit=1000)), 1000)
        self.assertEqual(self.c.revoke_all(options(scope="imap")), 5)
        newest = self.c.events()
        self.assertEqual(len(newest), 1000)
        older = self.c.events(before=newest[-1][0])
        self.assertEqual(len(newest) + len(older), 1010)
        serials = [event[0] for event in newest + older]
        self.assertEqual(serials, sorted(set(serials), reverse=True))
        self.assertEqual(self.c.events(before=serials[-1]), [])
        self.assertEqual(self.c.revoke_all({}), 1000)
        self.assertEqual(self.c.list(), [])
        self.c.ping()


class RevokeAll(SharedBroker):
    def test_filters(self):
        now = int(time.time())
        plain, _ = self.c.create("Any service")
        imap, imap_secret = self.c.create("Mail", scopes=["imap", "smtp"])
        dav, _ = self.c.create("Calendar", scopes=["caldav"], account="alice")
        self.c.verify(imap_secret)
        everything = {plain, imap, dav}

        def left():
            return {path for path, _ in self.c.list()}

        for nothing in (options(scope="xmpp"), options(account="bob"), options(unused_since=now - 1000),
                        options(created_before=now - 1000), options(scope="imap", account="alice"),
                        options(except_=sorted(everything))):
            self.assertEqual(self.c.revoke_all(nothing), 0, nothing)
            self.assertEqual(left(), everything)
        self.assertEqual(self.c.revoke_all(options(scope="imaps")), 1)
        self.assertEqual(left(), {plain, dav})
        self.assertEqual(self.c.revoke_all(options(account="alice")), 1)
        self.assertEqual(left(), {plain})
        self.assertEqual(self.c.revoke_all(options(except_=[plain])), 0)
        self.assertEqual(self.c.revoke_all(options(created_before=now + 1000)), 1)
        self.assertEqual(left(), set())

    def test_unused_since_counts_never_used_ones_by_their_creation(self):
        used, secret = self.c.create("Used")
        never, _ = self.c.create("Never used")
        time.sleep(1.1)
        middle = int(time.time())
        self.c.verify(secret)
        self.assertEqual(self.c.revoke_all(options(unused_since=middle)), 1)
        self.assertEqual([path for path, _ in self.c.list()], [used])
        self.assert_error(UNKNOWN_OBJECT, self.c.get, never, "Label")

    def test_the_moments_themselves(self):
        """unused_since and created_before: at that very second is not before it."""
        path, secret = self.c.create("Phone")
        made = self.c.get(path, "CreatedAt")
        for given in (options(created_before=made), options(unused_since=made)):
            self.assertEqual(self.c.revoke_all(given), 0)
        time.sleep(1.1)
        self.c.verify(secret)
        used = self.c.get(path, "LastUsedAt")
        self.assertGreater(used, made)
        self.assertEqual(self.c.revoke_all(options(unused_since=used)), 0)
        self.assertEqual(self.c.revoke_all(options(unused_since=used + 1, created_before=made)), 0)
        self.assertEqual(self.c.revoke_all(options(unused_since=used + 1, created_before=made + 1)), 1)

    def test_account_of_nobody(self):
        free, _ = self.c.create("Free")
        self.c.create("Bound", account="alice")
        self.assertEqual(self.c.revoke_all(options(account="")), 1)
        self.assertEqual([row[1]["Account"] for row in self.c.list()], ["alice"])
        self.assert_error(UNKNOWN_OBJECT, self.c.get, free, "Label")

    def test_bad_filters_end_nothing(self):
        path, _ = self.c.create("Phone")
        for given in ({"colour": Variant("s", "red")}, {"scopes": Variant("as", [])}, {"scope": Variant("u", 1)},
                      {"account": Variant("as", [])}, {"unused_since": Variant("u", 1)},
                      {"created_before": Variant("x", 1)}, {"except": Variant("as", [path])},
                      {"scope": Variant("s", "imap"), "Scope": Variant("s", "imap")}):
            with self.subTest(filter=given):
                self.assert_error(INVALID_ARGS, self.c.revoke_all, given)
        self.assert_error(INVALID_SCOPE, self.c.revoke_all, options(scope="NO SCOPE"))
        self.assertEqual([row[0] for row in self.c.list()], [path])

    def test_it_counts_at_once_and_for_warm_ones(self):
        secrets = [self.c.create(f"Phone {number}")[1] for number in range(5)]
        for secret in secrets:
            self.c.verify(secret)
        self.assertEqual(self.c.revoke_all({}), 5)
        for secret in secrets:
            self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret)
        self.assertEqual([event[2] for event in self.c.events(limit=10) if event[2] == "revoked"], ["revoked"] * 5)


if __name__ == "__main__":
    unittest.main()
