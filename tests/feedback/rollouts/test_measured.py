"""What telemetry alone can tell takes a version back: memory, processor, the log, and what the business counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from andon.feedback.judge.contract import Counts, Direction, Gauges, Kind, Observation
from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import RolloutFailed, RolloutState
from andon.feedback.rollouts.model.records import Watched
from andon.feedback.rollouts.model.watching import CPU, LOG_ERRORS, MEASURED, MEMORY
from andon.feedback.rollouts.ports import Side
from andon.flow.environments.contract import Standing
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.feedback.rollouts.world import Telemetry, World, released
from tests.flow.installation import Installation

CANARY = released("{strategy: canary, stages: {few: {share: 20%, for: 100s, requests: 100}}}")
ORDERS = Watched(
    name="metric:orders",
    kind=Kind.RATE,
    title="orders.placed",
    direction=Direction.LESS_IS_WORSE,
    telemetry=True,
    series="orders",
)
USUAL = {LOG_ERRORS: 0.002, MEMORY: 100.0, CPU: 20.0, ORDERS.name: 0.05}
"""Lines and orders a request, MB and percent of an instance."""


class Levels(Telemetry):
    """Both versions are as usual, but for one metric of the new one: so many times as much, after so many seconds."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__((*MEASURED, ORDERS))
        self.clock, self.began = clock, clock.now()
        self.worse: dict[str, Callable[[float], float]] = {}
        self.random = np.random.default_rng(20260105)
        self.says = self._say

    def _say(self, one: Watched, canary: Side, baseline: Side) -> tuple[Observation, Observation]:
        seconds = (self.clock.now() - self.began).total_seconds()
        worse = self.worse.get(one.name)
        times = 1.0 if worse is None else worse(seconds)
        return self._of(one, canary, times), self._of(one, baseline, 1.0)

    def _of(self, one: Watched, side: Side, times: float) -> Observation:
        level = USUAL[one.name] * times
        if one.kind is Kind.RATE:
            return Counts(float(self.random.poisson(level * side.requests)), side.requests)
        return Gauges({name: level * float(self.random.normal(1, 0.02)) for name in side.instances})


@pytest.fixture
def world(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> World:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    made = World(local, clock, judge=Statistics(), signals=Levels(clock))
    made.rate = 250.0
    made.deploy(CANARY, slow=0.01)
    return made


@pytest.mark.parametrize(
    ("metric", "times", "says"),
    [
        (MEMORY, lambda seconds: 1 + seconds / 60, "Memory of an instance"),
        (CPU, lambda _: 3.0, "Processor of an instance"),
        (LOG_ERRORS, lambda _: 20.0, "Errors in the log"),
        (ORDERS.name, lambda _: 0.2, "orders.placed"),
    ],
    ids=["memory", "processor", "log", "business"],
)
def test_what_telemetry_alone_can_tell_takes_a_version_back(
    world: World, metric: str, times: Callable[[float], float], says: str
) -> None:
    assert isinstance(world.signals, Levels)
    good = world.local.live()
    world.signals.began = world.clock.now()
    world.signals.worse[metric] = times
    rollout = world.rollout(world.deploy(CANARY, slow=0.01))
    assert rollout.state is RolloutState.FAILED
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert (failed.metric, failed.harmed) == (metric, 0), "not a request failed"
    assert says in failed.reason
    assert world.parts() == {good: 100_000}
    with world.local.database.reading() as reading:
        kept = world.local.environments.set(reading, rollout.set)
    assert kept.standing is Standing.QUARANTINED
    assert rollout.set in world.local.environments.running(), "it is kept to be looked at"


def test_a_version_that_is_as_the_other_in_all_of_it_passes(world: World) -> None:
    rollout = world.rollout(world.deploy(CANARY, slow=0.01))
    assert rollout.state is RolloutState.PASSED, rollout.reason
    watched = {one.name for one in rollout.watched}
    assert {MEMORY, CPU, LOG_ERRORS, ORDERS.name, "errors", "latency-p99", "traffic", "restarts"} <= watched


def test_a_fifth_of_requests_that_fail_are_back_within_twenty_seconds(world: World) -> None:
    """At 50 requests a second in the canary."""
    rollout = world.rollout(world.deploy(CANARY, slow=0.01, failing=0.2))
    assert rollout.state is RolloutState.FAILED
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.metric == "errors"
    assert failed.seconds < 20
    assert failed.harmed is not None
    assert 0 < failed.harmed <= 20 * 50 * 0.2
