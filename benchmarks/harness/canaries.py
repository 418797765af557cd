"""What others would say of the same canary: rules written anew from what they publish, and the best test there is."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]


def kayenta(canary: Counts, baseline: Counts) -> NDArray[np.bool_]:
    """NetflixACAJudge with a metric whose direction is ``increase``, once at the end; a row is a rollout.

    Mann-Whitney U of the points of both arms: "high" if the 98 % interval's lower end is above a quarter of the
    Hodges-Lehmann estimate. Its outlier detector takes the 99th percentile as a fence, so of thirty points none goes.
    """
    rollouts, n = canary.shape
    m = baseline.shape[1]
    apart = np.sort((canary[:, :, None] - baseline[:, None, :]).reshape(rollouts, n * m), axis=1)
    ties = _ties(canary) + _ties(baseline)
    sigma = np.sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    rank = n * m / 2 + 0.5 + NormalDist().inv_cdf(0.99) * sigma
    lower = apart[np.arange(rollouts), np.maximum(n * m - 1 - np.floor(rank).astype(np.int64), 0)]
    estimate = np.median(apart, axis=1)
    same = (np.sort(canary, axis=1) == np.sort(baseline, axis=1)).all(axis=1)
    return np.asarray((lower > 0.25 * np.abs(estimate)) & ~same & (sigma > 0))


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
