"""What the rest of Andon may know of people: their ids, what happened to them, and a question for their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from andon.kernel.access.model import OPERATOR, Permission, PersonId, Role
from andon.kernel.events.model import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading

__all__ = [
    "ERASED",
    "OPERATOR",
    "UNKNOWN",
    "PasswordChanged",
    "People",
    "PersonErased",
    "PersonId",
    "PersonInvited",
    "PersonJoined",
    "RoleGranted",
    "RoleRevoked",
    "SignInFailed",
    "SignedIn",
    "SignedOut",
    "TokenCreated",
    "TokenRevoked",
]

ERASED = "erased person"
"""The name of whoever asked to be forgotten; the record keeps the id."""

UNKNOWN = PersonId("unknown")
"""Stands in a failed sign-in for a name that nobody has."""


class People(Protocol):
    def names(self, reading: Reading, ids: Iterable[str]) -> Mapping[PersonId, str]:
        """The name of each id asked for: :data:`ERASED` for the erased, the id itself for one nobody has."""
        ...


@event("dev.andon.person.invited.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class PersonInvited(Event):
    """A person was given a one-time link to choose a password."""

    person: PersonId


@event("dev.andon.person.joined.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class PersonJoined(Event):
    """A person chose a password through a one-time link: an account exists from now on."""

    person: PersonId


@event("dev.andon.person.erased.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErased(Event):
    """A person's name, address and credentials were removed for good."""

    person: PersonId


@event("dev.andon.person.signed-in.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    """A person signed in to the console; ``session`` is the session's public id."""

    person: PersonId
    session: str


@event("dev.andon.person.sign-in-failed.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFailed(Event):
    """Somebody gave a wrong password for ``person``, or a name that nobody has (``unknown``)."""

    person: PersonId


@event("dev.andon.person.signed-out.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(Event):
    """A session was ended before its time."""

    person: PersonId
    session: str


@event("dev.andon.person.password-changed.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """A person chose a new password; all other sessions of theirs ended."""

    person: PersonId


@event("dev.andon.token.created.v1", subject="token")
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated(Event):
    """A token for programs was made. ``scopes`` and ``services`` are ``None`` where it is not restricted."""

    token: str
    person: PersonId
    scopes: tuple[Permission, ...] | None
    services: tuple[str, ...] | None
    expires_at: datetime | None


@event("dev.andon.token.revoked.v1", subject="token")
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    """A token does no longer open anything."""

    token: str
    person: PersonId


@event("dev.andon.role.granted.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(Event):
    """A person may do more: ``None`` as service or environment is all of them."""

    person: PersonId
    role: Role
    service: str | None
    environment: str | None


@event("dev.andon.role.revoked.v1", subject="person")
@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRevoked(Event):
    """A person may do less."""

    person: PersonId
    role: Role
    service: str | None
    environment: str | None
