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


@pytest.mark.parametrize(
    ("stage", "served", "seconds"),
    [("{share: 5%, for: 20s, requests: 60}", 60, 55), ("{share: 50%, for: 40s, requests: 1}", 1, 40)],
    ids=["requests", "time"],
)
def test_a_stage_lasts_until_both_its_time_and_its_requests_are_there(
    sqlite_database: Database, clock: SettableClock, tmp_path: Path, stage: str, served: int, seconds: float
) -> None:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    world = World(local, clock)
    world.rate = 20.0  # one a second in the canary of 5 %
    world.deploy()
    rollout = world.rollout(world.deploy(released(f"{{strategy: canary, stages: {{few: {stage}}}}}")))
    assert rollout.state is RolloutState.PASSED
    with local.database.reading() as reading:
        (first,) = world.service.stages(reading, rollout)
    assert first.left_at is not None
    assert seconds <= first.elapsed(first.left_at) <= seconds + 20
    assert sum(one.canary.traffic or 0 for one in world.looks(rollout)) >= served


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
