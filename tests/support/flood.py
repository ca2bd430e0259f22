# SPDX-License-Identifier: MIT
"""Floods of calls from processes of their own, and what a broker takes meanwhile.

A flood is made of whole messages prepared beforehand, of which only the serials change, so that its sender costs less than
the broker it is meant for."""
import contextlib
import json
import os
import re
import select
import signal
import socket
import struct
import time

from rawdbus import (DESTINATION, INTERFACE, MEMBER, METHOD_CALL, PATH, SIGNATURE, UNIX_FDS, Connection, Disconnected, frame,
                     marshal)

ERRORS = re.compile(rb"Error\.([A-Za-z]+)\0")


def call(path, interface, member, signature="", args=(), destination=None, fds=0):
    """A method call whose serial is still to be set."""
    fields = {PATH: path, INTERFACE: interface, MEMBER: member}
    if destination is not None:
        fields[DESTINATION] = destination
    if signature:
        fields[SIGNATURE] = signature
    if fds:
        fields[UNIX_FDS] = fds
    return bytearray(frame(METHOD_CALL, 1, fields, marshal(signature.replace("h", "u"), args)))


class Flood:
    """One connection that sends those calls over and over, `window` of them under way at a time; with window None it never
    reads an answer. `end()` tells how many were sent and how the answers to them began."""

    def __init__(self, address, calls, window=32, on_bus=False, fd=None):
        read_end, write_end = os.pipe()
        self.control, control = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self.control.close()
                os.close(read_end)
                found = self.run(address, calls, window, on_bus, fd, control)
                os.write(write_end, json.dumps(found).encode())
                code = 0
            finally:
                os._exit(code)
        control.close()
        os.close(write_end)
        self.read_end = read_end

    def run(self, address, calls, window, on_bus, fd, control):
        signal.alarm(900)
        found = {"sent": 0, "answers": 0, "errors": {}, "dropped": False}
        serial = 10
        try:
            connection = Connection(address, hello=on_bus, timeout=60)
            if not on_bus:
                connection.call("/", "org.freedesktop.DBus.Peer", "Ping")
            control.sendall(b"r")
            stream = connection.socket
            stream.setblocking(False)
            tail = b""
            pending = b""
            while not select.select([control], [], [], 0)[0]:
                if not pending and (window is None or found["sent"] - found["answers"] < window):
                    message = calls[found["sent"] % len(calls)]
                    struct.pack_into("<I", message, 8, serial)
                    serial += 1
                    pending = bytes(message)
                    if fd is not None:
                        socket.send_fds(stream, [pending], [fd])
                        pending = b""
                    found["sent"] += 1
                    if fd is not None:
                        continue
                if pending:
                    with contextlib.suppress(BlockingIOError):
                        pending = pending[stream.send(pending):]
                    if not pending and (window is None or found["sent"] - found["answers"] < window):
                        continue
                readers = [control] if window is None else [control, stream]
                ready, _, _ = select.select(readers, [stream] if pending else [], [], 0.5)
                if stream in ready:
                    data = stream.recv(1 << 18)
                    if not data:
                        found["dropped"] = True
                        break
                    tail = self.count(tail + data, found)
            connection.close()
        except (Disconnected, BrokenPipeError, ConnectionResetError):
            found["dropped"] = True
            with contextlib.suppress(OSError):
                control.sendall(b"r")
        return found

    @staticmethod
    def count(data, found):
        """Counts whole messages; gives what is left."""
        at = 0
        while len(data) - at >= 16:
            body, _, fields = struct.unpack_from("<III", data, at + 4)
            length = 16 + fields + (-(16 + fields) % 8) + body
            if len(data) - at < length:
                break
            if data[at + 1] in (2, 3):
                found["answers"] += 1
            if data[at + 1] == 3:
                name = ERRORS.search(data, at, at + 16 + fields).group(1).decode()
                found["errors"][name] = found["errors"].get(name, 0) + 1
            at += length
        return data[at:]

    def started(self):
        """Waits until it has begun."""
        self.control.recv(1)
        return self

    def end(self):
        with contextlib.suppress(OSError):
            self.control.sendall(b"e")
        with os.fdopen(self.read_end, "rb") as stream:
            said = stream.read()
        self.control.close()
        _, status = os.waitpid(self.pid, 0)
        if status != 0 or not said:
            raise AssertionError(f"the flood ended with {status}")
        return json.loads(said)


def status_kib(pid, name):
    """A line of /proc/PID/status: VmHWM, VmRSS."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
        return int(re.search(rf"^{name}:\s+(\d+) kB$", stream.read(), re.M).group(1))


class Longest:
    """The longest of what a process of its own measures over and over, in milliseconds. `prepare` runs there, and gives what
    measures once."""

    def __init__(self, prepare, pause=0.0):
        self.control, control = socket.socketpair()
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.control.close()
                longest = 0.0
                measure = prepare()
                control.sendall(b"r")
                while not select.select([control], [], [], pause)[0]:
                    longest = max(longest, measure())
                os.write(write_end, json.dumps(longest).encode())
            finally:
                os._exit(0)
        control.close()
        os.close(write_end)
        self.read_end = read_end
        self.control.recv(1)

    def end(self):
        time.sleep(0.02)
        self.control.sendall(b"e")
        with os.fdopen(self.read_end, "rb") as stream:
            longest = json.loads(stream.read())
        self.control.close()
        os.waitpid(self.pid, 0)
        return longest


class Pings(Longest):
    """A connection on a bus that pings every 2 ms: the longest time to an answer."""

    def __init__(self, address):
        def prepare():
            connection = Connection(address, hello=True, timeout=120)
            connection.destination = "org.sparekey.Broker1"

            def ping():
                begun = time.monotonic()
                connection.call("/", "org.freedesktop.DBus.Peer", "Ping")
                return (time.monotonic() - begun) * 1000

            ping()
            return ping

        super().__init__(prepare, 0.002)


class Noise(Longest):
    """Sleeps a millisecond and again: the longest it slept beyond that. So long this machine keeps anybody waiting who has
    nothing to do with us."""

    def __init__(self):
        def oversleep():
            begun = time.monotonic()
            time.sleep(0.001)
            return (time.monotonic() - begun - 0.001) * 1000

        super().__init__(lambda: oversleep)
