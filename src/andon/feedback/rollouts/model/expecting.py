"""What a service is likely to show, from what its live version showed lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.judge.contract import Expected, Kind
from andon.feedback.rollouts.model.records import LookRecord, Watched
from andon.feedback.rollouts.model.watching import ERRORS, LATENCY


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a rollout could see, in sentences; either may be empty."""

    smallest_harm: str
    proposal: str


def expected_of(history: Sequence[LookRecord], watched: Sequence[Watched]) -> tuple[Expected, ...]:
    """Of the metrics of which there is a past: errors and latencies. Nothing without traffic in it."""
    seconds = sum(one.seconds for one in history)
    requests = sum(one.baseline.traffic or 0.0 for one in history)
    if not seconds or not requests:
        return ()
    rate = requests / seconds
    found = []
    for one in watched:
        if one.name == ERRORS:
            failed = sum(look.baseline.counts.get(ERRORS, (0.0, 0.0))[0] for look in history)
            found.append(Expected(metric=one.name, level=failed / requests, exposure=rate))
        elif one.kind is Kind.LATENCY and one.name.startswith(LATENCY):
            level = quantile_of(history, one.quantile)
            if level is not None:
                found.append(Expected(metric=one.name, level=level, exposure=rate))
    return tuple(found)


def quantile_of(history: Sequence[LookRecord], quantile: float) -> float | None:
    """Of all latencies together, in milliseconds: between the bounds of its bucket, as if they lay evenly in it."""
    bounds: tuple[float, ...] = ()
    totals: list[float] = []
    for look in history:
        found = look.baseline.histograms.get(LATENCY)
        if found is None:
            continue
        if bounds != found[0]:
            bounds, totals = found[0], [0.0] * len(found[1])
        totals = [a + b for a, b in zip(totals, found[1], strict=True)]
    wanted = quantile * sum(totals)
    if not wanted:
        return None
    below, before = 0.0, 0.0
    for bound, count in zip(bounds, totals, strict=False):
        if count and before + count >= wanted:
            return below + (bound - below) * (wanted - before) / count
        before += count
        below = bound
    return bounds[-1]
