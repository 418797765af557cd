"""Flags as lines on graphs."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from andon.feedback.graphs.contract import CauseKind
from andon.feedback.graphs.model.causes import CAUSES, cause_of
from andon.flow.flags.contract import (
    FlagChanged,
    FlagKilled,
    FlagName,
    FlagRampEnded,
    FlagRevived,
    RampId,
    RampState,
)
from andon.flow.sources.contract import Service
from andon.kernel.events import Actor, ActorKind, Envelope, Event

CHANGED = FlagChanged(
    flag=FlagName("new-checkout"),
    service=Service("store"),
    environment="production",
    version=2,
    sentence="on for 5 % of everybody, was 1 %",
    why="",
)


def envelope(happened: Event) -> Envelope:
    return Envelope(
        position=1,
        id="ev_1",
        type=happened.type,
        at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        actor=Actor(ActorKind.PERSON, "per_1", "per_1"),
        subject="flag:new-checkout",
        data=msgspec.json.encode(happened),
        digest="",
        facets={"service": "store", "environment": "production"},
    )


def ended(state: RampState) -> FlagRampEnded:
    return FlagRampEnded(
        flag=FlagName("new-checkout"),
        service=Service("store"),
        environment="production",
        ramp=RampId("ramp_1"),
        state=state,
        percent=5,
        why="twice as many errors",
    )


def killed(kind: type[FlagKilled | FlagRevived]) -> FlagKilled | FlagRevived:
    return kind(
        flag=FlagName("new-checkout"), service=Service("store"), environment="production", version=3, why="it burns"
    )


@pytest.mark.parametrize(
    ("happened", "title", "failed"),
    [
        (CHANGED, "new-checkout: on for 5 % of everybody, was 1 %", False),
        (killed(FlagKilled), "Killed new-checkout", True),
        (killed(FlagRevived), "Revived new-checkout", False),
        (ended(RampState.HALTED), "Halted the ramp of new-checkout at 5 %", True),
    ],
)
def test_whatever_changes_who_gets_what_is_a_line(happened: Event, title: str, failed: bool) -> None:
    assert happened.type in CAUSES
    found = cause_of(envelope(happened))
    assert found is not None
    assert (found.kind, found.title, found.failed) == (CauseKind.FLAG, title, failed)
    assert found.href == "/flags/store/new-checkout"
    assert found.environment == "production"


def test_what_changes_it_for_nobody_is_none() -> None:
    assert cause_of(envelope(ended(RampState.DONE))) is None
    everywhere = FlagChanged(
        flag=FlagName("new-checkout"),
        service=Service("store"),
        environment=None,
        version=2,
        sentence="owner: x",
        why="",
    )
    assert cause_of(envelope(everywhere)) is None
