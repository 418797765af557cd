"""Whose outcomes are compared with whose, and what becomes of looks that have grown old."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from andon.feedback.ramps.adapters import TelemetryOutcomes
from andon.feedback.ramps.model.looks import Arm, LookRecord, Sides, condensed, expected_share
from andon.feedback.ramps.model.watching import Rhythm
from andon.flow.flags.contract import FlagName, RampId, RampState, RampView
from andon.flow.sources.contract import Service
from andon_flags.watching import BOUNDS
from tests.feedback.ramps.world import Store

NOW = 1_800_000_000_000
RAMP = RampView(
    id=RampId("ramp_1"),
    service=Service("store"),
    environment="production",
    flag=FlagName("new.checkout"),
    rule="",
    variant="on",
    percent=5,
    step=1,
    steps=2,
    state=RampState.RUNNING,
    next_at=None,
    began_at=datetime(2027, 1, 1, tzinfo=UTC),
    judged=True,
    stepped_at=datetime(2027, 1, 1, tzinfo=UTC),
    seconds=60,
    said="",
)


def told(*lines: str, seconds: float = 5) -> TelemetryOutcomes:
    store = Store()
    for line in lines:
        store.tell(line, NOW - round(seconds * 1000))
    return store.outcomes


def of(variant: str, rule: str, *, flag: str = "new.checkout", count: int = 1, metric: str = "requests") -> str:
    return f"flags.{metric}:{count}|c|#flag:{flag},variant:{variant},rule:{rule}"


LINES = (
    of("on", "-", count=5),
    of("off", "-", count=90),
    of("on", "staff", count=7),
    of("off", "staff", count=8),
    of("on", "_", count=1000),
    of("off", "_", count=1000),
    of("on", "-", flag="new-checkout", count=1000),
)


def test_whom_no_rule_serves_is_compared_with_one_another_alone() -> None:
    sides = told(*LINES).measure(RAMP, NOW - 10_000, NOW)
    assert sides is not None
    assert (sides.variant.requests, sides.others.requests) == (5, 90)


def test_whom_a_rule_serves_is_compared_with_all_who_were_not_named() -> None:
    sides = told(*LINES).measure(replace(RAMP, rule="staff"), NOW - 10_000, NOW)
    assert sides is not None
    assert (sides.variant.requests, sides.others.requests) == (7, 98)


def test_what_was_told_before_is_not_told_again() -> None:
    assert told(*LINES, seconds=12).measure(RAMP, NOW - 10_000, NOW) is None


def test_nothing_is_nothing_only_while_somebody_watches() -> None:
    assert told().measure(RAMP, NOW - 10_000, NOW) is None
    found = told("flags.watching:1|c|#event:-", seconds=20).measure(RAMP, NOW - 10_000, NOW)
    assert found is not None
    assert found.variant.requests == found.others.requests == 0


def test_a_bound_that_is_not_known_counts_for_the_next_that_is() -> None:
    durations = [f"{of('on', '-', metric='durations')},le:{le}" for le in ("1", "4", "10000", "20000", "inf", "what")]
    sides = told(*durations).measure(RAMP, NOW - 10_000, NOW)
    assert sides is not None
    counted = {bound: count for bound, count in zip((*BOUNDS, None), sides.variant.durations, strict=True) if count}
    assert counted == {1: 1, 5: 1, 10_000: 1, None: 3}


def test_who_can_tell_and_what_their_business_counts_is_heard() -> None:
    outcomes = told("flags.watching:1|c|#event:-", "flags.watching:1|c|#event:orders.placed")
    assert outcomes.listeners(NOW - 60_000, NOW) == {(Service("store"), "production"): ("orders.placed",)}


def look(number: int, *, step: int = 1, share: float | None = None, mine: float = 10, others: float = 30) -> LookRecord:
    return LookRecord(
        number=number,
        step=step,
        until=number * 2000,
        seconds=2,
        share=share,
        sides=Sides(Arm(requests=mine, durations=(mine,), events={"a": 1}), Arm(requests=others)),
    )


def test_old_looks_are_put_together_within_a_step_and_nothing_is_lost() -> None:
    looks = [look(number, step=1 if number < 5 else 2) for number in range(40)]
    looks[3] = replace(looks[3], sides=None)
    found = condensed(looks, 12)
    assert len(found) <= 12
    assert sum(one.seconds for one in found) == 80
    seen = [one.sides for one in found if one.sides is not None]
    assert sum(one.variant.requests for one in seen) == 390
    assert sum(one.variant.events.get("a", 0) for one in seen) == 39
    assert sum(sum(one.variant.durations) for one in seen) == 390
    assert [one.until for one in found] == sorted({one.until for one in found})
    apart = [look(number, step=number) for number in range(40)]
    assert condensed(apart, 12) == apart, "those of two steps are not put together"


def test_the_part_of_the_variant_is_known_once_it_was_asked_for_often_enough() -> None:
    looks = [look(number) for number in range(1, 13)]
    assert expected_share(looks, 1, 0, 24_000) == 0.25
    assert expected_share(looks, 1, 0, 18_000) is None
    assert expected_share(looks, 2, 0, 24_000) is None
    assert expected_share([replace(one, sides=None) for one in looks], 1, 0, 24_000) is None


def test_is_looked_at_less_often_in_an_old_step() -> None:
    assert [Rhythm().between(seconds) for seconds in (0, 60, 3600, 86_400)] == [2, 2, 12, 30]
