"""Functions of a window, written down one sample after the other: slow, and plain enough to be checked by eye."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from andon.feedback.promql.contract import Dialect

Sample = tuple[int, float]


def window(samples: Sequence[Sample], end: int, width: int, dialect: Dialect) -> list[Sample]:
    if dialect.includes_left_edge:
        return [one for one in samples if end - width <= one[0] <= end]
    return [one for one in samples if end - width < one[0] <= end]


def rate(samples: Sequence[Sample], end: int, width: int, dialect: Dialect) -> float | None:
    """Seconds and per second, with new beginnings of the counter made good."""
    found = window(samples, end, width, dialect)
    if len(found) < 2:
        return None
    gained = found[-1][1] - found[0][1]
    for before, after in pairwise(found):
        if after[1] < before[1]:
            gained += before[1]
    to_start = (found[0][0] - (end - width)) / 1000
    to_end = (end - found[-1][0]) / 1000
    sampled = (found[-1][0] - found[0][0]) / 1000
    average = sampled / (len(found) - 1)
    to_zero = sampled * (found[0][1] / gained) if gained > 0 and found[0][1] >= 0 else math.inf
    if dialect is Dialect.PROMETHEUS_2:
        to_start = min(to_start, to_zero)
        to_start = to_start if to_start < average * 1.1 else average / 2
    else:
        to_start = to_start if to_start < average * 1.1 else average / 2
        to_start = min(to_start, to_zero)
    to_end = to_end if to_end < average * 1.1 else average / 2
    return gained * (sampled + to_start + to_end) / sampled / (width / 1000)


def quantile(values: Sequence[float], wanted: float) -> float:
    ordered = sorted(values, key=lambda one: (not math.isnan(one), one))
    if wanted < 0 or wanted > 1:
        return -math.inf if wanted < 0 else math.inf
    rank = wanted * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(len(ordered) - 1, low + 1)
    weight = rank - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


def variance(values: Sequence[float]) -> float:
    middle = math.fsum(values) / len(values)
    return math.fsum((one - middle) ** 2 for one in values) / len(values)


def slope(samples: Sequence[Sample]) -> float:
    """Of the least-squares line, per second."""
    times = [at / 1000 for at, _ in samples]
    values = [value for _, value in samples]
    middle, level = math.fsum(times) / len(times), math.fsum(values) / len(values)
    across = math.fsum((at - middle) * (value - level) for at, value in zip(times, values, strict=True))
    return across / math.fsum((at - middle) ** 2 for at in times)


def smoothed(values: Sequence[float], smoothing: float, trend: float) -> float:
    level, turn = values[0], values[1] - values[0]
    before = 0.0
    for index, value in enumerate(values[1:]):
        if index:
            turn = trend * (level - before) + (1 - trend) * turn
        before, level = level, smoothing * value + (1 - smoothing) * (level + turn)
    return level


OVER_TIME: dict[str, Callable[[Sequence[float]], float]] = {
    "sum_over_time": math.fsum,
    "avg_over_time": lambda values: math.fsum(values) / len(values),
    "min_over_time": min,
    "max_over_time": max,
    "count_over_time": lambda values: float(len(values)),
    "last_over_time": lambda values: values[-1],
    "first_over_time": lambda values: values[0],
    "present_over_time": lambda _: 1.0,
    "stdvar_over_time": variance,
    "stddev_over_time": lambda values: math.sqrt(variance(values)),
    "changes": lambda values: float(sum(a != b for a, b in pairwise(values))),
    "resets": lambda values: float(sum(b < a for a, b in pairwise(values))),
    "mad_over_time": lambda values: quantile([abs(one - quantile(values, 0.5)) for one in values], 0.5),
}
