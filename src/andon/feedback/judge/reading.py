"""From looks to arrays, with whatever cannot be so left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from andon.feedback.judge.contract import (
    Counts,
    Gauges,
    Histogram,
    Kind,
    Look,
    Metric,
    Observation,
    Samples,
    Traffic,
)

_FITTING: Mapping[Kind, tuple[type, ...]] = {
    Kind.SHARE: (Counts,),
    Kind.RATE: (Counts,),
    Kind.LATENCY: (Histogram, Samples),
    Kind.GAUGE: (Gauges,),
    Kind.TRAFFIC: (Traffic,),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One look of one metric; an arm is ``None`` where telemetry was silent or told nonsense."""

    look: Look
    canary: Observation | None
    baseline: Observation | None


@dataclass(frozen=True, slots=True)
class Read:
    entries: tuple[Entry, ...]
    unreadable: int

    def last(self, canary: bool) -> float | None:
        """When an arm was last heard of."""
        for entry in reversed(self.entries):
            if (entry.canary if canary else entry.baseline) is not None:
                return entry.look.at
        return None

    def both(self, after: float) -> list[tuple[Look, Observation, Observation]]:
        """Where both arms were measured, without what began before ``after``."""
        return [
            (one.look, one.canary, one.baseline)
            for one in self.entries
            if one.canary is not None and one.baseline is not None and one.look.at - one.look.seconds >= after - 1e-9
        ]

    def alone(self, after: float) -> list[tuple[Look, Observation]]:
        return [
            (one.look, one.canary)
            for one in self.entries
            if one.canary is not None and one.look.at - one.look.seconds >= after - 1e-9
        ]


def read(metric: Metric, looks: Sequence[Look]) -> Read:
    fitting, name, share = _FITTING[metric.kind], metric.name, metric.kind is Kind.SHARE
    entries, unreadable = [], 0
    for look in looks:
        mine, other = look.canary.get(name), look.baseline.get(name)
        if mine is not None and not _good(mine, fitting, share):
            mine, unreadable = None, unreadable + 1
        if other is not None and not _good(other, fitting, share):
            other, unreadable = None, unreadable + 1
        entries.append(Entry(look, mine, other))
    return Read(tuple(entries), unreadable)


def _good(one: Observation, fitting: tuple[type, ...], share: bool) -> bool:
    if not isinstance(one, fitting) or not one.sound:
        return False
    return not (share and isinstance(one, Counts) and one.events > one.exposure)


def ordered(looks: Sequence[Look]) -> list[Look]:
    """By time, one for each moment, the later one told: a look that is sent twice counts once."""
    by_time = {look.at: look for look in looks if np.isfinite(look.at) and np.isfinite(look.seconds)}
    return [by_time[at] for at in sorted(by_time)]
