"""What is known of a service and of a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from andon.feedback.registry.model.instrumentation import Unmeasured
from andon.feedback.registry.model.levels import LevelState
from andon.flow.environments.contract import Health, SetState


class Seen(StrEnum):
    """How the registry knows of something."""

    DEPLOYED = "deployed"
    """Andon runs it."""
    TELEMETRY = "telemetry"
    """Only what it sends is known."""


class LinkSource(StrEnum):
    TRACES = "traces"
    ROUTER = "router"
    """The router's access log: its caller is named by the trace that the request carried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """``health``, ``since`` and ``process`` are known of those that Andon runs."""

    id: str
    environment: str
    version: str
    host: str
    health: Health | None = None
    since: datetime | None = None
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service in an environment."""

    environment: str
    version: str
    state: SetState | None
    """``None`` where only telemetry is known."""
    says: str
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One service calls another. ``calls`` are those seen in the last day."""

    caller: str
    callee: str
    calls: int
    errors: int
    p95: float | None
    """Seconds."""
    source: LinkSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """``share`` is from 0 to 1; ``None`` where nobody asked, which is neither good nor bad."""

    start: int
    """Milliseconds since 1970, midnight of UTC."""
    requests: int
    failed: int

    @property
    def share(self) -> float | None:
        return None if self.requests <= 0 else 1.0 - self.failed / self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    service: str
    environment: str
    days: tuple[Day, ...]
    """Without gaps, oldest first."""

    def over(self, days: int) -> Day:
        """The last days as one: every request counts the same."""
        last = self.days[-days:]
        return Day(
            start=last[0].start if last else 0,
            requests=sum(one.requests for one in last),
            failed=sum(one.failed for one in last),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A service's line in the registry."""

    service: str
    seen: Seen
    owner: str
    running: tuple[Running, ...]
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    levels: tuple[LevelState, ...]
    """Empty where the store did not answer."""
    available: Availability | None

    @property
    def silent(self) -> tuple[LevelState, ...]:
        return tuple(one for one in self.levels if one.silent)

    @property
    def instances(self) -> int:
        return sum(one.instances for one in self.running)

    @property
    def sick(self) -> bool:
        return any(one.state in (SetState.DEGRADED, SetState.FAILED) for one in self.running)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What the version that runs added without a measurement, compared with the one before it in ``environment``."""

    environment: str
    before: str
    after: str
    paths: tuple[Unmeasured, ...]
    looked_at: int
    """Files."""
    left_out: int
    """Changed files of code for which there was no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    entry: Entry
    instances: tuple[Instance, ...]
    links: tuple[Link, ...]
    """Those that it is part of."""
    added: Added | None
    available: tuple[Availability, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A service on a machine."""

    service: str
    environment: str
    instances: tuple[Instance, ...]
    elsewhere: int
    """Instances of it in the same environment on other machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    name: str
    placed: tuple[Placed, ...]
    reported: int | None
    """When it last told of itself, in milliseconds since 1970; ``None`` where it has not within an hour."""
    figures: tuple[tuple[str, str], ...] = ()

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(sorted({one.service for one in self.placed}))

    @property
    def instances(self) -> int:
        return sum(len(one.instances) for one in self.placed)


def share_said(share: float | None) -> str:
    """Three places at most, never rounded up to 100 %; nothing is ``no data``."""
    if share is None:
        return "no data"
    if share >= 1:
        return "100 %"
    percent = int(share * 100_000) / 1000
    return f"{percent:.3f}".rstrip("0").rstrip(".") + " %"


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; of many the first, and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
