"""What is watched of every version, without anybody having to write a question."""

from __future__ import annotations

from collections.abc import Sequence

from andon.feedback.judge.contract import Direction, Kind, Plan
from andon.feedback.rollouts.model.records import Watched
from andon.flow.definition.contract import Harm

TRAFFIC, ERRORS, RESTARTS = "traffic", "errors", "restarts"
LATENCY = "latency"
LOG_ERRORS, MEMORY, CPU = "log-errors", "memory", "cpu"

_WAYS = {Harm.RISE: Direction.MORE_IS_WORSE, Harm.FALL: Direction.LESS_IS_WORSE, Harm.CHANGE: Direction.EITHER}

LATENCY_TOLERANCE = 0.5
"""Half as many slow requests again are not worth going back for: instances that are younger, or have another share of
the traffic, differ by a quarter of it without a change. ``baseline: true`` takes most of that away. Of the quantile
itself that is a fifth more."""
LATENCY_LEAST = 1.0
"""Milliseconds more that nobody minds: the router's first bounds are 0.5 and 1 ms, so that less is hardly measured."""


def _latency(quantile: float) -> Watched:
    return Watched(
        name=f"{LATENCY}-p{quantile * 100:g}",
        kind=Kind.LATENCY,
        title=f"Latency (p{quantile * 100:g})",
        quantile=quantile,
        tolerance=LATENCY_TOLERANCE,
        least=LATENCY_LEAST,
        unit="ms",
    )


ROUTED = (
    Watched(name=ERRORS, kind=Kind.SHARE, title="Errors", weight=2.0),
    _latency(0.5),
    _latency(0.95),
    _latency(0.99),
    Watched(name=TRAFFIC, kind=Kind.TRAFFIC, title="Traffic", unit="/s", dark=False),
    # each is a process that ended by itself: a burst of them is harm, where one burst of lines in a log is none
    Watched(name=RESTARTS, kind=Kind.RATE, title="Restarts", weight=0.5, clusters=1.0),
)
"""Known without telemetry: the router counts them, and keepers start instances again."""

MEASURED = (
    Watched(name=LOG_ERRORS, kind=Kind.RATE, title="Errors in the log", telemetry=True),
    Watched(name=MEMORY, kind=Kind.GAUGE, title="Memory of an instance", unit="MB", telemetry=True),
    Watched(name=CPU, kind=Kind.GAUGE, title="Processor of an instance", unit="%", telemetry=True, weight=0.5),
)


SHORTEST = 100.0
"""Seconds that a rollout takes at least in which levels such as memory can be told from a whim."""


def settled(
    measured: Sequence[Watched], unwatched: Sequence[str], seconds: float
) -> tuple[tuple[Watched, ...], tuple[str, ...]]:
    """What is watched in a rollout that takes so long, and what is not, each in a sentence."""
    watched = (*ROUTED, *measured)
    if seconds >= SHORTEST:
        return watched, tuple(unwatched)
    levels = [one.title for one in measured if one.kind is Kind.GAUGE]
    told = f"{', '.join(levels)}: {seconds:g} s of release are too short to see them grow"
    return tuple(one for one in watched if one.title not in levels), (*unwatched, told) if levels else tuple(unwatched)


def direction_of(harm: Harm) -> Direction:
    return _WAYS[harm]


ALPHA = 0.01
"""How probable it is that a version that is not worse is taken back: in the whole rollout, of all metrics together."""
SILENCE = 30.0
"""Seconds without telemetry of a metric until nobody can judge by it."""
LONGEST_GRACE = 15.0


def judged(
    watched: Sequence[Watched], *, seconds: float, dark: bool, both_phases: bool, until: float, since: float
) -> Plan:
    """How a phase is judged: the mirror is one phase, the stages that customers see are another.

    ``seconds`` is how long the phase is thought to take. Of a rollout with both, each has half of the false alarms.
    """
    return Plan(
        metrics=tuple(one.metric for one in watched if one.dark or not dark),
        horizon=max(seconds, 10.0),
        alpha=ALPHA / 2 if both_phases else ALPHA,
        grace=min(LONGEST_GRACE, seconds / 10),
        until=until,
        since=since,
        silence=SILENCE,
    )
