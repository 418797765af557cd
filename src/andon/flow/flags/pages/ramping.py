"""Ramps on the page of their flag: how they stand, and what can be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from andon.flow.flags.contract import Hand, RampState, RampView, RampWish, hands_of
from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import StoredFlag
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.web.http.pages import PageContext

_SOON = timedelta(seconds=10)
"""What is nearer than that is "just now" in the words of pages, as if it had been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramping:
    ramp: RampView
    paused: bool
    by: str
    """The name of whoever paused it."""
    due: bool
    """Whether its next step is to come now: a judged one may wait beyond its time."""
    hands: tuple[Hand, ...]


def ramps_of(
    desk: Desk, reading: Reading, principal: Principal, flag: StoredFlag, place: str, *, may_end: bool
) -> tuple[Ramping, ...]:
    """``may_end``: whether whoever looks may end there what is released, which is the least that is asked of a ramp."""
    found = [one for one in desk.flags.ramps(reading, flag.service, place) if one.flag == flag.name]
    shapes = desk.ramp_shapes(reading, found)
    return tuple(
        Ramping(
            ramp=one,
            paused=one.state is RampState.PAUSED,
            by=shape.paused_by or "somebody",
            due=one.next_at is not None and one.next_at - reading.now < _SOON,
            hands=hands_of(one, principal) if may_end else (),
        )
        for one, shape in zip(found, shapes, strict=True)
    )


def wish_of(context: PageContext) -> RampWish:
    """Raises ``Invalid``."""
    try:
        return RampWish(context.required("wish"))
    except ValueError:
        raise Invalid("That cannot be asked of a ramp.", safe="Nothing was changed.") from None


def number_of(context: PageContext, field: str) -> int | None:
    text = context.form.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
