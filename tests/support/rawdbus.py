# SPDX-License-Identifier: MIT
"""A D-Bus client written by hand over a socket.

It shares no code with libdbus or GLib, so it can say what they refuse to say: messages with wrong signatures, sizes,
flags and numbers of descriptors. It is synchronous and has no main loop and no threads of its own: signals that arrive
while a reply is awaited are kept in `Connection.signals`.

Values: Python's own for every type; variants are `Variant(signature, value)` on the way out, and plain values on the
way in unless a message is asked for with `call_message`. `h` takes and gives descriptor numbers.
"""
import os
import select
import socket
import struct
import time

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED = 1

PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS = range(1, 10)
FIELD_SIGNATURES = {PATH: "o", INTERFACE: "s", MEMBER: "s", ERROR_NAME: "s", REPLY_SERIAL: "u", DESTINATION: "s",
                    SENDER: "s", SIGNATURE: "g", UNIX_FDS: "u"}

NUMBERS = {"y": ("B", 1), "b": ("I", 4), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4), "x": ("q", 8),
           "t": ("Q", 8), "d": ("d", 8), "h": ("I", 4)}


class Variant:
    """A value with its type."""

    def __init__(self, signature, value):
        self.signature = signature
        self.value = value

    def __repr__(self):
        return f"Variant({self.signature!r}, {self.value!r})"

    def __eq__(self, other):
        return isinstance(other, Variant) and (self.signature, self.value) == (other.signature, other.value)

    def __hash__(self):
        return hash(self.signature)


class BusError(Exception):
    """An error reply."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class Disconnected(Exception):
    """The other side closed the connection."""


class TimedOut(Exception):
    """No reply in time."""


def plain(value):
    """The same without Variant."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def alignment(code):
    if code in "(r{etxd":
        return 8
    if code in "aoshiub":
        return 4
    return {"n": 2, "q": 2}.get(code, 1)


def split(signature):
    """Divides a signature into complete types."""
    types = []
    at = 0
    while at < len(signature):
        end = at
        while signature[end] == "a":
            end += 1
        if signature[end] in "({":
            depth = 0
            while True:
                depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[end], 0)
                end += 1
                if depth == 0:
                    break
        else:
            end += 1
        types.append(signature[at:end])
        at = end
    return types


class Writer:
    def __init__(self, fds=None):
        self.data = bytearray()
        self.fds = fds if fds is not None else []

    def align(self, to):
        self.data += b"\0" * (-len(self.data) % to)

    def write(self, kind, value):
        code = kind[0]
        self.align(alignment(code))
        if code == "h":
            self.fds.append(value)
            value = len(self.fds) - 1
        if code in NUMBERS:
            self.data += struct.pack("<" + NUMBERS[code][0], value)
        elif code in "so":
            raw = value if isinstance(value, bytes) else value.encode()
            self.data += struct.pack("<I", len(raw)) + raw + b"\0"
        elif code == "g":
            raw = value.encode()
            self.data += bytes([len(raw)]) + raw + b"\0"
        elif code == "v":
            self.write("g", value.signature)
            self.write(value.signature, value.value)
        elif code == "a":
            self.write_array(kind[1:], value)
        elif code == "(":
            for inner, item in zip(split(kind[1:-1]), value):
                self.write(inner, item)
        else:
            raise ValueError(kind)

    def write_array(self, kind, value):
        at = len(self.data)
        self.data += b"\0\0\0\0"
        self.align(alignment(kind[0]))
        start = len(self.data)
        if kind[0] == "{":
            key_kind, value_kind = split(kind[1:-1])
            pairs = value.items() if isinstance(value, dict) else value
            for key, item in pairs:
                self.align(8)
                self.write(key_kind, key)
                self.write(value_kind, item)
        elif kind == "y":
            self.data += bytes(value)
        else:
            for item in value:
                self.write(kind, item)
        struct.pack_into("<I", self.data, at, len(self.data) - start)


class Reader:
    def __init__(self, data, endian="<", fds=()):
        self.data = data
        self.endian = endian
        self.fds = fds
        self.at = 0

    def align(self, to):
        self.at += -self.at % to

    def take(self, count):
        piece = self.data[self.at:self.at + count]
        self.at += count
        return piece

    def number(self, code):
        letter, size = NUMBERS[code]
        self.align(size)
        return struct.unpack(self.endian + letter, self.take(size))[0]

    def read(self, kind):
        code = kind[0]
        self.align(alignment(code))
        if code == "h":
            return self.fds[self.number("h")]
        if code == "b":
            return bool(self.number("b"))
        if code in NUMBERS:
            return self.number(code)
        if code in "so":
            text = self.take(self.number("u")).decode()
            self.take(1)
            return text
        if code == "g":
            text = self.take(self.take(1)[0]).decode()
            self.take(1)
            return text
        if code == "v":
            signature = self.read("g")
            return Variant(signature, self.read(signature))
        if code == "a":
            return self.read_array(kind[1:])
        if code == "(":
            return tuple(self.read(inner) for inner in split(kind[1:-1]))
        raise ValueError(kind)

    def read_array(self, kind):
        length = self.number("u")
        self.align(alignment(kind[0]))
        end = self.at + length
        if kind[0] == "{":
            key_kind, value_kind = split(kind[1:-1])
            found = {}
            while self.at < end:
                self.align(8)
                key = self.read(key_kind)
                found[key] = self.read(value_kind)
            return found
        if kind == "y":
            return bytes(self.take(length))
        items = []
        while self.at < end:
            items.append(self.read(kind))
        return items


def marshal(signature, values, fds=None):
    writer = Writer(fds)
    for kind, value in zip(split(signature), values):
        writer.write(kind, value)
    return bytes(writer.data)


def frame(kind, serial, fields, body=b"", flags=0, body_length=None, endian=b"l", version=1):
    """A whole message: `fields` maps header codes to values, or to a Variant for a value of another type."""
    entries = []
    for code, value in fields.items():
        item = value if isinstance(value, Variant) else Variant(FIELD_SIGNATURES[code], value)
        entries.append((code, item))
    writer = Writer()
    writer.data += endian + struct.pack("<BBBII", kind, flags, version,
                                        len(body) if body_length is None else body_length, serial)
    writer.write("a(yv)", entries)
    writer.align(8)
    return bytes(writer.data) + body


class Message:
    def __init__(self, kind, flags, serial, fields, body, fds):
        self.kind = kind
        self.flags = flags
        self.serial = serial
        self.fields = fields
        self.body = body
        self.fds = fds

    path = property(lambda self: self.fields.get(PATH))
    interface = property(lambda self: self.fields.get(INTERFACE))
    member = property(lambda self: self.fields.get(MEMBER))
    error_name = property(lambda self: self.fields.get(ERROR_NAME))
    reply_serial = property(lambda self: self.fields.get(REPLY_SERIAL))
    sender = property(lambda self: self.fields.get(SENDER))
    signature = property(lambda self: self.fields.get(SIGNATURE, ""))
    args = property(lambda self: plain(self.body))

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def __repr__(self):
        return f"Message({self.kind}, {self.path}, {self.interface}.{self.member}, {self.error_name}, {self.body})"


def parse_address(address):
    """The socket's address of the first unix: entry."""
    for entry in address.split(";"):
        transport, _, rest = entry.partition(":")
        keys = dict(item.split("=", 1) for item in rest.split(",") if "=" in item)
        if transport == "unix" and "path" in keys:
            return keys["path"]
        if transport == "unix" and "abstract" in keys:
            return "\0" + keys["abstract"]
    raise ValueError(address)


class Connection:
    """An authenticated connection. `hello=True` on a bus, False peer to peer."""

    def __init__(self, address, hello=False, timeout=30, authenticate=True, uid=None):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.buffer = b""
        self.fds = []
        self.serial = 0
        self.replies = {}
        self.awaited = set()
        self.signals = []
        self.calls = []
        self.name = None
        self.destination = None
        try:
            self.socket.connect(parse_address(address))
            if authenticate:
                self.authenticate(os.geteuid() if uid is None else uid)
            if hello:
                self.name = self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello",
                                      destination="org.freedesktop.DBus")[0]
        except BaseException:
            self.close()
            raise

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    # The SASL part.

    def line(self):
        while b"\r\n" not in self.buffer:
            piece = self.socket.recv(4096)
            if not piece:
                raise Disconnected("while authenticating")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def authenticate(self, uid):
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
        line = self.line()
        if not line.startswith(b"OK"):
            raise Disconnected("refused: " + line.decode(errors="replace"))
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        if not self.line().startswith(b"AGREE_UNIX_FD"):
            raise Disconnected("no descriptors")
        self.socket.sendall(b"BEGIN\r\n")

    # Messages.

    def next_serial(self):
        self.serial += 1
        return self.serial

    def send_bytes(self, data, fds=()):
        """Sends what is given, the descriptors with the first byte."""
        sent = 0
        if fds:
            sent = socket.send_fds(self.socket, [data], list(fds))
        try:
            self.socket.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Disconnected(str(error)) from error

    def send(self, path, interface, member, signature="", args=(), destination=None, flags=0, extra_fds=()):
        """Sends a method call and gives its serial."""
        fds = []
        body = marshal(signature, args, fds)
        fds += extra_fds
        serial = self.next_serial()
        fields = {PATH: path, MEMBER: member}
        if interface is not None:
            fields[INTERFACE] = interface
        if destination or self.destination:
            fields[DESTINATION] = destination or self.destination
        if signature:
            fields[SIGNATURE] = signature
        if fds:
            fields[UNIX_FDS] = len(fds)
        if not flags & NO_REPLY_EXPECTED:
            self.awaited.add(serial)
        self.send_bytes(frame(METHOD_CALL, serial, fields, body, flags), fds)
        return serial

    def receive_some(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            raise TimedOut()
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 1 << 18, 253)
        except ConnectionResetError as error:
            raise Disconnected(str(error)) from error
        self.fds += fds
        if not data:
            raise Disconnected("end of file")
        self.buffer += data

    def parse(self):
        """One message of the buffer, or None."""
        if len(self.buffer) < 16:
            return None
        endian = "<" if self.buffer[0:1] == b"l" else ">"
        body_length, serial, fields_length = struct.unpack(endian + "III", self.buffer[4:16])
        header = 16 + fields_length + (-(16 + fields_length) % 8)
        if len(self.buffer) < header + body_length:
            return None
        reader = Reader(self.buffer[:header], endian)
        reader.at = 12
        fields = {code: item.value for code, item in reader.read("a(yv)")}
        count = fields.get(UNIX_FDS, 0)
        fds, self.fds = self.fds[:count], self.fds[count:]
        body = Reader(self.buffer[header:header + body_length], endian, fds)
        values = [body.read(kind) for kind in split(fields.get(SIGNATURE, ""))]
        message = Message(self.buffer[1], self.buffer[2], serial, fields, values, fds)
        self.buffer = self.buffer[header + body_length:]
        return message

    def sort(self, message):
        if message.kind == SIGNAL:
            self.signals.append(message)
        elif message.kind == METHOD_CALL:
            self.calls.append(message)
        elif message.reply_serial in self.awaited:
            self.awaited.discard(message.reply_serial)
            self.replies[message.reply_serial] = message
        else:
            raise AssertionError(f"a reply nobody asked for: {message}")

    def pump(self, seconds=0.0):
        """Takes in what arrives within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.parse()
            if message is not None:
                self.sort(message)
                continue
            try:
                self.receive_some(max(deadline, time.monotonic() + 0.0005))
            except TimedOut:
                return

    def wait(self, serial, timeout=None):
        """The reply to that serial, an error reply as well."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while serial not in self.replies:
            message = self.parse()
            if message is not None:
                self.sort(message)
            else:
                self.receive_some(deadline)
        return self.replies.pop(serial)

    def call_message(self, path, interface, member, signature="", args=(), destination=None, timeout=None,
                     extra_fds=()):
        """Calls and gives the reply as a message, an error reply as well."""
        return self.wait(self.send(path, interface, member, signature, args, destination, 0, extra_fds), timeout)

    def call(self, path, interface, member, signature="", args=(), destination=None, timeout=None):
        """Calls and gives the values of the reply as a list; BusError for an error reply."""
        reply = self.call_message(path, interface, member, signature, args, destination, timeout)
        return result(reply)

    def wait_signal(self, member, timeout=5, where=lambda message: True):
        """Takes the first signal of that name for which `where` holds out of those kept, waiting for it."""
        deadline = time.monotonic() + timeout
        while True:
            for message in self.signals:
                if message.member == member and where(message):
                    self.signals.remove(message)
                    return message
            message = self.parse()
            if message is not None:
                self.sort(message)
            else:
                self.receive_some(deadline)


def result(reply):
    """The values of a reply; BusError if it is an error."""
    if reply.kind == ERROR:
        reply.close()
        raise BusError(reply.error_name, reply.args[0] if reply.args else "")
    return reply.args
