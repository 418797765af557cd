"""Giving an environment more time: what its page offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.flow.environments.contract import LONGEST_LIFE, EnvironmentView
from andon.flow.environments.pages.words import place_address
from andon.flow.environments.service import EnvironmentService
from andon.kernel.access import Principal

_LONGER = (
    (timedelta(hours=8), "8 hours"),
    (timedelta(days=1), "1 day"),
    (timedelta(days=2), "2 days"),
    (timedelta(days=7), "7 days"),
    (timedelta(days=30), "30 days"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Longer:
    seconds: int
    words: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A form that lets an environment live longer; ``ends`` is sent along, so that it means what was read."""

    name: str
    action: str
    ends: datetime
    choices: tuple[Longer, ...]


def keeping(principal: Principal, place: EnvironmentView, now: datetime) -> Keeping | None:
    """``None`` where there is nothing to extend, it is too late, or who looks may not."""
    ends = place.expires_at
    if ends is None or ends <= now:
        return None
    if not principal.may(EnvironmentService.extending(place.like, place.name), place.service, place.name):
        return None
    latest = now + timedelta(seconds=LONGEST_LIFE)
    choices = tuple(
        Longer(seconds=round(by.total_seconds()), words=words, until=ends + by)
        for by, words in _LONGER
        if ends + by <= latest
    )
    if not choices:
        return None
    action = f"{place_address(place.service, place.name)}/extend"
    return Keeping(name=place.name, action=action, ends=ends, choices=choices)
