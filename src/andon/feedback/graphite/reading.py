"""The rows of paths, out of measurements.

A row has the step of its samples where they are raw (10 seconds, or as far apart as they were sent), else a minute or
an hour: as fine as is still kept of the window's beginning and as a row may have points. Slots begin with the window as
they do in Whisper: the first one behind ``start``, the last one that holds ``end``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from andon.feedback.graphite.catalogue import Catalogue, Leaf
from andon.feedback.graphite.contract import MOST_POINTS, MOST_SERIES, BadTarget
from andon.feedback.graphite.forms import Measure
from andon.feedback.graphite.rows import Row
from andon.feedback.graphite.slots import Floats, Ints, held, last, statistic, step_of, total
from andon.feedback.telemetry.contract.metrics import (
    Column,
    Kind,
    Measurements,
    Resolution,
    Samples,
    Series,
    SeriesId,
    Sight,
)
from andon.kernel.errors import Invalid

RAW_STEP = 10
"""Seconds: what StatsD waits before it tells, and so what its dashboards are made for."""
LONGEST_ROW = 11_000
HELD_FOR = 3_600
"""Seconds for which the last value of a gauge of StatsD's stands when none follows it."""
_BEHIND = 300
"""Seconds behind the window that are read, for its last slot."""
_STEPS = {Resolution.RAW: RAW_STEP, Resolution.MINUTE: 60, Resolution.HOUR: 3_600}
_Held = dict[SeriesId, tuple[Ints, Floats]]


class Reader:
    """Implements :class:`~andon.feedback.graphite.evaluator.Source` for one request; ``now`` is in seconds."""

    def __init__(self, measurements: Measurements, sight: Sight, *, now: int) -> None:
        self._measurements, self._now = measurements, now
        self.catalogue = Catalogue(measurements, sight)
        self._read: dict[tuple[str, int, int], list[Row]] = {}

    def by_path(self, pattern: str, start: int, end: int) -> list[Row]:
        # nothing is told of the future, as with Whisper: a row ends now
        start, end = min(start, self._now), min(end, self._now)
        key = (pattern, start, end)
        if key not in self._read:
            self._read[key] = self._rows(self.catalogue.leaves(pattern, start, end), start, end, pattern)
        return list(self._read[key])

    def by_tags(self, conditions: Sequence[str], start: int, end: int, expression: str) -> list[Row]:
        start, end = min(start, self._now), min(end, self._now)
        return self._rows(self.catalogue.tagged(conditions, start, end), start, end, expression)

    def _rows(self, leaves: Sequence[Leaf], start: int, end: int, expression: str) -> list[Row]:
        if len(leaves) > MOST_SERIES:
            raise BadTarget(
                f"`{expression[:200]}` fits {len(leaves):,} series, more than {MOST_SERIES:,}.",
                remedy="Use a narrower pattern.",
            )
        if not leaves:
            return []
        window = self._window(leaves, start, end)
        rows = []
        for leaf in leaves:
            first, step, values = window.values(leaf)
            rows.append(
                Row(
                    name=leaf.name,
                    start=first,
                    end=first + len(values) * step,
                    step=step,
                    values=values,
                    expression=expression,
                    tags={"name": leaf.path, **dict(leaf.tags)},
                )
            )
        return rows

    def _window(self, leaves: Sequence[Leaf], start: int, end: int) -> _Window:
        """With its samples: of the finest resolution in which there are not more of them than may be read."""
        first = self._resolution(len(leaves), start, end)
        *finer, coarsest = list(Resolution)[list(Resolution).index(first) :]
        for one in finer:
            window = _Window(self._measurements, one, start, end, self._now)
            try:
                window.read(leaves)
            except Invalid:
                continue
            return window
        window = _Window(self._measurements, coarsest, start, end, self._now)
        window.read(leaves)
        return window

    def _resolution(self, rows: int, start: int, end: int) -> Resolution:
        kept = [one for one in Resolution if start * 1000 >= self._now * 1000 - self._measurements.horizon(one)] or [
            Resolution.HOUR
        ]
        for one in kept:
            points = (end - start) // _STEPS[one]
            if points <= LONGEST_ROW and points * rows <= MOST_POINTS // 2:
                return one
        if rows * ((end - start) // _STEPS[kept[-1]]) > MOST_POINTS // 2:
            raise BadTarget("The window is too long for so many series.", remedy="Ask for fewer, or a shorter time.")
        return kept[-1]


class _Window:
    def __init__(self, measurements: Measurements, resolution: Resolution, start: int, end: int, now: int) -> None:
        self._measurements, self._resolution = measurements, resolution
        self._start, self._end, self._now = start, end, now
        self._least = _STEPS[resolution]
        self._columns: dict[Column, _Held] = {}

    def read(self, leaves: Sequence[Leaf]) -> None:
        """All samples that the leaves need, with one question for each column."""
        wanted: dict[Column, dict[SeriesId, Series]] = {}
        for leaf in leaves:
            for column in self._columns_of(leaf):
                wanted.setdefault(column, {}).update((one.id, one) for one in leaf.series)
        before = HELD_FOR if any(leaf.reading.measure is Measure.HELD for leaf in leaves) else 0
        for column, series in wanted.items():
            self._columns[column] = self._samples(list(series.values()), column, before)

    def _samples(self, series: list[Series], column: Column, before: int) -> _Held:
        back = 0 if self._resolution is Resolution.RAW else self._least
        # the time of a roll-up is its end, that of a slot its beginning
        found: Samples = self._measurements.samples(
            series,
            (self._start - before + back) * 1000,
            (self._end + max(_BEHIND, self._least) + back) * 1000,
            resolution=self._resolution,
            column=column,
        )
        held_: _Held = {}
        for index, one in enumerate(found.series):
            times, values = found.of(index)
            known = ~np.isnan(values)
            held_[one.id] = (times[known] // 1000 - back, values[known])
        return held_

    def _columns_of(self, leaf: Leaf) -> tuple[Column, ...]:
        """None for what roll-ups do not tell: of a slot's measured things they know count, sum, smallest, largest."""
        if self._resolution is Resolution.RAW:
            return (Column.LAST,)
        reading = leaf.reading
        match leaf.series[0].kind:
            case Kind.COUNTER:
                return (Column.LAST,)
            case Kind.GAUGE:
                return (Column.LAST,) if reading.measure is Measure.HELD else (Column.SUM, Column.COUNT)
            case Kind.DELTA:
                return (Column.SUM,)
        if reading.percent is not None:
            return ()
        match reading.measure:
            case Measure.COUNT | Measure.RATE:
                return (Column.COUNT,)
            case Measure.MEAN:
                return (Column.SUM, Column.COUNT)
            case Measure.SUM:
                return (Column.SUM,)
            case Measure.LOWER:
                return (Column.MIN,)
            case Measure.UPPER:
                return (Column.MAX,)
        return ()

    def values(self, leaf: Leaf) -> tuple[int, int, Floats]:
        """Where the first slot begins, its length, and the values."""
        columns = self._columns_of(leaf)
        step = self._least
        if leaf.reading.measure is Measure.VALUE and columns:
            longest = max((self._columns[columns[0]][one.id][0] for one in leaf.series), key=len)
            step = step_of(longest, self._least)
        first = self._start // step * step + step
        length = max(1, (self._end // step * step + step - first) // step)
        if not columns:
            return first, step, np.full(length, np.nan)
        return first, step, self._filled(leaf, columns, first, length, step)

    def _filled(self, leaf: Leaf, columns: tuple[Column, ...], first: int, length: int, step: int) -> Floats:
        kind, measure = leaf.series[0].kind, leaf.reading.measure
        if kind is Kind.COUNTER:
            each = [last(*self._placed([one], columns[0], first, length, step), length) for one in leaf.series]
            there = ~np.isnan(np.array(each)).all(axis=0)
            return np.where(there, np.nansum(np.array(each), axis=0), np.nan)
        if measure is Measure.HELD:
            ahead = HELD_FOR // step
            slots, values = self._placed(leaf.series, columns[0], first - ahead * step, length + ahead, step)
            return self._until_now(held(last(slots, values, length + ahead), ahead)[ahead:], first, step)
        slots, values = self._placed(leaf.series, columns[0], first, length, step)
        if kind is Kind.DELTA:
            sums = self._until_now(total(slots, values, length), first, step)
            return sums / step if measure is Measure.RATE else sums
        if self._resolution is not Resolution.RAW:
            return self._rolled_up(leaf, columns, first, length, step)
        if kind is Kind.OBSERVATION:
            found = statistic(leaf.reading, slots, values, length, step)
            is_count = leaf.reading.percent is None and measure in {Measure.COUNT, Measure.RATE}
            return self._until_now(found, first, step) if is_count else found
        found = last(slots, values, length)
        if measure is Measure.SIZE:
            return self._until_now(np.nan_to_num(found, nan=0.0), first, step)
        return found

    def _rolled_up(self, leaf: Leaf, columns: tuple[Column, ...], first: int, length: int, step: int) -> Floats:
        measure = leaf.reading.measure
        slots, values = self._placed(leaf.series, columns[0], first, length, step)
        counts = np.bincount(slots, minlength=length)
        match measure:
            case Measure.COUNT | Measure.RATE:
                sums = self._until_now(total(slots, values, length), first, step)
                return sums / step if measure is Measure.RATE else sums
            case Measure.LOWER | Measure.UPPER:
                found = np.full(length, np.nan)
                (np.fmin if measure is Measure.LOWER else np.fmax).at(found, slots, values)
                return found
            case Measure.SUM:
                return np.where(counts > 0, total(slots, values, length), np.nan)
        numbers = total(*self._placed(leaf.series, columns[1], first, length, step), length)
        with np.errstate(all="ignore"):
            found = total(slots, values, length) / numbers
        return np.nan_to_num(found, nan=0.0) if measure is Measure.SIZE else found

    def _placed(
        self, series: Sequence[Series], column: Column, first: int, length: int, step: int
    ) -> tuple[Ints, Floats]:
        """The slots and values of all these series together, in the order of time."""
        held_ = self._columns[column]
        times = np.concatenate([held_[one.id][0] for one in series])
        values = np.concatenate([held_[one.id][1] for one in series])
        if len(series) > 1:
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
        slots = (times - first) // step
        inside = (slots >= 0) & (slots < length)
        return slots[inside], values[inside]

    def _until_now(self, values: Floats, first: int, step: int) -> Floats:
        """Nothing is known of slots that have not begun."""
        begun = first + np.arange(len(values), dtype=np.int64) * step <= self._now
        return np.where(begun, values, np.nan)
