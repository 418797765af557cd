"""The functions of ranges by name, and what they make of series whose samples are no running values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from andon.feedback.promql import overtime, slopes
from andon.feedback.promql.contract import Dialect
from andon.feedback.promql.frames import Bools, Floats, Ints
from andon.feedback.promql.windows import Windows
from andon.feedback.telemetry.contract.metrics import Kind

Answered: TypeAlias = tuple[Floats, Bools]
Compute: TypeAlias = Callable[[Windows, Dialect], Answered]


@dataclass(frozen=True, slots=True)
class Given:
    """A call's arguments besides the range, one number for each step; the steps' times; a look at the clock."""

    numbers: Sequence[Floats]
    now: Ints
    check: Callable[[], None]


def _plain(function: Callable[[Windows], Answered]) -> Callable[[Given], Compute]:
    return lambda _: lambda over, _dialect: function(over)


def _checked(function: Callable[[Windows, Callable[[], None]], Answered]) -> Callable[[Given], Compute]:
    return lambda given: lambda over, _dialect: function(over, given.check)


def _slope(*, is_counter: bool, per_second: bool) -> Callable[[Given], Compute]:
    def compute(over: Windows, dialect: Dialect) -> Answered:
        values = slopes.extrapolated(over, dialect, is_counter=is_counter, per_second=per_second)
        return values, over.counts >= 2

    return lambda _: compute


def _smoothed(given: Given) -> Compute:
    return lambda over, _dialect: overtime.smoothed(over, given.numbers[0], given.numbers[1], given.check)


OF_RANGES: Mapping[str, Callable[[Given], Compute]] = {
    "rate": _slope(is_counter=True, per_second=True),
    "increase": _slope(is_counter=True, per_second=False),
    "delta": _slope(is_counter=False, per_second=False),
    "irate": _plain(lambda over: slopes.between_last_two(over, per_second=True)),
    "idelta": _plain(lambda over: slopes.between_last_two(over, per_second=False)),
    "deriv": _checked(overtime.derivative),
    "predict_linear": lambda given: (
        lambda over, _dialect: overtime.predicted(over, given.now, given.numbers[0], given.check)
    ),
    "holt_winters": _smoothed,
    "double_exponential_smoothing": _smoothed,
    "changes": _plain(overtime.changes),
    "resets": _plain(overtime.resets),
    "avg_over_time": _plain(overtime.average),
    "sum_over_time": _plain(overtime.total),
    "min_over_time": _plain(overtime.smallest),
    "max_over_time": _plain(overtime.largest),
    "count_over_time": _plain(overtime.count),
    "last_over_time": _plain(overtime.latest),
    "first_over_time": _plain(overtime.earliest),
    "present_over_time": _plain(overtime.presence),
    "absent_over_time": _plain(overtime.presence),
    "stddev_over_time": _checked(lambda over, check: overtime.deviation(over, check, squared=False)),
    "stdvar_over_time": _checked(lambda over, check: overtime.deviation(over, check, squared=True)),
    "mad_over_time": _checked(overtime.median_deviation),
    "quantile_over_time": lambda given: lambda over, _dialect: overtime.quantile(over, given.numbers[0], given.check),
    "ts_of_last_over_time": _plain(overtime.time_of_latest),
    "ts_of_first_over_time": _plain(overtime.time_of_earliest),
    "ts_of_max_over_time": _checked(lambda over, check: overtime.time_of_extreme(over, check, largest=True)),
    "ts_of_min_over_time": _checked(lambda over, check: overtime.time_of_extreme(over, check, largest=False)),
}
KEEP_NAMES = frozenset({"last_over_time", "first_over_time"})
NATIVE = frozenset({"histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar"})
"""Functions that Prometheus has for native histograms only."""

_RATES = {"rate": True, "increase": False}


def computed(name: str, compute: Compute, over: Windows, kind: Kind, dialect: Dialect) -> Answered:
    """The function's answer for series of one kind: of deltas and observations, ``rate`` and ``increase`` are what came
    within the window, and nothing is extrapolated."""
    if name in _RATES and kind in {Kind.DELTA, Kind.OBSERVATION}:
        return slopes.counted(over, kind, per_second=_RATES[name])
    return compute(over, dialect)


def computed_from_rollup(
    name: str, compute: Compute, over: Windows, kind: Kind, dialect: Dialect, divisor: Windows | None
) -> Answered:
    """The same from a column of a roll-up, the one that :func:`andon.feedback.promql.resolution.columns` names.
    ``divisor`` has the second column where there are two."""
    some = over.counts > 0
    if divisor is not None:
        return over.fold(np.add, over.block.values) / divisor.fold(np.add, divisor.block.values), some
    if name in _RATES and kind is not Kind.GAUGE:
        amount = over.fold(np.add, over.block.values)
        return (amount / (over.width / 1000.0) if _RATES[name] else amount), some
    if name == "count_over_time":
        return over.fold(np.add, over.block.values), some
    return compute(over, dialect)
