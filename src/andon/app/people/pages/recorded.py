"""What the record tells of a person: who gave them their roles, what happened lately, what was done a moment ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from andon.app.people.pages.words import person_address, role
from andon.kernel.access import Grant, PersonId
from andon.kernel.access.contract import RoleGranted, RoleRevoked
from andon.kernel.access.roster import Member
from andon.kernel.db import Reading
from andon.kernel.events import Envelope, Facets, page
from andon.kernel.events.record import at_position
from andon.web.shell import Action

SHOWN = 20
UNDO_FOR = timedelta(minutes=10)
"""So long a page offers to take back the role that was granted or revoked."""
_LOOKED_AT = 500
"""Grants that are read at most to tell who gave the roles somebody has."""


def granted(reading: Reading, person: PersonId) -> Mapping[Grant, Envelope]:
    """The newest event that granted each role."""
    found: dict[Grant, Envelope] = {}
    wanted = Facets(type=RoleGranted.type, subject=f"person:{person}")
    for one in page(reading, wanted, limit=_LOOKED_AT):
        if (grant := _grant(one)) is not None:
            found.setdefault(grant, one)
    return found


def history(reading: Reading, person: PersonId) -> tuple[Envelope, ...]:
    """What they did and what was done to their account, newest first."""
    did = page(reading, Facets(person=person), limit=SHOWN)
    about = page(reading, Facets(subject=f"person:{person}"), limit=SHOWN)
    both = {one.position: one for one in (*did, *about)}
    return tuple(both[position] for position in sorted(both, reverse=True)[:SHOWN])


def newest_change(reading: Reading, person: PersonId, grant: Grant) -> str:
    """The position of the event that last changed this role; empty when another role was changed since."""
    wanted = Facets(type="dev.andon.role.*", subject=f"person:{person}")
    found = next(iter(page(reading, wanted, limit=1)), None)
    return str(found.position) if found is not None and _grant(found) == grant else ""


def undoable(reading: Reading, position: str, one: Member, asker: PersonId | None) -> tuple[str, Action] | None:
    """The sentence for what the asker just did to a role, and the way back.

    Told by the record and not by the address: a link that somebody sends must not put words on this page, nor a button
    that does something else than it says.
    """
    if not (position.isascii() and position.isdigit() and len(position) < 19):
        return None
    found = at_position(reading, int(position))
    if found is None or found.actor.person != asker or reading.now - found.at > UNDO_FOR:
        return None
    grant, name, href = _grant(found), one.person.name, person_address(one.person.id)
    if grant is None or found.subject != f"person:{one.person.id}":
        return None
    fields = role_fields(grant)
    if found.type == RoleGranted.type and grant in one.person.grants:
        return f"{name} is now {role(grant)}", Action("Undo", f"{href}/roles/revoke", hidden=fields)
    if found.type == RoleRevoked.type and grant not in one.person.grants:
        return f"{name} is no longer {role(grant)}", Action("Undo", f"{href}/roles", hidden=fields)
    return None


def role_fields(grant: Grant) -> tuple[tuple[str, str], ...]:
    """A role as a form sends it."""
    return ("role", grant.role.value), ("service", grant.service or ""), ("environment", grant.environment or "")


def _grant(one: Envelope) -> Grant | None:
    happened = one.decode()
    if not isinstance(happened, RoleGranted | RoleRevoked):
        return None
    return Grant(happened.role, happened.service, happened.environment)
