"""What others may know of routing: which set of instances gets an environment's traffic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import Service
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction


@event("dev.andon.traffic.switched.v1", subject="environment", cdevents="dev.cdevents.service.published.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSwitched(Event):
    """The traffic of an environment goes to another set from now on; the router is told at once."""

    environment: str
    service: Service
    deployment: str
    set: SetId
    before: SetId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    service: Service
    environment: str
    port: int
    set: SetId
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Counters since the router began to serve this set."""

    requests: int
    failed: int
    """Answers of 500 and above."""
    active: int


class Router(Protocol):
    """Who gets which traffic."""

    def route(self, reading: Reading, service: Service, environment: str) -> RouteView | None: ...

    def point(
        self, tx: Transaction, service: Service, environment: str, *, to: SetId, fence: int, deployment: str
    ) -> SetId | None:
        """Record that the environment's traffic belongs to ``to``; answers the set that had it.

        ``fence`` grows with every holder of the environment's lock: a call with a smaller one than the last
        raises ``Conflict``, so that a deployment that was thought dead cannot switch traffic after its successor.
        """
        ...

    def apply(self, concerning: tuple[Service, str] | None = None) -> None:
        """Bring the router into the recorded state. Safe to repeat.

        Raises ``Unavailable`` when it does not follow, or when the port of the environment that this is about
        belongs to another program by now; other environments' ports hold nobody up.
        """
        ...

    def withdraw(self, tx: Transaction, service: Service, environment: str) -> None:
        """Record that the environment gets no traffic any more."""
        ...

    def entry(self, service: Service, environment: str) -> Path:
        """The Unix socket that serves what the environment's port serves, for this machine's own sandboxes."""
        ...

    def served(self, set_id: SetId) -> Served | None:
        """``None`` when the router cannot be asked or has never served this set."""
        ...
