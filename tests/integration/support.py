# SPDX-License-Identifier: MIT
"""What the integration tests stand on: a private bus, a broker with a home of its own, a client, the tool.

Nothing here touches the caller's own bus, home or store. The build directory comes from SPAREKEY_BUILD (default
build/release below the source tree); SPAREKEY_SANITIZER=1 says that it was built with sanitizers.
"""
import atexit
import base64
import contextlib
import hashlib
import hmac
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from rawdbus import (BusError, Connection, Disconnected, Message, TimedOut, Variant,  # noqa: E402,F401
                     plain, result)

BUILD = os.path.join(ROOT, os.environ.get("SPAREKEY_BUILD", "build/release"))
SANITIZER = os.environ.get("SPAREKEY_SANITIZER") == "1"
SPAREKEYD = os.path.join(BUILD, "sparekeyd")
SPAREKEY = os.path.join(BUILD, "sparekey")

NAME = "org.sparekey.Broker1"
PATH = "/org/sparekey/Broker1"
PASSWORDS = PATH + "/password"
MANAGER = NAME + ".Manager"
VERIFIER = NAME + ".Verifier"
OWNER = NAME + ".Owner"
PASSWORD = NAME + ".Password"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
PROPERTIES = "org.freedesktop.DBus.Properties"
PEER = "org.freedesktop.DBus.Peer"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"

OWN = NAME + ".Error."
STANDARD = "org.freedesktop.DBus.Error."
AUTHENTICATION_FAILED = OWN + "AuthenticationFailed"
SECOND_FACTOR_NOT_ENROLLED = OWN + "SecondFactorNotEnrolled"
LABEL_IN_USE = OWN + "LabelInUse"
INVALID_LABEL = OWN + "InvalidLabel"
INVALID_SCOPE = OWN + "InvalidScope"
INVALID_EXPIRY = OWN + "InvalidExpiry"
LIMIT_EXCEEDED = OWN + "LimitExceeded"
NOT_SUPPORTED = OWN + "NotSupported"
NOT_INITIALIZED = OWN + "NotInitialized"
WRONG_STATE = OWN + "WrongState"
STORAGE_FAILED = OWN + "StorageFailed"
INLINE_SECRETS_DISABLED = OWN + "InlineSecretsDisabled"
INVALID_ARGS = STANDARD + "InvalidArgs"
UNKNOWN_OBJECT = STANDARD + "UnknownObject"
UNKNOWN_INTERFACE = STANDARD + "UnknownInterface"
UNKNOWN_METHOD = STANDARD + "UnknownMethod"
UNKNOWN_PROPERTY = STANDARD + "UnknownProperty"
PROPERTY_READ_ONLY = STANDARD + "PropertyReadOnly"

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SANITIZER_REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "UndefinedBehaviorSanitizer",
                     "runtime error:")
LOW_COST = {"create-requires": "nothing", "owner-argon2-memory-kib": 7168, "owner-argon2-passes": 1,
            "argon2-memory-kib": "1024", "argon2-passes": "1"}

_started = []


@atexit.register
def _end_what_is_left():
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


def start(arguments, **keywords):
    """subprocess.Popen of something that must not outlive the test."""
    process = subprocess.Popen(arguments, **keywords)
    _started.append(process)
    return process


def wait_until(condition, seconds=10, what="the condition"):
    """Waits until `condition()` is true and gives its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {seconds} s")
        time.sleep(0.005)


# Users.

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root")


def accepts(path):
    """A socket's file is there before its owner listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def other_user():
    """The uid and gid of an unprivileged user, for root to become: nobody, as every system has it."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def become(uid, gid):
    """Becomes that user for good; for preexec_fn or a forked child."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def in_child(work, uid=None, gid=None, seconds=60):
    """Runs `work()` in a forked child, as another user if one is given, and gives what it returned (as text)."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read_end)
            if uid is not None:
                become(uid, gid)
            os.write(write_end, str(work()).encode())
            code = 0
        except BaseException as error:  # the parent must learn of everything
            os.write(write_end, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        said = stream.read().decode()
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError(f"in the child: {said}")
    return said


# Passwords.

def correct(symbols):
    """The 23 symbols of a text (id and secret) with their check: the canonical text."""
    powers = [1]
    for _ in range(31):
        doubled = powers[-1] << 1
        powers.append(doubled ^ 0b100101 if doubled & 32 else doubled)
    logs = {power: exponent for exponent, power in enumerate(powers[:31])}

    def multiply(a, b):
        return 0 if a == 0 or b == 0 else powers[(logs[a] + logs[b]) % 31]

    values = [ALPHABET.index(symbol) for symbol in symbols]
    plain_sum = weighted = 0
    for place, value in enumerate(values):
        plain_sum ^= value
        weighted ^= multiply(value, powers[place % 31])
    # c23 + c24 = plain_sum and c23 a^23 + c24 a^24 = weighted.
    divisor = powers[23] ^ powers[24]
    c24 = multiply(weighted ^ multiply(plain_sum, powers[23]), powers[(31 - logs[divisor]) % 31])
    c23 = plain_sum ^ c24
    text = symbols + ALPHABET[c23] + ALPHABET[c24]
    return "-".join(text[place:place + 5] for place in range(0, 25, 5))


def wrong_secret(secret):
    """A well-formed text with the same id and another secret."""
    symbols = secret.replace("-", "")[:23]
    other = ALPHABET[(ALPHABET.index(symbols[10]) + 1) % 32]
    return correct(symbols[:10] + other + symbols[11:])


def unknown_secret(but=()):
    """A well-formed text whose id is none of `but`."""
    for symbol in ALPHABET:
        if symbol * 5 not in but:
            return correct(symbol * 5 + "0123456789abcdefgh")
    raise AssertionError("every id is taken")


def mistyped_secret(secret, group=3):
    """The text with one symbol of that group changed."""
    place = (group - 1) * 6 + 2
    other = ALPHABET[(ALPHABET.index(secret[place]) + 7) % 32]
    return secret[:place] + other + secret[place + 1:]


# An authenticator, by the RFCs' own words and not by the library the broker uses.

def code_at(key, step):
    """RFC 6238, RFC 4226 section 5.3."""
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 10**6:06d}"


def key_of(address):
    """The key of an otpauth:// address, and all its fields."""
    fields = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
    return base64.b32decode(fields["secret"]), fields


# Descriptors.

def pipe_with(content):
    """The read end of a pipe that holds `content` and is closed for writing."""
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    return read_end


def read_all(fd):
    """Everything up to the end of file; closes it."""
    with os.fdopen(fd, "rb") as stream:
        return stream.read()


OPTION_TYPES = {"scopes": "as", "account": "s", "expires_at": "t", "after": "s", "limit": "u", "scope": "s",
                "unused_since": "t", "created_before": "t", "except": "ao", "password": "o", "before": "x",
                "remote": "s", "record": "b", "diagnosis": "s", "group": "u"}


def options(**values):
    """An a{sv} of options of the contract by their names; Variants are taken as they are. `except_` is except."""
    found = {}
    for name, value in values.items():
        name = name.rstrip("_")
        found[name] = value if isinstance(value, Variant) else Variant(OPTION_TYPES[name], value)
    return found


class Client(Connection):
    """A connection to one broker, on a bus or peer to peer, that knows the contract."""

    def __init__(self, address, on_bus=False, timeout=30, subscribe=False):
        super().__init__(address, hello=on_bus, timeout=timeout)
        self.destination = NAME if on_bus else None
        self.on_bus = on_bus
        if not on_bus:
            self.ping()  # libdbus loses descriptors that arrive together with the end of authentication
        if subscribe and on_bus:
            self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s",
                      [f"type='signal',sender='{NAME}'"], destination="org.freedesktop.DBus")

    def manager(self, member, signature="", args=(), **keywords):
        return self.call(PATH, MANAGER, member, signature, args, **keywords)

    def on_password(self, path, member, signature="a{sv}", args=({},), **keywords):
        return self.call(path, PASSWORD, member, signature, args, **keywords)

    def ping(self):
        self.call(PATH, PEER, "Ping")

    def create(self, label, given=None, **values):
        """By descriptor: object path and secret."""
        if given is None:
            given = options(**values)
        path, fd = self.manager("CreatePasswordByFileDescriptor", "sa{sv}", [label, given])
        return path, read_all(fd).decode()

    def create_inline(self, label, given=None, **values):
        if given is None:
            given = options(**values)
        return tuple(self.manager("CreatePassword", "sa{sv}", [label, given]))

    def verify_fd(self, fd, scope="imap", given=None, timeout=None):
        """By descriptor `fd`, which stays the caller's: object path and details."""
        return tuple(self.call(PATH, VERIFIER, "VerifyByFileDescriptor", "hsa{sv}", [fd, scope, given or {}],
                               timeout=timeout))

    def verify(self, secret, scope="imap", given=None, timeout=None, **values):
        fd = pipe_with(secret if isinstance(secret, bytes) else secret.encode())
        try:
            return self.verify_fd(fd, scope, options(**values) if given is None else given, timeout)
        finally:
            os.close(fd)

    def verify_inline(self, secret, scope="imap", given=None, **values):
        return tuple(self.call(PATH, VERIFIER, "Verify", "ssa{sv}",
                               [secret, scope, options(**values) if given is None else given]))

    def identify(self, secret, given=None):
        fd = pipe_with(secret if isinstance(secret, bytes) else secret.encode())
        try:
            return self.manager("IdentifyByFileDescriptor", "ha{sv}", [fd, given or {}])[0]
        finally:
            os.close(fd)

    def find(self, name, **values):
        return self.manager("FindPassword", "sa{sv}", [name, options(**values)])[0]

    def list(self, **values):
        """The rows of ListPasswords."""
        return self.manager("ListPasswords", "a{sv}", [options(**values)])[0]

    def paths(self):
        """All object paths, page by page."""
        found = []
        after = ""
        while True:
            rows = self.list(after=after)
            if not rows:
                return found
            found += [path for path, _ in rows]
            after = rows[-1][1]["Id"]

    def events(self, not_before=0, limit=1000, **values):
        return self.manager("ListEvents", "tua{sv}", [not_before, limit, options(**values)])[0]

    def revoke(self, path):
        self.on_password(path, "Revoke")

    def revoke_all(self, given=None, **values):
        return self.manager("RevokeAll", "a{sv}a{sv}", [options(**values) if given is None else given, {}])[0]

    def get(self, path, name, interface=PASSWORD):
        return self.call(path, PROPERTIES, "Get", "ss", [interface, name])[0]

    def get_all(self, path, interface=PASSWORD):
        return self.call(path, PROPERTIES, "GetAll", "s", [interface])[0]

    def introspect(self, path):
        return self.call(path, INTROSPECTABLE, "Introspect")[0]

    def managed(self):
        return self.call(PATH, OBJECT_MANAGER, "GetManagedObjects")[0]


class Bus:
    """A dbus-daemon of its own, with its socket in a temporary directory."""

    def __init__(self, uid=None, gid=None):
        self.directory = tempfile.mkdtemp(prefix="sparekey-bus-")
        self.address = f"unix:path={self.directory}/bus"
        config = os.path.join(self.directory, "bus.conf")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write('<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"\n'
                         ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
                         f"<busconfig><type>session</type><listen>{self.address}</listen><auth>EXTERNAL</auth>\n"
                         f"<servicedir>{self.directory}/services</servicedir>\n"
                         '<policy context="default"><allow send_destination="*" eavesdrop="true"/>\n'
                         '<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>\n')
        os.mkdir(os.path.join(self.directory, "services"))
        if uid is not None:
            os.chown(self.directory, uid, gid)
        self.process = start(["dbus-daemon", "--nofork", "--nosyslog", "--nopidfile", f"--config-file={config}"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=None if uid is None else lambda: become(uid, gid))
        wait_until(lambda: accepts(f"{self.directory}/bus"), what="the bus's socket")

    def connect(self, **keywords):
        """A plain connection to the bus."""
        return Connection(self.address, hello=True, **keywords)

    def owner(self, name=NAME):
        """The unique name that owns `name`, or None."""
        with self.connect() as connection:
            try:
                return connection.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", [name],
                                       destination="org.freedesktop.DBus")[0]
            except BusError:
                return None

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Home:
    """The directories of one user, in a temporary place; its settings give low Argon2 cost. `volatile` puts them in
    memory where there is such a place: for tests of thousands of commits that are not about durability."""

    def __init__(self, settings=None, uid=None, gid=None, volatile=False):
        self.uid = uid
        self.gid = gid
        self.directory = tempfile.mkdtemp(prefix="sparekey-home-", dir="/dev/shm" if volatile and
                                          os.access("/dev/shm", os.W_OK) else None)
        self.home = os.path.join(self.directory, "home")
        self.data = os.path.join(self.home, "data")
        self.runtime = os.path.join(self.directory, "run")
        self.config = os.path.join(self.home, "config")
        for path in (self.home, self.data, self.runtime, self.config, os.path.join(self.config, "sparekey")):
            os.mkdir(path, 0o700)
        self.settings_file = os.path.join(self.config, "sparekey", "sparekey.conf")
        self.data_dir = os.path.join(self.data, "sparekey")
        self.store = os.path.join(self.data_dir, "sparekey.db")
        self.set(settings or {})
        if uid is not None:
            for base, _, files in os.walk(self.directory):
                for path in [base] + [os.path.join(base, name) for name in files]:
                    os.chown(path, uid, gid)

    def set(self, settings):
        """Writes the settings file: low cost, and what is given."""
        with open(self.settings_file, "w", encoding="utf-8") as stream:
            for name, value in {**LOW_COST, **settings}.items():
                stream.write(f"{name} = {value}\n")

    def environment(self, bus=None, **changes):
        """The environment of a process of that user; a change to None leaves a variable out."""
        found = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                                     "TSAN_OPTIONS", "LSAN_OPTIONS") if name in os.environ}
        found.update(HOME=self.home, XDG_DATA_HOME=self.data, XDG_RUNTIME_DIR=self.runtime,
                     XDG_CONFIG_HOME=self.config)
        if bus is not None:
            found["DBUS_SESSION_BUS_ADDRESS"] = bus.address
        for name, value in changes.items():
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
        return found

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Broker:
    """A sparekeyd on `bus`, or by its peer socket alone if there is none.

    `home` shares another broker's directories and settings. `uid` and `gid` run it as that user. `wait=False` does not
    wait until it answers: for brokers that are expected to refuse."""

    def __init__(self, bus=None, home=None, settings=None, arguments=(), environment=None, uid=None, gid=None,
                 address=None, wait=True, pass_fds=(), preexec=None):
        self.bus = bus
        self.own_home = home is None
        self.home = home or Home(settings, uid, gid)
        self.uid = uid if uid is not None else self.home.uid
        self.gid = gid if gid is not None else self.home.gid
        self.store = self.home.store
        self.peer_address = f"unix:path={self.home.runtime}/sparekey/peer"
        self.clients = []
        handle, self.log_file = tempfile.mkstemp(prefix="broker-", suffix=".log", dir=self.home.directory)
        if address is None:
            address = "--address=none" if bus is None else f"--address={bus.address}"
        line = [SPAREKEYD] + ([address] if address else []) + ["--idle-exit=0"] + list(arguments)
        if self.uid is not None and os.geteuid() == 0:
            line[0] = self.reachable_binary()

        def prepare():
            if preexec is not None:
                preexec()
            if self.uid is not None and os.geteuid() == 0:
                become(self.uid, self.gid)

        self.process = start(line, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle, pass_fds=pass_fds,
                             env=self.home.environment(bus, **(environment or {})), cwd=self.home.home
                             if os.path.isdir(self.home.home) else "/", preexec_fn=prepare)
        os.close(handle)
        self.pid = self.process.pid
        if wait:
            self.wait_ready()

    def reachable_binary(self):
        """A copy the other user can execute: the source tree may lie where only we can look."""
        copy = os.path.join(self.home.directory, "sparekeyd")
        if not os.path.exists(copy):
            shutil.copy(SPAREKEYD, copy)
            os.chmod(copy, 0o755)
        return copy

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the broker ended with {self.process.returncode}:\n{self.log()}")
        if self.bus is not None:
            return self.bus.owner() is not None
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(self.peer_address.partition("=")[2])
            return True
        except OSError:
            return False

    def wait_ready(self):
        wait_until(self.is_ready, 20, "the broker's start")

    def connect(self, **keywords):
        """A client: on the bus if there is one, else peer to peer."""
        if self.bus is None:
            return self.peer(**keywords)
        client = Client(self.bus.address, on_bus=True, **keywords)
        self.clients.append(client)
        return client

    def peer(self, **keywords):
        client = Client(self.peer_address, **keywords)
        self.clients.append(client)
        return client

    def end(self, number=signal.SIGTERM, seconds=20):
        """Sends the signal and gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def check_log(self):
        text = self.log()
        for report in SANITIZER_REPORTS:
            if report in text:
                raise AssertionError(text)

    def stop(self):
        """Ends it by SIGTERM; it must exit with 0 and without a sanitizer's report."""
        for client in self.clients:
            client.close()
        try:
            code = self.end()
            self.check_log()
            if code != 0:
                raise AssertionError(f"exit code {code}:\n{self.log()}")
        finally:
            self.remove()

    def stop_keeping_files(self):
        """As stop, but its directories stay until remove."""
        own_home, self.own_home = self.own_home, False
        try:
            self.stop()
        finally:
            self.own_home = own_home

    def kill(self):
        """kill -9, as a power cut would."""
        for client in self.clients:
            client.close()
        self.clients = []
        self.process.kill()
        self.process.wait()

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_home:
            self.home.remove()

    def run_tool(self, *arguments, **keywords):
        return run_tool(self.home, *arguments, bus=self.bus, **keywords)


def make_activatable(bus, home, *arguments):
    """Has the bus start a broker of that home at the first call."""
    wrapper = os.path.join(home.directory, "start")
    with open(wrapper, "w", encoding="utf-8") as stream:
        stream.write("#!/bin/sh\nexec env -i")
        for name, value in home.environment(bus).items():
            stream.write(f" '{name}={value}'")
        stream.write(f" '{SPAREKEYD}' {' '.join(arguments)} 2>>'{home.directory}/log'\n")
    os.chmod(wrapper, 0o700)
    with open(os.path.join(bus.directory, "services", NAME + ".service"), "w", encoding="utf-8") as stream:
        stream.write(f"[D-BUS Service]\nName={NAME}\nExec={wrapper}\n")
    with bus.connect() as connection:
        connection.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig",
                        destination="org.freedesktop.DBus")


def run_broker(home, *arguments, bus=None, environment=None, seconds=30):
    """Runs a sparekeyd that is expected to end by itself: the finished process, with its output."""
    done = subprocess.run([SPAREKEYD, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=seconds, env=home.environment(bus, **(environment or {})),
                          check=False)
    for report in SANITIZER_REPORTS:
        if report in done.stderr:
            raise AssertionError(done.stderr)
    return done


def run_tool(home, *arguments, bus=None, input_text="", environment=None, seconds=60):
    """Runs `sparekey` with that home: the finished process, with its output."""
    done = subprocess.run([SPAREKEY, *arguments], input=input_text, capture_output=True, text=True, timeout=seconds,
                          env=home.environment(bus, **(environment or {})), check=False)
    for report in SANITIZER_REPORTS:
        if report in done.stderr:
            raise AssertionError(done.stderr)
    return done


def stored_hash(store, identifier):
    """The PHC string of one password, read from the file: the one text of its row that begins like one."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                if identifier in row:
                    for value in row:
                        if isinstance(value, str) and value.startswith("$argon2id$"):
                            return value
    raise AssertionError(f"no hash of {identifier}")


@contextlib.contextmanager
def locked(store):
    """Holds SQLite's exclusive lock on the store, as another process may."""
    database = sqlite3.connect(store, isolation_level=None)
    try:
        database.execute("BEGIN EXCLUSIVE")
        yield database
        database.execute("ROLLBACK")
    finally:
        database.close()


class TestCase(unittest.TestCase):
    """With the assertion these tests live on."""

    maxDiff = None

    def assert_error(self, name, call, *arguments, **keywords):
        """The call answers that D-Bus error; its text is returned."""
        try:
            answer = call(*arguments, **keywords)
        except BusError as error:
            self.assertEqual(error.name, name, error.text)
            return error.text
        raise AssertionError(f"no {name}, but {answer!r}")

    def client(self, broker, **keywords):
        """A client that is closed when the test ends."""
        client = broker.connect(**keywords)
        self.addCleanup(client.close)
        return client


class SharedBroker(TestCase):
    """One bus and one broker for a whole class."""

    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.bus = Bus()
        cls.addClassCleanup(cls.bus.stop)
        cls.broker = Broker(cls.bus, settings=cls.settings)
        cls.addClassCleanup(cls.broker.stop)

    def setUp(self):
        self.c = self.client(self.broker, subscribe=True)

    def tearDown(self):
        self.c.revoke_all({})
