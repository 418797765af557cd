"""Backfills: what fills the new shape after a switch, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading

BackfillId = NewType("BackfillId", str)


class BackfillState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    """Nothing is left to fill."""
    FAILED = "failed"
    """A batch failed again and again, or nothing moved any more."""
    STOPPED = "stopped"
    """Somebody ended it."""
    SUPERSEDED = "superseded"
    """Another version has the traffic; if it has a backfill, that goes on from here."""

    @property
    def ended(self) -> bool:
        return self not in {BackfillState.RUNNING, BackfillState.PAUSED}


@event("dev.andon.backfill.started.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillStarted(Event):
    """A version that brings a backfill took the traffic; its first batch follows."""

    backfill: BackfillId
    service: Service
    environment: str
    commit: CommitHash


@event("dev.andon.backfill.paused.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillPaused(Event):
    """No further batch begins until somebody lets it go on."""

    backfill: BackfillId
    service: Service
    environment: str


@event("dev.andon.backfill.resumed.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillResumed(Event):
    """A backfill that was paused, stopped or had failed goes on; what is filled stays filled."""

    backfill: BackfillId
    service: Service
    environment: str


@event("dev.andon.backfill.ended.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillEnded(Event):
    """A backfill is done, or does not go on."""

    backfill: BackfillId
    service: Service
    environment: str
    commit: CommitHash
    state: BackfillState
    reason: str
    batches: int
    seconds: float
    """Spent in batches, without the pauses between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillView:
    id: BackfillId
    service: Service
    environment: str
    commit: CommitHash
    state: BackfillState
    reason: str
    batches: int
    rows: int
    """Of a batch at this moment: fewer than declared when batches take long."""
    seconds: float
    first_left: int | None
    """Rows that were left when it first said so."""
    left: int | None
    failures: int
    """Batches in a row that have failed last."""
    problem: str
    """What the newest batch that failed said; stays when a later one goes well."""
    problem_at: datetime | None
    started_at: datetime
    changed_at: datetime
    """When it last ended a batch or came into another state."""

    @property
    def share(self) -> float | None:
        """From 0 to 1; ``None`` while its command has not told how many rows are left."""
        if self.state is BackfillState.DONE:
            return 1.0
        if self.left is None or not self.first_left:
            return None
        return max(0.0, min(1.0, 1 - self.left / self.first_left))


class Backfills(Protocol):
    def current(self, reading: Reading, service: Service, environment: str) -> BackfillView | None:
        """The newest one of an environment."""
        ...
