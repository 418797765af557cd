"""Appending to the record and reading it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from andon.kernel.db import Reading, Transaction
from andon.kernel.events.model import FACETS, Actor, Envelope, Event, digest_of
from andon.kernel.events.sight import ABOUT_ACCOUNTS, ABOUT_TOKENS, Sight, owner_in_data
from andon.kernel.events.storage import events, offsets
from andon.kernel.ids import new_id


def append(tx: Transaction, happened: Event, *, by: Actor) -> str:
    """Write ``happened`` into the record, in the same transaction as the change it tells of; returns its id.

    Raises ``ValueError`` when its subject or a facet does not fit its column: what comes from outside has to be
    checked before it becomes an id.
    """
    data = msgspec.json.encode(happened)
    subject = f"{happened.subject_field}:{getattr(happened, happened.subject_field)}"
    identity = new_id("ev")
    values: dict[str, object] = {
        "id": identity,
        "type": happened.type,
        "at": tx.now,
        "actor": str(by),
        "person": by.person,
        "subject": subject,
        "data": data.decode(),
        "digest": digest_of(id=identity, type=happened.type, at=tx.now, actor=by, subject=subject, data=data),
    }
    for facet in FACETS:
        value = getattr(happened, facet, None)
        if value is not None:
            values[facet] = str(value)
    for name in ("subject", "actor", *FACETS):
        text, kind = str(values.get(name, "")), events.c[name].type
        # The databases would disagree: one cuts nothing and takes NUL, the other refuses both.
        if "\0" in text or (isinstance(kind, sa.String) and kind.length is not None and len(text) > kind.length):
            raise ValueError(f"the {name} of {happened.type} is too long or holds NUL: {ascii(text)[:300]}")
    if tx.connection.dialect.name == "postgresql":
        count = tx.count()
        if count >= 1 << _SHIFT:
            raise RuntimeError(f"no more than {1 << _SHIFT} events fit into one transaction: write them in several")
        values["position"] = sa.literal_column(f"({_NUMBER} << {_SHIFT})", sa.BigInteger) + count
    tx.connection.execute(events.insert().values(**values))
    return identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What a reader of the record is looking for; ``None`` does not filter."""

    type: str | None = None
    """A full type name, or a prefix ending in ``*``."""
    subject: str | None = None
    actor: str | None = None
    person: str | None = None
    service: str | None = None
    environment: str | None = None
    run: str | None = None
    deployment: str | None = None
    commit: str | None = None
    """A full hash or its first characters (at least 4)."""
    since: datetime | None = None
    until: datetime | None = None
    sight: Sight | None = None
    """What the asker may see: ``Principal.sight()``. ``None`` is everything."""


def page(
    reading: Reading,
    facets: Facets | None = None,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> tuple[Envelope, ...]:
    """Events that match, newest first (with ``after``: oldest first, those behind that position)."""
    query = sa.select(events).where(*_conditions(facets or Facets()))
    if before is not None:
        query = query.where(events.c.position < before)
    if after is not None:
        query = query.where(events.c.position > after, _settled(reading.connection))
        query = query.order_by(events.c.position.asc())
    else:
        query = query.order_by(events.c.position.desc())
    rows = reading.connection.execute(query.limit(limit)).mappings()
    return tuple(_envelope(row) for row in rows)


def places_and_persons(
    reading: Reading, facets: Facets, *, newest: int = 5000
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Services, environments and persons that the newest events which match are about or by."""
    among = (
        sa.select(events.c.service, events.c.environment, events.c.person)
        .where(*_conditions(facets))
        .order_by(events.c.position.desc())
        .limit(newest)
        .subquery()
    )
    rows = reading.connection.execute(sa.select(among).distinct()).all()
    services, environments, persons = (frozenset(str(row[place]) for row in rows if row[place]) for place in range(3))
    return services, environments, persons


def find(reading: Reading, identity: str) -> Envelope | None:
    """The event with this id."""
    row = reading.connection.execute(sa.select(events).where(events.c.id == identity)).mappings().first()
    return None if row is None else _envelope(row)


def at_position(reading: Reading, position: int) -> Envelope | None:
    """The event that stands there."""
    row = reading.connection.execute(sa.select(events).where(events.c.position == position)).mappings().first()
    return None if row is None else _envelope(row)


def latest_position(reading: Reading) -> int:
    """The position of the newest event behind which no transaction is still open; 0 for an empty record."""
    query = sa.select(events.c.position).where(_settled(reading.connection)).order_by(events.c.position.desc())
    return reading.connection.execute(query.limit(1)).scalar() or 0


# PostgreSQL shows commits in another order than a sequence hands out numbers: of two open transactions the one with
# the higher position may commit first, and a reader that went on to it would never see the other. So a position is
# the number of its transaction, shifted, plus a count within it. A reader stays below the oldest transaction that is
# still open: everything there has ended, and nothing can appear there any more.
_SHIFT = 16
_OFFSET = "(SELECT coalesce(max(value), 0) FROM event_offset)"
_NUMBER = f"(pg_current_xact_id()::text::bigint + {_OFFSET})"
_OLDEST_OPEN = f"(pg_snapshot_xmin(pg_current_snapshot())::text::bigint + {_OFFSET})"


def align_positions(tx: Transaction) -> None:
    """Make new positions grow beyond all there are, after the record was brought to another PostgreSQL server, whose
    transaction numbers begin anew. To be called at start, before anything is appended; does nothing otherwise."""
    if tx.connection.dialect.name != "postgresql":
        return
    newest = tx.connection.execute(sa.select(sa.func.max(events.c.position))).scalar() or 0
    number = tx.connection.execute(sa.text(f"SELECT {_NUMBER}")).scalar_one()
    missing = (newest >> _SHIFT) + 1 - number
    if missing > 0:
        current = tx.connection.execute(sa.text(f"SELECT {_OFFSET}")).scalar_one()
        tx.connection.execute(offsets.delete())
        tx.connection.execute(offsets.insert().values(value=current + missing))


def _settled(connection: Connection) -> sa.ColumnElement[bool]:
    if connection.dialect.name == "postgresql":
        return events.c.position < sa.literal_column(f"({_OLDEST_OPEN} << {_SHIFT})", sa.BigInteger)
    # SQLite has one writer: positions become visible in order.
    return sa.true()


def _conditions(facets: Facets) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if facets.type is not None:
        found.append(
            events.c.type.startswith(facets.type[:-1], autoescape=True)
            if facets.type.endswith("*")
            else events.c.type == facets.type
        )
    for name in ("subject", "actor", "person", "service", "environment", "run", "deployment"):
        wanted = getattr(facets, name)
        if wanted is not None:
            found.append(events.c[name] == wanted)
    if facets.commit is not None:
        # As a range, so that the index serves it: "g" comes after every hexadecimal digit.
        found.append(events.c.commit.between(facets.commit, facets.commit + "g"))
    if facets.since is not None:
        found.append(events.c.at >= facets.since)
    if facets.until is not None:
        found.append(events.c.at < facets.until)
    if facets.sight is not None:
        found.append(_seen(facets.sight))
    return found


def _seen(sight: Sight) -> sa.ColumnElement[bool]:
    """:meth:`Sight.covers`, asked of the database."""
    about_account = sa.or_(*(events.c.type.startswith(prefix, autoescape=True) for prefix in ABOUT_ACCOUNTS))
    seen: list[sa.ColumnElement[bool]] = []
    if sight.services is None:
        seen.append(sa.not_(about_account))
    else:
        of_service = sa.or_(events.c.service.is_(None), events.c.service.in_(sight.services))
        seen.append(sa.and_(sa.not_(about_account), of_service))
    if sight.accounts:
        seen.append(about_account)
    elif sight.account is not None:
        seen.append(sa.and_(about_account, events.c.subject == f"person:{sight.account}"))
        own_token = events.c.data.contains(owner_in_data(sight.account), autoescape=True)
        seen.append(sa.and_(events.c.type.startswith(ABOUT_TOKENS, autoescape=True), own_token))
    return sa.or_(*seen)


def _envelope(row: sa.RowMapping) -> Envelope:
    at = row["at"]
    position = row["position"]
    assert isinstance(at, datetime)  # noqa: S101 - the column's type
    assert isinstance(position, int)  # noqa: S101 - the column's type
    person = row["person"]
    return Envelope(
        position=position,
        id=str(row["id"]),
        type=str(row["type"]),
        at=at,
        actor=Actor.parse(str(row["actor"]), None if person is None else str(person)),
        subject=str(row["subject"]),
        data=str(row["data"]).encode(),
        digest=str(row["digest"]),
        facets={name: str(row[name]) for name in FACETS if row[name] is not None},
    )
