"""Counts of two arms that run at the same time: errors of requests, log errors, slow requests, requests themselves.

Two tests share the false alarms. The patient one follows the sum since the start and is nearly as good as a single
test at the end would be. The urgent one looks at the last one, two, four, … looks alone and asks for so much that it
may do so every second: what breaks suddenly and badly after an hour of quiet is found in a few looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from andon.feedback.judge.boundaries import Boundary, Floats, Strata, boundary, spent
from andon.feedback.judge.chances import (
    binomial_high,
    binomial_low,
    binomial_tail,
    chi_square_tail,
    normal_quantile,
    t_quantile,
)

URGENT = 0.07  # the urgent test's part of the false alarms
_WINDOWS = (1, 2, 4, 8, 16, 32, 64)
Indexes = np.ndarray[tuple[int], np.dtype[np.intp]]
Truths = np.ndarray[tuple[int], np.dtype[np.bool_]]
_EVERY = 48  # so many looks are all put into the boundary, and later ones as often as a 32nd of the time


@dataclass(frozen=True, slots=True)
class Pairs:
    """One entry a look: ``x`` events of ``n`` in the canary, ``y`` of ``m`` in the baseline."""

    at: Floats
    x: Floats
    n: Floats
    y: Floats
    m: Floats
    share: Floats
    """What the router was told; NaN where unknown. Blocks do not reach over a change of it."""

    def swapped(self) -> Pairs:
        return Pairs(self.at, self.y, self.m, self.x, self.n, 1 - self.share)

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class Bursts:
    """What is known of clusters before the first look: so large, as surely as ``freedom`` looks would say it."""

    size: float
    freedom: float
    always: bool
    """Whether the estimate is used even where it could be chance."""


INDEPENDENT = Bursts(1.0, 12.0, False)
BURSTY = Bursts(2.0, 4.0, True)


@dataclass(frozen=True, slots=True)
class Found:
    """``low`` and ``high`` hold the ratio of rates at all looks at once; ``lately`` is the window's number of looks."""

    failed: bool
    at: float | None
    p: float
    boundary: float
    ratio: float | None
    low: float | None
    high: float | None
    dispersion: float
    lately: int | None = None


class Matters(Protocol):
    """Whether a difference is one that anybody minds, beside how many events speak for it."""

    def so_far(self, ends: Indexes) -> Truths:
        """By the end of each of these looks."""
        ...

    def lately(self, window: int) -> Truths:
        """In so many looks, at the end of each look that has as many: one fewer than ``window`` are left out."""
        ...


def schedule(pairs: Pairs) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Ends of the blocks that the boundary is computed for: known from the clock and the router alone."""
    count = len(pairs)
    known = np.nan_to_num(pairs.share, nan=-1.0)
    regular = np.asarray(_regular(count.bit_length()), dtype=np.intp)
    changes = np.flatnonzero(np.diff(known))
    return np.union1d(regular[: regular.searchsorted(count)], changes)


@lru_cache(maxsize=64)
def _regular(bits: int) -> tuple[int, ...]:
    """As if there were 2 to the power of ``bits`` looks: the same for few as for many."""
    ends, last = [], -1
    for index in range(2**bits):
        if index < _EVERY or index - last >= index // 32:
            ends.append(index)
            last = index
    return tuple(ends)


def dispersion(pairs: Pairs, whole: bool, known: Bursts) -> tuple[float, float]:
    """How large clusters of events are, and how many looks say so.

    From how far the canary's part jumps from one look to the next (von Neumann's ratio): neither drift nor a burst that
    hits both arms nor a constant harm widens that. A harm that sets in is one jump, so where events should be
    independent the largest is left out. Looks with few events are put together first.
    """
    strata = Strata(pairs.x + pairs.y, pairs.n, pairs.m, whole)
    parts = strata.parts(1.0)
    variances = strata.variances(parts)
    groups = np.floor(np.cumsum(variances) / 2.0 - 1e-9)
    starts = np.flatnonzero(np.diff(groups, prepend=-1.0) > 0)
    if len(starts) > 1 and float(variances[starts[-1] :].sum()) < 1.0:
        starts = starts[:-1]
    if len(starts) < 4:
        return known.size, known.freedom
    spreads = np.add.reduceat(variances, starts)
    apart = np.add.reduceat(pairs.x - strata.total * parts, starts) / np.sqrt(np.maximum(spreads, 1e-12))
    jumps = np.diff(apart) ** 2 / 2
    kept = jumps if known.always else np.delete(jumps, int(np.argmax(jumps)))
    # jumps share their ends, so that they say two thirds of what as many looks would
    seen = len(kept) * 2 / 3
    size = float(kept.mean())
    return (known.size * known.freedom + size * seen) / (known.freedom + seen), known.freedom + seen


def clusters(pairs: Pairs, whole: bool, known: Bursts, tail: float) -> float:
    """By what counts are divided: the estimated size of clusters, made larger where it rests on few looks.

    Where events should be independent the estimate is taken only if chance alone would not bring it (5 %).
    """
    size, freedom = dispersion(pairs, whole, known)
    if not known.always and chi_square_tail(size * freedom, freedom) > 0.05:
        return 1.0
    return max(1.0, size * (t_quantile(tail, freedom) / normal_quantile(tail)) ** 2)


def compare(
    pairs: Pairs,
    *,
    alpha: float,
    horizon: float,
    whole: bool,
    known: Bursts,
    ratio: float = 1.0,
    relevant: float = 1.0,
    size: float | None = None,
    matters: Matters | None = None,
) -> Found | None:
    """Whether the canary's rate is above ``ratio`` times the other's, and by now seems to be above ``relevant`` times
    it; ``None`` where nothing can be compared.

    ``alpha`` is of this comparison for the whole rollout, in the one direction. ``size`` of clusters, where it is known
    from elsewhere; else it is estimated. ``matters`` asks for something more of whatever was found.
    """
    if not len(pairs) or float(pairs.n.sum()) <= 0 or float(pairs.m.sum()) <= 0:
        return None
    if size is None:
        size = clusters(pairs, whole, known, alpha)
    patient = (1 - URGENT) * alpha
    ends = schedule(pairs)
    starts = np.concatenate((np.zeros(1, dtype=np.intp), ends[:-1] + 1))
    total, mine, other, events = (
        np.add.reduceat(values, starts) for values in (pairs.x + pairs.y, pairs.n, pairs.m, pairs.x)
    )
    strata = Strata(total, mine, other, whole)
    clock = pairs.at[ends] / horizon
    found: Boundary = boundary(strata, ratio, patient, spent(clock), size)
    sums = np.cumsum(events)
    enough = _parts_seen(sums, np.cumsum(total)) >= _parts_seen(*_even(strata, relevant))
    if matters is not None:
        enough &= matters.so_far(ends)
    crossed = np.flatnonzero((sums >= found.critical) & enough)
    urgent = _urgent(pairs, ratio, relevant, URGENT * alpha, horizon, size, whole, matters)
    return _tell(pairs, strata, ends, sums, found, crossed, urgent, ratio, size, patient)


@dataclass(frozen=True, slots=True)
class _Lately:
    look: int
    window: int
    p: float
    boundary: float


def _even(strata: Strata, ratio: float) -> tuple[Floats, Floats]:
    """The canary's events at this ratio, and all events, since the start."""
    return np.cumsum(strata.total * strata.parts(ratio)), np.cumsum(strata.total)


def _parts_seen(events: Floats, total: Floats) -> Floats:
    return np.divide(events, total, out=np.zeros_like(events), where=total > 0)


def _urgent(
    pairs: Pairs,
    ratio: float,
    relevant: float,
    alpha: float,
    horizon: float,
    size: float,
    whole: bool,
    matters: Matters | None,
) -> _Lately | None:
    """The first look at whose end some window was past all chance.

    Each look and window has its own part of ``alpha``, in proportion to the time since the look before; by Chernoff's
    bound on the tail, which holds for any counts.
    """
    clock = np.maximum(pairs.at, 0.0) / horizon
    parts_of = np.diff(spent(clock, 1.0, 0.2), prepend=0.0) * alpha / len(_WINDOWS)
    strata = Strata(pairs.x + pairs.y, pairs.n, pairs.m, whole)
    parts = strata.parts(ratio)
    enough = strata.parts(max(ratio, relevant))
    along = (pairs.x, strata.total, strata.total * parts, strata.total * enough)
    sums = [np.concatenate((np.zeros(1), np.cumsum(values))) for values in along]
    first: _Lately | None = None
    for window in _WINDOWS:
        if window > len(pairs):
            break
        mine, total, mean, wanted = (one[window:] - one[:-window] for one in sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            seen, part = mine / total, mean / total
            gain = np.where(mine > 0, mine * np.log(seen / part), 0.0)
            gain = gain + np.where(total > mine, (total - mine) * np.log((1 - seen) / (1 - part)), 0.0)
            bound = np.where((total > 0) & (seen > part) & (mine >= wanted), np.exp(-gain / size), 1.0)
        found = bound <= parts_of[window - 1 :]
        if matters is not None and found.any():
            found &= matters.lately(window)
        hits = np.flatnonzero(found)
        if len(hits) and (first is None or int(hits[0]) + window - 1 < first.look):
            look = int(hits[0]) + window - 1
            first = _Lately(look, window, float(bound[hits[0]]), float(parts_of[look]))
    return first


def _tell(
    pairs: Pairs,
    strata: Strata,
    ends: np.ndarray[tuple[int], np.dtype[np.intp]],
    sums: Floats,
    found: Boundary,
    crossed: np.ndarray[tuple[int], np.dtype[np.intp]],
    urgent: _Lately | None,
    ratio: float,
    size: float,
    patient: float,
) -> Found:
    total, mine = float(strata.total.sum()), float(sums[-1])
    here = float((strata.total * strata.parts(ratio)).sum())
    even = float((strata.total * strata.parts(1.0)).sum())
    if total <= 0 or here <= 0 or here >= total:
        return Found(False, None, 1.0, 0.0, None, None, None, size)
    # drawing without replacement scatters less than throwing: so many counts are worth more
    scatter = float(strata.variances(strata.parts(1.0)).sum()) / (even * (1 - even / total))
    worth = size * max(min(scatter, 1.0), 1e-3)
    critical = float(found.critical[-1])
    p = binomial_tail(mine / worth, total / worth, here / total)
    edge = binomial_tail(critical / worth, total / worth, here / total) if math.isfinite(critical) else 0.0
    # a limit for the ratio at the level that the boundary has now: a repeated confidence interval (Jennison, Turnbull)
    level = min(max(edge, patient * 1e-3), 0.25)
    low = _ratio(binomial_low(mine / worth, total / worth, level), total, even)
    high = _ratio(binomial_high(mine / worth, total / worth, level), total, even)
    estimate = _ratio(mine / total, total, even)
    block = int(crossed[0]) if len(crossed) else None
    if urgent is not None and (block is None or urgent.look < int(ends[block])):
        return Found(
            True, float(pairs.at[urgent.look]), urgent.p, urgent.boundary, estimate, low, high, size, urgent.window
        )
    if block is not None:
        low = max(low or 0.0, ratio) if block == len(ends) - 1 else low
        return Found(True, float(pairs.at[ends[block]]), p, max(edge, p), estimate, low, high, size)
    return Found(False, None, max(p, edge * (1 + 1e-9)), edge, estimate, low, high, size)


def _ratio(part: float, total: float, even: float) -> float | None:
    """Which ratio of rates gives the canary this part of the events; ``even`` are its events at a ratio of one."""
    if part >= 1:
        return None
    return part / (1 - part) * (total - even) / even
