"""The tables of deployments and the SQL that touches them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from andon.flow.deployments.contract import (
    DeploymentId,
    DeploymentState,
    DeploymentView,
    Kind,
    LockView,
    Outcome,
    StepName,
    StepState,
    StepView,
)
from andon.flow.deployments.model import Deployment
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Enumeration, Instant, metadata

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("environment", sa.String(80), nullable=False),
    sa.Column("kind", Enumeration(Kind), nullable=False),
    sa.Column("state", Enumeration(DeploymentState), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("config_version", sa.Integer, nullable=False),
    sa.Column("run", sa.String(40)),
    sa.Column("person", sa.String(40)),
    sa.Column("override", sa.Text),
    sa.Column("request_key", sa.String(200), unique=True),
    sa.Column("pushed_at", Instant),
    sa.Column("requested_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("switched_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("lead_time", sa.Float),
    sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
    sa.Column("set", sa.String(40)),
    sa.Column("former_set", sa.String(40)),
    sa.Column("warm_set", sa.String(40)),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("given_up", sa.Text),
    sa.UniqueConstraint("service", "number"),
    sa.Index(None, "service", "environment", "state", "number"),
    sa.Index(None, "state"),
    sa.Index(None, "set"),
    sa.Index(None, "ended_at"),
)

steps = sa.Table(
    "deployment_steps",
    metadata,
    sa.Column("deployment", sa.String(40), sa.ForeignKey("deployments.id"), primary_key=True),
    sa.Column("step", Enumeration(StepName), primary_key=True),
    sa.Column("state", Enumeration(StepState), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

commands = sa.Table(
    "deployment_commands",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("deployment", sa.String(40), sa.ForeignKey("deployments.id"), nullable=False),
    sa.Column("step", Enumeration(StepName), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("exit_code", sa.Integer),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("log", sa.Text),
    sa.Column("output", sa.Text, nullable=False, server_default=""),
    sa.Column("started_at", Instant, nullable=False),
    sa.Index(None, "deployment"),
)

locks = sa.Table(
    "deployment_locks",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("holder", sa.String(40)),
    sa.Column("since", Instant),
    sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
)

_ENDED = tuple(state for state in DeploymentState if state.ended)


def load(connection: Connection, deployment: DeploymentId) -> Deployment | None:
    row = connection.execute(sa.select(deployments).where(deployments.c.id == deployment)).first()
    if row is None:
        return None
    return Deployment(**{name: getattr(row, name) for name in Deployment.__slots__})


def by_key(connection: Connection, key: str) -> DeploymentId | None:
    found = connection.execute(sa.select(deployments.c.id).where(deployments.c.request_key == key)).scalar()
    return None if found is None else DeploymentId(found)


def last_commit(
    connection: Connection, service: Service, environment: str, kind: Kind, *, since: datetime
) -> CommitHash | None:
    """Of the newest deployment of a kind, asked for since then, that succeeded."""
    wanted = (
        sa.select(deployments.c.commit)
        .where(
            deployments.c.service == service,
            deployments.c.environment == environment,
            deployments.c.kind == kind,
            deployments.c.state == DeploymentState.SUCCEEDED,
            deployments.c.requested_at >= since,
        )
        .order_by(deployments.c.number.desc())
        .limit(1)
    )
    found = connection.execute(wanted).scalar()
    return None if found is None else CommitHash(found)


def next_number(connection: Connection, service: Service) -> int:
    newest = connection.execute(
        sa.select(sa.func.max(deployments.c.number)).where(deployments.c.service == service)
    ).scalar()
    return (newest or 0) + 1


def insert(connection: Connection, **values: object) -> None:
    connection.execute(deployments.insert().values(**values))


def update(connection: Connection, deployment: DeploymentId, **values: object) -> None:
    connection.execute(deployments.update().where(deployments.c.id == deployment).values(**values))


def lock_row(connection: Connection, service: Service, environment: str) -> Row[tuple[str, str, str, datetime, int]]:
    """The environment's lock, made if missing, held against other transactions until this one ends."""
    here = sa.and_(locks.c.service == service, locks.c.environment == environment)
    row = connection.execute(sa.select(locks).where(here).with_for_update()).first()
    if row is None:
        connection.execute(locks.insert().values(service=service, environment=environment, fence=0))
        row = connection.execute(sa.select(locks).where(here).with_for_update()).one()
    return cast("Row[tuple[str, str, str, datetime, int]]", row)


def hold(
    connection: Connection,
    service: Service,
    environment: str,
    *,
    holder: DeploymentId | None,
    since: datetime | None,
    fence: int,
) -> None:
    connection.execute(
        locks.update()
        .where(locks.c.service == service, locks.c.environment == environment)
        .values(holder=holder, since=since, fence=fence)
    )


def queue(connection: Connection, service: Service, environment: str) -> tuple[DeploymentId, ...]:
    rows = connection.execute(
        sa.select(deployments.c.id)
        .where(
            deployments.c.service == service,
            deployments.c.environment == environment,
            deployments.c.state == DeploymentState.QUEUED,
        )
        .order_by(deployments.c.number)
    ).scalars()
    return tuple(DeploymentId(identity) for identity in rows)


def lock_view(connection: Connection, service: Service, environment: str) -> LockView:
    row = connection.execute(
        sa.select(locks).where(locks.c.service == service, locks.c.environment == environment)
    ).first()
    waiting = queue(connection, service, environment)
    if row is None:
        return LockView(holder=None, since=None, fence=0, queue=waiting)
    return LockView(holder=row.holder, since=row.since, fence=row.fence, queue=waiting)


def places_with_work(connection: Connection) -> tuple[tuple[Service, str], ...]:
    """Services and environments with deployments that have not ended."""
    rows = connection.execute(
        sa.select(deployments.c.service, deployments.c.environment).where(deployments.c.state.not_in(_ENDED)).distinct()
    ).all()
    return tuple((Service(row.service), row.environment) for row in rows)


def running(connection: Connection) -> tuple[DeploymentId, ...]:
    rows = connection.execute(
        sa.select(deployments.c.id).where(deployments.c.state == DeploymentState.RUNNING)
    ).scalars()
    return tuple(DeploymentId(identity) for identity in rows)


def step_of(connection: Connection, deployment: DeploymentId, step: StepName) -> Row[tuple[object, ...]] | None:
    return cast(
        "Row[tuple[object, ...]] | None",
        connection.execute(sa.select(steps).where(steps.c.deployment == deployment, steps.c.step == step)).first(),
    )


def begin_step(connection: Connection, deployment: DeploymentId, step: StepName, now: datetime) -> int:
    """Record that a step begins, or begins again; its attempt number."""
    here = sa.and_(steps.c.deployment == deployment, steps.c.step == step)
    attempt = connection.execute(sa.select(steps.c.attempt).where(here)).scalar()
    if attempt is None:
        connection.execute(
            steps.insert().values(deployment=deployment, step=step, state=StepState.RUNNING, attempt=1, started_at=now)
        )
        return 1
    connection.execute(
        steps.update()
        .where(here)
        .values(state=StepState.RUNNING, attempt=attempt + 1, started_at=now, ended_at=None, reason="")
    )
    return int(attempt) + 1


def end_step(
    connection: Connection, deployment: DeploymentId, step: StepName, state: StepState, reason: str, now: datetime
) -> float:
    """Record how a step ended; its seconds."""
    here = sa.and_(steps.c.deployment == deployment, steps.c.step == step)
    started = connection.execute(sa.select(steps.c.started_at).where(here)).scalar_one()
    connection.execute(steps.update().where(here).values(state=state, ended_at=now, reason=reason))
    return max(0.0, float((now - started).total_seconds()))


def add_command(connection: Connection, **values: object) -> None:
    connection.execute(commands.insert().values(**values))


def commands_of(connection: Connection, deployment: DeploymentId) -> tuple[Row[tuple[object, ...]], ...]:
    return tuple(
        cast(
            "list[Row[tuple[object, ...]]]",
            connection.execute(
                sa.select(commands).where(commands.c.deployment == deployment).order_by(commands.c.id)
            ).all(),
        )
    )


def succeeded_before(connection: Connection, service: Service, environment: str, commit: CommitHash) -> bool:
    """Whether this commit has ever had the traffic of this environment."""
    return (
        connection.execute(
            sa.select(deployments.c.id)
            .where(
                deployments.c.service == service,
                deployments.c.environment == environment,
                deployments.c.commit == commit,
                deployments.c.state == DeploymentState.SUCCEEDED,
                deployments.c.kind != Kind.CONTRACT,
            )
            .limit(1)
        ).first()
        is not None
    )


def successes(
    connection: Connection, service: Service, environment: str, limit: int = 50
) -> tuple[Row[tuple[object, ...]], ...]:
    """Deployments that got the traffic, newest first."""
    return tuple(
        cast(
            "list[Row[tuple[object, ...]]]",
            connection.execute(
                sa.select(deployments)
                .where(
                    deployments.c.service == service,
                    deployments.c.environment == environment,
                    deployments.c.state == DeploymentState.SUCCEEDED,
                    deployments.c.kind != Kind.CONTRACT,
                )
                .order_by(deployments.c.ended_at.desc(), deployments.c.number.desc())
                .limit(limit)
            ).all(),
        )
    )


def give_up(connection: Connection, service: Service, environment: str, reason: str, *, but: CommitHash | None) -> None:
    """Note on every earlier deployment, but those of one commit, that it is no rollback target any more."""
    change = deployments.update().where(
        deployments.c.service == service,
        deployments.c.environment == environment,
        deployments.c.given_up.is_(None),
    )
    if but is not None:
        change = change.where(deployments.c.commit != but)
    connection.execute(change.values(given_up=reason))


def digests_in_use(connection: Connection, per_environment: int) -> frozenset[str]:
    """Digests of what has not ended and of the newest successes of each environment."""
    places = connection.execute(sa.select(deployments.c.service, deployments.c.environment).distinct()).all()
    found: set[str] = set()
    for place in places:
        kept = [
            row
            for row in successes(connection, Service(place.service), place.environment, limit=per_environment * 4)
            if row._mapping["given_up"] is None
        ]
        found.update(str(row._mapping["digest"]) for row in kept[:per_environment])
    found.update(
        connection.execute(sa.select(deployments.c.digest).where(deployments.c.state.not_in(_ENDED))).scalars()
    )
    return frozenset(found)


def views(
    connection: Connection,
    *,
    deployment: DeploymentId | None = None,
    service: Service | None = None,
    environment: str | None = None,
    services: Iterable[str] | None = None,
    states: Iterable[DeploymentState] | None = None,
    before: int | None = None,
    older_than: DeploymentId | None = None,
    carried_by: Iterable[SetId] | None = None,
    limit: int | None = 20,
) -> tuple[DeploymentView, ...]:
    """Newest first. ``before`` is a number of one service's deployments, ``carried_by`` are sets: those deployments
    that gave them the traffic."""
    query = sa.select(deployments)
    for column, wanted in (
        (deployments.c.id, deployment),
        (deployments.c.service, service),
        (deployments.c.environment, environment),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if services is not None:
        query = query.where(deployments.c.service.in_(list(services)))
    if states is not None:
        query = query.where(deployments.c.state.in_(list(states)))
    if before is not None:
        query = query.where(deployments.c.number < before)
    if older_than is not None:
        query = query.where(deployments.c.id < older_than)
    if carried_by is not None:
        query = query.where(
            deployments.c.set.in_(list(carried_by)),
            deployments.c.switched_at.is_not(None),
            deployments.c.kind != Kind.CONTRACT,
        )
    # Ids sort by the moment they were made; a service's numbers tell apart what was made within a millisecond, too.
    order = deployments.c.id if service is None else deployments.c.number
    rows = connection.execute(query.order_by(order.desc()).limit(limit)).all()
    taken = _steps_of(connection, [row.id for row in rows])
    plain = set(DeploymentView.__slots__) - {"steps"}
    return tuple(
        DeploymentView(**{name: getattr(row, name) for name in plain}, steps=tuple(taken.get(row.id, ())))
        for row in rows
    )


def outcomes(connection: Connection, since: datetime, service: Service | None) -> tuple[Outcome, ...]:
    """What has ended since, oldest first."""
    names = tuple(Outcome.__slots__)
    query = sa.select(*(deployments.c[name] for name in names)).where(
        deployments.c.ended_at >= since, deployments.c.kind != Kind.CONTRACT
    )
    if service is not None:
        query = query.where(deployments.c.service == service)
    rows = connection.execute(query.order_by(deployments.c.ended_at)).all()
    return tuple(Outcome(**row._mapping) for row in rows)


def _steps_of(connection: Connection, identities: list[str]) -> dict[str, list[StepView]]:
    order = {step: place for place, step in enumerate(StepName)}
    found: dict[str, list[StepView]] = {}
    for row in connection.execute(sa.select(steps).where(steps.c.deployment.in_(identities))):
        found.setdefault(row.deployment, []).append(
            StepView(
                name=row.step,
                state=row.state,
                started_at=row.started_at,
                ended_at=row.ended_at,
                reason=row.reason,
            )
        )
    for one in found.values():
        one.sort(key=lambda view: (view.started_at, order[view.name]))
    return found


def pushed_at(connection: Connection, deployment: DeploymentId) -> datetime | None:
    """When the commit this deployment brings was pushed."""
    return connection.execute(sa.select(deployments.c.pushed_at).where(deployments.c.id == deployment)).scalar()
