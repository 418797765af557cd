"""The tables of rollouts and the SQL that touches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from andon.feedback.judge.contract import Because, Verdict
from andon.feedback.rollouts.contract import (
    Hold,
    Left,
    RolloutId,
    RolloutState,
    RolloutView,
    StageView,
    Wish,
)
from andon.feedback.rollouts.model.differing import Differences
from andon.feedback.rollouts.model.records import (
    Counters,
    LookRecord,
    MetricVerdict,
    Rollout,
    Seen,
    StageRecord,
    VerdictRecord,
    Watched,
)
from andon.feedback.rollouts.model.takeovers import Takeover
from andon.flow.definition.contract import ReleaseDefinition
from andon.flow.deployments.contract import DeploymentId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Enumeration, Instant, Json, metadata

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("deployment", sa.String(40), unique=True),  # none for a takeover
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("environment", sa.String(80), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("former_commit", sa.String(64), nullable=False),
    sa.Column("set", sa.String(40), nullable=False),
    sa.Column("former", sa.String(40), nullable=False),
    sa.Column("baseline", sa.String(40)),
    sa.Column("state", Enumeration(RolloutState), nullable=False),
    sa.Column("hold", Enumeration(Hold)),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("stage", sa.Integer, nullable=False, server_default="0"),
    sa.Column("wish", Enumeration(Wish)),
    sa.Column("wished_by", sa.String(40)),
    sa.Column("release", Json(ReleaseDefinition), nullable=False),
    sa.Column("watched", Json(tuple[Watched, ...]), nullable=False),
    sa.Column("unwatched", Json(tuple[str, ...]), nullable=False),
    sa.Column("smallest_harm", sa.Text, nullable=False, server_default=""),
    sa.Column("proposal", sa.Text, nullable=False, server_default=""),
    sa.Column("counters", Json(Counters)),
    sa.Column("differences", Json(Differences)),
    sa.Column("takeover", Json(Takeover)),
    sa.Column("history", Json(tuple[LookRecord, ...]), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Index(None, "service", "environment", "started_at"),
    sa.Index(None, "state"),
    sa.Index(None, "started_at"),
)

stages = sa.Table(
    "rollout_stages",
    metadata,
    sa.Column("rollout", sa.String(40), sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entered_at", Instant, nullable=False),
    sa.Column("left_at", Instant),
    sa.Column("left", Enumeration(Left)),
    sa.Column("held_seconds", sa.Float, nullable=False, server_default="0"),
    sa.Column("held_since", Instant),
)

looks = sa.Table(
    "rollout_looks",
    metadata,
    sa.Column("rollout", sa.String(40), sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("offset", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("share", sa.Float),
    sa.Column("canary", Json(Seen), nullable=False),
    sa.Column("baseline", Json(Seen), nullable=False),
    sa.Column("slow", sa.Boolean, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False, server_default="0"),
)

verdicts = sa.Table(
    "rollout_verdicts",
    metadata,
    sa.Column("rollout", sa.String(40), sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("stage", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("verdict", Enumeration(Verdict), nullable=False),
    sa.Column("because", Enumeration(Because), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("looks", sa.Integer, nullable=False),
    sa.Column("metrics", Json(tuple[MetricVerdict, ...]), nullable=False),
    sa.Column("at", Instant, nullable=False),
)

_RUNNING = tuple(state for state in RolloutState if not state.ended)


def insert(connection: Connection, rollout: Rollout, history: Sequence[LookRecord]) -> None:
    values = {name: getattr(rollout, name) for name in Rollout.__slots__}
    connection.execute(rollouts.insert().values(history=tuple(history), **values))


def load(connection: Connection, rollout: RolloutId, *, lock: bool = False) -> Rollout | None:
    """``lock`` holds it against other transactions until this one ends."""
    query = sa.select(rollouts).where(rollouts.c.id == rollout)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _rollout(row)


def of_deployment(connection: Connection, deployment: DeploymentId) -> Rollout | None:
    row = connection.execute(sa.select(rollouts).where(rollouts.c.deployment == deployment)).first()
    return None if row is None else _rollout(row)


def history(connection: Connection, rollout: RolloutId) -> tuple[LookRecord, ...]:
    found = connection.execute(sa.select(rollouts.c.history).where(rollouts.c.id == rollout)).scalar_one()
    return tuple(found)


def update(connection: Connection, rollout: RolloutId, **values: object) -> None:
    connection.execute(rollouts.update().where(rollouts.c.id == rollout).values(**values))


def newest(
    connection: Connection,
    *,
    services: Iterable[str] | None = None,
    environment: str | None = None,
    running: bool | None = None,
    before: datetime | None = None,
    limit: int | None,
) -> tuple[Rollout, ...]:
    """Newest first; ``services`` are those asked for, ``None`` is all; ``running`` is whether they are under way."""
    query = sa.select(rollouts)
    if services is not None:
        query = query.where(rollouts.c.service.in_(sorted(services)))
    if environment is not None:
        query = query.where(rollouts.c.environment == environment)
    if running is not None:
        under_way = rollouts.c.state.in_(_RUNNING)
        query = query.where(under_way if running else sa.not_(under_way))
    if before is not None:
        query = query.where(rollouts.c.started_at < before)
    query = query.order_by(rollouts.c.started_at.desc(), rollouts.c.id.desc()).limit(limit)
    return tuple(_rollout(row) for row in connection.execute(query))


def find(connection: Connection, service: Service, environment: str) -> Rollout | None:
    """The one under way there, or the newest that has ended."""
    found = newest(connection, services=[service], environment=environment, limit=1)
    return found[0] if found else None


def passed(connection: Connection, service: Service, environment: str, commit: CommitHash) -> Rollout | None:
    """The newest by which a version of the service itself came to everybody."""
    query = (
        sa.select(rollouts)
        .where(
            rollouts.c.service == service,
            rollouts.c.environment == environment,
            rollouts.c.commit == commit,
            rollouts.c.state == RolloutState.PASSED,
            rollouts.c.deployment.is_not(None),
        )
        .order_by(rollouts.c.started_at.desc(), rollouts.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else _rollout(row)


# Stages


def enter(connection: Connection, rollout: RolloutId, number: int, at: datetime) -> bool:
    """Whether it was not entered before."""
    if stage(connection, rollout, number) is not None:
        return False
    connection.execute(stages.insert().values(rollout=rollout, number=number, entered_at=at))
    return True


def change_stage(connection: Connection, rollout: RolloutId, number: int, **values: object) -> None:
    connection.execute(stages.update().where(stages.c.rollout == rollout, stages.c.number == number).values(**values))


def stage(connection: Connection, rollout: RolloutId, number: int) -> StageRecord | None:
    query = sa.select(stages).where(stages.c.rollout == rollout, stages.c.number == number)
    row = connection.execute(query).first()
    return None if row is None else _stage(row)


def stages_of(connection: Connection, rollout: RolloutId) -> tuple[StageRecord, ...]:
    query = sa.select(stages).where(stages.c.rollout == rollout).order_by(stages.c.number)
    return tuple(_stage(row) for row in connection.execute(query))


# Looks and verdicts


def add_look(connection: Connection, rollout: RolloutId, look: LookRecord) -> None:
    values = {name: getattr(look, name) for name in LookRecord.__slots__}
    connection.execute(looks.insert().values(rollout=rollout, **values))


def looks_of(connection: Connection, rollout: RolloutId) -> tuple[LookRecord, ...]:
    """All of them, in order."""
    query = sa.select(looks).where(looks.c.rollout == rollout).order_by(looks.c.number)
    return tuple(_look(row) for row in connection.execute(query))


def set_verdict(connection: Connection, rollout: RolloutId, number: int, verdict: VerdictRecord) -> None:
    here = sa.and_(verdicts.c.rollout == rollout, verdicts.c.stage == number)
    values = {name: getattr(verdict, name) for name in VerdictRecord.__slots__}
    if connection.execute(verdicts.update().where(here).values(**values)).rowcount == 0:
        connection.execute(verdicts.insert().values(rollout=rollout, stage=number, **values))


def verdict_of(connection: Connection, rollout: RolloutId, number: int | None = None) -> VerdictRecord | None:
    """Of a stage, or the newest of all."""
    query = sa.select(verdicts).where(verdicts.c.rollout == rollout)
    if number is not None:
        query = query.where(verdicts.c.stage == number)
    row = connection.execute(query.order_by(verdicts.c.stage.desc()).limit(1)).first()
    if row is None:
        return None
    return VerdictRecord(**{name: row._mapping[name] for name in VerdictRecord.__slots__})


# Views


def view(connection: Connection, rollout: Rollout) -> RolloutView:
    known = {one.number: one for one in stages_of(connection, rollout.id)}
    return RolloutView(
        id=rollout.id,
        deployment=rollout.deployment,
        service=rollout.service,
        environment=rollout.environment,
        takeover=rollout.taking,
        commit=rollout.commit,
        former_commit=rollout.former_commit,
        set=rollout.set,
        former=rollout.former,
        state=rollout.state,
        hold=rollout.hold,
        reason=rollout.reason,
        stage=rollout.stage,
        stages=tuple(
            StageView(
                plan=one.plan,
                entered_at=None if (record := known.get(number)) is None else record.entered_at,
                left_at=None if record is None else record.left_at,
                left=None if record is None else record.left,
            )
            for number, one in enumerate(rollout.stages)
        ),
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
    )


def _rollout(row: Row[tuple[object, ...]]) -> Rollout:
    return Rollout(**{name: row._mapping[name] for name in Rollout.__slots__})


def _stage(row: Row[tuple[object, ...]]) -> StageRecord:
    return StageRecord(**{name: row._mapping[name] for name in StageRecord.__slots__})


def _look(row: Row[tuple[object, ...]]) -> LookRecord:
    return LookRecord(**{name: row._mapping[name] for name in LookRecord.__slots__})
