"""Samples put into even slots: ``slots`` are places within a row, ``values`` the samples, both in the order of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from andon.feedback.graphite.forms import Measure, Reading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = (10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
"""Seconds that a step may have."""


def step_of(times: Ints, least: int) -> int:
    """The step of a series that was sent at these seconds, in their order: each slot should hold one."""
    apart = np.diff(times)
    apart = apart[apart > 0]
    if len(apart) < 2:
        return least
    # the shorter ones: where samples are missing, those around the hole are further apart than they were sent
    quarter = (len(apart) - 1) // 4
    usual = float(np.partition(apart, quarter)[quarter])
    return max(least, next((step for step in STEPS if step >= 0.8 * usual), STEPS[-1]))


def last(slots: Ints, values: Floats, length: int) -> Floats:
    found = np.full(length, np.nan)
    found[slots] = values  # of several for one place the last stays
    return found


def total(slots: Ints, values: Floats, length: int) -> Floats:
    return np.bincount(slots, weights=values, minlength=length).astype(np.float64)


def held(values: Floats, longest: int) -> Floats:
    """The last value again for so many slots."""
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return values
    places = np.arange(len(values))
    before = np.searchsorted(known, places, side="right") - 1
    at = known[np.maximum(before, 0)]
    return np.where((before >= 0) & (places - at <= longest), values[at], np.nan)


def statistic(reading: Reading, slots: Ints, values: Floats, length: int, step: int) -> Floats:
    """What StatsD's timers tell of each slot; NaN where nothing was measured, but the count is 0 there."""
    if reading.percent is None and reading.measure in {Measure.COUNT, Measure.RATE}:
        counts = np.bincount(slots, minlength=length).astype(np.float64)
        return counts / step if reading.measure is Measure.RATE else counts
    found = np.full(length, np.nan)
    if not len(slots):
        return found
    order = np.lexsort((values, slots))
    slots, values = slots[order], values[order]
    begins = np.flatnonzero(np.append(True, slots[1:] != slots[:-1]))
    counts = np.diff(np.append(begins, len(slots)))
    used = counts
    if reading.percent is not None:
        used = np.floor(reading.percent / 100 * counts + 0.5).astype(np.int64)
        used = np.where(counts == 1, 1, used)
    found[slots[begins]] = np.where(used > 0, _told(reading.measure, values, begins, np.maximum(used, 1)), np.nan)
    return found


def _told(measure: Measure, values: Floats, begins: Ints, counts: Ints) -> Floats:
    match measure:
        case Measure.COUNT:
            return counts.astype(np.float64)
        case Measure.LOWER:
            least: Floats = values[begins]
            return least
        case Measure.UPPER:
            most: Floats = values[begins + counts - 1]
            return most
        case Measure.MEDIAN:
            middle: Floats = (values[begins + (counts - 1) // 2] + values[begins + counts // 2]) / 2
            return middle
        case Measure.SUM:
            return _sums(values, begins, counts)
        case Measure.SUM_SQUARES:
            return _sums(values * values, begins, counts)
        case Measure.STD:
            means = np.repeat(_sums(values, begins, counts) / counts, counts)
            deviation: Floats = np.sqrt(_sums((values - means) ** 2, begins, counts) / counts)
            return deviation
        case _:
            return np.asarray(_sums(values, begins, counts) / counts, dtype=np.float64)


def _sums(values: Floats, begins: Ints, counts: Ints) -> Floats:
    bounds = np.column_stack([begins, begins + counts]).ravel()
    found: Floats = np.add.reduceat(np.append(values, 0.0), bounds)[::2]
    return found
