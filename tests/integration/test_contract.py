# SPDX-License-Identifier: MIT
"""The D-Bus contract as dbus/*.xml gives it: what is introspected is what is installed, every object can be found from
/, every method keeps its signature, its options and its order of refusals, and whatever names nothing gets the D-Bus
specification's own error."""
import glob
import os
import time
import unittest
import xml.etree.ElementTree as ElementTree

from support import (INTROSPECTABLE, INVALID_ARGS, INVALID_EXPIRY, INVALID_LABEL, INVALID_SCOPE, LABEL_IN_USE, LIMIT_EXCEEDED,
                     MANAGER, NOT_SUPPORTED, OBJECT_MANAGER, OWNER, PASSWORD, PASSWORDS, PATH, PEER, PROPERTIES,
                     PROPERTY_READ_ONLY, ROOT, UNKNOWN_INTERFACE, UNKNOWN_METHOD, UNKNOWN_OBJECT, UNKNOWN_PROPERTY,
                     VERIFIER, BusError, SharedBroker, Variant, code_at, key_of, locked, mistyped_secret, pipe_with, read_all,
                     result, stored_hash, unknown_secret, wrong_secret)
from rawdbus import NO_REPLY_EXPECTED

STANDARD_INTERFACES = {INTROSPECTABLE, PROPERTIES}


def describe(interface):
    """An interface element as something to compare: members with their arguments and annotations."""
    found = {}
    for member in interface:
        arguments = tuple((argument.get("name"), argument.get("type"), argument.get("direction"))
                          for argument in member.findall("arg"))
        annotations = frozenset((note.get("name"), note.get("value")) for note in member.findall("annotation"))
        found[member.tag, member.get("name")] = (member.get("type"), member.get("access"), arguments, annotations)
    return found


def interfaces_of(text):
    root = ElementTree.fromstring(text)
    return {interface.get("name"): interface for interface in root.findall("interface")}


def installed_interfaces():
    found = {}
    for name in sorted(glob.glob(os.path.join(ROOT, "dbus", "*.xml"))):
        with open(name, encoding="utf-8") as stream:
            found.update(interfaces_of(stream.read()))
    return found


def methods_of(interface):
    """Name and signature in of every method."""
    for method in interface.findall("method"):
        arguments = [argument.get("type") for argument in method.findall("arg")
                     if argument.get("direction") != "out"]
        yield method.get("name"), "".join(arguments)


class Introspection(SharedBroker):
    def test_live_introspection_equals_the_installed_files(self):
        path, _ = self.c.create("Phone")
        installed = installed_interfaces()
        live = {**interfaces_of(self.c.introspect(PATH)), **interfaces_of(self.c.introspect(path))}
        self.assertEqual({MANAGER, VERIFIER, OWNER, PASSWORD}, set(installed))
        for name, interface in installed.items():
            self.assertEqual(describe(interface), describe(live[name]), name)

    def test_each_object_has_its_interfaces_and_no_others(self):
        path, _ = self.c.create("Phone")
        self.assertEqual(set(interfaces_of(self.c.introspect(PATH))) - {PEER},
                         {MANAGER, VERIFIER, OWNER, OBJECT_MANAGER} | STANDARD_INTERFACES)
        self.assertEqual(set(interfaces_of(self.c.introspect(path))) - {PEER}, {PASSWORD} | STANDARD_INTERFACES)

    def test_a_walk_from_the_root_finds_every_object(self):
        made = {self.c.create(f"Phone {number}")[0] for number in range(3)}
        seen = set()
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            seen.add(path)
            node = ElementTree.fromstring(self.c.introspect(path))
            for child in node.findall("node"):
                waiting.append(path.rstrip("/") + "/" + child.get("name"))
        self.assertEqual(seen, {"/", "/org", "/org/sparekey", PATH, PASSWORDS} | made)

    def test_a_walk_with_no_passwords_still_leads_to_the_broker(self):
        for path, child in (("/", "org"), ("/org", "sparekey"), ("/org/sparekey", "Broker1")):
            node = ElementTree.fromstring(self.c.introspect(path))
            self.assertIn(child, [element.get("name") for element in node.findall("node")])

    def test_introspection_of_nothing(self):
        for path in ("/com", "/org/sparekey/Broker1/password/00000", "/org/sparekey/Broker", "/org/sparekey/Broker1/x",
                     "/org/sparekey/Broker1/password/00000/x"):
            self.assert_error(UNKNOWN_OBJECT, self.c.introspect, path)

    def test_introspection_is_the_same_on_the_peer_socket(self):
        with self.broker.peer() as peer:
            self.assertEqual(describe(interfaces_of(peer.introspect(PATH))[MANAGER]),
                             describe(installed_interfaces()[MANAGER]))
            self.assertEqual(peer.introspect(PATH), self.c.introspect(PATH))


class Dispatch(SharedBroker):
    def setUp(self):
        super().setUp()
        self.path, self.secret = self.c.create("Phone")

    def everything(self):
        """Object, interface, method and signature of all there is."""
        for name, interface in installed_interfaces().items():
            for method, signature in methods_of(interface):
                yield (self.path if name == PASSWORD else PATH), name, method, signature

    def test_every_method_refuses_another_signature(self):
        for path, interface, method, signature in self.everything():
            for wrong, arguments in (("", []), ("ii", [1, 2]), ("d", [1.5]), ("a{ss}", [{}]), ("v", [Variant("s", "")])):
                if wrong == signature:
                    continue
                with self.subTest(method=method, signature=wrong):
                    self.assert_error(INVALID_ARGS, self.c.call, path, interface, method, wrong, arguments)
        self.assertEqual(len(self.c.list()), 1)

    def test_one_argument_too_many(self):
        self.assert_error(INVALID_ARGS, self.c.on_password, self.path, "Revoke", "a{sv}s", [{}, "x"])
        self.assert_error(INVALID_ARGS, self.c.on_password, self.path, "Rename", "sa{sv}s", ["a", {}, "x"])
        self.assertEqual(self.c.get(self.path, "Label"), "Phone")

    def test_an_unknown_object(self):
        for path in ("/", "/nowhere", PASSWORDS, PASSWORDS + "/00000", PASSWORDS + "/PHONE", PASSWORDS + "/abc"):
            with self.subTest(path=path):
                name = self.error_of(path, PASSWORD, "Revoke", "a{sv}", [{}])
                if path in ("/", PASSWORDS):
                    self.assertIn(name, (UNKNOWN_INTERFACE, UNKNOWN_OBJECT))
                else:
                    self.assertEqual(name, UNKNOWN_OBJECT)

    def error_of(self, *arguments):
        with self.assertRaises(BusError) as caught:
            self.c.call(*arguments)
        return caught.exception.name

    def test_an_unknown_interface(self):
        self.assert_error(UNKNOWN_INTERFACE, self.c.call, PATH, "org.example.Nothing", "Revoke", "a{sv}", [{}])
        self.assert_error(UNKNOWN_INTERFACE, self.c.call, PATH, PASSWORD, "Revoke", "a{sv}", [{}])
        self.assert_error(UNKNOWN_INTERFACE, self.c.call, self.path, VERIFIER, "Verify", "ssa{sv}", ["", "imap", {}])

    def test_an_unknown_method(self):
        for interface in (MANAGER, VERIFIER, PROPERTIES, INTROSPECTABLE, OBJECT_MANAGER, PEER):
            with self.subTest(interface=interface):
                self.assert_error(UNKNOWN_METHOD, self.c.call, PATH, interface, "Fly")
        self.assert_error(UNKNOWN_METHOD, self.c.on_password, self.path, "Fly")
        self.assert_error(UNKNOWN_METHOD, self.c.call, PATH, None, "Fly")

    def test_what_later_versions_bring_is_not_there_yet(self):
        self.assert_error(UNKNOWN_METHOD, self.c.manager, "ListTombstones", "a{sv}", [{}])
        self.assert_error(UNKNOWN_METHOD, self.c.on_password, self.path, "Rotate")
        self.assertNotIn("IdleSeconds", self.c.get_all(self.path))

    def test_a_call_without_interface(self):
        self.assertEqual(self.c.call(PATH, None, "FindPassword", "sa{sv}", ["phone", {}]), [self.path])
        self.assertEqual(self.c.call(self.path, None, "Freeze", "a{sv}", [{}]), [])
        self.assertEqual(self.c.get(self.path, "State"), 2)

    def test_no_reply_expected_is_obeyed(self):
        self.c.send(self.path, PASSWORD, "Rename", "sa{sv}", ["Tablet", {}], flags=NO_REPLY_EXPECTED)
        self.c.send(PATH, MANAGER, "FindPassword", "sa{sv}", ["nothing", {}], flags=NO_REPLY_EXPECTED)
        self.c.send(PATH, MANAGER, "Fly", flags=NO_REPLY_EXPECTED)
        # A reply to one of them would be one nobody asked for, and fail here.
        self.c.pump(0.2)
        self.assertEqual(self.c.get(self.path, "Label"), "Tablet")

    def test_peer_interface_is_everywhere(self):
        for path in ("/", PATH, self.path):
            self.assertEqual(self.c.call(path, PEER, "Ping"), [])
        machine = self.c.call(PATH, PEER, "GetMachineId")[0]
        self.assertRegex(machine, "^[0-9a-f]{32}$")

    def test_properties(self):
        known = installed_interfaces()
        for path, interface in ((PATH, MANAGER), (PATH, OWNER), (self.path, PASSWORD)):
            expected = {item.get("name"): item.get("type") for item in known[interface].findall("property")}
            reply = self.c.call_message(path, PROPERTIES, "GetAll", "s", [interface])
            self.assertEqual({name: value.signature for name, value in reply.body[0].items()}, expected)
            for name in expected:
                self.assertEqual(self.c.get(path, name, interface), reply.args[0][name])
        self.assertEqual(self.c.get_all(PATH, VERIFIER), {})

    def test_property_errors(self):
        def get(path, interface, name):
            return self.c.call(path, PROPERTIES, "Get", "ss", [interface, name])

        def put(path, interface, name, value):
            return self.c.call(path, PROPERTIES, "Set", "ssv", [interface, name, value])

        self.assert_error(UNKNOWN_PROPERTY, get, self.path, PASSWORD, "Colour")
        self.assert_error(UNKNOWN_PROPERTY, get, PATH, MANAGER, "Label")
        self.assert_error(UNKNOWN_INTERFACE, get, PATH, PASSWORD, "Label")
        self.assert_error(UNKNOWN_INTERFACE, get, self.path, "org.example.Nothing", "Label")
        self.assert_error(UNKNOWN_INTERFACE, self.c.get_all, self.path, MANAGER)
        self.assert_error(PROPERTY_READ_ONLY, put, self.path, PASSWORD, "Label", Variant("s", "Tablet"))
        self.assert_error(PROPERTY_READ_ONLY, put, PATH, MANAGER, "Version", Variant("s", "9"))
        self.assert_error(UNKNOWN_PROPERTY, put, self.path, PASSWORD, "Colour", Variant("s", "red"))
        self.assert_error(UNKNOWN_INTERFACE, put, self.path, "org.example.Nothing", "Label", Variant("s", "Tablet"))
        self.assert_error(UNKNOWN_OBJECT, get, PASSWORDS + "/00000", PASSWORD, "Label")
        self.assert_error(UNKNOWN_OBJECT, self.c.get_all, PASSWORDS + "/00000")
        self.assertEqual(self.c.get(self.path, "Label"), "Phone")

    def test_manager_properties(self):
        found = self.c.get_all(PATH, MANAGER)
        self.assertRegex(found["Version"], r"^\d+\.\d+")
        self.assertIn("peer", found["Features"])
        self.assertIn("totp", found["Features"])
        self.assertEqual(found["PeerAddress"].partition(",guid=")[0], self.broker.peer_address)
        self.assertEqual(found["Settings"]["argon2-memory-kib"], 1024)
        self.assertEqual(found["Settings"]["max-passwords"], 200)
        self.assertEqual(found["Settings"]["inline-secrets"], "allow")

    def test_replies_have_the_signature_of_the_contract(self):
        """A real call of every method; the signature of its reply is the one in the file."""
        arguments = {
            "CreatePassword": ["Inline", {}], "CreatePasswordByFileDescriptor": ["By descriptor", {}],
            "FindPassword": ["Phone", {}], "ListPasswords": [{}], "RevokeAll": [{"scope": Variant("s", "none")}, {}],
            "ListEvents": [0, 10, {}], "Verify": [self.secret, "imap", {}], "Rename": ["Telephone", {}],
            "SetScopes": [["imap"], {}], "SetExpiry": [int(time.time()) + 1000, {}], "Freeze": [{}], "Thaw": [{}],
            "IdentifyByFileDescriptor": [pipe_with(self.secret.encode()), {}],
            "VerifyByFileDescriptor": [pipe_with(self.secret.encode()), "imap", {}], "Revoke": [{}],
        }
        main = "a main password of the owner's"
        arguments.update({
            "Initialize": lambda: [pipe_with(main.encode()), {}], "Authenticate": lambda: [pipe_with(main.encode()), {}],
            "EnrollTotp": [{}], "ConfirmTotp": lambda: [code_at(key_of(addresses[0])[0], int(time.time()) // 30), {}], "GenerateRecoveryCodes": [{}],
            "ChangeMainPassword": lambda: [pipe_with(main.encode()), {}], "RemoveTotp": [{}], "Lock": [], "Erase": [{}]})
        addresses = []
        called = set()
        last = ("Freeze", "Thaw", "Revoke", "Initialize", "Lock", "Authenticate", "EnrollTotp", "ConfirmTotp",
                "GenerateRecoveryCodes", "ChangeMainPassword", "RemoveTotp", "Erase")
        names = [name for _, _, name, _ in self.everything() if name not in last] + list(last)
        whole = {name: (path, interface, signature) for path, interface, name, signature in self.everything()}
        known = installed_interfaces()
        for name in names:
            path, interface, signature = whole[name]
            method = [item for item in known[interface].findall("method") if item.get("name") == name][0]
            expected = "".join(item.get("type") for item in method.findall("arg") if item.get("direction") == "out")
            given = arguments[name]
            reply = self.c.call_message(path, interface, name, signature, given() if callable(given) else given)
            result(reply)
            self.assertEqual(reply.signature, expected, name)
            if name == "EnrollTotp":
                addresses.append(read_all(os.dup(reply.args[0])).decode())
            reply.close()
            called.add(name)
        self.assertEqual(called, set(arguments))


class Options(SharedBroker):
    def setUp(self):
        super().setUp()
        self.path, self.secret = self.c.create("Phone")

    def calls(self):
        """A right call of each method, all but its options, and the options it knows with a value of a wrong type."""
        fd = pipe_with(self.secret.encode())
        self.addCleanup(os.close, fd)
        create = {"scopes": Variant("s", "imap"), "account": Variant("u", 1), "expires_at": Variant("s", "never")}
        verify = {"account": Variant("u", 1), "remote": Variant("ay", b"x"), "record": Variant("s", "no"),
                  "diagnosis": Variant("u", 1), "group": Variant("s", "1")}
        return [
            (PATH, MANAGER, "CreatePassword", "sa{sv}", ["New"], create),
            (PATH, MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", ["New"], create),
            (PATH, MANAGER, "FindPassword", "sa{sv}", ["Phone"], {"account": Variant("as", [])}),
            (PATH, MANAGER, "ListPasswords", "a{sv}", [], {"after": Variant("u", 1), "limit": Variant("t", 5)}),
            (PATH, MANAGER, "IdentifyByFileDescriptor", "ha{sv}", [fd], {}),
            (PATH, MANAGER, "RevokeAll", "a{sv}a{sv}", [{"scope": Variant("s", "none")}], {}),
            (PATH, MANAGER, "ListEvents", "tua{sv}", [0, 5], {"password": Variant("s", "abcde"),
                                                            "before": Variant("t", 5)}),
            (PATH, VERIFIER, "Verify", "ssa{sv}", [self.secret, "imap"], verify),
            (PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [fd, "imap"], verify),
            (self.path, PASSWORD, "Rename", "sa{sv}", ["Other"], {}),
            (self.path, PASSWORD, "SetScopes", "asa{sv}", [["imap"]], {}),
            (self.path, PASSWORD, "SetExpiry", "ta{sv}", [int(time.time()) + 100], {}),
            (self.path, PASSWORD, "Freeze", "a{sv}", [], {}),
            (self.path, PASSWORD, "Thaw", "a{sv}", [], {}),
            (self.path, PASSWORD, "Revoke", "a{sv}", [], {}),
        ]

    def owner_calls(self):
        """The same of the Owner interface, which what is set up changes."""
        fd = pipe_with(self.secret.encode())
        self.addCleanup(os.close, fd)
        return [
            (PATH, OWNER, "Initialize", "ha{sv}", [fd], {}),
            (PATH, OWNER, "Authenticate", "ha{sv}", [fd], {"code": Variant("u", 123456)}),
            (PATH, OWNER, "ChangeMainPassword", "ha{sv}", [fd], {"revoke": Variant("s", "yes")}),
            (PATH, OWNER, "EnrollTotp", "a{sv}", [], {}), (PATH, OWNER, "ConfirmTotp", "sa{sv}", ["123456"], {}),
            (PATH, OWNER, "RemoveTotp", "a{sv}", [], {}), (PATH, OWNER, "GenerateRecoveryCodes", "a{sv}", [], {}),
            (PATH, OWNER, "Erase", "a{sv}", [], {}),
        ]

    def assert_untouched(self):
        (row,) = self.c.list()
        path, found = row
        self.assertEqual((path, found["Label"], found["State"], found["Scopes"], found["ExpiresAt"]),
                         (self.path, "Phone", 1, [], 0))

    def test_a_known_option_of_a_wrong_type(self):
        for path, interface, method, signature, arguments, wrong in self.calls() + self.owner_calls():
            for key, value in wrong.items():
                with self.subTest(method=method, option=key):
                    self.assert_error(INVALID_ARGS, self.c.call, path, interface, method, signature,
                                      arguments + [{key: value}])
        self.assert_untouched()

    def test_an_unknown_option_that_must_be_known(self):
        for path, interface, method, signature, arguments, _ in self.calls() + self.owner_calls():
            with self.subTest(method=method):
                self.assert_error(NOT_SUPPORTED, self.c.call, path, interface, method, signature,
                                  arguments + [{"must_fly": Variant("b", True)}])
        self.assert_untouched()

    def test_an_option_given_twice(self):
        twice = {"CreatePassword": ("account", Variant("s", "a")), "Verify": ("remote", Variant("s", "192.0.2.1")),
                 "CreatePasswordByFileDescriptor": ("scopes", Variant("as", ["imap"])),
                 "VerifyByFileDescriptor": ("account", Variant("s", "a")), "FindPassword": ("account", Variant("s", "")),
                 "ListPasswords": ("limit", Variant("u", 5)), "ListEvents": ("before", Variant("x", 5))}
        for path, interface, method, signature, arguments, _ in self.calls():
            if method in twice:
                with self.subTest(method=method):
                    self.assert_error(INVALID_ARGS, self.c.call, path, interface, method, signature,
                                      arguments + [[twice[method], twice[method]]])
        self.assert_error(INVALID_ARGS, self.c.call, PATH, MANAGER, "RevokeAll", "a{sv}a{sv}",
                          [[("scope", Variant("s", "imap")), ("scope", Variant("s", "smtp"))], {}])
        self.assert_untouched()

    def test_ten_thousand_options(self):
        many = {f"option{number}": Variant("u", number) for number in range(10000)}
        for path, interface, method, signature, arguments, _ in self.calls():
            with self.subTest(method=method):
                with self.assertRaises(BusError) as caught:
                    self.c.call(path, interface, method, signature, arguments + [many])
                self.assertIn(caught.exception.name, (INVALID_ARGS, LIMIT_EXCEEDED))
                self.assertTrue(caught.exception.text)
                self.c.ping()
        self.assert_untouched()

    def test_unknown_options_are_ignored(self):
        unknown = {"colour": Variant("s", "red"), "deep": Variant("a{sv}", {"x": Variant("(sv)", ("y", Variant("u", 1)))}),
                   "": Variant("b", True), "Must_fly": Variant("b", True)}
        made = {}
        for path, interface, method, signature, arguments, _ in self.calls():
            with self.subTest(method=method):
                if signature[0] == "h":
                    arguments = [pipe_with(self.secret.encode())] + arguments[1:]
                if method.startswith("CreatePassword"):
                    arguments = [method]
                reply = self.c.call_message(path, interface, method, signature, arguments + [unknown])
                made[method] = result(reply)
                reply.close()
                if signature[0] == "h":
                    os.close(arguments[0])
        self.assertEqual(made["FindPassword"], [self.path])
        self.assertEqual(made["Verify"][0], self.path)

    def test_order_of_refusals(self):
        """Signature, options, arguments, state."""
        must = {"must_fly": Variant("b", True)}
        wrong_type = {"account": Variant("u", 1)}
        # options before arguments
        self.assert_error(NOT_SUPPORTED, self.c.create, "", must)
        self.assert_error(INVALID_ARGS, self.c.create, "\n", wrong_type)
        self.assert_error(NOT_SUPPORTED, self.c.verify_inline, "x", "NOT A SCOPE", must)
        self.assert_error(NOT_SUPPORTED, self.c.on_password, self.path, "Rename", "sa{sv}", ["", must])
        self.assert_error(NOT_SUPPORTED, self.c.on_password, self.path, "SetScopes", "asa{sv}", [["NO"], must])
        self.assert_error(NOT_SUPPORTED, self.c.on_password, self.path, "SetExpiry", "ta{sv}", [1, must])
        self.assert_error(NOT_SUPPORTED, self.c.manager, "ListEvents", "tua{sv}", [0, 0, must])
        # arguments before state
        self.assert_error(INVALID_SCOPE, self.c.create, "Phone", scopes=["NO SCOPE"])
        self.assert_error(INVALID_EXPIRY, self.c.create, "Phone", expires_at=1)
        self.assert_error(INVALID_SCOPE, self.c.verify, "wrong", "")
        self.c.create("Tablet")
        self.assert_error(INVALID_LABEL, self.c.on_password, self.path, "Rename", "sa{sv}", ["", {}])
        self.assert_error(LABEL_IN_USE, self.c.on_password, self.path, "Rename", "sa{sv}", ["tablet", {}])

    def test_a_pipe_is_left_alone_when_options_are_refused(self):
        """A refusal that needs no secret takes none."""
        fd = pipe_with(self.secret.encode())
        self.assert_error(NOT_SUPPORTED, self.c.verify_fd, fd, "imap", {"must_fly": Variant("b", True)})
        self.assertEqual(read_all(fd).decode(), self.secret)


class Methods(SharedBroker):
    def test_create_by_descriptor(self):
        reply = self.c.call_message(PATH, MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", ["Phone", {}])
        path, fd = reply.args
        self.assertRegex(path, "^/org/sparekey/Broker1/password/[0-9a-hjkmnp-tv-z]{5}$")
        secret = read_all(fd).decode()
        self.assertRegex(secret, "^[0-9a-hjkmnp-tv-z]{5}(-[0-9a-hjkmnp-tv-z]{5}){4}$")
        self.assertEqual(path.rpartition("/")[2], secret[:5])

    def test_create_inline(self):
        path, secret = self.c.create_inline("Phone")
        self.assertEqual(self.c.verify_inline(secret), self.c.verify(secret))
        self.assertEqual(path.rpartition("/")[2], secret[:5])

    def test_details_of_verify(self):
        until = int(time.time()) + 1000
        path, secret = self.c.create("Phone", scopes=["smtp", "imap"], account="a@example.org", expires_at=until)
        reply = self.c.call_message(PATH, VERIFIER, "Verify", "ssa{sv}",
                                    [secret, "imap", {"account": Variant("s", "a@example.org")}])
        self.assertEqual(reply.body[0], path)
        self.assertEqual(reply.body[1], {"id": Variant("s", secret[:5]), "label": Variant("s", "Phone"),
                                         "account": Variant("s", "a@example.org"),
                                         "scopes": Variant("as", ["imap", "smtp"]), "expires_at": Variant("t", until)})

    def test_find(self):
        path, secret = self.c.create("Phone")
        for name in ("Phone", "PHONE", " phone ", secret[:5]):
            self.assertEqual(self.c.find(name), path, name)
        for name in ("Phon", "", "00000", "x" * 10000, "Phone\n\n\u202e"):
            self.assert_error(UNKNOWN_OBJECT, self.c.find, name)

    def test_a_label_wins_over_an_id(self):
        first, secret = self.c.create("Phone")
        second, _ = self.c.create(secret[:5])
        self.assertEqual(self.c.find(secret[:5]), second)
        self.assertNotEqual(first, second)

    def test_label_in_use_by_case_folding(self):
        for label, same in (("Phone", "pHONE"), ("Straße", "STRASSE"), ("Émile", "E\u0301MILE"), ("ΣΊΣΥΦΟΣ", "σίσυφος")):
            with self.subTest(label=label):
                self.c.create(label)
                self.assert_error(LABEL_IN_USE, self.c.create, same)
                self.assert_error(LABEL_IN_USE, self.c.create_inline, same)

    def test_a_frozen_password_keeps_its_label(self):
        path, _ = self.c.create("Phone")
        self.c.on_password(path, "Freeze")
        self.assert_error(LABEL_IN_USE, self.c.create, "phone")

    def test_a_revoked_password_gives_its_label_free(self):
        path, _ = self.c.create("Phone")
        self.c.revoke(path)
        self.c.create("Phone")

    def test_list_rows_hold_every_property(self):
        path, _ = self.c.create("Phone")
        reply = self.c.call_message(PATH, MANAGER, "ListPasswords", "a{sv}", [{}])
        (row,) = reply.body[0]
        everything = self.c.call_message(path, PROPERTIES, "GetAll", "s", [PASSWORD]).body[0]
        self.assertEqual(row, (path, everything))
        self.assertEqual(self.c.managed()[path][PASSWORD].keys(), everything.keys())

    def test_a_revoked_object_is_gone(self):
        path, _ = self.c.create("Phone")
        self.c.revoke(path)
        until = int(time.time()) + 100
        for method, signature, arguments in (("Revoke", "a{sv}", [{}]), ("Rename", "sa{sv}", ["x", {}]),
                                             ("SetScopes", "asa{sv}", [[], {}]), ("SetExpiry", "ta{sv}", [until, {}]),
                                             ("Freeze", "a{sv}", [{}]), ("Thaw", "a{sv}", [{}])):
            with self.subTest(method=method):
                self.assert_error(UNKNOWN_OBJECT, self.c.on_password, path, method, signature, arguments)
        self.assert_error(UNKNOWN_OBJECT, self.c.introspect, path)

    def test_identify(self):
        path, secret = self.c.create("Phone")
        named = {"id": secret[:5], "label": "Phone", "state": 1}
        self.assertEqual(self.c.identify(secret), {"result": "ours", **named})
        self.assertEqual(self.c.identify(" " + secret.upper().replace("-", "") + "\n"), {"result": "ours", **named})
        self.assertEqual(self.c.identify(wrong_secret(secret)), {"result": "wrong", **named})
        self.assertEqual(self.c.identify(unknown_secret([secret[:5]])), {"result": "unknown"})
        self.assertEqual(self.c.identify("hunter2"), {"result": "malformed"})
        for group in range(1, 6):
            self.assertEqual(self.c.identify(mistyped_secret(secret, group)),
                             {"result": "mistyped", "group": group, **named})
        found = self.c.identify(mistyped_secret(unknown_secret([secret[:5]]), 2))
        self.assertEqual(found, {"result": "mistyped", "group": 2})
        self.c.on_password(path, "Freeze")
        self.assertEqual(self.c.identify(secret), {"result": "ours", **named, "state": 2})
        self.assertEqual(self.c.get(path, "UseCount"), 0)
        self.assertEqual([event[2] for event in self.c.events(password=path)], ["frozen", "created"])

    def test_stored_is_a_hash_and_not_the_secret(self):
        _, secret = self.c.create("Phone")
        self.assertTrue(stored_hash(self.broker.store, secret[:5]).startswith("$argon2id$v=19$m=1024,t=1,p=1$"))

    def test_get_managed_objects(self):
        made = dict(self.c.create(f"Phone {number}") for number in range(3))
        found = self.c.managed()
        self.assertEqual(set(found) - {PATH}, set(made))
        for path in made:
            self.assertEqual(found[path][PASSWORD]["Id"], path.rpartition("/")[2])

    def test_other_clients_get_on(self):
        """python3-dbus and GDBus, which know nothing of our raw client."""
        import dbus
        from gi.repository import Gio, GLib
        connection = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(connection.close)
        manager = connection.get_object("org.sparekey.Broker1", PATH)
        path, fd = manager.CreatePasswordByFileDescriptor("From python3-dbus", dbus.Dictionary({}, signature="sv"),
                                                          dbus_interface=MANAGER)
        secret = read_all(fd.take()).decode()
        bus = Gio.DBusConnection.new_for_address_sync(
            self.bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
            Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        answer = bus.call_sync("org.sparekey.Broker1", PATH, VERIFIER, "Verify",
                               GLib.Variant("(ssa{sv})", (secret, "imap", {})), GLib.VariantType("(oa{sv})"),
                               Gio.DBusCallFlags.NO_AUTO_START, 10000, None)
        self.assertEqual(answer.unpack()[0], str(path))
        bus.close_sync(None)

    def test_peer_to_peer_with_other_clients(self):
        import dbus.connection
        from gi.repository import Gio, GLib
        _, secret = self.c.create("Phone")
        connection = dbus.connection.Connection(self.broker.peer_address)
        found = connection.call_blocking(None, PATH, VERIFIER, "Verify", "ssa{sv}", (secret, "imap", {}))
        self.assertEqual(str(found[1]["label"]), "Phone")
        connection.close()
        peer = Gio.DBusConnection.new_for_address_sync(self.broker.peer_address,
                                                       Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
        answer = peer.call_sync(None, PATH, MANAGER, "FindPassword", GLib.Variant("(sa{sv})", ("phone", {})), None,
                                Gio.DBusCallFlags.NONE, 10000, None)
        self.assertEqual(answer.unpack()[0].rpartition("/")[2], secret[:5])
        peer.close_sync(None)


class Undone(SharedBroker):
    """If a caller is gone before its reply is sent, what it created is undone."""

    settings = {"argon2-memory-kib": 65536, "argon2-passes": 4}

    def leave(self, connect):
        caller = connect()
        for number in range(3):
            caller.send(PATH, MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", [f"Gone {number}", {}])
        time.sleep(0.02)
        caller.close()

    def assert_nothing_was_made(self):
        path, secret = self.c.create("After the others")
        self.assertEqual([row[0] for row in self.c.list()], [path])
        self.assertEqual(self.c.verify(secret)[0], path)
        self.c.revoke(path)

    def test_a_caller_that_leaves_while_it_is_hashed(self):
        for connect in (self.broker.connect, self.broker.peer):
            self.leave(connect)
            self.assert_nothing_was_made()

    def test_a_caller_that_leaves_while_the_store_is_locked(self):
        first, _ = self.c.create("First")
        for connect in (self.broker.connect, self.broker.peer):
            with locked(self.broker.store):
                self.leave(connect)
                time.sleep(1)
            time.sleep(0.2)
            self.assertEqual([row[0] for row in self.c.list()], [first])


if __name__ == "__main__":
    unittest.main()
