#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# run-tests: alone
"""The numbered promises of docs/THREATS.md, shown on a real broker from outside."""
import ctypes
import os
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import (AUTHENTICATION_FAILED, BUILD, MANAGER, PASSWORD, PATH, SANITIZER, SPAREKEYD, VERIFIER, Broker, Bus,  # noqa: E402
                     BusError, Client, Home, in_child, needs_root, options, other_user, pipe_with, run_broker,
                     run_tool, stored_hash, unknown_secret, wait_until, wrong_secret)

KILLS = int(os.environ.get("SPAREKEY_KILLS", "200"))
plain_build = unittest.skipIf(SANITIZER, "the sanitizer's own memory and traps are in the way")


def parts(secret):
    """The whole and every part of 8 characters, as shown and without hyphens; the public id alone is none."""
    found = {secret.encode()}
    for text in (secret[6:], secret.replace("-", "")[5:]):
        found.update(text[at:at + 8].encode() for at in range(len(text) - 7))
    return found


def refusal(call):
    try:
        call()
    except BusError as error:
        return error.name, error.text
    raise AssertionError("it was accepted")


class AtRest(unittest.TestCase):
    def test_p01_no_secret_at_rest(self):
        broker = Broker(settings={"max-passwords": "1000"})
        client = broker.peer()
        secrets = []
        for number in range(200):
            path, secret = client.create(f"label {number}")
            secrets.append(secret)
            client.verify(secret)
            if number % 2:
                client.revoke(path)
        client.list()
        found = b""
        for base, _, names in os.walk(broker.home.directory):
            for name in names:
                if name != "sparekeyd" and not os.path.islink(os.path.join(base, name)) and \
                        os.path.isfile(os.path.join(base, name)):
                    with open(os.path.join(base, name), "rb") as stream:
                        found += stream.read()
        self.assertIn(b"label 198", found)
        hits = [part for secret in secrets for part in parts(secret) if part in found]
        self.assertEqual(hits, [])
        broker.stop()

    def test_p02_hostile_hashes_are_never_computed(self):
        salt, tag = "A" * 22, "B" * 42 + "A"
        hostile = [f"$argon2id$v=19$m={m},t={t},p={p}${salt}${tag}" for m, t, p in
                   ((4294967295, 1, 1), (1023, 1, 1), (1024, 17, 1), (1024, 0, 1), (1024, 1, 0), (1024, 1, 5),
                    (1048577, 1, 1), (8, 1, 1), (1024, 4294967295, 1), (1024, 1, 16777215))]
        hostile += [f"$argon2id$v=16$m=1024,t=1,p=1${salt}${tag}", f"$argon2i$v=19$m=1024,t=1,p=1${salt}${tag}",
                    f"$argon2d$v=19$m=1024,t=1,p=1${salt}${tag}", f"$argon2id$v=19$m=1024,t=1,p=1${salt}$AAAAAA",
                    f"$argon2id$m=1024,t=1,p=1${salt}${tag}", f"$argon2id$v=19$m=1024,t=1${salt}${tag}",
                    f"$argon2id$v=19$t=1,m=1024,p=1${salt}${tag}", f"$argon2id$v=19$m=01024,t=1,p=1${salt}${tag}",
                    f"$argon2id$v=19$m=1024,t=1,p=1${salt}${tag}=", f"$argon2id$v=19$m=1024,t=1,p=1${salt}${tag} ",
                    f"$argon2id$v=19$m=1024,t=1,p=1$${tag}", f"$argon2id$v=19$m=+1024,t=1,p=1${salt}${tag}",
                    "$argon2id$" + "A" * 1048576, "plain", "$"]
        with tempfile.TemporaryDirectory() as directory:
            counter = os.path.join(directory, "count.so")
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "count-argon2.c")
            subprocess.run(["cc", "-shared", "-fPIC", "-o", counter, source, "-ldl"], check=True)
            counted = os.path.join(directory, "counted")
            preload = {} if SANITIZER else {"LD_PRELOAD": counter, "COUNT_ARGON2": counted}
            broker = Broker(environment=preload)
            client = broker.peer()
            made = [client.create(f"victim {number}") for number in range(len(hostile))]
            good_path, good = client.create("good")
            before = os.path.getsize(counted) if preload else 0
            self.assertEqual(before, len(made) + 1 if preload else 0)
            with sqlite3.connect(broker.store) as database:
                for (path, _), text in zip(made, hostile):
                    database.execute("UPDATE password SET hash = ? WHERE id = ?", (text, path.rsplit("/", 1)[1]))
            database.close()
            for path, secret in made:
                self.assertEqual(refusal(lambda s=secret: client.verify(s))[0], AUTHENTICATION_FAILED)
                self.assertEqual(client.get(path, "State"), 4, path)
            if preload:
                self.assertEqual(os.path.getsize(counted), before)
            client.verify(good)
            for path, _ in made:
                client.revoke(path)
            self.assertEqual(client.paths(), [good_path])
            broker.stop()

    def test_p03_modes_are_never_widened(self):
        broker = Broker(preexec=lambda: os.umask(0))
        broker.peer().create("one")
        self.assertEqual(os.stat(broker.home.data_dir).st_mode & 0o7777, 0o700)
        for name in os.listdir(broker.home.data_dir):
            self.assertEqual(os.stat(os.path.join(broker.home.data_dir, name)).st_mode & 0o7777, 0o600, name)
        broker.stop()

    def test_p23_refused_stores_stay_byte_identical(self):
        broker = Broker()
        broker.peer().create("one")
        broker.end()
        home = broker.home
        with open(home.store, "rb") as stream:
            good = stream.read()
        cases = {"empty": b"", "text": b"not a database\n" * 100, "cut": good[:600], "foreign": good[:68] + b"XXXX" + good[72:],
                 "newer": good[:60] + b"\0\0\3\xe7" + good[64:], "magic": b"X" + good[1:]}
        for name, content in cases.items():
            with self.subTest(name):
                with open(home.store, "wb") as stream:
                    stream.write(content)
                done = run_broker(home, "--address=none", "--idle-exit=1")
                self.assertEqual(done.returncode, 74, done.stderr)
                self.assertIn(home.store, done.stderr)
                with open(home.store, "rb") as stream:
                    self.assertEqual(stream.read(), content)
        with open(home.store, "wb") as stream:
            stream.write(good)
        for name, change in (("mode", lambda: os.chmod(home.store, 0o666)),
                             ("directory", lambda: os.chmod(home.data_dir, 0o755))):
            with self.subTest(name):
                change()
                done = run_broker(home, "--address=none", "--idle-exit=1")
                self.assertEqual(done.returncode, 74, done.stderr)
                self.assertIn("chmod", done.stderr)
                os.chmod(home.store, 0o600)
                os.chmod(home.data_dir, 0o700)
        os.rename(home.store, home.store + ".real")
        os.symlink(home.store + ".real", home.store)
        self.assertEqual(run_broker(home, "--address=none", "--idle-exit=1").returncode, 74)
        broker.remove()


class InMemory(unittest.TestCase):
    @needs_root
    @plain_build
    def test_p07_no_copy_a_second_later(self):
        bus = Bus()
        broker = Broker(bus=bus)
        client = broker.connect()
        needle = "needle-%016x" % random.getrandbits(64)
        _, secret = client.create(needle)
        gone_path, gone = client.create("gone")
        client.verify(secret)
        client.verify(gone)
        client.revoke(gone_path)
        time.sleep(1)
        memory = {}
        for name, pid in (("broker", broker.pid), ("bus daemon", bus.process.pid)):
            memory[name] = b""
            with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
                for line in maps:
                    first, last = (int(part, 16) for part in line.split()[0].split("-"))
                    if "[vvar" in line or "[vsyscall" in line:
                        continue
                    # Guarded pages too: /proc/PID/mem reads what mprotect forbids the process itself.
                    for page in range(first, last, 1 << 20):
                        try:
                            mem.seek(page)
                            memory[name] += mem.read(min(1 << 20, last - page))
                        except OSError:
                            pass
        self.assertIn(needle.encode(), memory["broker"], "the search cannot find what is there")
        for name, content in memory.items():
            for text in (secret, gone):
                self.assertEqual([part for part in parts(text) if part in content], [], name)
        broker.stop()
        bus.stop()

    @needs_root
    @plain_build
    def test_p08_a_program_of_the_same_user_cannot_read_it(self):
        uid, gid = other_user()
        broker = Broker(uid=uid, gid=gid)
        victim = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: (os.setresgid(gid, gid, gid), os.setresuid(uid, uid, uid)))
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)

        def attempts(pid):
            libc = ctypes.CDLL(None, use_errno=True)
            found = []
            for name in ("mem", "maps", "environ"):
                try:
                    with open(f"/proc/{pid}/{name}", "rb") as stream:
                        stream.read(0)
                    found.append(name)
                except OSError:
                    pass
            try:
                os.listdir(f"/proc/{pid}/fd")
                found.append("fd")
            except OSError:
                pass
            if libc.ptrace(0x4206, pid, 0, 0) == 0:  # PTRACE_SEIZE
                found.append("ptrace")
            pidfd = os.pidfd_open(pid)
            if libc.syscall(438, pidfd, 0, 0) >= 0:  # pidfd_getfd
                found.append("pidfd_getfd")
            return ",".join(found)

        self.assertIn("maps", in_child(lambda: attempts(victim.pid), uid, gid))
        self.assertEqual(in_child(lambda: attempts(broker.pid), uid, gid), "")
        broker.stop()

    @plain_build
    def test_p09_no_core_file(self):
        with tempfile.TemporaryDirectory() as directory:
            for number in range(100):
                home = Home()
                process = subprocess.Popen(
                    [SPAREKEYD, "--address=none"], cwd=directory, env=home.environment(), stderr=subprocess.DEVNULL,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
                    if os.geteuid() == 0 else None)
                wait_until(lambda: os.path.exists(home.runtime + "/sparekey/peer"), 20, "the start")
                process.send_signal(signal.SIGSEGV)
                process.wait()
                self.assertFalse(os.WCOREDUMP(process.returncode & 0xff) and process.returncode > 0)
                home.remove()
            self.assertEqual(os.listdir(directory), [])


class WhoMay(unittest.TestCase):
    @needs_root
    def test_p12_another_uid_gets_nothing(self):
        broker = Broker()
        path = broker.home.runtime + "/sparekey/peer"
        broker.peer().create("one")
        # The directory alone would stop them: open it, so that the peer check is what is tested.
        for directory in (broker.home.directory, broker.home.runtime, broker.home.runtime + "/sparekey"):
            os.chmod(directory, 0o755)
        os.chmod(path, 0o777)
        uid, gid = other_user()

        def attempt():
            try:
                Client("unix:path=" + path, timeout=5).list()
                return "in"
            except Exception as error:  # whichever way it is refused
                return type(error).__name__

        self.assertNotEqual(in_child(attempt, uid, gid), "in")
        self.assertEqual(in_child(attempt), "in")
        broker.stop()

    @needs_root
    def test_p12_root_may_only_verify_on_a_users_socket(self):
        uid, gid = other_user()
        broker = Broker(uid=uid, gid=gid)
        made = os.path.join(broker.home.directory, "made")
        secret = in_child(lambda: Client(broker.peer_address).create("one", options(scopes=["imap"]))[1], uid, gid)
        root = broker.peer()
        root.verify(secret)
        for call in (lambda: root.create("two"), root.list, root.managed, root.events, root.revoke_all,
                     lambda: root.find("one"), lambda: root.identify(secret), lambda: root.get(PATH, "Version", MANAGER),
                     lambda: root.revoke(PATH + "/password/" + secret[:5]),
                     lambda: root.get_all(PATH + "/password/" + secret[:5])):
            self.assertRaises(BusError, call)
        text = root.introspect(PATH)
        self.assertIn(VERIFIER, text)
        self.assertNotIn(MANAGER, text)
        self.assertNotIn(PASSWORD, text)
        self.assertFalse(os.path.exists(made))
        broker.stop()


class Durability(unittest.TestCase):
    def test_p18_kills_lose_and_revive_nothing(self):
        kills = min(KILLS, 40) if SANITIZER else KILLS
        home = Home(settings={"max-passwords": "100000"})
        steady_home = Home(settings={"max-passwords": "100000"})
        steady = None
        live, ended, unsure = {}, set(), set()
        for round_number in range(kills):
            broker = Broker(home=home)
            if steady is None:
                broker.peer().create("first")
                steady = Broker(home=steady_home, arguments=[f"--data-dir={home.data_dir}"])
                other = steady.peer()
            client = broker.peer()
            stop = time.monotonic() + random.uniform(0.002, 0.06)
            killer = threading.Timer(stop - time.monotonic(), broker.process.kill)
            killer.start()
            number = 0
            try:
                while True:
                    number += 1
                    label = f"{round_number}-{number}"
                    path, secret = client.create(label)
                    live[path] = secret
                    if number % 2 == 0:
                        victim = random.choice(list(live))
                        unsure.add(victim)
                        client.revoke(victim)
                        unsure.discard(victim)
                        live.pop(victim)
                        ended.add(victim)
            except Exception:  # the kill, wherever it hit
                pass
            killer.join()
            broker.process.wait()
            client.close()
            broker.clients = []
            if round_number % 20 == 0:
                other.create(f"steady {round_number}")
        for path in unsure:
            live.pop(path, None)
        there = set(other.paths())
        self.assertEqual([path for path in live if path not in there], [], "acknowledged and lost")
        self.assertEqual([path for path in ended if path in there], [], "revoked and back")
        self.assertGreater(len(live), kills // 4)
        self.assertGreater(len(ended), kills // 20)
        for path, secret in random.sample(sorted(live.items()), min(20, len(live))):
            other.verify(secret)
        steady.stop()
        steady_home.remove()
        home.remove()

    def test_p20_refused_after_revoke_from_any_process(self):
        rounds = 300 if SANITIZER else 5000  # two processes asked after each: 10,000
        warm = Broker(settings={"max-passwords": "100000"})
        first = warm.peer()
        path, secret = first.create("start")
        home = Home(settings={"max-passwords": "100000"})
        other = Broker(home=home, arguments=[f"--data-dir={warm.home.data_dir}"])
        second = other.peer()
        accepted = []
        for number in range(rounds):
            path, secret = first.create(f"race {number}")
            first.verify(secret)
            for client in (second,) if number % 2 else (first,):
                client.revoke(path)
            for client in (first, second):
                try:
                    client.verify(secret)
                    accepted.append(number)
                except BusError as error:
                    self.assertEqual(error.name, AUTHENTICATION_FAILED)
        self.assertEqual(accepted, [])
        other.stop()
        home.remove()
        warm.stop()


class Availability(unittest.TestCase):
    def test_p28_no_message_stops_it(self):
        broker = Broker()
        client = broker.peer()
        address = broker.peer_address.partition("=")[2]
        for garbage in (b"\0" * 100, b"\0AUTH ANONYMOUS\r\n", b"\0AUTH DBUS_COOKIE_SHA1 00\r\n", os.urandom(5000),
                        b"\0AUTH EXTERNAL " + b"f" * 40000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.connect(address)
                try:
                    peer.sendall(garbage)
                except OSError:
                    pass
            client.ping()
        silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(60)]
        for peer in silent:
            peer.connect(address)
        client.ping()
        for peer in silent:
            peer.close()
        for count in (17, 100, 200):
            many = Client(broker.peer_address)
            fds = [os.dup(0) for _ in range(count)]
            try:
                many.send(PATH, VERIFIER, "Verify", "ssa{sv}", ["x", "imap", {}], extra_fds=fds)
            except OSError:
                pass
            for fd in fds:
                os.close(fd)
            client.ping()
            many.close()
        self.assertEqual(refusal(lambda: client.verify_inline("x" * 2000000))[0], AUTHENTICATION_FAILED)
        client.create("still here")
        broker.stop()

    def test_a_silent_pipe_costs_nobody_else(self):
        broker = Broker()
        client = broker.peer()
        _, secret = client.create("one")
        slow = Client(broker.peer_address, timeout=20)
        read_end, write_end = os.pipe()
        outcome = []
        slow.ping()
        start = time.monotonic()

        def wait():
            outcome.append(refusal(lambda: slow.verify_fd(read_end)))
            outcome.append(time.monotonic() - start)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        calls = 0
        while thread.is_alive():
            client.verify(secret)
            calls += 1
        thread.join()
        self.assertEqual(outcome[0][0], AUTHENTICATION_FAILED)
        self.assertGreater(outcome[1], 4.5)
        self.assertLess(outcome[1], 10)
        self.assertGreater(calls, 500)
        os.close(read_end)
        os.close(write_end)
        broker.stop()

    @plain_build
    def test_ping_beside_four_verifications_answers_as_if_idle(self):
        broker = Broker(settings={"argon2-memory-kib": "65536", "argon2-passes": "3", "cache-seconds": "0"})
        client = broker.peer()
        _, secret = client.create("one")
        start = time.monotonic()
        client.verify(secret)
        alone = time.monotonic() - start
        verified = []

        def verify():
            with Client(broker.peer_address) as own:
                own.ping()  # libdbus loses a descriptor that arrives with the end of authentication
                verified.append(own.verify(secret)[0])

        threads = [threading.Thread(target=verify) for _ in range(4)]
        for thread in threads:
            thread.start()
        times = []
        while any(thread.is_alive() for thread in threads):
            start = time.monotonic()
            client.ping()
            times.append(time.monotonic() - start)
        self.assertEqual(len(verified), 4)
        self.assertGreater(len(times), 20)
        self.assertLess(sorted(times)[len(times) // 2], alone / 10)
        broker.stop()

    def test_a_caller_that_is_gone_leaves_nothing(self):
        broker = Broker(settings={"argon2-memory-kib": "65536", "argon2-passes": "4"})
        watcher = broker.peer()
        for number in range(5):
            leaver = Client(broker.peer_address)
            leaver.send(PATH, MANAGER, "CreatePasswordByFileDescriptor", "sa{sv}", [f"left {number}", {}])
            time.sleep(0.01)
            leaver.close()
        time.sleep(2)
        self.assertEqual(watcher.paths(), [])
        broker.stop()


class SideChannels(unittest.TestCase):
    def test_p38_one_error_for_every_refusal(self):
        broker = Broker()
        client = broker.peer()
        frozen_path, frozen = client.create("frozen")
        client.on_password(frozen_path, "Freeze")
        gone_path, gone = client.create("gone")
        client.revoke(gone_path)
        _, expired = client.create("expired", expires_at=int(time.time()) + 1)
        _, scoped = client.create("scoped", scopes=["smtp"])
        _, bound = client.create("bound", account="bob")
        time.sleep(2.1)
        answers = {refusal(lambda t=text: client.verify(t)) for text in
                   (frozen, gone, expired, scoped, bound, unknown_secret(), wrong_secret(frozen), "nonsense", "")}
        self.assertEqual(len(answers), 1, answers)
        self.assertEqual(answers.pop()[0], AUTHENTICATION_FAILED)
        reasons = {event[4].get("reason") for event in client.events() if event[2] == "refused"}
        self.assertLessEqual({"frozen", "scope", "account", "unknown", "wrong", "malformed"}, reasons)
        broker.stop()

    def test_p39_no_label_reaches_the_terminal_raw(self):
        broker = Broker()
        client = broker.peer()
        for hostile in ("a\nb", "\x1b[2Jx", "\x9bx", "x\u202ey", "x\u2066y", "x\u200by", "\ufeffx", "\u00ad"):
            self.assertEqual(refusal(lambda h=hostile: client.create(h))[0].rsplit(".", 1)[1], "InvalidLabel")
        client.create("good")
        with sqlite3.connect(broker.store) as database:
            database.execute("UPDATE password SET label = ?", ("\x1b[2J\u202eevil\nline",))
        database.close()
        for arguments in (("list",), ("--plain", "list"), ("show", client.paths()[0].rsplit("/", 1)[1])):
            said = run_tool(broker.home, *arguments)
            self.assertNotIn("\x1b", said.stdout + said.stderr)
            self.assertNotIn("\u202e", said.stdout + said.stderr)
        broker.stop()


if __name__ == "__main__":
    unittest.main()
