"""The form that begins a ramp: read as the command reads it, and given back with what is wrong at each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from andon.flow.flags.contract import Judging
from andon.flow.flags.desk import Desk
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.model.ramping import RampInvalid, RampPart
from andon.flow.flags.views.steps import LONGEST_STEPS, steps_of
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Transaction
from andon.kernel.errors import AndonError, Invalid

_PREFIX = "ramp-"


class _StepsUnread(Invalid):
    """What was written is no list of steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """As it came."""

    variant: str
    rule: str
    steps: str
    judge: str
    why: str

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Written:
        found = {name: form.get(f"{_PREFIX}{name}", "").strip() for name in cls.__slots__}
        return cls(**{**found, "steps": found["steps"][: LONGEST_STEPS + 1]})

    def wrong(self, error: AndonError) -> dict[str, str]:
        """What was written, and what is wrong with it: ``steps-wrong`` at its field, ``why`` of the whole."""
        said: dict[str, str] = {"form": "ramp", "why": "", "written": ""}
        said |= {f"{_PREFIX}{name}": getattr(self, name) for name in self.__slots__}
        if isinstance(error, _StepsUnread):
            return {**said, f"{RampPart.STEPS}-wrong": str(error)}
        if not isinstance(error, RampInvalid):
            return {**said, "why": str(error)}
        for one in error.found:
            place = "why" if one.part is RampPart.FLAG else f"{one.part}-wrong"
            said[place] = f"{said.get(place, '')} {one.says}.".strip()
        return said


def begin(
    desk: Desk, tx: Transaction, principal: Principal, service: Service, flag: str, environment: str, order: Written
) -> Outcome:
    """Raises as :meth:`~andon.flow.flags.service.flags.FlagService.ramp`, and ``Invalid`` for steps that are none."""
    try:
        steps = steps_of(order.steps, UTC)
    except Invalid as error:
        raise _StepsUnread(error.message, safe=error.safe, remedy=error.remedy) from error
    try:
        judging = Judging(order.judge or Judging.AUTO.value)
    except ValueError:
        raise Invalid("A ramp is judged in no such way.", safe="Nothing was begun.") from None
    _, outcome = desk.flags.ramp(
        tx,
        principal,
        service,
        environment,
        flag,
        variant=order.variant,
        rule=order.rule,
        steps=tuple(one.meant() for one in steps),
        why=order.why,
        judging=judging,
    )
    return outcome
