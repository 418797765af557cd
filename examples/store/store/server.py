"""A small HTTP/1.1 server: one thread a connection, connections kept open, and an end that loses no request.

The standard library's http.server would do for a few visitors. This one is here because the shop stands behind a proxy
that keeps connections open and sends thousands of requests a second through them, and because of how it stops:

1. it takes the connections that are already waiting, and no more;
2. every answer from now on says `Connection: close`, so that the proxy sends the next request to somebody else;
3. a connection on which nothing was asked stays open a moment longer, for the request that is already on its way;
4. when the last one is closed, the program ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
import selectors
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024
MAX_CONNECTIONS = 256
"""One thread each; `processes` in andon.yaml leaves room for them."""
IDLE_SECONDS = 3900.0
"""How long a connection may be quiet. Longer than the proxy's hour: the side that closes a quiet connection should be
the one that sends requests, because only that side knows that none is on its way."""
SLOW_SECONDS = 15.0
"""How long a request may take to arrive, once it has begun."""
LINGER_SECONDS = 0.5
"""When stopping: how long a quiet connection is still listened to."""

_METHOD = re.compile(r"[A-Z]{1,16}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLOSED = b""
_M_ARENA_MAX = -8


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def form(self) -> dict[str, str]:
        """The fields of a form; of a repeated one, the last."""
        try:
            return dict(parse_qsl(self.body.decode("utf-8"), keep_blank_values=True, max_num_fields=50))
        except ValueError as error:
            raise BadRequest(400, "The form cannot be read.") from error

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises BadRequest when it is something else."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(400, "The body is not JSON.") from error
        if not isinstance(value, dict):
            raise BadRequest(400, "The body must be a JSON object.")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. Content-Length, Date and Connection are added on the way out."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class BadRequest(Exception):
    """A request that cannot be understood, with the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Handler = Callable[[Request], Response]


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A listening TCP socket. Raises OSError when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener


class Server:
    """Answers requests on a listening socket (TCP or Unix) until told to stop."""

    def __init__(self, listener: socket.socket, handler: Handler) -> None:
        self._listener = listener
        self._handler = handler
        self._stopping = threading.Event()
        # A byte in this pair wakes every waiting thread; nobody reads it, so it wakes those that come later as well.
        self._bell, self._ring = socket.socketpair()
        self._asked_to_stop, self._ask_to_stop = socket.socketpair()
        self._lock = threading.Lock()
        self._all_closed = threading.Condition(self._lock)
        self._open = 0
        self._date = (0, "")
        _make_threads_small()

    def stop(self) -> None:
        """Ask the server to stop; returns at once. May be called from a signal handler, and more than once."""
        with contextlib.suppress(OSError):
            self._ask_to_stop.send(b"!")

    def serve(self, stop_within: float = 8.0) -> int:
        """Answer until `stop`. Returns how many connections were still busy after `stop_within` seconds: 0 is clean."""
        self._listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._asked_to_stop, selectors.EVENT_READ)
            asked = False
            while not asked:
                for key, _ in selector.select():
                    asked = asked or key.fileobj is self._asked_to_stop
                self._accept_waiting()
        # First the door is shut, then the guests are told: told earlier, they would knock at a door about to shut.
        self._listener.close()
        self._stopping.set()
        self._ring.send(b"!")
        with self._all_closed:
            self._all_closed.wait_for(lambda: self._open == 0, timeout=stop_within)
            return self._open

    def _accept_waiting(self) -> None:
        while True:
            # At the limit, newcomers wait in the system's queue instead of being turned away.
            with self._all_closed:
                while self._open >= MAX_CONNECTIONS:
                    self._all_closed.wait()
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody waits any more, or whoever waited went away
                return
            with self._lock:
                self._open += 1
            try:
                threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()
            except RuntimeError as error:  # no thread to be had: one visitor is sent away, the others stay
                print(f"error: {error}; a connection was closed", file=sys.stderr)
                self._closed(connection)

    def _serve_connection(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(SLOW_SECONDS)
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._converse(_Stream(connection))
            _close_gently(connection)
        except OSError:
            pass  # the other side went away; there is nobody left to tell
        finally:
            self._closed(connection)

    def _closed(self, connection: socket.socket) -> None:
        connection.close()
        with self._all_closed:
            self._open -= 1
            self._all_closed.notify_all()

    def _converse(self, stream: _Stream) -> None:
        """Answer one request after the other until one side has had enough."""
        with selectors.DefaultSelector() as quiet:
            quiet.register(stream.connection, selectors.EVENT_READ)
            quiet.register(self._bell, selectors.EVENT_READ)
            while stream.holds_something() or self._wait_for_request(stream.connection, quiet):
                try:
                    request, keep = stream.read_request()
                except BadRequest as error:
                    body = f"{error}\n".encode()
                    stream.connection.sendall(self._render(Response(error.status, body), keep=False, head=False))
                    return
                if request is None:
                    return
                response = self._answer(request)
                keep = keep and not self._stopping.is_set()
                stream.connection.sendall(self._render(response, keep=keep, head=request.method == "HEAD"))
                if not keep:
                    return

    def _wait_for_request(self, connection: socket.socket, quiet: selectors.BaseSelector) -> bool:
        """Whether something arrives. When stopping, waits only for what is already on its way."""
        if not self._stopping.is_set():
            ready = [key.fileobj for key, _ in quiet.select(IDLE_SECONDS)]
            if connection in ready:
                return True
            if not ready:
                return False
        with selectors.DefaultSelector() as last:
            last.register(connection, selectors.EVENT_READ)
            return bool(last.select(LINGER_SECONDS))

    def _answer(self, request: Request) -> Response:
        try:
            return self._handler(request)
        except BadRequest as error:
            return Response(error.status, f"{error}\n".encode())
        except Exception:  # noqa: BLE001 - one broken page must not take the others with it; the log tells which
            print(f"error: {request.method} {request.path} failed", file=sys.stderr)
            traceback.print_exc()
            return Response(500, b"Something went wrong on our side. The shop's log tells what.\n")

    def _render(self, response: Response, *, keep: bool, head: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            f"Date: {self._now()}",
            *(f"{name}: {value}" for name, value in response.headers),
        ]
        if not keep:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head else response.body)

    def _now(self) -> str:
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]


class _Stream:
    """What has arrived on a connection, cut into requests."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def holds_something(self) -> bool:
        """Whether part of a next request has already arrived."""
        return bool(self._buffer)

    def read_request(self) -> tuple[Request | None, bool]:
        """The next request and whether the connection may stay open after it; None when the other side is done."""
        head = self._until(b"\r\n\r\n", MAX_HEAD, BadRequest(431, "The request's headers are too long."))
        if head is None:
            return None, False
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, version = first.split(" ")
        except ValueError:
            raise BadRequest(400, "The request's first line cannot be read.") from None
        if version not in {"HTTP/1.1", "HTTP/1.0"}:
            raise BadRequest(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if not _METHOD.fullmatch(method) or not target.startswith("/"):
            raise BadRequest(400, "The request's first line cannot be read.")
        headers = dict(_headers(lines))
        if version == "HTTP/1.1" and "host" not in headers:
            raise BadRequest(400, "The Host header is missing.")
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._body(headers)
        wish = headers.get("connection", "").lower()
        keep = "keep-alive" in wish if version == "HTTP/1.0" else "close" not in wish
        path, _, query = target.partition("?")
        try:
            fields = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=50))
        except ValueError as error:
            raise BadRequest(400, "The query cannot be read.") from error
        return Request(method, unquote(path), fields, headers, body), keep

    def _body(self, headers: dict[str, str]) -> bytes:
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            # Both at once is how one request is smuggled inside another.
            if length is not None or coding.lower() != "chunked":
                raise BadRequest(400, "The request's length is unclear.")
            return self._chunks()
        if length is None:
            return b""
        if not (length.isascii() and length.isdigit() and len(length) < 12):
            raise BadRequest(400, "The request's length is unclear.")
        if int(length) > MAX_BODY:
            raise BadRequest(413, f"The request is larger than {MAX_BODY} bytes.")
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        body, broken = b"", BadRequest(400, "A chunk of the request cannot be read.")
        while True:
            line = self._until(b"\r\n", 200, broken) or b""
            size = line.split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
                raise broken
            if int(size, 16) == 0:
                break
            if len(body) + int(size, 16) > MAX_BODY:
                raise BadRequest(413, f"The request is larger than {MAX_BODY} bytes.")
            body += self._exactly(int(size, 16))
            if self._exactly(2) != b"\r\n":
                raise broken
        while self._until(b"\r\n", MAX_HEAD, broken):  # trailers, up to the empty line
            pass
        return body

    def _until(self, mark: bytes, most: int, too_long: BadRequest) -> bytes | None:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > most:
                raise too_long
            if not self._receive():
                return None
        if end > most:
            raise too_long
        taken, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return taken

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._receive():
                raise OSError("the request ended early")
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _receive(self) -> bool:
        data = self.connection.recv(65536)
        self._buffer += data
        return data != _CLOSED


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise BadRequest(400, "A header cannot be read.")
        name, value = name.lower(), value.strip(" \t")
        if name in {"content-length", "transfer-encoding", "host"} and name in seen:
            raise BadRequest(400, f"The header {name} is given twice.")
        seen[name] = value
        yield name, value


def _make_threads_small() -> None:
    # A thread reserves 8 MiB of stack, and glibc a heap of 64 MiB for every few threads. Hardly any of it is ever used,
    # but a limit on address space counts all of it. Half a MiB is plenty, and under Python's lock one heap is as quick.
    threading.stack_size(512 * 1024)
    with contextlib.suppress(OSError, AttributeError):  # another C library: it has no such habit
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _close_gently(connection: socket.socket) -> None:
    # Closing with unread bytes makes the system send a reset, which can destroy the answer before it is read. So: say
    # that we are done, then read until the other side is done too.
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1.0)
    give_up = time.monotonic() + 2.0
    while time.monotonic() < give_up and connection.recv(65536):
        pass
