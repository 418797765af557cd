"""Which of the store's three tables answers a selector, and which of its columns.

Raw samples are read as long as they are kept and few enough; a roll-up stands in for them where its buckets are no
longer than the window and the step, so that every bucket lies in one window. A function that a roll-up cannot answer
exactly (a quantile, the number of changes) reads raw samples for as long as there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from andon.feedback.telemetry.contract.metrics import Column, Kind, Resolution

AIM: Final = 2_000_000
"""Samples that a selector fetches if it can do with so few."""
USUAL_INTERVAL: Final = 10_000
"""Milliseconds between raw samples of a series, for the estimate."""

_EXACT: Final = frozenset(
    {"", "rate", "increase", "avg_over_time", "sum_over_time", "count_over_time", "min_over_time", "max_over_time"}
    | {"last_over_time", "present_over_time", "absent_over_time"}
)
"""Functions that roll-ups answer like raw samples where windows begin and end with buckets; "" is no function."""


def choose(
    function: str,
    *,
    series: int,
    start: int,
    end: int,
    width: int,
    step: int,
    now: int,
    horizon: Callable[[Resolution], int],
) -> Resolution:
    """The resolution for ``series`` series from ``start`` to ``end`` whose windows are ``width`` long and ``step``
    apart (0 for a single one). All times and durations are milliseconds."""
    kept = [one for one in Resolution if start >= now - horizon(one)]
    if Resolution.RAW in kept and (function not in _EXACT or _estimate(Resolution.RAW, series, start, end) <= AIM):
        return Resolution.RAW
    longest = min(width, step) if step else width
    fitting = [one for one in kept if one is not Resolution.RAW and one.milliseconds <= longest]
    for one in fitting:
        if _estimate(one, series, start, end) <= AIM:
            return one
    if fitting:
        return fitting[-1]
    # nothing fits: rather too coarse than silent about times of which nothing finer is kept
    return kept[0] if kept else Resolution.HOUR


def _estimate(resolution: Resolution, series: int, start: int, end: int) -> int:
    return series * max(1, (end - start) // (resolution.milliseconds or USUAL_INTERVAL))


def columns(function: str, kind: Kind, resolution: Resolution) -> tuple[Column, ...]:
    """What is read: the second of two columns divides the first. Raw samples have one column only."""
    if resolution is Resolution.RAW:
        return (Column.LAST,)
    match function, kind:
        case "", Kind.DELTA:
            return (Column.SUM,)
        case "", Kind.OBSERVATION:
            return (Column.SUM, Column.COUNT)
        case (("rate" | "increase"), Kind.COUNTER):
            return (Column.INCREASE,)
        case (("rate" | "increase"), Kind.DELTA):
            return (Column.SUM,)
        case (("rate" | "increase"), Kind.OBSERVATION):
            return (Column.COUNT,)
        case "avg_over_time", _:
            return (Column.SUM, Column.COUNT)
        case "sum_over_time", _:
            return (Column.SUM,)
        case "count_over_time", _:
            return (Column.COUNT,)
        case "min_over_time", _:
            return (Column.MIN,)
        case "max_over_time", _:
            return (Column.MAX,)
    return (Column.LAST,)
