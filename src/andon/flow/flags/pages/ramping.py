"""Ramps on the page of their flag: how they stand, and what can be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from andon.flow.flags.contract import RampState, RampView, RampWish, possible
from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import StoredFlag
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.web.http.pages import PageContext

_SOON = timedelta(seconds=10)
"""What is nearer than that is "just now" in the words of pages, as if it had been."""
_LOOKS = {
    RampWish.PAUSE: ("hold", "plain"),
    RampWish.RESUME: ("run", "primary"),
    RampWish.PROMOTE: ("arrow", "plain"),
    RampWish.STOP: ("cancel", "plain"),
    RampWish.TAKE_BACK: ("back", "danger"),
}
"""Icon and kind of each button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramping:
    ramp: RampView
    paused: bool
    by: str
    """The name of whoever paused it."""
    due: bool
    """Whether its next step is to come now: a judged one may wait beyond its time."""
    hands: tuple[Hand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """A button of a ramp's form, which has one reason for all of them."""

    wish: RampWish
    label: str
    icon: str
    kind: str
    spoken: str
    """Begins with the label and says which ramp is meant: a page may have several."""
    blocked: str


def ramps_of(
    desk: Desk, reading: Reading, flag: StoredFlag, place: str, *, may: bool, may_end: bool
) -> tuple[Ramping, ...]:
    """``may`` whoever looks release there, and ``may_end`` what is released."""
    found = [one for one in desk.flags.ramps(reading, flag.service, place) if one.flag == flag.name]
    shapes = desk.ramp_shapes(reading, found)
    return tuple(
        Ramping(
            ramp=one,
            paused=one.state is RampState.PAUSED,
            by=shape.paused_by or "somebody",
            due=one.next_at is not None and one.next_at - reading.now < _SOON,
            hands=_hands(one, may=may) if may_end else (),
        )
        for one, shape in zip(found, shapes, strict=True)
    )


def _hands(ramp: RampView, *, may: bool) -> tuple[Hand, ...]:
    return tuple(
        Hand(
            wish=wish,
            label=label,
            icon=_LOOKS[wish][0],
            kind=_LOOKS[wish][1],
            blocked="" if may or not wish.raises else "You may not release here.",
            spoken=f"{label}: {ramp.variant} in {ramp.environment}{f', rule {ramp.rule}' if ramp.rule else ''}",
        )
        for wish, label in possible(ramp)
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
