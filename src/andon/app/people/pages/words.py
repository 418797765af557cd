"""How roles and people read in the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from andon.kernel.access import Grant, PersonId, Role
from andon.kernel.access.roster import Member
from andon.web.model import State

LIST = "/people"
MAY: Mapping[Role, str] = {
    Role.VIEWER: "sees services, runs, deployments, logs and the record",
    Role.CONTRIBUTOR: "also pushes, starts and cancels runs, makes environments of their own",
    Role.DEVELOPER: "also deploys and rolls back",
    Role.OPERATOR: "also sets configuration and secrets, destroys environments, runs contract migrations",
    Role.ADMINISTRATOR: "everything: people, roles, repositories, overriding, dead letters",
}
"""What each role adds to the one before, as docs/guide/roles.md says it."""


def person_address(person: PersonId) -> str:
    return f"{LIST}/{quote(person, safe='')}"


def place(grant: Grant) -> str:
    """Where a role holds: "everywhere", "on store", "on production of store"."""
    if grant.service is None:
        return "everywhere"
    return f"on {grant.environment} of {grant.service}" if grant.environment else f"on {grant.service}"


def role(grant: Grant) -> str:
    """ "developer on store"."""
    return f"{grant.role} {place(grant)}"


def listed(words: Sequence[str]) -> str:
    """ "Brent, Bill and Maxine"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody has come: ``state`` and ``word`` for a badge, ``until`` for the link that is open."""

    state: State
    word: str
    until: datetime | None = None


def standing(one: Member) -> Standing:
    if one.person.erased_at is not None:
        return Standing(State.NONE, "erased")
    if one.person.joined:
        return Standing(State.OK, "joined", one.invited_until)
    if one.invited_until is None:
        return Standing(State.WARN, "invitation ran out")
    return Standing(State.HOLD, "invited", one.invited_until)
