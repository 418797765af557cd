"""Samples of many series as arrays, one series after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.metrics import Column


@dataclass(frozen=True, slots=True)
class Rows:
    """``places`` says whose each is, as the place in an array of ids; it grows, and within a place the times do."""

    places: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> Rows:
        return Rows(self.places[kept], self.times[kept], self.values[kept])


NOTHING = Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def placed(ids: NDArray[np.uint64], series: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each the place of its series in ``ids`` (sorted). Series come in runs, whose beginnings are looked up."""
    if not series.size:
        return np.zeros(0, np.int64)
    begins = np.flatnonzero(np.append(True, series[1:] != series[:-1]))
    return np.repeat(np.searchsorted(ids, series[begins]), np.diff(np.append(begins, series.size)))


def in_order(rows: Rows) -> Rows:
    """Sorted by place and time; those of one time stay as they were. What came from the store is a few sorted runs."""
    if not rows.times.size:
        return rows
    first = int(rows.times.min())
    keys = rows.places * (int(rows.times.max()) - first + 1) + (rows.times - first)
    if not (keys[1:] < keys[:-1]).any():
        return rows
    order = np.argsort(keys, kind="stable")
    return Rows(rows.places[order], rows.times[order], rows.values[order])


def joined(first: Rows, second: Rows) -> Rows:
    """Both, where times of the second are later."""
    if not first.times.size:
        return second
    if not second.times.size:
        return first
    return in_order(
        Rows(
            np.concatenate([first.places, second.places]),
            np.concatenate([first.times, second.times]),
            np.concatenate([first.values, second.values]),
        )
    )


def bucketed(rows: Rows, milliseconds: int, column: Column, *, since: int) -> Rows:
    """Raw samples rolled up: buckets ``[k, k + 1)`` at their ends. NaN is left out; those before ``since`` tell only
    from where a counter went on."""
    rows = rows.where(~np.isnan(rows.values))
    if column is Column.INCREASE:
        gained = np.zeros(rows.values.size)
        if gained.size:
            before, after = rows.values[:-1], rows.values[1:]
            step = np.where(after < before, after, after - before)
            gained[1:] = np.where(rows.places[1:] == rows.places[:-1], step, 0)
        rows = Rows(rows.places, rows.times, gained)
    elif column is Column.COUNT:
        rows = Rows(rows.places, rows.times, np.ones(rows.values.size))
    rows = rows.where(rows.times >= since)
    return _reduced(rows, rows.times // milliseconds, milliseconds, column)


def coarser(rows: Rows, milliseconds: int, column: Column) -> Rows:
    """Roll-ups, whose times are their buckets' ends, rolled up further."""
    return _reduced(rows, (rows.times - 1) // milliseconds, milliseconds, column)


def _reduced(rows: Rows, buckets: NDArray[np.int64], milliseconds: int, column: Column) -> Rows:
    if not rows.times.size:
        return NOTHING
    new = (buckets[1:] != buckets[:-1]) | (rows.places[1:] != rows.places[:-1])
    begins = np.flatnonzero(np.append(True, new))
    ends = np.append(begins[1:], rows.times.size)
    match column:
        case Column.LAST:
            values = rows.values[ends - 1]
        case Column.MIN:
            values = np.minimum.reduceat(rows.values, begins)
        case Column.MAX:
            values = np.maximum.reduceat(rows.values, begins)
        case _:  # a sum, an increase, a count: they add up
            values = np.add.reduceat(rows.values, begins)
    return Rows(rows.places[begins], (buckets[begins] + 1) * milliseconds, values)
