"""What happened to one deployment, in a person's words."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.deployments.contract import (
    CommandRan,
    DeploymentCancelRequested,
    DeploymentFinished,
    DeploymentRequested,
    DeploymentStarted,
    DeploymentState,
    Kind,
    StepFinished,
    StepStarted,
    StepState,
)
from andon.flow.deployments.drawing import STEP_NAMES
from andon.flow.environments.contract import SetPrepared
from andon.flow.routing.contract import TrafficSwitched
from andon.kernel.events import ActorKind, Envelope, Event
from andon.web.model import EventLine, State
from andon.web.rendering import duration

_ASKED: Mapping[Kind, str] = {
    Kind.DEPLOY: "asked for",
    Kind.ROLL_BACK: "asked to roll back to",
    Kind.REBUILD: "asked to rebuild",
    Kind.CONTRACT: "asked to contract the database of",
}
_ENDED: Mapping[DeploymentState, tuple[State | None, str]] = {
    DeploymentState.SUCCEEDED: (State.OK, "finished"),
    DeploymentState.FAILED: (State.BAD, "ended, before any traffic,"),
    DeploymentState.ROLLED_BACK: (State.BAD, "took back"),
    DeploymentState.CANCELLED: (None, "cancelled"),
}


def line_of(one: Envelope, names: Mapping[str, str]) -> EventLine | None:
    """``None`` for what stands in the list of steps already."""
    told = _told(one.decode())
    if told is None:
        return None
    what, subject, icon, state, detail = told
    person = one.actor.person
    actor = "Andon" if one.actor.kind is ActorKind.SYSTEM else names.get(person or one.actor.id, person or one.actor.id)
    return EventLine(one.position, one.at, actor, what, subject, f"/record/{one.id}", icon, state, detail)


def _told(happened: Event | None) -> tuple[str, str, str, State | None, str] | None:
    match happened:
        case DeploymentRequested():
            detail = f"although it has not passed: “{happened.override}”" if happened.override else ""
            state = State.WARN if happened.override else None
            return _ASKED[happened.kind], happened.commit[:7], "user", state, detail
        case DeploymentStarted():
            return "took the lock of", happened.environment, "lock", None, f"fence {happened.fence}"
        case SetPrepared():
            return "prepared instances of", happened.commit[:7], "environment", None, f"package {happened.digest[:12]}"
        case CommandRan():
            state = State.OK if happened.exit_code == 0 else State.BAD
            code = "no exit code" if happened.exit_code is None else f"exit {happened.exit_code}"
            detail = f"{code}, {duration(happened.seconds)}, output sha256 {happened.output_digest[:12]}"
            return "ran", happened.name, "terminal", state, detail
        case StepStarted() if happened.attempt > 1:
            return "repeated", STEP_NAMES[happened.step], "retry", State.WARN, f"attempt {happened.attempt}"
        case StepFinished() if happened.state is StepState.FAILED:
            return "stopped at", STEP_NAMES[happened.step], "dot", State.BAD, happened.reason
        case TrafficSwitched():
            return "switched the traffic of", happened.environment, "route", State.OK, ""
        case DeploymentCancelRequested():
            return "asked to cancel it in", happened.environment, "cancel", None, ""
        case DeploymentFinished():
            state, what = _ENDED[happened.state]
            lead = "" if happened.lead_time is None else f"lead time {duration(happened.lead_time)}"
            return what, happened.commit[:7], "deploy", state, lead
    return None
