"""The tables of judged ramps and the SQL that touches them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.feedback.judge.contract import Because, Verdict
from andon.feedback.ramps.model.looks import LookRecord, Sides
from andon.feedback.ramps.model.verdicts import MetricVerdict
from andon.flow.flags.contract import RampId
from andon.flow.sources.contract import Service
from andon.kernel.db import Enumeration, Instant, Json, metadata

watches = sa.Table(
    "ramp_watches",
    metadata,
    sa.Column("ramp", sa.String(40), primary_key=True),
    sa.Column("began", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("events", Json(tuple[str, ...]), nullable=False),
    sa.Column("step", sa.Integer, nullable=False, server_default="0"),
    sa.Column("verdict", Enumeration(Verdict)),
    sa.Column("because", Enumeration(Because)),
    sa.Column("sentence", sa.Text, nullable=False, server_default=""),
    sa.Column("metrics", Json(tuple[MetricVerdict, ...]), nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("at", Instant),
)

looks = sa.Table(
    "ramp_looks",
    metadata,
    sa.Column("ramp", sa.String(40), sa.ForeignKey("ramp_watches.ramp"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("share", sa.Float),
    sa.Column("sides", Json(Sides)),
)

# services whose processes said that they can tell how requests end
listeners = sa.Table(
    "ramp_listeners",
    metadata,
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("events", Json(tuple[str, ...]), nullable=False),
    sa.Column("last_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known of a ramp. Times are milliseconds since 1970, but for ``at``."""

    ramp: RampId
    began: int
    until: int
    """Up to where telemetry was asked."""
    events: tuple[str, ...]
    step: int = 0
    """In which the verdict was given."""
    verdict: Verdict | None = None
    because: Because | None = None
    sentence: str = ""
    metrics: tuple[MetricVerdict, ...] = ()
    requests: int = 0
    """Of those who were served the variant, in the whole ramp."""
    failed: int = 0
    at: datetime | None = None


def find(connection: Connection, ramp: RampId) -> Watch | None:
    row = connection.execute(sa.select(watches).where(watches.c.ramp == ramp)).first()
    return None if row is None else Watch(**{name: row._mapping[name] for name in Watch.__slots__})


def put(connection: Connection, watch: Watch) -> None:
    values = {name: getattr(watch, name) for name in Watch.__slots__}
    if not connection.execute(watches.update().where(watches.c.ramp == watch.ramp).values(**values)).rowcount:
        connection.execute(watches.insert().values(**values))


def looks_of(connection: Connection, ramp: RampId) -> tuple[LookRecord, ...]:
    """Oldest first."""
    rows = connection.execute(sa.select(looks).where(looks.c.ramp == ramp).order_by(looks.c.number))
    return tuple(LookRecord(**{name: row._mapping[name] for name in LookRecord.__slots__}) for row in rows)


def add(connection: Connection, ramp: RampId, record: LookRecord) -> None:
    connection.execute(looks.insert().values(ramp=ramp, **_values(record)))


def exchange(connection: Connection, ramp: RampId, records: Sequence[LookRecord]) -> None:
    """Let these be all that is kept."""
    connection.execute(looks.delete().where(looks.c.ramp == ramp))
    connection.execute(looks.insert(), [{"ramp": ramp, **_values(one)} for one in records])


def heard(connection: Connection, service: Service, environment: str, events: tuple[str, ...], now: datetime) -> None:
    where = sa.and_(listeners.c.service == service, listeners.c.environment == environment)
    if not connection.execute(listeners.update().where(where).values(events=events, last_at=now)).rowcount:
        connection.execute(
            listeners.insert().values(service=service, environment=environment, events=events, last_at=now)
        )


def listener(connection: Connection, service: Service, environment: str) -> tuple[tuple[str, ...], datetime] | None:
    """What its business counts, and when it told last that it can tell outcomes."""
    where = sa.and_(listeners.c.service == service, listeners.c.environment == environment)
    row = connection.execute(sa.select(listeners).where(where)).first()
    return None if row is None else (row.events, row.last_at)


def _values(record: LookRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in LookRecord.__slots__}
