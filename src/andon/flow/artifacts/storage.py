"""The table of artifacts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.flow.artifacts.contract import Artifact, Digest, Provenance
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Instant, Json, metadata

# Keyed by run: two runs may well build the same bytes, and each has published them.
artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("run", sa.String(40), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("service", sa.String(80), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("built_at", Instant, nullable=False),
    sa.Column("provenance", Json(Provenance), nullable=False),
    sa.Column("removed_at", Instant),
    sa.Index(None, "digest"),
    sa.Index(None, "service", "commit"),
    sa.Index(None, "built_at"),
)


def insert(connection: Connection, artifact: Artifact) -> None:
    connection.execute(artifacts.insert().values(**{name: getattr(artifact, name) for name in Artifact.__slots__}))


def of_run(connection: Connection, run: str) -> Artifact | None:
    return _one(connection, sa.select(artifacts).where(artifacts.c.run == run))


def of_digest(connection: Connection, digest: Digest) -> Artifact | None:
    return _one(connection, sa.select(artifacts).where(artifacts.c.digest == digest).order_by(artifacts.c.built_at))


def of_commit(connection: Connection, service: Service, commit: CommitHash) -> Artifact | None:
    return _one(
        connection,
        sa.select(artifacts)
        .where(artifacts.c.service == service, artifacts.c.commit == commit)
        .order_by(artifacts.c.built_at.desc()),
    )


def page(
    connection: Connection,
    *,
    services: Iterable[str] | None,
    service: Service | None,
    commit: str | None,
    before: str | None,
    limit: int,
) -> tuple[Artifact, ...]:
    """Newest first: a run's id sorts by the moment it was made."""
    query = sa.select(artifacts)
    if services is not None:
        query = query.where(artifacts.c.service.in_(list(services)))
    if service is not None:
        query = query.where(artifacts.c.service == service)
    if commit is not None:
        query = query.where(artifacts.c.commit.between(commit, commit + "g"))
    if before is not None:
        query = query.where(artifacts.c.run < before)
    rows = connection.execute(query.order_by(artifacts.c.run.desc()).limit(limit)).all()
    return tuple(Artifact(**row._mapping) for row in rows)


def publications(connection: Connection, digest: str) -> tuple[Artifact, ...]:
    rows = connection.execute(
        sa.select(artifacts)
        .where(artifacts.c.digest.between(digest, digest + "g"))
        .order_by(artifacts.c.built_at.desc())
        .limit(200)
    ).all()
    found = tuple(Artifact(**row._mapping) for row in rows)
    return found if len({one.digest for one in found}) == 1 else ()


def kept_digests(connection: Connection) -> frozenset[Digest]:
    found = connection.execute(
        sa.select(artifacts.c.digest).where(artifacts.c.removed_at.is_(None)).distinct()
    ).scalars()
    return frozenset(Digest(one) for one in found)


def built_before(connection: Connection, moment: datetime) -> tuple[Artifact, ...]:
    """Artifacts that are still there and of which no newer run has published the same bytes since."""
    newest = (
        sa.select(artifacts.c.digest, sa.func.max(artifacts.c.built_at).label("built_at"))
        .where(artifacts.c.removed_at.is_(None))
        .group_by(artifacts.c.digest)
        .subquery()
    )
    rows = connection.execute(
        sa.select(artifacts)
        .join(newest, newest.c.digest == artifacts.c.digest)
        .where(newest.c.built_at < moment, artifacts.c.removed_at.is_(None))
        .order_by(artifacts.c.built_at)
    ).all()
    return tuple(Artifact(**row._mapping) for row in rows)


def mark_removed(connection: Connection, digest: Digest, now: datetime) -> None:
    connection.execute(
        artifacts.update().where(artifacts.c.digest == digest, artifacts.c.removed_at.is_(None)).values(removed_at=now)
    )


def _one(connection: Connection, query: sa.Select[tuple[object, ...]]) -> Artifact | None:
    row = connection.execute(query.limit(1)).first()
    return None if row is None else Artifact(**row._mapping)
