"""Everybody as an administrator sees them: beside who they are, whether they have come and when they were seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from andon.kernel.access.model import PersonId
from andon.kernel.access.people import Person, all_people
from andon.kernel.access.storage import links, sessions, tokens
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    person: Person
    invited_until: datetime | None
    """When their one-time link ends; ``None`` when none is open."""
    seen_at: datetime | None
    """When a session or token of theirs was last used, of those that are still there; ``None`` is not known."""


def roster(reading: Reading) -> tuple[Member, ...]:
    """Everybody who has or had an account, by name; the erased last."""
    invited = {
        PersonId(row.person): row.until
        for row in reading.connection.execute(
            sa.select(links.c.person, sa.func.max(links.c.expires_at, type_=links.c.expires_at.type).label("until"))
            .where(links.c.person.is_not(None), links.c.used_at.is_(None), links.c.expires_at > reading.now)
            .group_by(links.c.person)
        )
    }
    seen = _newest(_used(reading, sessions, "seen_at"), _used(reading, tokens, "used_at"))
    found = (
        Member(person=one, invited_until=invited.get(one.id), seen_at=seen.get(one.id)) for one in all_people(reading)
    )
    return tuple(sorted(found, key=place_in_roster))


def place_in_roster(one: Member) -> tuple[bool, str, str]:
    """What the roster is sorted by."""
    return one.person.erased_at is not None, one.person.name.casefold(), one.person.id


def member(reading: Reading, person: str) -> Member:
    """One of the roster, by id. Raises :class:`NotFound`."""
    for one in roster(reading):
        if one.person.id == person:
            return one
    raise NotFound("There is no such person.", remedy="Look for them among the people.")


def _used(reading: Reading, table: sa.Table, column: str) -> Mapping[PersonId, datetime]:
    used = table.c[column]
    rows = reading.connection.execute(
        sa.select(table.c.person, sa.func.max(used, type_=used.type).label("at"))
        .where(used.is_not(None))
        .group_by(table.c.person)
    )
    return {PersonId(row.person): row.at for row in rows}


def _newest(*known: Mapping[PersonId, datetime]) -> Mapping[PersonId, datetime]:
    newest: dict[PersonId, datetime] = {}
    for one in known:
        for person, at in one.items():
            newest[person] = max(at, newest.get(person, at))
    return newest
