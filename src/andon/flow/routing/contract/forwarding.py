"""Traffic of one service's environment that another service serves: how a new one takes over from an old one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from andon.flow.definition.contract import PARTS
from andon.flow.routing.contract.dividing import (
    MOST_MATCHES,
    Comparison,
    Condition,
    PlanInvalid,
    Sticky,
    checked_conditions,
)
from andon.flow.sources.contract import Service
from andon.kernel.events import Event, event


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Requests that go to what is live in another service's environment; the first that fits counts.

    Whatever comes to be live there gets them. While nothing is, they are served as if there were no such rule.
    """

    service: Service
    environment: str
    when: tuple[Condition, ...] = ()
    """All hold; none at all means every request."""
    parts: int = PARTS
    """How many of those requests, of :data:`PARTS`; the others are served by the environment itself."""

    def __post_init__(self) -> None:
        if not 0 <= self.parts <= PARTS:
            raise PlanInvalid(f"A share of {self.parts} parts: there are 0 to {PARTS:,}.")
        checked_conditions(self.when)
        if any(one.how is Comparison.MEMBER for one in self.when):
            raise PlanInvalid("Members of a segment are led by a release alone, not by a rule that forwards.")

    @property
    def rule(self) -> str:
        """By which the access log tells its requests (:attr:`Access.rule`), whichever side served them; the same while
        only the share changes."""
        asked = [f"{one.where}\0{one.name}\0{one.how}\0{one.value}" for one in self.when]
        said = "\0\0".join([self.service, self.environment, *asked])
        return f"forward-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """All that an environment forwards. It stays through deployments of either service."""

    forwards: tuple[Forward, ...] = ()
    sticky: Sticky | None = field(default_factory=Sticky)
    """Customers stay on their side while a share grows; an empty salt is the environment's name."""
    version: int = 0
    """Grows with each change; 0 while there was none."""

    def __post_init__(self) -> None:
        if len(self.forwards) > MOST_MATCHES:
            raise PlanInvalid(f"More than {MOST_MATCHES} rules.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedShare:
    service: Service
    environment: str
    parts: int
    path: str
    """The path or its prefix, if it is looked at; else empty."""
    conditions: int
    """How many others there are."""


@event("dev.andon.traffic.forwarded.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficForwarded(Event):
    """An environment gives other requests than before to other services; the router is told at once."""

    environment: str
    service: Service
    version: int
    forwards: tuple[ForwardedShare, ...]
    """None: it serves all of its traffic itself again."""
