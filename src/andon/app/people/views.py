"""Shapes of the API of people, tokens and roles; server and command line share them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from andon.kernel.access.model import Grant, Permission, Role

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.kernel.access.people import Person
    from andon.kernel.access.signing_in import Caller
    from andon.kernel.access.tokens import NewToken, Token


class RoleView(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A role; ``null`` as service or environment is all of them."""

    role: Role
    service: str | None = None
    environment: str | None = None

    @classmethod
    def of(cls, grant: Grant) -> RoleView:
        return cls(role=grant.role, service=grant.service, environment=grant.environment)

    def grant(self) -> Grant:
        return Grant(self.role, self.service, self.environment)


class WhoAmI(msgspec.Struct, kw_only=True):
    """Whoever asks. ``scopes`` and ``services`` are ``null`` where a token is not restricted."""

    person: str | None
    name: str
    actor: str
    roles: list[RoleView]
    scopes: list[Permission] | None
    services: list[str] | None
    expires_at: datetime | None

    @classmethod
    def of(cls, caller: Caller) -> WhoAmI:
        who = caller.principal
        return cls(
            person=who.person,
            name=caller.name,
            actor=str(who.actor),
            roles=[RoleView.of(one) for one in who.grants],
            scopes=None if who.scopes is None else sorted(who.scopes),
            services=None if who.services is None else sorted(who.services),
            expires_at=caller.expires_at,
        )


class PasswordSignIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``label`` says on which machine the token will be kept."""

    name: str
    password: str
    label: str = "command line"
    days: float = 90


class TokenView(msgspec.Struct, kw_only=True):
    """A token without what it opens; ``prefix`` is how its secret begins."""

    id: str
    label: str
    prefix: str
    scopes: list[Permission] | None
    services: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> TokenView:
        return cls(
            id=token.id,
            label=token.label,
            prefix=token.prefix,
            scopes=None if token.scopes is None else list(token.scopes),
            services=None if token.services is None else list(token.services),
            created_at=token.created_at,
            expires_at=token.expires_at,
            used_at=token.used_at,
        )


class NewTokenView(msgspec.Struct, kw_only=True):
    """``secret`` is shown this once and kept nowhere."""

    secret: str
    token: TokenView

    @classmethod
    def of(cls, made: NewToken) -> NewTokenView:
        return cls(secret=made.secret, token=TokenView.of(made.token))


class TokenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``days`` is ``null`` for a token that never expires; ``scopes`` and ``services`` for no restriction."""

    label: str
    scopes: list[Permission] | None = None
    services: list[str] | None = None
    days: float | None = 90


class Tokens(msgspec.Struct, kw_only=True):
    tokens: list[TokenView]


class PersonView(msgspec.Struct, kw_only=True):
    """``joined`` once a password was chosen; ``erased`` people have no name any more."""

    id: str
    name: str
    email: str | None
    joined: bool
    erased: bool
    roles: list[RoleView]

    @classmethod
    def of(cls, person: Person) -> PersonView:
        return cls(
            id=person.id,
            name=person.name,
            email=person.email,
            joined=person.joined,
            erased=person.erased_at is not None,
            roles=[RoleView.of(one) for one in person.grants],
        )


class People(msgspec.Struct, kw_only=True):
    people: list[PersonView]


class Invitation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    email: str | None = None
    roles: list[RoleView] = []


class InvitationLink(msgspec.Struct, kw_only=True):
    """``link`` is to be handed to the person; it works once, until ``expires_at``."""

    person: str
    link: str
    expires_at: datetime
