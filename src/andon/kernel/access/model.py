"""Principals and their permissions, as values: a decision needs no database once the principal is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from andon.kernel.errors import Forbidden, NotFound
from andon.kernel.events.model import ANDON, Actor
from andon.kernel.events.sight import Sight

PersonId = NewType("PersonId", str)

OPERATOR = PersonId("operator")
"""Whoever holds the operator token: the command line on Andon's own machine. Cannot sign in to the console."""


class Permission(StrEnum):
    """What may be done. Each is asked for a service and, where it matters, one of its environments."""

    READ = "read"
    PUSH = "push"
    FORCE_PUSH = "force-push"
    RUN = "run"
    """Start, retry and cancel runs."""
    DEPLOY = "deploy"
    ROLL_BACK = "roll-back"
    RELEASE = "release"
    """Make what is deployed available to customers: feature flags, their segments and ramps."""
    EVALUATE = "evaluate"
    """Read a service's flags as its programs do; the scope for their tokens."""
    EVALUATE_REMOTELY = "evaluate-remotely"
    """Have a service's flags evaluated for one user after the other, and read nothing of how they are decided: the
    scope for tokens that others get to see, such as those of pages and apps."""
    OVERRIDE = "override"
    """Deploy a build that has not passed."""
    CONTRACT = "contract"
    """Run a migration that removes what older versions need."""
    CREATE_ENVIRONMENT = "create-environment"
    DESTROY_ENVIRONMENT = "destroy-environment"
    CONFIGURE = "configure"
    SET_SECRET = "set-secret"  # noqa: S105 - the name of a permission, not a secret
    ADMINISTER = "administer"
    """People, roles, repositories, dead letters, settings."""


class Role(StrEnum):
    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    """Pushes and runs; what goes to an environment waits for somebody who may deploy there."""
    DEVELOPER = "developer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


_VIEWER = frozenset({Permission.READ, Permission.EVALUATE, Permission.EVALUATE_REMOTELY})
_CONTRIBUTOR = _VIEWER | {Permission.PUSH, Permission.RUN, Permission.CREATE_ENVIRONMENT}
_DEVELOPER = _CONTRIBUTOR | {Permission.DEPLOY, Permission.ROLL_BACK, Permission.RELEASE}
_OPERATOR = _DEVELOPER | {
    Permission.CONFIGURE,
    Permission.SET_SECRET,
    Permission.DESTROY_ENVIRONMENT,
    Permission.CONTRACT,
}
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.CONTRIBUTOR: _CONTRIBUTOR,
    Role.DEVELOPER: _DEVELOPER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMINISTRATOR: frozenset(Permission),
}


_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def is_place(name: str) -> bool:
    """Whether a service or an environment could be called like that."""
    return _PLACE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on a service and environment; ``None`` is all of them."""

    role: Role
    service: str | None = None
    environment: str | None = None

    def covers(self, permission: Permission, service: str | None, environment: str | None) -> bool:
        """A grant on one environment also lets its holder read the service it belongs to."""
        if permission not in PERMISSIONS[self.role]:
            return False
        if self.service is not None and self.service != service:
            return False
        return self.environment is None or self.environment == environment or permission is Permission.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever asks, as far as permissions go."""

    actor: Actor
    person: PersonId | None
    grants: tuple[Grant, ...]
    scopes: frozenset[Permission] | None = None
    """A token may do no more than this, whatever its owner may; ``None`` is no restriction."""
    services: frozenset[str] | None = None
    """A token may be bound to these services; ``None`` is no restriction."""

    def may(self, permission: Permission, service: str | None = None, environment: str | None = None) -> bool:
        if self.scopes is not None and permission not in self.scopes:
            return False
        if self.services is not None and service not in self.services:
            return False
        return any(grant.covers(permission, service, environment) for grant in self.grants)

    def require(self, permission: Permission, service: str | None = None, environment: str | None = None) -> None:
        """Raises :class:`Forbidden`, saying what is missing and who can give it."""
        if self.may(permission, service, environment):
            return
        place = "/".join(part for part in (service, environment) if part) or "this installation"
        if self.scopes is not None and permission not in self.scopes:
            raise Forbidden(
                f"This token may not {permission.value} on {place}.",
                safe="Nothing was changed.",
                remedy=f"Use a token with the scope {permission.value!r}.",
            )
        needed = next(role for role in Role if permission in PERMISSIONS[role])
        raise Forbidden(
            f"You may not {permission.value} on {place}.",
            safe="Nothing was changed.",
            remedy=f"Ask an administrator for the role {needed.value!r} there.",
        )

    def require_sight(self, service: str) -> None:
        """Raises :class:`NotFound`, the same for what is not there and for what may not be seen."""
        if not self.may(Permission.READ, service):
            raise NotFound(
                f"There is no service {service!r} that you may see.",
                remedy="Look at the name's spelling, or ask an administrator for a role on it.",
            )

    def require_reading(self) -> None:
        """Raises :class:`Forbidden` for somebody who may read nothing at all (no role yet, a token to push only)."""
        services = self.visible_services()
        if services is None or services:
            return
        raise Forbidden("You may not read anything here yet.", remedy="Ask an administrator for a role on a service.")

    def visible_services(self) -> frozenset[str] | None:
        """The services this principal may read; ``None`` is every one."""
        if self.scopes is not None and Permission.READ not in self.scopes:
            return frozenset()
        reading = [g for g in self.grants if Permission.READ in PERMISSIONS[g.role]]
        if any(grant.service is None for grant in reading):
            return self.services
        named = frozenset(grant.service for grant in reading if grant.service is not None)
        return named if self.services is None else named & self.services

    def sight(self) -> Sight:
        """What this principal may see of the record. Of accounts: everybody's for whoever may manage people, else
        their own, which a token that is bound to services does not see either."""
        return Sight(
            services=self.visible_services(),
            accounts=self.may(Permission.ADMINISTER),
            account=None if self.services is not None else self.person,
        )


SYSTEM = Principal(actor=ANDON, person=None, grants=(Grant(Role.ADMINISTRATOR),))
"""Andon itself."""
