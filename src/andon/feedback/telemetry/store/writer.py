"""One writer gathers what all ways in hand over and writes it in a few large inserts a second.

A one-row insert costs as much as one of a hundred thousand, so batches wait for each other a moment, and everybody is
told once the insert is done: what was acknowledged survives the end of the process. More than ``limit`` cells waiting
is refused at the door with a time to come back, not queued without end.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Receipt, Way
from andon.feedback.telemetry.contract.logs import LogLine, Template
from andon.feedback.telemetry.contract.metrics import SERVICE, Kind
from andon.feedback.telemetry.store.book import FIRST_REFUSED, REFUSED, UNKNOWN, Book, kind_of, level_of, why
from andon.feedback.telemetry.store.counting import LineCounter
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import StoreError
from andon.feedback.telemetry.store.numbers import encode
from andon.feedback.telemetry.store.rollups import Rollups
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.templates import Templates
from andon.kernel.errors import AndonError, TooMany, Unavailable

GATHER_SECONDS = 0.2
"""How long the first batch waits for company: half of what an answer may take, a fifth of what a graph may lag."""
MOST_WAITING = 4_000_000
"""Cells (a sample is one, a line or span twenty) that may wait; some 200 MB at the worst."""
MOST_AT_ONCE = 1_000_000
_CELLS_OF_A_ROW = 20
_LOOK_AT_DISK_SECONDS = 1.0
_MOST_DAYS = 200_000
_OURS = {Way.ANDON, Way.HOST, Way.ROUTER}
_GUESSING = {Way.REMOTE_WRITE, Way.SCRAPE, Way.GRAPHITE}
"""Ways in whose senders often do not say what is a counter, and are guessed at by its name."""
_RUNNING = {Kind.GAUGE, Kind.COUNTER}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    told: Future[Receipt]
    cells: int


class DiskWatch:
    """Whether the disk has room for telemetry; looked at once a second, asked as often as one likes."""

    def __init__(self, folder: Path, reserve: int, free: Callable[[], int] | None = None) -> None:
        self._reserve, self._folder = reserve, folder
        self._free = free or self._free_bytes
        self._looked = 0.0
        self._full = False

    @property
    def full(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= _LOOK_AT_DISK_SECONDS:
            self._looked = now
            self._full = self._free() < self._reserve
        return self._full

    @property
    def trouble(self) -> str:
        """What is wrong, in a sentence; empty while there is room."""
        if not self.full:
            return ""
        return f"The disk has less than {self._reserve // 1024**2:,} MiB left: telemetry takes nothing in."

    def require_room(self) -> None:
        """Raises ``Unavailable``."""
        trouble = self.trouble
        if trouble:
            raise Unavailable(
                trouble,
                safe="What is stored stays readable; deployments and everything else go on.",
                remedy="Make room, or keep less: `telemetry.raw_days` and its neighbours in the settings.",
            )

    def _free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_frsize * found.f_bavail


class Writer:
    """The door to the store (:class:`~andon.feedback.telemetry.contract.intake.Intake`)."""

    def __init__(
        self,
        tables: Tables,
        book: Book,
        drops: Drops,
        disk: DiskWatch,
        *,
        gather: float = GATHER_SECONDS,
        limit: int = MOST_WAITING,
        rollups: Rollups | None = None,
        templates: Templates | None = None,
        counter: LineCounter | None = None,
    ) -> None:
        self._tables, self._book, self._drops, self._disk = tables, book, drops, disk
        self._rollups = rollups
        self._days: set[tuple[int, int]] = set()
        self._days_on = -1
        self._naming = threading.Lock()
        self._templates, self._counter = templates or Templates(), counter or LineCounter(lambda: ())
        self._gather, self._limit = gather, limit
        self._unwritten: list[Template] = []
        self._queue: deque[_Waiting] = deque()
        self._cells = 0
        self._news = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="telemetry writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Cells that are taken and not yet written."""
        return self._cells

    # The door

    def take(self, batch: Batch) -> Future[Receipt]:
        self._disk.require_room()
        cells = len(batch.ids) + _CELLS_OF_A_ROW * (
            len(batch.logs) + len(batch.spans) + len(batch.series) + len(batch.exemplars)
        )
        told: Future[Receipt] = Future()
        told.set_running_or_notify_cancel()  # whoever gives up waiting must not undo what others are told by
        waiting = _Waiting(batch, told, cells)
        with self._news:
            if self._stopping:
                raise Unavailable("Telemetry is stopping.", remedy="Send it again in a moment.")
            if self._cells and self._cells + cells > self._limit:
                raise TooMany(
                    "More telemetry arrives than the store takes in.",
                    retry_after=1.0,
                    safe="Nothing of this request was taken in: it can be sent again whole.",
                    remedy="Send it again later; `andon telemetry` says who sends how much.",
                )
            self._queue.append(waiting)
            self._cells += cells
            self._news.notify()
        return waiting.told

    def drop(self, way: Way, why: Dropped, count: int = 1, *, service: str = "") -> None:
        self._drops.add(way, why, count, service=service)

    def knows(self, series: int) -> bool:
        # between midnight and the first batch after it the book is still yesterday's, and about to be closed
        return self._book.day == self._tables.now() // DAY_MS and self._book.knows(series)

    @contextmanager
    def writing(self, ids: NDArray[np.uint64], times: NDArray[np.int64]) -> Iterator[None]:
        """Around the writing of samples of these series and times, for whoever writes them without this writer: what is
        of another day can be found there, and what is late is rolled up again. One sample of each series and day says
        enough, if it is the earliest. Safe to use from every thread."""
        with self._naming:
            self._write_days(ids, times)
        with self._rollups.writing(times) if self._rollups else nullcontext():
            yield

    # Inside

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._queue and not self._stopping:
                    self._news.wait()
                if not self._queue:
                    return
                if not self._stopping:
                    self._news.wait_for(lambda: self._stopping or self._cells >= MOST_AT_ONCE, self._gather)
                gathered = self._gathered()
            try:
                self._write(gathered)
            finally:
                with self._news:
                    self._cells -= sum(one.cells for one in gathered)

    def _gathered(self) -> list[_Waiting]:
        """Those that are written together. One with a token is written alone: its rows stand or fall with it."""
        first = self._queue.popleft()
        taken = [first]
        cells = first.cells
        if first.batch.token:
            return taken
        while self._queue and not self._queue[0].batch.token and cells < MOST_AT_ONCE:
            taken.append(self._queue.popleft())
            cells += taken[-1].cells
        return taken

    def _write(self, gathered: Sequence[_Waiting]) -> None:
        try:
            answers = self._store([one.batch for one in gathered])
        except Exception as error:  # noqa: BLE001 - logged whole: what one batch holds must not end the writing of all
            answers = [_said(error, len(gathered))] * len(gathered)
        for one, answer in zip(gathered, answers, strict=True):
            if isinstance(answer, Receipt):
                one.told.set_result(answer)
            else:
                one.told.set_exception(answer)

    def _store(self, batches: Sequence[Batch]) -> Sequence[Receipt | Exception]:
        """What to tell of each. Raises when nothing of any was stored."""
        self._tables.turn_day(self._book)
        lines = [one for batch in batches for one in batch.logs]
        told = [*batches, *self._counted(lines)]
        foreign: list[frozenset[int]] = []
        for batch in told:
            entered = self._book.enter(batch.series, ours=batch.way in _OURS)
            foreign.append(entered.foreign)
            # before their samples: a sample whose series nobody knows could never be found
            if entered.new:
                try:
                    self._tables.write_series(entered.new, entered.day)
                except BaseException:
                    self._book.strike(entered.new)
                    raise
        receipts = []
        kept: list[tuple[NDArray[np.generic], ...]] = []
        for batch, of_others in zip(told, foreign, strict=True):
            ids = np.asarray(batch.ids, np.uint64)
            times = np.asarray(batch.times, np.int64)
            values = np.asarray(batch.values, np.float64)
            states, places = self._book.look_up(ids, values)
            if (states == UNKNOWN).any():
                self._carry_over(ids, states)
            disputed = self._disputed(batch) | of_others
            if disputed:
                states[np.isin(ids, np.fromiter(disputed, np.uint64, len(disputed)))] = REFUSED[Dropped.KIND]
            unremembered = _named_among(batch, ids[states == UNKNOWN])
            if unremembered:
                states[np.isin(ids, np.fromiter(unremembered, np.uint64, len(unremembered)))] = REFUSED[
                    Dropped.CARDINALITY
                ]
            refused = states >= FIRST_REFUSED
            dropped: dict[Dropped, int] = {}
            if refused.any():
                for state, count in zip(*np.unique(states[refused], return_counts=True), strict=True):
                    dropped[why(int(state))] = int(count)
                services: dict[int, str] = {one.id: one.label(SERVICE) for one in batch.series}
                self._drops.add_series(batch.way, dropped, ids[refused], services)
                taken = ~refused
                ids, times, values = ids[taken], times[taken], values[taken]
                states, places = states[taken], places[taken]
            kept.append((ids, times, level_of(states), *encode(values, places)))
            receipts.append(
                Receipt(
                    samples=int(ids.size),
                    logs=len(batch.logs),
                    spans=len(batch.spans),
                    dropped=dropped,
                    disputed=disputed | unremembered,
                )
            )
        token = batches[0].token if len(batches) == 1 else ""
        ids, times, *rest = (np.concatenate(part) for part in zip(*kept, strict=True))
        times = times.astype(np.int64, copy=False)

        counted = len(told) > len(batches)

        def write_samples() -> None:
            nonlocal counted
            with self.writing(ids.astype(np.uint64, copy=False), times):
                self._tables.write_samples(ids, times, *rest, token=token)
            counted = False

        def write_logs() -> None:
            if counted:
                raise Unavailable("What counts these lines could not be stored.", remedy="Send them again later.")
            self._write_logs(lines, token)

        exemplars = [
            one
            for batch, receipt in zip(batches, receipts, strict=False)
            for one in batch.exemplars
            if one.series not in receipt.disputed
        ]
        spans = [one for batch in batches for one in batch.spans]
        failures = _in_turn(
            batches,
            (write_samples, lambda one: len(one.ids)),
            (lambda: self._tables.write_exemplars(exemplars, token=token), lambda one: len(one.exemplars)),
            (write_logs, lambda one: len(one.logs)),
            (lambda: self._tables.write_spans(spans, token=token), lambda one: len(one.spans)),
        )
        for place, (batch, receipt) in enumerate(zip(told, receipts, strict=True)):
            if place not in failures:
                self._drops.took(batch.way, samples=receipt.samples, logs=receipt.logs, spans=receipt.spans)
        return [failures.get(place, receipt) for place, receipt in enumerate(receipts[: len(batches)])]

    def _carry_over(self, ids: NDArray[np.uint64], states: NDArray[np.uint8]) -> None:
        """Find series that were left out of a batch since they were known, when the day turned before it came here."""
        unknown = np.flatnonzero(states == UNKNOWN)
        states[unknown] = self._book.yesterday(ids[unknown])
        found = unknown[states[unknown] != UNKNOWN]
        if found.size:
            with self._naming:
                self._repeat(np.unique(ids[found]), self._book.day)

    def _disputed(self, batch: Batch) -> frozenset[int]:
        """Series that the batch names as another kind than they are known as: whoever came first is right for a day."""
        if not batch.series:
            return frozenset()
        ids = np.fromiter((one.id for one in batch.series), np.uint64, len(batch.series))
        states, _ = self._book.look_up(ids, np.zeros(ids.size))
        return frozenset(
            int(one.id)
            for one, state in zip(batch.series, states.tolist(), strict=True)
            if state < FIRST_REFUSED and not agree(kind_of(state), one.kind, batch.way)
        )

    def _write_logs(self, lines: Sequence[LogLine], token: str) -> None:
        ids, new = self._templates.assign(lines)
        # those of a batch that could not be written are written with the next: they are known by now, and new no more
        self._unwritten += new
        self._tables.write_templates(self._unwritten)
        self._unwritten = []
        self._tables.write_logs(lines, ids, token=token)

    def _counted(self, lines: Sequence[LogLine]) -> Sequence[Batch]:
        """What the lines add to the metrics that count them."""
        series, counts = self._counter.count(lines)
        if not series:
            return ()
        now = self._tables.now()
        ids = [one.id for one in series]
        return (Batch(way=Way.ANDON, series=series, ids=ids, times=[now] * len(ids), values=counts),)

    def _write_days(self, ids: NDArray[np.uint64], times: NDArray[np.int64]) -> None:
        """Write series down for the days of their samples that are not today: that is where they are looked for."""
        days = times // DAY_MS
        others = days != self._book.day
        if not others.any():
            return
        ids, days = ids[others], days[others]
        for day in np.unique(days).tolist():
            some = np.unique(ids[days == day])
            if day == self._book.day - 1:
                some = some[~self._book.had(some)]
            self._repeat(some, day)

    def _repeat(self, ids: NDArray[np.uint64], day: int) -> None:
        if self._days_on != self._book.day:  # the levels they are written down with may be others today
            self._days.clear()
            self._days_on = self._book.day
        new = [id_ for id_ in ids.tolist() if (day, id_) not in self._days]
        self._tables.repeat_series(new, day)
        if len(self._days) + len(new) > _MOST_DAYS:
            self._days.clear()  # writing one down again does no harm
        self._days.update((day, id_) for id_ in new)


def _named_among(batch: Batch, unknown: NDArray[np.uint64]) -> frozenset[int]:
    """Series that were refused, and that there was no room to remember either."""
    return frozenset(unknown.tolist()) & {int(one.id) for one in batch.series} if unknown.size else frozenset()


def agree(known: Kind, named: Kind, way: Way) -> bool:
    """Whether samples that are named as one kind may be stored with those of the other."""
    return known is named or (way in _GUESSING and {known, named} == _RUNNING)


def _in_turn(
    batches: Sequence[Batch], *parts: tuple[Callable[[], None], Callable[[Batch], int]]
) -> dict[int, Exception]:
    """Write each part, and say by its place what to tell of a batch that has something of a part that was not written.

    The others are stored whole: told that they are not, they would be sent again, and what adds up be there twice.
    """
    failures: dict[int, Exception] = {}
    away: Unavailable | None = None
    for write, count in parts:
        concerned = [place for place, batch in enumerate(batches) if count(batch)]
        try:
            if away is None:
                write()
                continue
            told: Exception = away
        except Exception as error:  # noqa: BLE001 - logged whole: what one batch holds must not end the writing of all
            told = _said(error, len(concerned))
            away = error if isinstance(error, Unavailable) else None
        for place in concerned:
            failures.setdefault(place, told)
    return failures


def _said(error: Exception, count: int) -> Exception:
    """Log why batches were not stored; what their senders are told."""
    if not isinstance(error, AndonError | StoreError):
        _log.error("%d batches were not stored", count, exc_info=error)
        return error
    _log.warning("%d batches were not stored: %s", count, error)
    return error if isinstance(error, AndonError) else _refused(error)


def _refused(error: StoreError) -> Unavailable:
    return Unavailable(
        "The telemetry store could not write.",
        safe="Nothing of this request was acknowledged.",
        remedy=f"Send it again later. The store said: {str(error)[:300]}",
    )
