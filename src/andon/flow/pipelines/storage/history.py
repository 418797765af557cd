"""Questions over many runs: how tests ended before, how long things took, what was last green."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.pipelines.contract import JobId, JobState, RunId, RunState, StageState
from andon.flow.pipelines.model import Job, TestCase, TestState
from andon.flow.pipelines.storage.tables import jobs, runs, stages, tests
from andon.flow.sources.contract import Service


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


def last_passed(connection: Connection, service: Service, branch: str, *, before: int) -> RunId | None:
    found = connection.execute(
        sa.select(runs.c.id)
        .where(
            runs.c.service == service,
            runs.c.branch == branch,
            runs.c.state == RunState.PASSED,
            runs.c.number < before,
        )
        .order_by(runs.c.number.desc())
        .limit(1)
    ).scalar()
    return None if found is None else RunId(found)


def recent_durations(
    connection: Connection, service: Service, limit: int = 20
) -> tuple[tuple[str, str | None, datetime, datetime], ...]:
    """Stage, job (``None`` for the stage as a whole), beginning and end of what passed in the service's last runs."""
    newest = (
        sa.select(runs.c.id).where(runs.c.service == service).order_by(runs.c.number.desc()).limit(limit).subquery()
    )
    chosen = sa.select(newest.c.id)
    of_stages = connection.execute(
        sa.select(stages.c.name, stages.c.started_at, stages.c.ended_at)
        .where(stages.c.run.in_(chosen), stages.c.state == StageState.PASSED, stages.c.ended_at.is_not(None))
        .order_by(stages.c.run.desc())
    ).all()
    of_jobs = connection.execute(
        sa.select(stages.c.name.label("stage"), jobs.c.name, jobs.c.started_at, jobs.c.ended_at)
        .join(stages, sa.and_(stages.c.run == jobs.c.run, stages.c.position == jobs.c.stage))
        .where(jobs.c.run.in_(chosen), jobs.c.state == JobState.PASSED, jobs.c.ended_at.is_not(None))
        .order_by(jobs.c.run.desc())
    ).all()
    return (
        *((row.name, None, row.started_at, row.ended_at) for row in of_stages if row.started_at is not None),
        *((row.stage, row.name, row.started_at, row.ended_at) for row in of_jobs if row.started_at is not None),
    )


def same_job_before(connection: Connection, job: Job, service: Service, number: int, limit: int) -> tuple[Job, ...]:
    """The jobs of this name in the service's earlier runs that reported tests, newest first, and ``job`` itself."""
    rows = connection.execute(
        sa.select(jobs)
        .join(runs, runs.c.id == jobs.c.run)
        .where(runs.c.service == service, runs.c.number <= number, jobs.c.name == job.name, jobs.c.tests > 0)
        .order_by(runs.c.number.desc())
        .limit(limit)
    ).all()
    return tuple(Job(**row._mapping) for row in rows)


def outcomes(
    connection: Connection, attempts: Iterable[tuple[JobId, int]], names: Iterable[str]
) -> dict[tuple[JobId, str, str], TestState]:
    """How the named tests ended in these attempts, by job, suite and name."""
    wanted = list(attempts)
    if not wanted:
        return {}
    rows = connection.execute(
        sa.select(tests.c.job, tests.c.suite, tests.c.name, tests.c.state).where(
            sa.or_(*(sa.and_(tests.c.job == job, tests.c.attempt == attempt) for job, attempt in wanted)),
            tests.c.name.in_(list(names)),
        )
    ).all()
    return {(JobId(row.job), row.suite, row.name): row.state for row in rows}


def recent_branches(connection: Connection, services: Iterable[str] | None, limit: int) -> tuple[str, ...]:
    """The branches of these services (``None``: of all) that ran last, newest first."""
    query = sa.select(runs.c.branch).group_by(runs.c.branch).order_by(sa.func.max(runs.c.id).desc()).limit(limit)
    if services is not None:
        query = query.where(runs.c.service.in_(list(services)))
    return tuple(connection.execute(query).scalars())
