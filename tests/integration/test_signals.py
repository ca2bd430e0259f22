# SPDX-License-Identifier: MIT
"""What the broker tells without being asked: signals of the Manager, of the ObjectManager and of properties, how often
at most, and what none of them holds."""
import time
import unittest

from test_contract import installed_interfaces
from support import (MANAGER, OBJECT_MANAGER, PASSWORD, PATH, PROPERTIES, AUTHENTICATION_FAILED, SharedBroker, TimedOut,
                     unknown_secret, wait_until)

USES = ["LastUsedAt", "LastUsedScope", "LastUsedFrom", "UseCount", "UseCounts"]


class Signals(SharedBroker):
    def setUp(self):
        super().setUp()
        self.c.pump(0.05)
        self.c.signals.clear()

    def named(self, member, **keywords):
        return self.c.wait_signal(member, **keywords)

    def changes(self, path):
        """The next PropertiesChanged of that object: what changed and what was invalidated."""
        message = self.named("PropertiesChanged", where=lambda found: found.path == path)
        self.assertEqual(message.interface, PROPERTIES)
        interface, changed, invalidated = message.body
        self.assertEqual(interface, PASSWORD)
        return changed, invalidated

    def test_created(self):
        path, secret = self.c.create("Phone", scopes=["imap"])
        message = self.named("PasswordCreated")
        self.assertEqual((message.path, message.interface, message.signature, message.args),
                         (PATH, MANAGER, "os", [path, "Phone"]))
        message = self.named("InterfacesAdded")
        self.assertEqual((message.path, message.interface, message.signature), (PATH, OBJECT_MANAGER, "oa{sa{sv}}"))
        self.assertEqual(message.args[0], path)
        shown = message.body[1][PASSWORD]
        whole = self.c.call_message(path, PROPERTIES, "GetAll", "s", [PASSWORD]).body[0]
        del whole["LastUsedFrom"]
        self.assertEqual(shown, whole)
        self.assertNotIn(secret, repr(message))

    def test_revoked(self):
        path, _ = self.c.create("Phone")
        self.c.revoke(path)
        message = self.named("PasswordEnded")
        self.assertEqual((message.path, message.interface, message.signature, message.args),
                         (PATH, MANAGER, "osu", [path, "Phone", 1]))
        message = self.named("InterfacesRemoved")
        self.assertEqual((message.path, message.interface, message.signature), (PATH, OBJECT_MANAGER, "oas"))
        self.assertEqual(message.args[0], path)
        self.assertIn(PASSWORD, message.args[1])

    def test_revoked_with_others(self):
        made = {self.c.create(f"Phone {number}")[0] for number in range(3)}
        self.c.revoke_all({})
        ended = [self.named("PasswordEnded").args for _ in made]
        self.assertEqual({path for path, _, reason in ended if reason == 2}, made)

    def test_changes_tell_the_new_value(self):
        path, _ = self.c.create("Phone")
        until = int(time.time()) + 1000
        for method, signature, arguments, name, value in (
                ("Rename", "sa{sv}", ["Tablet", {}], "Label", "Tablet"),
                ("SetScopes", "asa{sv}", [["smtp", "imap"], {}], "Scopes", ["imap", "smtp"]),
                ("SetExpiry", "ta{sv}", [until, {}], "ExpiresAt", until),
                ("Freeze", "a{sv}", [{}], "State", 2), ("Thaw", "a{sv}", [{}], "State", 1)):
            with self.subTest(method=method):
                self.c.on_password(path, method, signature, arguments)
                changed, invalidated = self.changes(path)
                self.assertEqual({key: item.value for key, item in changed.items()}, {name: value})
                self.assertEqual(invalidated, [])

    def test_annotations_are_kept(self):
        """What the contract says of each property's signal, held against all signals of a life."""
        annotated = {item.get("name"): item.find("annotation").get("value")
                     for item in installed_interfaces()[PASSWORD].findall("property")}
        self.assertEqual(annotated["Id"], "const")
        path, secret = self.c.create("Phone")
        values = self.c.get_all(path)
        told = set()
        for method, signature, arguments in (("Rename", "sa{sv}", ["Tablet", {}]), ("Freeze", "a{sv}", [{}]),
                                             ("SetScopes", "asa{sv}", [["imap"], {}]), ("Thaw", "a{sv}", [{}]),
                                             ("SetExpiry", "ta{sv}", [int(time.time()) + 100, {}])):
            self.c.on_password(path, method, signature, arguments)
            changed, invalidated = self.changes(path)
            self.assertEqual(invalidated, [])
            now = self.c.get_all(path)
            self.assertEqual({name: value.value for name, value in changed.items()},
                             {name: value for name, value in now.items() if value != values[name]})
            self.assertEqual({annotated[name] for name in changed}, {"true"})
            values = now
            told |= set(changed)
        self.c.verify(secret)
        changed, invalidated = self.changes(path)
        self.assertEqual(changed, {})
        self.assertEqual({annotated[name] for name in invalidated}, {"invalidates"})
        now = self.c.get_all(path)
        self.assertLessEqual({name for name in now if now[name] != values[name]}, set(invalidated))
        told |= set(invalidated)
        self.assertEqual(told, {name for name, value in annotated.items() if value != "const"})

    def test_a_change_to_what_it_was_is_no_news(self):
        path, _ = self.c.create("Phone", scopes=["imap"])
        self.c.pump(1.2)
        self.c.signals.clear()
        for method, signature, arguments in (("Rename", "sa{sv}", ["Phone", {}]), ("Thaw", "a{sv}", [{}]),
                                             ("SetScopes", "asa{sv}", [["imaps"], {}]), ("SetExpiry", "ta{sv}", [0, {}])):
            self.c.on_password(path, method, signature, arguments)
        self.c.pump(0.2)
        self.assertEqual(self.c.signals, [])
        self.assertEqual([event[2] for event in self.c.events(password=path)], ["created"])

    def test_uses_are_only_invalidated(self):
        path, secret = self.c.create("Phone")
        self.c.verify(secret, remote="192.0.2.77")
        changed, invalidated = self.changes(path)
        self.assertEqual((changed, sorted(invalidated)), ({}, sorted(USES)))
        self.c.pump(0.2)
        self.assertNotIn("192.0.2.77", repr(self.c.signals))

    def test_no_use_is_told_when_it_is_not_recorded(self):
        path, secret = self.c.create("Phone")
        self.c.verify(secret, record=False)
        self.c.pump(0.3)
        self.assertEqual(self.c.get(path, "UseCount"), 0)
        self.assertEqual([found for found in self.c.signals if found.path == path], [])

    def test_verified_once_a_minute_for_each_password_and_scope(self):
        first, first_secret = self.c.create("Phone")
        second, second_secret = self.c.create("Tablet")
        for _ in range(3):
            self.c.verify(first_secret, "imaps", remote="192.0.2.1")
            self.c.verify(first_secret, "smtp")
            self.c.verify(second_secret, "imap")
        self.c.pump(0.5)
        told = [found for found in self.c.signals if found.member == "PasswordVerified"]
        self.assertEqual({found.signature for found in told}, {"ost"})
        self.assertEqual(sorted(tuple(found.args[:2]) for found in told),
                         sorted([(first, "imap"), (first, "smtp"), (second, "imap")]))
        for found in told:
            self.assertAlmostEqual(found.args[2], time.time(), delta=5)

    def test_failures_once_in_ten_seconds_with_their_number(self):
        secret = unknown_secret()

        def fail(times):
            for _ in range(times):
                self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, "imaps")

        def told():
            return [found for found in self.c.signals if found.member == "VerificationFailed"]

        # Another test may have failed in the last ten seconds: the first one is waited for.
        start = time.monotonic()
        fail(4)
        first = self.named("VerificationFailed", timeout=12)
        self.assertEqual((first.signature, first.args[0]), ("stu", "imap"))
        arrived = time.monotonic()
        fail(3)
        self.c.pump(max(0, 9.5 - (time.monotonic() - arrived)))
        self.assertEqual(told(), [], "more than one in ten seconds")
        self.c.pump(max(0, 10.2 - (time.monotonic() - arrived)))
        if not told():
            fail(1)
            self.assertEqual(first.args[2] + self.named("VerificationFailed").args[2], 8)
        else:
            self.assertEqual(first.args[2] + told()[0].args[2], 7)
        self.assertLess(arrived - start, 10.5)

    def test_the_journal_is_told_of_once_a_second_and_to_its_end(self):
        path, _ = self.c.create("Phone")
        self.c.pump(1.2)
        self.c.signals.clear()
        start = time.monotonic()
        for number in range(40):
            self.c.on_password(path, "Rename", "sa{sv}", [f"Phone {number}", {}])
        newest = self.c.events(limit=1)[0][0]
        last = wait_until(lambda: self.pumped("EventsAdded", newest), 5, "the newest serial")
        seconds = time.monotonic() - start
        self.assertEqual(last.signature, "x")
        self.assertLessEqual(len([found for found in self.c.signals if found.member == "EventsAdded"]), seconds + 1.1)

    def pumped(self, member, value):
        self.c.pump(0.05)
        return next((found for found in self.c.signals if found.member == member and found.args == [value]), None)

    def test_signals_reach_the_peer_socket(self):
        with self.broker.peer() as peer:
            path, _ = self.c.create("Phone")
            self.assertEqual(peer.wait_signal("PasswordCreated").args, [path, "Phone"])
            self.c.revoke(path)
            self.assertEqual(peer.wait_signal("PasswordEnded").args, [path, "Phone", 1])

    def test_no_broadcast_holds_a_secret_or_an_address(self):
        path, secret = self.c.create("Phone", account="me@example.org")
        self.c.verify(secret, remote="198.51.100.99", account="me@example.org")
        self.assert_error(AUTHENTICATION_FAILED, self.c.verify, secret, remote="198.51.100.99")
        self.c.on_password(path, "Freeze")
        self.c.on_password(path, "Rename", "sa{sv}", ["Tablet", {}])
        self.c.revoke(path)
        self.c.pump(1.2)
        text = repr([(found.fields, found.body) for found in self.c.signals])
        self.assertIn("Tablet", text)
        self.assertNotIn("198.51.100.99", text)
        for place in range(6, len(secret) - 8):
            self.assertNotIn(secret[place:place + 8], text)

    def test_nothing_is_told_of_what_is_refused(self):
        path, _ = self.c.create("Phone")
        self.c.create("Tablet")
        self.c.pump(0.2)
        self.c.signals.clear()
        for label in ("", "tablet", "a\nb"):
            with self.assertRaises(Exception):
                self.c.on_password(path, "Rename", "sa{sv}", [label, {}])
        with self.assertRaises(TimedOut):
            self.named("PropertiesChanged", timeout=0.3)


if __name__ == "__main__":
    unittest.main()
