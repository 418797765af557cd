"""What the judge is shown: one look after the other, each with what both arms did since the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

MOST_BOUNDS = 1_000
MOST_SAMPLES = 1_000_000
MOST_INSTANCES = 1_000
_LEAST, _MOST = 1e-30, 1e30


@dataclass(frozen=True, slots=True)
class Counts:
    """``events`` among ``exposure``: errors of requests, log errors of requests, orders of visits.

    Both are of this look alone, not since a process began; ``between`` makes one of two readings of counters.
    """

    events: float
    exposure: float

    @classmethod
    def between(cls, earlier: Counts, later: Counts) -> Counts:
        """What came between two readings of counters that only rise.

        A counter that fell was started anew in between; what it shows since then is counted, what it had counted
        before its end and nobody read is lost, as in Prometheus' ``increase``. If one of the two fell, the process is
        a new one, and both are taken from zero.
        """
        if later.events < earlier.events or later.exposure < earlier.exposure:
            return later
        return cls(later.events - earlier.events, later.exposure - earlier.exposure)

    @property
    def sound(self) -> bool:
        return _count(self.events) and _count(self.exposure)


@dataclass(frozen=True, slots=True)
class Histogram:
    """``counts[i]`` values at most ``bounds[i]`` and above the bound before; the last count is above all bounds.

    Of this look alone, and not cumulative. ``bounds`` rise, and are the same in both arms.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @classmethod
    def between(cls, earlier: Histogram, later: Histogram) -> Histogram:
        """What came between two readings of a histogram whose counts only rise; see ``Counts.between``."""
        if earlier.bounds != later.bounds or any(b < a for a, b in zip(earlier.counts, later.counts, strict=True)):
            return later
        return cls(later.bounds, tuple(b - a for a, b in zip(earlier.counts, later.counts, strict=True)))

    @property
    def sound(self) -> bool:
        return (
            len(self.counts) == len(self.bounds) + 1
            and _rising(self.bounds)
            and _count(sum(self.counts))  # of a NaN or an infinity among them the sum is one too
            and min(self.counts) >= 0
        )


@dataclass(frozen=True, slots=True)
class Samples:
    """Single values, such as durations of requests, in any order. NaN among them are left out."""

    values: tuple[float, ...]

    @property
    def sound(self) -> bool:
        return len(self.values) <= MOST_SAMPLES


@dataclass(frozen=True, slots=True)
class Gauges:
    """One value of each instance, by its name: memory, processor time, connections in use."""

    values: Mapping[str, float]

    @property
    def sound(self) -> bool:
        return len(self.values) <= MOST_INSTANCES and all(
            one == 0 or _LEAST <= abs(one) <= _MOST for one in self.values.values()
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that reached an arm. Zero says that none came; where nobody counted, there is no observation."""

    requests: float

    @property
    def sound(self) -> bool:
        return _count(self.requests)


Observation = Counts | Histogram | Samples | Gauges | Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of both arms in ``seconds`` up to ``at``; both by the name of the metric.

    A metric that is missing in an arm, or ``None``, was not measured: telemetry is silent. That is never the same as a
    count of zero. A look in the past of a service (``history``) has a ``baseline`` only.
    """

    at: float
    """Seconds since the rollout began, at the end of the look; negative in the past before it."""
    seconds: float
    canary: Mapping[str, Observation | None] = field(default_factory=dict)
    baseline: Mapping[str, Observation | None] = field(default_factory=dict)
    share: float | None = None
    """Which share of the traffic of both arms the router sends to the canary, 0 to 1; ``None`` where nobody knows."""


@lru_cache(maxsize=256)
def _rising(bounds: tuple[float, ...]) -> bool:
    return (
        1 <= len(bounds) <= MOST_BOUNDS
        and all(abs(bound) <= _MOST for bound in bounds)
        and all(a < b for a, b in pairwise(bounds))
    )


def _count(value: float) -> bool:
    """False for NaN too. Beyond the bounds nobody counts, and squares would run over."""
    return value == 0 or 1e-9 <= value <= 1e15
