"""A deployment is over when what customers get confirms it, and says so where nothing could."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from andon.feedback.judge.service import Statistics
from andon.flow.deployments.contract import DeploymentState, DeploymentView, StepName, StepState
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.feedback.rollouts.test_judged import past
from tests.feedback.rollouts.world import Telemetry, World
from tests.flow.installation import Installation, definition


@pytest.fixture
def world(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> World:
    """Its environment gives each version to everybody at once."""
    local = Installation(sqlite_database, tmp_path)
    local.create()
    made = World(local, clock, judge=Statistics(), signals=Telemetry())
    made.deploy(definition())
    return made


def confirmed(view: DeploymentView) -> str:
    return next(one.reason for one in view.steps if one.name is StepName.CONFIRM)


def test_it_is_not_done_while_nobody_has_confirmed_it(world: World) -> None:
    assert isinstance(world.signals, Telemetry)
    world.signals.past = tuple(past(world.clock))
    second = world.version(definition())
    made = world.local.request(second)
    seen: list[tuple[DeploymentState, StepName, StepState, bool]] = []
    original = world.serve

    def serve(seconds: float) -> None:
        view = world.local.view(made)
        (*_, last) = view.steps
        seen.append((view.state, last.name, last.state, world.parts() == {second: 100_000}))
        original(seconds)

    world.serve = serve  # type: ignore[method-assign] # whatever somebody sees while it is watched
    world.local.settle()
    assert seen
    assert set(seen) == {(DeploymentState.RUNNING, StepName.CONFIRM, StepState.RUNNING, True)}
    ended = world.local.view(made)
    assert ended.state is DeploymentState.SUCCEEDED
    assert "no worse than before" in confirmed(ended)
    assert ended.unconfirmed is None


@pytest.mark.parametrize(
    ("rate", "known", "says"),
    [
        (50.0, False, "telemetry did not confirm it: it knows no traffic of the former version"),
        (0.0, True, "telemetry did not confirm it: nobody asked it anything yet"),
        (
            0.5,
            True,
            "telemetry did not confirm it: too little was seen; nothing is worse than before so far: 3 requests",
        ),
    ],
    ids=["no past", "no traffic", "a little traffic"],
)
def test_what_nothing_could_confirm_is_told_as_not_confirmed(world: World, rate: float, known: bool, says: str) -> None:
    assert isinstance(world.signals, Telemetry)
    world.rate = rate
    world.signals.past = tuple(past(world.clock)) if known else ()
    ended = world.deploy(definition())
    assert ended.state is DeploymentState.SUCCEEDED
    assert ended.unconfirmed is not None
    assert says in confirmed(ended)


def test_a_store_that_is_away_confirms_nothing(world: World) -> None:
    assert isinstance(world.signals, Telemetry)
    world.signals.past = tuple(past(world.clock))
    world.signals.away = True
    ended = world.deploy(definition())
    assert ended.unconfirmed is not None
    assert "telemetry did not confirm it" in confirmed(ended)


def test_its_release_is_read_once_however_long_it_is_watched(world: World) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("SELECT") and "WHERE rollouts.deployment" in statement:
            asked.append(statement)

    assert isinstance(world.signals, Telemetry)
    world.signals.past = tuple(past(world.clock))
    second = world.version(definition())
    sa.event.listen(world.local.database.engine, "before_cursor_execute", note)
    assert "no worse than before" in confirmed(world.local.deploy(second))
    sa.event.remove(world.local.database.engine, "before_cursor_execute", note)
    assert len(asked) == 1
