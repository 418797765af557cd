"""The SQL of segments' versions and of changes that wait."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.row import Row

from andon.flow.flags.contract import ProposalId, ProposalState
from andon.flow.flags.model.segment import SegmentChange, SegmentProposal, SegmentVersion
from andon.flow.flags.storage.tables import segment_proposals as proposals
from andon.flow.flags.storage.tables import segment_versions as versions
from andon.flow.sources.contract import Service

_OPEN = proposals.c.state == ProposalState.OPEN


def add_version(connection: Connection, one: SegmentVersion) -> None:
    connection.execute(versions.insert().values({name: getattr(one, name) for name in SegmentVersion.__slots__}))


def newest_version(connection: Connection, segment: str) -> int:
    """Of all segments that ever had the name; 0 for none."""
    query = sa.select(sa.func.max(versions.c.number)).where(versions.c.segment == segment)
    return int(connection.execute(query).scalar() or 0)


def history(connection: Connection, segment: str, service: Service, *, limit: int) -> tuple[SegmentVersion, ...]:
    """Newest first; not those that another service made under the same name."""
    query = (
        sa.select(versions)
        .where(versions.c.segment == segment, versions.c.service == service)
        .order_by(versions.c.number.desc())
        .limit(limit)
    )
    return tuple(SegmentVersion(**row._mapping) for row in connection.execute(query))


def forget_names(connection: Connection, segment: str) -> None:
    """Of members, in all versions."""
    rows = connection.execute(sa.select(versions.c.number, versions.c.members).where(versions.c.segment == segment))
    for number, members in rows.all():
        here = sa.and_(versions.c.segment == segment, versions.c.number == number)
        connection.execute(versions.update().where(here).values(members=members.unnamed()))


def add_proposal(connection: Connection, one: SegmentProposal) -> None:
    connection.execute(proposals.insert().values({name: getattr(one, name) for name in SegmentProposal.__slots__}))


def proposal(connection: Connection, identity: ProposalId, *, lock: bool = False) -> SegmentProposal | None:
    """With ``lock`` it is held against other transactions until this one ends."""
    query = sa.select(proposals).where(proposals.c.id == identity)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _proposal(row)


def waiting(connection: Connection, segment: str | None = None, *, limit: int = 500) -> tuple[SegmentProposal, ...]:
    """Newest first."""
    query = sa.select(proposals).where(_OPEN).order_by(proposals.c.id.desc()).limit(limit)
    if segment is not None:
        query = query.where(proposals.c.segment == segment)
    return tuple(_proposal(row) for row in connection.execute(query))


def decide(connection: Connection, one: SegmentProposal, state: ProposalState, by: str | None, now: datetime) -> bool:
    """Whoever it named is forgotten: what counts is in a version."""
    changed = connection.execute(
        proposals.update()
        .where(proposals.c.id == one.id, _OPEN)
        .values(state=state, decided_by=by, decided_at=now, change=SegmentChange(), members=one.members.unnamed())
    )
    return changed.rowcount > 0


def _proposal(row: Row[tuple[object, ...]]) -> SegmentProposal:
    told = dict(row._mapping)
    told["places"] = tuple((Service(service), environment) for service, environment in row._mapping["places"])
    return SegmentProposal(**told)
