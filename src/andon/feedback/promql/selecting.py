"""Selectors at work: which series, at which resolution, and what their samples are worth at each step.

Two kinds of series are not Prometheus' own. A plain selector of deltas is their sum, and of observations their mean,
over the time since the step before (over the lookback where there is a single step): the graph of a StatsD counter
shows what was counted between two of its points, and that of a timer how long things took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from andon.feedback.promql import overtime
from andon.feedback.promql.contract import Dialect, Line
from andon.feedback.promql.frames import Frame, Ints, empty, occupied
from andon.feedback.promql.functions import Compute, computed, computed_from_rollup
from andon.feedback.promql.reading import Reader
from andon.feedback.promql.resolution import choose, columns
from andon.feedback.promql.windows import Block, Windows, is_stale, windows
from andon.feedback.telemetry.contract.metrics import Column, Kind, Matcher, Resolution, Series

_ADDED_UP = frozenset({Column.SUM, Column.COUNT, Column.INCREASE})


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is common to all the reading for one selector."""

    series: tuple[Series, ...]
    start: int
    end: int
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class Selecting:
    """``lookback`` and ``now`` are milliseconds."""

    reader: Reader
    dialect: Dialect
    lookback: int
    now: int

    def instant(self, matchers: tuple[Matcher, ...], ends: Ints, apart: int, *, times: bool = False) -> Frame:
        """What a plain selector is worth where ``ends`` are; with ``times`` when that was sampled, in seconds."""
        since = apart or self.lookback
        asked = self._asked("", matchers, ends, self.lookback, max(self.lookback, since), apart)
        frames = []
        for kind, series in _by_kind(asked.series):
            if kind in {Kind.GAUGE, Kind.COUNTER}:
                # a bucket of a roll-up stands for as long as it is
                width = max(self.lookback, asked.resolution.milliseconds)
                over = self._windows(asked, series, ends, width, Column.LAST, stale=True)
                frames.append(_last(over, times=times))
                continue
            width = max(since, asked.resolution.milliseconds)
            over = self._windows(asked, series, ends, width, *columns("", kind, asked.resolution)[:1])
            frames.append(self._summed(asked, series, over, kind, times=times))
        return _together(frames, len(ends))

    def over(
        self, matchers: tuple[Matcher, ...], ends: Ints, width: int, apart: int, function: str, compute: Compute
    ) -> Frame:
        """What a function makes of the samples in the windows that end at ``ends``."""
        asked = self._asked(function, matchers, ends, width, width, apart)
        frames = []
        for kind, series in _by_kind(asked.series):
            read = columns(function, kind, asked.resolution)
            over = self._windows(asked, series, ends, width, read[0])
            if asked.resolution is Resolution.RAW:
                values, present = computed(function, compute, over, kind, self.dialect)
            else:
                divisor = self._windows(asked, series, ends, width, read[1]) if len(read) > 1 else None
                values, present = computed_from_rollup(function, compute, over, kind, self.dialect, divisor)
            frames.append(Frame(over.block.labels, values, present))
        return _together(frames, len(ends))

    def lines(self, matchers: tuple[Matcher, ...], end: int, width: int) -> tuple[Line, ...]:
        """The raw samples of a window, as a range selector alone answers them."""
        start = end - width + (0 if self.dialect.includes_left_edge else 1)
        found = self.reader.select(matchers, start, end)
        return lines_of(self.reader.block(found, start, end, Resolution.RAW, Column.LAST).without_stale())

    def _asked(
        self, function: str, matchers: tuple[Matcher, ...], ends: Ints, width: int, reach: int, apart: int
    ) -> _Asked:
        start, end = int(ends.min()) - reach, int(ends.max())
        series = self.reader.select(matchers, start, end)
        resolution = choose(
            function,
            series=len(series),
            start=start,
            end=end,
            width=width,
            step=apart,
            now=self.now,
            horizon=self.reader.horizon,
        )
        return _Asked(series, start - resolution.milliseconds, end, resolution)

    def _windows(
        self, asked: _Asked, series: Sequence[Series], ends: Ints, width: int, column: Column, *, stale: bool = False
    ) -> Windows:
        end = asked.end
        if column in _ADDED_UP and asked.resolution is not Resolution.RAW:
            # whole buckets fill the last window already: the one that still runs would come on top of them
            end -= end % asked.resolution.milliseconds
        block = self.reader.block(series, asked.start, end, asked.resolution, column)
        block = block if stale else block.without_stale()
        return windows(block, ends, width, includes_left=self.dialect.includes_left_edge)

    def _summed(self, asked: _Asked, series: Sequence[Series], over: Windows, kind: Kind, *, times: bool) -> Frame:
        """Deltas as their sum, observations as their mean."""
        if times:
            return _last(over, times=True)
        total, present = overtime.total(over)
        if kind is Kind.OBSERVATION and asked.resolution is Resolution.RAW:
            total, present = overtime.average(over)
        elif kind is Kind.OBSERVATION:
            counts = self._windows(asked, series, over.ends, over.width, Column.COUNT)
            total = total / overtime.total(counts)[0]
        return Frame(over.block.labels, total, present)


def _last(over: Windows, *, times: bool) -> Frame:
    """The last sample of each window, unless it says that the series has ended."""
    values, present = overtime.latest(over)
    present = present & ~is_stale(values)
    if times:
        values, _ = overtime.time_of_latest(over)
    return Frame(over.block.labels, values, present)


def _by_kind(series: Sequence[Series]) -> Iterator[tuple[Kind, tuple[Series, ...]]]:
    for kind in Kind:
        found = tuple(one for one in series if one.kind is kind)
        if found:
            yield kind, found


def _together(frames: Sequence[Frame], steps: int) -> Frame:
    """Sorted by labels, as Prometheus reads series."""
    if not frames:
        return empty(steps)
    labels = [one for frame in frames for one in frame.labels]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    values = np.concatenate([frame.values for frame in frames])[order]
    present = np.concatenate([frame.present for frame in frames])[order]
    return occupied(Frame([labels[index] for index in order], values, present))


def lines_of(block: Block) -> tuple[Line, ...]:
    """The samples of a block as they are, without series that have none."""
    return tuple(
        Line(labels=labels, times=block.times[begin:end], values=block.values[begin:end])
        for labels, begin, end in sorted(
            zip(block.labels, block.offsets[:-1].tolist(), block.offsets[1:].tolist(), strict=True)
        )
        if end > begin
    )
