"""A service's own past in place of an old version that runs beside it, and beside both of them."""

from __future__ import annotations

import numpy as np

from andon.feedback.judge.boundaries import Floats
from andon.feedback.judge.chances import normal_quantile, t_quantile
from andon.feedback.judge.counting import Pairs

_BLOCKS = 8  # of so many at least a variance is estimated


def beside(at: Floats, lengths: Floats, x: Floats, n: Floats, y: Floats, m: Floats, horizon: float) -> Pairs:
    """The past ``y`` of ``m`` laid beside the looks of the canary, each taking a part of it by its length.

    So the past is used up when the rollout is over, and each look adds something that no look before it has used.
    """
    whole = max(horizon, float(lengths.sum()))
    parts = lengths / whole
    return Pairs(at, x, n, float(y.sum()) * parts, float(m.sum()) * parts, np.full(len(at), np.nan))


def restlessness(y: Floats, m: Floats, tail: float, elapsed: int) -> float:
    """By how much the past varies more than independent events would, over stretches as long as ``elapsed`` looks.

    Drift and weather of the day are in it: the longer the stretch, the more so. The largest over all lengths that
    leave eight stretches; widened by Student's t, since eight say little. At least two: a past is another time.
    """
    largest = 2.0
    length = 1
    while length <= max(1, elapsed) and len(y) // length >= _BLOCKS:
        usable = len(y) // length * length
        events = y[:usable].reshape(-1, length).sum(axis=1)
        exposure = m[:usable].reshape(-1, length).sum(axis=1)
        freedom = len(events) - 1
        mean = exposure * (events.sum() / exposure.sum()) if exposure.sum() > 0 else np.zeros(1)
        if (mean > 0).all():
            size = float(((events - mean) ** 2 / mean).sum()) / freedom
            largest = max(largest, size * (t_quantile(tail, freedom) / normal_quantile(tail)) ** 2)
        length *= 2
    if len(y) < _BLOCKS:
        largest *= 4.0
    return largest
