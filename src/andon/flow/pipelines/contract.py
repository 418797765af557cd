"""What others may know of pipelines: runs, their stages and jobs, and whether a build may go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.artifacts.contract import Digest
from andon.flow.definition.contract import FlagState
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Principal
from andon.kernel.events import Actor, Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

RunId = NewType("RunId", str)
JobId = NewType("JobId", str)


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """For a person: the next stage is manual."""
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    """Never started: a newer commit took its place."""

    @property
    def ended(self) -> bool:
        return self in {RunState.PASSED, RunState.FAILED, RunState.CANCELLED, RunState.SUPERSEDED}


class StageState(StrEnum):
    PENDING = "pending"
    DEPLOYING = "deploying"
    RUNNING = "running"
    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """Not for this branch, or an earlier stage ended the run."""


class JobState(StrEnum):
    PENDING = "pending"
    """Waits for jobs it needs."""
    READY = "ready"
    """Waits for a free place."""
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """A job it needs did not pass."""

    @property
    def ended(self) -> bool:
        return self in {JobState.PASSED, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED}


class FailureKind(StrEnum):
    """Why a job failed, as far as Andon can tell."""

    EXIT = "exit"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    SIGNAL = "signal"
    DISK = "disk"
    SETUP = "setup"
    """The job never began: workspace, cache, service or limit could not be had."""
    PACKAGE = "package"
    """The command ran, but what it left is not a package."""
    MIGRATIONS = "migrations"
    """The version that serves would not survive a migration of this commit."""


@event("dev.andon.run.queued.v1", subject="run", cdevents="dev.cdevents.pipelinerun.queued.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueued(Event):
    """A pushed commit with a sound ``andon.yaml`` is to go through its stages."""

    run: RunId
    service: Service
    commit: CommitHash
    branch: str


@event("dev.andon.run.refused.v1", subject="service")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunRefused(Event):
    """A pushed commit whose ``andon.yaml`` is missing or faulty: nothing runs."""

    service: Service
    commit: CommitHash
    branch: str
    faults: tuple[str, ...]


@event("dev.andon.run.started.v1", subject="run", cdevents="dev.cdevents.pipelinerun.started.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began to work on its first stage."""

    run: RunId
    service: Service
    commit: CommitHash


@event("dev.andon.run.finished.v1", subject="run", cdevents="dev.cdevents.pipelinerun.finished.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run came to its end."""

    run: RunId
    service: Service
    commit: CommitHash
    outcome: RunState
    reason: str


@event("dev.andon.run.cancel-requested.v1", subject="run")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelRequested(Event):
    """Somebody asked for the end of a run."""

    run: RunId
    service: Service


@event("dev.andon.run.continued.v1", subject="run")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunContinued(Event):
    """A person let a waiting run go on into a manual stage, or an ended one begin again from a job."""

    run: RunId
    service: Service
    stage: str
    generation: int
    """Counts the continuations of the run."""


@event("dev.andon.stage.started.v1", subject="run")
@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage of a run began."""

    run: RunId
    service: Service
    stage: str


@event("dev.andon.stage.finished.v1", subject="run")
@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished(Event):
    """A stage of a run came to its end."""

    run: RunId
    service: Service
    stage: str
    outcome: StageState
    reason: str


@event("dev.andon.job.started.v1", subject="job", cdevents="dev.cdevents.taskrun.started.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Event):
    """An attempt of a job began; ``attempt`` is more than 1 when it runs again."""

    job: JobId
    run: RunId
    service: Service
    stage: str
    name: str
    attempt: int


@event("dev.andon.job.finished.v1", subject="job", cdevents="dev.cdevents.taskrun.finished.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Event):
    """A job came to its end, with what its test reports count."""

    job: JobId
    run: RunId
    service: Service
    stage: str
    name: str
    attempt: int
    outcome: JobState
    failure: FailureKind | None
    exit_code: int | None
    seconds: float
    tests: int
    tests_failed: int


@event("dev.andon.job.cancel-requested.v1", subject="job")
@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelRequested(Event):
    """Somebody asked for the end of one job."""

    job: JobId
    run: RunId
    service: Service
    name: str


@event("dev.andon.job.retry-requested.v1", subject="job")
@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetryRequested(Event):
    """Somebody asked for a job to run again, and with it what needs it."""

    job: JobId
    run: RunId
    service: Service
    name: str


@event("dev.andon.job.lost.v1", subject="job")
@dataclass(frozen=True, slots=True, kw_only=True)
class JobLost(Event):
    """Andon stopped while the job ran; the attempt counts for nothing and the job runs again."""

    job: JobId
    run: RunId
    service: Service
    attempt: int


class Verdict(StrEnum):
    """Whether a build may be deployed."""

    PASSED = "passed"
    """Every stage before the one that asks has passed."""
    UNDER_WAY = "under-way"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A run that published a package: something that could go somewhere."""

    run: RunId
    service: Service
    commit: CommitHash
    branch: str
    digest: Digest
    pushed_at: datetime
    verdict: Verdict
    passed_stages: tuple[str, ...]
    failed_stage: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    name: str
    state: StageState
    environment: str | None
    started_at: datetime | None
    ended_at: datetime | None
    deployment: str | None = None
    """Id of the deployment that the stage asked for; ``None`` before it did, and when that was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    run: RunId
    number: int
    """Counts the service's runs from 1; what people say."""
    service: Service
    commit: CommitHash
    branch: str
    state: RunState
    reason: str
    pushed_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stages: tuple[StageSummary, ...]
    person: str | None


class Pipelines(Protocol):
    """Questions about runs and builds."""

    def run(self, reading: Reading, run: RunId) -> RunSummary:
        """Raises ``NotFound``."""
        ...

    def recent(
        self, reading: Reading, service: Service | None = None, *, before: int | None = None, limit: int = 20
    ) -> tuple[RunSummary, ...]:
        """Newest first."""
        ...

    def build_of(self, reading: Reading, service: Service, commit: CommitHash, *, environment: str) -> Build | None:
        """The newest build of a commit, one that may go to ``environment`` before one that may not."""
        ...

    def builds(self, reading: Reading, service: Service, *, environment: str, limit: int = 20) -> tuple[Build, ...]:
        """What could go to an environment, newest first, the failed ones too."""
        ...


class RunSurvey(Protocol):
    """What an overview asks of runs, and the one word that it passes on."""

    def list_runs(
        self,
        reading: Reading,
        *,
        services: Iterable[str] | None = None,
        service: Service | None = None,
        branch: str | None = None,
        states: Iterable[RunState] | None = None,
        limit: int = 20,
    ) -> tuple[RunSummary, ...]:
        """Newest first; ``services`` is what the asker may see."""
        ...

    def proceed(self, tx: Transaction, principal: Principal, run: RunId) -> None:
        """Let a waiting run go on. Raises ``Forbidden``, ``NotFound``, and ``Conflict`` when it does not wait."""
        ...


@event("dev.andon.flags.pretended.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsPretended(Event):
    """An environment serves other flags than its own from now on, for tests of a build."""

    service: Service
    environment: str
    state: FlagState
    run: RunId
    commit: CommitHash


@event("dev.andon.flags.given-back.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsGivenBack(Event):
    """An environment serves its own flags again, with whatever was changed of them meanwhile."""

    service: Service
    environment: str
    state: FlagState
    """What it pretended."""
    run: RunId
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretence:
    """An environment that serves other flags than its own, for the jobs of a stage."""

    service: Service
    environment: str
    state: FlagState
    run: RunId
    stage: int
    """Position of the stage."""
    commit: CommitHash
    began_at: datetime


class Pretences(Protocol):
    """Lets environments serve the flags that a stage's jobs ask for. Whoever looks after flags implements it."""

    def begin(
        self,
        tx: Transaction,
        *,
        service: Service,
        environment: str,
        state: FlagState,
        like: str | None,
        run: RunId,
        stage: int,
        commit: CommitHash,
        by: Actor,
    ) -> int | None:
        """The revision that serves the state; ``None`` while another run has the environment pretend something.

        Safe to repeat: what the same stage of the same run has already is kept as it was when it began. ``like`` is
        the environment whose settings are taken for ``AS_IN_PRODUCTION``. Raises ``Conflict`` for production itself.
        """
        ...

    def await_everywhere(
        self, service: Service, environment: str, revision: int, stopping: Callable[[], bool]
    ) -> str | None:
        """Wait until whatever runs there has the revision, or ``stopping``. What is wrong if it has not, in words."""
        ...

    def end(self, tx: Transaction, run: RunId, *, why: str, by: Actor) -> None:
        """The environments that a run has pretend serve their own flags again. Safe to repeat."""
        ...

    def held(self, reading: Reading) -> tuple[Pretence, ...]:
        """Those that pretend now."""
        ...
