"""The SQL of environments that serve other flags than their own."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.flags.storage.tables import pretences
from andon.flow.pipelines.contract import Pretence, RunId
from andon.flow.sources.contract import Service

_TOLD = [pretences.c[name] for name in Pretence.__slots__]


def document(connection: Connection, service: Service, environment: str) -> bytes | None:
    """What it pretends; ``None`` for an environment that serves its own."""
    found: bytes | None = connection.execute(
        sa.select(pretences.c.document).where(pretences.c.service == service, pretences.c.environment == environment)
    ).scalar()
    return found


def find(connection: Connection, service: Service, environment: str, *, lock: bool = False) -> Pretence | None:
    """With ``lock`` it is held against other transactions until this one ends."""
    query = sa.select(*_TOLD).where(pretences.c.service == service, pretences.c.environment == environment)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Pretence(**row._mapping)


def named(connection: Connection, *, service: Service | None = None, run: RunId | None = None) -> tuple[Pretence, ...]:
    query = sa.select(*_TOLD).order_by(pretences.c.service, pretences.c.environment)
    if service is not None:
        query = query.where(pretences.c.service == service)
    if run is not None:
        query = query.where(pretences.c.run == run)
    return tuple(Pretence(**row._mapping) for row in connection.execute(query))


def put(connection: Connection, one: Pretence, content: bytes) -> bool:
    """``False`` when somebody else was first."""
    try:
        with connection.begin_nested():
            connection.execute(
                pretences.insert().values(document=content, **{name: getattr(one, name) for name in Pretence.__slots__})
            )
    except sa.exc.IntegrityError:
        return False
    return True


def remove(connection: Connection, found: Iterable[Pretence]) -> None:
    for one in found:
        connection.execute(
            pretences.delete().where(pretences.c.service == one.service, pretences.c.environment == one.environment)
        )
