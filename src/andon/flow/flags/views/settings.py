"""A flag and who gets what of it, as API, command line and ``flags.yaml`` have them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from andon.flow.flags.model.flag import Head, Setting
from andon.flow.flags.model.wishes import Share, Wanted, WantedRule, share_of
from andon_flags.document import Condition, Kind, Operator, Prerequisite

# Any, in this package: a variant is whatever JSON somebody has their service get, a context whatever a program sends


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


def _shown(share: Share) -> str | dict[str, float]:
    return share if isinstance(share, str) else dict(share)


def _moment(seconds: float | None) -> datetime | None:

    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
