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
from andon.flow.flags.telling import tell
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


def moments(clock: SettableClock, *hours: float) -> tuple[Step, ...]:
    """5 %, 25 %, 100 %, so many hours from now."""
    now = clock.now()
    shares = (5, 25, 100)
    return tuple(Step(percent=one, at=now + timedelta(hours=at)) for one, at in zip(shares, hours, strict=True))


def steps_of(place: Flagged) -> list[FlagRampStepped]:
    """As the record tells of them, oldest first."""
    return [one for one in reversed(told(place, FlagRampStepped)) if isinstance(one, FlagRampStepped)]


class Plainly:
    """What tells a step asks for no names."""

    def person(self, id: str) -> str:
        return id

    def of(self, kind: str, id: str, otherwise: str) -> str:
        return otherwise

    def title(self, service: str, commit: str) -> str:
        return ""


def test_of_steps_that_were_missed_while_nothing_ran_one_is_made_and_has_its_whole_time(
    place: Flagged, clock: SettableClock
) -> None:
    create(place)
    start(place, moments(clock, 1, 2, 4))
    hour = 3600.0
    assert turn(place, clock, 9 * hour) == 5, "nothing ran meanwhile: all three moments have passed"
    assert turn(place, clock) == turn(place, clock, hour - 1) == 5
    assert turn(place, clock, 1) == 25
    assert turn(place, clock, 2 * hour - 1) == 25
    assert turn(place, clock, 1) == 100
    assert state(place) is RampState.DONE
    made = steps_of(place)
    assert [(one.percent, one.late) for one in made] == [(5, 8 * hour), (25, 0), (100, 0)]
    assert made[0].next_at == clock.now() - timedelta(hours=2)
    said = tell(made[0], Plainly())
    assert said is not None
    assert said.detail.startswith("step 1, 8 h late because nothing ran at its time; the next one at ")
    with place.installation.database.reading() as reading:
        flag = place.flags.get(reading, place.maxine, STORE, "new-checkout")
        versions = place.flags.history(reading, flag, limit=9)
    assert "step 1 of 3 of a ramp, 8 h late because nothing ran at its time" in [one.why for one in versions]


def test_a_step_that_comes_late_is_not_cut_short_by_the_moment_after_it(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here, moments(clock, 1, 2, 9))
    assert turn(here, clock, 2 * 3600 - 60) == 5, "a minute before the second moment"
    assert turn(here, clock, 3599) == 5
    assert turn(here, clock, 1) == 25


def test_a_restart_moves_no_moment(here: Flagged, clock: SettableClock) -> None:
    create(here)
    start(here, moments(clock, 1, 2, 3))
    assert turn(here, clock, 3630) == 5
    assert turn(here, clock, 3569) == 5
    assert turn(here, clock, 1) == 25
    assert [one.late for one in steps_of(here)] == [0, 0]


def test_a_judged_ramp_that_was_held_past_its_moments_looks_at_each_step_for_its_whole_time(
    here: Flagged, clock: SettableClock
) -> None:
    gate = Gate()
    here.flags.ramping.judged_by(gate)
    create(here)
    start(here, (Step(percent=1), *moments(clock, 1, 2, 4)), judging=Judging.JUDGED)
    gate.answer = Judgement(Verdict.WAIT, "too few samples")
    assert turn(here, clock, 5 * 3600) == 1
    gate.answer = Judgement(Verdict.GO)
    assert turn(here, clock) == turn(here, clock) == 5
    assert view_of(here).step_seconds == 3600
    assert turn(here, clock, 3600) == 25
    assert [one.late for one in steps_of(here)] == [0, 0, 0], "it was held, and the record has said so"


def test_moments_that_passed_before_a_second_person_agreed_are_not_made_at_once(
    guarded: Flagged, clock: SettableClock
) -> None:
    create(guarded)
    _, outcome = start(guarded, moments(clock, 1, 2, 4))
    assert outcome.proposal is not None
    clock.advance(30 * 3600)
    with guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)
    assert turn(guarded, clock) == turn(guarded, clock, 3599) == 5
    assert turn(guarded, clock, 1) == 25
    assert turn(guarded, clock, 7199) == 25
    assert turn(guarded, clock, 1) == 100
    assert [one.late for one in steps_of(guarded)] == [0, 0, 0], "nothing was missed: nobody had agreed yet"


def test_moments_that_are_ahead_when_a_second_person_agrees_stay(guarded: Flagged, clock: SettableClock) -> None:
    create(guarded)
    _, outcome = start(guarded, (Step(percent=1, after=3600), *moments(clock, 5, 6, 8)))
    assert outcome.proposal is not None
    clock.advance(3 * 3600)
    with guarded.installation.database.transaction() as tx:
        guarded.flags.approve(tx, guarded.patty, outcome.proposal)
    assert turn(guarded, clock, 3600 - 1) == 0
    assert turn(guarded, clock, 1) == 1
    assert turn(guarded, clock, 3600) == 5


def test_no_ramp_begins_with_two_moments_that_have_passed(here: Flagged, clock: SettableClock) -> None:
    create(here)
    with pytest.raises(FlagInvalid, match=r"Step 2: .* UTC has passed already"):
        start(here, moments(clock, -3, -2, 1))
    start(here, moments(clock, -3, 1, 2))
    assert turn(here, clock) == turn(here, clock, 3599) == 5
    assert turn(here, clock, 1) == 25


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
