"""How much more than its part an arm may show at each look before that is no chance any more.

Of all events of one look, those of both arms together, the canary's part under "no worse" depends on how the traffic
was divided and on nothing else: not on how many there are, not on the hour. So what is followed is the canary's sum of
parts, given the totals; its distribution is exact (hypergeometric or binomial), drift of both arms falls out, and looks
may be of any length and share. The boundary is computed look by look on the distribution of all paths that have not
crossed it yet (Armitage, McPherson and Rowe 1969), so that the probability of ever crossing it follows a spending
function (Lan and DeMets 1983) of a clock that knows nothing of the events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A value joins those that cross as soon as this part of its probability is not to be had any more (mid-p is a half,
# Lancaster 1961). Given the totals of one rollout that may be too much; over all totals that a rollout can have it is
# not: the mean of ``Boundary.size`` stays below alpha for any rate, see tests/feedback/judge/test_boundaries.py.
# Without it few errors use half of the false alarms that they may have, and are found as much more rarely.
_PART = 0.6
_FINE = 40.0  # lattice points in a standard deviation of the end, where counts are many


@dataclass(frozen=True, slots=True)
class Strata:
    """One entry for each block of looks: ``total`` events of both arms, with exposures of ``mine`` and ``other``.

    ``whole``: an exposure of one can show one event at the most (requests and errors), so that a part is drawn without
    replacement.
    """

    total: Floats
    mine: Floats
    other: Floats
    whole: bool

    def parts(self, ratio: float) -> Floats:
        """Which part of the total is the canary's, if its rate is ``ratio`` times the other's."""
        mine = ratio * self.mine
        both = mine + self.other
        return np.divide(mine, both, out=np.full_like(mine, 0.5), where=both > 0)

    def variances(self, parts: Floats) -> Floats:
        spread = self.total * parts * (1 - parts)
        if self.whole:
            both = self.mine + self.other
            left = np.divide(both - self.total, both - 1, out=np.ones_like(both), where=both > 1)
            spread = spread * np.clip(left, 0.0, 1.0)
        return spread


@dataclass(frozen=True, slots=True)
class Boundary:
    """``critical[k]`` is the canary's smallest sum of events after block ``k`` that crosses; infinite: none does."""

    critical: Floats
    size: float
    """The probability of ever crossing it, given the totals."""


def spent(clock: Floats, power: float = 4.0, reserve: float = 0.03) -> Floats:
    """The part of the error probability that may be spent up to ``clock`` (1 is the planned end), 0 to 1.

    Slowly at first, so that little is lost at the end. The reserve lets a rollout that is prolonged go on without an
    end; one that is cut short leaves some over. Either way the whole is never more than 1.
    """
    inside = np.clip(clock, 0.0, 1.0)
    after = 1 - 1 / np.maximum(clock, 1.0)
    return (1 - reserve) * inside**power + reserve * after


def boundary(strata: Strata, ratio: float, alpha: float, spending: Floats, dispersion: float) -> Boundary:
    """For the canary's sum, under a rate of ``ratio`` times the other's; ``spending`` as of ``spent``.

    ``dispersion``: events come in clusters of about that size, so that so many count as one.
    """
    parts = strata.parts(ratio)
    variances = strata.variances(parts) / dispersion
    whole = float(variances.sum())
    if whole <= 0:
        return Boundary(np.full(len(parts), np.inf), 0.0)
    skews = strata.total * parts * (1 - parts) * (1 - 2 * parts) / dispersion
    if whole > 900 and abs(float(skews.sum())) / whole**1.5 < 0.02:
        return _many(strata.total, parts, variances * dispersion**2, dispersion, skews, alpha, spending)
    return _few(strata, parts, ratio, alpha, spending, dispersion)


def _few(strata: Strata, parts: Floats, ratio: float, alpha: float, spending: Floats, dispersion: float) -> Boundary:
    """Exactly, on whole numbers."""
    count = len(parts)
    critical = np.full(count, np.inf)
    totals = np.diff(np.rint(np.cumsum(strata.total) / dispersion), prepend=0.0).astype(np.int64)
    without = strata.whole and dispersion == 1.0
    paths, low = np.ones(1), 0
    gone = 0.0
    allowed = (alpha * spending).tolist()
    for block, (total, part) in enumerate(zip(totals.tolist(), parts.tolist(), strict=True)):
        if total > 0:
            if without:
                first, chances = _drawn(total, float(strata.mine[block]), float(strata.other[block]), ratio)
            else:
                first, chances = _thrown(total, part)
            paths = np.convolve(paths, chances) if len(chances) > 1 else paths * chances[0]
            low += first
        above = paths[::-1]
        tails = above.cumsum()
        cut = int((tails - _PART * above).searchsorted(allowed[block] - gone, side="right"))
        if cut:
            gone += float(tails[cut - 1])
            paths = paths[: len(paths) - cut]
        if len(paths) == 0:  # all that could be has crossed: there is no chance left to divide
            critical[block:] = low
            break
        critical[block] = low + len(paths)
        if len(paths) > 64:
            dust = int(paths.cumsum().searchsorted(1e-17))
            paths, low = paths[dust:], low + dust
    return Boundary(critical * dispersion, gone)


def _thrown(total: int, part: float) -> tuple[int, Floats]:
    """Binomial: the first value and the probabilities from there."""
    if part <= 0 or part >= 1:
        return (0 if part <= 0 else total), np.ones(1)
    if total == 1:
        return 0, np.array((1 - part, part))
    reach = 9 * math.sqrt(total * part * (1 - part)) + 25
    low, high = max(0, int(total * part - reach)), min(total, int(total * part + reach) + 1)
    x = np.arange(low, high, dtype=np.float64)
    return low, _from_ratios((total - x) * (part / (1 - part)) / (x + 1))


def _drawn(total: int, mine: float, other: float, ratio: float) -> tuple[int, Floats]:
    """Fisher's noncentral hypergeometric: ``total`` events among ``mine`` and ``other`` requests."""
    mine, other = max(mine, 0.0), max(other, 0.0)
    lowest, highest = max(0, math.ceil(total - other)), min(total, int(mine))
    if highest <= lowest:
        return min(lowest, total), np.ones(1)
    part = ratio * mine / (ratio * mine + other)
    if total == 1:
        return 0, np.array((1 - part, part))
    reach = 9 * math.sqrt(total * part * (1 - part)) + 25
    low, high = max(lowest, int(total * part - reach)), min(highest, int(total * part + reach) + 1)
    if high <= low:
        return max(lowest, min(highest, int(total * part))), np.ones(1)
    x = np.arange(low, high, dtype=np.float64)
    return low, _from_ratios((mine - x) * (total - x) * ratio / ((x + 1) * (other - total + x + 1)))


def _from_ratios(ratios: Floats) -> Floats:
    logs = np.concatenate((np.zeros(1), np.log(ratios).cumsum()))
    chances = np.exp(logs - logs.max())
    return np.asarray(chances / chances.sum())


def _many(
    totals: Floats, parts: Floats, variances: Floats, dispersion: float, skews: Floats, alpha: float, spending: Floats
) -> Boundary:
    """On a lattice of deviations from the mean, each block's normal; the skew of their sum is put in at the end."""
    count = len(parts)
    means = np.cumsum(totals * parts)
    along = np.cumsum(variances)
    unit = math.sqrt(float(along[-1])) / _FINE
    critical = np.full(count, np.inf)
    paths, low = np.ones(1), 0
    gone, waiting = 0.0, 0.0
    sums = np.cumsum(skews) * dispersion**2
    for block, (variance, allowed) in enumerate(zip(variances.tolist(), (alpha * spending).tolist(), strict=True)):
        waiting += variance
        spread = math.sqrt(waiting) / unit
        if spread < 1.5 and block < count - 1:
            continue  # too little came to be seen on this lattice; it is seen with the next block
        waiting = 0.0
        reach = int(8.5 * spread) + 1
        steps = np.arange(-reach, reach + 1)
        chances = np.exp(-0.5 * (steps / max(spread, 0.3)) ** 2)
        paths = np.convolve(paths, chances / chances.sum())
        low -= reach
        tails = paths[::-1].cumsum()
        left = allowed - gone
        cut = int(tails.searchsorted(left, side="right"))
        if cut:
            gone += float(tails[cut - 1])
            # between two lattice points, by the logarithm of the tail
            inner, outer = float(tails[cut]), float(tails[cut - 1])
            between = 0.0 if outer <= 0 else math.log(left / outer) / math.log(inner / outer)
            edge = (low + len(paths) - cut - between - 0.5) * unit
            paths = paths[: len(paths) - cut]
            sd = math.sqrt(float(along[block]))
            z = edge / sd
            skew = float(sums[block]) / sd**3
            critical[block] = float(means[block]) + sd * (z + skew * (z * z - 1) / 6)
        dust = int(paths.cumsum().searchsorted(1e-17))
        paths, low = paths[dust:], low + dust
    return Boundary(critical, gone)
