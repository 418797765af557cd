"""The tables of environments and the SQL that touches them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from andon.flow.environments.contract import Health, InstanceId, SetId, SetState, Standing
from andon.flow.environments.model import Instance, InstanceSet, SetDefinition
from andon.flow.sources.contract import Service
from andon.kernel.db import Enumeration, Instant, Json, metadata

environments = sa.Table(
    "environments",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("like", sa.String(80), nullable=False),
    sa.Column("port", sa.Integer, nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("expires_at", Instant),
)

sets = sa.Table(
    "instance_sets",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("environment", sa.String(80), nullable=False),
    sa.Column("deployment", sa.String(40), nullable=False, unique=True),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("config_version", sa.Integer, nullable=False),
    sa.Column("standing", Enumeration(Standing), nullable=False),
    sa.Column("state", Enumeration(SetState), nullable=False),
    sa.Column("definition", Json(SetDefinition), nullable=False),
    sa.Column("unpacked", sa.Integer, nullable=False, server_default="0"),
    sa.Column("drift", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("stopped_at", Instant),
    sa.Index(None, "service", "environment", "standing"),
    sa.Index(None, "stopped_at"),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("set", sa.String(40), sa.ForeignKey("instance_sets.id"), nullable=False),
    sa.Column("process", sa.String(80), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("health", Enumeration(Health), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("since", Instant, nullable=False),
    sa.Column("restarts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("earlier", sa.Integer, nullable=False, server_default="0"),
    sa.Column("life", sa.Integer, nullable=False, server_default="1"),
    sa.Column("port", sa.Integer),
    sa.Column("rebuild", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("set", "process", "number"),
)


def environment(connection: Connection, service: Service, name: str) -> Row[tuple[object, ...]] | None:
    row: Row[tuple[object, ...]] | None = connection.execute(
        sa.select(environments).where(environments.c.service == service, environments.c.name == name)
    ).first()
    return row


def lock_environment(connection: Connection, service: Service, name: str) -> Row[tuple[object, ...]] | None:
    """Its row, which nobody else can change or remove until the transaction ends."""
    here = sa.and_(environments.c.service == service, environments.c.name == name)
    row: Row[tuple[object, ...]] | None = connection.execute(
        sa.select(environments).where(here).with_for_update()
    ).first()
    return row


def all_environments(connection: Connection, service: Service | None) -> list[Row[tuple[object, ...]]]:
    query = sa.select(environments)
    if service is not None:
        query = query.where(environments.c.service == service)
    return list(connection.execute(query.order_by(environments.c.service, environments.c.created_at)).all())


def ports(connection: Connection) -> frozenset[int]:
    return frozenset(connection.execute(sa.select(environments.c.port)).scalars())


def insert_environment(connection: Connection, **values: object) -> bool:
    """Whether it could be: another transaction may just have taken the port, or made the same environment."""
    try:
        with connection.begin_nested():
            connection.execute(environments.insert().values(**values))
    except sa.exc.IntegrityError:
        return False
    return True


def update_environment(connection: Connection, service: Service, name: str, **values: object) -> None:
    connection.execute(
        environments.update().where(environments.c.service == service, environments.c.name == name).values(**values)
    )


def has_standing(connection: Connection, service: Service, name: str) -> bool:
    """Whether a set of the environment is not retired."""
    query = sa.select(sets.c.id).where(
        sets.c.service == service, sets.c.environment == name, sets.c.standing != Standing.RETIRED
    )
    return connection.execute(query.limit(1)).first() is not None


def delete_environment(connection: Connection, service: Service, name: str) -> bool:
    gone = connection.execute(
        environments.delete().where(environments.c.service == service, environments.c.name == name)
    )
    return bool(gone.rowcount)


def expired(connection: Connection, now: datetime) -> tuple[tuple[Service, str], ...]:
    rows = connection.execute(
        sa.select(environments.c.service, environments.c.name).where(environments.c.expires_at <= now)
    ).all()
    return tuple((Service(row.service), row.name) for row in rows)


def insert_set(connection: Connection, made: InstanceSet) -> None:
    connection.execute(sets.insert().values(**{name: getattr(made, name) for name in InstanceSet.__slots__}))


def set_of_deployment(connection: Connection, deployment: str) -> SetId | None:
    found = connection.execute(sa.select(sets.c.id).where(sets.c.deployment == deployment)).scalar()
    return None if found is None else SetId(found)


def load_set(connection: Connection, identity: SetId) -> InstanceSet | None:
    row = connection.execute(sa.select(sets).where(sets.c.id == identity)).first()
    return None if row is None else InstanceSet(**row._mapping)


def update_set(connection: Connection, identity: SetId, **values: object) -> None:
    connection.execute(sets.update().where(sets.c.id == identity).values(**values))


def standing_sets(
    connection: Connection, service: Service | None = None, name: str | None = None
) -> tuple[InstanceSet, ...]:
    """Sets that are not retired."""
    query = sa.select(sets).where(sets.c.standing != Standing.RETIRED)
    if service is not None:
        query = query.where(sets.c.service == service)
    if name is not None:
        query = query.where(sets.c.environment == name)
    return tuple(InstanceSet(**row._mapping) for row in connection.execute(query.order_by(sets.c.created_at.desc())))


def retired_running(
    connection: Connection, service: Service | None = None, name: str | None = None
) -> tuple[SetId, ...]:
    query = sa.select(sets.c.id).where(sets.c.standing == Standing.RETIRED, sets.c.stopped_at.is_(None))
    if service is not None:
        query = query.where(sets.c.service == service)
    if name is not None:
        query = query.where(sets.c.environment == name)
    return tuple(SetId(one) for one in connection.execute(query).scalars())


def insert_instances(connection: Connection, made: Iterable[Instance]) -> None:
    rows = [{name: getattr(one, name) for name in Instance.__slots__} for one in made]
    if rows:
        connection.execute(instances.insert(), rows)


def instances_of(connection: Connection, identity: SetId) -> tuple[Instance, ...]:
    rows = connection.execute(
        sa.select(instances).where(instances.c.set == identity).order_by(instances.c.process, instances.c.number)
    ).all()
    return tuple(Instance(**row._mapping) for row in rows)


def instances_of_sets(connection: Connection, identities: Iterable[SetId]) -> tuple[Instance, ...]:
    rows = connection.execute(
        sa.select(instances)
        .where(instances.c.set.in_(list(identities)))
        .order_by(instances.c.process, instances.c.number)
    ).all()
    return tuple(Instance(**row._mapping) for row in rows)


def load_instance(connection: Connection, identity: InstanceId) -> Instance | None:
    row = connection.execute(sa.select(instances).where(instances.c.id == identity)).first()
    return None if row is None else Instance(**row._mapping)


def update_instance(connection: Connection, identity: InstanceId, **values: object) -> None:
    connection.execute(instances.update().where(instances.c.id == identity).values(**values))
