"""Fewer and longer steps: summaries and hits counted by interval."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from andon.feedback.graphite.aggregating import along
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.registry import SERIES, Asked, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Floats, Row
from andon.feedback.graphite.times import seconds_of, unit_seconds

KNOWN: dict[str, Function] = {}
MOST_BUCKETS = 100_000
_INTERVAL = needs("intervalString", Type.INTERVAL)
_FUNCTION = takes("func", Type.AGGREGATION, "sum")
_MINUTE, _HOUR, _DAY, _WEEK, _MONTH, _YEAR = 60, 3_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400


def _interval(given: Given) -> int:
    interval = abs(seconds_of(given.text("intervalString")))
    if not interval:
        raise BadTarget(f"{given.function} needs an interval longer than nothing.", remedy="Use 1h for example.")
    return interval


def _summed_up(row: Row, function: str, interval: int, start: int, end: int) -> tuple[Floats, int]:
    """The summaries from ``start`` on, and where the last one ends."""
    count = max(0, -(-(end - start) // interval))
    if count > MOST_BUCKETS:
        raise BadTarget(f"A summary would have more than {MOST_BUCKETS:,} points.", remedy="Use a longer interval.")
    usable = min(len(row), -(-(row.end - row.start) // row.step))
    times = row.start + np.arange(usable, dtype=np.int64) * row.step
    bounds = np.searchsorted(times, start + np.arange(count + 1, dtype=np.int64) * interval)
    values = np.full(count, np.nan)
    wanted = interval / row.step
    for index, (begin, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        inside = row.values[begin:stop]
        known = int(np.count_nonzero(~np.isnan(inside)))
        if known and known / wanted >= row.threshold:
            values[index] = along(function, inside[None, :])[0]
    return values, start + count * interval


@declare(KNOWN, "Transform", "summarize", SERIES, _INTERVAL, _FUNCTION, takes("alignToFrom", Type.BOOLEAN, False))
def summarize(given: Given) -> list[Row]:
    """One value for each interval of the clock, or counted from the first moment."""
    interval, function, from_start = _interval(given), given.text("func"), given.flag("alignToFrom")
    told = f'"{given.text("intervalString")}", "{function}"{", true" if from_start else ""}'
    found = []
    for row in given.rows():
        given.asked.check()
        start, end = row.start, row.end
        if not from_start:
            start, end = start - start % interval, end - end % interval + interval
        values, last = _summed_up(row, function, interval, start, end)
        made = row.as_is(f"summarize({row.name}, {told})", values)
        found.append(replace(made, start=start, end=last if from_start else end, step=interval))
    return found


@declare(KNOWN, "Transform", "smartSummarize", SERIES, _INTERVAL, _FUNCTION, takes("alignTo", Type.ANY))
def smart_summarize(given: Given) -> list[Row]:
    """One value for each interval, counted from the beginning of the hour, day, week, month or year if one is told."""
    interval, function, align = _interval(given), given.text("func"), given.plain("alignTo")
    rows = given.rows()
    if isinstance(align, str):
        rows = given.wider(_begin_of(align, given.asked), given.asked.end)
    found = []
    for row in rows:
        given.asked.check()
        values, last = _summed_up(row, function, interval, row.start, row.end)
        name = f'smartSummarize({row.name}, "{given.text("intervalString")}", "{function}")'
        found.append(replace(row.as_is(name, values), end=last, step=interval))
    return found


def _begin_of(unit: str, asked: Asked) -> int:
    """When the unit began that the window begins in; ``weeks3`` begin on Wednesdays."""
    at = datetime.fromtimestamp(asked.start, asked.zone)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit_seconds(unit.lower()):
        case seconds if seconds == _YEAR:
            at = midnight.replace(month=1, day=1)
        case seconds if seconds == _MONTH:
            at = midnight.replace(day=1)
        case seconds if seconds == _WEEK:
            first = int(unit[-1]) if unit[-1:].isdigit() else 1
            at = midnight - timedelta(days=(at.isoweekday() - first) % 7)
        case seconds if seconds == _DAY:
            at = midnight
        case seconds if seconds == _HOUR:
            at = at.replace(minute=0, second=0, microsecond=0)
        case seconds if seconds == _MINUTE:
            at = at.replace(second=0, microsecond=0)
    return int(at.timestamp())


@declare(KNOWN, "Transform", "hitcount", SERIES, _INTERVAL, takes("alignToInterval", Type.BOOLEAN, False))
def hitcount(given: Given) -> list[Row]:
    """How much came together in each interval, of values that are so much a second."""
    interval, aligns = _interval(given), given.flag("alignToInterval")
    rows = given.rows()
    if aligns:
        unit = "d" if interval >= _DAY else "h" if interval >= _HOUR else "min" if interval >= _MINUTE else "s"
        rows = given.wider(_begin_of(unit, given.asked), given.asked.end)
        rows = [replace(row, end=row.start + ((row.end - row.start) // interval + 1) * interval) for row in rows]
    found = []
    for row in rows:
        given.asked.check()
        name = f'hitcount({row.name}, "{given.text("intervalString")}"{", true" if aligns else ""})'
        count = -(-(row.end - row.start) // interval)
        if count > MOST_BUCKETS:
            raise BadTarget(f"hitcount would have more than {MOST_BUCKETS:,} points.", remedy="Use a longer interval.")
        start = row.end - count * interval
        found.append(replace(row.as_is(name, _hits(row, start, interval, count)), start=start, step=interval))
    return found


def _hits(row: Row, start: int, interval: int, count: int) -> Floats:
    """Each value lasts for its step, which may lie in several intervals."""
    totals, there = np.zeros(count), np.zeros(count, dtype=np.bool_)
    for index in np.flatnonzero(~np.isnan(row.values)).tolist():
        begin = row.start + index * row.step - start
        stop = min(begin + row.step, count * interval)
        at = max(begin, 0)
        while at < stop:
            bucket = at // interval
            until = min(stop, (bucket + 1) * interval)
            totals[bucket] += row.values[index] * (until - at)
            there[bucket] = True
            at = until
    return np.where(there, totals, np.nan)
