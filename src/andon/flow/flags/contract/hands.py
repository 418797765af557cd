"""What can be asked of a ramp, as the buttons of one form: the same wherever a ramp is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from andon.flow.flags.contract.ramps import RampView, RampWish, possible
from andon.kernel.access import Permission, Principal

_LOOKS: Mapping[RampWish, tuple[str, str]] = {
    RampWish.PAUSE: ("hold", "plain"),
    RampWish.RESUME: ("run", "primary"),
    RampWish.PROMOTE: ("arrow", "plain"),
    RampWish.STOP: ("cancel", "plain"),
    RampWish.TAKE_BACK: ("back", "danger"),
}
"""Icon and kind of each button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """A button of a ramp's form, which has one reason for all of them; ``ui.hands`` draws the form."""

    wish: RampWish
    label: str
    icon: str
    kind: str
    spoken: str
    """Begins with the label and says which ramp is meant: a page may have several."""
    blocked: str
    """Why it cannot be pressed; empty when it can."""


def hands_of(ramp: RampView, principal: Principal) -> tuple[Hand, ...]:
    """None of a ramp that is over. What the principal may not do is there with the reason."""
    release = principal.may(Permission.RELEASE, ramp.service, ramp.environment)
    end = release or principal.may(Permission.ROLL_BACK, ramp.service, ramp.environment)
    whose = f"{ramp.variant} in {ramp.environment}{f', rule {ramp.rule}' if ramp.rule else ''}"
    return tuple(
        Hand(
            wish=wish,
            label=label,
            icon=_LOOKS[wish][0],
            kind=_LOOKS[wish][1],
            spoken=f"{label}: {whose}",
            blocked="" if release or (end and not wish.raises) else "You may not release here.",
        )
        for wish, label in possible(ramp)
    )
