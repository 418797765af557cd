"""Flags and segments as they are kept: what holds for a flag everywhere, and what it serves in one environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from andon.flow.flags.contract import (
    FlagName,
    Origin,
    ProposalId,
    ProposalKind,
    ProposalState,
    RampId,
    RampState,
    SegmentName,
)
from andon.flow.sources.contract import Service
from andon_flags.document import Condition, Flag, Kind, Prerequisite, Rule, Segment, Serve, Value

MOST_OF_A_SERVICE = 5_000
"""Flags, those in the archive included."""
MOST_MEMBERS = 1_000_000
SHOWN_MEMBERS = 1_000
"""A segment with more of them goes into documents as hashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What holds for a flag in all environments."""

    kind: Kind
    variants: Mapping[str, Value]
    unit: str = "targetingKey"
    """The attribute whose hash decides on percentages."""
    salt: str = ""
    """Stays with the flag for life."""
    off: str = ""
    """What an environment in which nobody has set anything serves."""
    description: str = ""
    owner: str = ""
    """A team, a person, a channel."""
    ends: date | None = None
    """When it is expected to be gone from the code."""
    permanent: bool = False
    """An operational switch that stays: it never grows stale."""
    card: str = ""
    """Address of the card that it belongs to."""
    code: str = ""
    """Address of, or path to, the code that it guards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Who gets what in one environment."""

    enabled: bool = True
    """The kill switch."""
    off: str
    default: Serve
    prerequisites: tuple[Prerequisite, ...] = ()
    individuals: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    begins: float | None = None
    """Seconds since 1970."""
    ends: float | None = None

    @classmethod
    def first(cls, head: Head) -> Setting:
        """Everybody gets what they get when it is off."""
        return cls(off=head.off, default=head.off)

    def segments(self) -> frozenset[str]:
        """Segments that its rules name."""
        return frozenset(name for rule in self.rules for name in segments_in(rule.when))


def segments_in(when: tuple[Condition, ...]) -> tuple[str, ...]:
    return tuple(str(value) for one in when if one.operator.value.endswith("in-segment") for value in one.values)


def compose(name: str, head: Head, setting: Setting, *, watched: bool = False) -> Flag:
    """The flag as documents have it."""
    return Flag(
        name=name,
        kind=head.kind,
        variants=head.variants,
        enabled=setting.enabled,
        off=setting.off,
        salt=head.salt,
        unit=head.unit,
        default=setting.default,
        prerequisites=setting.prerequisites,
        individuals=setting.individuals,
        rules=setting.rules,
        begins=setting.begins,
        ends=setting.ends,
        watched=watched,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFlag:
    id: str
    service: Service
    name: FlagName
    origin: Origin
    head: Head
    head_version: int
    created_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSetting:
    """``version`` 0 is one that nobody has set."""

    environment: str
    version: int
    setting: Setting
    changed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What was set once."""

    environment: str
    """Empty for what holds in all of them."""
    number: int
    sentence: str
    why: str
    actor: str
    person: str | None
    at: datetime
    setting: Setting | None
    head: Head | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    id: ProposalId
    service: Service
    flag: FlagName
    kind: ProposalKind = ProposalKind.SETTING
    environment: str
    """Empty for what holds in all of them."""
    places: tuple[str, ...] = ()
    """Of what holds in all environments: those that asked for a second person when it was proposed."""
    base: int
    """The version that it was made from."""
    setting: Setting | None
    head: Head | None = None
    ramp: str
    """A ramp's steps instead of a setting, as they are written; empty for none."""
    sentence: str
    why: str
    person: str | None
    at: datetime
    state: ProposalState
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    name: SegmentName
    service: Service
    """Whose people may change it."""
    version: int
    description: str
    when: tuple[tuple[Condition, ...], ...]
    edition: int
    """Which of its lists of members counts: another one may be on its way in."""
    size: int
    """Members, those that only fulfil conditions not counted."""
    changed_at: datetime
    uploading: int = 0
    """The list that members may be sent into; 0 for none."""
    handed: int = 0
    """The newest list that was ever begun: none is begun twice."""

    def document(self, members: Segment) -> Segment:
        return Segment(name=self.name, members=members.members, when=self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a ramp: ``percent`` of its audience get the variant, ``after`` seconds from the step before, or at
    ``at``."""

    percent: float
    after: float = 0.0
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    id: RampId
    service: Service
    flag: FlagName
    environment: str
    rule: str
    variant: str
    steps: tuple[Step, ...]
    done: int
    percent: float
    state: RampState
    why: str
    person: str | None
    began_at: datetime
    next_at: datetime | None
    ended_at: datetime | None
    judged: bool = False
    stepped_at: datetime | None = None
    said: str = ""
    """By whoever judges, last."""
    held: bool = False
    """The next step's time has come, and it waits."""
    remaining: float | None = None
    """Seconds that were left of its step when it was paused; ``None`` while it is not."""
    paused_at: datetime | None = None
    paused_by: str | None = None
    """A person."""
    paused_why: str = ""
