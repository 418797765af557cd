"""Samples for the selectors of one query, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from andon.feedback.promql.contract import QueryFailed, QueryTimeout
from andon.feedback.promql.frames import Floats, Ints
from andon.feedback.promql.windows import Block
from andon.feedback.telemetry.contract.metrics import (
    NAME,
    Column,
    Kind,
    Labels,
    Matcher,
    Measurements,
    Resolution,
    Samples,
    Series,
    Sight,
)

MOST_SERIES = 100_000
MOST_SAMPLES = 50_000_000


class Reader:
    """One query's questions to the store. The same series are not asked for twice.

    Raises :class:`QueryFailed` for more than may be read, :class:`QueryTimeout` when the time is over.
    """

    def __init__(
        self, measurements: Measurements, sight: Sight, *, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.horizon = measurements.horizon
        self._measurements = measurements
        self._sight = sight
        self._clock = clock
        self._timeout = timeout
        self._deadline = clock() + timeout
        self._left = MOST_SAMPLES
        self._selected: dict[tuple[tuple[Matcher, ...], int, int], tuple[Series, ...]] = {}

    def check(self) -> None:
        if self._clock() > self._deadline:
            raise QueryTimeout(
                f"query timed out: it took longer than {self._timeout:g} s",
                remedy="Ask for fewer series, a shorter time or a longer step.",
            )

    def select(self, matchers: tuple[Matcher, ...], start: int, end: int) -> tuple[Series, ...]:
        self.check()
        key = (matchers, start, end)
        if key not in self._selected:
            found = self._measurements.select(matchers, start, end, sight=self._sight, limit=MOST_SERIES)
            if len(found) >= MOST_SERIES:
                raise QueryFailed(
                    f"A selector of the query fits {MOST_SERIES:,} series or more.", remedy="Add conditions to it."
                )
            self._selected[key] = _of_one_kind(found)
        return self._selected[key]

    def block(self, series: Sequence[Series], start: int, end: int, resolution: Resolution, column: Column) -> Block:
        """The samples with ``start <= time <= end``, series of the same name and labels as one."""
        self.check()
        if not series:
            return Block([], [], np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
        samples = self._measurements.samples(series, start, end, resolution=resolution, column=column)
        self._left -= len(samples.times)
        if self._left < 0:
            raise QueryFailed(
                f"The query reads more than {MOST_SAMPLES:,} samples.",
                remedy="Ask for fewer series or a shorter time.",
            )
        self.check()
        return _one_each(samples, column)


def _of_one_kind(found: tuple[Series, ...]) -> tuple[Series, ...]:
    """What has the same name and labels is one series, and so of one kind: the first one's."""
    kinds: dict[tuple[str, Labels], Kind] = {}
    for one in found:
        kinds.setdefault((one.name, one.labels), one.kind)
    if len(kinds) == len(found):
        return found
    return tuple(replace(one, kind=kinds[one.name, one.labels]) for one in found)


def _labels_of(series: Series) -> Labels:
    return tuple(sorted(((NAME, series.name), *series.labels)))


def _one_each(samples: Samples, column: Column) -> Block:
    rows: dict[Labels, list[int]] = {}
    for index, series in enumerate(samples.series):
        rows.setdefault(_labels_of(series), []).append(index)
    kinds = [samples.series[members[0]].kind for members in rows.values()]
    if len(rows) == len(samples.series):
        return Block(list(rows), kinds, samples.offsets, samples.times, samples.values)
    pieces = [_together(samples, members, column) for members in rows.values()]
    lengths = np.array([len(times) for times, _ in pieces], dtype=np.int64)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    times = np.concatenate([times for times, _ in pieces])
    values = np.concatenate([values for _, values in pieces])
    return Block(list(rows), kinds, offsets, times, values)


def _together(samples: Samples, members: list[int], column: Column) -> tuple[Ints, Floats]:
    if len(members) == 1:
        return samples.of(members[0])
    times = np.concatenate([samples.of(index)[0] for index in members])
    values = np.concatenate([samples.of(index)[1] for index in members])
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    if samples.series[members[0]].kind in {Kind.GAUGE, Kind.COUNTER} and times.size:
        new = np.append(True, times[1:] != times[:-1])
        begins = np.flatnonzero(new)
        match column:
            case Column.LAST:  # of a running value there is one a millisecond: the last that was sent
                values = values[np.append(begins[1:], times.size) - 1]
            case Column.MIN:
                values = np.minimum.reduceat(values, begins)
            case Column.MAX:
                values = np.maximum.reduceat(values, begins)
            case _:  # buckets of two ids, each with a part of the samples
                values = np.add.reduceat(values, begins)
        times = times[begins]
    return times, values
