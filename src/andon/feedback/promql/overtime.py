"""Functions of the samples in a window: ``*_over_time``, regression, smoothing.

Each answers values and where they are; formulas and the treatment of NaN and infinities are those of Prometheus'
``promql/functions.go``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from andon.feedback.promql.contract import QueryFailed
from andon.feedback.promql.frames import Bools, Floats, Ints
from andon.feedback.promql.windows import Rectangle, Windows, gathered

Check = Callable[[], None]
Answered = tuple[Floats, Bools]


def average(over: Windows) -> Answered:
    some = over.counts > 0
    return mean(over.fold(np.add, over.block.values), over.counts, over), some


def mean(totals: Floats, counts: Ints, over: Windows) -> Floats:
    """Totals by counts; where only the total is out of a float's range, the mean is still told."""
    result: Floats = totals / np.where(counts > 0, counts, 1)
    spilt = np.isinf(totals)
    if spilt.any() and np.isfinite(over.block.values).any():
        scaled = over.fold(np.add, over.block.values / 65536.0, spilt) / np.maximum(counts, 1)
        result = np.where(spilt, scaled * 65536.0, result)
    return result


def total(over: Windows) -> Answered:
    return over.fold(np.add, over.block.values), over.counts > 0


def smallest(over: Windows) -> Answered:
    return over.fold(np.fmin, over.block.values), over.counts > 0


def largest(over: Windows) -> Answered:
    return over.fold(np.fmax, over.block.values), over.counts > 0


def count(over: Windows) -> Answered:
    return over.counts.astype(np.float64), over.counts > 0


def presence(over: Windows) -> Answered:
    return np.ones(over.first.shape), over.counts > 0


def latest(over: Windows) -> Answered:
    return _at(over, over.last - 1), over.counts > 0


def earliest(over: Windows) -> Answered:
    return _at(over, over.first), over.counts > 0


def _at(over: Windows, index: Ints) -> Floats:
    some = over.counts > 0
    result = np.full(over.first.shape, np.nan)
    result[some] = over.block.values[index[some]]
    return result


def time_of_latest(over: Windows) -> Answered:
    return _time_at(over, over.last - 1), over.counts > 0


def time_of_earliest(over: Windows) -> Answered:
    return _time_at(over, over.first), over.counts > 0


def _time_at(over: Windows, index: Ints) -> Floats:
    some = over.counts > 0
    result = np.full(over.first.shape, np.nan)
    result[some] = over.block.times[index[some]] / 1000.0
    return result


def time_of_extreme(over: Windows, check: Check, *, largest: bool) -> Answered:
    """When the largest or smallest value was last seen, in seconds."""

    def compute(rectangle: Rectangle) -> Floats:
        worst = -np.inf if largest else np.inf
        known = np.where(rectangle.filled & ~np.isnan(rectangle.values), rectangle.values, worst)
        best = known.max(axis=1) if largest else known.min(axis=1)
        at = (known == best[:, None]) & rectangle.filled
        latest = at.shape[1] - 1 - np.argmax(at[:, ::-1], axis=1)
        seconds: Floats = rectangle.times[np.arange(len(latest)), latest] / 1000.0
        return seconds

    return gathered(over, 1, compute, check), over.counts > 0


def changes(over: Windows) -> Answered:
    values = over.block.values
    differs = np.zeros(len(values), dtype=np.bool_)
    differs[1:] = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    return _flagged(over, differs), over.counts > 0


def resets(over: Windows) -> Answered:
    values = over.block.values
    fell = np.zeros(len(values), dtype=np.bool_)
    fell[1:] = values[1:] < values[:-1]
    return _flagged(over, fell), over.counts > 0


def _flagged(over: Windows, flags: Bools) -> Floats:
    """How many samples but the first of each window are flagged."""
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(flags, dtype=np.int64)])
    flagged: Ints = np.where(over.counts > 0, before[over.last] - before[np.minimum(over.first + 1, over.last)], 0)
    return flagged.astype(np.float64)


def deviation(over: Windows, check: Check, *, squared: bool) -> Answered:
    def compute(rectangle: Rectangle) -> Floats:
        known = np.where(rectangle.filled, rectangle.values, 0)
        middle = known.sum(axis=1) / rectangle.counts
        # only the total may be out of a float's range
        middle = np.where(np.isinf(middle), (known / 65536.0).sum(axis=1) / rectangle.counts * 65536.0, middle)
        apart = np.where(rectangle.filled, rectangle.values - middle[:, None], 0)
        variance: Floats = (apart * apart).sum(axis=1) / rectangle.counts
        return variance if squared else np.sqrt(variance)

    return gathered(over, 1, compute, check), over.counts > 0


def quantile(over: Windows, wanted: Floats, check: Check) -> Answered:
    """``wanted`` has a value for each step."""

    def compute(rectangle: Rectangle) -> Floats:
        return quantile_of(rectangle.values, rectangle.filled, rectangle.counts, wanted[rectangle.steps])

    return gathered(over, 1, compute, check), over.counts > 0


def quantile_of(values: Floats, filled: Bools, counts: Ints, wanted: Floats) -> Floats:
    """The quantile of what is filled in each row, interpolated between ranks; NaN counts as the smallest value."""
    unknown = np.isnan(values) & filled
    low = unknown.sum(axis=1)
    # behind the values come the empty places as infinities, behind those NaN, which numpy sorts last
    ordered = np.sort(np.where(filled, values, np.inf), axis=1)
    rank = wanted * (counts - 1)
    rank = np.where(np.isfinite(rank), rank, 0)
    lower = np.clip(np.floor(rank), 0, np.maximum(counts - 1, 0)).astype(np.int64)
    upper = np.minimum(counts - 1, lower + 1)
    weight = rank - np.floor(rank)
    result = _ranked(ordered, lower, low) * (1 - weight) + _ranked(ordered, upper, low) * weight
    result = np.where(wanted < 0, -np.inf, np.where(wanted > 1, np.inf, result))
    return np.where(np.isnan(wanted) | (counts == 0), np.nan, result)


def _ranked(ordered: Floats, rank: Ints, low: Ints) -> Floats:
    place = np.clip(rank - low, 0, ordered.shape[1] - 1)
    found = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    return np.where(rank < low, np.nan, found)


def median_deviation(over: Windows, check: Check) -> Answered:
    """The median of the distances from the median."""

    def compute(rectangle: Rectangle) -> Floats:
        half = np.full(len(rectangle.counts), 0.5)
        middle = quantile_of(rectangle.values, rectangle.filled, rectangle.counts, half)
        apart = np.abs(rectangle.values - middle[:, None])
        return quantile_of(apart, rectangle.filled, rectangle.counts, half)

    return gathered(over, 1, compute, check), over.counts > 0


def derivative(over: Windows, check: Check) -> Answered:
    """The slope of a least-squares line, per second."""
    return gathered(over, 2, lambda one: _line(one, one.times[:, 0])[0], check), over.counts >= 2


def predicted(over: Windows, now: Ints, ahead: Floats, check: Check) -> Answered:
    """The least-squares line so many seconds ``ahead`` of each step's own time ``now``."""

    def compute(rectangle: Rectangle) -> Floats:
        slope, intercept = _line(rectangle, now[rectangle.steps])
        return slope * ahead[rectangle.steps] + intercept

    return gathered(over, 2, compute, check), over.counts >= 2


def _line(rectangle: Rectangle, origin: Ints) -> tuple[Floats, Floats]:
    """Slope and value at ``origin``. Sums are made in extended precision, which stands for Prometheus' Kahan sums."""
    filled, y = rectangle.filled, rectangle.values
    x = (rectangle.times - origin[:, None]) / 1000.0
    sums = [_exactly(term, filled) for term in (x, y, x * y, x * x)]
    sum_x, sum_y, sum_xy, sum_xx = sums
    n = rectangle.counts.astype(np.float64)
    slope = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n)
    intercept = sum_y / n - slope * sum_x / n
    level = y[:, 0]
    constant = np.where(filled, y == level[:, None], True).all(axis=1)
    slope = np.where(constant, np.where(np.isinf(level), np.nan, 0.0), slope)
    intercept = np.where(constant, np.where(np.isinf(level), np.nan, level), intercept)
    return slope, intercept


def _exactly(terms: Floats, filled: Bools) -> Floats:
    exact: Floats = np.where(filled, terms, 0).astype(np.longdouble).sum(axis=1).astype(np.float64)
    return exact


def smoothed(over: Windows, smoothing: Floats, trend: Floats, check: Check) -> Answered:
    """Holt's double exponential smoothing. Raises :class:`QueryFailed` for factors that are not between 0 and 1."""
    for name, factors in (("smoothing", smoothing), ("trend", trend)):
        if not ((factors > 0) & (factors < 1)).all():
            raise QueryFailed(f"The {name} factor must lie between 0 and 1.", remedy="Give one such as 0.5.")

    def compute(rectangle: Rectangle) -> Floats:
        y, sf, tf = rectangle.values, smoothing[rectangle.steps], trend[rectangle.steps]
        before, now, slope = np.zeros(len(y)), y[:, 0], y[:, 1] - y[:, 0]
        for place in range(1, y.shape[1]):
            turned = tf * (now - before) + (1 - tf) * slope if place > 1 else slope
            following = sf * y[:, place] + (1 - sf) * (now + turned)
            going = rectangle.filled[:, place]
            before, now = np.where(going, now, before), np.where(going, following, now)
            slope = np.where(going, turned, slope)
        return now

    return gathered(over, 2, compute, check), over.counts >= 2
