"""The SQL of segments and their members."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from andon.flow.flags.contract import SegmentName
from andon.flow.flags.model.flag import SHOWN_MEMBERS, StoredSegment
from andon.flow.flags.storage.tables import members, segments
from andon.flow.sources.contract import Service
from andon_flags.document import Condition, Hashed
from andon_flags.document.model import hash_of

_HALF = 2**63
_AT_ONCE = 5_000


def find(connection: Connection, name: str, *, lock: bool = False) -> StoredSegment | None:
    """With ``lock`` it is held against other transactions until this one ends."""
    query = sa.select(segments).where(segments.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else StoredSegment(**row._mapping)


def named(connection: Connection, names: Iterable[str] | None = None) -> tuple[StoredSegment, ...]:
    query = sa.select(segments).order_by(segments.c.name)
    if names is not None:
        query = query.where(segments.c.name.in_(list(names)))
    return tuple(StoredSegment(**row._mapping) for row in connection.execute(query))


def insert(
    connection: Connection,
    name: SegmentName,
    service: Service,
    description: str,
    when: tuple[tuple[Condition, ...], ...],
    version: int,
    now: datetime,
) -> bool:
    """``False`` when the name is taken."""
    try:
        with connection.begin_nested():
            connection.execute(
                segments.insert().values(
                    name=name, service=service, version=version, description=description, when=when, changed_at=now
                )
            )
    except sa.exc.IntegrityError:
        return False
    return True


def update(connection: Connection, name: str, **values: object) -> None:
    connection.execute(segments.update().where(segments.c.name == name).values(**values))


def delete(connection: Connection, name: str) -> None:
    connection.execute(members.delete().where(members.c.segment == name))
    connection.execute(segments.delete().where(segments.c.name == name))


def add_members(connection: Connection, name: str, edition: int, found: Sequence[str]) -> None:
    """Each once, whoever is there already stays."""
    make = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = make(members).on_conflict_do_nothing()
    rows = {hash_of(one): one for one in found}
    values = [
        {"segment": name, "edition": edition, "hash": key - _HALF, "member": one} for key, one in sorted(rows.items())
    ]
    for start in range(0, len(values), _AT_ONCE):
        connection.execute(statement, values[start : start + _AT_ONCE])


def remove_members(connection: Connection, name: str, edition: int, found: Sequence[str]) -> None:
    for start in range(0, len(found), 500):
        connection.execute(
            members.delete().where(
                members.c.segment == name,
                members.c.edition == edition,
                members.c.hash.in_([hash_of(one) - _HALF for one in found[start : start + 500]]),
            )
        )


def drop_editions(connection: Connection, name: str, *, but: Iterable[int]) -> None:
    connection.execute(members.delete().where(members.c.segment == name, members.c.edition.not_in(sorted(but))))


def drop_edition(connection: Connection, name: str, edition: int) -> None:
    connection.execute(members.delete().where(members.c.segment == name, members.c.edition == edition))


def among(connection: Connection, name: str, edition: int, found: Sequence[str]) -> frozenset[str]:
    """Those of ``found`` that are members."""
    by_hash = {hash_of(one) - _HALF: one for one in found}
    keys = sorted(by_hash)
    there: set[str] = set()
    for start in range(0, len(keys), 500):
        query = sa.select(members.c.hash).where(
            members.c.segment == name,
            members.c.edition == edition,
            members.c.hash.in_(keys[start : start + 500]),
        )
        there.update(by_hash[key] for key in connection.execute(query).scalars())
    return frozenset(there)


def common(connection: Connection, name: str, one: int, other: int) -> int:
    """How many belong to both of two editions."""
    there = members.alias()
    query = (
        sa.select(sa.func.count())
        .select_from(members)
        .join(
            there,
            sa.and_(there.c.segment == name, there.c.edition == other, there.c.hash == members.c.hash),
        )
        .where(members.c.segment == name, members.c.edition == one)
    )
    return connection.execute(query).scalar_one()


def digest(connection: Connection, name: str, edition: int) -> str:
    """Of all members' hashes in ascending order, read in parts: however many there are, few are in memory."""
    told = blake2b(digest_size=8)
    last = -_HALF - 1
    while True:
        query = (
            sa.select(members.c.hash)
            .where(members.c.segment == name, members.c.edition == edition)
            .order_by(members.c.hash)
            .limit(_AT_ONCE)
        )
        part = connection.execute(query if last < -_HALF else query.where(members.c.hash > last)).scalars().all()
        told.update(b"".join((key + _HALF).to_bytes(8, "big") for key in part))
        if len(part) < _AT_ONCE:
            return told.hexdigest()
        last = part[-1]


def size(connection: Connection, name: str, edition: int) -> int:
    return connection.execute(
        sa.select(sa.func.count()).where(members.c.segment == name, members.c.edition == edition)
    ).scalar_one()


def blur(connection: Connection, name: str, edition: int) -> None:
    """Keep no more than the hashes: a large list of users is nothing to be read."""
    connection.execute(
        members.update()
        .where(members.c.segment == name, members.c.edition == edition, members.c.member != "")
        .values(member="")
    )


def members_of(connection: Connection, name: str, edition: int) -> frozenset[str] | Hashed:
    """As documents have them: names while there are few and they are known, else hashes."""
    here = sa.and_(members.c.segment == name, members.c.edition == edition)
    few = connection.execute(sa.select(members.c.member).where(here).limit(SHOWN_MEMBERS + 1)).scalars().all()
    if len(few) <= SHOWN_MEMBERS and all(few):
        return frozenset(few)
    found = array("Q")
    rows = connection.execute(sa.select(members.c.hash).where(here).order_by(members.c.hash)).scalars()
    for part in rows.partitions(50_000):
        found.extend(key + _HALF for key in part)
    return Hashed(found)
