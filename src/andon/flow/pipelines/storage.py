"""The tables of pipelines and the SQL that touches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.definition.contract import Definition
from andon.flow.pipelines.contract import (
    FailureKind,
    JobId,
    JobState,
    RunId,
    RunState,
    RunSummary,
    StageState,
    StageSummary,
)
from andon.flow.pipelines.model import Job, JobKind, JobResult, Run, Stage, TestCase, TestState
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Enumeration, Instant, Json, metadata

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("branch", sa.String(250), nullable=False),
    sa.Column("state", Enumeration(RunState), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("definition", Json(Definition), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("person", sa.String(40)),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("request_key", sa.String(120), unique=True),
    sa.Column("pushed_at", Instant, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.UniqueConstraint("service", "number"),
    sa.Index(None, "service", "commit"),
    sa.Index(None, "service", "branch", "state"),
    sa.Index(None, "queued_at"),
)

stages = sa.Table(
    "run_stages",
    metadata,
    sa.Column("run", sa.String(40), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("state", Enumeration(StageState), nullable=False),
    sa.Column("environment", sa.String(80)),
    sa.Column("deployment", sa.String(40)),
    sa.Column("approved", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("approved_by", sa.String(40)),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("run", sa.String(40), sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("kind", Enumeration(JobKind), nullable=False),
    sa.Column("needs", Json[tuple[str, ...]](tuple[str, ...]), nullable=False),
    sa.Column("state", Enumeration(JobState), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failure", Enumeration(FailureKind)),
    sa.Column("exit_code", sa.Integer),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("tests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tests_failed", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("run", "stage", "name"),
)

tests = sa.Table(
    "job_tests",
    metadata,
    sa.Column("job", sa.String(40), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("suite", sa.String(400), nullable=False),
    sa.Column("name", sa.String(400), nullable=False),
    sa.Column("state", Enumeration(TestState), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)


def next_number(connection: Connection, service: Service) -> int:
    newest = connection.execute(sa.select(sa.func.max(runs.c.number)).where(runs.c.service == service)).scalar()
    return (newest or 0) + 1


def insert_run(
    connection: Connection,
    run: Run,
    run_stages: Sequence[Stage],
    run_jobs: Sequence[Job],
    *,
    request_key: str,
) -> None:
    connection.execute(runs.insert().values(request_key=request_key, **_values(run, Run.__slots__)))
    connection.execute(stages.insert(), [_values(stage, Stage.__slots__) for stage in run_stages])
    if run_jobs:
        connection.execute(jobs.insert(), [_values(job, Job.__slots__) for job in run_jobs])


def by_key(connection: Connection, key: str) -> RunId | None:
    found = connection.execute(sa.select(runs.c.id).where(runs.c.request_key == key)).scalar()
    return None if found is None else RunId(found)


def run_of(connection: Connection, run: RunId) -> Run | None:
    row = connection.execute(sa.select(runs).where(runs.c.id == run)).first()
    return None if row is None else Run(**{name: getattr(row, name) for name in Run.__slots__})


def update_run(connection: Connection, run: RunId, **values: object) -> None:
    connection.execute(runs.update().where(runs.c.id == run).values(**values))


def stages_of(connection: Connection, run: RunId) -> tuple[Stage, ...]:
    rows = connection.execute(sa.select(stages).where(stages.c.run == run).order_by(stages.c.position)).all()
    return tuple(Stage(**row._mapping) for row in rows)


def update_stage(connection: Connection, run: RunId, position: int, **values: object) -> None:
    connection.execute(stages.update().where(stages.c.run == run, stages.c.position == position).values(**values))


def jobs_of(connection: Connection, run: RunId, stage: int | None = None) -> tuple[Job, ...]:
    query = sa.select(jobs).where(jobs.c.run == run)
    if stage is not None:
        query = query.where(jobs.c.stage == stage)
    rows = connection.execute(query.order_by(jobs.c.stage, jobs.c.position)).all()
    return tuple(Job(**row._mapping) for row in rows)


def job_of(connection: Connection, job: JobId) -> Job | None:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job)).first()
    return None if row is None else Job(**row._mapping)


def job_state(connection: Connection, job: JobId) -> JobState | None:
    return connection.execute(sa.select(jobs.c.state).where(jobs.c.id == job)).scalar()


def update_jobs(connection: Connection, identities: Iterable[JobId], **values: object) -> None:
    connection.execute(jobs.update().where(jobs.c.id.in_(list(identities))).values(**values))


def begin_attempt(connection: Connection, job: JobId, now: datetime) -> int | None:
    """Take a waiting job into work; its attempt number, or ``None`` when it is no longer waiting.

    The condition on the state is the fence: of two schedulers only one gets the job.
    """
    taken = connection.execute(
        jobs.update()
        .where(jobs.c.id == job, jobs.c.state.in_([JobState.PENDING, JobState.READY]))
        .values(
            state=JobState.RUNNING,
            attempt=jobs.c.attempt + 1,
            started_at=now,
            ended_at=None,
            failure=None,
            exit_code=None,
            reason="",
            tests=0,
            tests_failed=0,
        )
    )
    if not taken.rowcount:
        return None
    return int(connection.execute(sa.select(jobs.c.attempt).where(jobs.c.id == job)).scalar_one())


def end_attempt(connection: Connection, job: JobId, attempt: int, result: JobResult, now: datetime) -> bool:
    """Record how an attempt ended; false when it is not the current one any more."""
    failed = sum(case.state in {TestState.FAILED, TestState.ERROR} for case in result.tests)
    changed = connection.execute(
        jobs.update()
        .where(jobs.c.id == job, jobs.c.attempt == attempt, jobs.c.state == JobState.RUNNING)
        .values(
            state=result.outcome,
            failure=result.failure,
            exit_code=result.exit_code,
            reason=result.reason,
            ended_at=now,
            tests=len(result.tests),
            tests_failed=failed,
        )
    )
    if not changed.rowcount:
        return False
    if result.tests:
        connection.execute(
            tests.insert(),
            [
                {
                    "job": job,
                    "attempt": attempt,
                    "position": place,
                    "suite": case.suite[:400],
                    "name": case.name[:400],
                    "state": case.state,
                    "seconds": case.seconds,
                    "message": case.message,
                }
                for place, case in enumerate(result.tests)
            ],
        )
    return True


def reported_tests(connection: Connection, job: JobId, attempt: int, limit: int = 5000) -> tuple[TestCase, ...]:
    """Failed first, then in the report's order."""
    worst = sa.case(
        (tests.c.state.in_([TestState.FAILED, TestState.ERROR]), 0),
        (tests.c.state == TestState.SKIPPED, 1),
        else_=2,
    )
    rows = connection.execute(
        sa.select(tests)
        .where(tests.c.job == job, tests.c.attempt == attempt)
        .order_by(worst, tests.c.position)
        .limit(limit)
    ).all()
    return tuple(
        TestCase(suite=row.suite, name=row.name, state=row.state, seconds=row.seconds, message=row.message)
        for row in rows
    )


def queued_on_branch(connection: Connection, service: Service, branch: str) -> tuple[RunId, ...]:
    found = connection.execute(
        sa.select(runs.c.id).where(runs.c.service == service, runs.c.branch == branch, runs.c.state == RunState.QUEUED)
    ).scalars()
    return tuple(RunId(one) for one in found)


def unfinished(connection: Connection) -> tuple[RunId, ...]:
    found = connection.execute(
        sa.select(runs.c.id).where(runs.c.state.in_([RunState.QUEUED, RunState.RUNNING]))
    ).scalars()
    return tuple(RunId(one) for one in found)


def ended_before(connection: Connection, moment: datetime, limit: int = 100) -> tuple[RunId, ...]:
    found = connection.execute(
        sa.select(runs.c.id).where(runs.c.ended_at < moment).order_by(runs.c.ended_at).limit(limit)
    ).scalars()
    return tuple(RunId(one) for one in found)


def runs_of_commit(connection: Connection, service: Service, commit: CommitHash) -> tuple[RunId, ...]:
    """Newest first."""
    found = connection.execute(
        sa.select(runs.c.id).where(runs.c.service == service, runs.c.commit == commit).order_by(runs.c.number.desc())
    ).scalars()
    return tuple(RunId(one) for one in found)


def summaries(
    connection: Connection,
    *,
    run: RunId | None = None,
    service: Service | None = None,
    before: int | None = None,
    limit: int = 20,
) -> tuple[RunSummary, ...]:
    """Newest first."""
    query = sa.select(runs)
    if run is not None:
        query = query.where(runs.c.id == run)
    if service is not None:
        query = query.where(runs.c.service == service)
    if before is not None:
        query = query.where(runs.c.number < before)
    rows = connection.execute(query.order_by(runs.c.queued_at.desc(), runs.c.number.desc()).limit(limit)).all()
    found: dict[str, list[StageSummary]] = {}
    for row in connection.execute(
        sa.select(stages).where(stages.c.run.in_([one.id for one in rows])).order_by(stages.c.position)
    ):
        found.setdefault(row.run, []).append(
            StageSummary(
                name=row.name,
                state=row.state,
                environment=row.environment,
                started_at=row.started_at,
                ended_at=row.ended_at,
            )
        )
    return tuple(
        RunSummary(
            run=RunId(row.id),
            number=row.number,
            service=Service(row.service),
            commit=CommitHash(row.commit),
            branch=row.branch,
            state=row.state,
            reason=row.reason,
            pushed_at=row.pushed_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            stages=tuple(found.get(row.id, ())),
            person=row.person,
        )
        for row in rows
    )


def _values(value: object, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(value, name) for name in names}
