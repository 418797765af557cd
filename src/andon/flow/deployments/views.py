"""The shapes in which the API speaks of deployments; shared with the commands."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.flow.deployments.contract import (
    DeploymentState,
    DeploymentView,
    Kind,
    LockView,
    RollbackTarget,
    StepName,
    StepState,
)
from andon.flow.pipelines.contract import Build, Verdict


class StepShape(msgspec.Struct, kw_only=True):
    name: StepName
    state: StepState
    started_at: datetime
    ended_at: datetime | None
    reason: str


class CommandShape(msgspec.Struct, kw_only=True):
    """A command of the repository that ran; ``seconds`` is how long, ``output`` its last 16,000 characters."""

    step: StepName
    name: str
    command: str
    exit_code: int | None
    seconds: float
    output: str
    started_at: datetime


class DeploymentShape(msgspec.Struct, kw_only=True):
    """``lead_time`` is in seconds, from the push of the commit to traffic on it."""

    id: str
    number: int
    service: str
    environment: str
    kind: Kind
    state: DeploymentState
    reason: str
    commit: str
    digest: str
    run: str | None
    person: str | None
    by: str
    """The name of whoever asked, "Andon" for Andon itself."""
    override: str | None
    requested_at: datetime
    started_at: datetime | None
    switched_at: datetime | None
    ended_at: datetime | None
    lead_time: float | None
    steps: list[StepShape]
    address: str = ""
    """Of its page in the console."""

    @classmethod
    def of(cls, view: DeploymentView, console: str, by: str) -> DeploymentShape:
        return cls(
            id=view.id,
            number=view.number,
            service=view.service,
            environment=view.environment,
            kind=view.kind,
            state=view.state,
            reason=view.reason,
            commit=view.commit,
            digest=view.digest,
            run=view.run,
            person=view.person,
            by=by,
            override=view.override,
            requested_at=view.requested_at,
            started_at=view.started_at,
            switched_at=view.switched_at,
            ended_at=view.ended_at,
            lead_time=view.lead_time,
            steps=[
                StepShape(
                    name=one.name,
                    state=one.state,
                    started_at=one.started_at,
                    ended_at=one.ended_at,
                    reason=one.reason,
                )
                for one in view.steps
            ],
            address=f"{console}/deployments/{view.id}",
        )


class DeploymentDetails(msgspec.Struct, kw_only=True):
    deployment: DeploymentShape
    commands: list[CommandShape]


class DeploymentList(msgspec.Struct, kw_only=True):
    """Newest first; ``next`` is the number to ask for as ``before``, ``None`` at the end."""

    deployments: list[DeploymentShape]
    next: int | None


class BuildShape(msgspec.Struct, kw_only=True):
    commit: str
    branch: str
    run: str
    digest: str
    pushed_at: datetime
    verdict: Verdict
    failed_stage: str | None

    @classmethod
    def of(cls, build: Build) -> BuildShape:
        return cls(
            commit=build.commit,
            branch=build.branch,
            run=build.run,
            digest=build.digest,
            pushed_at=build.pushed_at,
            verdict=build.verdict,
            failed_stage=build.failed_stage,
        )


class TargetShape(msgspec.Struct, kw_only=True):
    """``warm``: it still runs, the switch is instant. ``refusal`` says why it cannot be rolled back to. ``newer``: to
    go there undoes a roll-back."""

    commit: str
    deployment: str
    warm: bool
    refusal: str | None
    newer: bool

    @classmethod
    def of(cls, target: RollbackTarget) -> TargetShape:
        return cls(
            commit=target.commit,
            deployment=target.deployment,
            warm=target.set is not None,
            refusal=target.refusal,
            newer=target.newer,
        )


class LockShape(msgspec.Struct, kw_only=True):
    holder: str | None
    since: datetime | None
    queue: list[str]

    @classmethod
    def of(cls, lock: LockView) -> LockShape:
        return cls(holder=lock.holder, since=lock.since, queue=list(lock.queue))


class Choices(msgspec.Struct, kw_only=True):
    """What is there, what could be, and who may change it at this moment."""

    live: DeploymentShape | None
    builds: list[BuildShape]
    rollback_targets: list[TargetShape]
    lock: LockShape


class DeployRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``revision`` is a commit, branch or tag; empty is the newest build that may go there."""

    revision: str = ""
    override: str | None = None
    """The reason for deploying a build that has not passed."""


class RollbackRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``to`` is the commit to go back to; empty is the former one."""

    to: str = ""


class ContractRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    give_up_rollback: bool = False


class EnvironmentRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An environment of one's own. ``time_to_live`` in seconds; 0 is for good."""

    name: str
    revision: str
    like: str
    time_to_live: float = 28_800.0
