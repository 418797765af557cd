"""Measurements by hand, and Graphite over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from andon.feedback.graphite.rows import Row
from andon.feedback.graphite.service import Graphite, Question
from andon.feedback.telemetry.contract.metrics import (
    Kind,
    Resolution,
    Series,
    SeriesId,
    Sight,
    canonical,
    metric_name,
    series_id,
)
from andon.feedback.telemetry.memory import MemoryMeasurements

START = 1_767_261_600
"""2026-01-01 10:00 UTC, a Thursday."""
Points = Sequence[tuple[float, float]]
"""Seconds behind :data:`START`, and values."""


class Told:
    """Series that are told one after the other."""

    def __init__(self) -> None:
        self._series: list[Series] = []
        self._samples: dict[SeriesId, tuple[list[int], list[float]]] = {}

    def statsd(self, name: str, kind: Kind, points: Points, **labels: str) -> Told:
        return self._told(series_id(metric_name(name), canonical(labels)), name, kind, points, labels)

    def graphite(self, path: str, points: Points, **labels: str) -> Told:
        return self._told(series_id(path, canonical(labels)), path, Kind.GAUGE, points, labels)

    def counter(self, name: str, points: Points, **labels: str) -> Told:
        return self._told(series_id(name, canonical(labels)), name, Kind.COUNTER, points, labels)

    def _told(self, id_: SeriesId, path: str, kind: Kind, points: Points, labels: Mapping[str, str]) -> Told:
        self._series.append(Series(id=id_, name=metric_name(path), labels=canonical(labels), kind=kind, path=path))
        self._samples[id_] = ([round((START + at) * 1000) for at, _ in points], [value for _, value in points])
        return self

    def measurements(self, horizons: Mapping[Resolution, int] | None = None) -> MemoryMeasurements:
        return MemoryMeasurements(self._series, self._samples, horizons=horizons)

    def asked(
        self, *targets: str, seconds: int = 60, sight: Sight = None, horizons: Mapping[Resolution, int] | None = None
    ) -> list[Row]:
        """From :data:`START` on, which is in no slot itself, as in Graphite."""
        graphite = Graphite(self.measurements(horizons), clock=lambda: (START + seconds) * 1000)
        end = START + seconds
        return graphite.rows(Question(targets=targets, start=START, end=end, now=end), sight=sight)

    def values(self, target: str, *, seconds: int = 60) -> list[float | None]:
        """Those of the one series that a target has."""
        [row] = self.asked(target, seconds=seconds)
        return values_of(row)


def values_of(row: Row) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 9) for value in row.values.tolist()]


def every(step: int, *values: float | None) -> list[tuple[float, float]]:
    """A value for each step from the first slot on; none for ``None``."""
    return [(step * (index + 1), value) for index, value in enumerate(values) if value is not None]
