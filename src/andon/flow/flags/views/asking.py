"""What is sent to have flags changed or explained."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from andon.flow.flags.contract import Judging
from andon.flow.flags.model.flag import Step
from andon.flow.flags.views.settings import FlagHead, SettingShape

# Any, in this package: a variant is whatever JSON somebody has their service get, a context whatever a program sends


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
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

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
    judge: Judging = Judging.AUTO
    """Whether those who get the variant are compared with those who do not before each step: `auto` where the service
    tells how its requests end, `judged` in any case, `none` by time alone."""


class RampEnd(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    take_back: bool = False
    """Whether nobody gets the variant by this ramp any more; else the share stays."""
    why: str = ""


class RampPromotion(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    step: int
    """How many steps of the ramp were done when you looked: of two who promote at once, one is told so."""
    why: str = ""


class Whom(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody, as a program would tell of them."""

    environment: str
    attributes: dict[str, Any] = {}
    """The evaluation context, its ``targetingKey`` included."""
    at: datetime | None = None
