"""From readings of counters to what the judge is shown."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from andon.feedback.judge.contract import Counts, Gauges, Histogram, Look, Observation, Samples, Traffic
from andon.feedback.rollouts.model.records import Arm, Counters, LookRecord, Seen, Watched
from andon.feedback.rollouts.model.stages import Sets, Stage, compared
from andon.feedback.rollouts.model.watching import ERRORS, LATENCY, RESTARTS, TRAFFIC
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import Bucket, RouterStatistics, SetStatistics

MOST_LOOKS = 1_500
"""The judge is shown: older ones of a long rollout are put together."""
_SERVER_ERROR = 5


def counters_of(statistics: RouterStatistics, stage: Stage, sets: Sets, restarts: Mapping[SetId, int]) -> Counters:
    """Both arms, as the router counts them now. One that was never asked anything is not among what it counts."""
    serving = {one.set: one for one in statistics.sets}
    copies = {one.set: one for one in statistics.dark}
    other = compared(stage, sets)
    return Counters(
        canary=_arm((copies if stage.dark else serving).get(sets.canary), restarts.get(sets.canary, 0)),
        baseline=_arm(serving.get(other), restarts.get(other, 0)),
    )


def alone(statistics: RouterStatistics, name: SetId) -> Counters:
    """One set that has all traffic."""
    return Counters(canary=_arm(next((one for one in statistics.sets if one.set == name), None), 0))


def solitary(records: Sequence[LookRecord], now: datetime) -> tuple[LookRecord, ...]:
    """What the former version did in these looks, as a past of ``now``: it is the only arm, in seconds before."""
    return tuple(
        replace(one, canary=Seen(), share=None, offset=-max(0.0, (now - one.at).total_seconds())) for one in records
    )


def _arm(found: SetStatistics | None, restarts: int) -> Arm:
    if found is None:
        return Arm(restarts=restarts)
    bounds, times = _single(found.times)
    # An instance that is not there answers nothing: whom it failed is seen in the connections alone.
    lost = found.connection_failures
    return Arm(
        requests=found.requests,
        failed=found.answers.get(_SERVER_ERROR, 0) + lost,
        bounds=bounds,
        times=times,
        restarts=restarts,
    )


def _single(cumulative: Sequence[Bucket]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Buckets that hold the smaller ones as buckets of their own, with one for what is beyond all bounds."""
    if not cumulative:
        return (), ()
    counts = [count for _, count in cumulative]
    single = [counts[0], *(max(0, later - earlier) for earlier, later in itertools.pairwise(counts)), 0]
    return tuple(bound for bound, _ in cumulative), tuple(single)


def seen_between(earlier: Counters, later: Counters) -> tuple[Seen, Seen]:
    """What came between two readings, of the canary and of whom it is compared with."""
    bounds = later.canary.bounds or later.baseline.bounds or earlier.canary.bounds or earlier.baseline.bounds
    return (
        _seen(earlier.canary, later.canary, bounds),
        _seen(earlier.baseline, later.baseline, bounds),
    )


def _seen(earlier: Arm, later: Arm, bounds: tuple[float, ...]) -> Seen:
    came = Counts.between(Counts(earlier.failed, earlier.requests), Counts(later.failed, later.requests))
    restarted = max(0, later.restarts - earlier.restarts)
    histograms = {}
    if bounds:
        taken = Histogram.between(_histogram(earlier, bounds), _histogram(later, bounds))
        histograms[LATENCY] = (taken.bounds, taken.counts)
    return Seen(
        counts={
            # more connections may fail than requests come, since each is tried several times
            ERRORS: (min(came.events, came.exposure), came.exposure),
            RESTARTS: (float(restarted), came.exposure),
        },
        histograms=histograms,
        traffic=came.exposure,
    )


def _histogram(arm: Arm, bounds: tuple[float, ...]) -> Histogram:
    counts = tuple(float(one) for one in arm.times) if arm.bounds == bounds else (0.0,) * (len(bounds) + 1)
    return Histogram(bounds, counts)


def with_measured(seen: Seen, measured: Mapping[str, Observation]) -> Seen:
    """The same with what telemetry said."""
    counts, histograms = dict(seen.counts), dict(seen.histograms)
    samples, gauges = dict(seen.samples), dict(seen.gauges)
    for name, one in measured.items():
        match one:
            case Counts():
                counts[name] = (one.events, one.exposure)
            case Histogram():
                histograms[name] = (one.bounds, one.counts)
            case Samples():
                samples[name] = one.values
            case Gauges():
                gauges[name] = one.values
            case Traffic():
                continue  # the router's alone
    return Seen(counts=counts, histograms=histograms, samples=samples, gauges=gauges, traffic=seen.traffic)


def look_of(record: LookRecord, watched: Sequence[Watched]) -> Look:
    """What the judge is shown of it."""
    return Look(
        at=record.offset,
        seconds=record.seconds,
        canary=_observations(record.canary, watched),
        baseline=_observations(record.baseline, watched),
        share=record.share,
    )


def _observations(seen: Seen, watched: Sequence[Watched]) -> dict[str, Observation | None]:
    found: dict[str, Observation | None] = {}
    for one in watched:
        observed = _observation(seen, one.name)
        if observed is not None:
            found[one.name] = observed
    return found


def _observation(seen: Seen, name: str) -> Observation | None:
    if name == TRAFFIC:
        return None if seen.traffic is None else Traffic(seen.traffic)
    if name in seen.counts:
        return Counts(*seen.counts[name])
    kept = LATENCY if name.startswith(f"{LATENCY}-") else name
    if kept in seen.histograms:
        return Histogram(*seen.histograms[kept])
    if name in seen.samples:
        return Samples(seen.samples[name])
    if name in seen.gauges:
        return Gauges(seen.gauges[name])
    return None


def condensed(records: Sequence[LookRecord], most: int = MOST_LOOKS) -> list[LookRecord]:
    """The same with at most so many looks: the older half is put together in pairs until it is so."""
    found = list(records)
    while len(found) > most:
        half = len(found) // 2 // 2 * 2
        older = [joined(one, other) for one, other in zip(found[:half:2], found[1:half:2], strict=True)]
        found = older + found[half:]
    return found


def joined(one: LookRecord, other: LookRecord) -> LookRecord:
    """Two looks after one another as one. Of gauges the later value stands, as a look has one an instance."""
    # two shares in one look: nobody knows how much of it each had
    share = other.share if one.stage == other.stage else None
    return LookRecord(
        number=other.number,
        stage=other.stage,
        at=other.at,
        offset=other.offset,
        seconds=one.seconds + other.seconds,
        share=share,
        canary=_joined(one.canary, other.canary),
        baseline=_joined(one.baseline, other.baseline),
        slow=one.slow or other.slow,
        until=max(one.until, other.until),
    )


def _joined(one: Seen, other: Seen) -> Seen:
    counts = dict(one.counts)
    for name, (events, exposure) in other.counts.items():
        before = counts.get(name, (0.0, 0.0))
        counts[name] = (before[0] + events, before[1] + exposure)
    histograms = dict(one.histograms)
    for name, (bounds, values) in other.histograms.items():
        former = histograms.get(name)
        if former is not None and former[0] == bounds:
            histograms[name] = (bounds, tuple(a + b for a, b in zip(former[1], values, strict=True)))
        else:
            histograms[name] = (bounds, values)
    samples = dict(one.samples)
    for name, drawn in other.samples.items():
        samples[name] = (*samples.get(name, ()), *drawn)
    known = [arm.traffic for arm in (one, other) if arm.traffic is not None]
    return Seen(
        counts=counts,
        histograms=histograms,
        samples=samples,
        gauges={**one.gauges, **other.gauges},
        traffic=sum(known) if known else None,
    )
