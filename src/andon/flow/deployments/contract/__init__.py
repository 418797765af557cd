"""What others may know of deployments: putting a build somewhere, safely."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.artifacts.contract import Digest
from andon.flow.environments.contract import SetId
from andon.flow.pipelines.contract import RunId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Principal
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

DeploymentId = NewType("DeploymentId", str)


class Kind(StrEnum):
    DEPLOY = "deploy"
    ROLL_BACK = "roll-back"
    REBUILD = "rebuild"
    """The same build again, in fresh instances."""
    CONTRACT = "contract"
    """Only the contract migration of what runs."""


class DeploymentState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Before the switch: traffic and the running version are as they were."""
    ROLLED_BACK = "rolled-back"
    """After the switch: traffic is back on the set that had it."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in {DeploymentState.QUEUED, DeploymentState.RUNNING}


class StepName(StrEnum):
    """The steps of a deployment, in order."""

    EXPAND = "expand"
    START = "start"
    HEALTH = "health"
    SMOKE = "smoke"
    RELEASE = "release"
    """A few customers first, as far as the environment's definition says so."""
    SWITCH = "switch"
    CONFIRM = "confirm"
    RETIRE = "retire"
    CONTRACT = "contract"
    RESTORE = "restore"
    """Traffic back to the former set, after a failure behind the switch."""


class StepState(StrEnum):
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"
    """Done, and nothing was found wrong, but there was too little to say that it is right."""


STEP_NAMES: Mapping[StepName, str] = {
    StepName.EXPAND: "expand the database",
    StepName.START: "start the new set",
    StepName.HEALTH: "health",
    StepName.SMOKE: "smoke tests",
    StepName.RELEASE: "release in stages",
    StepName.SWITCH: "switch the traffic",
    StepName.CONFIRM: "confirm",
    StepName.RETIRE: "keep former sets warm",
    StepName.CONTRACT: "contract the database",
    StepName.RESTORE: "bring the traffic back",
}
"""What the steps are called wherever people read of them: on pages (which begin them with a capital), in the record, on
the terminal."""
STEP_WORDS: Mapping[StepState, str] = {
    StepState.RUNNING: "running",
    StepState.PASSED: "done",
    StepState.FAILED: "failed",
    StepState.SKIPPED: "not needed",
    StepState.INCONCLUSIVE: "not confirmed",
}


@event("dev.andon.deployment.requested.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequested(Event):
    """Somebody, or a stage of a pipeline, asked for a deployment; it waits in the queue of its environment."""

    deployment: DeploymentId
    service: Service
    environment: str
    kind: Kind
    commit: CommitHash
    digest: Digest
    run: RunId | None
    override: str | None
    """The reason given for deploying a build that has not passed."""


@event("dev.andon.deployment.started.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStarted(Event):
    """It holds the environment's lock."""

    deployment: DeploymentId
    service: Service
    environment: str
    fence: int


@event("dev.andon.deployment.step-started.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step of a deployment began; ``attempt`` is more than 1 when Andon died over an earlier one."""

    deployment: DeploymentId
    service: Service
    environment: str
    step: StepName
    attempt: int


@event("dev.andon.deployment.step-finished.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step of a deployment came to its end."""

    deployment: DeploymentId
    service: Service
    environment: str
    step: StepName
    state: StepState
    seconds: float
    reason: str


@event("dev.andon.deployment.command-ran.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRan(Event):
    """A command of the repository ran in the environment: evidence of what was done, where, by whose authority."""

    deployment: DeploymentId
    service: Service
    environment: str
    step: StepName
    name: str
    command: str
    exit_code: int | None
    seconds: float
    output_digest: str
    """SHA-256 of the kept output."""


@event("dev.andon.deployment.cancel-requested.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCancelRequested(Event):
    """Somebody asked for the end of a deployment; it is heeded until the traffic is switched."""

    deployment: DeploymentId
    service: Service
    environment: str


@event("dev.andon.deployment.finished.v1", subject="deployment", cdevents="dev.cdevents.service.deployed.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFinished(Event):
    """A deployment came to its end, and the lock of its environment is free again.

    CDEvents hears of it only if it succeeded and instances changed; a roll-back is a ``service.rolledback`` there.
    """

    deployment: DeploymentId
    service: Service
    environment: str
    kind: Kind
    commit: CommitHash
    state: DeploymentState
    reason: str
    lead_time: float | None

    def in_cdevents(self) -> str | None:
        if self.state is not DeploymentState.SUCCEEDED or self.kind is Kind.CONTRACT:
            return None
        return "dev.cdevents.service.rolledback.0.3.0" if self.kind is Kind.ROLL_BACK else self.cdevents

    """Seconds from the push of the commit to traffic on it; ``None`` for anything but its first success here."""


@event("dev.andon.deployment.confirmed.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfirmed(Event):
    """Telemetry confirmed what it could not when the deployment ended: by then it had seen too little."""

    deployment: DeploymentId
    service: Service
    environment: str
    commit: CommitHash
    seconds: float
    """Since all traffic was on it."""
    reason: str


@event("dev.andon.deployment.left-unconfirmed.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentLeftUnconfirmed(Event):
    """Another version took the place of one before telemetry could confirm it: nobody looks at it any more."""

    deployment: DeploymentId
    service: Service
    environment: str
    commit: CommitHash
    successor: DeploymentId
    successor_commit: CommitHash
    seconds: float
    """For which all traffic was on it."""


@event("dev.andon.rollback.given-up.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackGivenUp(Event):
    """These versions can no longer be rolled back to: somebody chose so, for a contract migration."""

    service: Service
    environment: str
    commits: tuple[CommitHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    name: StepName
    state: StepState
    started_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    id: DeploymentId
    number: int
    """Counts the service's deployments from 1."""
    service: Service
    environment: str
    kind: Kind
    state: DeploymentState
    reason: str
    commit: CommitHash
    digest: Digest
    run: RunId | None
    set: SetId | None
    person: str | None
    override: str | None
    requested_at: datetime
    started_at: datetime | None
    switched_at: datetime | None
    ended_at: datetime | None
    lead_time: float | None
    """Seconds."""
    steps: tuple[StepView, ...]

    @property
    def unconfirmed(self) -> StepView | None:
        """The step that says why telemetry does not confirm what went where it should: nobody could say, or it was
        refuted later. ``None`` when telemetry confirms it, and while that has not been asked."""
        doubts = {StepState.INCONCLUSIVE, StepState.FAILED}
        found = (one for one in self.steps if one.name is StepName.CONFIRM and one.state in doubts)
        return next(found, None) if self.state is DeploymentState.SUCCEEDED else None

    @property
    def refuted(self) -> bool:
        """Whether telemetry has found harm in it after it had ended well."""
        return self.unconfirmed is not None and self.unconfirmed.state is StepState.FAILED

    @property
    def way_back(self) -> StepView | None:
        """The step that brings the traffic back to the former version; ``None`` as long as nobody asked for it."""
        return next((one for one in self.steps if one.name is StepName.RESTORE), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """Who may change an environment at this moment."""

    holder: DeploymentId | None
    since: datetime | None
    fence: int
    queue: tuple[DeploymentId, ...]
    """Those that wait, next one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackTarget:
    set: SetId | None
    """``None``: nothing is warm, the rollback would start cold."""
    commit: CommitHash
    digest: Digest
    deployment: DeploymentId
    refusal: str | None
    """Why it cannot be rolled back to, such as a contract migration that ran since."""
    newer: bool = False
    """It came here first after the version that runs now: going there undoes a roll-back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a deployment that ended came out, as far as figures over many need it."""

    service: Service
    environment: str
    commit: CommitHash
    kind: Kind
    state: DeploymentState
    ended_at: datetime
    lead_time: float | None
    """Seconds."""


class DeploymentSurvey(Protocol):
    """Questions over all services at once, each answered with a few queries however many services there are."""

    def serving(self, reading: Reading, service: Service | None = None) -> tuple[DeploymentView, ...]:
        """The deployment behind the traffic of every environment that has any."""
        ...

    def under_way(self, reading: Reading, service: Service | None = None) -> tuple[DeploymentView, ...]:
        """Those that wait or run, oldest first."""
        ...

    def outcomes(self, reading: Reading, *, since: datetime, service: Service | None = None) -> tuple[Outcome, ...]:
        """Those that have ended since, oldest first; contract migrations are left out."""
        ...

    def unconfirmed(self, reading: Reading, among: Collection[DeploymentId]) -> Mapping[DeploymentId, StepState]:
        """As :meth:`Deployments.unconfirmed`."""
        ...


class EnvironmentEnd(Protocol):
    def destroy(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, *, reason: str
    ) -> None:
        """Take an environment away: its traffic, its instances, its data.

        Raises ``Forbidden``; ``NotFound``; ``Conflict`` while a deployment to it is under way.
        """
        ...


class Deployments(Protocol):
    def request(
        self,
        tx: Transaction,
        principal: Principal,
        *,
        service: Service,
        environment: str,
        commit: CommitHash,
        run: RunId | None = None,
        override: str | None = None,
        key: str | None = None,
    ) -> DeploymentId:
        """Put a deployment into the environment's queue; a repeated call with the same ``key`` answers the same one.

        Raises ``Forbidden``; ``NotFound`` without a build; ``BuildNotPassed`` unless overridden by someone who
        may; ``Invalid`` for an override without a reason; ``SecretsMissing``.
        """
        ...

    def roll_back(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        *,
        to: CommitHash | None = None,
    ) -> DeploymentId: ...

    def cancel(self, tx: Transaction, principal: Principal, deployment: DeploymentId) -> None: ...

    def get(self, reading: Reading, deployment: DeploymentId) -> DeploymentView: ...

    def recent(
        self,
        reading: Reading,
        service: Service | None = None,
        environment: str | None = None,
        *,
        before: int | None = None,
        limit: int = 20,
    ) -> tuple[DeploymentView, ...]:
        """Newest first."""
        ...

    def unconfirmed(self, reading: Reading, among: Collection[DeploymentId]) -> Mapping[DeploymentId, StepState]:
        """Those which went where they should, and which telemetry did not confirm: inconclusive, or failed later."""
        ...

    def lock(self, reading: Reading, service: Service, environment: str) -> LockView: ...

    def live(self, reading: Reading, service: Service, environment: str) -> DeploymentView | None:
        """The deployment whose set has the traffic."""
        ...

    def rollback_targets(self, reading: Reading, service: Service, environment: str) -> tuple[RollbackTarget, ...]:
        """Newest first."""
        ...

    def await_end(self, deployment: DeploymentId, stopping: Callable[[], bool]) -> DeploymentState:
        """Wait, outside any transaction, until it has ended or ``stopping`` answers true."""
        ...
