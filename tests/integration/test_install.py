#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What `make install` puts in place: right for any prefix, whole, started by D-Bus, and taken away again."""
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import NAME, ROOT, SANITIZER, Client, Home, accepts, other_user, become, needs_root, start, wait_until  # noqa: E402

PROGRAMS = ("bin/sparekey", "bin/sparekeyd")
UNIT = "lib/systemd/user/sparekeyd.service"
ACTIVATION = f"share/dbus-1/services/{NAME}.service"
FILES = sorted((*PROGRAMS, UNIT, ACTIVATION, "share/man/man1/sparekey.1", "share/man/man3/sparekey.3",
                "share/man/man8/sparekeyd.8", "include/sparekey.h", "lib/libsparekey.so", "lib/libsparekey.so.0",
                "lib/pkgconfig/libsparekey.pc",
                *(f"share/dbus-1/interfaces/{NAME}.{name}.xml" for name in ("Manager", "Verifier", "Owner", "Password")),
                *(f"share/doc/sparekey/{name}" for name in ("README.md", "LICENSE", "THREATS.md", "sparekey.conf"))))


def make(*arguments, room=ROOT, **keywords):
    """Runs make there without what an outer make has told its children."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL",
                                                                                     "MAKEOVERRIDES", "DESTDIR", "CFLAGS")}
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=room, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=environment, check=False, **keywords)


def files_below(directory):
    return sorted(os.path.relpath(os.path.join(base, name), directory)
                  for base, _, names in os.walk(directory) for name in names)


def copy_of_the_source(directory):
    """As a tarball has it: no git, no build."""
    for name in ("Makefile", "README.md", "LICENSE", "protocol", "broker", "client", "cli", "include", "data", "dbus", "man", "docs",
                 "tests", "examples"):
        source = os.path.join(ROOT, name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(directory, name))
        else:
            shutil.copy2(source, directory)


class Copy(unittest.TestCase):
    """A copy of the source, as a tarball has it and in a path with blanks."""

    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.mkdtemp(prefix="sparekey-install-")
        cls.addClassCleanup(shutil.rmtree, cls.room, ignore_errors=True)
        os.chmod(cls.room, 0o755)
        cls.source = os.path.join(cls.room, "the source")
        os.mkdir(cls.source)
        copy_of_the_source(cls.source)

    @classmethod
    def make(cls, *arguments, code=0, **keywords):
        """What make says there. The cheapest flags: this is not about the programs."""
        done = make("-j2", "CFLAGS=-O0", "HARDENING=-fPIE", *arguments, room=cls.source, **keywords)
        if done.returncode != code:
            raise AssertionError(done.stdout)
        return done.stdout


@unittest.skipIf(SANITIZER, "installs a build of its own: covered by the plain build")
class Installed(Copy):
    """Built for one prefix and installed there for real."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = os.path.join(cls.room, "opt")
        cls.make(f"prefix={cls.prefix}", "install", preexec_fn=lambda: os.umask(0o077))

    def installed(self, name):
        return os.path.join(self.prefix, name)

    def text(self, name):
        with open(self.installed(name), encoding="utf-8") as file:
            return file.read()

    def test_everything_and_nothing_else(self):
        self.assertEqual(files_below(self.prefix), FILES)

    def test_the_installers_umask_hides_nothing(self):
        for base, _, names in os.walk(self.prefix):
            self.assertEqual(stat.S_IMODE(os.stat(base).st_mode), 0o755, base)
            for name in names:
                path = os.path.join(base, name)
                wanted = 0o755 if os.path.relpath(path, self.prefix) in PROGRAMS else 0o644
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), wanted, path)

    def test_unit_and_activation_name_the_program(self):
        self.assertIn(f"\nExecStart={self.prefix}/bin/sparekeyd\n", self.text(UNIT))
        self.assertEqual(self.text(ACTIVATION).split("\n", 1)[1], f"[D-BUS Service]\nName={NAME}\n"
                         f"Exec={self.prefix}/bin/sparekeyd\nSystemdService=sparekeyd.service\n")

    def test_systemd_likes_the_unit(self):
        with tempfile.TemporaryDirectory() as runtime:
            done = subprocess.run(["systemd-analyze", "--user", "--man=no", "verify", self.installed(UNIT)], text=True,
                                  env={**os.environ, "XDG_RUNTIME_DIR": runtime, "HOME": runtime}, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_settings_are_read_where_the_manual_says(self):
        etc = os.path.join(self.prefix, "etc", "sparekey")
        self.assertIn(f"{etc}/sparekey.conf", self.text("share/man/man8/sparekeyd.8"))
        example = self.text("share/doc/sparekey/sparekey.conf")
        self.assertIn(f"{etc}/sparekey.conf", example)
        os.makedirs(etc)
        self.addCleanup(shutil.rmtree, os.path.join(self.prefix, "etc"))

        def check():
            done = subprocess.run([self.installed("bin/sparekeyd"), "--check-config"], text=True, capture_output=True,
                                  env={"HOME": self.room}, check=False)
            return done.returncode, done.stderr

        # Every default of the example stands as it is written, and a wrong value is found there.
        with open(f"{etc}/sparekey.conf", "w", encoding="utf-8") as file:
            file.write(re.sub(r"^#(?=[a-z])", "", example, flags=re.M))
        self.assertEqual(check(), (0, ""))
        self.assertEqual(len(re.findall(r"^#[a-z0-9-]+ =", example, re.M)), len(re.findall(r"^\.It Cm [a-z0-9-]+$", self.text(
            "share/man/man8/sparekeyd.8").partition(".Sh SETTINGS")[2], re.M)))
        with open(f"{etc}/sparekey.conf", "w", encoding="utf-8") as file:
            file.write("max-passwords = 0\n")
        code, told = check()
        self.assertEqual(code, 78)
        self.assertIn(f"{etc}/sparekey.conf:1", told)

    def test_the_bus_starts_the_broker_at_the_first_call(self):
        home = Home()
        self.addCleanup(home.remove)
        config = os.path.join(home.directory, "bus.conf")
        address = f"unix:path={home.directory}/bus"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>"
                       f"<servicedir>{self.prefix}/share/dbus-1/services</servicedir>"
                       '<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>')
        bus = start(["dbus-daemon", "--nofork", "--nosyslog", "--nopidfile", f"--config-file={config}"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=home.environment(DBUS_SESSION_BUS_ADDRESS=address))
        self.addCleanup(bus.wait)
        self.addCleanup(bus.terminate)
        wait_until(lambda: accepts(f"{home.directory}/bus"), what="the bus's socket")
        client = Client(address, on_bus=True)
        self.addCleanup(client.close)
        path, secret = client.create("Phone")
        self.assertEqual(client.verify(secret, "imap")[0], path)
        pid = client.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", [NAME],
                          destination="org.freedesktop.DBus")[0]
        self.assertEqual(os.readlink(f"/proc/{pid}/exe"), self.installed("bin/sparekeyd"))
        tool = subprocess.run([self.installed("bin/sparekey"), "--plain", "list"], text=True, capture_output=True, check=True,
                              env=home.environment(DBUS_SESSION_BUS_ADDRESS=address))
        self.assertIn("Phone", tool.stdout)

    @unittest.skipUnless(shutil.which("strace") and shutil.which("systemd-analyze"), "needs strace and systemd-analyze")
    def test_the_units_filter_lets_through_what_the_broker_calls(self):
        home = Home()
        self.addCleanup(home.remove)
        trace = os.path.join(home.directory, "trace")
        broker = start(["strace", "-f", "-qq", "-o", trace, self.installed("bin/sparekeyd"), "--address=none", "--idle-exit=0"],
                       env=home.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(broker.wait)
        self.addCleanup(broker.kill)
        peer = f"{home.runtime}/sparekey/peer"
        wait_until(lambda: accepts(peer), 20, "the broker's socket")
        client = Client(f"unix:path={peer}")
        for label in ("Phone", "Tablet"):
            path, secret = client.create(label)
            client.verify(secret, "imap")
            client.verify(secret, "imap")
            client.on_password(path, "Freeze")
            client.on_password(path, "Thaw")
        client.revoke(path)
        client.close()
        subprocess.run(["pkill", "-TERM", "-s", str(broker.pid), "sparekeyd"], check=True)
        broker.wait(20)
        with open(trace, encoding="utf-8", errors="replace") as file:
            called = set(re.findall(r"^\d+ +([a-z]\w*)\(", file.read(), re.M))
        self.assertIn("futex", called)
        allowed = expanded("@default")
        for line in re.findall(r"^SystemCallFilter=(.*)$", self.text(UNIT), re.M):
            for name in line.lstrip("~").split():
                allowed = allowed - expanded(name) if line.startswith("~") else allowed | expanded(name)
        self.assertIn("execve", expanded("@system-service"))
        self.assertNotIn("setuid", allowed)
        self.assertEqual(called - allowed, set())


def expanded(name):
    """The calls of one of systemd's sets."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], text=True, check=True, stdout=subprocess.PIPE).stdout
    members = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(expanded(member) for member in members if member and not member.startswith("#")))


@unittest.skipIf(SANITIZER, "builds of its own: covered by the plain build")
class Building(Copy):
    """Built for /usr and never installed there."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make("prefix=/usr")

    def stage(self, name):
        return os.path.join(self.room, "a stage's", name)

    def test_another_prefix_or_flag_builds_anew(self):
        self.assertEqual(self.make("prefix=/usr"), "make: Nothing to be done for 'all'.\n")
        for change in (["prefix=/other"], ["sysconfdir=/other"], ["CC=gcc"], ["CPPFLAGS=-DX"], ["LDFLAGS=-s"], ["CFLAGS=-O1"]):
            planned = self.make("-n", "prefix=/usr", *change)
            self.assertIn("build/release/obj/broker/main.o", planned, change)
            self.assertIn("build/release/sparekeyd", planned, change)

    def test_installing_for_another_prefix_installs_programs_for_it(self):
        stage = self.stage("other")
        prefix = os.path.join(self.room, "other")
        copy = os.path.join(self.room, "build of another")
        shutil.copytree(self.source, copy, symlinks=True)
        done = make("-j2", "CFLAGS=-O0", "HARDENING=-fPIE", "install", f"prefix={prefix}", f"DESTDIR={stage}", room=copy)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(files_below(stage + prefix), FILES)
        for program, wanted in (("sparekeyd", f"{prefix}/etc/sparekey/sparekey.conf"), ("sparekey", f"{prefix}/bin")):
            with open(f"{stage}{prefix}/bin/{program}", "rb") as file:
                text = file.read()
            self.assertIn(wanted.encode() + b"\0", text)
            self.assertNotIn(b"\0/usr/bin\0", text)
            self.assertNotIn(b"\0/etc/sparekey/", text)

    def test_every_directory_can_be_chosen(self):
        stage = self.stage("chosen")
        self.make("install", "prefix=/usr", f"DESTDIR={self.stage('first')}")  # what stands built is of other places
        places = {"libdir": "/l", "includedir": "/i", "pkgconfigdir": "/k", "datadir": "/d", "mandir": "/m", "dbusdir": "/u", "systemduserunitdir": "/y", "docdir": "/o",
                  "pamdir": "/p"}
        chosen = ["prefix=/usr", f"DESTDIR={stage}", *(f"{name}={place}" for name, place in places.items())]
        self.make("install", *chosen)
        self.assertEqual(sorted(os.listdir(stage)), ["i", "k", "l", "m", "o", "u", "usr", "y"])
        self.assertEqual(os.listdir(f"{stage}/usr"), ["bin"])
        with open(f"{stage}/k/libsparekey.pc", encoding="utf-8") as file:
            self.assertIn("libdir=/l\nincludedir=/i\n", file.read())
        # Another package's file in a directory of ours is not ours to take away.
        for place in ("o", "usr/bin"):
            with open(f"{stage}/{place}/foreign", "w", encoding="utf-8"):
                pass
        self.make("uninstall", *chosen)
        self.assertEqual(files_below(stage), ["o/foreign", "usr/bin/foreign"])

    def test_a_directory_that_exists_keeps_its_mode(self):
        stage = self.stage("existing")
        os.makedirs(f"{stage}/usr/bin")
        os.chmod(f"{stage}/usr/bin", 0o2775)
        self.make("install", "prefix=/usr", f"DESTDIR={stage}")
        self.assertEqual(stat.S_IMODE(os.stat(f"{stage}/usr/bin").st_mode), 0o2775)
        self.make("uninstall", "prefix=/usr", f"DESTDIR={stage}")
        self.assertEqual(files_below(stage), [])

    def test_odd_directories_are_refused(self):
        stage = self.stage("odd")
        for odd in ("prefix=/a b", "prefix=relative", "bindir=/it's", "sysconfdir=/a%h", "docdir=", "mandir=/a;b", "prefix=/a$$b",
                    'bindir=/"'):
            self.assertIn("an absolute path without blanks", self.make("install", odd, f"DESTDIR={stage}", code=2))
        self.assertFalse(os.path.exists(stage))

    def test_a_header_that_changes_builds_what_includes_it(self):
        os.utime(os.path.join(self.source, "cli/cli.h"))
        planned = self.make("-n", "prefix=/usr")
        self.assertIn("obj/cli/main.o", planned)
        self.assertNotIn("obj/broker/main.o", planned)
        os.utime(os.path.join(self.source, f"dbus/{NAME}.Manager.xml"))
        self.assertIn("embed.awk", self.make("-n", "prefix=/usr"))

    def test_clean_takes_all_that_was_made(self):
        copy = os.path.join(self.room, "to be cleaned")
        shutil.copytree(self.source, copy, symlinks=True)
        self.assertEqual(make("clean", room=copy).returncode, 0)
        fresh = os.path.join(self.room, "fresh")
        os.mkdir(fresh)
        copy_of_the_source(fresh)
        self.assertEqual(files_below(copy), files_below(fresh))

    @needs_root
    def test_an_ordinary_user_installs_below_destdir(self):
        uid, gid = other_user()
        stage = self.stage("theirs")
        os.makedirs(stage)
        os.chown(stage, uid, gid)
        self.make("prefix=/usr", "all", "build/release/sparekeyd.8", "build/release/sparekey.conf",
                  "build/release/sparekeyd.service", f"build/release/{NAME}.service")
        self.make("install", "prefix=/usr", f"DESTDIR={stage}", preexec_fn=lambda: become(uid, gid))
        self.assertEqual(files_below(stage), sorted("usr/" + name for name in FILES))


if __name__ == "__main__":
    unittest.main()
