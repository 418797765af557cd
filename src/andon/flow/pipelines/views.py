"""The shapes in which the API speaks of runs; shared with the commands. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from andon.flow.pipelines.contract import FailureKind, JobState, RunState, RunSummary, StageState
from andon.flow.pipelines.model import Comparison, Expected, Job, JobKind, TestCase, TestState

Durations = Mapping[tuple[str, str | None], Expected]


class StageShape(msgspec.Struct, kw_only=True):
    """``expected`` is how long it usually takes, ``None`` when it has never passed.

    ``deployment`` is the id of the one that the stage asked for; ``None`` before it did, and when that was refused.
    """

    name: str
    state: StageState
    environment: str | None
    deployment: str | None
    started_at: datetime | None
    ended_at: datetime | None
    expected: float | None = None


class RunShape(msgspec.Struct, kw_only=True):
    id: str
    number: int
    """Counts the service's runs from 1."""
    service: str
    commit: str
    branch: str
    state: RunState
    reason: str
    person: str | None
    pushed_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stages: list[StageShape]
    address: str
    """Of its page in the console."""

    @classmethod
    def of(cls, run: RunSummary, console: str, expected: Durations | None = None) -> RunShape:
        usual = expected or {}
        return cls(
            id=run.run,
            number=run.number,
            service=run.service,
            commit=run.commit,
            branch=run.branch,
            state=run.state,
            reason=run.reason,
            person=run.person,
            pushed_at=run.pushed_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            stages=[
                StageShape(
                    name=stage.name,
                    state=stage.state,
                    environment=stage.environment,
                    deployment=stage.deployment,
                    started_at=stage.started_at,
                    ended_at=stage.ended_at,
                    expected=usual[stage.name, None].seconds if (stage.name, None) in usual else None,
                )
                for stage in run.stages
            ],
            address=f"{console}/runs/{run.run}",
        )


class JobShape(msgspec.Struct, kw_only=True):
    id: str
    run: str
    stage: str
    name: str
    kind: JobKind
    needs: list[str]
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
    expected: float | None = None

    @classmethod
    def of(cls, job: Job, stage: str, expected: Durations | None = None) -> JobShape:
        usual = (expected or {}).get((stage, job.name))
        return cls(
            id=job.id,
            run=job.run,
            stage=stage,
            name=job.name,
            kind=job.kind,
            needs=list(job.needs),
            state=job.state,
            attempt=job.attempt,
            failure=job.failure,
            exit_code=job.exit_code,
            reason=job.reason,
            started_at=job.started_at,
            ended_at=job.ended_at,
            tests=job.tests,
            tests_failed=job.tests_failed,
            expected=None if usual is None else usual.seconds,
        )


class Runs(msgspec.Struct, kw_only=True):
    """``next`` goes into ``older_than`` for the page behind; ``None`` at the end."""

    runs: list[RunShape]
    next: str | None


class RunDetails(msgspec.Struct, kw_only=True):
    run: RunShape
    jobs: list[JobShape]
    package: str | None
    """Digest of the package it published."""


class RunRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``revision`` is a branch, a tag or a commit; ``branch`` is which branch the run counts for."""

    service: str
    revision: str
    branch: str | None = None


class TestShape(msgspec.Struct, kw_only=True):
    """``history`` is how it ended in the job's last runs, oldest first; ``None`` where it was missing."""

    __test__ = False

    suite: str
    name: str
    state: TestState
    seconds: float
    message: str
    history: list[TestState | None]

    @classmethod
    def of(cls, case: TestCase, history: Mapping[tuple[str, str], tuple[TestState | None, ...]]) -> TestShape:
        return cls(
            suite=case.suite,
            name=case.name,
            state=case.state,
            seconds=case.seconds,
            message=case.message,
            history=list(history.get((case.suite, case.name), ())),
        )


class Tests(msgspec.Struct, kw_only=True):
    """Failed ones first."""

    tests: list[TestShape]
    total: int


class ComparedJob(msgspec.Struct, kw_only=True):
    stage: str
    name: str
    state: JobState
    seconds: float | None
    before_state: JobState | None
    before_seconds: float | None


class ComparisonShape(msgspec.Struct, kw_only=True):
    """Beside the last run of the same branch that passed; ``run`` is ``None`` when there is none."""

    run: str | None
    number: int | None
    commit: str | None
    jobs: list[ComparedJob]

    @classmethod
    def of(cls, found: Comparison | None) -> ComparisonShape:
        if found is None:
            return cls(run=None, number=None, commit=None, jobs=[])
        return cls(
            run=found.run,
            number=found.number,
            commit=found.commit,
            jobs=[
                ComparedJob(
                    stage=one.stage,
                    name=one.job,
                    state=one.state,
                    seconds=one.seconds,
                    before_state=one.before_state,
                    before_seconds=one.before_seconds,
                )
                for one in found.jobs
            ],
        )


class LogLineShape(msgspec.Struct, kw_only=True):
    """``n`` counts from 1; ``at`` is in milliseconds since 1970; ``spans`` are pieces of (text, CSS classes)."""

    n: int
    at: int
    section: str | None
    kind: str
    spans: list[tuple[str, str]]


class LogSection(msgspec.Struct, kw_only=True):
    """``start`` is its first line, from 1; it ends where the next begins."""

    name: str
    start: int


class LogShape(msgspec.Struct, kw_only=True):
    """``next`` is where to go on, ``dropped`` how many of ``total`` are gone, ``complete``: no more will come."""

    lines: list[LogLineShape]
    next: int
    total: int
    dropped: int
    complete: bool
    sections: list[LogSection]
    attempt: int


class LogMatches(msgspec.Struct, kw_only=True):
    """Numbers of the lines, from 1; ``more`` when there are further ones."""

    matches: list[int]
    more: bool
