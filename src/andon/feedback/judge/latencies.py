"""Latencies: heavy tails, so neither means nor variances but how many requests are slower than a threshold.

The threshold is where the metric's quantile lies in *both arms together*, look by look. It knows nothing of who was in
which arm, so that under "no worse" each arm has its part of the slow ones like of any other event, and what is exact
for errors is exact here; where the bounds of buckets lie costs sight, never honesty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from andon.feedback.judge.boundaries import Floats
from andon.feedback.judge.contract import Bin, Histogram, Look, MetricJudgement, Observation, Samples, Verdict
from andon.feedback.judge.counting import Indexes, Pairs, Truths
from andon.feedback.judge.gates import Setting
from andon.feedback.judge.model import TAIL, Terms
from andon.feedback.judge.reading import read
from andon.feedback.judge.weighing import Material, judged, matrix

_FIRST = 0.7  # the first bound's part of the false alarms
_TAIL = np.concatenate((np.linspace(0, 0.98, 99), 1 - np.geomspace(0.02, 1e-4, 60)))


def judge_latency(setting: Setting, terms: Terms) -> MetricJudgement:
    """At two bounds: the last one that enough are above, and the next.

    Where buckets are coarse it is the first that sees all become slower, and the second that sees few become much so.
    """
    seen, past = read(terms.metric, setting.looks), read(terms.metric, setting.history)
    told = seen.both(terms.grace)
    solo, old = seen.alone(terms.grace), [one.baseline for one in past.entries if one.baseline is not None]
    bounds = _bounds([*(one for _, a, b in told for one in (a, b)), *(one for _, one in solo), *old])
    arms = _Arms(
        looks=tuple(look for look, _, _ in told),
        canary=_table([one for _, one, _ in told], bounds),
        baseline=_table([one for _, _, one in told], bounds),
        solo=tuple(look for look, _ in solo),
        alone=_table([one for _, one in solo], bounds),
        before=_table(old, bounds),
        bounds=bounds,
    )
    first = judged(setting, replace(terms, alpha=terms.alpha * _FIRST), seen, _material(arms, terms, 0))
    if first.verdict is Verdict.FAIL or len(bounds) < 2:
        return first
    second = judged(setting, replace(terms, alpha=terms.alpha * (1 - _FIRST)), seen, _material(arms, terms, 1))
    return second if second.verdict is Verdict.FAIL else first


@dataclass(frozen=True, slots=True)
class _Arms:
    """Tables of looks by buckets (one more than ``bounds``): of both arms, of the canary alone, and of the past."""

    looks: tuple[Look, ...]
    canary: Floats
    baseline: Floats
    solo: tuple[Look, ...]
    alone: Floats
    before: Floats
    bounds: Floats


def _material(arms: _Arms, terms: Terms, further: int) -> Material:
    slow, bounds = 1 - terms.metric.quantile, arms.bounds
    mine, other = arms.canary, arms.baseline
    pairs, threshold = _pairs(arms.looks, mine, other, bounds, slow, further)
    known = int(_at(arms.before.sum(axis=0), slow, further)) if len(arms.before) and len(bounds) else 0
    both = pairs
    if len(arms.looks):
        (x, n), (y, m) = (_above(one, known).T for one in (mine, other))
        both = Pairs(pairs.at, x, n, y, m, pairs.share)
    else:
        threshold = float(bounds[known]) if len(bounds) else None
        mine, other = arms.alone, arms.before
    rows = [(look.at, look.seconds, *row) for look, row in zip(arms.solo, _above(arms.alone, known), strict=True)]
    return Material(
        pairs=pairs,
        alone=matrix(rows, 4),
        before=_above(arms.before, known),
        both=both,
        things="values",
        threshold=threshold,
        last_bound=float(bounds[-1]) if len(bounds) else None,
        levels=(quantile(mine.sum(axis=0), bounds, 1 - slow), quantile(other.sum(axis=0), bounds, 1 - slow)),
        bins=_bins(mine, other, bounds),
        matters=_Slower(arms.canary, arms.baseline, bounds, terms) if len(arms.looks) and len(bounds) else None,
    )


class _Slower:
    """Whether the quantile itself is higher by what the tolerance means there: half as many slow ones again may be a
    shift that nobody feels, where many requests take about as long as the threshold.

    As in what is foreseen, t times as slow is taken for t² times as many. What was long ago must not hide what is now:
    all looks so far are asked, the later half of them, and the last quarter.
    """

    def __init__(self, mine: Floats, other: Floats, bounds: Floats, terms: Terms) -> None:
        zero = np.zeros((1, len(bounds) + 1))
        self._mine, self._other = (np.concatenate((zero, one.cumsum(axis=0))) for one in (mine, other))
        self._bounds, self._quantile = bounds, terms.metric.quantile
        self._factor, self._least = terms.ratio ** (1 / TAIL), terms.metric.least

    def so_far(self, ends: Indexes) -> Truths:
        over = ends + 1
        found = np.zeros(len(ends), dtype=np.bool_)
        for begins in (np.zeros_like(over), over // 2, over - over // 4):
            found |= self._slower(begins, over)
        return found

    def lately(self, window: int) -> Truths:
        over = np.arange(window, len(self._mine))
        return self._slower(over - window, over)

    def _slower(self, begins: Indexes, over: Indexes) -> Truths:
        mine, other = (
            _quantiles(one[over] - one[begins], self._bounds, self._quantile) for one in (self._mine, self._other)
        )
        # above the last bound, or with nothing to lay beside it: the counts alone have to tell
        unknown = np.isposinf(mine) | (np.isnan(other) & ~np.isnan(mine))
        return np.asarray(unknown | (mine >= np.maximum(self._factor * other, other + self._least)), dtype=np.bool_)


def _quantiles(counts: Floats, bounds: Floats, share: float) -> Floats:
    """:func:`quantile` of each row; NaN where a row has none."""
    whole = counts.sum(axis=1)
    along = counts.cumsum(axis=1)
    wanted = share * whole
    bucket = (along < wanted[:, None]).sum(axis=1)
    inside = np.minimum(bucket, len(bounds) - 1)
    rows = np.arange(len(counts))
    lows = np.concatenate(((min(0.0, float(bounds[0])),), bounds[:-1]))
    part = (wanted - along[rows, inside] + counts[rows, inside]) / np.maximum(counts[rows, inside], 1e-12)
    found = lows[inside] + part.clip(0.0, 1.0) * (bounds[inside] - lows[inside])
    found = np.where(bucket >= len(bounds), np.inf, found)
    return np.asarray(np.where(whole > 0, found, np.nan))


def quantile(counts: Floats, bounds: Floats, share: float) -> float | None:
    """Between the bounds in proportion; infinite above the last one."""
    if float(counts.sum()) <= 0 or not len(bounds):
        return None
    return float(_quantiles(counts[None, :], bounds, share)[0])


def _bounds(told: Sequence[Observation]) -> Floats:
    """Of histograms those of the last one; of samples a few hundred quantiles of all of them together."""
    histograms = [one for one in told if isinstance(one, Histogram)]
    if histograms:
        return np.asarray(histograms[-1].bounds, dtype=np.float64)
    values = [np.asarray(one.values, dtype=np.float64) for one in told if isinstance(one, Samples)]
    every = np.concatenate(values) if values else np.zeros(0)
    every = every[np.isfinite(every)]
    return np.unique(np.quantile(every, _TAIL)) if len(every) else np.zeros(0)


def _table(told: Sequence[Observation], bounds: Floats) -> Floats:
    """Counts for each look; of another histogram than the others what lies below each of their bounds."""
    asked = tuple(bounds.tolist())
    if told and all(isinstance(one, Histogram) and one.bounds == asked for one in told):
        return np.asarray([one.counts for one in told if isinstance(one, Histogram)], dtype=np.float64)
    rows = np.zeros((len(told), len(bounds) + 1))
    for row, one in zip(rows, told, strict=True):
        match one:
            case Histogram(bounds=theirs, counts=counts):
                np.add.at(row, np.searchsorted(bounds, np.append(theirs, np.inf)).clip(0, len(bounds)), counts)
            case Samples(values=values):
                array = np.asarray(values, dtype=np.float64)
                found = np.searchsorted(bounds, array[~np.isnan(array)])
                row[:] = np.bincount(found, minlength=len(row))
    return rows


def _pairs(
    looks: Sequence[Look], mine: Floats, other: Floats, bounds: Floats, slow: float, further: int
) -> tuple[Pairs, float | None]:
    count = len(looks)
    at = np.asarray([look.at for look in looks], dtype=np.float64)
    share = np.asarray([np.nan if look.share is None else look.share for look in looks], dtype=np.float64)
    if not count or not len(bounds):
        empty = np.zeros(0)
        return Pairs(empty, empty, empty, empty, empty, empty), None
    along = (mine + other).cumsum(axis=0)
    indexes = _at(along, slow, further)
    rows = np.arange(count)
    above = [one[:, ::-1].cumsum(axis=1)[:, ::-1][rows, indexes + 1] for one in (mine, other)]
    pairs = Pairs(at, above[0], mine.sum(axis=1), above[1], other.sum(axis=1), share)
    return pairs, float(bounds[indexes[-1]])


def _at(counts: Floats, slow: float, further: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """The last bound that at least ``slow`` of all are above, or so many ``further``; along the last axis."""
    whole = np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12)
    above = 1 - counts.cumsum(axis=-1)[..., :-1] / whole
    last = np.maximum((above >= slow - 1e-12).sum(axis=-1) - 1, 0)
    return np.asarray(np.minimum(last + further, above.shape[-1] - 1))


def _above(table: Floats, at: int) -> Floats:
    """For each look how many are above one bound, and how many there are."""
    return np.stack((table[:, at + 1 :].sum(axis=1), table.sum(axis=1)), axis=1)


def _bins(mine: Floats, other: Floats, bounds: Floats) -> tuple[Bin, ...]:
    """Buckets that hold anything, neighbours put together until there are few enough to draw."""
    if not len(bounds):
        return ()
    sums = np.stack((mine.sum(axis=0), other.sum(axis=0)))
    shares = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-12)
    held = np.flatnonzero(shares.sum(axis=0) > 0)
    if not len(held):
        return ()
    first, last = int(held[0]), int(held[-1])
    step = -(-(last - first + 1) // 24)
    lows = np.concatenate(((min(0.0, float(bounds[0])),), bounds))
    highs = np.append(bounds, np.inf)
    return tuple(
        Bin(
            float(lows[start]),
            float(highs[min(start + step - 1, last)]),
            float(shares[0, start : start + step].sum()),
            float(shares[1, start : start + step].sum()),
        )
        for start in range(first, last + 1, step)
    )
