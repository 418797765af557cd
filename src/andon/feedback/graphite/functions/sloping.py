"""Changes from one value to the next, and sums up to each."""

from __future__ import annotations

import numpy as np

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.registry import SERIES, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Floats, Row
from andon.feedback.graphite.times import seconds_of

KNOWN: dict[str, Function] = {}
_BOUNDS = (takes("maxValue", Type.FLOAT), takes("minValue", Type.FLOAT))


def _before(values: Floats) -> Floats:
    found = np.full(len(values), np.nan)
    found[1:] = values[:-1]
    return found


@declare(KNOWN, "Transform", "derivative", SERIES)
def derivative(given: Given) -> list[Row]:
    """How much each value is above the one before."""
    return [row.as_is(f"derivative({row.name})", row.values - _before(row.values)) for row in given.rows()]


def _gained(values: Floats, most: float | None, least: float | None) -> Floats:
    """What a running total gained; where it became smaller, what is known of how far it goes tells how much."""
    inside = np.ones(len(values), dtype=np.bool_)
    if most is not None:
        inside &= ~(values > most)
    if least is not None:
        inside &= ~(values < least)
    usable = np.where(inside, values, np.nan)
    gained = usable - _before(usable)
    if most is not None:
        anew = gained + most + 1 - (least or 0)
    elif least is not None:
        anew = usable - least
    else:
        anew = np.full(len(values), np.nan)
    return np.where(gained < 0, anew, gained)


@declare(KNOWN, "Transform", "nonNegativeDerivative", SERIES, *_BOUNDS)
def non_negative_derivative(given: Given) -> list[Row]:
    """How much a running total gained; none where it began anew."""
    most, least = given.maybe("maxValue"), given.maybe("minValue")
    return [row.as_is(f"nonNegativeDerivative({row.name})", _gained(row.values, most, least)) for row in given.rows()]


@declare(KNOWN, "Transform", "perSecond", SERIES, *_BOUNDS)
def per_second(given: Given) -> list[Row]:
    """How much a running total gained a second; none where it began anew."""
    most, least = given.maybe("maxValue"), given.maybe("minValue")
    return [
        row.as_is(f"perSecond({row.name})", np.round(_gained(row.values, most, least) / row.step, 6))
        for row in given.rows()
    ]


@declare(KNOWN, "Transform", "integral", SERIES)
def integral(given: Given) -> list[Row]:
    """The sum of all values up to each."""
    return [
        row.as_is(
            f"integral({row.name})",
            np.where(np.isnan(row.values), np.nan, np.cumsum(np.nan_to_num(row.values, nan=0.0))),
        )
        for row in given.rows()
    ]


@declare(KNOWN, "Transform", "integralByInterval", SERIES, needs("intervalUnit", Type.INTERVAL))
def integral_by_interval(given: Given) -> list[Row]:
    """The sum of all values up to each, beginning anew with every interval."""
    unit = given.text("intervalUnit")
    interval = abs(seconds_of(unit))
    if not interval:
        raise BadTarget("integralByInterval needs an interval longer than nothing.", remedy="Use 1d for example.")
    found = []
    for row in given.rows():
        times = row.start + np.arange(len(row), dtype=np.int64) * row.step - given.asked.start
        anew = times // interval != (times - row.step) // interval
        sums = np.cumsum(np.nan_to_num(row.values, nan=0.0))
        begins = np.maximum.accumulate(np.where(anew, np.arange(len(row)), 0)) if len(row) else sums.astype(np.int64)
        before = np.concatenate([np.zeros(1), sums])[begins]
        found.append(row.as_is(f"integralByInterval({row.name},'{unit}')", sums - before))
    return found


@declare(KNOWN, "Transform", "delay", SERIES, needs("steps", Type.INTEGER))
def delay(given: Given) -> list[Row]:
    """All values so many steps later; earlier for a negative number."""
    steps = given.whole("steps")
    found = []
    for row in given.rows():
        values = np.full(len(row), np.nan)
        if abs(steps) < len(row):
            if steps > 0:
                values[steps:] = row.values[:-steps]
            elif steps < 0:
                values[:steps] = row.values[-steps:]
        # Graphite leaves no value of a series that is delayed by nothing; rather the series as it is
        found.append(row.as_is(f"delay({row.name},{steps})", values if steps else row.values))
    return found


@declare(
    KNOWN,
    "Calculate",
    "stdev",
    SERIES,
    needs("points", Type.INTEGER),
    takes("windowTolerance", Type.FLOAT, 0.1),
)
def stdev(given: Given) -> list[Row]:
    """The standard deviation of the last so many values at each, where enough of them are there."""
    points, tolerance = given.whole("points"), given.number("windowTolerance")
    if points < 1:
        raise BadTarget("stdev needs a window of a point at least.", remedy="Use 5 for example.")
    found = []
    for row in given.rows():
        there = ~np.isnan(row.values)
        counts = _window_sum(there.astype(np.float64), points)
        # about the mean of all: sums of squares of large numbers that are close to each other lose their digits
        middle = row.reduced("average")
        apart = np.where(there, row.values - (0.0 if np.isnan(middle) else middle), 0.0)
        with np.errstate(all="ignore"):
            variance = counts * _window_sum(apart * apart, points) - _window_sum(apart, points) ** 2
            deviation = np.sqrt(np.maximum(variance, 0.0)) / counts
        enough = (counts > 0) & (counts / points >= tolerance)
        found.append(row.as_is(f"stdev({row.name},{points})", np.where(enough, deviation, np.nan)))
    return found


def _window_sum(values: Floats, points: int) -> Floats:
    sums = np.concatenate([np.zeros(1), np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    found: Floats = sums[ends] - sums[np.maximum(ends - points, 0)]
    return found
