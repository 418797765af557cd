"""The tables of annotations and dashboards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.feedback.graphs.contract import AnnotationId, DashboardName
from andon.feedback.graphs.model.panels import Dashboard
from andon.flow.sources.contract import Service
from andon.kernel.db import Instant, Json, metadata

notes = sa.Table(
    "graph_annotations",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(80)),
    sa.Column("environment", sa.String(80)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("until", Instant),
    sa.Column("person", sa.String(40), nullable=False),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Index(None, "at"),
)

dashboards = sa.Table(
    "dashboard_versions",
    metadata,
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("removed", sa.Boolean, nullable=False),
    sa.Column("definition", Json(Dashboard), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("person", sa.String(40)),
)


class StoredAnnotation(NamedTuple):
    id: AnnotationId
    service: Service | None
    environment: str | None
    text: str
    at: datetime
    until: datetime | None
    person: str
    event: str


class StoredDashboard(NamedTuple):
    dashboard: Dashboard
    version: int
    removed: bool
    at: datetime
    person: str | None


def add_annotation(connection: Connection, one: StoredAnnotation) -> None:
    connection.execute(notes.insert().values(one._asdict()))


def annotation(connection: Connection, identity: str) -> StoredAnnotation | None:
    row = connection.execute(sa.select(notes).where(notes.c.id == identity)).mappings().first()
    return None if row is None else StoredAnnotation(**row)


def delete_annotation(connection: Connection, identity: str) -> None:
    connection.execute(notes.delete().where(notes.c.id == identity))


def annotations_between(
    connection: Connection,
    start: datetime,
    end: datetime,
    *,
    services: Iterable[str] | None,
    service: str | None,
    environment: str | None,
    limit: int,
) -> tuple[StoredAnnotation, ...]:
    """Those that touch the time, the newest first; ``services`` may be seen (``None`` is all)."""
    table = notes.c
    query = sa.select(notes).where(table.at < end, sa.func.coalesce(table.until, table.at) >= start)
    if services is not None:
        query = query.where(sa.or_(table.service.is_(None), table.service.in_(sorted(services))))
    if service is not None:
        query = query.where(sa.or_(table.service.is_(None), table.service == service))
    if environment is not None:
        query = query.where(sa.or_(table.environment.is_(None), table.environment == environment))
    rows = connection.execute(query.order_by(table.at.desc()).limit(limit)).mappings()
    return tuple(StoredAnnotation(**row) for row in rows)


def add_version(connection: Connection, name: DashboardName, one: StoredDashboard) -> bool:
    """Whether it could be: another transaction may have taken the number."""
    row = {
        "name": name,
        "version": one.version,
        "removed": one.removed,
        "definition": one.dashboard,
        "at": one.at,
        "person": one.person,
    }
    try:
        with connection.begin_nested():
            connection.execute(dashboards.insert().values(row))
    except sa.exc.IntegrityError:
        return False
    return True


def versions(connection: Connection, name: str, limit: int) -> tuple[StoredDashboard, ...]:
    """The newest first."""
    query = sa.select(dashboards).where(dashboards.c.name == name).order_by(dashboards.c.version.desc()).limit(limit)
    return tuple(_dashboard(row) for row in connection.execute(query).mappings())


def newest_dashboards(connection: Connection) -> tuple[StoredDashboard, ...]:
    """The newest version of each, by name."""
    newest = sa.select(dashboards.c.name, sa.func.max(dashboards.c.version).label("version")).group_by(
        dashboards.c.name
    )
    among = newest.subquery()
    query = (
        sa.select(dashboards)
        .join(among, sa.and_(dashboards.c.name == among.c.name, dashboards.c.version == among.c.version))
        .order_by(dashboards.c.name)
    )
    return tuple(_dashboard(row) for row in connection.execute(query).mappings())


def _dashboard(row: sa.RowMapping) -> StoredDashboard:
    return StoredDashboard(row["definition"], row["version"], row["removed"], row["at"], row["person"])
