"""Ramps: how they stand, and who is asked before each of their steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andon.flow.flags.contract.names import FlagName, RampId
from andon.flow.sources.contract import Service

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading


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
