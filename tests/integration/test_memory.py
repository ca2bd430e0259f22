# SPDX-License-Identifier: MIT
"""What is left in memory (P7), who may look into it (P8), and that a crash leaves no core (P9).

Memory is read through /proc/PID/mem, page by page: that shows guarded pages too, which a core file leaves out."""
import base64
import ctypes
import fcntl
import os
import pty
import resource
import secrets as random_words
import select
import shutil
import signal
import tempfile
import termios
import time
import unittest

from support import (AUTHENTICATION_FAILED, SANITIZER, SPAREKEY, SPAREKEYD, Broker, Bus, Home, TestCase, become, in_child, needs_root,
                     other_user, start, wait_until, wrong_secret)
from test_at_rest import parts
from test_owner import Owner

not_sanitized = unittest.skipIf(SANITIZER, "a sanitizer keeps freed memory and its own signal handlers")
libc = ctypes.CDLL(None, use_errno=True)


def regions(pid):
    """Every mapping but the kernel's own: first and last address, and its line."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as stream:
        for line in stream:
            if "[vvar" not in line and "[vsyscall" not in line:
                first, last = (int(number, 16) for number in line.split()[0].split("-"))
                yield first, last, line


def memory(pid):
    """The content of each mapping, as far as there is any; neighbours are joined."""
    pieces = []
    end = None
    with open(f"/proc/{pid}/mem", "rb", 0) as stream:
        for first, last, _ in regions(pid):
            if first != end:
                pieces.append(bytearray())
            end = last
            at = first
            while at < last:
                step = min(1 << 20, last - at)
                try:
                    stream.seek(at)
                    pieces[-1] += stream.read(step)
                except OSError:
                    # One page of the megabyte cannot be read: take the others.
                    for page in range(at, at + step, 4096):
                        try:
                            stream.seek(page)
                            pieces[-1] += stream.read(4096)
                        except OSError:
                            pieces.append(bytearray())
                at += step
    return [bytes(piece) for piece in pieces if piece]


class Copies(TestCase):
    def found_in(self, pid, texts):
        whole = memory(pid)
        self.assertGreater(sum(len(piece) for piece in whole), 1 << 20)
        return [text for text in texts if any(text in piece for piece in whole)]

    @needs_root
    @not_sanitized
    def test_p07_no_copy_one_second_later(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        client = broker.connect()
        needle = "needle-" + random_words.token_hex(12)
        # The needle is a label for the broker, and a name on the bus for its daemon.
        client.create(needle)
        client.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", ["org.example." + needle, 4],
                    destination="org.freedesktop.DBus")
        known = []
        for number in range(5):
            path, secret = client.create(f"Phone {number}")
            known.append(secret)
            client.verify(secret)
            client.verify(secret.upper() + "\r\n")
            client.verify(secret.replace("-", " "), "smtp")
            client.identify(secret)
            wrong = wrong_secret(secret)
            known.append(wrong)
            self.assert_error(AUTHENTICATION_FAILED, client.verify, wrong)
            if number % 2:
                client.revoke(path)
                self.assert_error(AUTHENTICATION_FAILED, client.verify, secret)
        peer = broker.peer()
        path, secret = peer.create("By the peer socket")
        known.append(secret)
        peer.verify(secret)
        texts = set()
        for secret in known:
            for form in (secret, secret.upper(), secret.replace("-", " ")):
                texts |= parts(form)
        time.sleep(1)
        self.assertEqual(self.found_in(broker.pid, [needle.encode()]), [needle.encode()], "the needle is not found")
        self.assertEqual(self.found_in(bus.process.pid, [needle.encode()]), [needle.encode()])
        self.assertEqual(self.found_in(broker.pid, texts), [])
        self.assertEqual(self.found_in(bus.process.pid, texts), [])
        broker.stop()

    @needs_root
    @not_sanitized
    def test_p07_nor_of_the_owners_secrets_while_a_proof_lasts(self):
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        owner = Owner(broker.peer())
        needle = "needle-" + random_words.token_hex(12)
        owner.c.create(needle)
        first, second = (f"{random_words.token_hex(10)} {random_words.token_hex(10)}" for _ in range(2))
        owner.initialize(first)
        self.assert_none(broker, needle, {"main password": first})
        owner.enroll()
        owner.confirm(owner.code())
        key = {"key": owner.key, "base32": base64.b32encode(owner.key).rstrip(b"="), "hex": owner.key.hex()}
        self.assert_none(broker, needle, {"main password": first, **key})
        codes = owner.codes()
        self.assert_none(broker, needle, {"main password": first, **key, **{code: code for code in codes}})
        owner.authenticate(first, codes[0], True)
        owner.change(second)
        self.assert_none(broker, needle, {"old": first, "new": second, **key, codes[0]: codes[0]})
        owner.c.create("Phone")  # the proof does last
        broker.stop()

    def assert_none(self, broker, needle, known):
        time.sleep(1)
        self.assertEqual(self.found_in(broker.pid, [needle.encode()]), [needle.encode()], "the needle is not found")
        for name, text in known.items():
            text = text if isinstance(text, bytes) else text.encode()
            pieces = [text[at:at + 8] for at in range(len(text) - 7)]
            self.assertEqual(self.found_in(broker.pid, pieces), [], name)

    @needs_root
    @not_sanitized
    def test_p07_one_second_after_each_step(self):
        """Create, verify and revoke each by itself: what a later step overwrites must not have lain there before it."""
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        client = broker.connect()
        path, secret = client.create("Phone")
        steps = {"create": lambda: None, "verify": lambda: client.verify(secret), "revoke": lambda: client.revoke(path)}
        texts = parts(secret)
        for step, work in steps.items():
            with self.subTest(step=step):
                work()
                time.sleep(1)
                self.assertEqual(self.found_in(broker.pid, texts), [])
                self.assertEqual(self.found_in(bus.process.pid, texts), [])
        broker.stop()

    @needs_root
    @not_sanitized
    def test_p07_the_search_finds_a_secret_that_is_there(self):
        """By the string form, which leaves copies: so the search above could have found one."""
        bus = Bus()
        self.addCleanup(bus.stop)
        broker = Broker(bus)
        self.addCleanup(broker.remove)
        client = broker.connect()
        _, secret = client.create_inline("Phone")
        client.verify_inline(secret)
        self.assertNotEqual(self.found_in(broker.pid, parts(secret)) +
                            self.found_in(bus.process.pid, parts(secret)), [])
        broker.stop()


def attempts(pid, address):
    """What a process of the same user may do to that one: names of what it could, joined."""
    possible = []

    def can(name, work):
        try:
            if work():
                possible.append(name)
        except OSError:
            pass

    def opened(name):
        with open(f"/proc/{pid}/{name}", "rb", 0) as stream:
            if name == "mem":
                stream.seek(address)
            return len(stream.read(1)) == 1

    def read_memory():
        class Vector(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

        buffer = ctypes.create_string_buffer(16)
        ours = Vector(ctypes.cast(buffer, ctypes.c_void_p), 16)
        theirs = Vector(address, 16)
        return libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) > 0

    def traced():
        if libc.ptrace(0x4206, pid, None, None) != 0:  # PTRACE_SEIZE
            return False
        return True  # it is let go when we end

    def attached():
        if libc.ptrace(16, pid, None, None) != 0:  # PTRACE_ATTACH
            return False
        os.waitpid(pid, 0)
        libc.ptrace(17, pid, None, None)
        return True

    def stolen():
        handle = os.pidfd_open(pid)
        fd = libc.syscall(438, handle, 2, 0)  # pidfd_getfd of standard error
        os.close(handle)
        return fd >= 0

    for name in ("mem", "maps", "smaps", "environ", "auxv"):
        can(name, lambda name=name: opened(name))
    can("fd", lambda: os.listdir(f"/proc/{pid}/fd"))
    can("process_vm_readv", read_memory)
    can("pidfd_getfd", stolen)
    can("attach", attached)
    can("seize", traced)
    return " ".join(sorted(possible))


class SameUser(TestCase):
    @not_sanitized
    def test_p08_a_process_of_the_same_user_cannot_look_in(self):
        uid, gid = other_user() if os.geteuid() == 0 else (None, None)
        broker = Broker(uid=uid, gid=gid)
        self.addCleanup(broker.remove)
        victim = start(["sleep", "1000"], preexec_fn=None if uid is None else lambda: become(uid, gid))
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)

        def somewhere(pid):
            return next(first for first, _, line in regions(pid) if "r" in line.split()[1])

        # What can be done to any other process shows what the attempts are worth.
        wait_until(lambda: b"sleep" in open_bytes(f"/proc/{victim.pid}/cmdline"))
        spot = somewhere(victim.pid)
        usual = in_child(lambda: attempts(victim.pid, spot), uid, gid)
        for name in ("mem", "maps", "environ", "fd"):
            self.assertIn(name, usual.split())
        if not restricted():
            self.assertEqual(usual, "attach auxv environ fd maps mem pidfd_getfd process_vm_readv seize smaps")
        spot = somewhere(broker.pid) if os.geteuid() == 0 else spot  # only root can tell where it has memory
        self.assertEqual(in_child(lambda: attempts(broker.pid, spot), uid, gid), "")
        broker.stop()

    @needs_root
    @not_sanitized
    def test_p08_the_tool_during_a_prompt(self):
        """While it asks for a password, and while it shows one, on a terminal."""
        uid, gid = other_user()
        broker = Broker(uid=uid, gid=gid)
        self.addCleanup(broker.remove)
        tool = os.path.join(broker.home.directory, "sparekey")
        shutil.copy(SPAREKEY, tool)
        os.chmod(tool, 0o755)
        for arguments, prompt in ((("verify", "--scope", "imap"), b"App password: "), (("which",), b"App password: "),
                                  (("new", "Phone"), b"Press Enter")):
            with self.subTest(command=arguments[0]):
                master, slave = pty.openpty()
                os.fchown(slave, uid, gid)
                process = start([tool, *arguments], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                env={**broker.home.environment(), "TERM": "xterm"}, cwd="/",
                                preexec_fn=lambda: (fcntl.ioctl(slave, termios.TIOCSCTTY, 0), become(uid, gid)))
                os.close(slave)
                shown = b""
                while prompt not in shown:
                    self.assertTrue(select.select([master], [], [], 10)[0], shown)
                    shown += os.read(master, 4096)
                spot = next(first for first, _, line in regions(process.pid) if "r" in line.split()[1])
                self.assertEqual(in_child(lambda: attempts(process.pid, spot), uid, gid), "")
                os.write(master, b"nonsense\n")
                self.assertIn(process.wait(10), (0, 1))
                os.close(master)
        broker.stop()


def restricted():
    """Whether Yama keeps processes from tracing what is not their child."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as stream:
            return stream.read().strip() != "0"
    except FileNotFoundError:
        return False


def open_bytes(path):
    with open(path, "rb") as stream:
        return stream.read()


class Cores(TestCase):
    def crash(self, arguments, directory, ready, **keywords):
        """Whether the process left a core when it crashed, as its parent is told."""
        def prepare():
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

        process = start(arguments, cwd=directory, preexec_fn=prepare, **keywords)
        wait_until(ready, 20, "the start")
        os.kill(process.pid, signal.SIGSEGV)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
        self.assertTrue(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV)
        return os.WCOREDUMP(status)

    @not_sanitized
    def test_p09_no_core_in_a_hundred_crashes(self):
        home = Home()
        self.addCleanup(home.remove)
        socket_path = os.path.join(home.runtime, "sparekey", "peer")
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(home.directory, "log")
            for number in range(100):
                if os.path.exists(socket_path):
                    os.unlink(socket_path)
                with open(log, "wb") as output:
                    self.assertFalse(self.crash([SPAREKEYD, "--address=none"], directory,
                                                lambda: os.path.exists(socket_path), env=home.environment(),
                                                stderr=output), number)
            self.assertEqual(os.listdir(directory), [])
            if not self.crash(["sleep", "1000"], directory, lambda: True):
                self.skipTest("100 crashes and no core, but here no program leaves one: limit or core_pattern")


if __name__ == "__main__":
    unittest.main()
