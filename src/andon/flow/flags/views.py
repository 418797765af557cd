"""The shapes of flags as the API, the command line and ``flags.yaml`` have them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from andon.flow.flags.contract import Origin, ProposalState, RampState, RampView
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Head, Proposal, Setting, Step, StoredFlag, StoredSegment, StoredSetting, Version
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.model.wishes import Share, Wanted, WantedRule, share_of
from andon_flags.document import Condition, Kind, Operator, Prerequisite

# Any, in this module: a variant is whatever JSON somebody has their service get, a context whatever a program sends


class ConditionShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``attribute`` compared with ``values``; they all have to hold."""

    attribute: str
    operator: Operator = msgspec.field(name="is")
    values: list[bool | int | float | str] = []

    @classmethod
    def of(cls, one: Condition) -> ConditionShape:
        return cls(attribute=one.attribute, operator=one.operator, values=list(one.values))

    def meant(self) -> Condition:
        return Condition(self.attribute, self.operator, tuple(self.values))


class RuleShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """``serve`` is a variant, or percent of each; whom they leave over pass on to the next rule."""

    serve: str | dict[str, float]
    when: list[ConditionShape] = []
    id: str = ""


class PrerequisiteShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    flag: str
    variants: list[str]


class SettingShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who gets what in one environment, in percent. ``from`` and ``until`` are moments; outside of them ``off``."""

    default: str | dict[str, float]
    off: str = ""
    """Empty is what the flag has for all environments."""
    enabled: bool = True
    prerequisites: list[PrerequisiteShape] = []
    individuals: dict[str, str] = {}
    rules: list[RuleShape] = []
    begins: datetime | None = msgspec.field(name="from", default=None)
    ends: datetime | None = msgspec.field(name="until", default=None)

    @classmethod
    def of(cls, one: Setting) -> SettingShape:
        return cls(
            default=_shown(share_of(one.default)),
            off=one.off,
            enabled=one.enabled,
            prerequisites=[PrerequisiteShape(flag=it.flag, variants=list(it.variants)) for it in one.prerequisites],
            individuals=dict(one.individuals),
            rules=[
                RuleShape(id=it.id, when=[ConditionShape.of(c) for c in it.when], serve=_shown(share_of(it.serve)))
                for it in one.rules
            ],
            begins=_moment(one.begins),
            ends=_moment(one.ends),
        )

    def meant(self, head: Head) -> Wanted:
        return Wanted(
            default=self.default,
            off=self.off or head.off,
            enabled=self.enabled,
            prerequisites=tuple(Prerequisite(one.flag, tuple(one.variants)) for one in self.prerequisites),
            individuals=self.individuals,
            rules=tuple(
                WantedRule(id=one.id, when=tuple(c.meant() for c in one.when), serve=one.serve) for one in self.rules
            ),
            begins=None if self.begins is None else self.begins.timestamp(),
            ends=None if self.ends is None else self.ends.timestamp(),
        )


class FlagHead(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What holds for a flag in all environments. Left out, variants are ``on`` and ``off``, for a switch."""

    kind: Kind = Kind.BOOLEAN
    variants: dict[str, Any] = {}
    off: str = ""
    unit: str = "targetingKey"
    salt: str = ""
    description: str = ""
    owner: str = ""
    ends: date | None = None
    permanent: bool = False
    card: str = ""
    code: str = ""

    @classmethod
    def of(cls, one: Head) -> FlagHead:
        return cls(
            kind=one.kind,
            variants=dict(one.variants),
            off=one.off,
            unit=one.unit,
            salt=one.salt,
            description=one.description,
            owner=one.owner,
            ends=one.ends,
            permanent=one.permanent,
            card=one.card,
            code=one.code,
        )

    def meant(self) -> Head:
        return Head(
            kind=self.kind,
            variants=self.variants,
            off=self.off,
            unit=self.unit,
            salt=self.salt,
            description=self.description,
            owner=self.owner,
            ends=self.ends,
            permanent=self.permanent,
            card=self.card,
            code=self.code,
        )


class NewFlag(FlagHead, kw_only=True, forbid_unknown_fields=True):
    name: str


class HeadChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays."""

    variants: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    off: str | msgspec.UnsetType = msgspec.UNSET
    unit: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    owner: str | msgspec.UnsetType = msgspec.UNSET
    ends: date | msgspec.UnsetType | None = msgspec.UNSET
    permanent: bool | msgspec.UnsetType = msgspec.UNSET
    card: str | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET
    why: str = ""
    base: int | None = None


class SettingChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``base`` is the version that the setting was read at: another one in the meantime is a conflict."""

    setting: SettingShape
    why: str = ""
    base: int | None = None


class ShareChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Percent of those whom no rule serves, or of a rule's, that get a variant; the rest in proportion."""

    percent: float
    variant: str = "on"
    rule: str = ""
    why: str = ""


class Reasoned(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    why: str = ""


class VersionChosen(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    version: int
    why: str = ""


class StepShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """``after`` seconds from the step before, or ``at`` a moment."""

    percent: float
    after: float = 0.0
    at: datetime | None = None

    @classmethod
    def of(cls, one: Step) -> StepShape:
        return cls(percent=one.percent, after=one.after, at=one.at)

    def meant(self) -> Step:
        return Step(percent=self.percent, after=self.after, at=self.at)


class RampOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    steps: list[StepShape]
    variant: str = "on"
    rule: str = ""
    why: str = ""


class RampEnd(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    take_back: bool = False
    """Whether nobody gets the variant by this ramp any more; else the share stays."""
    why: str = ""


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

    @classmethod
    def of(cls, one: StoredSetting, *, second_person: bool = False) -> EnvironmentSetting:
        return cls(
            environment=one.environment,
            version=one.version,
            changed_at=one.changed_at,
            sentence=words.who_gets_what(one.setting),
            setting=SettingShape.of(one.setting),
            second_person=second_person,
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

    @classmethod
    def of(cls, one: RampView) -> RampShape:
        return cls(**{name: getattr(one, name) for name in cls.__struct_fields__})


class ProposalShape(msgspec.Struct, kw_only=True):
    id: str
    service: str
    flag: str
    environment: str
    sentence: str
    why: str
    by: str | None
    """A person's name, where there is one."""
    at: datetime
    state: ProposalState

    @classmethod
    def of(cls, one: Proposal, name: str | None) -> ProposalShape:
        return cls(
            id=one.id,
            service=one.service,
            flag=one.flag,
            environment=one.environment,
            sentence=one.sentence,
            why=one.why,
            by=name,
            at=one.at,
            state=one.state,
        )


class Proposals(msgspec.Struct, kw_only=True):
    proposals: list[ProposalShape]


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


class Whom(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody, as a program would tell of them."""

    environment: str
    context: dict[str, Any] = {}
    at: datetime | None = None


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


class SegmentShape(msgspec.Struct, kw_only=True):
    name: str
    service: str
    version: int
    description: str
    when: list[list[ConditionShape]]
    size: int
    changed_at: datetime

    @classmethod
    def of(cls, one: StoredSegment) -> SegmentShape:
        return cls(
            name=one.name,
            service=one.service,
            version=one.version,
            description=one.description,
            when=[[ConditionShape.of(it) for it in every] for every in one.when],
            size=one.size,
            changed_at=one.changed_at,
        )


class SegmentUse(msgspec.Struct, kw_only=True):
    service: str
    environment: str
    flag: str


class SegmentDetails(msgspec.Struct, kw_only=True):
    segment: SegmentShape
    members: list[str] | None
    """``None`` for a large one, of which only hashes are kept."""
    uses: list[SegmentUse]
    warnings: list[str] = []


class SegmentList(msgspec.Struct, kw_only=True):
    segments: list[SegmentShape]


class SegmentPut(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``when``: whoever fulfils all conditions of one of the lists belongs to it, beside its members."""

    service: str
    description: str = ""
    when: list[list[ConditionShape]] = []


class MembersChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    add: list[str] = []
    remove: list[str] = []


class MembersPart(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    members: list[str]


class Upload(msgspec.Struct, kw_only=True):
    upload: int
    size: int
    """Members by now."""


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
    flags: list[StaleFlag]
    complete: bool
    """Whether all of the code was looked through."""


def _shown(share: Share) -> str | dict[str, float]:
    return share if isinstance(share, str) else dict(share)


def _moment(seconds: float | None) -> datetime | None:

    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
