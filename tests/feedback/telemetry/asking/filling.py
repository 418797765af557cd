"""Measurements put into either implementation, for tests that say what both must answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Protocol

from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.metrics import (
    Exemplar,
    Kind,
    Level,
    Measurements,
    Series,
    SeriesId,
    canonical,
    series_id,
)
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.rollups import Rollups
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer

DAY = 86_400_000
NOW = 1_790_000_000_000 // DAY * DAY + 12 * 3_600_000
"""Noon of a day."""


def series(name: str, kind: Kind = Kind.GAUGE, level: Level = Level.APPLICATION, **labels: str) -> Series:
    kept = canonical(labels)
    return Series(id=series_id(name, kept), name=name, labels=kept, kind=kind, level=level, path=name)


class Filling(Protocol):
    def put(self, one: Series, times: Sequence[int], values: Sequence[float]) -> Series: ...

    def put_exemplar(self, exemplar: Exemplar) -> None: ...

    def measurements(self) -> Measurements: ...


class InMemory:
    def __init__(self) -> None:
        self._series: list[Series] = []
        self._samples: dict[SeriesId, tuple[list[int], list[float]]] = {}
        self._exemplars: list[Exemplar] = []

    def put(self, one: Series, times: Sequence[int], values: Sequence[float]) -> Series:
        if one.id not in self._samples:
            self._series.append(one)
        before = self._samples.setdefault(one.id, ([], []))
        before[0].extend(times)
        before[1].extend(values)
        return one

    def put_exemplar(self, exemplar: Exemplar) -> None:
        self._exemplars.append(exemplar)

    def measurements(self) -> Measurements:
        return MemoryMeasurements(self._series, self._samples, exemplars=self._exemplars)


class InStore:
    """Through the writer, as everything comes in. ``now`` is the writer's."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.now = engine, NOW
        self.rollups = Rollups(engine, lambda: self.now, grace=0)
        disk = DiskWatch(Path(gettempdir()), 0, lambda: 10**12)
        self.writer = Writer(
            Tables(engine, lambda: self.now),
            Book(limit=100_000, total=100_000),
            Drops(),
            disk,
            gather=0,
            rollups=self.rollups,
        )
        self.writer.start()

    def put(self, one: Series, times: Sequence[int], values: Sequence[float]) -> Series:
        batch = Batch(way=Way.OTLP, series=[one], ids=[one.id] * len(times), times=times, values=values)
        assert self.writer.take(batch).result(30).samples == len(times)
        return one

    def put_exemplar(self, exemplar: Exemplar) -> None:
        self.writer.take(Batch(way=Way.OTLP, exemplars=[exemplar])).result(30)

    def measurements(self) -> StoredMeasurements:
        return StoredMeasurements(self.engine, Keep())

    def close(self) -> None:
        self.writer.stop()
