"""Hands on a ramp: paused, resumed, promoted, and refused in words where that cannot be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from andon.flow.flags.contract import (
    FlagName,
    FlagRampEnded,
    FlagRampPaused,
    FlagRampResumed,
    FlagRampStepped,
    Judgement,
    Judging,
    RampId,
    RampState,
    RampView,
    RampWish,
    Verdict,
    hands_of,
    possible,
)
from andon.flow.flags.model.flag import Ramp, Step
from andon.flow.flags.model.outcomes import NothingToDo, RampMoved, RampOver
from andon.flow.flags.model.ramping import next_at, resumed, view
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.views.asking import StepShape
from andon.kernel.access import Permission, Principal
from andon.kernel.clock import SettableClock
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError, Conflict, Forbidden, Invalid, Unavailable
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_ramps import USUAL, Gate, start, state, turn, view_of, watched
from tests.flow.flags.test_service import STORE, change, create, share, told

HOUR = 3600.0


def ask(place: Flagged, wish: RampWish, *, by: Principal | None = None, step: int | None = None, why: str = "") -> None:
    ramp = view_of(place)
    with place.installation.database.transaction() as tx:
        place.flags.ask_ramp(tx, by or place.maxine, ramp.id, wish, step=ramp.step if step is None else step, why=why)


def test_what_was_left_of_a_step_when_it_was_paused_is_left_when_it_goes_on(
    place: Flagged, clock: SettableClock
) -> None:
    create(place)
    start(place)
    assert turn(place, clock, HOUR / 2) == 1
    ask(place, RampWish.PAUSE, by=place.patty, why="support is flooded")
    assert turn(place, clock, 10 * 86400) == 1
    paused = view_of(place)
    assert (paused.state, paused.next_at, paused.remaining) == (RampState.PAUSED, None, HOUR / 2)
    assert (paused.paused_by, paused.paused_why) == (place.patty.person, "support is flooded")
    ask(place, RampWish.RESUME)
    assert turn(place, clock, HOUR / 2 - 1) == 1
    assert turn(place, clock, 1) == 5
    assert (view_of(place).state, view_of(place).paused_at) == (RampState.RUNNING, None)
    assert [one.why for one in told(place, FlagRampPaused) if isinstance(one, FlagRampPaused)] == ["support is flooded"]
    assert len(told(place, FlagRampResumed)) == 1


def test_a_pause_is_in_the_database_alone(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here)
    turn(here, clock, HOUR / 2)
    ask(here, RampWish.PAUSE)
    # nothing of the first process is left but the database
    other = replace(here, flags=FlagService(Documents(), here.flags._places))
    assert turn(other, clock, HOUR) == 1
    ask(other, RampWish.RESUME)
    third = replace(here, flags=FlagService(Documents(), here.flags._places))
    assert turn(third, clock, HOUR / 2) == 5
    assert turn(here, clock) == 5
    assert len(told(here, FlagRampStepped)) == 2


def test_a_step_whose_time_had_come_is_made_when_the_ramp_goes_on(here: Flagged, clock: SettableClock) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here)
    gate.answer = Judgement(Verdict.WAIT, "too few samples")
    assert turn(here, clock, 2 * HOUR) == 1
    ask(here, RampWish.PAUSE)
    gate.answer = Judgement(Verdict.GO)
    assert turn(here, clock, HOUR) == 1
    ask(here, RampWish.RESUME)
    assert turn(here, clock) == 5


def test_a_ramp_that_has_not_begun_is_paused_too(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here, (Step(percent=100, after=HOUR),))
    ask(here, RampWish.PAUSE)
    assert turn(here, clock, 5 * HOUR) == 0
    ask(here, RampWish.RESUME)
    assert turn(here, clock, HOUR - 1) == 0
    assert turn(here, clock, 1) == 100


def test_a_paused_ramp_that_does_harm_is_taken_back_all_the_same(here: Flagged, clock: SettableClock) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here, judging=Judging.JUDGED)
    ask(here, RampWish.PAUSE)
    assert watched(here), "services still tell how it goes"
    assert turn(here, clock, 2 * HOUR) == 1
    assert gate.asked == [False], "nobody asks whether it may go on"
    gate.answer = Judgement(Verdict.TAKE_BACK, "twice as many errors")
    assert turn(here, clock, 1) == 0
    assert state(here) is RampState.HALTED
    assert not watched(here)


def test_whoever_promotes_does_not_wait(here: Flagged, clock: SettableClock) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here)
    gate.answer = Judgement(Verdict.WAIT, "too few samples")
    turn(here, clock, 60)
    ask(here, RampWish.PROMOTE, by=here.patty, why="all is well")
    assert turn(here, clock) == 5
    steps = [one for one in told(here, FlagRampStepped) if isinstance(one, FlagRampStepped)]
    assert [(one.step, one.percent, one.promoted) for one in steps] == [(2, 5, True), (1, 1, False)]
    gate.answer = Judgement(Verdict.GO)
    assert turn(here, clock, HOUR - 1) == 5, "the next step has its whole time"
    assert turn(here, clock, 1) == 25
    with here.installation.database.reading() as reading:
        flag = here.flags.get(reading, here.maxine, STORE, "new-checkout")
        versions = here.flags.history(reading, flag, limit=9)
    assert [(one.why, one.person) for one in versions if one.environment][1] == (
        "step 2 of 4 of a ramp: all is well",
        here.patty.person,
    )


def test_a_promotion_ends_a_pause(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here)
    ask(here, RampWish.PAUSE)
    ask(here, RampWish.PROMOTE)
    assert (view_of(here).state, view_of(here).percent, view_of(here).paused_at) == (RampState.RUNNING, 5, None)
    assert turn(here, clock, HOUR) == 25


def test_a_promotion_makes_one_step_however_many_moments_were_missed(here: Flagged, clock: SettableClock) -> None:
    now = clock.now()
    moments = [Step(percent=share, at=now + timedelta(hours=hour)) for share, hour in ((5, 1), (25, 2), (100, 3))]
    create(here)
    start(here, (Step(percent=1), *moments))
    ask(here, RampWish.PAUSE)
    assert turn(here, clock, 10 * HOUR) == 1
    ask(here, RampWish.PROMOTE)
    assert turn(here, clock, HOUR - 1) == 5, "the next step has its whole time"
    assert turn(here, clock, 1) == 25
    assert turn(here, clock, HOUR) == 100


def test_what_does_harm_is_not_promoted(here: Flagged, clock: SettableClock) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here)
    gate.answer = Judgement(Verdict.TAKE_BACK, "twice as many errors")
    with pytest.raises(Conflict, match="does harm: twice as many errors"):
        ask(here, RampWish.PROMOTE)
    assert turn(here, clock) == 0


class Unsure(Gate):
    """Cannot be asked of one flag, and finds harm in every other."""

    def judge(self, reading: Reading, ramp: RampView, *, due: bool) -> Judgement:
        if ramp.flag == "first":
            raise Unavailable("Nobody can say.")
        return Judgement(Verdict.TAKE_BACK, "twice as many errors")


def test_a_ramp_that_cannot_be_turned_keeps_no_harm_of_another(here: Flagged, clock: SettableClock) -> None:
    create(here, "first")
    with here.installation.database.transaction() as tx:
        here.flags.ramp(tx, here.maxine, STORE, "production", "first", variant="on", steps=USUAL)
    create(here)
    start(here)
    here.flags.ramping.judged_by(Unsure())
    assert turn(here, clock, 60) == 0
    assert state(here) is RampState.HALTED


def test_two_who_promote_at_once_make_one_step(here: Flagged) -> None:
    create(here)
    start(here)
    ramp, database = view_of(here), here.installation.database
    together, came = threading.Barrier(2), list[AndonError | None]()

    def promote() -> None:
        together.wait(60)
        try:
            with database.transaction() as tx:
                here.flags.promote(tx, here.maxine, ramp.id, step=ramp.step)
            came.append(None)
        except AndonError as error:
            came.append(error)

    threads = [threading.Thread(target=promote) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    (refused,) = (one for one in came if one is not None)
    assert isinstance(refused, RampMoved)
    assert "it is at 5 %, step 2 of 4" in refused.message
    assert view_of(here).percent == 5


def test_what_cannot_be_asked_is_refused_and_changes_nothing(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here, (Step(percent=1), Step(percent=100, after=HOUR)))
    with pytest.raises(NothingToDo, match="is not paused"):
        ask(here, RampWish.RESUME)
    ask(here, RampWish.PAUSE, why="first")
    with pytest.raises(NothingToDo, match="is paused already"):
        ask(here, RampWish.PAUSE, by=here.patty, why="second")
    assert view_of(here).paused_why == "first"
    with pytest.raises(Conflict, match="under way already"):
        start(here)
    with pytest.raises(Invalid, match="from which step"), here.installation.database.transaction() as tx:
        here.flags.ask_ramp(tx, here.maxine, view_of(here).id, RampWish.PROMOTE)
    ask(here, RampWish.PROMOTE)
    assert state(here) is RampState.DONE
    for wish in (RampWish.PAUSE, RampWish.RESUME, RampWish.PROMOTE, RampWish.TAKE_BACK):
        with pytest.raises(RampOver, match=r"is over: it arrived at 100 %\. Nothing was changed\."):
            ask(here, wish)
    ask(here, RampWish.STOP)
    assert (turn(here, clock, HOUR), len(told(here, FlagRampEnded))) == (100, 1)


def kill(place: Flagged) -> None:
    with place.installation.database.transaction() as tx:
        place.flags.kill(tx, place.maxine, STORE, "production", "new-checkout", why="")


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (lambda one: change(one, share(0.5)), "somebody set the share to 0.5 %"),
        (lambda one: ask(one, RampWish.TAKE_BACK, why="no more"), "no more"),
        (kill, "the flag was killed"),
    ],
    ids=["by hand", "taken back", "killed"],
)
def test_a_paused_ramp_can_be_ended(
    here: Flagged, clock: SettableClock, end: Callable[[Flagged], object], why: str
) -> None:
    create(here)
    start(here)
    ask(here, RampWish.PAUSE)
    end(here)
    turn(here, clock, 1)
    assert state(here) is RampState.STOPPED
    ended = told(here, FlagRampEnded)[0]
    assert isinstance(ended, FlagRampEnded)
    assert ended.why == why
    assert (view_of(here).remaining, view_of(here).paused_at) == (None, None)


def test_of_an_approved_ramp_one_person_makes_the_steps_that_were_agreed_to(
    guarded: Flagged, clock: SettableClock
) -> None:
    create(guarded)
    _, outcome = start(guarded)
    assert outcome.proposal is not None
    with guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)
    for wish in (RampWish.PAUSE, RampWish.RESUME, RampWish.PROMOTE):
        ask(guarded, wish)
    assert (turn(guarded, clock), state(guarded)) == (5, RampState.RUNNING)


def test_whoever_may_roll_back_pauses_and_only_whoever_may_release_goes_on(here: Flagged) -> None:
    create(here)
    start(here)
    with pytest.raises(Forbidden):
        ask(here, RampWish.PAUSE, by=here.wes)
    duty = replace(here.maxine, scopes=frozenset({Permission.READ, Permission.ROLL_BACK}))
    ask(here, RampWish.PAUSE, by=duty)
    for wish in (RampWish.RESUME, RampWish.PROMOTE):
        with pytest.raises(Forbidden):
            ask(here, wish, by=duty)
    ask(here, RampWish.STOP, by=duty)
    assert state(here) is RampState.STOPPED


def test_buttons_say_which_ramp_is_meant_and_why_one_cannot_be_pressed(here: Flagged) -> None:
    create(here)
    start(here)
    ramp = view_of(here)
    free = hands_of(ramp, here.maxine)
    assert [(one.wish, one.blocked) for one in free] == [(wish, "") for wish, _ in possible(ramp)]
    assert free[0].spoken == "Pause at this step: on in production"
    assert hands_of(replace(ramp, rule="r1"), here.maxine)[0].spoken.endswith(", rule r1")
    duty = replace(here.maxine, scopes=frozenset({Permission.READ, Permission.ROLL_BACK}))
    blocked = {one.wish for one in hands_of(ramp, duty) if one.blocked == "You may not release here."}
    assert blocked == {RampWish.PROMOTE}
    assert all(one.blocked for one in hands_of(ramp, here.wes))
    ask(here, RampWish.STOP)
    assert hands_of(view_of(here), here.maxine) == ()


def test_a_moment_without_a_zone_is_refused_by_the_api() -> None:
    step = {"percent": 1, "at": "2026-12-01T09:00:00"}
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.convert(step, StepShape)
    assert msgspec.convert({**step, "at": "2026-12-01T09:00:00Z"}, StepShape).at == NINE


NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NINE + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("steps", "paused", "now", "comes"),
    [
        ((Step(percent=5, at=at(3)), Step(percent=9, at=at(5))), at(0), at(2), (at(3), at(5))),
        ((Step(percent=5, at=at(3)), Step(percent=9, at=at(5))), at(1), at(4), (at(6), at(8))),
        ((Step(percent=5, at=at(3)), Step(percent=9, at=at(99))), at(1), at(4), (at(6), at(102))),
        ((Step(percent=5, after=HOUR), Step(percent=9, at=at(3))), at(0), at(4), (at(5), at(7))),
        ((Step(percent=5, after=HOUR), Step(percent=9, at=at(9))), at(0), at(4), (at(5), at(9))),
    ],
    ids=["ahead", "passed", "those after it", "passed before its turn", "ahead when it is its turn"],
)
def test_a_moment_stays_unless_it_has_passed_and_then_comes_later_by_the_pause(
    steps: tuple[Step, Step], paused: datetime, now: datetime, comes: tuple[datetime, datetime]
) -> None:
    first = steps[0]
    ramp = Ramp(
        id=RampId("ramp"),
        service=STORE,
        flag=FlagName("new-checkout"),
        environment="production",
        rule="",
        variant="on",
        steps=(Step(percent=1), *steps),
        done=1,
        percent=1,
        state=RampState.PAUSED,
        why="",
        person=None,
        began_at=NINE,
        next_at=None,
        ended_at=None,
        remaining=first.after if first.at is None else (first.at - paused).total_seconds(),
        paused_at=paused,
    )
    when, changed = resumed(ramp, now)
    assert (when, next_at(changed[2], when)) == comes
    assert changed[1].at in (None, when)
    assert view(replace(ramp, steps=changed)).seconds == view(ramp).seconds, "the judge's plan stays"
