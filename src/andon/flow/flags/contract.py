"""What others may know of feature flags: who gets what, decided without deploying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Principal
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

FlagName = NewType("FlagName", str)
"""Lower case letters, digits, dots, dashes and underscores, at most 100; unique in its service."""
SegmentName = NewType("SegmentName", str)
"""As a flag's, unique in the installation."""
RampId = NewType("RampId", str)
ProposalId = NewType("ProposalId", str)

FLAGS_FILE = "flags.yaml"
"""Where a service keeps flags as code, at the head of its default branch."""


class Origin(StrEnum):
    """Where a flag is changed: a flag has one source of truth."""

    CONSOLE = "console"
    """By people, in the console, by command or API."""
    CODE = "code"
    """In :data:`FLAGS_FILE`."""


class RampState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """Somebody ended it, or changed by hand what it was about to change."""
    HALTED = "halted"
    """A gate said that it must not go on: what it had set was taken back, or stays, as the gate said."""

    @property
    def ended(self) -> bool:
        return self is not RampState.RUNNING


class Judging(StrEnum):
    """Whether somebody looks how those fare who get the variant of a ramp, before more of them do."""

    AUTO = "auto"
    """Where there is somebody who can; else time alone decides, and the ramp says so."""
    JUDGED = "judged"
    """In any case: as long as nobody can tell, it does not go on."""
    NONE = "none"
    """Time alone decides."""


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    OVERTAKEN = "overtaken"
    """The flag was changed otherwise in the meantime."""


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
    environment: str
    proposal: ProposalId
    sentence: str
    why: str


@event("dev.andon.flag.change-approved.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChangeApproved(Event):
    """A second person said yes to a change; it is made at once."""

    flag: FlagName
    service: Service
    environment: str
    proposal: ProposalId
    sentence: str


@event("dev.andon.flag.change-rejected.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChangeRejected(Event):
    """A proposed change will not be made: somebody said no, or it was overtaken by another."""

    flag: FlagName
    service: Service
    environment: str
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


@event("dev.andon.flag.scheduled.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagScheduled(Event):
    """A ramp began, or will at the time told."""

    flag: FlagName
    service: Service
    environment: str
    ramp: RampId
    sentence: str
    """Such as "on: 1 % now, 5 % after 1 h, 100 % after 1 d"."""


@event("dev.andon.flag.ramp-stepped.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRampStepped(Event):
    """A ramp came to its next step; the change itself is a ``FlagChanged``."""

    flag: FlagName
    service: Service
    environment: str
    ramp: RampId
    step: int
    """From 1."""
    percent: float


@event("dev.andon.flag.ramp-held.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRampHeld(Event):
    """The time of a ramp's next step has come, and nobody can say yet that it may be made: the ramp waits."""

    flag: FlagName
    service: Service
    environment: str
    ramp: RampId
    percent: float
    why: str


@event("dev.andon.flag.ramp-ended.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRampEnded(Event):
    """A ramp has come to its end, or was brought to one."""

    flag: FlagName
    service: Service
    environment: str
    ramp: RampId
    state: RampState
    percent: float
    """The share it has reached."""
    why: str


@event("dev.andon.segment.changed.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChanged(Event):
    """Other people belong to a segment from now on; ``sentence`` says so without naming anybody."""

    segment: SegmentName
    service: Service
    version: int
    sentence: str


@event("dev.andon.segment.removed.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRemoved(Event):
    """A segment that no flag used is gone."""

    segment: SegmentName
    service: Service


@event("dev.andon.flags.file-refused.v1", subject="service")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsFileRefused(Event):
    """``flags.yaml`` on the default branch has faults: nothing of it was applied."""

    service: Service
    commit: CommitHash
    faults: tuple[str, ...]
    """The first ones, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RampView:
    """A ramp as others see it."""

    id: RampId
    service: Service
    environment: str
    flag: FlagName
    rule: str
    """Whose share it raises; empty is everybody whom no rule serves."""
    variant: str
    percent: float
    """The share that it has reached."""
    step: int
    """Steps done."""
    steps: int
    state: RampState
    next_at: datetime | None
    began_at: datetime
    judged: bool
    """Somebody looks how those fare who get the variant; else time alone decides."""
    stepped_at: datetime | None
    """When it came to its present step; ``None`` before the first."""
    seconds: float
    """From its first step to its last, as planned."""
    said: str
    """What was said of it last, a sentence for people; empty where nobody says anything."""


class Verdict(StrEnum):
    GO = "go"
    WAIT = "wait"
    """Not now: asked again soon. A ramp never goes on where a gate cannot tell."""
    HALT = "halt"
    """Not any further; the share stays."""
    TAKE_BACK = "take-back"
    """Not any further, and nobody gets the variant by this ramp any more."""


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str = ""
    """A sentence for people."""


class RampGate(Protocol):
    """Asked before each step of a ramp but the first, and while it waits for the next one. Upper rooms register one."""

    def judge(self, reading: Reading, ramp: RampView, *, due: bool) -> Judgement:
        """Quick: it reads what is known. ``due`` when the next step's time has come; before that only ``HALT`` and
        ``TAKE_BACK`` matter."""
        ...

    def watches(self, reading: Reading, service: Service, environment: str) -> bool:
        """Whether it could tell how those fare who get a variant there, judged by what it was told lately. Quick."""
        return False


class OpenGate(RampGate):
    """Time alone decides."""

    def judge(self, reading: Reading, ramp: RampView, *, due: bool) -> Judgement:
        return Judgement(Verdict.GO)


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
        """Those that run."""
        ...

    def judged_ramps(self, reading: Reading) -> tuple[RampView, ...]:
        """Those that run anywhere and are to be judged."""
        ...

    def ramp_seen(self, reading: Reading, principal: Principal, ramp: RampId) -> RampView:
        """A ramp, whether it runs or not. Raises ``NotFound``, also where it may not be seen."""
        ...

    def halt(self, tx: Transaction, principal: Principal, ramp: RampId, *, take_back: bool, why: str) -> None:
        """End a ramp; does nothing to one that has ended. Raises ``NotFound``, ``Forbidden``."""
        ...
