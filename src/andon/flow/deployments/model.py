"""The rules of deployments, as values and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import Definition
from andon.flow.deployments.contract import DeploymentId, DeploymentState, Kind, StepName
from andon.flow.environments.contract import SetId
from andon.flow.pipelines.contract import RunId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.errors import Conflict, Invalid


class Course(StrEnum):
    """Which steps a deployment takes."""

    FULL = "full"
    STAGED = "staged"
    """A few customers come first."""
    COLD = "cold"
    """Back to a version of which nothing runs any more."""
    WARM = "warm"
    """Back to a set that still runs."""
    CONTRACT = "contract"


STEPS: Mapping[Course, tuple[StepName, ...]] = {
    Course.FULL: (
        StepName.EXPAND,
        StepName.START,
        StepName.HEALTH,
        StepName.SMOKE,
        StepName.SWITCH,
        StepName.CONFIRM,
        StepName.RETIRE,
    ),
    Course.STAGED: (
        StepName.EXPAND,
        StepName.START,
        StepName.HEALTH,
        StepName.SMOKE,
        StepName.RELEASE,
        StepName.SWITCH,
        StepName.CONFIRM,
        StepName.RETIRE,
    ),
    Course.COLD: (
        StepName.START,
        StepName.HEALTH,
        StepName.SMOKE,
        StepName.SWITCH,
        StepName.CONFIRM,
        StepName.RETIRE,
    ),
    Course.WARM: (StepName.HEALTH, StepName.SWITCH, StepName.CONFIRM, StepName.RETIRE),
    Course.CONTRACT: (StepName.CONTRACT,),
}

AFTER_SWITCH = frozenset({StepName.SWITCH, StepName.CONFIRM, StepName.RETIRE})
"""Steps whose failure is answered by bringing the traffic back. A switch that failed may have happened."""

TRANSITIONS: Mapping[DeploymentState, frozenset[DeploymentState]] = {
    DeploymentState.QUEUED: frozenset({DeploymentState.RUNNING, DeploymentState.CANCELLED}),
    DeploymentState.RUNNING: frozenset(
        {
            DeploymentState.SUCCEEDED,
            DeploymentState.FAILED,
            DeploymentState.ROLLED_BACK,
            DeploymentState.CANCELLED,
        }
    ),
}


class StepOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment as its workflow needs it."""

    id: DeploymentId
    service: Service
    environment: str
    kind: Kind
    state: DeploymentState
    commit: CommitHash
    digest: Digest
    run: RunId | None
    person: str | None
    fence: int
    config_version: ConfigVersion
    set: SetId | None
    former_set: SetId | None
    """The set that had the traffic when this deployment took it."""
    warm_set: SetId | None
    """For a roll-back: the set that still ran when it was asked for."""
    cancel_requested: bool

    @property
    def course(self) -> Course:
        if self.kind is Kind.CONTRACT:
            return Course.CONTRACT
        if self.kind is Kind.ROLL_BACK:
            return Course.COLD if self.warm_set is None else Course.WARM
        return Course.FULL


def is_same_again(kind: Kind, commit: CommitHash, former: CommitHash) -> bool:
    """Whether a deployment only puts the version that serves into fresh instances: what is not known of it stays so.

    Who goes back to a version has decided upon it.
    """
    return commit == former and kind is not Kind.ROLL_BACK


class BuildNotPassed(Conflict):
    """The build has not passed what its pipeline asks for before this environment."""

    code = "deployments.build_not_passed"


class NothingToRollBackTo(Conflict):
    code = "deployments.nothing_to_roll_back_to"


class RollbackRefused(Conflict):
    code = "deployments.rollback_refused"


class SecretsMissing(Conflict):
    code = "deployments.secrets_missing"


class ContractRefused(Conflict):
    """An older version that needs the old shape could still be rolled back to."""

    code = "deployments.contract_refused"


class StepFailed(Conflict):
    """A version does not do what it should; the deployment ends, Andon is well."""

    code = "deployments.step_failed"


@dataclass(frozen=True, slots=True)
class Undecided:
    """What a step comes to that found nothing wrong, and too little to say that it is right."""

    why: str


class OldVersionBroken(Conflict):
    """The version that serves does not work on the schema that a new one brings."""

    code = "deployments.old_version_broken"


class NewVersionBroken(Conflict):
    """A new version does not work on the old schema, though its definition says so."""

    code = "deployments.new_version_broken"


class NoSuchEnvironment(Invalid):
    code = "deployments.no_such_environment"


class AlreadyEnded(Conflict):
    code = "deployments.already_ended"


class EnvironmentExists(Conflict):
    code = "deployments.environment_exists"


class EnvironmentBusy(Conflict):
    code = "deployments.environment_busy"


class NothingDeployable(Conflict):
    code = "deployments.nothing_deployable"


def is_rehearsal(definition: Definition, environment: str) -> bool:
    """Whether a run only tries a version here: jobs of the stage ask it next, and another environment comes behind.

    Nobody is served here who could notice anything before those jobs do.
    """
    deploying = [stage for stage in definition.stages if stage.environment is not None]
    here = next((place for place, stage in enumerate(deploying) if stage.environment == environment), None)
    if here is None or not deploying[here].jobs:
        return False
    return any(stage.environment != environment for stage in deploying[here + 1 :])
