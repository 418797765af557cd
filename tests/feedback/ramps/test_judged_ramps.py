"""Ramps that go on because nothing is worse, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.judge.contract import Because, Verdict
from andon.flow.flags.contract import FlagRampEnded, FlagRampHeld, Judging, RampState, RampWish
from andon.flow.flags.model.flag import Step
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.feedback.ramps.world import Behaviour, World, changed
from tests.flow.flags.conftest import Flagged, flagged
from tests.flow.flags.test_service import told
from tests.flow.installation import Installation


@pytest.fixture
def here(sqlite_database: Database, tmp_path: Path) -> Flagged:
    made = Installation(sqlite_database, tmp_path)
    made.create()
    return flagged(made)


@pytest.fixture
def world(here: Flagged, clock: SettableClock) -> World:
    made = World(here, clock)
    made.live(2)  # the service has told that it can tell
    return made


def why(world: World) -> str:
    ended = told(world.place, FlagRampEnded)[0]
    assert isinstance(ended, FlagRampEnded)
    return ended.why


def test_a_variant_that_does_well_arrives_at_everybody(world: World) -> None:
    world.on = world.off = Behaviour(failing=0.01)
    assert world.start() == ()
    world.live(18)
    assert (world.share, world.ramp.judged) == (40, True)
    world.watch = world.another_process()  # what was seen is in the database
    world.live(120, until_ended=True)
    assert (world.ramp.state, world.share) == (RampState.DONE, 100)


def test_a_variant_that_fails_a_fifth_of_its_requests_is_taken_back_within_seconds(world: World) -> None:
    world.start()
    world.live(10)
    assert world.share == 40
    changed(world, failing=0.2)
    before = world.passed
    world.live(120, until_ended=True)
    assert (world.ramp.state, world.share) == (RampState.HALTED, 0)
    assert world.passed - before <= 30
    assert "Errors" in why(world)
    assert "with “on”" in why(world)
    assert "version" not in why(world)
    assert why(world).endswith("requests with “on” failed in all.")


def test_a_paused_ramp_is_watched_and_taken_back_all_the_same(world: World) -> None:
    world.start()
    world.live(10)
    world.ask(RampWish.PAUSE)
    world.live(30)
    assert (world.ramp.state, world.share) == (RampState.PAUSED, 40)
    changed(world, failing=0.2)
    world.live(60, until_ended=True)
    assert (world.ramp.state, world.share) == (RampState.HALTED, 0)
    assert "Errors" in why(world)


def test_the_time_of_a_pause_is_none_of_the_step_for_the_judge_either(world: World) -> None:
    world.on = world.off = Behaviour(failing=0.01)
    world.start()
    world.live(10)
    world.ask(RampWish.PAUSE)
    world.live(30)
    with world.place.installation.database.reading() as reading:
        found = world.watch.found(reading, world.ramp.id)
    assert found is not None
    assert found.because is Because.TOO_EARLY, "ten seconds of the step are left"
    world.ask(RampWish.RESUME)
    world.live(8)
    assert world.share == 40
    world.live(20)
    assert world.share == 60


def test_what_the_business_counts_takes_a_variant_back_too(world: World) -> None:
    changed(world, ordering=0.05)
    world.start()
    world.live(200, until_ended=True)
    assert (world.ramp.state, world.share) == (RampState.HALTED, 0)
    assert "orders.placed" in why(world)


def test_a_ramp_that_nobody_tells_of_waits_and_says_so(here: Flagged, clock: SettableClock) -> None:
    world = World(here, clock, telling=False, rate=1)
    assert "does not tell how its requests end" in world.start(Judging.JUDGED)[0]
    world.live(40)
    assert (world.share, world.ramp.state) == (40, RampState.RUNNING)
    assert "nothing is told of how requests of store with this flag end" in world.ramp.said
    assert len(told(here, FlagRampHeld)) == 1


def test_a_ramp_without_telemetry_waits_until_it_is_back(world: World) -> None:
    world.start()
    world.live(10)
    world.store.away = True
    world.rate = 10
    world.live(100)
    assert (world.share, world.ramp.state) == (40, RampState.RUNNING)
    assert "telemetry has not answered" in world.ramp.said
    world.store.away = False
    world.live(6)
    assert world.share == 60, "what was kept meanwhile is looked at"


def test_requests_that_are_missing_are_no_pass(world: World) -> None:
    world.start(steps=(Step(percent=40), Step(percent=60, after=60), Step(percent=100, after=60)))
    world.live(30)
    changed(world, gone=True)
    world.live(120, until_ended=True)
    assert (world.ramp.state, world.share) == (RampState.HALTED, 0)
    assert "Traffic" in why(world)


def test_a_variant_that_nobody_has_asked_for_does_not_go_on(world: World) -> None:
    changed(world, gone=True)
    world.start()
    world.live(36)
    assert (world.share, world.ramp.state) == (40, RampState.RUNNING)
    assert "too few" in world.ramp.said


def test_a_service_that_tells_nothing_goes_by_time_alone_and_is_said_to(here: Flagged, clock: SettableClock) -> None:
    world = World(here, clock, telling=False, rate=1)
    assert "Nobody watches this ramp" in world.start()[0]
    world.live(50)
    assert (world.ramp.state, world.ramp.judged) == (RampState.DONE, False)


def test_what_was_found_is_kept_metric_by_metric(world: World) -> None:
    world.start()
    world.live(30)
    with world.place.installation.database.reading() as reading:
        found = world.watch.found(reading, world.ramp.id)
    assert found is not None
    assert [one.metric for one in found.metrics] == [
        "errors",
        "latency-p50",
        "latency-p95",
        "latency-p99",
        "traffic",
        "event:orders.placed",
    ]
    errors = found.metrics[0]
    assert errors.verdict is not Verdict.FAIL
    assert errors.variant_n > 300
    assert errors.others_n > 300
    assert found.requests > 300
    assert found.failed == 0
