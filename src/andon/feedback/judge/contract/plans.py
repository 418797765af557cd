"""What is watched, for how long, and how many false alarms are put up with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric is made of, and so how it is judged."""

    SHARE = "share"
    """Events among as many trials, such as errors of requests: ``Counts``. Each request counts for itself."""
    RATE = "rate"
    """Events for an exposure, such as log errors or orders for each request: ``Counts``. They come in bursts, and how
    much so is estimated."""
    LATENCY = "latency"
    """A quantile of many values: ``Histogram`` or ``Samples``."""
    GAUGE = "gauge"
    """A level of each instance, such as memory: ``Gauges``. Few values, each like the one before."""
    TRAFFIC = "traffic"
    """Requests that reach the arm, compared with the share that the router sends there: ``Traffic``."""


class Direction(StrEnum):
    MORE_IS_WORSE = "more"
    LESS_IS_WORSE = "less"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that is watched. The defaults are what a service gets that says nothing."""

    name: str
    kind: Kind
    title: str = ""
    """What people call it, for the sentences: "Errors"; ``name`` if empty."""
    direction: Direction = Direction.MORE_IS_WORSE
    """Of ``TRAFFIC`` only what is lost counts, whatever is said here."""
    quantile: float = 0.99
    """Of a ``LATENCY``: 0.5, 0.95, 0.99."""
    tolerance: float | None = None
    """How much worse is not worth going back for, as a ratio: 0.25 is a quarter more; ``None`` is what fits the kind
    (``model.TOLERANCE``). For a ``LATENCY`` it is of the share of slow requests, not of the time they take."""
    least: float = 0.0
    """Of a ``LATENCY``: by how much, in its unit, the quantile has to be higher for anybody to mind."""
    minimum: float | None = None
    """What each arm must have shown before this can pass: requests, visits, values; ``None`` is what fits the kind."""
    weight: float = 1.0
    """Which part of all false alarms this metric may have, beside the weights of the others."""
    grace: float | None = None
    """Seconds after the start that are left out; ``None`` is the plan's where the kind has to get warm, else none."""
    limit: float | None = None
    """A level that is bad whatever the other arm shows; ``None`` is half of all for a ``SHARE``, and none else."""
    clusters: float | None = None
    """Of a ``RATE``: how many events come together, where that is known: 1 is each for itself, such as restarts of a
    process. ``None`` is estimated, and one burst alone is no failure then."""
    unit: str = ""
    """Written behind numbers: "ms", "MB"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one rollout is judged. It stays the same from its first look to its last, but for ``until`` and ``since``."""

    metrics: tuple[Metric, ...]
    horizon: float
    """Seconds that the whole rollout is thought to take. It may end sooner or go on longer: false alarms stay within
    ``alpha`` in any case; this is where the judge sees best."""
    alpha: float = 0.01
    """The probability that anything at all fails in the whole rollout of a version that is not worse."""
    grace: float = 0.0
    """Seconds after the start that are left out of latencies and gauges: a new process has to get warm. Errors count
    from the first request on, unless a metric has a ``grace`` of its own."""
    until: float | None = None
    """Nothing passes before: the end of the stage that is being waited for; ``None`` is the horizon."""
    since: float = 0.0
    """When that stage began: only what was seen since counts towards each ``minimum``."""
    silence: float = 60.0
    """Seconds without telemetry of a metric after which its verdict is inconclusive; at least two looks."""
