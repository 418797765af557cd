"""Where a run's change is on the line: commit → build → acceptance → production → confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from andon.flow.deployments.contract import (
    DeploymentId,
    Deployments,
    DeploymentState,
    DeploymentView,
    StepState,
    StepView,
)
from andon.flow.pipelines.contract import RunSummary, StageState, StageSummary
from andon.flow.pipelines.model import Job, Run, Stage
from andon.flow.pipelines.pages.places import deploy_address
from andon.flow.pipelines.pages.words import STAGE_WORDS, stage_word
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.web.model import State, Step

_DOUBTS = {
    StepState.INCONCLUSIVE: (State.NONE, "not by telemetry"),
    StepState.FAILED: (State.BAD, "refuted"),
}
"""What a line says of a version that telemetry did not confirm."""
DEPLOYED = {
    DeploymentState.QUEUED: (State.HOLD, "waits for its turn"),
    DeploymentState.RUNNING: (State.RUN, "deploying"),
    DeploymentState.SUCCEEDED: (State.OK, "deployed"),
    DeploymentState.FAILED: (State.BAD, "failed"),
    DeploymentState.ROLLED_BACK: (State.BAD, "rolled back"),
    DeploymentState.CANCELLED: (State.NONE, "cancelled"),
}


def run_line(
    run: Run,
    stages: Sequence[Stage],
    jobs: Sequence[Job],
    *,
    who: str,
    deployments: Deployments,
    reading: Reading,
) -> tuple[Step, ...]:
    steps = [Step("Commit", State.OK, run.commit[:7], at=run.pushed_at, note=who)]
    before: StageState | None = None
    for stage in stages:
        own = [one for one in jobs if one.stage == stage.position]
        steps.append(
            Step(
                label(stage.name, stage.environment, stage.position),
                STAGE_WORDS[stage.state][0],
                stage_word(stage, own, after=before),
                took=_took(stage.started_at, stage.ended_at) if stage.state is StageState.PASSED else None,
                at=stage.ended_at if stage.state is StageState.PASSED else None,
                href=deploy_address(run.service, stage.environment) if stage.environment else "",
            )
        )
        before = stage.state
    deploying = [one for one in stages if one.environment]
    if deploying:
        return (*steps, _confirmed(deploying[-1], deployments, reading))
    by_hand = _deployed_by_hand(run, deployments, reading)
    return (*steps, *by_hand)


def mini_line(run: RunSummary, *, unconfirmed: Mapping[DeploymentId, StepState]) -> tuple[Step, ...]:
    """The same line for a row of the list, out of what the list knows.

    ``unconfirmed`` are the deployments that telemetry did not confirm, and how that came out.
    """
    steps = [Step("Commit", State.OK, run.commit[:7])]
    for position, stage in enumerate(run.stages):
        state, word = STAGE_WORDS[stage.state]
        steps.append(Step(label(stage.name, stage.environment, position), state, word))
    last: StageSummary | None = next((one for one in reversed(run.stages) if one.environment), None)
    if last is not None:
        doubt = unconfirmed.get(DeploymentId(last.deployment or ""))
        if last.state is not StageState.PASSED:
            steps.append(Step("Confirmed", State.NONE, "not yet"))
        elif doubt is None:
            steps.append(Step("Confirmed", State.OK, "confirmed"))
        else:
            steps.append(Step("Confirmed", *_DOUBTS[doubt]))
    return tuple(steps)


def label(name: str, environment: str | None, position: int) -> str:
    """The first stage builds; the others go by their own names."""
    if position == 0 and environment is None:
        return "Build"
    return name[:1].upper() + name[1:]


def deployment_of(deployments: Deployments, reading: Reading, identity: str | None) -> DeploymentView | None:
    if identity is None:
        return None
    try:
        return deployments.get(reading, DeploymentId(identity))
    except NotFound:
        return None


def _confirmed(stage: Stage, deployments: Deployments, reading: Reading) -> Step:
    """Confirmed means: traffic has been on it, it stayed healthy, and telemetry says that it is no worse."""
    found = deployment_of(deployments, reading, stage.deployment)
    if found is None:
        return Step("Confirmed", State.NONE, "not yet" if not _over(stage.state) else "")
    if found.unconfirmed is not None:
        return _doubt(found.unconfirmed)
    if found.state is DeploymentState.SUCCEEDED:
        return Step("Confirmed", State.OK, "healthy", at=found.ended_at, took=_took(found.switched_at, found.ended_at))
    if found.state is DeploymentState.ROLLED_BACK:
        return Step("Confirmed", State.BAD, "rolled back", at=found.ended_at)
    if found.state is DeploymentState.RUNNING and found.switched_at is not None:
        return Step("Confirmed", State.RUN, "watched now", at=found.switched_at)
    return Step("Confirmed", State.NONE, "not yet" if not found.state.ended else "")


def _deployed_by_hand(run: Run, deployments: Deployments, reading: Reading) -> tuple[Step, ...]:
    """No stage deploys: the last environment of the definition is where the change is going."""
    if run.definition.package is None or not run.definition.environments:
        return ()
    place = run.definition.environments[-1].name
    recent = deployments.recent(reading, run.service, place, limit=20)
    found = next((one for one in recent if one.commit == run.commit), None)
    name, href = place[:1].upper() + place[1:], deploy_address(run.service, place)
    if found is None:
        return (Step(name, State.NONE, "not deployed", href=href), Step("Confirmed", State.NONE, ""))
    state, word = DEPLOYED[found.state]
    confirmed = found.state is DeploymentState.SUCCEEDED
    last = Step("Confirmed", State.OK if confirmed else State.NONE, "healthy" if confirmed else "", at=found.ended_at)
    return (
        Step(name, state, word, at=found.switched_at, href=href),
        last if found.unconfirmed is None else _doubt(found.unconfirmed),
    )


def _doubt(step: StepView) -> Step:
    state, word = _DOUBTS[step.state]
    return Step("Confirmed", state, word, at=step.ended_at)


def _over(state: StageState) -> bool:
    return state in {StageState.FAILED, StageState.CANCELLED, StageState.SKIPPED}


def _took(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None else max(timedelta(), end - start)
