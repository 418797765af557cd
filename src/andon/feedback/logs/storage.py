"""The table of lines that are counted."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.feedback.logs.contract import CountedLine
from andon.kernel.db import Instant, metadata

counted_lines = sa.Table(
    "counted_lines",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("metric", sa.String(200), nullable=False),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("person", sa.String(40), nullable=False),
    sa.UniqueConstraint("service", "metric"),
)


def add(connection: Connection, one: CountedLine) -> bool:
    """Whether it could be: a metric of a service is counted once."""
    row = {name: getattr(one, name) for name in CountedLine.__slots__}
    try:
        with connection.begin_nested():
            connection.execute(counted_lines.insert().values(row))
    except sa.exc.IntegrityError:
        return False
    return True


def find(connection: Connection, identity: str) -> CountedLine | None:
    row = connection.execute(sa.select(counted_lines).where(counted_lines.c.id == identity)).mappings().first()
    return None if row is None else CountedLine(**row)


def remove(connection: Connection, identity: str) -> None:
    connection.execute(counted_lines.delete().where(counted_lines.c.id == identity))


def counted(connection: Connection, service: str | None = None) -> tuple[CountedLine, ...]:
    """By service and metric."""
    table = counted_lines.c
    query = sa.select(counted_lines).order_by(table.service, table.metric)
    if service is not None:
        query = query.where(table.service == service)
    return tuple(CountedLine(**row) for row in connection.execute(query).mappings())
