"""Samples as services and machines have them, for benchmarks of the store: nothing random that is not random in life.

Of a hundred series (the kinds are mixed by their number):

====  ==================================================  =======================================
share what                                                how its next sample comes about
====  ==================================================  =======================================
10    constants (limits, versions, up)                    never changes
14    slow changers (replicas, sizes of pools)            a step up or down in one sample of 200
30    counters of requests                                Poisson, with a mean of 0.1 to 50
14    processor seconds, with two decimals                grows by 0 to 2 s in 10 s
10    integer walks (queue lengths, connections)          -3 to +3, not below zero
6     percentages, with one decimal                       a walk between 0 and 100
6     memory, in pages of 4,096 bytes                     a walk
8     latencies in seconds, with microseconds             log-normal, 20 ms
2     results of divisions, with all their bits           log-normal
====  ==================================================  =======================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INTERVAL = 10_000
"""Milliseconds between two samples of a series."""
DAY = 86_400_000
_BLOCK = 90
"""Samples of each series that arrive in one block: a quarter of an hour."""
_SHARES = (10, 14, 30, 14, 10, 6, 6, 8, 2)
LEVELS = 5


@dataclass(frozen=True, slots=True)
class Block:
    """``values[step, series]``, whose times (ms) are in ``times`` of the same shape."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]


class Weather:
    """``jitter`` is how many milliseconds a scrape may be early or late; without it every series keeps its beat."""

    def __init__(self, series: int, seed: int, *, jitter: int = 0) -> None:
        self.series, self._jitter = series, jitter
        self._random = np.random.default_rng(seed)
        random = self._random
        bounds = np.cumsum(_SHARES)
        self._kinds = np.searchsorted(bounds, np.arange(series) * 37 % 100, side="right")
        self._offsets = random.integers(0, INTERVAL, series)
        self._rates = 10 ** random.uniform(-1, np.log10(50), series)
        self._state = np.select(
            [self._kinds == kind for kind in range(9)],
            [
                random.integers(0, 1000, series),
                random.integers(1, 50, series),
                random.integers(0, 10**6, series),
                np.round(random.uniform(0, 10**5, series), 2),
                random.integers(0, 500, series),
                np.round(random.uniform(0, 100, series), 1),
                random.integers(1000, 500_000, series) * 4096,
                np.zeros(series),
                np.zeros(series),
            ],
        ).astype(np.float64)

    def blocks(self, start: int, steps: int) -> Iterator[Block]:
        """``steps`` samples of every series from ``start`` (ms) on, in the order in which they arrive."""
        for first in range(0, steps, _BLOCK):
            count = min(_BLOCK, steps - first)
            times = start + (first + np.arange(count))[:, None] * INTERVAL + self._offsets[None, :]
            if self._jitter:
                times = times + self._random.integers(-self._jitter, self._jitter + 1, times.shape)
            yield Block(times, self._values(count))

    def _values(self, count: int) -> NDArray[np.float64]:
        random, made = self._random, np.empty((count, self.series))
        for kind in range(9):
            at = np.flatnonzero(self._kinds == kind)
            shape = (count, at.size)
            before = self._state[at][None, :]
            match kind:
                case 0:
                    made[:, at] = before
                case 1:
                    steps = np.where(random.random(shape) < 0.005, random.integers(-2, 3, shape), 0)
                    made[:, at] = np.maximum(before + np.cumsum(steps, axis=0), 0)
                case 2:
                    made[:, at] = before + np.cumsum(random.poisson(self._rates[at], shape), axis=0)
                case 3:
                    cents = np.cumsum(random.integers(0, 200, shape), axis=0)
                    made[:, at] = np.round(before + cents / 100, 2)
                case 4:
                    made[:, at] = np.maximum(before + np.cumsum(random.integers(-3, 4, shape), axis=0), 0)
                case 5:
                    walked = before + np.cumsum(random.normal(0, 0.7, shape), axis=0)
                    made[:, at] = np.round(np.clip(walked, 0, 100), 1)
                case 6:
                    pages = np.cumsum(random.integers(-40, 41, shape) * (random.random(shape) < 0.5), axis=0)
                    made[:, at] = np.maximum(before + pages * 4096, 4096)
                case 7:
                    made[:, at] = np.round(random.lognormal(-3.9, 0.6, shape), 6)
                case _:
                    made[:, at] = random.lognormal(0, 1, shape)
        self._state = made[-1].copy()
        return made
