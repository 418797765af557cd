"""Pause, resume, promote and abort: from the console, the command line and the API, and over a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from andon.feedback.rollouts.contract import (
    Hold,
    Left,
    RolloutAborted,
    RolloutPaused,
    RolloutResumed,
    RolloutState,
    RolloutWished,
    Wish,
)
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.room import rollouts_room
from andon.flow.deployments.contract import DeploymentState
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from andon.kernel.workflows import Interrupted
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.feedback.rollouts.world import World
from tests.flow.installation import Installation
from tests.flow.site import ROLES, Site
from tests.serving import serving, settings_for


@dataclass
class Reached:
    """A service that is served by its first version, and everything that Maxine can reach it with."""

    world: World
    site: Site
    terminal: Terminal

    @property
    def token(self) -> str:
        return self.site.installation.token(self.site.people["Maxine"])

    def console(self, rollout: Rollout, wish: Wish) -> None:
        address = f"/rollouts/{rollout.id}"
        assert f'value="{wish}"' in self.site.page(address), "there is a button for it"
        answer = self.site.browser("Maxine").submit(address, f"{address}/wish", wish=wish)
        assert answer.status_code == 303, answer.text

    def commands(self, rollout: Rollout, wish: Wish) -> None:
        done = self.terminal("rollout", wish, "store", "-e", "production", ANDON_TOKEN=self.token)
        assert done.code == 0, done.err

    def api(self, rollout: Rollout, wish: Wish) -> None:
        answer = self.site.serving.api(self.token).post(f"/rollouts/{rollout.id}/wish", json={"wish": wish})
        assert answer.status_code == 202, answer.text


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Reached]:
    folder: Path = tmp_path_factory.mktemp("hands")
    settings = settings_for(folder / "data", databases.url("sqlite"))
    clock = SettableClock()
    database = Database(open_engine(settings.database_url), clock)
    local = Installation(database, folder)
    local.create()
    people = {name: local.sign_up(name, *grants) for name, grants in ROLES.items()}
    world = World(local, clock)
    world.deploy()
    room = rollouts_room(world.service, world.takeovers, world.foretelling, local.deployments, settings.address)
    with serving(settings, database, (*local.rooms(), room), local.passwords, local.bell) as running:
        yield Reached(world, Site(local, running, people), Terminal(folder, settings.data, running.address))


@pytest.mark.parametrize("hand", [Reached.console, Reached.commands, Reached.api], ids=["console", "commands", "api"])
def test_each_way_pauses_resumes_promotes_and_aborts(
    reached: Reached, hand: Callable[[Reached, Rollout, Wish], None]
) -> None:
    world = reached.world
    local = world.local
    good = local.live()
    before = {kind: len(local.events(kind)) for kind in (RolloutPaused, RolloutResumed, RolloutAborted, RolloutWished)}
    asked: list[Wish] = []
    since: list[float] = []

    def ask(rollout: Rollout) -> None:
        now = world.clock.now().timestamp()
        if rollout.counters is None:
            return
        if not asked:
            wish, since[:] = Wish.PAUSE, [now]
        elif asked[-1] is Wish.PAUSE and now - since[0] > 40:
            assert (rollout.state, rollout.hold, rollout.stage) == (RolloutState.PAUSED, Hold.PERSON, 0)
            wish = Wish.RESUME
        elif asked[-1] is Wish.RESUME and rollout.state is RolloutState.RUNNING:
            wish = Wish.PROMOTE
        elif asked[-1] is Wish.PROMOTE and rollout.stage == 1:
            wish = Wish.ABORT
        else:
            return
        asked.append(wish)
        hand(reached, rollout, wish)

    world.asked = ask
    ended = world.deploy()
    world.asked = lambda _rollout: None
    assert asked == [Wish.PAUSE, Wish.RESUME, Wish.PROMOTE, Wish.ABORT]
    assert ended.state is DeploymentState.CANCELLED
    rollout = world.rollout(ended)
    assert rollout.state is RolloutState.ABORTED
    with local.database.reading() as reading:
        first, _second = world.service.stages(reading, rollout)
    assert first.left is Left.PROMOTED
    assert world.parts() == {good: 100_000}
    new = {kind: len(local.events(kind)) - count for kind, count in before.items()}
    assert (new[RolloutPaused], new[RolloutResumed], new[RolloutAborted]) == (1, 1, 1)
    told = local.events(RolloutWished)[-new[RolloutWished] :]
    assert [one.wish for one in told if isinstance(one, RolloutWished)] == [Wish.PROMOTE, Wish.ABORT]


@pytest.mark.parametrize(
    ("meanwhile", "state", "left"),
    [
        (Wish.RESUME, RolloutState.PASSED, Left.PASSED),
        (Wish.PROMOTE, RolloutState.PASSED, Left.PROMOTED),
        (Wish.ABORT, RolloutState.ABORTED, Left.ABORTED),
    ],
)
def test_a_pause_outlives_a_crash_and_what_is_asked_meanwhile_is_done_afterwards(
    sqlite_database: Database,
    clock: SettableClock,
    tmp_path: Path,
    meanwhile: Wish,
    state: RolloutState,
    left: Left,
) -> None:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    world = World(local, clock)
    good = world.deploy().commit
    second = world.version()
    found: list[Rollout] = []

    def ask(rollout: Rollout) -> None:
        if rollout.hold is Hold.PERSON:
            found.append(rollout)
            raise Interrupted
        if rollout.counters is not None:
            with local.database.transaction() as tx:
                world.service.wish(tx, SYSTEM, rollout.id, Wish.PAUSE)

    world.asked = ask
    made = local.request(second)
    with pytest.raises(Interrupted):
        local.settle()
    (paused,) = found
    local.workflows._errors.clear()
    # nothing of the first process is left but the database
    after = World(local, clock)
    after._served, after.behaviours = world._served, world.behaviours
    with local.database.reading() as reading:
        assert after.service.get(reading, paused.id).state is RolloutState.PAUSED
    with local.database.transaction() as tx:
        after.service.wish(tx, SYSTEM, paused.id, meanwhile)
    next(iter(local.workflows._workflows.values())).run(lambda _name, action: action(), made)
    rollout = after.rollout(local.view(made))
    assert rollout.state is state
    with local.database.reading() as reading:
        assert after.service.stages(reading, rollout)[0].left is left
    assert local.live() == (good if state is RolloutState.ABORTED else second)
