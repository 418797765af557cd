"""The door to the tables of pipelines: runs, their stages and jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.pipelines.contract import (
    JobId,
    JobState,
    RunId,
    RunState,
    RunSummary,
    StageSummary,
)
from andon.flow.pipelines.model import Job, JobResult, Run, Stage, TestState
from andon.flow.pipelines.storage.tables import jobs, runs, stages, tests
from andon.flow.sources.contract import CommitHash, Service


def lock_service(connection: Connection, service: Service) -> None:
    """Make other transactions that number runs of the service wait; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"runs of {service}"))))


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


def run_of(connection: Connection, run: RunId, *, lock: bool = False) -> Run | None:
    """With ``lock`` other transactions that want to change the run wait until this one has ended."""
    query = sa.select(runs).where(runs.c.id == run)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Run(**{name: getattr(row, name) for name in Run.__slots__})


def cancel_requested(connection: Connection, run: RunId) -> bool:
    """Asked often, so without the run's definition."""
    return bool(connection.execute(sa.select(runs.c.cancel_requested).where(runs.c.id == run)).scalar())


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


def update_jobs(
    connection: Connection, identities: Iterable[JobId], *, given: Iterable[JobState] | None = None, **values: object
) -> None:
    """Change jobs; with ``given`` only those that are still in one of these states."""
    query = jobs.update().where(jobs.c.id.in_(list(identities)))
    if given is not None:
        query = query.where(jobs.c.state.in_(list(given)))
    connection.execute(query.values(**values))


def renew_jobs(connection: Connection, identities: Iterable[JobId]) -> None:
    """Jobs that are to run again. They keep their attempt number."""
    update_jobs(
        connection,
        identities,
        state=JobState.PENDING,
        failure=None,
        exit_code=None,
        reason="",
        started_at=None,
        ended_at=None,
        tests=0,
        tests_failed=0,
        cancel_requested=False,
    )


def open_jobs(connection: Connection, run: RunId, stage: int) -> dict[JobId, JobState]:
    """The jobs of a stage that have not come to their end."""
    ended = [one for one in JobState if one.ended]
    rows = connection.execute(
        sa.select(jobs.c.id, jobs.c.state).where(jobs.c.run == run, jobs.c.stage == stage, jobs.c.state.not_in(ended))
    )
    return {JobId(row.id): row.state for row in rows}


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


def queued_on_branch(connection: Connection, service: Service, branch: str) -> tuple[RunId, ...]:
    found = connection.execute(
        sa.select(runs.c.id).where(runs.c.service == service, runs.c.branch == branch, runs.c.state == RunState.QUEUED)
    ).scalars()
    return tuple(RunId(one) for one in found)


def ended_before(connection: Connection, moment: datetime, limit: int = 100) -> tuple[RunId, ...]:
    """Runs whose bulk has not been cleared yet, oldest first."""
    found = connection.execute(
        sa.select(runs.c.id)
        .where(runs.c.ended_at < moment, runs.c.cleared_at.is_(None))
        .order_by(runs.c.ended_at)
        .limit(limit)
    ).scalars()
    return tuple(RunId(one) for one in found)


def clear(connection: Connection, run: RunId, now: datetime) -> None:
    """Remove a run's test results; the run, its stages and its jobs stay."""
    own = sa.select(jobs.c.id).where(jobs.c.run == run)
    connection.execute(tests.delete().where(tests.c.job.in_(own)))
    connection.execute(runs.update().where(runs.c.id == run).values(cleared_at=now))


def by_number(connection: Connection, service: Service, number: int) -> RunId | None:
    found = connection.execute(sa.select(runs.c.id).where(runs.c.service == service, runs.c.number == number)).scalar()
    return None if found is None else RunId(found)


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
    services: Iterable[str] | None = None,
    branch: str | None = None,
    states: Iterable[RunState] | None = None,
    commit: str | None = None,
    before: int | None = None,
    older_than: RunId | None = None,
    limit: int = 20,
) -> tuple[RunSummary, ...]:
    """Newest first. ``before`` is a number of one service's runs; ``commit`` may be a hash's beginning."""
    query = sa.select(runs)
    if run is not None:
        query = query.where(runs.c.id == run)
    if service is not None:
        query = query.where(runs.c.service == service)
    if services is not None:
        query = query.where(runs.c.service.in_(list(services)))
    if branch is not None:
        query = query.where(runs.c.branch == branch)
    if states is not None:
        query = query.where(runs.c.state.in_(list(states)))
    if commit is not None:
        query = query.where(runs.c.commit.between(commit, commit + "g"))
    if before is not None:
        query = query.where(runs.c.number < before)
    if older_than is not None:
        query = query.where(runs.c.id < older_than)
    # Ids sort by the moment they were made.
    rows = connection.execute(query.order_by(runs.c.id.desc()).limit(limit)).all()
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
                deployment=row.deployment,
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
