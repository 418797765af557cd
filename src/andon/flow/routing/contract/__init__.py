"""What others may know of routing: which sets of instances get an environment's traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from andon.flow.definition.contract import PARTS
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract.comparing import (
    DIGESTED_BYTES,
    Answer,
    ComparisonPage,
    Comparisons,
    Differing,
    Pair,
)
from andon.flow.routing.contract.dividing import (
    COPIED_BYTES,
    Arm,
    ArmShare,
    Comparison,
    Condition,
    Match,
    Mirror,
    Plan,
    PlanInvalid,
    SegmentUse,
    Share,
    Sticky,
    StickyBy,
    TrafficDivided,
    Where,
)
from andon.flow.routing.contract.forwarding import Forward, ForwardedShare, Forwarding, TrafficForwarded
from andon.flow.routing.contract.typed import conditions_of, place_of, share_of, shares_of
from andon.flow.sources.contract import Service
from andon.kernel.events import Actor, Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

__all__ = [
    "COPIED_BYTES",
    "DIGESTED_BYTES",
    "PARTS",
    "Access",
    "AccessLog",
    "AccessPage",
    "AccessPosition",
    "Answer",
    "Arm",
    "ArmShare",
    "Bucket",
    "Comparison",
    "ComparisonPage",
    "Comparisons",
    "Condition",
    "Differing",
    "Forward",
    "ForwardedShare",
    "Forwarding",
    "ListenerStatistics",
    "Match",
    "Mirror",
    "Pair",
    "Plan",
    "PlanInvalid",
    "RouteView",
    "Router",
    "RouterStatistics",
    "SegmentUse",
    "Served",
    "SetStatistics",
    "Share",
    "Sticky",
    "StickyBy",
    "TrafficDivided",
    "TrafficForwarded",
    "TrafficSwitched",
    "Where",
    "conditions_of",
    "place_of",
    "share_of",
    "shares_of",
]


@event("dev.andon.traffic.switched.v1", subject="environment", cdevents="dev.cdevents.service.published.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSwitched(Event):
    """All traffic of an environment goes to one set from now on; the router is told at once."""

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
    """Who has the traffic; the stable set while it is divided."""
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Counters since the router began to serve this set."""

    requests: int
    failed: int
    """Answers of 500 and above."""
    active: int


Bucket = tuple[float, int]
"""An upper bound in milliseconds, and how many took no longer than that: all of the smaller ones are among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatistics:
    """What the router saw of one set. Counters begin anew when the router is started anew."""

    set: SetId
    requests: int = 0
    answers: Mapping[int, int] = field(default_factory=dict)
    """How many answers of each class: ``{2: 310, 5: 1}``. One that the router gave in the set's place is among them."""
    active: int = 0
    """Requests under way at this moment."""
    pending: int = 0
    """Requests that wait for a connection at this moment."""
    overflowed: int = 0
    """Requests that were refused because too many were waiting or under way."""
    retried: int = 0
    timed_out: int = 0
    connections: int = 0
    """Open at this moment."""
    connection_failures: int = 0
    """Connections that could not be made, those that took too long included."""
    times: tuple[Bucket, ...] = ()
    """From the first byte of the request to the last of the answer; a few seconds behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerStatistics:
    """What clients of an environment saw, whichever set served them; counters as in :class:`SetStatistics`."""

    service: Service
    environment: str
    requests: int = 0
    answers: Mapping[int, int] = field(default_factory=dict)
    active: int = 0
    connections: int = 0
    times: tuple[Bucket, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterStatistics:
    """Only what has been used is there: a set that never had a request is left out."""

    sets: tuple[SetStatistics, ...] = ()
    dark: tuple[SetStatistics, ...] = ()
    """What was only mirrored to a set: copies, which are nobody's requests and are not among those of ``sets``."""
    listeners: tuple[ListenerStatistics, ...] = ()
    failed_writes: int = 0
    """How often lines for the access log did not fit any more: nobody has rotated it for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One request, as the router tells of it when it is over. Method, path and ids are the client's words."""

    time: int
    """When it began, in microseconds since 1970."""
    duration: int
    """Microseconds to the last byte of the answer."""
    service: Service
    environment: str
    local: bool
    """It came by the environment's socket: from a job on this machine."""
    set: SetId | None
    """Who served it; ``None`` when nobody did."""
    endpoint: str
    """Which instance, as in :attr:`~andon.flow.environments.contract.InstanceView.endpoint`; empty for none."""
    method: str
    path: str
    """Without its query, at most 512 bytes."""
    status: int
    """0 when the client left before there was one."""
    flags: str
    """Why the router answered itself or gave up, in Envoy's letters with commas (``URX,UF``); else empty."""
    received: int
    """Bytes of the request's body."""
    sent: int
    """Bytes of the answer's body."""
    request: str
    """What the service saw as ``x-request-id``: the router's choice, or that of a client in a private network."""
    traceparent: str
    """The W3C header as it was sent; empty for none."""
    attempts: int = 1
    """More than one: an instance could not be reached, and another one was asked. ``set`` is that of the last."""
    rule: str = ""
    """The rule that took it, as :attr:`Forward.rule`; empty for a request that was not to be forwarded."""


@dataclass(frozen=True, slots=True)
class AccessPosition:
    """A place in the access log, good as long as what follows it is kept."""

    generation: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPage:
    requests: tuple[Access, ...]
    position: AccessPosition
    """Where to go on."""
    malformed: int = 0
    """Lines that are none: the last one before the log was full."""
    missed: bool = False
    """What followed the position asked for is not kept any more; this is the oldest there is."""


class AccessLog(Protocol):
    """What the router served, request by request. It writes about half a second after a request is over."""

    def read(self, after: AccessPosition | None = None, *, limit: int = 5000) -> AccessPage:
        """The next requests after a position, or the oldest kept. An empty page when there is nothing more by now.

        Raises ``OSError`` when the disk does.
        """
        ...

    def end(self, *, before: int = 0) -> AccessPosition:
        """The place behind the last request that was written by now, or so many bytes before it: the oldest that is
        kept if there are no more, and maybe within a line, which does not count.

        Raises ``OSError`` when the disk does.
        """
        ...


class Router(Protocol):
    """Who gets which traffic."""

    def route(self, reading: Reading, service: Service, environment: str) -> RouteView | None: ...

    def point(
        self, tx: Transaction, service: Service, environment: str, *, to: SetId, fence: int, deployment: str
    ) -> SetId | None:
        """Record that all of the environment's traffic belongs to ``to``; answers the set that had it.

        A plan that divided it is over, and the answer is then its stable set.

        ``fence`` grows with every holder of the environment's lock: a call with a smaller one than the last
        raises ``Conflict``, so that a deployment that was thought dead cannot switch traffic after its successor.
        """
        ...

    def divide(
        self, tx: Transaction, service: Service, environment: str, plan: Plan, *, fence: int, deployment: str
    ) -> Plan | None:
        """Record that the environment's traffic is divided by ``plan``; answers the plan that did before, or ``None``
        when one set had it all. The same plan again changes nothing and tells nothing.

        Fenced as :meth:`point`. Raises ``NotFound`` for an environment or set that is not there, ``Conflict`` for a
        set of another environment or one that is retired.
        """
        ...

    def plan(self, reading: Reading, service: Service, environment: str) -> Plan | None:
        """How the traffic is divided; ``None`` while one set has it all."""
        ...

    def forward(
        self, tx: Transaction, service: Service, environment: str, forwarding: Forwarding, *, by: Actor
    ) -> Forwarding:
        """Record what the environment forwards to other services, in place of what it did; answers that with its new
        version.

        ``forwarding.version`` is the one that the caller saw. Raises ``Conflict`` when there is a later one by now, or
        when requests would come back by it to where they came from, and ``NotFound`` for an environment that is not
        there.
        """
        ...

    def forwarding(self, reading: Reading, service: Service, environment: str) -> Forwarding:
        """What the environment forwards; an empty one of version 0 when nobody has ever said."""
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

    def statistics(self) -> RouterStatistics | None:
        """What it counted since it was started; ``None`` when it cannot be asked."""
        ...
