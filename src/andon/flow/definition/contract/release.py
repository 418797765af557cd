"""How a version comes to its customers: all at once, or a few of them first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

PARTS = 100_000
"""A whole; shares are told in parts of it, so that 0.001 % is one."""


def share_text(parts: int) -> str:
    """A share as people write it, with no more digits than it has: ``5 %``, ``0.001 %``."""
    return f"{parts * 100 / PARTS:g} %"


class Strategy(StrEnum):
    """How a new version is given its traffic."""

    BLUE_GREEN = "blue-green"
    """All of it at once, and all of it back."""
    CANARY = "canary"
    """In stages, each compared with the version that runs beside it."""


class FlagState(StrEnum):
    """What the flags of an environment say while the jobs of its stage run."""

    AS_IN_PRODUCTION = "as-in-production"
    """What production's say at that moment."""
    ALL_ON = "all-on"
    """Booleans are true, and every other flag serves the first of its variants that is not the one for off."""
    ALL_OFF = "all-off"
    """Every flag serves what it serves when it is off."""


class Sticky(StrEnum):
    """By what a customer is known, so that they stay with the version that they were given."""

    COOKIE = "cookie"
    """One of the router's own, which holds nothing but a random number."""
    NONE = "none"
    """Each request is drawn for itself."""


class Harm(StrEnum):
    """Which way a metric must not go."""

    FALL = "fall"
    RISE = "rise"
    CHANGE = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """By what a request tells whose it is; exactly one of the two is given."""

    header: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Requests that are known by a header or a cookie, or by who sends them; exactly one of the three is given."""

    header: str | None = None
    cookie: str | None = None
    value: str | None = None
    """``None``: whatever the header or cookie says, as long as it is there."""
    segment: str | None = None
    """Of flags: its members, whom :attr:`ReleaseDefinition.unit` tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStage:
    name: str
    parts: int | None = None
    """Of :data:`PARTS` of all traffic; ``None`` leaves it as the stage before had it, none before the first."""
    audience: Audience | None = None
    """Who gets the new version whatever the share, from this stage on."""
    seconds: float = 300.0
    """How long it lasts at least."""
    requests: int = 100
    """How many the new version must have served in it at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorStep:
    name: str
    parts: int
    """Of :data:`PARTS` of all requests."""
    seconds: float = 300.0
    requests: int = 0
    """How many both versions must have answered in it at least."""


class Varying(StrEnum):
    """What may stand anywhere in an answer and be another each time."""

    UUID = "uuid"
    TIME = "time"
    """As ISO 8601 writes it, with its date."""
    NUMBER = "number"
    """Digits in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """What is no difference between two answers."""

    fields: tuple[str, ...] = ()
    """Of JSON, wherever they stand: their texts, numbers and truths."""
    values: tuple[Varying, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorDefinition:
    """Dark launch: a share of the traffic is sent to the new version as well, and its answers are thrown away."""

    parts: int
    """In its only step; with :attr:`steps` that of the first."""
    seconds: float = 300.0
    requests: int = 0
    methods: tuple[str, ...] = ("GET", "HEAD")
    steps: tuple[MirrorStep, ...] = ()
    """In which the share grows; none: one step as said above."""
    ignore: Ignored = field(default_factory=Ignored)
    differing: int | None = None
    """How many of the pairs of answers of a step may differ, of :data:`PARTS`; ``None`` does not hold it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDefinition:
    strategy: Strategy = Strategy.BLUE_GREEN
    stages: tuple[ReleaseStage, ...] = ()
    """In order; what is left after the last one comes with the switch."""
    sticky: Sticky = Sticky.COOKIE
    unit: Unit | None = None
    """By what the members of a segment are known; always there where a stage names one."""
    baseline: bool = False
    """Whether fresh instances of the old version are started to compare with, so that both are equally young."""
    mirror: MirrorDefinition | None = None
    """Before the first stage."""
    watch: Mapping[str, Harm] = field(default_factory=dict)
    """Metrics of the service that must not go the wrong way, beside those that every service is watched by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagPolicy:
    """What changing a flag takes in an environment."""

    second_person: bool = False
    """Whether a change waits for somebody else's approval. A kill switch never does."""
