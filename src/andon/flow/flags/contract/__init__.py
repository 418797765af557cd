"""What others may know of feature flags: who gets what, decided without deploying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andon.flow.flags.contract.hands import Hand, hands_of
from andon.flow.flags.contract.names import FlagName, ProposalId, RampId, SegmentName
from andon.flow.flags.contract.ramps import (
    FlagRampEnded,
    FlagRampHeld,
    FlagRampPaused,
    FlagRampResumed,
    FlagRampStepped,
    FlagScheduled,
    Judgement,
    Judging,
    OpenGate,
    RampGate,
    RampState,
    RampView,
    RampWish,
    Verdict,
    possible,
)
from andon.flow.flags.contract.segments import (
    SegmentChangeApproved,
    SegmentChanged,
    SegmentChangeProposed,
    SegmentChangeRejected,
    SegmentRemoved,
)
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Principal
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

__all__ = [
    "FLAGS_FILE",
    "EvaluationsSeen",
    "FlagArchived",
    "FlagChangeApproved",
    "FlagChangeProposed",
    "FlagChangeRejected",
    "FlagChanged",
    "FlagCreated",
    "FlagDocument",
    "FlagHandedOver",
    "FlagKilled",
    "FlagName",
    "FlagRampEnded",
    "FlagRampHeld",
    "FlagRampPaused",
    "FlagRampResumed",
    "FlagRampStepped",
    "FlagRestored",
    "FlagRevived",
    "FlagScheduled",
    "Flags",
    "FlagsFileRefused",
    "Hand",
    "Judgement",
    "Judging",
    "OpenGate",
    "Origin",
    "ProposalId",
    "ProposalKind",
    "ProposalState",
    "RampGate",
    "RampId",
    "RampState",
    "RampView",
    "RampWish",
    "SegmentChangeApproved",
    "SegmentChangeProposed",
    "SegmentChangeRejected",
    "SegmentChanged",
    "SegmentName",
    "SegmentRemoved",
    "Served",
    "Verdict",
    "hands_of",
    "possible",
]

FLAGS_FILE = "flags.yaml"
"""Where a service keeps flags as code, at the head of its default branch."""


class Origin(StrEnum):
    """Where a flag is changed: a flag has one source of truth."""

    CONSOLE = "console"
    """By people, in the console, by command or API."""
    CODE = "code"
    """In :data:`FLAGS_FILE`."""


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    OVERTAKEN = "overtaken"
    """The flag was changed otherwise in the meantime."""


class ProposalKind(StrEnum):
    """What a change that waits would change."""

    SETTING = "setting"
    """Who gets what in one environment, by a setting or a ramp."""
    HEAD = "head"
    """What holds in all environments."""
    ARCHIVE = "archive"
    """The flag leaves all documents."""
    UNARCHIVE = "unarchive"
    """It comes back into them."""


@event("dev.andon.flag.created.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCreated(Event):
    """A flag exists from now on; nobody gets anything new by that."""

    flag: FlagName
    service: Service
    kind: str
    origin: Origin


@event("dev.andon.flag.changed.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChanged(Event):
    """Other people get other values from now on, or something else about the flag has changed."""

    flag: FlagName
    service: Service
    environment: str | None
    """``None`` for what holds in all of them: variants, owner, end of life."""
    version: int
    """Counts what was ever set for the flag there, from 1."""
    sentence: str
    """What has changed, such as "on for 5 % of others, was 1 %"."""
    why: str


@event("dev.andon.flag.killed.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagKilled(Event):
    """Somebody pulled the kill switch: everybody gets what the flag serves when it is off."""

    flag: FlagName
    service: Service
    environment: str
    version: int
    why: str


@event("dev.andon.flag.revived.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRevived(Event):
    """The kill switch is released: the flag serves again what it did before."""

    flag: FlagName
    service: Service
    environment: str
    version: int
    why: str


@event("dev.andon.flag.change-proposed.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChangeProposed(Event):
    """A change waits for a second person; nothing has changed yet."""

    flag: FlagName
    service: Service
    environment: str | None
    """``None`` for what holds in all of them, and for the archive."""
    proposal: ProposalId
    sentence: str
    why: str


@event("dev.andon.flag.change-approved.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChangeApproved(Event):
    """A second person said yes to a change; it is made at once."""

    flag: FlagName
    service: Service
    environment: str | None
    """``None`` for what holds in all of them, and for the archive."""
    proposal: ProposalId
    sentence: str


@event("dev.andon.flag.change-rejected.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChangeRejected(Event):
    """A proposed change will not be made: somebody said no, or it was overtaken by another."""

    flag: FlagName
    service: Service
    environment: str | None
    """``None`` for what holds in all of them, and for the archive."""
    proposal: ProposalId
    sentence: str
    why: str


@event("dev.andon.flag.archived.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagArchived(Event):
    """The flag is in no document any more: programs that still ask for it get the default in their code."""

    flag: FlagName
    service: Service
    why: str


@event("dev.andon.flag.restored.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRestored(Event):
    """An archived flag is there again, as it was."""

    flag: FlagName
    service: Service


@event("dev.andon.flag.handed-over.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagHandedOver(Event):
    """Its source of truth is another one from now on."""

    flag: FlagName
    service: Service
    origin: Origin


@event("dev.andon.flags.file-refused.v1", subject="service")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsFileRefused(Event):
    """``flags.yaml`` on the default branch has faults: nothing of it was applied."""

    service: Service
    commit: CommitHash
    faults: tuple[str, ...]
    """The first ones, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How often each variant of a flag was served, in parts of a time that are equally long."""

    start: datetime
    end: datetime
    counts: Mapping[str, tuple[float, ...]]
    """By variant. Without any, nothing was counted in all of the time."""
    more: str = ""
    """The address of a page that shows more of it; empty where there is none."""


class EvaluationsSeen(Protocol):
    """Who counts evaluations, where somebody does: telemetry, for services that evaluate by themselves."""

    def last_asked(self, service: Service, environment: str, flag: str) -> datetime | None:
        """When the flag was last asked for; ``None`` for not in living memory, or where nobody counts.

        Raises ``Unavailable``."""
        ...

    def served(
        self, service: Service, environment: str, flag: str, *, start: datetime, end: datetime, parts: int
    ) -> Served | None:
        """What was served in a time; ``None`` where nobody counts. Raises ``Unavailable``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDocument:
    """What a service receives of its flags in one environment; format 1."""

    service: Service
    environment: str
    revision: int
    """Grows with every change that anybody there can notice."""
    changed_at: datetime
    content: bytes
    """JSON."""
    etag: str
    """With its quotation marks."""


class Flags(Protocol):
    """What other rooms ask of flags."""

    def document(self, reading: Reading, service: Service, environment: str) -> FlagDocument:
        """The present one; of a place without flags an empty one. Remembered until something changes."""
        ...

    def share(self, reading: Reading, service: Service, environment: str, flag: str, variant: str) -> float:
        """Percent of those whom no rule serves that get a variant. Raises ``NotFound``."""
        ...

    def set_share(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        flag: str,
        variant: str,
        percent: float,
        *,
        why: str,
    ) -> None:
        """Give a variant to so many percent of those whom no rule serves; nobody loses it while the share grows.

        The rest gets what it got, in proportion. Raises ``NotFound``, ``Forbidden``, ``Invalid``, ``Conflict``
        where a second person has to agree.
        """
        ...

    def kill(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, flag: str, *, why: str
    ) -> None:
        """Let everybody get what the flag serves when it is off, at once. Safe to repeat. Raises ``NotFound``,
        ``Forbidden``."""
        ...

    def ramps(self, reading: Reading, service: Service, environment: str | None = None) -> tuple[RampView, ...]:
        """Those that are under way, the paused ones too."""
        ...

    def judged_ramps(self, reading: Reading) -> tuple[RampView, ...]:
        """Those that are under way anywhere and are to be judged, the paused ones too."""
        ...

    def ramp_seen(self, reading: Reading, principal: Principal, ramp: RampId) -> RampView:
        """A ramp, whether it runs or not. Raises ``NotFound``, also where it may not be seen."""
        ...

    def halt(self, tx: Transaction, principal: Principal, ramp: RampId, *, take_back: bool, why: str) -> None:
        """End a ramp; does nothing to one that has ended. Raises ``NotFound``, ``Forbidden``, and ``Conflict`` where it
        has ended and what it has set is to be taken back."""
        ...

    def ask_ramp(
        self,
        tx: Transaction,
        principal: Principal,
        ramp: RampId,
        wish: RampWish,
        *,
        step: int | None = None,
        why: str = "",
    ) -> None:
        """What somebody wants of a ramp; ``step`` is how many steps were done when whoever promotes it looked.

        Raises ``NotFound``, ``Forbidden``, ``Invalid`` for a promotion from nowhere, ``Conflict`` where it cannot be.
        """
        ...
