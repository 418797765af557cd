"""Ramps: shares that grow by themselves, halted by whoever judges, and never made twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from andon.flow.flags.contract import (
    FlagRampEnded,
    FlagRampHeld,
    FlagRampStepped,
    FlagScheduled,
    Judgement,
    Judging,
    RampGate,
    RampState,
    RampView,
    Verdict,
)
from andon.flow.flags.model.flag import Step
from andon.flow.flags.model.outcomes import FlagInvalid, Outcome
from andon.flow.flags.model.wishes import percent_of
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.storage.flags import lock
from andon.flow.sources.contract import Service
from andon.kernel.clock import SettableClock
from andon.kernel.db import Reading
from andon.kernel.errors import Conflict
from andon_flags.document import read
from tests.flow.environments.place import wait_until
from tests.flow.flags.conftest import Flagged
from tests.flow.flags.test_service import STORE, change, create, setting, share, told

USUAL = (
    Step(percent=1),
    Step(percent=5, after=3600),
    Step(percent=25, after=3600),
    Step(percent=100, after=86400),
)


def start(
    place: Flagged, steps: tuple[Step, ...] = USUAL, rule: str = "", judging: Judging = Judging.AUTO
) -> tuple[str | None, Outcome]:
    with place.installation.database.transaction() as tx:
        ramp, outcome = place.flags.ramp(
            tx, place.maxine, STORE, "production", "new-checkout", variant="on", steps=steps, rule=rule, judging=judging
        )
        return ramp, outcome


def turn(place: Flagged, clock: SettableClock, seconds: float = 0.0) -> float:
    """What the worker does after so many seconds; percent that get it then."""
    clock.advance(seconds)
    place.flags.ramping.turn(place.installation.database)
    return percent_of(setting(place).default).get("on", 0.0)


def state(place: Flagged) -> RampState:
    with place.installation.database.reading() as reading:
        flag = place.flags.get(reading, place.maxine, STORE, "new-checkout")
        return place.flags.ramps_of(reading, flag)[0].state


class Gate(RampGate):
    def __init__(self) -> None:
        self.answer = Judgement(Verdict.GO)
        self.asked: list[bool] = []
        self.can = False

    def judge(self, reading: Reading, ramp: RampView, *, due: bool) -> Judgement:
        self.asked.append(due)
        return self.answer

    def watches(self, reading: Reading, service: Service, environment: str) -> bool:
        return self.can


def test_a_ramp_makes_its_steps_when_their_time_has_come(place: Flagged, clock: SettableClock) -> None:
    create(place)
    _, outcome = start(place)
    assert outcome.sentence == "on for everybody: 1 % now, 5 % after 1 h, 25 % after 1 h, 100 % after 1 d"
    assert turn(place, clock) == 1
    assert turn(place, clock, 3599) == 1
    assert turn(place, clock, 1) == 5
    assert turn(place, clock, 3600) == 25
    assert state(place) is RampState.RUNNING
    assert turn(place, clock, 86400) == 100
    assert turn(place, clock, 86400) == 100
    assert state(place) is RampState.DONE
    assert len(told(place, FlagScheduled)) == len(told(place, FlagRampEnded)) == 1
    steps = [one for one in told(place, FlagRampStepped) if isinstance(one, FlagRampStepped)]
    assert [(one.step, one.percent) for one in steps] == [(4, 100), (3, 25), (2, 5), (1, 1)]


def test_another_process_goes_on_where_one_was_killed(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here)
    clock.advance(3600)
    # nothing of the first process is left but the database
    other = replace(here, flags=FlagService(Documents(), here.flags._places))
    assert turn(other, clock) == 5
    assert turn(here, clock) == 5
    assert len(told(here, FlagRampStepped)) == 2


def test_something_is_switched_on_at_a_moment(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here, (Step(percent=100, at=clock.now() + timedelta(hours=2)),))
    assert turn(here, clock, 7199) == 0
    assert turn(here, clock, 1) == 100
    assert state(here) is RampState.DONE


def test_a_gate_that_says_wait_is_asked_again(here: Flagged, clock: SettableClock) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here)
    gate.answer = Judgement(Verdict.WAIT, "too few samples")
    assert turn(here, clock, 7200) == 1
    gate.answer = Judgement(Verdict.GO)
    assert turn(here, clock) == 5
    assert gate.asked == [True, True]


def watched(place: Flagged) -> bool:
    """As services read it."""
    with place.installation.database.reading() as reading:
        content = place.flags.document(reading, STORE, "production").content
    return read(content, strict=True).flags["new-checkout"].watched


def view_of(place: Flagged) -> RampView:
    with place.installation.database.reading() as reading:
        flag = place.flags.get(reading, place.maxine, STORE, "new-checkout")
        return place.flags.ramps_of(reading, flag)[0]


@pytest.mark.parametrize(
    ("judging", "can", "judged", "told_of"),
    [
        (Judging.AUTO, True, True, ""),
        (Judging.AUTO, False, False, "Nobody watches this ramp"),
        (Judging.NONE, True, False, "Nobody watches this ramp, as you wished"),
        (Judging.JUDGED, False, True, "will wait after step 1"),
    ],
)
def test_a_ramp_is_judged_where_somebody_can_and_says_so_where_nobody_does(
    here: Flagged, clock: SettableClock, judging: Judging, can: bool, judged: bool, told_of: str
) -> None:
    gate = Gate()
    gate.can = can
    here.flags.ramping.judged_by(gate)
    create(here)
    _, outcome = start(here, judging=judging)
    assert view_of(here).judged is watched(here) is judged
    assert told_of in " ".join(outcome.warnings)
    assert bool(outcome.warnings) is bool(told_of)
    assert view_of(here).seconds == 3600 + 3600 + 86400
    gate.answer = Judgement(Verdict.TAKE_BACK, "twice as many errors")
    turn(here, clock, 1)
    assert not watched(here), "nobody has to tell outcomes any more"


def test_services_tell_outcomes_from_the_first_step_on(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here, (Step(percent=0, after=60), Step(percent=5, after=60)), judging=Judging.JUDGED)
    assert not watched(here)
    turn(here, clock, 60)  # the share is 0 % already, so nothing else changes
    assert watched(here)


def test_a_ramp_that_is_held_says_why_and_tells_it_once(here: Flagged, clock: SettableClock) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here)
    gate.answer = Judgement(Verdict.WAIT, "All is well so far.")
    turn(here, clock, 60)
    assert (view_of(here).said, told(here, FlagRampHeld)) == ("All is well so far.", [])
    for said in ("Too few.", "Still too few."):
        gate.answer = Judgement(Verdict.WAIT, said)
        turn(here, clock, 3600)
        assert view_of(here).said == said
    held = told(here, FlagRampHeld)
    assert [one.why for one in held if isinstance(one, FlagRampHeld)] == ["Too few."]
    gate.answer = Judgement(Verdict.GO)
    assert turn(here, clock) == 5
    assert view_of(here).said == ""


@pytest.mark.parametrize(("verdict", "left"), [(Verdict.HALT, 5), (Verdict.TAKE_BACK, 0)])
def test_a_gate_halts_a_ramp_between_its_steps(
    here: Flagged, clock: SettableClock, verdict: Verdict, left: float
) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here)
    assert turn(here, clock, 3600) == 5
    gate.answer = Judgement(verdict, "twice as many errors")
    assert turn(here, clock, 1) == left
    assert state(here) is RampState.HALTED
    ended = told(here, FlagRampEnded)[0]
    assert isinstance(ended, FlagRampEnded)
    assert (ended.percent, ended.why) == (left, "twice as many errors")
    gate.answer = Judgement(Verdict.GO)
    assert turn(here, clock, 86400) == left


def test_the_kill_switch_ends_a_ramp(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here)
    with here.installation.database.transaction() as tx:
        here.flags.kill(tx, here.maxine, STORE, "production", "new-checkout", why="")
    assert state(here) is RampState.STOPPED
    assert turn(here, clock, 3600) == 1
    assert not setting(here).enabled


def test_a_change_by_hand_ends_a_ramp_that_would_undo_it(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here)
    change(here, share(0.5))
    assert turn(here, clock, 3600) == 0.5
    assert state(here) is RampState.STOPPED
    ended = told(here, FlagRampEnded)[0]
    assert isinstance(ended, FlagRampEnded)
    assert ended.why == "somebody set the share to 0.5 %"


def test_one_ramp_at_a_time_raises_a_share(here: Flagged) -> None:
    create(here)
    start(here)
    with pytest.raises(Conflict, match="under way"):
        start(here)


@pytest.mark.parametrize(
    "steps",
    [(), (Step(percent=101),), (Step(percent=-1),), (Step(percent=1), Step(percent=2, after=-5))],
)
def test_what_is_no_ramp_is_refused(here: Flagged, steps: tuple[Step, ...]) -> None:
    create(here)
    with pytest.raises(FlagInvalid):
        start(here, steps)


def test_a_second_person_agrees_to_a_ramp_as_a_whole(guarded: Flagged, clock: SettableClock) -> None:
    create(guarded)
    ramp, outcome = start(guarded)
    assert ramp is None
    assert outcome.proposal is not None
    assert turn(guarded, clock, 10) == 0
    with guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)
    assert turn(guarded, clock) == 1
    assert turn(guarded, clock, 3600) == 5


def test_the_kill_switch_and_a_step_of_a_ramp_do_not_wait_for_each_other(place: Flagged, clock: SettableClock) -> None:
    create(place)
    start(place)
    clock.advance(3600)
    database = place.installation.database
    went_wrong: list[Exception] = []

    def step() -> None:
        try:
            place.flags.ramping.turn(database)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to say it
            went_wrong.append(error)

    stepping = threading.Thread(target=step)
    with database.transaction() as tx:
        lock(tx.connection, STORE, "new-checkout")
        stepping.start()
        if tx.connection.dialect.name == "postgresql":
            waiting = sa.text("SELECT 1 FROM pg_locks WHERE NOT granted")
            wait_until(lambda: tx.connection.execute(waiting).first() is not None)
        place.flags.switch_off(tx, place.maxine, STORE, "production", "new-checkout")
    stepping.join(60)
    assert went_wrong == []
    assert not setting(place).enabled
    assert state(place) is RampState.STOPPED
