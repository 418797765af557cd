"""What is told of flags."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec

from andon.flow.flags.contract import Origin, ProposalKind, ProposalState, RampState, RampView
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Proposal, StoredFlag, StoredSetting, Version
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.views.segments import SegmentProposalShape
from andon.flow.flags.views.settings import FlagHead, SettingShape
from andon_flags.document import Kind

# Any, in this package: a variant is whatever JSON somebody has their service get, a context whatever a program sends


class Done(msgspec.Struct, kw_only=True):
    """What came of a change. With a ``proposal`` it waits for a second person."""

    version: int
    changed: bool
    sentence: str
    """What has changed, or would; empty when nothing was to."""
    proposal: str | None = None
    ramp: str | None = None
    warnings: list[str] = []

    @classmethod
    def of(cls, one: Outcome, *, ramp: str | None = None) -> Done:
        return cls(
            version=one.version,
            changed=bool(one.sentence) and one.proposal is None,
            sentence=one.sentence,
            proposal=one.proposal,
            ramp=ramp,
            warnings=list(one.warnings),
        )


class EnvironmentSetting(msgspec.Struct, kw_only=True):
    environment: str
    version: int
    """0 where nobody has set anything."""
    changed_at: datetime | None
    sentence: str
    """Who gets what."""
    setting: SettingShape
    second_person: bool = False
    pretends: str = ""
    """What it serves instead while tests run, and for which run; empty when it serves what is set."""

    @classmethod
    def of(cls, one: StoredSetting, *, second_person: bool = False, pretends: str = "") -> EnvironmentSetting:
        return cls(
            environment=one.environment,
            version=one.version,
            changed_at=one.changed_at,
            sentence=words.who_gets_what(one.setting),
            setting=SettingShape.of(one.setting),
            second_person=second_person,
            pretends=pretends,
        )


class RampShape(msgspec.Struct, kw_only=True):
    id: str
    service: str
    flag: str
    environment: str
    rule: str
    variant: str
    percent: float
    step: int
    steps: int
    state: RampState
    next_at: datetime | None
    began_at: datetime
    judged: bool
    """Else time alone decides, and nobody watches."""
    said: str
    """What the judge said last; it does not go on before the judge says that it may."""
    following: float | None
    """The share of its next step; null once it has ended."""
    remaining: float | None
    """Seconds that were left of its step when it was paused, and are left still; null while it is not."""
    paused_at: datetime | None
    paused_by: str | None
    """A person's name, where there is one."""
    paused_why: str

    @classmethod
    def of(cls, one: RampView, paused_by: str | None) -> RampShape:
        """``paused_by`` is the name of whoever paused it."""
        found = {name: getattr(one, name) for name in cls.__struct_fields__}
        return cls(**{**found, "paused_by": paused_by})


class ProposalShape(msgspec.Struct, kw_only=True):
    id: str
    service: str
    flag: str
    kind: ProposalKind
    environment: str
    """Empty for what holds in all of them."""
    places: list[str]
    """The environments that ask for a second person."""
    diff: list[str]
    """What a change of what holds in all environments takes away, with ``- ``, and brings, with ``+ ``."""
    sentence: str
    why: str
    by: str | None
    """A person's name, where there is one."""
    at: datetime
    state: ProposalState

    @classmethod
    def of(cls, one: Proposal, name: str | None, diff: Iterable[str] = ()) -> ProposalShape:
        return cls(
            id=one.id,
            service=one.service,
            flag=one.flag,
            kind=one.kind,
            environment=one.environment,
            places=[one.environment] if one.environment else list(one.places),
            diff=list(diff),
            sentence=one.sentence,
            why=one.why,
            by=name,
            at=one.at,
            state=one.state,
        )


class Proposals(msgspec.Struct, kw_only=True):
    proposals: list[ProposalShape]
    segments: list[SegmentProposalShape] = []
    """Changes of segments that wait."""


class AskedShape(msgspec.Struct, kw_only=True):
    environment: str
    times: int
    last_at: datetime


class FlagShape(msgspec.Struct, kw_only=True):
    name: str
    service: str
    origin: Origin
    kind: Kind
    description: str
    owner: str
    ends: date | None
    permanent: bool
    archived_at: datetime | None
    environments: list[EnvironmentSetting]
    proposal: str | None = None
    """Its way into the archive, or back, that waits for a second person: told to whoever asked for it."""

    @classmethod
    def of(cls, one: StoredFlag, settings: list[EnvironmentSetting]) -> FlagShape:
        return cls(
            name=one.name,
            service=one.service,
            origin=one.origin,
            kind=one.head.kind,
            description=one.head.description,
            owner=one.head.owner,
            ends=one.head.ends,
            permanent=one.head.permanent,
            archived_at=one.archived_at,
            environments=settings,
        )


class FlagList(msgspec.Struct, kw_only=True):
    service: str
    flags: list[FlagShape]
    unknown: list[str] = []
    """Names that programs ask for over OFREP and that no flag has, or an archived one."""


class FlagDetails(msgspec.Struct, kw_only=True):
    flag: FlagShape
    head: FlagHead
    head_version: int
    asked_by: list[str]
    """Flags whose prerequisite it is."""
    asked: list[AskedShape]
    """Evaluations over OFREP; services that evaluate by themselves are not counted here."""
    ramps: list[RampShape]
    proposals: list[ProposalShape]


class VersionShape(msgspec.Struct, kw_only=True):
    environment: str
    """Empty for what holds in all of them."""
    number: int
    sentence: str
    why: str
    by: str
    at: datetime

    @classmethod
    def of(cls, one: Version, by: str) -> VersionShape:
        return cls(environment=one.environment, number=one.number, sentence=one.sentence, why=one.why, by=by, at=one.at)


class History(msgspec.Struct, kw_only=True):
    versions: list[VersionShape]


class StepTold(msgspec.Struct, kw_only=True):
    asked: str
    says: str
    held: bool
    deep: int
    """Of a prerequisite 1, of a prerequisite's prerequisite 2."""


class Why(msgspec.Struct, kw_only=True):
    flag: str
    environment: str
    revision: int
    variant: str | None
    """``None``: the default in the code counts."""
    value: Any
    reason: str
    rule: str | None
    error: str | None
    steps: list[StepTold]


class ReferenceShape(msgspec.Struct, kw_only=True):
    path: str
    line: int
    text: str


class StaleFlag(msgspec.Struct, kw_only=True):
    flag: str
    why: list[str]
    keep: str | None
    """The variant that everybody gets everywhere, which the code would keep; ``None``: somebody has to decide."""
    value: Any
    proposal: str
    """What to do, in a sentence."""
    references: list[ReferenceShape]


class Stale(msgspec.Struct, kw_only=True):
    service: str
    commit: str | None
    """Of the default branch, where the code was looked through; ``None`` when nothing was pushed yet."""
    default_branch: str
    flags: list[StaleFlag]
    complete: bool
    """Whether all of the code was looked through."""
