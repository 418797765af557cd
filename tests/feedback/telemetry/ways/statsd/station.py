"""A way in for StatsD on a store of a test's own, and somebody who sends to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch
from andon.feedback.telemetry.ways.statsd.flushing import Writing
from andon.feedback.telemetry.ways.statsd.way import StatsdWay

NOW = 1_790_000_000_000
_BEGAN = time.monotonic_ns()
Row = tuple[str, dict[str, str], float]


class Station:
    """``clock`` is milliseconds since 1970. It moves by itself only where it is ``None``, from one afternoon on: at
    midnight series and their kinds are forgotten."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: int | None = None,
        limit: int = 10_000,
        parser: Engine | None = None,
        disk: DiskWatch | None = None,
        patience: float = 0.2,
        most_keys: int = 100_000,
        buffer: int = 4 * 1024**2,
        past: int = DAY_MS,
        writing: Writing | None = None,
    ) -> None:
        self.engine, self.clock = engine, clock
        self.intake = MemoryIntake()
        self.book = Book(limit=limit, total=100_000)
        self.tables = Tables(engine, self.now)
        self.way = StatsdWay(
            engine,
            self.tables,
            self.book,
            self.intake,
            parser=parser,
            disk=disk,
            listening=[("127.0.0.1", 0)],
            past=past,
            writing=writing,
            now=self.now,
            patience=patience,
            most_keys=most_keys,
            buffer=buffer,
            linger=0.02,
        )
        self.way.start()
        self._stopped = False
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(self.way.addresses[0])

    def now(self) -> int:
        return NOW + (time.monotonic_ns() - _BEGAN) // 1_000_000 if self.clock is None else self.clock

    def send(self, *lines: str | bytes) -> None:
        """One datagram."""
        self.udp.send(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))

    def sent(self, *lines: str | bytes) -> None:
        """Send one datagram, and wait until a flush has dealt with it."""
        before = self.way.statistics.lines
        self.send(*lines)
        until(lambda: self.way.statistics.lines >= before + len(lines))

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.udp.close()
            self.way.stop()

    def rows(self) -> list[Row]:
        """Names, labels and values, as stored; by name and time, and as they came."""
        return [
            (str(name), dict(labels) if isinstance(labels, dict) else {}, float(str(value)))
            for name, labels, value in self.engine.rows(
                "SELECT name, labels, value FROM samples AS m"
                " JOIN (SELECT DISTINCT id, name, labels FROM series) AS s ON s.id = m.series"
                " ORDER BY name, toString(labels), time SETTINGS max_threads = 1"
            )
        ]

    def values(self, name: str) -> list[float]:
        return [value for one, _, value in self.rows() if one == name]

    def stored(self) -> int:
        ((count,),) = self.engine.rows("SELECT count() FROM samples")
        return int(str(count))

    @property
    def dropped(self) -> dict[Dropped, int]:
        return dict(self.way.statistics.dropped)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def sender(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    made.connect(str(path))
    return made
