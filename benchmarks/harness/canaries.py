"""What others would say of the same canary: rules written anew from what they publish, and the best test there is."""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]


def kayenta(canary: Counts, baseline: Counts) -> NDArray[np.bool_]:
    """NetflixACAJudge with a metric whose direction is ``increase``, once at the end; a row is a rollout.

    Mann-Whitney U of the points of both arms: "high" if the 98 % interval's lower end is above a quarter of the
    Hodges-Lehmann estimate. Its outlier detector takes the 99th percentile as a fence, so of thirty points none goes.
    Both ends are roots of a step function, looked for by Brent's method to 0.0001: where counts are small and ties many
    they lie that near to nothing, and on which side decides.
    """
    rollouts, n = canary.shape
    m = baseline.shape[1]
    apart = np.sort((canary[:, :, None] - baseline[:, None, :]).reshape(rollouts, n * m), axis=1)
    ties = _ties(canary) + _ties(baseline)
    sigma = np.sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    z = NormalDist().inv_cdf(0.99)
    same = (np.sort(canary, axis=1) == np.sort(baseline, axis=1)).all(axis=1)
    found = np.zeros(rollouts, dtype=bool)
    for row in np.flatnonzero(~same & (sigma > 0)):
        lower, estimate = (_shift(apart[row].tolist(), float(sigma[row]), quantile) for quantile in (z, 0.0))
        found[row] = lower > 0.25 * abs(estimate)
    return found


def _shift(apart: list[float], sigma: float, quantile: float) -> float:
    """By how much one arm has to be shifted so that its rank sum is ``quantile`` deviations above the mean."""

    def above(shift: float) -> float:
        larger, at_least = len(apart) - bisect_right(apart, shift), len(apart) - bisect_left(apart, shift)
        sum_of = (larger + at_least) / 2 - len(apart) / 2
        return (sum_of - math.copysign(0.5, sum_of) * (sum_of != 0)) / sigma - quantile

    low, high = apart[0], apart[-1]
    if above(low) <= 0:
        return low
    return high if above(high) >= 0 else _zero(above, low, high)


def _zero(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-4) -> float:
    """Brent's method (Algorithms for Minimization without Derivatives, chapter 4), as in R's ``uniroot``."""
    a, b, c = low, high, low
    fa, fb, fc = function(a), function(b), function(a)
    for _ in range(1_000):
        last = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        near = 2 * sys.float_info.epsilon * abs(b) + tolerance / 2
        step = (c - b) / 2
        if abs(step) <= near or fb == 0:
            break
        if abs(last) >= near and abs(fa) > abs(fb):
            if a == c:
                p, q = (c - b) * fb / fa, 1 - fb / fa
            else:
                q, r, s = fa / fc, fb / fc, fb / fa
                p, q = s * ((c - b) * q * (q - r) - (b - a) * (r - 1)), (q - 1) * (r - 1) * (s - 1)
            p, q = (p, -q) if p > 0 else (-p, q)
            if p < 0.75 * (c - b) * q - abs(near * q) / 2 and p < abs(last * q / 2):
                step = p / q
        if abs(step) < near:
            step = math.copysign(near, step)
        a, fa = b, fb
        b += step
        fb = function(b)
        if (fb > 0) == (fc > 0):
            c, fc = a, fa
    return b


def _ties(points: Counts) -> Counts:
    """The sum of t³ - t over groups of t equal values in a row; shifted against each other, two arms share none."""
    ordered = np.sort(points, axis=1)
    total = np.zeros(len(points))
    length = np.ones(len(points))
    for column in range(1, ordered.shape[1]):
        same = ordered[:, column] == ordered[:, column - 1]
        total += np.where(same, 0, length**3 - length)
        length = np.where(same, length + 1, 1)
    return total + length**3 - length


def argo(errors: Counts, requests: float, at_least: float, limit: int = 3) -> NDArray[np.bool_]:
    """``success-rate`` as documented: ``successCondition: result[0] >= 0.95``, ``failureLimit: 3``; each minute."""
    return np.asarray(((1 - errors / requests) < at_least).sum(axis=1) > limit)


def best_test(mine: Counts, other: Counts, alpha: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """The uniformly most powerful unbiased test of two counts, once at the end, for whoever does not know the base.

    Given the sum the canary's count is binomial; the test throws a die at its edge, so that it uses up all of ``alpha``
    (Lehmann and Romano, Testing Statistical Hypotheses, 4.5). It is the same Poisson's case of Fisher's exact test.
    """
    edges = np.asarray([_edge(int(total), alpha) for total in mine + other])
    return np.asarray((mine > edges[:, 0]) | ((mine == edges[:, 0]) & (generator.random(len(mine)) < edges[:, 1])))


@lru_cache(maxsize=100_000)
def _edge(total: int, alpha: float) -> tuple[float, float]:
    """The count above which the test says so, and how probably it does at that count."""
    gone = 0.0
    furthest = min(total, int(total / 2 + 6 * math.sqrt(total)) + 10)  # beyond is nothing that a number could hold
    for count in range(furthest, -1, -1):
        logged = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1) - total * math.log(2)
        chance = math.exp(logged)
        if gone + chance > alpha:
            return float(count), (alpha - gone) / chance
        gone += chance
    return math.inf, 0.0


def knowing_test(mine: Counts, other: Counts, null: tuple[Counts, Counts], alpha: float) -> float:
    """The power of a test that is told the base rate (``null``: counts drawn from it): nobody can have it."""

    def score(x: Counts, y: Counts) -> Counts:
        return np.divide(x - y, np.sqrt(x + y), out=np.zeros_like(x), where=x + y > 0)

    edge = np.quantile(score(*null), 1 - alpha, method="higher")
    return float((score(mine, other) > edge).mean())
