"""The intake in memory: what a process without a store uses, and what every way in is tested with."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Receipt, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.metrics import Exemplar, Series
from andon.feedback.telemetry.contract.traces import Span
from andon.kernel.errors import TooMany, Unavailable


class MemoryIntake:
    """An :class:`~andon.feedback.telemetry.contract.intake.Intake` that keeps what it is given, for ever.

    ``full`` and ``down`` make it refuse as a store does; ``holding`` makes it acknowledge nothing until
    :meth:`acknowledge`. Safe to use from every thread.
    """

    def __init__(self) -> None:
        self.full = False
        self.down = False
        self.holding = False
        self.retry_after = 1.0
        self.refused = 0
        """How many batches it did not take."""
        self.batches: list[Batch] = []
        self.dropped: Counter[tuple[Way, Dropped, str]] = Counter()
        self.refuses: dict[Dropped, int] = {}
        """Said of every batch in its receipt."""
        self._series: dict[int, Series] = {}
        self._tokens: set[str] = set()
        self._waiting: list[tuple[Future[Receipt], Receipt]] = []
        self._lock = threading.Lock()

    def take(self, batch: Batch) -> Future[Receipt]:
        with self._lock:
            self.refused += self.down or self.full
            if self.down:
                raise Unavailable("The telemetry store does not answer.", remedy="Send it again later.")
            if self.full:
                raise TooMany("More telemetry arrives than the store takes in.", retry_after=self.retry_after)
            told: Future[Receipt] = Future()
            if batch.token and batch.token in self._tokens:
                told.set_result(Receipt())
                return told
            self._tokens.add(batch.token)
            self.batches.append(batch)
            for one in batch.series:
                self._series.setdefault(one.id, one)
            receipt = Receipt(
                samples=len(batch.ids), logs=len(batch.logs), spans=len(batch.spans), dropped=dict(self.refuses)
            )
            if self.holding:
                self._waiting.append((told, receipt))
            else:
                told.set_result(receipt)
            return told

    def acknowledge(self) -> None:
        """Say of everything that is held back that it is stored."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for told, receipt in waiting:
            told.set_result(receipt)

    def drop(self, way: Way, why: Dropped, count: int = 1, *, service: str = "") -> None:
        with self._lock:
            self.dropped[way, why, service] += count

    def knows(self, series: int) -> bool:
        with self._lock:
            return series in self._series

    def forget(self) -> None:
        """Know no series any more, as a store does at the turn of a day."""
        with self._lock:
            self._series = {}

    # For reading what came

    @property
    def waiting(self) -> int:
        with self._lock:
            return len(self._waiting)

    @property
    def series(self) -> list[Series]:
        """Each once, in the order in which they were first named."""
        with self._lock:
            return list(self._series.values())

    @property
    def logs(self) -> list[LogLine]:
        return [line for batch in list(self.batches) for line in batch.logs]

    @property
    def spans(self) -> list[Span]:
        return [span for batch in list(self.batches) for span in batch.spans]

    @property
    def exemplars(self) -> list[Exemplar]:
        return [one for batch in list(self.batches) for one in batch.exemplars]

    def samples(self, name: str, **labels: str) -> list[tuple[int, float]]:
        """Times (ms) and values of all series of this name that have these labels, in the order in which they came."""
        with self._lock:
            wanted = {
                one.id
                for one in self._series.values()
                if one.name == name and all(one.label(label) == value for label, value in labels.items())
            }
            return [
                (int(time), float(value))
                for batch in self.batches
                for id_, time, value in zip(batch.ids, batch.times, batch.values, strict=True)
                if int(id_) in wanted
            ]

    def count(self, why: Dropped) -> int:
        """How much was dropped for this reason, whatever way it came and whosever it was."""
        with self._lock:
            return sum(count for (_, reason, _), count in self.dropped.items() if reason is why)
