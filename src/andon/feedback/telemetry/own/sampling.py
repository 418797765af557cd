"""Numbers that Andon reads off by itself, on their way to the intake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Intake, Receipt, Way
from andon.feedback.telemetry.contract.metrics import LONGEST_VALUE, Series, canonical, series_id
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own.names import Metric
from andon.feedback.telemetry.ways.texts import sound
from andon.kernel.errors import TooMany, Unavailable

MOST_KNOWN = 100_000
"""Series whose ids are remembered; beyond them all are made anew."""

_log = logging.getLogger(__name__)


class Catalogue:
    """Series by metric and labels, made once. Used by one thread."""

    def __init__(self) -> None:
        self._made: dict[tuple[Metric, frozenset[tuple[str, str]]], Series] = {}

    def series(self, metric: Metric, labels: Mapping[str, str]) -> Series:
        """Values of labels are made fit to be kept (a path on the disk need not be text); empty ones are left out."""
        key = (metric, frozenset(labels.items()))
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= MOST_KNOWN:
                self._made.clear()
            kept = canonical({name: sound(value)[:LONGEST_VALUE] for name, value in labels.items()})
            found = Series(
                id=series_id(metric.name, kept),
                name=metric.name,
                labels=kept,
                kind=metric.kind,
                level=metric.level,
                unit=metric.unit,
                help=metric.help,
                path=metric.name,
            )
            self._made[key] = found
        return found


class Sheet:
    """Samples of one round."""

    def __init__(self, catalogue: Catalogue, now: int) -> None:
        self.now = now
        self._catalogue = catalogue
        self._series: list[Series] = []
        self._times: list[int] = []
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._series)

    def add(self, metric: Metric, value: float, labels: Mapping[str, str], *, at: int | None = None) -> None:
        """``at`` is in milliseconds, the round's moment unless it is given."""
        self._series.append(self._catalogue.series(metric, labels))
        self._times.append(self.now if at is None else at)
        self._values.append(float(value))

    def batch(self, way: Way, token: str = "") -> Batch:
        # all are named each time, which costs a look-up: the store forgets what it knows when the day turns
        named = {one.id: one for one in self._series}
        return Batch(
            way=way,
            series=tuple(named.values()),
            ids=[one.id for one in self._series],
            times=self._times,
            values=self._values,
            token=token,
        )


class Recorder:
    """Takes sheets to the intake. What it refuses is counted and gone: the next round has newer numbers.

    ``now`` answers milliseconds since 1970.
    """

    def __init__(self, intake: Intake, way: Way, now: Callable[[], int] = now_ms) -> None:
        self._intake, self._way, self._now = intake, way, now
        self._catalogue = Catalogue()

    def sheet(self) -> Sheet:
        return Sheet(self._catalogue, self._now())

    def record(self, sheet: Sheet) -> None:
        if not len(sheet):
            return
        batch = sheet.batch(self._way)
        try:
            told = self._intake.take(batch)
        except (TooMany, Unavailable) as error:
            self._lost(batch, error)
            return
        told.add_done_callback(lambda done: self._heard(batch, done))

    def _heard(self, batch: Batch, done: Future[Receipt]) -> None:
        error = done.exception()
        if error is not None:
            self._lost(batch, error)

    def _lost(self, batch: Batch, error: BaseException) -> None:
        why = Dropped.FULL if isinstance(error, TooMany) else Dropped.DISK
        self._intake.drop(self._way, why, len(batch.ids))
        _log.debug("%d samples of %s were not taken in: %s", len(batch.ids), self._way, error)
