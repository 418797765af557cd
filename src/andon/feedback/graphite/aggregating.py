"""Several values as one, by the names that Graphite has for how.

NaN is no value, and the answer where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from andon.feedback.graphite.contract import BadTarget

Floats = NDArray[np.float64]


def _counts(rows: Floats) -> Floats:
    return np.asarray(np.count_nonzero(~np.isnan(rows), axis=1), dtype=np.float64)


def _sum(rows: Floats) -> Floats:
    return np.where(_counts(rows) > 0, np.nansum(rows, axis=1), np.nan)


def _average(rows: Floats) -> Floats:
    return _sum(rows) / _counts(rows)


def _average_zero(rows: Floats) -> Floats:
    return np.asarray(np.nansum(rows, axis=1) / rows.shape[1], dtype=np.float64)


def _median(rows: Floats) -> Floats:
    ordered: Floats = np.sort(rows, axis=1)
    counts = _counts(rows).astype(np.int64)
    lines, last = np.arange(len(rows)), rows.shape[1] - 1
    low = ordered[lines, np.clip((counts - 1) // 2, 0, last)]
    high = ordered[lines, np.clip(counts // 2, 0, last)]
    return np.where(counts % 2 == 1, low, (low + high) / 2)


def _min(rows: Floats) -> Floats:
    return np.asarray(np.fmin.reduce(rows, axis=1), dtype=np.float64)


def _max(rows: Floats) -> Floats:
    return np.asarray(np.fmax.reduce(rows, axis=1), dtype=np.float64)


def _first(rows: Floats) -> Floats:
    found: Floats = rows[np.arange(len(rows)), np.argmax(~np.isnan(rows), axis=1)]
    return found


def _last(rows: Floats) -> Floats:
    return _first(rows[:, ::-1])


def _difference(rows: Floats) -> Floats:
    """The first that there is, less all others."""
    return 2 * _first(rows) - _sum(rows)


def _deviation(rows: Floats) -> Floats:
    apart = rows - _average(rows)[:, None]
    return np.asarray(np.sqrt(_average(apart * apart)), dtype=np.float64)


def _range(rows: Floats) -> Floats:
    return _max(rows) - _min(rows)


def _product(rows: Floats) -> Floats:
    return np.asarray(np.multiply.reduce(rows, axis=1), dtype=np.float64)


_FUNCTIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "average": _average,
    "avg_zero": _average_zero,
    "median": _median,
    "sum": _sum,
    "min": _min,
    "max": _max,
    "diff": _difference,
    "stddev": _deviation,
    "count": _counts,
    "range": _range,
    "multiply": _product,
    "last": _last,
    "rangeOf": _range,
    "avg": _average,
    "total": _sum,
    "current": _last,
}
NAMES = tuple(_FUNCTIONS)

_CONSOLIDATING: Mapping[str, Callable[[Floats], Floats]] = {
    "sum": _sum,
    "average": _average,
    "avg": _average,
    "avg_zero": _average_zero,
    "max": _max,
    "min": _min,
    "first": _first,
    "last": _last,
}
CONSOLIDATIONS = tuple(_CONSOLIDATING)


def function_name(name: str) -> str:
    """The name without ``Series`` behind it. Raises :class:`BadTarget` where there is no such function."""
    plain = name.removesuffix("Series")
    if plain not in _FUNCTIONS:
        raise BadTarget(f"Unsupported aggregation function: {name}", remedy=f"Use one of {', '.join(NAMES)}.")
    return plain


def along(function: str, rows: Floats) -> Floats:
    """One value for each row of the matrix. Raises :class:`BadTarget` where there is no such function."""
    return _applied(_FUNCTIONS[function_name(function)], rows, 0.0 if function == "count" else np.nan)


def _applied(function: Callable[[Floats], Floats], rows: Floats, nothing: float = np.nan) -> Floats:
    if rows.shape[1] == 0:
        return np.full(len(rows), nothing)
    with np.errstate(all="ignore"):
        return function(rows)


def enough(rows: Floats, threshold: float, points: float | None = None) -> NDArray[np.bool_]:
    """Where a row has a value at all, and at least this share of so many points."""
    counts, of = _counts(rows), rows.shape[1] if points is None else points
    found: NDArray[np.bool_] = (counts > 0) & (counts >= threshold * of)
    return found


def consolidation_name(name: str) -> str:
    if name not in _CONSOLIDATING:
        raise BadTarget(f"Invalid consolidation function: '{name}'", remedy=f"Use one of {', '.join(CONSOLIDATIONS)}.")
    return name


def consolidated(values: Floats, points: int, function: str, threshold: float) -> Floats:
    """One value for so many; the last may be of fewer."""
    if not len(values):
        return values
    padded = np.full(-(-len(values) // points) * points, np.nan)
    padded[: len(values)] = values
    rows = padded.reshape(-1, points)
    chosen = _CONSOLIDATING[consolidation_name(function)]
    found = _applied(chosen, rows)
    left = len(values) % points
    if left and function == "avg_zero":
        found[-1] = _applied(chosen, rows[-1:, :left])[0]
    return np.where(enough(rows, threshold), found, np.nan)


def percentile(columns: Floats, percent: float, *, interpolate: bool = False) -> Floats:
    """Of each column, by nearest rank of ``percent / 100 * (count + 1)``, as Graphite has it."""
    if not columns.size:
        return np.full(columns.shape[1], np.nan)
    ordered = np.sort(columns, axis=0)
    counts = np.count_nonzero(~np.isnan(columns), axis=0)
    exact = percent / 100.0 * (counts + 1)
    rank = np.floor(exact).astype(np.int64)
    share = exact - rank
    if not interpolate:
        rank += share > 0
    which = np.arange(columns.shape[1])
    last = np.maximum(counts - 1, 0)
    found = ordered[np.clip(rank - 1, 0, last), which]
    if interpolate:
        found = found + np.where(rank < counts, share, 0.0) * (ordered[np.clip(rank, 0, last), which] - found)
    return np.where(counts > 0, found, np.nan)
