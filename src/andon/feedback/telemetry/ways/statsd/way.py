"""StatsD and DogStatsD: over UDP and TCP, and by sockets of their own for those whose name is known."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from andon.feedback.telemetry.contract.intake import Dropped, Intake
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch
from andon.feedback.telemetry.ways.doors.listening import Tcp
from andon.feedback.telemetry.ways.statsd.buffers import Buffer
from andon.feedback.telemetry.ways.statsd.flushing import MOST_KEYS, PATIENCE_SECONDS, Flushing, Writing
from andon.feedback.telemetry.ways.statsd.origins import ANYONE, Origin, Origins
from andon.feedback.telemetry.ways.statsd.receiving import BUFFER_BYTES, LINGER_SECONDS, Receiver
from andon.feedback.telemetry.ways.statsd.sockets import listen, listen_at

PORT = 8125
RAW_DAYS = 14

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Since the start; all grow, but ``keys`` and ``held``."""

    packets: int
    lines: int
    samples: int
    """Stored."""
    kernel_drops: int
    """Datagrams, each of one line or many."""
    dropped: Mapping[Dropped, int]
    flushes: int
    keys: int
    """Different lines, values apart, that are known today."""


class StatsdWay:
    """What is received is stored at once, by the store's own engine.

    ``listening`` are hosts and ports to begin with, each for UDP and TCP; port 0 is any that is free. Others are opened
    by :meth:`listen`. ``past`` is how many milliseconds the store keeps raw samples: older times are refused. Where the
    store is a server, ``parser`` is an engine in this process that cuts the lines up. ``writing`` is put around what is
    stored: the writer's, which sees to what is late or of another day.

    Start and stop from one thread; origins come and go from any.
    """

    def __init__(
        self,
        engine: Engine,
        tables: Tables,
        book: Book,
        intake: Intake,
        *,
        parser: Engine | None = None,
        disk: DiskWatch | None = None,
        listening: Sequence[tuple[str, int]] = (("127.0.0.1", PORT),),
        past: int = RAW_DAYS * DAY_MS,
        now: Callable[[], int] = now_ms,
        took: Callable[[int], None] | None = None,
        patience: float = PATIENCE_SECONDS,
        most_keys: int = MOST_KEYS,
        buffer: int = BUFFER_BYTES,
        linger: float = LINGER_SECONDS,
        writing: Writing | None = None,
    ) -> None:
        self._origins = Origins()
        self._flushing = Flushing(
            engine,
            tables,
            book,
            intake,
            self._origins,
            parser=parser or engine,
            disk=disk,
            now=now,
            past=past,
            patience=patience,
            most_keys=most_keys,
            writing=writing,
        )
        self._took = took
        self._full: queue.SimpleQueue[Buffer | None] = queue.SimpleQueue()
        self._receiver = Receiver(self._full.put, self._flushing.drop, size=buffer, now=now, linger=linger)
        self._listening = listening
        self.addresses: tuple[tuple[str, int], ...] = ()
        self._thread = threading.Thread(target=self._flush, name="statsd flushing", daemon=True)

    def start(self) -> None:
        """Raises ``Unavailable`` when a port is taken, or the store does not answer."""
        anyone = self._origins.number(ANYONE)
        pairs: list[tuple[socket.socket, socket.socket]] = []
        try:
            for host, port in self._listening:
                pairs.append(listen(host, port))
            self._flushing.begin()
        except BaseException:
            for pair in pairs:
                for one in pair:
                    one.close()
            raise
        self.addresses = tuple(datagrams.getsockname()[:2] for datagrams, _ in pairs)
        for datagrams, streams in pairs:
            self._receiver.add(datagrams, anyone)
            self._receiver.add_door(streams, anyone)
        self._thread.start()
        self._receiver.start()

    def stop(self) -> None:
        """Take what has arrived, and return once it is stored. Sockets are gone then."""
        if not self._thread.is_alive():
            return
        self._receiver.stop()
        self._flushing.hurry()
        self._full.put(None)
        self._thread.join()

    def listen(self, place: Tcp) -> str:
        """Receive datagrams and streams at this port too; says at which address. After :meth:`start`.

        Raises ``Unavailable`` when it is taken; everything else goes on.
        """
        datagrams, streams = listen(place.host, place.port, place.setting)
        host, port = datagrams.getsockname()[:2]
        anyone = self._origins.number(ANYONE)
        self._receiver.add(datagrams, anyone)
        self._receiver.add_door(streams, anyone)
        self.addresses = (*self.addresses, (host, port))
        return f"{host}:{port}"

    def open_origin(self, path: Path, origin: Origin, *, mode: int = 0o600) -> None:
        """Receive datagrams at this path from now on; they are this origin's whatever they say.

        Raises ``Unavailable``.
        """
        self._receiver.add(listen_at(path, mode), self._origins.number(origin), path)

    def close_origin(self, path: Path) -> None:
        """Take what is left there, and remove the socket. One that is not there is closed already."""
        self._receiver.remove(path)

    @property
    def statistics(self) -> Statistics:
        flushing, receiver = self._flushing, self._receiver
        return Statistics(
            packets=receiver.packets,
            lines=flushing.lines,
            samples=flushing.samples,
            kernel_drops=receiver.kernel_drops,
            dropped=dict(flushing.dropped),
            flushes=flushing.flushes,
            keys=flushing.keys,
        )

    def _flush(self) -> None:
        while True:
            try:
                buffer = self._full.get(timeout=self._flushing.waits)
            except queue.Empty:
                self._flush_one(None)
                continue
            if buffer is None:
                self._flushing.end()
                return
            try:
                self._flush_one(buffer)
            finally:
                self._receiver.give_back(buffer)

    def _flush_one(self, buffer: Buffer | None) -> None:
        before = self._flushing.samples
        try:
            self._flushing.flush(buffer)
        except Exception:  # noqa: BLE001 - logged whole and counted: a fault of ours must not end the taking in
            _log.exception("A flush of StatsD failed")
            self._flushing.drop(Dropped.FULL, buffer.lines() if buffer is not None else 0)
        if self._took is not None and self._flushing.samples > before:
            self._took(self._flushing.samples - before)
