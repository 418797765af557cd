"""The tables of backfills and of their newest batches."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from andon.flow.schema.contract.backfills import BackfillId, BackfillState, BackfillView
from andon.flow.schema.model import Batch
from andon.flow.sources.contract import Service
from andon.kernel.db import Enumeration, Instant, metadata

KEPT_BATCHES = 60
"""Batches of each backfill that are kept, to tell its pace."""

backfills = sa.Table(
    "backfills",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("environment", sa.String(80), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("state", Enumeration(BackfillState), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("batches", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("first_left", sa.BigInteger, nullable=True),
    sa.Column("left", sa.BigInteger, nullable=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("problem_at", Instant, nullable=True),
    sa.Column("starts", sa.Integer, nullable=False),  # how often its work was begun: each time is a workflow of its own
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Index("ix_backfills_place", "service", "environment", "started_at"),
)

batches = sa.Table(
    "backfill_batches",
    metadata,
    sa.Column("backfill", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("start", sa.Integer, nullable=False),  # which of the backfill's starts it belongs to
    sa.Column("left", sa.BigInteger, nullable=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("ended_at", Instant, nullable=False),
)

_VIEW = tuple(column for column in backfills.c if column.name != "starts")


def insert(connection: Connection, view: BackfillView) -> None:
    connection.execute(
        backfills.insert().values(
            {column.name: getattr(view, column.name) for column in _VIEW} | {backfills.c.starts.name: 1}
        )
    )


def one(connection: Connection, backfill: BackfillId, *, lock: bool = False) -> BackfillView | None:
    wanted = sa.select(*_VIEW).where(backfills.c.id == backfill)
    return _view(connection.execute(wanted.with_for_update() if lock else wanted).first())


def newest(connection: Connection, service: Service, environment: str) -> BackfillView | None:
    return next(iter(recent(connection, service, environment, 1)), None)


def recent(connection: Connection, service: Service, environment: str, limit: int) -> tuple[BackfillView, ...]:
    """Newest first."""
    wanted = (
        sa.select(*_VIEW)
        .where(backfills.c.service == service, backfills.c.environment == environment)
        .order_by(backfills.c.started_at.desc(), backfills.c.id.desc())
        .limit(limit)
    )
    return tuple(BackfillView(**row._mapping) for row in connection.execute(wanted))


def unended(connection: Connection, service: Service, environment: str) -> tuple[BackfillView, ...]:
    states = [state for state in BackfillState if not state.ended]
    wanted = sa.select(*_VIEW).where(
        backfills.c.service == service, backfills.c.environment == environment, backfills.c.state.in_(states)
    )
    return tuple(BackfillView(**row._mapping) for row in connection.execute(wanted))


def change(connection: Connection, backfill: BackfillId, state: BackfillState, reason: str, now: datetime) -> None:
    connection.execute(
        backfills.update().where(backfills.c.id == backfill).values(state=state, reason=reason, changed_at=now)
    )


def count_start(connection: Connection, backfill: BackfillId) -> None:
    connection.execute(
        backfills.update().where(backfills.c.id == backfill).values(starts=backfills.c.starts + 1, failures=0)
    )


def starts(connection: Connection, backfill: BackfillId) -> int:
    return int(connection.execute(sa.select(backfills.c.starts).where(backfills.c.id == backfill)).scalar_one())


def note_batch(
    connection: Connection, backfill: BackfillId, *, rows: int, seconds: float, left: int | None, now: datetime
) -> None:
    """Count one batch and keep it among the newest; the first number of rows left is what others are measured by."""
    values: dict[str, object] = {
        "batches": backfills.c.batches + 1,
        "rows": rows,
        "seconds": backfills.c.seconds + seconds,
        "failures": 0,
        "changed_at": now,
    }
    if left is not None:
        values |= {"left": left, "first_left": sa.func.coalesce(backfills.c.first_left, left)}
    counted = backfills.update().where(backfills.c.id == backfill).values(values)
    connection.execute(counted)
    number, start = connection.execute(
        sa.select(backfills.c.batches, backfills.c.starts).where(backfills.c.id == backfill)
    ).one()
    connection.execute(
        batches.insert().values(backfill=backfill, number=number, start=start, left=left, seconds=seconds, ended_at=now)
    )
    connection.execute(
        batches.delete().where(batches.c.backfill == backfill, batches.c.number <= number - KEPT_BATCHES)
    )


def note_failure(connection: Connection, backfill: BackfillId, problem: str, now: datetime) -> None:
    connection.execute(
        backfills.update()
        .where(backfills.c.id == backfill)
        .values(failures=backfills.c.failures + 1, problem=problem, problem_at=now, changed_at=now)
    )


def kept_batches(connection: Connection, backfill: BackfillId) -> tuple[Batch, ...]:
    """The newest :data:`KEPT_BATCHES`, oldest first."""
    wanted = (
        sa.select(batches.c.start, batches.c.left, batches.c.seconds, batches.c.ended_at)
        .where(batches.c.backfill == backfill)
        .order_by(batches.c.number)
    )
    return tuple(Batch(**row._mapping) for row in connection.execute(wanted))


def _view(row: Row[tuple[object, ...]] | None) -> BackfillView | None:
    return None if row is None else BackfillView(**row._mapping)
