"""How deployments are told."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.deployments.contract import (
    STEP_NAMES,
    CommandRan,
    DeploymentCancelRequested,
    DeploymentConfirmed,
    DeploymentFinished,
    DeploymentLeftUnconfirmed,
    DeploymentRequested,
    DeploymentStarted,
    DeploymentState,
    Kind,
    RollbackGivenUp,
    StepFinished,
    StepStarted,
    StepState,
)
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.rendering import duration, plural
from andon.web.telling import Names, Sentence, Telling

_ASKED: Mapping[Kind, str] = {
    Kind.DEPLOY: "asked to deploy",
    Kind.ROLL_BACK: "asked to roll back to",
    Kind.REBUILD: "asked to rebuild",
    Kind.CONTRACT: "asked to contract the database of",
}
_DONE: Mapping[Kind, str] = {
    Kind.DEPLOY: "deployed",
    Kind.ROLL_BACK: "rolled back to",
    Kind.REBUILD: "rebuilt",
    Kind.CONTRACT: "contracted the database of",
}
_TRIED: Mapping[Kind, str] = {
    Kind.DEPLOY: "could not deploy",
    Kind.ROLL_BACK: "could not roll back to",
    Kind.REBUILD: "could not rebuild",
    Kind.CONTRACT: "could not contract the database of",
}
_WHERE: Mapping[Kind, str] = {
    Kind.DEPLOY: "to",
    Kind.ROLL_BACK: "in",
    Kind.REBUILD: "in",
    Kind.CONTRACT: "in",
}


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case DeploymentRequested(deployment=deployment, kind=kind, override=override):
            detail = f"although it has not passed: “{override}”" if override else ""
            state = State.WARN if override else None
            where = f"{_WHERE[kind]} {happened.environment}"
            return Sentence(_ASKED[kind], happened.commit[:7], _address(deployment), where, detail, "deploy", state)
        case DeploymentStarted(deployment=deployment, environment=environment, fence=fence):
            return Sentence(
                "took the lock of",
                environment,
                _address(deployment),
                detail=f"fence {fence}",
                icon="lock",
                minor="lock",
            )
        case DeploymentCancelRequested(deployment=deployment, environment=environment):
            return Sentence("asked to cancel the deployment to", environment, _address(deployment), icon="cancel")
        case DeploymentConfirmed(deployment=deployment, commit=commit, reason=reason):
            then = f"in {happened.environment}, {duration(happened.seconds)} after the switch"
            return Sentence("confirmed", commit[:7], _address(deployment), then, reason, "deploy", State.OK)
        case DeploymentLeftUnconfirmed(deployment=deployment, commit=commit):
            then = f"in {happened.environment}: {happened.successor_commit[:7]} took its place"
            detail = f"telemetry could not say in {duration(happened.seconds)} whether it is well"
            return Sentence("left unconfirmed", commit[:7], _address(deployment), then, detail, "deploy", State.NONE)
        case DeploymentFinished():
            return _finished(happened, names)
        case RollbackGivenUp(environment=environment, commits=commits):
            lost = ", ".join(one[:7] for one in commits[:5])
            told = f"{lost} can no longer be rolled back to" if lost else ""
            count = plural(len(commits), "way back", "ways back")
            return Sentence(f"gave up {count} in", environment, "", "", told, "back", State.WARN)
    return _step(happened)


def _step(happened: Event) -> Sentence | None:
    match happened:
        case StepStarted(deployment=deployment, step=step, attempt=attempt):
            where = f"in {happened.environment}"
            if attempt > 1:
                told = f"attempt {attempt}"
                return Sentence(
                    "repeated the step", STEP_NAMES[step], _address(deployment), where, told, "retry", State.WARN
                )
            return Sentence(
                "began the step", STEP_NAMES[step], _address(deployment), where, icon="deploy", minor="step"
            )
        case StepFinished(deployment=deployment, step=step, reason=reason):
            where = f"in {happened.environment}"
            if happened.state is StepState.FAILED:
                return Sentence(
                    "stopped at the step", STEP_NAMES[step], _address(deployment), where, reason, "deploy", State.BAD
                )
            match happened.state:
                case StepState.SKIPPED:
                    what, told, mark = "skipped the step", reason, None
                case StepState.INCONCLUSIVE:
                    what, told, mark = "left undecided the step", reason, State.NONE
                case _:
                    what, told, mark = "finished the step", reason or f"took {duration(happened.seconds)}", State.OK
            return Sentence(what, STEP_NAMES[step], _address(deployment), where, told, "deploy", mark, "step")
        case CommandRan(deployment=deployment, name=name, exit_code=exit_code, seconds=seconds):
            code = "no exit code" if exit_code is None else f"exit {exit_code}"
            told = f"{code}, {duration(seconds)}, output sha256 {happened.output_digest[:12]}"
            state, minor = (State.OK, "command") if exit_code == 0 else (State.BAD, "")
            where = f"in {happened.environment}"
            return Sentence("ran", name, _address(deployment), where, told, "terminal", state, minor)
    return None


def _finished(one: DeploymentFinished, names: Names) -> Sentence:
    commit, href, where = one.commit[:7], _address(one.deployment), f"{_WHERE[one.kind]} {one.environment}"
    match one.state:
        case DeploymentState.SUCCEEDED:
            back = one.kind is Kind.ROLL_BACK
            said = [names.title(one.service, one.commit)] if one.kind is not Kind.CONTRACT else []
            if one.lead_time is not None:
                said.append(f"lead time {duration(one.lead_time)}")
            detail = one.reason or ", ".join(part for part in said if part)
            icon, state = ("back", State.WARN) if back else ("deploy", State.OK)
            return Sentence(_DONE[one.kind], commit, href, where, detail, icon, state)
        case DeploymentState.CANCELLED:
            return Sentence("cancelled the deployment of", commit, href, where, one.reason, "cancel")
        case DeploymentState.ROLLED_BACK:
            then = f"out of {one.environment} again"
            return Sentence("took", commit, href, then, one.reason, "back", State.BAD)
        case _:
            return Sentence(_TRIED[one.kind], commit, href, where, one.reason, "deploy", State.BAD)


def _address(deployment: str) -> str:
    return f"/deployments/{deployment}"


TELLING = Telling(tell=tell)
