"""When a stage is over, and what it still waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from andon.feedback.judge.contract import Because, Verdict
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.model.records import Rollout, StageRecord
from andon.feedback.rollouts.model.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often is looked, in seconds."""

    tick: float = 2.0
    """The router and the instances."""
    telemetry: float = 10.0
    lag: float = 4.0
    """How far behind the present telemetry is asked: what is on its way is not missed."""
    confirm: float = 6.0
    """How long a version that has just been given all traffic is watched."""
    slice: float = 0.25
    """How long nobody looks whether Andon is about to stop."""
    past_minutes: int = 20
    """How much of the past a version is compared with where the former one does not run beside it."""


def phase_of(stages: Sequence[Stage], number: int) -> tuple[int, ...]:
    """The stages that are judged together with this one: the mirror is a phase of its own."""
    dark = stages[number].dark
    return tuple(place for place, one in enumerate(stages) if one.dark is dark)


def phase_seconds(stages: Sequence[Stage], number: int) -> float:
    return sum(stages[place].plan.seconds for place in phase_of(stages, number))


def is_over(stage: Stage, *, elapsed: float, served: float, verdict: Verdict | None, telemetry_answers: bool) -> bool:
    """Its time is over, its requests were served, and the judge passes every metric with what is known by now."""
    return (
        elapsed >= stage.plan.seconds
        and served >= stage.plan.requests
        and verdict is Verdict.PASS
        and telemetry_answers
    )


def may_go_on(
    rollout: Rollout,
    stage: StageRecord | None,
    *,
    now: datetime,
    served: float,
    verdict: Verdict,
    telemetry_answers: bool,
) -> bool:
    """Nobody holds it up or has asked for something else, and its stage is over."""
    if rollout.state is not RolloutState.RUNNING or rollout.wish is not None or stage is None:
        return False
    return is_over(
        rollout.now,
        elapsed=stage.elapsed(now),
        served=served,
        verdict=verdict,
        telemetry_answers=telemetry_answers,
    )


def waits_for(stage: Stage, *, elapsed: float, served: float, verdict: Verdict | None, because: Because | None) -> str:
    """What a stage that is not over waits for, for people; empty when nothing stands in its way any more."""
    missing = []
    if elapsed < stage.plan.seconds:
        missing.append("its time")
    if served < stage.plan.requests:
        missing.append(f"{stage.plan.requests - int(served):,} more requests")
    if elapsed >= stage.plan.seconds and verdict is Verdict.INCONCLUSIVE and because is Because.TOO_FEW:
        missing.append("more traffic, to be sure of every metric")
    return " and ".join(missing)
