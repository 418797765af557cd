"""Measurements for tests of PromQL, made from a few words."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from andon.feedback.promql.contract import Dialect, Matrix, Scalar, Vector
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Kind, Labels, Series, SeriesId, canonical, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements

STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
SECOND = 1_000
MINUTE = 60 * SECOND

Told = tuple[Series, Sequence[int], Sequence[float]]


def series(name: str, kind: Kind = Kind.GAUGE, **labels: str) -> Series:
    kept = canonical(labels)
    return Series(id=series_id(name, kept), name=name, labels=kept, kind=kind)


def every(
    seconds: float, values: Sequence[float | None], name: str, kind: Kind = Kind.GAUGE, *, start: int = 0, **labels: str
) -> Told:
    """One sample every so many seconds from ``start`` (ms); ``None`` is a missed one."""
    step = round(seconds * SECOND)
    kept = [(start + index * step, value) for index, value in enumerate(values) if value is not None]
    return series(name, kind, **labels), [at for at, _ in kept], [value for _, value in kept]


def measurements(*told: Told) -> MemoryMeasurements:
    samples: dict[SeriesId, tuple[Sequence[int], Sequence[float]]] = {
        one.id: (times, values) for one, times, values in told
    }
    return MemoryMeasurements([one for one, _, _ in told], samples)


def engine(*told: Told, dialect: Dialect = Dialect.PROMETHEUS_3, now: int = 10**9) -> Engine:
    return Engine(measurements(*told), dialect=dialect, now=lambda: now)


def instant(asked: Engine, query: str, at: float) -> dict[Labels, float]:
    """Labels and values of a vector, or of a scalar under no labels; ``at`` in seconds."""
    answer = asked.instant(query, round(at * SECOND), sight=None)
    if isinstance(answer, Scalar):
        return {(): answer.value}
    assert isinstance(answer, Vector), answer
    return {point.labels: point.value for point in answer.points}


def over(asked: Engine, query: str, start: float, end: float, step: float) -> dict[Labels, dict[float, float]]:
    """Labels, and values by time; all in seconds."""
    answer = asked.range(query, round(start * SECOND), round(end * SECOND), round(step * SECOND), sight=None)
    return lines(answer)


def lines(answer: object) -> dict[Labels, dict[float, float]]:
    assert isinstance(answer, Matrix), answer
    return {
        line.labels: {at / SECOND: value for at, value in zip(line.times.tolist(), line.values.tolist(), strict=True)}
        for line in answer.lines
    }


def labels(**told: str) -> Labels:
    """As answers have them; ``name`` is the series' name."""
    found = dict(told)
    if "name" in found:
        found["__name__"] = found.pop("name")
    return tuple(sorted(found.items()))


def alike(left: float, right: float) -> bool:
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
