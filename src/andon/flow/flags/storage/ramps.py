"""The SQL of ramps."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.row import Row

from andon.flow.flags.contract import FlagName, RampId, RampState
from andon.flow.flags.model.flag import Ramp
from andon.flow.flags.storage.tables import ramps
from andon.flow.sources.contract import Service

_UNDER_WAY = [one for one in RampState if not one.ended]


def insert(connection: Connection, flag: str, ramp: Ramp) -> None:
    values = {name: getattr(ramp, name) for name in Ramp.__slots__ if name != "flag"}
    connection.execute(ramps.insert().values(flag=flag, name=ramp.flag, **values))


def find(connection: Connection, identity: RampId, *, lock: bool = False) -> Ramp | None:
    """With ``lock`` it is held against other transactions until this one ends."""
    query = sa.select(ramps).where(ramps.c.id == identity)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _ramp(row)


def update(connection: Connection, identity: RampId, **values: object) -> None:
    connection.execute(ramps.update().where(ramps.c.id == identity).values(**values))


def running(
    connection: Connection,
    *,
    service: Service | None = None,
    environment: str | None = None,
    flag: str | None = None,
    due: datetime | None = None,
) -> tuple[Ramp, ...]:
    """Those that have not ended, oldest first; with ``due`` those whose next step's time has come by then."""
    query = sa.select(ramps).where(ramps.c.state.in_(_UNDER_WAY)).order_by(ramps.c.id)
    if service is not None:
        query = query.where(ramps.c.service == service)
    if environment is not None:
        query = query.where(ramps.c.environment == environment)
    if flag is not None:
        query = query.where(ramps.c.flag == flag)
    if due is not None:
        query = query.where(ramps.c.next_at <= due)
    return tuple(_ramp(row) for row in connection.execute(query))


def watched(connection: Connection, service: Service, environment: str) -> frozenset[str]:
    """Names of the flags whose variants services are to tell the outcomes of."""
    query = sa.select(ramps.c.name).where(
        ramps.c.state.in_(_UNDER_WAY),
        ramps.c.service == service,
        ramps.c.environment == environment,
        ramps.c.judged,
        ramps.c.done > 0,
    )
    return frozenset(connection.execute(query).scalars())


def of_flag(connection: Connection, flag: str, *, limit: int = 20) -> tuple[Ramp, ...]:
    """Newest first."""
    rows = connection.execute(sa.select(ramps).where(ramps.c.flag == flag).order_by(ramps.c.id.desc()).limit(limit))
    return tuple(_ramp(row) for row in rows)


def _ramp(row: Row[tuple[object, ...]]) -> Ramp:
    values = {name: row._mapping[name] for name in Ramp.__slots__ if name != "flag"}
    return Ramp(**values, flag=FlagName(str(row._mapping["name"])))
