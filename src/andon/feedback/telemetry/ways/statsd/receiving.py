"""One thread takes what arrives from all sockets and hands it over a few times a second.

Without traffic it sleeps in the kernel. Under load it naps for a few milliseconds each time the sockets are empty: many
datagrams for one wake-up, at no cost to anybody, since the kernel has room for half a second.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.ways.statsd.buffers import LARGEST_PACKET, Buffer
from andon.feedback.telemetry.ways.statsd.lines import LONGEST_LINE
from andon.feedback.telemetry.ways.statsd.sockets import kernel_drops

BUFFER_BYTES = 48 * 1024**2
_NAP_SECONDS = 0.004
_PACKETS_OF_A_RUN = 64
_RUNS_OF_A_TURN = 32
_LARGE = 12 * 1024**2
_SOON_SECONDS = 0.25
"""How long so many bytes wait for more."""
LINGER_SECONDS = 0.5
"""How long few do: a flush of one line costs as much as one of a thousand."""
_MOST_CONNECTIONS = 256
_EXHAUST_SECONDS = 15.0

Drop = Callable[[Dropped, int], None]


@dataclass(slots=True, eq=False)
class _Source:
    socket: socket.socket
    origin: int
    path: Path | None = None
    drops: int = 0


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    origin: int
    rest: bytes = b""
    skipping: bool = False
    """The rest of a line that is too long."""


@dataclass(slots=True, eq=False)
class _Door:
    """Where connections are taken."""

    socket: socket.socket
    origin: int


class Receiver:
    """``hand_over`` is given full buffers, and gives them back by :meth:`give_back`. ``now`` is ms."""

    def __init__(
        self, hand_over: Callable[[Buffer], None], drop: Drop, *, size: int, now: Callable[[], int], linger: float
    ) -> None:
        self._hand_over, self._drop, self._now, self._linger = hand_over, drop, now, linger
        self._current = Buffer(size)
        self._free: deque[Buffer] = deque([Buffer(size)])
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._known: dict[int, _Source | _Connection | _Door] = {}
        self._orders: deque[Callable[[], None]] = deque()
        self._connections = 0
        self._stopping = False
        self.packets = 0
        self.kernel_drops = 0
        self._thread = threading.Thread(target=self._work, name="statsd receiver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take what has arrived, hand it over, and close every socket."""
        self._stopping = True
        self._order(lambda: None)
        self._thread.join()

    def give_back(self, buffer: Buffer) -> None:
        buffer.clear()
        self._free.append(buffer)

    def add(self, source: socket.socket, origin: int, path: Path | None = None) -> None:
        made = _Source(source, origin, path)
        self._order(lambda: self._register(made))

    def add_door(self, door: socket.socket, origin: int) -> None:
        made = _Door(door, origin)
        self._order(lambda: self._register(made))

    def remove(self, path: Path) -> None:
        """Take what is left of the socket of this path, then close it. Returns once that is done."""
        done = threading.Event()

        def order() -> None:
            for one in [one for one in self._known.values() if isinstance(one, _Source) and one.path == path]:
                self._exhaust(one)
                self._close(one)
            done.set()

        if self._stopping:
            return
        self._order(order)
        while not done.wait(0.1) and self._thread.is_alive():
            pass  # it is ending, and closes them all

    # The thread's

    def _work(self) -> None:
        first = 0.0  # when the oldest line of the buffer came
        while True:
            if not self._current.used:
                first = 0.0
            timeout = max(first + self._linger - time.monotonic(), 0) if first else -1
            came = False
            drained = True
            for number, _ in self._poll.poll(timeout):
                if number == self._wake:
                    self._obey()
                    continue
                known = self._known.get(number)
                before = self._current.used
                match known:
                    case _Source():
                        drained = self._take(known) and drained
                    case _Connection():
                        self._read(known)
                    case _Door():
                        self._accept(known)
                    case None:
                        pass
                came = came or self._current.used != before
            now = time.monotonic()
            first = first or now
            due = self._current.used and now - first >= (
                _SOON_SECONDS if self._current.used >= _LARGE else self._linger
            )
            waits = due and not self._pass_on()
            if self._stopping:
                self._end()
                return
            # while both buffers wait for the store the kernel keeps what comes, and counts what it has no room for
            if waits or (came and drained):
                time.sleep(_NAP_SECONDS)

    def _take(self, source: _Source) -> bool:
        """Datagrams of one socket; whether none is left."""
        into = source.socket.recv_into
        buffer = self._current
        view, content = buffer.view, buffer.bytes
        for _ in range(_RUNS_OF_A_TURN):
            if buffer.full:
                return False
            place = begin = buffer.begin()
            try:
                for _ in range(_PACKETS_OF_A_RUN):
                    size = into(view[place : place + LARGEST_PACKET])
                    if size == LARGEST_PACKET:
                        size = self._whole(buffer, place)
                    place += size
                    content[place] = 10
                    place += 1
                    self.packets += 1
                    if not buffer.goes_on(place):
                        break
            except BlockingIOError:
                buffer.end(place, source.origin, self._now())
                return True
            except OSError:  # an ICMP answer to something else; there is nothing to read
                buffer.end(place, source.origin, self._now())
                return True
            if place > begin:
                buffer.end(place, source.origin, self._now())
        return False

    def _whole(self, buffer: Buffer, place: int) -> int:
        """The whole lines of a datagram that was cut: one by UDP never is that large."""
        self._drop(Dropped.TOO_LARGE, 1)
        return max(buffer.bytes.rfind(b"\n", place, place + LARGEST_PACKET) - place, 0)

    def _read(self, connection: _Connection) -> bool:
        """What one read gives of a stream; whether there may be more."""
        if self._current.full:
            return True
        try:
            came = connection.socket.recv(LARGEST_PACKET - LONGEST_LINE - 1)
        except BlockingIOError:
            return False
        except OSError:
            came = b""
        if not came:
            if connection.rest:
                self._write(connection.origin, connection.rest)
            self._close(connection)
            return False
        if connection.skipping:
            end = came.find(b"\n")
            if end < 0:
                return True
            came = came[end + 1 :]
            connection.skipping = False
        whole, feed, rest = (connection.rest + came).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            self._drop(Dropped.TOO_LARGE, 1)
            connection.skipping = True
            rest = b""
        connection.rest = rest
        if feed:
            self._write(connection.origin, whole)
        return True

    def _write(self, origin: int, lines: bytes) -> None:
        if not lines:
            return
        begin = self._current.begin()
        end = begin + len(lines)
        self._current.view[begin:end] = lines
        self._current.bytes[end] = 10
        self._current.end(end + 1, origin, self._now())
        self.packets += 1

    def _accept(self, door: _Door) -> None:
        try:
            made, _ = door.socket.accept()
        except OSError:  # it has gone again, or there are no file descriptors left
            time.sleep(_NAP_SECONDS)
            return
        if self._connections >= _MOST_CONNECTIONS:
            self._drop(Dropped.FULL, 1)  # what it would have said is not known
            made.close()
            return
        made.setblocking(False)
        self._connections += 1
        self._register(_Connection(made, door.origin))

    def _register(self, known: _Source | _Connection | _Door) -> None:
        self._known[known.socket.fileno()] = known
        self._poll.register(known.socket.fileno(), select.EPOLLIN)

    def _close(self, known: _Source | _Connection | _Door) -> None:
        number = known.socket.fileno()
        self._poll.unregister(number)
        del self._known[number]
        if isinstance(known, _Connection):
            self._connections -= 1
        elif isinstance(known, _Source):
            self._look(known)
        known.socket.close()
        if isinstance(known, _Source) and known.path is not None:
            with suppress(OSError):
                known.path.unlink()

    def _exhaust(self, source: _Source | _Connection) -> None:
        """Take what is there; from a sender who never stops no more than comes within a while."""
        until = time.monotonic() + _EXHAUST_SECONDS
        while time.monotonic() < until:
            if self._current.full and not self._pass_on():
                time.sleep(_NAP_SECONDS)
            elif self._take(source) if isinstance(source, _Source) else not self._read(source):
                return
        if isinstance(source, _Source):
            self._throw_away(source)

    def _throw_away(self, source: _Source) -> None:
        """What is left is counted at least, datagram by datagram."""
        thrown = 0
        until = time.monotonic() + 1
        with suppress(OSError):  # there is nothing left
            while time.monotonic() < until:
                source.socket.recv(1)
                thrown += 1
        if thrown:
            self._drop(Dropped.FULL, thrown)

    def _pass_on(self) -> bool:
        """Hand the buffer over if there is another to go on with."""
        self.look_at_drops()
        if not self._free:
            return False
        full, self._current = self._current, self._free.popleft()
        self._hand_over(full)
        return True

    def look_at_drops(self) -> None:
        for one in self._known.values():
            if isinstance(one, _Source):
                self._look(one)

    def _look(self, source: _Source) -> None:
        dropped = kernel_drops(source.socket)
        new = (dropped - source.drops) % 2**32
        if new:
            source.drops = dropped
            self.kernel_drops += new
            self._drop(Dropped.KERNEL, new)

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        os.eventfd_write(self._wake, 1)

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._orders:
            self._orders.popleft()()

    def _end(self) -> None:
        self._obey()
        for one in list(self._known.values()):
            if not isinstance(one, _Door):
                self._exhaust(one)
            if one.socket.fileno() in self._known:
                if isinstance(one, _Connection) and one.rest and not self._current.full:
                    self._write(one.origin, one.rest)
                self._close(one)
        while self._current.used and not self._pass_on():
            time.sleep(_NAP_SECONDS)
        self._poll.close()
        os.close(self._wake)
