"""What is watched of a ramp, how often, and for how many false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.judge.contract import Direction, Kind, Metric, Plan

ERRORS, LATENCY, TRAFFIC, EVENT = "errors", "latency", "traffic", "event"

ALPHA = 0.01
"""How probable it is that a variant that is not worse is taken back: in the whole ramp, of all metrics together."""
MOST_EVENTS = 10
"""Things that the business counts, of which one metric each is made."""
# A ramp divides users, and requests of one user are alike: whose account is large is slow on either side. As many count
# as one request. Without it, one ramp in ten of 600 users was taken back for nothing, in simulation.
_TOGETHER, _COME_TOGETHER = 5.0, 10.0
_LATENCY_TOLERANCE = 1.0  # twice as many slow requests: users differ more than instances of a version do


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Seconds."""

    lag: float = 4.0
    """How far behind the present telemetry is asked: what is on its way is not missed."""
    least: float = 2.0
    """Between two looks at the beginning of a step, where most harm shows."""
    most: float = 30.0
    """And late in a long one."""
    stale: float = 90.0
    """After so long without a look, nobody can say any more how it goes."""
    silence: float = 30.0
    memory: float = 86_400.0
    """How long a service counts as one that tells outcomes after it told the last."""

    def between(self, elapsed: float) -> float:
        """How long to wait for the next look when a step is so old."""
        return min(self.most, max(self.least, elapsed / 300))


def metrics(events: Sequence[str]) -> tuple[Metric, ...]:
    """The same from a ramp's first look to its last."""
    latencies = (
        Metric(
            name=f"{LATENCY}-p{quantile * 100:g}",
            kind=Kind.LATENCY,
            title=f"Latency (p{quantile * 100:g})",
            quantile=quantile,
            tolerance=_LATENCY_TOLERANCE,
            clusters=_TOGETHER,
            unit="ms",
        )
        for quantile in (0.5, 0.95, 0.99)
    )
    return (
        Metric(name=ERRORS, kind=Kind.SHARE, title="Errors", weight=2.0, clusters=_TOGETHER),
        *latencies,
        Metric(name=TRAFFIC, kind=Kind.TRAFFIC, title="Traffic", unit="/s", clusters=_COME_TOGETHER),
        *(
            Metric(name=f"{EVENT}:{one}", kind=Kind.RATE, title=one, direction=Direction.LESS_IS_WORSE)
            for one in events[:MOST_EVENTS]
        ),
    )


def event_of(metric: str) -> str:
    return metric.removeprefix(f"{EVENT}:")


def plan(events: Sequence[str], *, seconds: float, since: float, until: float, silence: float) -> Plan:
    """How a ramp is judged that takes so long, in the step from ``since`` to ``until`` (seconds from its start)."""
    return Plan(
        metrics=metrics(events),
        horizon=max(seconds, 10.0),
        alpha=ALPHA,
        until=until,
        since=since,
        silence=silence,
    )
