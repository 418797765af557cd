"""A stage waits for its time and for enough requests, and for the judge to be sure."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.judge.contract import Because, Verdict
from andon.feedback.rollouts.contract import RolloutState, StageKind, StagePlan
from andon.feedback.rollouts.model.pacing import is_over, waits_for
from andon.feedback.rollouts.model.stages import Stage
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.feedback.rollouts.world import World, released
from tests.flow.installation import Installation


def test_a_stage_lasts_until_its_requests_are_there_though_its_time_is_over(
    sqlite_database: Database, clock: SettableClock, tmp_path: Path
) -> None:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    world = World(local, clock)
    world.rate = 20.0  # one a second in the canary
    world.deploy()
    few = released("{strategy: canary, stages: {few: {share: 5%, for: 20s, requests: 60}}}")
    rollout = world.rollout(world.deploy(few))
    assert rollout.state is RolloutState.PASSED
    with local.database.reading() as reading:
        (first,) = world.service.stages(reading, rollout)
    assert first.left_at is not None
    assert 55 <= first.elapsed(first.left_at) <= 75
    assert sum(one.canary.traffic or 0 for one in world.looks(rollout)) >= 60


STAGE = Stage(plan=StagePlan(name="few", kind=StageKind.SHARE, parts=5_000, seconds=60, requests=100))


@pytest.mark.parametrize(
    ("elapsed", "served", "verdict", "answers", "over"),
    [
        (60, 100, Verdict.PASS, True, True),
        (59, 100, Verdict.PASS, True, False),
        (60, 99, Verdict.PASS, True, False),
        (600, 1_000, Verdict.INCONCLUSIVE, True, False),
        (600, 1_000, Verdict.FAIL, True, False),
        (600, 1_000, None, True, False),
        (600, 1_000, Verdict.PASS, False, False),
    ],
    ids=["all", "its time", "its requests", "not sure", "harm", "nobody looked", "telemetry is away"],
)
def test_nothing_but_all_of_it_ends_a_stage(
    elapsed: float, served: float, verdict: Verdict | None, answers: bool, over: bool
) -> None:
    assert is_over(STAGE, elapsed=elapsed, served=served, verdict=verdict, telemetry_answers=answers) is over


def test_what_a_stage_still_waits_for_is_told() -> None:
    def told(elapsed: float, served: float, verdict: Verdict | None = None, because: Because | None = None) -> str:
        return waits_for(STAGE, elapsed=elapsed, served=served, verdict=verdict, because=because)

    assert told(10, 10) == "its time and 90 more requests"
    assert told(70, 10) == "90 more requests"
    assert told(10, 200) == "its time"
    assert told(70, 200, Verdict.INCONCLUSIVE, Because.TOO_FEW) == "more traffic, to be sure of every metric"
    assert told(70, 200, Verdict.PASS, Because.NOT_WORSE) == ""
