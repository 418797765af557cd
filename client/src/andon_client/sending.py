"""Lines, packed into datagrams and sent by a thread of their own: whoever has something to say never waits for it."""

import atexit
import os
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Optional, Union

PACKET = 1432
"""Bytes of a datagram that no network cuts in two."""
WITHIN = 0.1
"""Seconds until what was said is sent."""
MOST_WAITING = 20_000
"""Lines; what comes on top of these is dropped."""
_MANY = 2_000  # lines that are sent at once
_MOST_PACKETS = 512
_PATIENCE = 0.1  # seconds that the thread waits for a receiver that is full, before it looks around again
_LAST_WORDS = 0.3

Address = Union[str, tuple[str, int]]


def address(environment: Mapping[str, str]) -> Address:
    """The path of a Unix datagram socket, or a host and a port for UDP."""
    path = environment.get("ANDON_TELEMETRY", "")
    if path:
        return path
    port = environment.get("STATSD_PORT", "")
    return environment.get("STATSD_HOST") or "127.0.0.1", int(port) if port.isdecimal() and len(port) < 6 else 8125


class Sender:
    """Safe for threads, signal handlers and finalizers: what a line passes through has no lock that could be held.

    Safe for a process that forks: the child begins with nothing to send and a thread of its own.
    """

    def __init__(self, to: Address) -> None:
        self._to = to
        self._socket: Optional[socket.socket] = None
        self._begin()
        itself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _call(itself, Sender._begin))
        atexit.register(lambda: _call(itself, Sender._end))

    def _begin(self) -> None:
        self.dropped = 0
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._idle = False
        self._packets: deque[tuple[bytes, int]] = deque()
        self._keeping = threading.RLock()  # of the thread and of the count; reentrant for the sake of signal handlers
        self._sending = threading.RLock()
        self._thread: Optional[threading.Thread] = None
        self._hang_up()

    def add(self, line: bytes) -> None:
        """Hand over a line."""
        waiting = self._lines.qsize()
        if waiting >= MOST_WAITING:
            self.drop(1)
            return
        self._lines.put(line)
        if self._thread is None:
            self._start()
        elif self._idle or waiting == _MANY:  # it says that it is idle before it looks a last time
            self._idle = False
            self._bell.put(None)

    def drop(self, count: int) -> None:
        """Count what is not sent."""
        with self._keeping:
            self.dropped += count

    def flush(self) -> None:
        """Send what there is, waiting a moment at most."""
        if not self._sending.acquire(timeout=_LAST_WORDS):
            return
        try:
            self._pack()
            self._send(patience=_LAST_WORDS)
        finally:
            self._sending.release()

    # Inside

    def _end(self) -> None:
        self.flush()
        self._hang_up()

    def _start(self) -> None:
        with self._keeping:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="andon-client", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no more threads, or the interpreter ends: a later line or the end tries again
                    self._thread = None

    def _run(self) -> None:
        while True:
            self._idle = True
            if self._lines.empty() and not self._packets:
                self._bell.get()
            self._idle = False
            try:
                self._bell.get(timeout=WITHIN)  # others may have something to say as well
                while True:
                    self._bell.get_nowait()
            except Empty:
                pass
            with self._sending:
                self._pack()
                self._send(patience=_PATIENCE)

    def _pack(self) -> None:
        packet: list[bytes] = []
        size = 0
        try:
            while len(self._packets) < _MOST_PACKETS:
                line = self._lines.get_nowait()
                if packet and size + len(line) > PACKET:
                    self._packets.append((b"\n".join(packet), len(packet)))
                    packet, size = [], 0
                packet.append(line)
                size += len(line) + 1
        except Empty:
            pass
        if packet:
            self._packets.append((b"\n".join(packet), len(packet)))

    def _send(self, patience: float) -> None:
        while self._packets:
            packet, lines = self._packets[0]
            try:
                self._connected(patience).send(packet)
            except (BlockingIOError, socket.timeout):
                return  # full: what waits is sent later, and what is too much is dropped
            except (OSError, ValueError):  # nobody is there, or it is no address: the next packet tries again
                self._hang_up()
                self.drop(lines)
            self._packets.popleft()

    def _connected(self, patience: float) -> socket.socket:
        if self._socket is None:
            family = socket.AF_UNIX if isinstance(self._to, str) else socket.AF_INET
            if not isinstance(self._to, str) and ":" in self._to[0]:
                family = socket.AF_INET6
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.connect(self._to)
        self._socket.settimeout(patience)
        return self._socket

    def _hang_up(self) -> None:
        left, self._socket = self._socket, None
        if left is not None:
            left.close()


def _call(whom: "weakref.ref[Sender]", what: Callable[[Sender], None]) -> None:
    sender = whom()
    if sender is not None:
        what(sender)
