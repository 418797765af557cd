"""The rules of pipelines, as values and pure functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from andon.flow.artifacts.contract import Digest
from andon.flow.definition.contract import Definition, FlagState, JobDefinition, StageDefinition, Trigger
from andon.flow.pipelines.contract import FailureKind, JobId, JobState, RunId, RunState, StageState
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.errors import Conflict

PACKAGE_JOB = "package"
"""Name of the job that builds the package; it belongs to the first stage and needs all its other jobs."""
MIGRATIONS_JOB = "migrations"
"""Name of the job that checks the migrations; it belongs to the first stage and needs none of its jobs."""


WITH_FLAGS: Mapping[FlagState, str] = {
    FlagState.AS_IN_PRODUCTION: "flags as in production",
    FlagState.ALL_ON: "all flags on",
    FlagState.ALL_OFF: "all flags off",
}
"""What the name of a job has behind it, in brackets."""


class JobKind(StrEnum):
    JOB = "job"
    PACKAGE = "package"
    MIGRATIONS = "migrations"


class TestState(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"

    __test__ = False  # not a test class, whatever its name suggests to pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase:
    """One test as a JUnit report has it; all text is hostile and bounded."""

    __test__ = False

    suite: str
    name: str
    state: TestState
    seconds: float
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: JobId
    run: RunId
    stage: int
    """Position of its stage."""
    position: int
    name: str
    kind: JobKind
    needs: tuple[str, ...]
    state: JobState
    attempt: int
    """0 before the first one."""
    failure: FailureKind | None
    exit_code: int | None
    reason: str
    started_at: datetime | None
    ended_at: datetime | None
    tests: int
    tests_failed: int
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    run: RunId
    position: int
    name: str
    state: StageState
    environment: str | None
    deployment: str | None
    approved_by: str | None
    """The person who let a waiting stage begin."""
    approved: bool
    started_at: datetime | None
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    id: RunId
    number: int
    service: Service
    commit: CommitHash
    branch: str
    state: RunState
    reason: str
    definition: Definition
    generation: int
    person: str | None
    """Who pushed the commit or started the run."""
    acting_person: str | None
    """By whose authority it goes on: the person above, or whoever last asked for a retry."""
    cancel_requested: bool
    pushed_at: datetime
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class StageAnswer(StrEnum):
    """How a stage of a run's workflow ended."""

    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITING = "waiting"


STAGE_ANSWERS: Mapping[StageState, StageAnswer] = {
    StageState.PASSED: StageAnswer.PASSED,
    StageState.SKIPPED: StageAnswer.PASSED,
    StageState.FAILED: StageAnswer.FAILED,
    StageState.CANCELLED: StageAnswer.CANCELLED,
}
"""What a stage in one of these states answers without being worked on again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stage as its step finds it: with an answer already, or to be worked on."""

    run: Run
    answer: StageAnswer | None
    default_branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobComparison:
    """A job beside the same job of the last run that passed."""

    stage: str
    job: str
    state: JobState
    seconds: float | None
    before_state: JobState | None
    before_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run beside the last run of its service and branch that passed."""

    run: RunId
    number: int
    commit: CommitHash
    jobs: tuple[JobComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How long a stage or job usually takes: the median of up to ten that passed."""

    seconds: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTask:
    """What a runner needs to run one attempt of a job."""

    job: JobId
    run: RunId
    attempt: int
    kind: JobKind
    service: Service
    commit: CommitHash
    branch: str
    default_branch: str
    stage: str
    name: str
    definition: JobDefinition
    whole: Definition
    environment: str | None
    """The environment the stage deployed to."""
    url: str | None
    """Where that environment answers."""
    live: tuple[CommitHash, ...] = ()
    """What runs in the service's environments; only for the check of migrations."""
    flags: FlagState | None = None
    """What the environment's flags are set to; ``None`` leaves them as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a package job left in the store, not yet published."""

    digest: Digest
    size: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How one attempt ended. ``outcome`` is passed, failed or cancelled."""

    outcome: JobState
    failure: FailureKind | None = None
    exit_code: int | None = None
    reason: str = ""
    seconds: float = 0.0
    tests: tuple[TestCase, ...] = ()
    package: Package | None = None


JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.READY, JobState.RUNNING, JobState.SKIPPED, JobState.CANCELLED}),
    JobState.READY: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.SKIPPED}),
    JobState.RUNNING: frozenset(
        {JobState.PASSED, JobState.FAILED, JobState.CANCELLED, JobState.READY}  # READY: lost, runs again
    ),
    JobState.PASSED: frozenset({JobState.PENDING}),
    JobState.FAILED: frozenset({JobState.PENDING}),
    JobState.CANCELLED: frozenset({JobState.PENDING}),
    JobState.SKIPPED: frozenset({JobState.PENDING}),
}


class CannotRetry(Conflict):
    code = "pipelines.cannot_retry"


class CannotCancel(Conflict):
    code = "pipelines.cannot_cancel"


class NotWaiting(Conflict):
    code = "pipelines.not_waiting"


def jobs_of(definition: Definition, stage: int) -> tuple[tuple[JobDefinition, JobKind], ...]:
    """The jobs of a stage, with the check of migrations and the package job behind the first stage's own; once for
    each state that it sets flags to."""
    found = definition.stages[stage]
    own = tuple((job, JobKind.JOB) for job in found.jobs)
    if found.flags:
        return tuple((_with_flags(job, state), JobKind.JOB) for state in found.flags for job in found.jobs)
    package, migrations = definition.package, definition.migrations
    if stage == 0 and migrations.checked:
        check = JobDefinition(name=MIGRATIONS_JOB, command=migrations.sql or "", timeout=migrations.timeout)
        own = (*own, (check, JobKind.MIGRATIONS))
    if stage != 0 or package is None:
        return own
    return (
        *own,
        (
            JobDefinition(
                name=PACKAGE_JOB,
                command=package.command,
                needs=tuple(job.name for job, _kind in own),
                caches=package.caches,
                network=package.network,
                timeout=package.timeout,
                memory=package.memory,
            ),
            JobKind.PACKAGE,
        ),
    )


def _with_flags(job: JobDefinition, state: FlagState) -> JobDefinition:
    def named(name: str) -> str:
        return f"{name} ({WITH_FLAGS[state]})"

    return replace(job, name=named(job.name), needs=tuple(named(one) for one in job.needs))


def flags_of(definition: Definition, job: Job) -> FlagState | None:
    """What a job's environment has its flags set to; ``None`` leaves them as they are."""
    stage = definition.stages[job.stage]
    return stage.flags[job.position // len(stage.jobs)] if stage.flags else None


def in_turn(definition: Definition, jobs: Sequence[Job], under_way: Collection[JobId] = ()) -> frozenset[JobId]:
    """Those of one stage's jobs that may run now: an environment has its flags set to one state at a time.

    As long as a job runs, it is its state's turn; then that of the first one with a job that has not ended. Whether
    jobs of another state passed does not matter: each run is to say what every state came to.
    """
    busy = [one for one in jobs if one.state is JobState.RUNNING or one.id in under_way]
    left = busy or [one for one in jobs if not one.state.ended]
    if not left:
        return frozenset()
    first = flags_of(definition, min(left, key=lambda one: one.position))
    return frozenset(one.id for one in jobs if flags_of(definition, one) is first)


def applies(stage: StageDefinition, branch: str, default_branch: str) -> bool:
    """Whether a stage is for this branch; one that deploys is for the default branch unless it says otherwise."""
    if stage.branches:
        return any(fnmatch.fnmatchcase(branch, pattern) for pattern in stage.branches)
    return stage.environment is None or branch == default_branch


def runnable(jobs: Sequence[Job]) -> tuple[tuple[Job, ...], tuple[Job, ...]]:
    """Of one stage's pending jobs: those all of whose needs have passed, and those one of whose needs cannot."""
    states = {job.name: job.state for job in jobs}
    dead = {JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED}
    ready: list[Job] = []
    skipped: list[Job] = []
    for job in jobs:
        if job.state is not JobState.PENDING:
            continue
        needed = [states[name] for name in job.needs]
        if any(state in dead for state in needed):
            skipped.append(job)
        elif all(state is JobState.PASSED for state in needed):
            ready.append(job)
    return tuple(ready), tuple(skipped)


def dependents(jobs: Sequence[Job], name: str) -> frozenset[str]:
    """Names of the jobs of the same stage that need ``name``, directly or through others."""
    found: set[str] = set()
    grew = True
    while grew:
        more = {job.name for job in jobs if set(job.needs) & (found | {name})} - found
        grew = bool(more)
        found |= more
    return frozenset(found)


def needs_person(stage: Stage, definition: StageDefinition) -> bool:
    return definition.trigger is Trigger.MANUAL and not stage.approved


def stage_outcome(jobs: Sequence[Job]) -> StageState:
    """What a stage whose jobs have all ended came to."""
    states = {job.state for job in jobs}
    if JobState.FAILED in states:
        return StageState.FAILED
    if JobState.CANCELLED in states or JobState.SKIPPED in states:
        return StageState.CANCELLED
    return StageState.PASSED
