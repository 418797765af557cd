"""Lines over TCP and UDP, for ways in whose senders are told nothing.

Over TCP a sender feels the store all the same: while it takes nothing in, nothing is read from the connection, and the
sender's own buffer fills. What still does not fit after :data:`PATIENCE` seconds is dropped and counted; so is at once
what comes by UDP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from andon.feedback.telemetry.contract.intake import Dropped, Intake, Way
from andon.feedback.telemetry.ways.doors.listening import Place, Tcp, Unix, address, bound
from andon.feedback.telemetry.ways.doors.loop import LoopThread
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, handed_over
from andon.kernel.errors import Invalid, TooMany, Unavailable

LONGEST_LINE = 128 * 1024
"""Bytes; of a longer one the end is not looked for, only waited for."""
PATIENCE = 30.0
_CHUNK = 64 * 1024
_UNDER_WAY = 8
"""Batches of one connection that may wait for the store: one that gathers for 0.2 s must not slow it down."""
_MOST_CONNECTIONS = 500
_MOST_UNDER_WAY = 64
"""Of all connections: a full store must not make us hold what it does not take."""
_IDLE_SECONDS = 3600.0
_DATAGRAM_SECONDS = 0.1
_MOST_DATAGRAMS = 20_000
_RECEIVE_BUFFER = 8 * 1024**2
_LOOK_AT_KERNEL_SECONDS = 5.0

Overlong: Final = b"\x00 a line that was too long"
"""Stands for a line whose middle was not kept; the very object, not its value."""

_log = logging.getLogger(__name__)


class LineWay(Protocol):
    """What reads the lines."""

    way: Way

    def split(self, waiting: bytearray) -> list[bytes]:
        """Take whole lines from the front of what came by TCP. Raises ``Invalid`` where no line can be found in it."""

    def datagram(self, raw: bytes) -> list[bytes]: ...

    def read(self, lines: Sequence[bytes], client: str, origin: Origin | None) -> Gathering: ...


def by_newline(waiting: bytearray) -> list[bytes]:
    """Whole lines, without their ends. One that is too long is cut out, wherever it ends."""
    end = waiting.rfind(b"\n")
    if end < 0:
        if len(waiting) <= LONGEST_LINE:
            return []
        # keep that it was too long, not what it said
        waiting[:] = bytes(LONGEST_LINE + 1)
        return []
    found = bytes(waiting[:end]).split(b"\n")
    del waiting[: end + 1]
    return [line.rstrip(b"\r") if len(line) <= LONGEST_LINE else Overlong for line in found]


@dataclass(slots=True)
class _Open:
    place: Place
    server: asyncio.Server | None = None
    transport: asyncio.DatagramTransport | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class LineDoor:
    """Listens for one way in at any number of places."""

    def __init__(self, way: LineWay, intake: Intake, *, patience: float = PATIENCE) -> None:
        self._way, self._intake, self._patience = way, intake, patience
        self._thread = LoopThread(f"telemetry {way.way}")
        self._open: dict[str, _Open] = {}
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)

    def start(self) -> None:
        self._thread.start()

    def listen_tcp(self, place: Place) -> str:
        """Says at which address it listens (``tcp:127.0.0.1:2003``). Raises ``Unavailable`` if the place is taken;
        the others go on."""
        made = bound(place)
        return self._listen(f"tcp:{address(made)}", made, self._serve(made, place))

    def listen_udp(self, place: Tcp) -> str:
        """Says at which address it listens (``udp:127.0.0.1:514``). Raises ``Unavailable`` if the place is taken;
        the others go on."""
        made = bound(place, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        return self._listen(f"udp:{address(made)}", made, self._receive(made, place))

    def close(self, where: str) -> None:
        """No longer take in what comes at this address, as listening gave it."""
        found = self._open.pop(where, None)
        if found is not None:
            self._thread.call(_ended(found))

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._open)

    def stop(self) -> None:
        if self._thread.alive:
            for where in self.addresses:
                self.close(where)
        self._thread.stop()

    def _listen(self, where: str, made: socket.socket, serving: Coroutine[object, object, _Open]) -> str:
        try:
            self._open[where] = self._thread.call(serving)
        except BaseException:
            made.close()
            raise
        return where

    # TCP

    async def _serve(self, made: socket.socket, place: Place) -> _Open:
        opened = _Open(place)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None or len(opened.tasks) >= _MOST_CONNECTIONS:
                self._intake.drop(self._way.way, Dropped.FULL)  # what it would have said is not known
                writer.close()
                return
            opened.tasks.add(task)
            peer = writer.get_extra_info("peername")
            client = peer[0] if isinstance(peer, tuple) else ""
            try:
                await self._connection(reader, client, place.origin)
            except (OSError, asyncio.CancelledError):
                pass  # the sender is gone, or we are: what was read has been handed over
            finally:
                opened.tasks.discard(task)
                writer.close()

        if isinstance(place, Unix):
            opened.server = await asyncio.start_unix_server(talk, sock=made, limit=_CHUNK)
        else:
            opened.server = await asyncio.start_server(talk, sock=made, limit=_CHUNK)
        return opened

    async def _connection(self, reader: asyncio.StreamReader, client: str, origin: Origin | None) -> None:
        waiting = bytearray()
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    async with asyncio.timeout(_IDLE_SECONDS):
                        chunk = await reader.read(_CHUNK)
                except TimeoutError:
                    return
                waiting += chunk if chunk else b"\n"
                try:
                    lines = self._way.split(waiting)
                except Invalid as error:
                    self._intake.drop(self._way.way, Dropped.MALFORMED)
                    _log.info("%s: a connection was closed: %s", self._way.way, error)
                    return
                if lines:
                    await self._room.acquire()
                    task = asyncio.create_task(self._hand_over_and_leave(self._read(lines, client, origin)))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                if not chunk:
                    return
                if len(under_way) >= _UNDER_WAY:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if under_way:
                await asyncio.wait(under_way)

    def _read(self, lines: Sequence[bytes], client: str, origin: Origin | None) -> Gathering | None:
        try:
            return self._way.read(lines, client, origin)
        except Exception:  # noqa: BLE001 - a defect of ours must cost these lines, and be counted, not the connection
            self._lose(len(lines))
            return None

    def _lose(self, lines: int) -> None:
        _log.exception("%s: %d were not taken in", self._way.way, lines)
        self._intake.drop(self._way.way, Dropped.MALFORMED, lines)

    async def _hand_over_and_leave(self, gathering: Gathering | None) -> None:
        try:
            await self._hand_over(gathering, self._patience)
        finally:
            self._room.release()

    async def _hand_over(self, gathering: Gathering | None, patience: float) -> None:
        if gathering is None:
            return
        end = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await handed_over(self._intake, gathering)
                return
            except (TooMany, Unavailable) as error:
                wait = min(max(error.retry_after, 0.05), 5.0) if isinstance(error, TooMany) else 1.0
                if asyncio.get_running_loop().time() + wait > end:
                    lost = len(gathering.ids) + len(gathering.logs)
                    why = Dropped.FULL if isinstance(error, TooMany) else Dropped.DISK
                    self._intake.drop(self._way.way, why, lost)
                    _log.warning("%s: %d were dropped: %s", self._way.way, lost, error)
                    return
                await asyncio.sleep(wait)
            except Exception:  # noqa: BLE001 - as above
                self._lose(len(gathering.ids) + len(gathering.logs))
                return

    # UDP

    async def _receive(self, made: socket.socket, place: Tcp) -> _Open:
        loop = asyncio.get_running_loop()
        opened = _Open(place)
        datagrams = _Datagrams(self._way, self._intake)
        opened.transport, _ = await loop.create_datagram_endpoint(lambda: datagrams, sock=made)
        for work in (self._flush(datagrams, place.origin), self._watch_kernel(os.fstat(made.fileno()).st_ino)):
            opened.tasks.add(loop.create_task(work))
        return opened

    async def _flush(self, datagrams: _Datagrams, origin: Origin | None) -> None:
        under_way: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(_DATAGRAM_SECONDS)
            for client, raw in datagrams.taken().items():
                lines = [line for one in raw for line in self._way.datagram(one)]
                task = asyncio.create_task(self._hand_over(self._read(lines, client, origin), 0))
                under_way.add(task)
                task.add_done_callback(under_way.discard)

    async def _watch_kernel(self, inode: int) -> None:
        """Datagrams for which the kernel had no room, from ``/proc/net/udp``."""
        seen = 0
        while True:
            await asyncio.sleep(_LOOK_AT_KERNEL_SECONDS)
            drops = kernel_drops(inode)
            if drops > seen:
                self._intake.drop(self._way.way, Dropped.KERNEL, drops - seen)
                seen = drops


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, way: LineWay, intake: Intake) -> None:
        self._way, self._intake = way, intake
        self._waiting: dict[str, list[bytes]] = {}
        self._count = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._count >= _MOST_DATAGRAMS:
            self._intake.drop(self._way.way, Dropped.FULL)
            return
        self._count += 1
        self._waiting.setdefault(addr[0], []).append(data)

    def taken(self) -> dict[str, list[bytes]]:
        found, self._waiting, self._count = self._waiting, {}, 0
        return found


def kernel_drops(inode: int, tables: tuple[Path, ...] = (Path("/proc/net/udp"), Path("/proc/net/udp6"))) -> int:
    """How many datagrams the kernel had no room for, of the socket with this inode; 0 where that is not known."""
    for table in tables:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if len(columns) > 12 and columns[9] == str(inode):
                    return int(columns[12])
    return 0


async def _ended(opened: _Open) -> None:
    if opened.server is not None:
        opened.server.close()
    if opened.transport is not None:
        await asyncio.sleep(2 * _DATAGRAM_SECONDS)  # what has come is handed over
        opened.transport.close()
    for task in list(opened.tasks):
        task.cancel()
    if opened.tasks:
        await asyncio.wait(list(opened.tasks), timeout=5)
    await asyncio.sleep(0)
    if isinstance(opened.place, Unix):
        with contextlib.suppress(FileNotFoundError):
            opened.place.path.unlink()
