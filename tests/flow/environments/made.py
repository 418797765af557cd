"""What the tests of recorded environments share."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Grant, PersonId, Principal, Role
from andon.kernel.events import Actor, ActorKind

SHOP = Service("shop")
Make = Callable[..., EnvironmentService]


class OneFile:
    """Every commit of every service has the same definition."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()

    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        return self._text if path == "andon.yaml" else None


def principal(role: Role, service: str | None = None, environment: str | None = None) -> Principal:
    return Principal(
        actor=Actor(ActorKind.PERSON, "per_1", "Maxine"),
        person=PersonId("per_1"),
        grants=(Grant(role, service, environment),),
    )
