"""Measurements that are held in memory: for tests, for a file of samples, and as the contract's plain meaning.

Every question is answered by looking at all the series. Patterns are run by RE2, like the store's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.metrics import (
    NAME,
    SERVICE,
    Column,
    Comparison,
    Exemplar,
    Kind,
    Matcher,
    MetricName,
    Resolution,
    Samples,
    Series,
    SeriesId,
    Sight,
)
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

DAY = 86_400_000
MOST_SAMPLES = 50_000_000
MOST_EXEMPLARS = 10_000
LONGEST_PATTERN = 1_000
FOREVER = 2**62

_LOOKS_LITERAL = re.compile(r"[\w :/-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Held:
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class MemoryMeasurements:
    """Implements :class:`~andon.feedback.telemetry.contract.metrics.Measurements`.

    ``samples`` has times (ms) and values for each series' id, in any order. ``horizons`` says how many milliseconds of
    the past each resolution keeps; without it all keep everything.
    """

    def __init__(
        self,
        series: Iterable[Series],
        samples: Mapping[SeriesId, tuple[Sequence[int], Sequence[float]]],
        *,
        exemplars: Iterable[Exemplar] = (),
        horizons: Mapping[Resolution, int] | None = None,
    ) -> None:
        self._series = sorted(series, key=lambda one: (one.name, one.labels))
        self._held = {one.id: _sorted(one.kind, *samples.get(one.id, ((), ()))) for one in self._series}
        self._exemplars = tuple(sorted(exemplars, key=lambda one: one.time))
        self._horizons = dict(horizons or {})

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[Series, ...]:
        return tuple(self._fitting(matchers, start, end, sight)[:limit])

    def samples(
        self,
        series: Sequence[Series],
        start: int,
        end: int,
        *,
        resolution: Resolution = Resolution.RAW,
        column: Column = Column.LAST,
    ) -> Samples:
        times: list[NDArray[np.int64]] = []
        values: list[NDArray[np.float64]] = []
        for one in series:
            held = self._held.get(one.id, _NOTHING)
            if resolution is not Resolution.RAW:
                held = rolled_up(held.times, held.values, resolution, column)
            span = slice(*np.searchsorted(held.times, [start, end + 1]).tolist())
            times.append(held.times[span])
            values.append(held.values[span])
        lengths = np.array([len(one) for one in times], dtype=np.int64)
        if lengths.sum() > MOST_SAMPLES:
            raise Invalid(
                f"The question is for {int(lengths.sum()):,} samples, more than {MOST_SAMPLES:,}.",
                remedy="Ask for fewer series or a shorter time.",
            )
        return Samples(
            series=tuple(series),
            offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
            times=np.concatenate(times) if times else _NOTHING.times,
            values=np.concatenate(values) if values else _NOTHING.values,
        )

    def names(self, start: int, end: int, *, sight: Sight, limit: int = 100_000) -> tuple[MetricName, ...]:
        found = []
        for name, members in groupby(self._fitting((), start, end, sight), key=lambda one: one.name):
            first, *others = members
            found.append(
                MetricName(
                    name=name,
                    kind=first.kind,
                    level=first.level,
                    unit=first.unit,
                    help=first.help,
                    series=1 + len(others),
                )
            )
        return tuple(found[:limit])

    def label_names(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 10_000
    ) -> tuple[str, ...]:
        fitting = self._fitting(matchers, start, end, sight)
        found = {label for one in fitting for label, _ in one.labels} | ({NAME} if fitting else set())
        return tuple(sorted(found)[:limit])

    def label_values(
        self, label: str, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[str, ...]:
        found = {one.label(label) for one in self._fitting(matchers, start, end, sight)}
        return tuple(sorted(found - {""})[:limit])

    def exemplars(self, series: Sequence[Series], start: int, end: int, *, every: int = 0) -> tuple[Exemplar, ...]:
        wanted = {one.id for one in series}
        found = [one for one in self._exemplars if one.series in wanted and start <= one.time <= end]
        if every:
            found = [one for _, members in groupby(found, lambda one: one.time // every) for one in _two(list(members))]
        return tuple(found[-MOST_EXEMPLARS:])

    def horizon(self, resolution: Resolution) -> int:
        return self._horizons.get(resolution, FOREVER)

    def _fitting(self, matchers: Sequence[Matcher], start: int, end: int, sight: Sight) -> list[Series]:
        found = [one for one in self._series if _is_seen(one, sight) and self._has(one, start, end)]
        for matcher in matchers:
            values = sorted({one.label(matcher.label) for one in found})
            fits = _that_fit(matcher, values)
            found = [one for one in found if one.label(matcher.label) in fits]
        return found

    def _has(self, series: Series, start: int, end: int) -> bool:
        """Whether there is a sample on one of the days from ``start`` to ``end``."""
        times = self._held[series.id].times
        first, last = np.searchsorted(times, [start // DAY * DAY, (end // DAY + 1) * DAY])
        return bool(last > first)


_NOTHING = _Held(np.zeros(0, dtype=np.int64), np.zeros(0))


def _two(members: Sequence[Exemplar]) -> Iterator[Exemplar]:
    """The first and the highest, by time."""
    highest = max(members, key=lambda one: one.value)
    yield members[0]
    if highest is not members[0]:
        yield highest


def _sorted(kind: Kind, times: Sequence[int], values: Sequence[float]) -> _Held:
    at, told = np.asarray(times, dtype=np.int64), np.asarray(values, dtype=np.float64)
    order = np.argsort(at, kind="stable")
    at, told = at[order], told[order]
    if kind in {Kind.GAUGE, Kind.COUNTER} and len(at):
        # of a running value only the last one sent for a millisecond counts
        last = np.append(at[1:] != at[:-1], True)
        at, told = at[last], told[last]
    return _Held(at, told)


def _is_seen(series: Series, sight: Sight) -> bool:
    service = series.label(SERVICE)
    return sight is None or not service or Service(service) in sight


def _that_fit(matcher: Matcher, values: Sequence[str]) -> frozenset[str]:
    match matcher.comparison:
        case Comparison.LIKE:
            return _matching(matcher.value, tuple(values))
        case Comparison.UNLIKE:
            return frozenset(values) - _matching(matcher.value, tuple(values))
        case _:
            return frozenset(value for value in values if matcher.fits(value))


@lru_cache(maxsize=64)
def _matching(pattern: str, values: tuple[str, ...]) -> frozenset[str]:
    """Those that the whole of the pattern fits. Raises :class:`Invalid` for what RE2 does not understand."""
    if len(pattern) > LONGEST_PATTERN:
        raise Invalid(f"The pattern is longer than {LONGEST_PATTERN} characters.", remedy="Use a shorter one.")
    if _LOOKS_LITERAL.fullmatch(pattern):
        return frozenset({pattern}) & frozenset(values)
    # slow to load, and most patterns of tests are literal
    import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415 - carries no types; see above
    from pyarrow import compute  # noqa: PLC0415 - as above

    try:
        fits = compute.match_substring_regex(
            pyarrow.array(values, type=pyarrow.string()), pattern=f"^(?s:{pattern})$"
        ).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise Invalid(
            f"`{pattern}` is no pattern that RE2 understands.",
            remedy="Look-around and back references are not among what it knows.",
        ) from error
    return frozenset(value for value, one in zip(values, fits, strict=True) if one)


def rolled_up(times: NDArray[np.int64], values: NDArray[np.float64], resolution: Resolution, column: Column) -> _Held:
    """One column of the buckets ``[k, k + 1)`` times the resolution, at their ends. NaN is left out."""
    known = ~np.isnan(values)
    times, values = times[known], values[known]
    if not len(times):
        return _NOTHING
    buckets = times // resolution.milliseconds
    begins = np.flatnonzero(np.append(True, buckets[1:] != buckets[:-1]))
    ends = np.append(begins[1:], len(times))
    at = (buckets[begins] + 1) * resolution.milliseconds
    match column:
        case Column.LAST:
            return _Held(at, values[ends - 1])
        case Column.COUNT:
            return _Held(at, (ends - begins).astype(np.float64))
        case Column.SUM:
            return _Held(at, np.add.reduceat(values, begins))
        case Column.MIN:
            return _Held(at, np.minimum.reduceat(values, begins))
        case Column.MAX:
            return _Held(at, np.maximum.reduceat(values, begins))
        case Column.INCREASE:
            gained = np.zeros(len(values))
            gained[1:] = np.where(values[1:] < values[:-1], values[1:], values[1:] - values[:-1])
            return _Held(at, np.add.reduceat(gained, begins))
