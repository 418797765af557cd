"""What others may know of rollouts: how a new version comes to its customers in stages, and is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.deployments.contract import DeploymentId
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading

RolloutId = NewType("RolloutId", str)


class RolloutState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    """Traffic stays divided as it is, and is watched all the same; nothing is promoted."""
    PASSED = "passed"
    FAILED = "failed"
    """It did harm: all traffic is on the former version again."""
    ABORTED = "aborted"
    """Somebody asked for the end: all traffic is on the former version again."""

    @property
    def ended(self) -> bool:
        return self not in {RolloutState.RUNNING, RolloutState.PAUSED}


class Hold(StrEnum):
    """Why a rollout is paused."""

    PERSON = "person"
    """Somebody paused it; only somebody resumes it."""
    NO_DATA = "no-data"
    """What is needed to judge is missing; it resumes by itself once that is back."""
    DIFFERENCES = "differences"
    """Too many requests are answered differently in the dark; only somebody lets it go on."""


class StageKind(StrEnum):
    MIRROR = "mirror"
    """Dark launch: copies of requests, whose answers are thrown away."""
    AUDIENCE = "audience"
    """Only requests that are known by a header or a cookie, or by who sends them."""
    SHARE = "share"


class Left(StrEnum):
    """How a stage was left."""

    PASSED = "passed"
    PROMOTED = "promoted"
    """Somebody did not want to wait."""
    FAILED = "failed"
    ABORTED = "aborted"


class Wish(StrEnum):
    """What somebody can ask of a rollout that is under way."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    """The next stage now."""
    FINISH = "finish"
    """Everybody now."""
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """A stage as it was planned."""

    name: str
    kind: StageKind
    parts: int
    """Of 100,000: of all traffic that no audience takes, or of the copies of a mirror."""
    seconds: float
    requests: int


@event("dev.andon.rollout.started.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStarted(Event):
    """A version begins to come to its customers, stage by stage."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    former: CommitHash
    stages: tuple[StagePlan, ...]
    smallest_harm: str
    """The sentence that says what it can see with the traffic of the last minutes; empty when nothing is known."""
    proposal: str
    """What would see more; empty when there is nothing to propose."""


@event("dev.andon.rollout.stage-entered.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntered(Event):
    """The traffic is divided as this stage says from now on."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    stage: str
    number: int
    """From 1."""
    of: int
    kind: StageKind
    parts: int
    promoted: bool
    """Somebody did not wait for the end of the one before."""


@event("dev.andon.rollout.paused.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPaused(Event):
    """Nothing is promoted until it is resumed; customers keep the version they have."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    hold: Hold
    reason: str


@event("dev.andon.rollout.resumed.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutResumed(Event):
    """It goes on."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    hold: Hold


@event("dev.andon.rollout.wished.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutWished(Event):
    """Somebody asked for the next stage, for everybody, or for the end; it is heeded within seconds."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    wish: Wish


@event("dev.andon.rollout.failed.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFailed(Event):
    """The new version did harm, and all traffic is on the former one again. Its instances are kept to be looked at."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    former: CommitHash
    stage: str
    metric: str
    reason: str
    both: bool
    """Both versions are worse than before: going back may mend nothing."""
    harmed: int | None
    """Customers' requests that the new version failed; ``None`` when the router was not asked."""
    seconds: float
    """From the start of the stage to the way back."""


@event("dev.andon.rollout.passed.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPassed(Event):
    """The new version did well in every stage, or somebody gave it to everybody; the rest of the traffic follows."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    reason: str
    seconds: float
    requests: int
    """That the new version served meanwhile."""


@event("dev.andon.rollout.aborted.v1", subject="rollout")
@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutAborted(Event):
    """Somebody ended it: all traffic is on the former version again."""

    rollout: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str = ""
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    former: CommitHash
    reason: str


@event("dev.andon.release.refuted.v1", subject="deployment")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRefuted(Event):
    """A version that was given all traffic does worse than the former one did before: it is to be taken back."""

    deployment: DeploymentId
    service: Service
    environment: str
    commit: CommitHash
    former: CommitHash
    metric: str
    reason: str
    harmed: int
    """Customers' requests that it failed."""
    stays: str = ""
    """Why it cannot be taken back; empty when that is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    plan: StagePlan
    entered_at: datetime | None
    left_at: datetime | None
    left: Left | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """A rollout, as far as other rooms need it."""

    id: RolloutId
    deployment: DeploymentId | None
    """``None`` when another service takes over."""
    service: Service
    environment: str
    takeover: str
    """Which requests another service takes over, and which one; empty for a version of the service itself."""
    commit: CommitHash
    former_commit: CommitHash
    set: SetId
    former: SetId
    state: RolloutState
    hold: Hold | None
    reason: str
    """Why it is paused or how it ended, in a sentence."""
    stage: int
    """Which of ``stages`` it is in, from 0."""
    stages: tuple[StageView, ...]
    started_at: datetime
    ended_at: datetime | None


class Rollouts(Protocol):
    def running(
        self, reading: Reading, service: Service | None = None, environment: str | None = None
    ) -> tuple[RolloutView, ...]:
        """Those under way, oldest first."""
        ...

    def recent(self, reading: Reading, service: Service | None = None, *, limit: int = 20) -> tuple[RolloutView, ...]:
        """Newest first, those under way among them."""
        ...
