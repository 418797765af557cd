"""What goes wrong around a rollout: telemetry, the router, both versions, and a version that ends again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.feedback.judge.contract import Counts
from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import (
    Hold,
    RolloutFailed,
    RolloutPaused,
    RolloutResumed,
    RolloutState,
    StageEntered,
)
from andon.feedback.rollouts.model.records import Rollout, Watched
from andon.feedback.rollouts.model.watching import LOG_ERRORS, MEASURED, RESTARTS
from andon.feedback.rollouts.ports import Side
from andon.feedback.rollouts.room import rollouts_room
from andon.feedback.webhooks.adapters import HttpPost
from andon.feedback.webhooks.delivering import Deliverer
from andon.feedback.webhooks.service import WebhookService
from andon.flow.configuration.sealing import FileSecretBox
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from andon.kernel.workflows import Interrupted
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.feedback.rollouts.world import Telemetry, World, released
from tests.feedback.webhooks.receiver import receiving
from tests.flow.installation import Installation
from tests.flow.site import ROLES, Site
from tests.serving import serving, settings_for

CANARY = released("{strategy: canary, stages: {few: {share: 20%, for: 60s}, half: {share: 50%, for: 20s}}}")
SHORT = released("{strategy: canary, stages: {few: {share: 20%, for: 20s}, half: {share: 50%, for: 20s}}}")
LOGGED = tuple(one for one in MEASURED if one.name == LOG_ERRORS)


def quiet(_: Watched, canary: Side, baseline: Side) -> tuple[Counts, Counts]:
    return Counts(0.0, canary.requests), Counts(0.0, baseline.requests)


@pytest.fixture
def world(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> World:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    signals = Telemetry(LOGGED)
    signals.says = quiet
    return World(local, clock, judge=Statistics(), signals=signals)


def test_telemetry_that_dies_in_a_canary_pauses_it_until_it_is_back(world: World) -> None:
    assert isinstance(world.signals, Telemetry)
    signals = world.signals
    world.deploy(CANARY)
    died: list[float] = []
    stages: list[tuple[float, int, RolloutState]] = []

    def ask(rollout: Rollout) -> None:
        now = world.clock.now().timestamp()
        if rollout.stage == 0 and len(world.looks(rollout)) == 12 and not died:
            died.append(now)
            signals.away = True
        if signals.away:
            stages.append((now - died[0], rollout.stage, rollout.state))
            signals.away = now - died[0] < 60

    world.asked = ask
    rollout = world.rollout(world.deploy(CANARY))
    assert {stage for _, stage, _ in stages} == {0}, "nothing is promoted on no data"
    assert {state for after, _, state in stages if after > 40} == {RolloutState.PAUSED}
    assert rollout.state is RolloutState.PASSED, "it goes on by itself"
    (paused,) = world.local.events(RolloutPaused)
    (resumed,) = world.local.events(RolloutResumed)
    assert isinstance(paused, RolloutPaused)
    assert isinstance(resumed, RolloutResumed)
    assert (paused.hold, resumed.hold) == (Hold.NO_DATA, Hold.NO_DATA)
    assert "rrors in the log" in paused.reason


def test_whoever_looks_is_told_that_telemetry_is_away_on_the_page_in_the_terminal_and_by_webhook(
    tmp_path: Path, databases: Databases
) -> None:
    settings = settings_for(tmp_path / "data", databases.url("sqlite"))
    clock = SettableClock()
    database = Database(open_engine(settings.database_url), clock)
    local = Installation(database, tmp_path)
    local.create()
    people = {name: local.sign_up(name, *grants) for name, grants in ROLES.items()}
    signals = Telemetry(LOGGED)
    signals.says = quiet
    world = World(local, clock, judge=Statistics(), signals=signals)
    world.deploy(SHORT)
    found: list[Rollout] = []

    def ask(rollout: Rollout) -> None:
        signals.away = len(world.looks(rollout)) > 7
        if rollout.state is RolloutState.PAUSED:
            found.append(rollout)
            raise Interrupted

    with receiving() as receiver:
        webhooks = WebhookService(FileSecretBox(tmp_path / "secrets.key"))
        with database.transaction() as tx:
            one, secret = webhooks.add(
                tx, people["Patty"], url=receiver.url, types=["dev.andon.rollout.paused.v1"], service=None
            )
        world.asked = ask
        local.request(world.version(SHORT))
        with pytest.raises(Interrupted):
            local.settle()
        Deliverer(
            database=database, bell=local.bell, service=webhooks, post=HttpPost(), source=settings.address
        ).advance(one.id)
    (rollout,) = found
    (message,) = receiver.messages
    assert message.is_signed_with(secret)
    said = message.event["data"]
    assert (said["rollout"], said["hold"], said["reason"]) == (rollout.id, "no-data", rollout.reason)
    assert "rrors in the log" in rollout.reason
    room = rollouts_room(world.service, world.takeovers, world.foretelling, local.deployments, settings.address)
    with serving(settings, database, (*local.rooms(), room), local.passwords, local.bell) as running:
        page = Site(local, running, people).page(f"/rollouts/{rollout.id}")
        shown = Terminal(tmp_path, settings.data, running.address)("rollout", "show", rollout.id)
    assert "aused" in page
    assert rollout.reason in page
    assert f"is paused on its way to production of store: {rollout.reason}" in shown.out


def test_both_versions_broken_are_never_promoted_and_the_sentence_says_both(world: World) -> None:
    world.deploy(SHORT, failing=0.8)
    seen: list[Rollout] = []

    def ask(rollout: Rollout) -> None:
        seen.append(rollout)
        if len(seen) == 25:
            for one in world.behaviours.values():
                one.failing = 0.0

    world.asked = ask
    rollout = world.rollout(world.deploy(SHORT, failing=0.8))
    assert {one.stage for one in seen[:25]} == {0}, "its time was over long ago"
    assert seen[24].state is RolloutState.PAUSED
    assert "both are broken" in seen[24].reason
    (paused,) = world.local.events(RolloutPaused)
    assert isinstance(paused, RolloutPaused)
    assert "both are broken" in paused.reason
    assert rollout.state is RolloutState.PASSED, "once both work again it is judged, and goes on"


def test_a_router_that_is_killed_blames_nobody_and_it_goes_on_where_it_was(world: World) -> None:
    world.deploy(SHORT)
    second = world.version(SHORT)
    since: list[float] = []
    shares: list[int] = []

    def ask(rollout: Rollout) -> None:
        now = world.clock.now().timestamp()
        if rollout.stage == 1 and rollout.counters is not None and not since:
            since.append(now)
            world.router_is_away, world.rate = True, 0.0
        elif world.router_is_away:
            shares.append(world.parts().get(second, 0))
            if now - since[0] > 60:
                # it comes back with counters at nought, and the first customers find nothing to connect to
                world.router_is_away, world.rate = False, 50.0
                world.begin_counting_anew()
                for one in world.behaviours.values():
                    one.failing = 0.6
        elif since and now - since[0] > 66:
            for one in world.behaviours.values():
                one.failing = 0.0

    world.asked = ask
    rollout = world.rollout(world.local.deploy(second))
    assert set(shares) == {50_000}, "its plan stays as it was"
    assert world.local.events(RolloutFailed) == []
    assert rollout.state is RolloutState.PASSED
    assert [one.number for one in world.local.events(StageEntered) if isinstance(one, StageEntered)] == [1, 2]
    assert all((one.canary.traffic or 0) >= 0 for one in world.looks(rollout))


def test_a_version_whose_processes_end_again_and_again_is_taken_back(world: World) -> None:
    world.deploy(CANARY)
    ended: list[int] = []

    def ask(rollout: Rollout) -> None:
        if rollout.counters is None or len(ended) >= 12:
            return
        ended.append(1)
        with world.local.database.transaction() as tx:
            (first, *_) = world.local.environments.set(tx, rollout.set).instances
            world.local.environments._service.note_restarts(tx, first.id, len(ended), "it ended with 1")

    world.asked = ask
    rollout = world.rollout(world.deploy(CANARY))
    assert rollout.state is RolloutState.FAILED
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.metric == RESTARTS
