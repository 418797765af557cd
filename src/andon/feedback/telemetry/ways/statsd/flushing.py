"""A few times a second: what was received becomes rows of the store."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Intake, Receipt, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.metrics import Series
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.engine import Engine, StoreError
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch
from andon.feedback.telemetry.ways.statsd.buffers import Buffer
from andon.feedback.telemetry.ways.statsd.bulk import Bulk, Told
from andon.feedback.telemetry.ways.statsd.deciding import Deciding
from andon.feedback.telemetry.ways.statsd.happenings import EVENT, check, event
from andon.feedback.telemetry.ways.statsd.lines import Refused
from andon.feedback.telemetry.ways.statsd.origins import Origins
from andon.feedback.telemetry.ways.statsd.running import Running
from andon.feedback.telemetry.ways.statsd.statements import SET_WINDOW
from andon.kernel.errors import TooMany, Unavailable

AHEAD = 600_000
"""Milliseconds that a sender's clock may be ahead."""
MOST_NEW_KEYS = 20_000
"""Decided in one flush: half a second's work. The lines of more wait for the next one."""
MOST_KEYS = 1_500_000
"""Remembered; beyond that all are forgotten and decided again as they come."""
PATIENCE_SECONDS = 10.0
"""How long a batch that the store does not take is tried again."""
_TRIES = 3
_DISK_FULL = 243

Writing = Callable[[NDArray[np.uint64], NDArray[np.int64]], AbstractContextManager[None]]
""":meth:`~andon.feedback.telemetry.store.writer.Writer.writing`."""

_log = logging.getLogger(__name__)


class Flushing:
    """For one thread, except for the counts, which are for reading. ``past`` is how many milliseconds the store keeps
    raw samples. ``parser`` cuts the lines up; where it is the store itself rows never leave it."""

    def __init__(
        self,
        engine: Engine,
        tables: Tables,
        book: Book,
        intake: Intake,
        origins: Origins,
        *,
        parser: Engine,
        disk: DiskWatch | None,
        now: Callable[[], int],
        past: int,
        patience: float,
        most_keys: int,
        writing: Writing | None = None,
    ) -> None:
        self._engine, self._tables, self._book, self._intake = engine, tables, book, intake
        self._origins, self._disk, self._now, self._past = origins, disk, now, past
        self._patience, self._most_keys = patience, most_keys
        self._same = parser is engine
        self._writing = writing
        self._bulk = Bulk(parser)
        self._running = Running(self._last_values)
        self._deciding = Deciding(book, origins, self._running)
        self._day = -1
        self._refusing = False
        self._stopping = threading.Event()
        self.lines = 0
        self.samples = 0
        self.flushes = 0
        self.dropped: Counter[Dropped] = Counter()
        self._lock = threading.Lock()

    @property
    def keys(self) -> int:
        return self._bulk.keys

    @property
    def waits(self) -> float | None:
        """Seconds until there is something to do though nothing arrives; ``None`` for ever."""
        if self._bulk.held:
            return 0.01
        if self._bulk.members:
            return (SET_WINDOW - self._now() % SET_WINDOW) / 1000
        return None

    def drop(self, why: Dropped, count: int, service: str = "") -> None:
        """Safe to use from every thread."""
        with self._lock:
            self.dropped[why] += count
        self._intake.drop(Way.STATSD, why, count, service=service)

    def begin(self) -> None:
        """Raises ``Unavailable`` or ``StoreError``."""
        self._bulk.open()

    def hurry(self) -> None:
        """Be less patient from now on: the process ends."""
        self._stopping.set()

    def end(self) -> None:
        """Decide what waits, and tell how large the sets are so far."""
        while self._bulk.held:
            self.flush()
        if self._bulk.members:
            self.flush(ahead=SET_WINDOW)
        self._bulk.close()

    def flush(self, buffer: Buffer | None = None, *, ahead: int = 0) -> None:
        """Store what was received, and what waits. What cannot be stored is counted."""
        for attempt in range(_TRIES):
            try:
                lines, rows = self._gather(buffer, self._now() + ahead)
                break
            except (Unavailable, StoreError) as error:
                _log.warning("Lines of StatsD could not be read (try %d): %s", attempt + 1, error)
                self._stopping.wait(0.1)
        else:
            self.drop(Dropped.FULL, self._bulk.held + (buffer.lines() if buffer else 0))
            self._bulk.held = 0
            return
        self.flushes += 1
        if rows or self._deciding.unwritten:
            self._store(rows)
        self.lines += lines

    # Lines into rows

    def _gather(self, buffer: Buffer | None, now: int) -> tuple[int, int]:
        """How many lines came, and how many rows are ready."""
        self._tables.turn_day(self._book)
        if self._book.day != self._day or self._bulk.keys > self._most_keys:
            self._bulk.forget_keys()
            self._day = self._book.day
        received = buffer.received if buffer else memoryview(b"")
        lines, late = self._bulk.parse(received)
        rows = lines - late
        refused: Mapping[tuple[Dropped, int], int] = {}
        events: Sequence[Told] = ()
        standing: Mapping[int, float] = {}
        more = late > 0 or self._bulk.held > 0
        if more:
            unknown = self._bulk.unknown(late=late > 0, most=MOST_NEW_KEYS)
            if unknown:
                keys, moving = self._deciding.decide(unknown)
                if moving:
                    # in this order: what fails half way is done again from the beginning
                    self._bulk.keep_order(moving)
                    self._running.begin(moving)
                self._bulk.learn(keys)
                if moving:
                    # once more, now that absolute values of these gauges keep their place among the relative ones
                    lines, late = self._bulk.parse(received)
                    self._bulk.unknown(late=late > 0, most=MOST_NEW_KEYS)
            found = self._bulk.resolve(oldest=now - self._past, newest=now + AHEAD)
            refused, events = found.refused, found.events
            if found.moved.ids.size:
                moved, standing = self._running.moved(found.moved)
                self._bulk.add(moved)
        ended = self._bulk.members > 0 and self._bulk.sets_until <= now
        if ended:
            self._bulk.count_sets(now)
        if more or ended:
            rows = self._bulk.ready()
        if ended:
            self._bulk.forget_sets(now)
        # from here on nothing can fail: what is told is told once
        self._running.keep(standing)
        for (why, service), count in refused.items():
            self.drop(why, count, self._deciding.service(service))
        if events:
            self._tell(events, now)
        return lines, rows

    def _last_values(self, series: Sequence[int]) -> Mapping[int, float]:
        rows = self._engine.rows(
            # of several of one millisecond the last one
            "SELECT series, argMax(value, (time, rowNumberInAllBlocks())) FROM samples"
            " WHERE series IN {ids:Array(UInt64)} AND time >= {since:Int64} GROUP BY series",
            {"ids": list(series), "since": self._now() - DAY_MS},
            max_threads=1,
        )
        return {int(str(one)): float(str(value)) for one, value in rows}

    # Rows into the store

    def _store(self, rows: int) -> None:
        token = os.urandom(16).hex()
        until = time.monotonic() + (0 if self._refusing else self._patience)
        pause = 0.05
        while True:
            try:
                self._write(rows, token)
            except (Unavailable, StoreError) as error:
                full = (self._disk is not None and self._disk.full) or getattr(error, "code", None) == _DISK_FULL
                if time.monotonic() + pause > until or self._stopping.wait(pause):
                    _log.warning("%d samples of StatsD were not stored: %s", rows, error)
                    self._refusing = True
                    self.drop(Dropped.DISK if full else Dropped.FULL, rows)
                    return
                pause = min(2 * pause, 1.0)
            else:
                self._refusing = False
                self.samples += rows
                return

    def _write(self, rows: int, token: str) -> None:
        if self._disk is not None:
            self._disk.require_room()
        # before their samples: a sample whose series nobody knows could never be found
        while self._deciding.unwritten:
            day = self._deciding.unwritten[0][1]
            named = [one for one, other in self._deciding.unwritten if other == day]
            self._tables.write_series(named, day)
            self._deciding.unwritten = [one for one in self._deciding.unwritten if one[1] != day]
        if not rows:
            return
        with self._writing(*self._bulk.least(self._book.day)) if self._writing else nullcontext():
            if self._same:
                self._bulk.store(token)
            else:
                self._tables.write_samples(*self._bulk.columns(), token=token)

    # Events and service checks

    def _tell(self, told: Sequence[Told], now: int) -> None:
        lines: list[LogLine] = []
        series: list[Series] = []
        times: list[int] = []
        values: list[float] = []
        for one in told:
            origin = self._origins[one.origin]
            try:
                if one.line.startswith(EVENT):
                    line = event(one.line, one.time, origin)
                    self._require_time(line.time // 1000, now)
                    lines.append(line)
                    continue
                checked = check(one.line, one.time, origin)
                self._require_time(checked.time, now)
            except Refused as refused:
                self.drop(refused.why, 1, refused.service)
                continue
            series.append(checked.series)
            times.append(checked.time)
            values.append(checked.status)
            if checked.line is not None:
                lines.append(checked.line)
        if not lines and not series:
            return
        batch = Batch(
            way=Way.STATSD, series=series, ids=[one.id for one in series], times=times, values=values, logs=lines
        )
        try:
            self._intake.take(batch).add_done_callback(lambda future: self._was_told(future, len(lines) + len(times)))
        except (TooMany, Unavailable):
            self.drop(Dropped.FULL, len(lines) + len(times))

    def _was_told(self, future: Future[Receipt], count: int) -> None:
        if future.exception() is not None:
            self.drop(Dropped.FULL, count)

    def _require_time(self, time_: int, now: int) -> None:
        if not now - self._past <= time_ <= now + AHEAD:
            raise Refused(Dropped.TIME)
