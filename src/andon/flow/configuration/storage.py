"""The table of configuration values: every value ever set, by version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.sources.contract import Service
from andon.kernel.db import Instant, metadata

values = sa.Table(
    "config_values",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("secret", sa.Boolean, nullable=False),
    sa.Column("value", sa.LargeBinary),
    sa.Column("person", sa.String(40)),
    sa.Column("at", Instant, nullable=False),
)


class StoredValue(NamedTuple):
    name: str
    secret: bool
    value: bytes | None
    """``None`` was removed; a secret's bytes are sealed."""
    version: int
    at: datetime
    person: str | None


def newest(connection: Connection, service: Service, environment: str) -> int:
    found = connection.execute(
        sa.select(sa.func.max(values.c.version)).where(values.c.service == service, values.c.environment == environment)
    ).scalar()
    return found or 0


def add(
    connection: Connection,
    service: Service,
    environment: str,
    *,
    version: int,
    name: str,
    secret: bool,
    value: bytes | None,
    person: str | None,
    now: datetime,
) -> bool:
    """Whether it could be: another transaction may have taken the version."""
    row = {
        "service": service,
        "environment": environment,
        "version": version,
        "name": name,
        "secret": secret,
        "value": value,
        "person": person,
        "at": now,
    }
    try:
        with connection.begin_nested():
            connection.execute(values.insert().values(row))
    except sa.exc.IntegrityError:
        return False
    return True


def at_version(connection: Connection, service: Service, environment: str, version: int) -> Mapping[str, StoredValue]:
    """Each name's newest value up to a version, the removed ones too."""
    rows = connection.execute(
        sa.select(values)
        .where(values.c.service == service, values.c.environment == environment, values.c.version <= version)
        .order_by(values.c.version)
    ).all()
    return {row.name: StoredValue(row.name, row.secret, row.value, row.version, row.at, row.person) for row in rows}


def delete(connection: Connection, service: Service, environment: str) -> None:
    """Every version of everything."""
    connection.execute(values.delete().where(values.c.service == service, values.c.environment == environment))
