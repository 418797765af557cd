"""Rollouts with the judge that Andon ships with."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import Hold, ReleaseRefuted, RolloutFailed, RolloutPaused, RolloutState, Wish
from andon.feedback.rollouts.model.records import LookRecord, Rollout, Seen
from andon.feedback.rollouts.model.watching import ERRORS, LATENCY
from andon.flow.deployments.contract import StepName
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.feedback.rollouts.world import BOUNDS, Telemetry, World, released
from tests.flow.installation import Installation, definition

TWENTY = released("{strategy: canary, stages: {few: {share: 20%, for: 60s}}}")


def past(clock: SettableClock, minutes: int = 10) -> list[LookRecord]:
    """3,000 requests a minute, one in a thousand failed, all within 10 ms."""
    counts = (0.0, 2_990.0, 10.0, 0.0, 0.0, 0.0, 0.0)
    kept = Seen(counts={ERRORS: (3.0, 3_000.0)}, histograms={LATENCY: (BOUNDS, counts)}, traffic=3_000.0)
    return [
        LookRecord(
            number=place,
            stage=0,
            at=clock.now(),
            offset=(place + 1 - minutes) * 60.0,
            seconds=60.0,
            share=None,
            canary=Seen(),
            baseline=kept,
            slow=False,
        )
        for place in range(minutes)
    ]


@pytest.fixture
def world(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> World:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    return World(local, clock, judge=Statistics(), signals=Telemetry())


def test_what_traffic_disappears_is_a_failure(world: World) -> None:
    good = world.deploy(TWENTY)
    rollout = world.rollout(world.deploy(TWENTY, gone=1.0))
    assert rollout.state is RolloutState.FAILED
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.metric == "traffic"
    assert world.parts() == {good.commit: 100_000}


def test_latency_that_doubles_for_a_few_is_found(world: World) -> None:
    world.deploy(TWENTY, slow=0.01)
    rollout = world.rollout(world.deploy(TWENTY, slow=0.2))
    assert rollout.state is RolloutState.FAILED
    assert "Latency" in rollout.reason


def test_both_versions_broken_pauses_and_says_so(world: World) -> None:
    world.deploy(TWENTY, failing=0.8)

    def ask(rollout: Rollout) -> None:
        if rollout.hold is Hold.NO_DATA:
            with world.local.database.transaction() as tx:
                world.service.wish(tx, SYSTEM, rollout.id, Wish.ABORT)
            world.asked = lambda _rollout: None

    world.asked = ask
    rollout = world.rollout(world.deploy(TWENTY, failing=0.8))
    assert rollout.state is RolloutState.ABORTED
    (paused,) = world.local.events(RolloutPaused)
    assert isinstance(paused, RolloutPaused)
    assert "both versions are past 50 %" in paused.reason


def test_both_worse_than_before_is_taken_back_and_says_that_the_cause_may_be_another(world: World) -> None:
    assert isinstance(world.signals, Telemetry)
    good = world.deploy(TWENTY, failing=0.3)
    world.signals.past = tuple(past(world.clock))
    rollout = world.rollout(world.deploy(TWENTY, failing=0.3))
    assert rollout.state is RolloutState.FAILED
    assert "both versions are worse than this service was before" in rollout.reason
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.both
    assert world.parts() == {good.commit: 100_000}


def test_before_it_begins_it_says_the_smallest_harm_that_it_could_see(world: World) -> None:
    assert isinstance(world.signals, Telemetry)
    world.signals.past = tuple(past(world.clock))
    world.deploy(TWENTY, slow=0.01)
    rollout = world.rollout(world.deploy(TWENTY, slow=0.01))
    assert "%" in rollout.smallest_harm
    assert rollout.proposal
    assert rollout.state is RolloutState.PASSED


@pytest.mark.parametrize(("failing", "slow", "ended"), [(0.0, 0.01, "succeeded"), (0.3, 0.0, "rolled-back")])
def test_a_version_that_everybody_got_at_once_is_compared_with_the_last_minutes(
    world: World, failing: float, slow: float, ended: str
) -> None:
    assert isinstance(world.signals, Telemetry)
    at_once = definition()
    world.deploy(at_once)
    world.signals.past = tuple(past(world.clock))
    second = world.deploy(at_once, failing=failing, slow=slow)
    assert second.state.value == ended
    refuted = world.local.events(ReleaseRefuted)
    assert len(refuted) == (ended == "rolled-back")
    told = next(one.reason for one in second.steps if one.name is StepName.CONFIRM)
    assert ("Errors" in told) == bool(refuted)
    assert "requests" in told
    assert "did not confirm" not in told


def test_an_hour_in_which_everything_is_slower_takes_nothing_back(world: World) -> None:
    assert isinstance(world.signals, Telemetry)
    world.deploy(TWENTY, slow=0.3)
    world.signals.past = tuple(past(world.clock))
    assert world.rollout(world.deploy(TWENTY, slow=0.3)).state is RolloutState.PASSED
