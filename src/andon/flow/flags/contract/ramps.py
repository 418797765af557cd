"""Ramps: how they stand, what is told of them, and who is asked before each of their steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andon.flow.flags.contract.names import FlagName, RampId
from andon.flow.sources.contract import Service
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading


class RampState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    """The share stays where it is, and is watched all the same; no step is made until somebody lets it go on."""
    DONE = "done"
    STOPPED = "stopped"
    """Somebody ended it, or changed by hand what it was about to change."""
    HALTED = "halted"
    """A gate said that it must not go on: what it had set was taken back, or stays, as the gate said."""

    @property
    def ended(self) -> bool:
        return self not in {RampState.RUNNING, RampState.PAUSED}


class RampWish(StrEnum):
    """What somebody can ask of a ramp that is under way."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    """The next step now; a pause ends by it."""
    STOP = "stop"
    """The end of it; the share stays."""
    TAKE_BACK = "take-back"
    """The end of it, and nobody gets the variant by it any more."""

    @property
    def raises(self) -> bool:
        """Whether more people may get the variant by it: that takes the right to release, the others that to roll back
        too."""
        return self in {RampWish.RESUME, RampWish.PROMOTE}


class Judging(StrEnum):
    """Whether somebody looks how those fare who get the variant of a ramp, before more of them do."""

    AUTO = "auto"
    """Where there is somebody who can; else time alone decides, and the ramp says so."""
    JUDGED = "judged"
    """In any case: as long as nobody can tell, it does not go on."""
    NONE = "none"
    """Time alone decides."""


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
    """``None`` while it is paused, and once it has ended."""
    began_at: datetime
    judged: bool
    """Somebody looks how those fare who get the variant; else time alone decides."""
    stepped_at: datetime | None
    """When it came to its present step; ``None`` before the first."""
    seconds: float
    """From its first step to its last, as planned."""
    said: str
    """What was said of it last, a sentence for people; empty where nobody says anything."""
    following: float | None = None
    """The share of its next step; ``None`` once it has ended."""
    step_seconds: float = 0.0
    """How long its present step takes as planned, pauses not counted."""
    remaining: float | None = None
    """Seconds that were left of its step when it was paused, and are left still; ``None`` while it is not."""
    paused_at: datetime | None = None
    paused_by: str | None = None
    """A person's id; ``None`` also for somebody without one."""
    paused_why: str = ""

    def due_at(self, now: datetime) -> datetime | None:
        """When its next step comes; of a paused one, if it went on now."""
        return self.next_at if self.remaining is None else now + timedelta(seconds=self.remaining)


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
    promoted: bool = False
    """Somebody did not wait for the end of the step before."""
    late: float = 0.0
    """Seconds after its time that it was made, because nothing ran then; 0 for up to a minute. Steps that were missed
    too were not made with it: they come as long after it as planned."""
    next_at: datetime | None = None
    """When the next step comes, as it looks now; ``None`` after the last."""


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


@event("dev.andon.flag.ramp-paused.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRampPaused(Event):
    """Somebody paused a ramp: its share stays where it is until somebody lets it go on."""

    flag: FlagName
    service: Service
    environment: str
    ramp: RampId
    percent: float
    remaining: float
    """Seconds of the present step that are left, and stay left."""
    why: str


@event("dev.andon.flag.ramp-resumed.v1", subject="flag")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRampResumed(Event):
    """A paused ramp goes on with what was left of its step."""

    flag: FlagName
    service: Service
    environment: str
    ramp: RampId
    percent: float
    next_at: datetime
    """When its next step comes."""
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


def possible(ramp: RampView) -> tuple[tuple[RampWish, str], ...]:
    """What can be asked of a ramp as it stands, each as a button says it; nothing of one that is over."""
    if ramp.state.ended:
        return ()
    paused = ramp.state is RampState.PAUSED
    found = [(RampWish.RESUME, "Go on") if paused else (RampWish.PAUSE, "Pause at this step")]
    if ramp.following is not None:
        found.append((RampWish.PROMOTE, f"Go to {ramp.following:g} % now"))
    found.append((RampWish.STOP, f"Stop at {round(ramp.percent, 3):g} %"))
    if ramp.step:
        found.append((RampWish.TAKE_BACK, "Take it back to 0 %"))
    return tuple(found)


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
