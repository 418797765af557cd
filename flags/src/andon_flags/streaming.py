"""A stream of server-sent events over HTTP, with what the standard library has.

The response is read from the socket itself: a buffered reader has a lock, and after a fork the child may find it held
by a thread that it does not have.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

from andon_flags.document.limits import MOST_BYTES

STREAM = "/api/v1/flags/stream"
CONNECTING = 10.0
SILENT = 50.0
"""Seconds without a sign of life, three of which are due in that time, after which nobody is taken to be there."""
TICK = 1.0
_MOST_HEAD = 64 * 1024
_READ = 64 * 1024


class Refused(Exception):
    """The server answered, and not with a stream. ``after`` is when it wants to be asked again."""

    def __init__(self, status: int, says: str, after: Optional[float]) -> None:
        super().__init__(f"answered {status}{': ' if says else ''}{says}")
        self.status = status
        self.after = after


class Broken(Exception):
    """What came is no stream of events."""


class Event(NamedTuple):
    """``kind`` is ``message`` where the server gave none."""

    kind: str
    data: bytes
    id: str


class Address(NamedTuple):
    """Where the stream is: a Unix socket, or a host and a port."""

    path: str
    socket: str = ""
    host: str = ""
    port: int = 0
    secure: bool = False

    @classmethod
    def of(cls, url: str) -> "Address":
        """``unix:/run/flags/flags.sock``, ``https://andon.example.com``. Raises ``ValueError`` in words."""
        if url.startswith("unix:"):
            path = url[5:]
            if path.startswith("//"):
                path = path[2:]
            if not path.startswith("/") or "\0" in path:
                raise ValueError(f"{url!r} is no address of flags: after unix: comes a path from the root on")
            return cls(STREAM, socket=path)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{url!r} is no address of flags: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or any(ord(mark) < 33 for mark in url):
            raise ValueError(f"{url!r} is no address of flags: one begins with https://, http:// or unix:")
        path = parts.path.rstrip("/")
        path = path if path.endswith(STREAM) else path + STREAM
        secure = parts.scheme == "https"
        return cls(
            f"{path}?{parts.query}" if parts.query else path,
            host=parts.hostname,
            port=port or (443 if secure else 80),
            secure=secure,
        )

    @property
    def shown(self) -> str:
        """In a sentence."""
        return self.socket or self.named

    @property
    def named(self) -> str:
        """As the header ``Host`` has it."""
        if self.socket:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


class Connection:
    """One stream, from asking to its end. ``tick`` is called about each second; what it raises ends the stream."""

    def __init__(self, address: Address, tick: "Callable[[], None]") -> None:
        self._address = address
        self._tick = tick
        self._socket: Optional[socket.socket] = None
        self._rest = bytearray()
        self._left: Optional[int] = None  # of the chunk at hand; None: not in chunks
        self.retry: Optional[float] = None
        """Seconds that the server wants between two attempts."""

    def open(self, headers: "Mapping[str, str]", context: "Optional[ssl.SSLContext]" = None) -> None:
        """Ask, and wait for the head of the answer. Raises ``OSError``, ``Refused``, ``Broken``."""
        status, fields = self._asked("GET", headers, context)
        if status != 200:
            after = fields.get("retry-after", "")
            length = fields.get("content-length", "")
            says = self._refusal(int(length) if length.isdecimal() and len(length) < 6 else 0)
            raise Refused(status, says, float(after) if after.isdecimal() and len(after) < 6 else None)
        if not fields.get("content-type", "").startswith("text/event-stream"):
            raise Broken("answered with something that is no stream of events")
        coding = fields.get("transfer-encoding", "").strip().lower()
        if coding not in {"", "identity", "chunked"} or fields.get("content-encoding", "identity") != "identity":
            raise Broken(
                f"answered in the coding {coding or fields.get('content-encoding')!r}, which was not asked for"
            )
        self._left = 0 if coding == "chunked" else None

    def tell(self, headers: "Mapping[str, str]", context: "Optional[ssl.SSLContext]" = None) -> None:
        """Say something that is all in the headers. Raises as ``open``."""
        status, _ = self._asked("POST", {**headers, "Content-Length": "0", "Connection": "close"}, context)
        if status >= 300:
            raise Refused(status, "", None)

    def events(self) -> "Iterator[Event]":
        """As they come, until the stream ends. Raises ``OSError``, ``Broken``, and what ``tick`` raises."""
        data: list[bytes] = []
        kind, last, size = "", "", 0
        for line in self._lines():
            if not line:
                if data:
                    yield Event(kind or "message", b"\n".join(data), last)
                kind, data, size = "", [], 0
                continue
            name, _, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if name == b"data":
                data.append(value)
                size += len(value)
                if size > MOST_BYTES:
                    raise Broken("sent an event that is too large")
            elif name == b"event":
                kind = value[:100].decode("ascii", "replace")
            elif name == b"id":
                last = value[:100].decode("ascii", "replace")
            elif name == b"retry" and value.isdigit() and len(value) < 7:
                self.retry = int(value) / 1000

    def close(self) -> None:
        """By whom it was opened."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def hang_up(self) -> None:
        """From another thread: who reads finds that the stream has ended."""
        held = self._socket
        if held is not None:
            with suppress(OSError):  # it may have gone already
                held.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """In a child after a fork: let go of the socket, which is the parent's, without a word to the other end."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    # Inside

    def _asked(
        self, method: str, headers: "Mapping[str, str]", context: "Optional[ssl.SSLContext]"
    ) -> "tuple[int, dict[str, str]]":
        self._socket = self._connected(context)
        lines = [f"{method} {self._address.path} HTTP/1.1", f"Host: {self._address.named}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return self._head()

    def _connected(self, context: "Optional[ssl.SSLContext]") -> socket.socket:
        where = self._address
        if where.socket:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(CONNECTING)
            try:
                made.connect(where.socket)
            except BaseException:
                made.close()
                raise
            return made
        plain = socket.create_connection((where.host, where.port), CONNECTING)
        if not where.secure:
            return plain
        try:
            return (context or ssl.create_default_context()).wrap_socket(plain, server_hostname=where.host)
        except BaseException:
            plain.close()
            raise

    def _head(self) -> "tuple[int, dict[str, str]]":
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            if len(self._rest) > _MOST_HEAD:
                raise Broken("answered with headers without end")
            self._rest += self._received(waiting=CONNECTING)
        first, *lines = bytes(self._rest[:end]).decode("latin-1").split("\r\n")
        del self._rest[: end + 4]
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdecimal():
            raise Broken("answered with something that is no HTTP")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        return int(parts[1]), fields

    def _refusal(self, length: int) -> str:
        """What a problem document says, on one line."""
        try:
            while len(self._rest) < min(length, 4096):
                self._rest += self._received(waiting=2)
        except (OSError, Broken):
            pass  # the status says enough
        text = bytes(self._rest[:4096]).decode("utf-8", "replace")
        return "".join(mark if mark.isprintable() else " " for mark in text)[:300]

    def _received(self, waiting: float) -> bytes:
        held = self._socket
        if held is None:
            raise Broken("was hung up")
        waited = 0.0
        held.settimeout(min(TICK, waiting))
        while True:
            try:
                found = held.recv(_READ)
            except socket.timeout:
                waited += TICK
                self._tick()
                if waited >= waiting:
                    raise
                continue
            if not found:
                raise EOFError
            return found

    def _lines(self) -> "Iterator[bytes]":
        line = bytearray()
        looked = 0
        try:
            for part in self._content():
                line += part
                while (end := line.find(b"\n", looked)) >= 0:
                    yield bytes(line[:end]).rstrip(b"\r")
                    del line[: end + 1]
                    looked = 0
                looked = len(line)
                if looked > MOST_BYTES:
                    raise Broken("sent a line that is too long")
                self._tick()
        except EOFError:
            return

    def _content(self) -> "Iterator[bytes]":
        while True:
            if not self._rest:
                self._rest += self._received(waiting=SILENT)
            if self._left is None:
                part = bytes(self._rest)
                self._rest.clear()
                yield part
                continue
            if self._left == 0:
                while (end := self._rest.find(b"\r\n")) < 0:
                    if len(self._rest) > 1024:
                        raise Broken("sent a chunk without its size")
                    self._rest += self._received(waiting=SILENT)
                size = bytes(self._rest[:end]).partition(b";")[0].strip()
                del self._rest[: end + 2]
                if not size:
                    continue  # the line after a chunk
                try:
                    self._left = int(size, 16)
                except ValueError:
                    raise Broken("sent a chunk without its size") from None
                if not 0 < self._left <= 2**31:
                    return
                continue
            part = bytes(self._rest[: self._left])
            del self._rest[: self._left]
            self._left -= len(part)
            if part:
                yield part
