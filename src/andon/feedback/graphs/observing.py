"""Observations as a histogram: each is counted in the bucket of its value, so that timers have heat maps too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from andon.feedback.telemetry.contract.metrics import Comparison, Kind, Labels, Matcher, Measurements, Sight, named
from andon.kernel.errors import Invalid

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SERIES = 500
MOST_SAMPLES = 5_000_000
MOST_BUCKETS = 36
_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*(?:,|$)')
_GROUPED = r"(?:(?:by|without)\s*\([\w\s,]*\)\s*)?"
_SUM = re.compile(rf"\s*sum\s*{_GROUPED}\((.*?)\)\s*{_GROUPED}", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")


def observed(
    measurements: Measurements, text: str, times: NDArray[np.int64], step: int, sight: Sight
) -> list[tuple[Labels, NDArray[np.float64]]] | None:
    """Running totals of buckets, a second, one row for each ``le`` as histograms have them; ``None`` for a question
    that is not a plain selector of observations. What was measured behind one time and up to the next counts there.

    Raises :class:`Invalid` where there are too many to be counted, ``Unavailable``.
    """
    matchers = selector(text)
    if matchers is None or not len(times):
        return None
    begin, end = int(times[0]) - step + 1, int(times[-1])
    series = measurements.select(matchers, begin, end, sight=sight, limit=MOST_SERIES)
    if not series or any(one.kind is not Kind.OBSERVATION for one in series):
        return None
    found = measurements.samples(series, begin, end)
    if len(found.values) > MOST_SAMPLES:
        raise Invalid(
            f"There are {len(found.values):,} observations in this time, more than are counted at once.",
            remedy="Choose a shorter time, or look at the quantiles.",
        )
    fit = np.isfinite(found.values)
    values, at = found.values[fit], found.times[fit]
    bounds = bounds_of(values)
    widths = np.diff(times, prepend=times[0] - step) / 1000
    counts = np.zeros((len(bounds), len(times)))
    rows = np.minimum(np.searchsorted(bounds, values, "left"), len(bounds) - 1)
    np.add.at(counts, (rows, np.minimum(np.searchsorted(times, at, "left"), len(times) - 1)), 1)
    totals = np.cumsum(counts, axis=0) / np.maximum(widths, 1)
    return [((("le", f"{bound:g}"),), totals[place]) for place, bound in enumerate(bounds)]


def bounds_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1, 2, 5, 10 and so on, from below the least to above the most; zero and below are in the first bucket."""
    above = values[values > 0]
    if not len(above):
        return np.array([1.0])
    first, last = np.floor(np.log10(above.min())), np.ceil(np.log10(above.max()))
    first = max(first, last - MOST_BUCKETS // 3)
    every = np.array([digit * 10.0**power for power in np.arange(first, last + 1) for digit in (1, 2, 5)])
    low, high = np.searchsorted(every, [above.min(), above.max()])
    chosen: NDArray[np.float64] = every[max(0, int(low) - 1) : int(high) + 1]
    return chosen


def summed_selector(text: str) -> Sequence[Matcher] | None:
    """The matchers of a plain selector, or of the sum of one; ``None`` for any other question."""
    summed = _SUM.fullmatch(text)
    return selector(summed[1] if summed else text)


def selector(text: str) -> Sequence[Matcher] | None:
    """The matchers of a plain selector; ``None`` for any other question."""
    whole = _SELECTOR.fullmatch(text)
    if whole is None:
        return None
    matchers, place, inside = list(named(whole[1])), 0, whole[2] or ""
    while place < len(inside) and inside[place:].strip():
        one = _MATCHER.match(inside, place)
        if one is None:
            return None
        value = _ESCAPED.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), one[3])
        matchers.append(Matcher(one[1], Comparison(one[2]), value))
        place = one.end()
    return matchers
