"""A version comes to its customers in stages, and is taken back when it harms them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from andon.feedback.rollouts.contract import (
    Hold,
    Left,
    RolloutAborted,
    RolloutFailed,
    RolloutPassed,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    RolloutState,
    StageEntered,
    StageKind,
    Wish,
)
from andon.feedback.rollouts.model.records import NothingToDo, Rollout, RolloutEnded
from andon.flow.deployments.contract import DeploymentId, DeploymentState, DeploymentView
from andon.flow.environments.contract import SetId, Standing
from andon.flow.environments.memory import Behaviour as Imagined
from andon.flow.routing.contract import Answer, Arm, Differing, Pair
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.workflows import Interrupted
from tests.feedback.rollouts.world import Plain, Telemetry, World, released
from tests.flow.installation import STORE, Installation


@pytest.fixture
def make(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> Callable[..., World]:
    def make(**given: object) -> World:
        local = Installation(sqlite_database, tmp_path)
        local.create()
        return World(local, clock, **given)  # type: ignore[arg-type] # whatever a test replaces

    return make


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


def at(world: World, number: int, wish: Wish, *, once: bool = True) -> Callable[[Rollout], None]:
    """Ask something as soon as a stage is entered and was looked at."""
    done: list[bool] = []

    def ask(rollout: Rollout) -> None:
        if rollout.stage == number and rollout.counters is not None and not (done and once):
            done.append(True)
            with world.local.database.transaction() as tx:
                world.service.wish(tx, SYSTEM, rollout.id, wish)

    return ask


def test_a_version_that_does_well_gets_its_traffic_stage_by_stage(
    database: Database, clock: SettableClock, tmp_path: Path
) -> None:
    local = Installation(database, tmp_path)
    local.create()
    world = World(local, clock)
    world.deploy()
    shares: list[int] = []
    second = world.version()
    world.asked = lambda _rollout: shares.append(world.parts().get(second, 0))
    ended = local.deploy(second)
    assert ended.state is DeploymentState.SUCCEEDED
    assert list(dict.fromkeys(shares)) == [5_000, 50_000]
    rollout = world.rollout(ended)
    assert rollout.state is RolloutState.PASSED
    with local.database.reading() as reading:
        view = world.service.view(reading, rollout)
        verdict = world.service.verdict(reading, rollout)
    assert [one.left for one in view.stages] == [Left.PASSED, Left.PASSED]
    assert verdict is not None
    assert verdict.metrics[0].high is None, "what has no end cannot be kept as a number"
    kinds = [type(one) for one in local.events(RolloutStarted, StageEntered, RolloutPassed)]
    assert kinds == [RolloutStarted, StageEntered, StageEntered, RolloutPassed]
    (passed,) = local.events(RolloutPassed)
    assert isinstance(passed, RolloutPassed)
    assert passed.requests > 50 * 20 * 0.5
    assert local.live() == second


def test_a_version_that_harms_a_few_is_taken_back_before_the_others_have_it(world: World) -> None:
    good = world.deploy()
    ended = world.deploy(failing=0.5)
    assert ended.state is DeploymentState.FAILED
    assert "of its requests fail." in ended.reason
    rollout = world.rollout(ended)
    assert (rollout.state, rollout.stage) == (RolloutState.FAILED, 0)
    assert world.parts() == {good.commit: 100_000}
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.harmed is not None
    assert 0 < failed.harmed < 50 * 20 * 0.05
    assert failed.metric == "errors"
    with world.local.database.reading() as reading:
        assert world.local.environments.set(reading, rollout.set).standing is Standing.QUARANTINED


def test_somebody_pauses_and_resumes_and_the_time_of_the_stage_stands_still(world: World) -> None:
    world.deploy()
    began = world.clock.now()
    paused: list[float] = []

    def ask(rollout: Rollout) -> None:
        now = (world.clock.now() - began).total_seconds()
        with world.local.database.transaction() as tx:
            if rollout.counters is not None and not paused:
                paused.append(now)
                world.service.wish(tx, SYSTEM, rollout.id, Wish.PAUSE)
                with pytest.raises(NothingToDo):
                    world.service.wish(tx, SYSTEM, rollout.id, Wish.PAUSE)
            elif rollout.hold is Hold.PERSON and now - paused[0] > 150:
                assert rollout.stage == 0
                world.service.wish(tx, SYSTEM, rollout.id, Wish.RESUME)

    world.asked = ask
    ended = world.deploy()
    assert ended.state is DeploymentState.SUCCEEDED
    with world.local.database.reading() as reading:
        first, _second = world.service.stages(reading, world.rollout(ended))
    assert first.left_at is not None
    assert first.elapsed(first.left_at) == pytest.approx(20, abs=5)
    assert (first.left_at - first.entered_at).total_seconds() > 150
    assert [type(one) for one in world.local.events(RolloutPaused, RolloutResumed)] == [RolloutPaused, RolloutResumed]


def test_harm_is_seen_while_somebody_has_paused(world: World) -> None:
    world.deploy()
    second = world.version()

    def ask(rollout: Rollout) -> None:
        if rollout.counters is not None and rollout.hold is None:
            with world.local.database.transaction() as tx:
                world.service.wish(tx, SYSTEM, rollout.id, Wish.PAUSE)
        if rollout.hold is Hold.PERSON:
            world.behaviours[second].failing = 0.8

    world.asked = ask
    assert world.rollout(world.local.deploy(second)).state is RolloutState.FAILED


def test_somebody_promotes_what_is_not_decided(world: World) -> None:
    world.deploy()
    world.asked = at(world, 0, Wish.PROMOTE)
    ended = world.deploy()
    with world.local.database.reading() as reading:
        view = world.service.view(reading, world.rollout(ended))
    assert [one.left for one in view.stages] == [Left.PROMOTED, Left.PASSED]
    entered = world.local.events(StageEntered)
    assert [one.promoted for one in entered if isinstance(one, StageEntered)] == [False, True]


def test_somebody_gives_it_to_everybody(world: World) -> None:
    world.deploy()
    world.asked = at(world, 0, Wish.FINISH)
    ended = world.deploy()
    assert ended.state is DeploymentState.SUCCEEDED
    assert world.rollout(ended).stage == 0
    assert world.local.live() == ended.commit


def test_somebody_ends_it(world: World) -> None:
    good = world.deploy()
    world.asked = at(world, 1, Wish.ABORT)
    ended = world.deploy()
    assert ended.state is DeploymentState.CANCELLED
    rollout = world.rollout(ended)
    assert rollout.state is RolloutState.ABORTED
    assert world.parts() == {good.commit: 100_000}
    assert len(world.local.events(RolloutAborted)) == 1
    with pytest.raises(RolloutEnded), world.local.database.transaction() as tx:
        world.service.wish(tx, SYSTEM, rollout.id, Wish.PAUSE)


def deployment_of(rollout: Rollout) -> DeploymentId:
    assert rollout.deployment is not None
    return rollout.deployment


def test_a_cancelled_deployment_brings_the_traffic_back(world: World) -> None:
    good = world.deploy()

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 1 and rollout.counters is not None:
            with world.local.database.transaction() as tx:
                world.local.deployments.cancel(tx, SYSTEM, deployment_of(rollout))
            world.asked = lambda _rollout: None

    world.asked = ask
    ended = world.deploy()
    assert ended.state is DeploymentState.CANCELLED
    assert world.parts() == {good.commit: 100_000}


def test_a_router_that_does_not_answer_pauses_it_and_it_goes_on_by_itself(world: World) -> None:
    world.deploy()
    since: list[float] = []
    began = world.clock.now()

    def ask(rollout: Rollout) -> None:
        now = (world.clock.now() - began).total_seconds()
        if rollout.counters is not None and not since:
            since.append(now)
            world.router_is_away = True
        if since and now - since[0] > 120 and world.router_is_away:
            assert (rollout.state, rollout.hold, rollout.stage) == (RolloutState.PAUSED, Hold.NO_DATA, 0)
            world.router_is_away = False

    world.asked = ask
    ended = world.deploy()
    assert ended.state is DeploymentState.SUCCEEDED
    (paused,) = world.local.events(RolloutPaused)
    assert isinstance(paused, RolloutPaused)
    assert paused.reason == "Nobody counts the errors."
    assert len(world.local.events(RolloutResumed)) == 1


def test_without_traffic_nothing_is_promoted(world: World) -> None:
    world.deploy()
    world.rate = 0.0
    began = world.clock.now()

    def ask(rollout: Rollout) -> None:
        if world.rate == 0 and (world.clock.now() - began).total_seconds() > 200:
            assert rollout.stage == 0
            world.rate = 50.0

    world.asked = ask
    assert world.deploy().state is DeploymentState.SUCCEEDED


def test_counters_that_begin_anew_harm_nobody(world: World) -> None:
    world.deploy()
    anew: list[bool] = []

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 1 and rollout.counters is not None and not anew:
            anew.append(True)
            world.begin_counting_anew()

    world.asked = ask
    ended = world.deploy()
    assert ended.state is DeploymentState.SUCCEEDED
    assert all((one.canary.traffic or 0) >= 0 for one in world.looks(world.rollout(ended)))


def test_after_a_crash_it_goes_on_where_it_was_with_what_it_had_seen(world: World) -> None:
    world.deploy()
    crashed: list[int] = []

    def ask(rollout: Rollout) -> None:
        looks = len(world.looks(rollout))
        if rollout.stage == 1 and looks > 12 and not crashed:
            crashed.append(looks)
            raise Interrupted

    world.asked = ask
    second = world.version()
    world.local.request(second)
    with pytest.raises(Interrupted):
        world.local.settle()
    assert crashed
    after = World(world.local, world.clock)
    after._served, after.behaviours = world._served, world.behaviours
    world.local.workflows._errors.clear()
    (deployment,) = [one for one in _deployments(world) if one.commit == second]
    deploy = next(iter(world.local.workflows._workflows.values()))
    deploy.run(lambda _name, action: action(), deployment.id)
    ended = world.local.view(deployment.id)
    assert ended.state is DeploymentState.SUCCEEDED
    rollout = after.rollout(ended)
    numbers = [one.number for one in after.looks(rollout)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > crashed[0]
    assert len(world.local.events(RolloutStarted)) == 1
    assert len(world.local.events(StageEntered)) == 2


def _deployments(world: World) -> tuple[DeploymentView, ...]:
    with world.local.database.reading() as reading:
        return world.local.deployments.recent(reading)


def test_a_mirror_comes_before_the_customers(make: Callable[..., World]) -> None:
    world = make()
    world.deploy()
    text = released("{strategy: canary, mirror: {share: 10%, for: 60s}, stages: {few: {share: 5%, for: 60s}}}")
    dark: list[int] = []
    second = world.version(text)

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 0:
            dark.append(world.parts().get(second, 0))

    world.asked = ask
    ended = world.local.deploy(second)
    rollout = world.rollout(ended)
    assert rollout.state is RolloutState.PASSED
    assert set(dark) == {0}, "no customer is served in it"
    first = [one for one in world.looks(rollout) if one.stage == 0]
    assert sum(one.canary.traffic or 0 for one in first) == pytest.approx(50 * 0.1 * 60, rel=0.2)
    assert [one.kind for one in (stage.plan for stage in rollout.stages)] == [StageKind.MIRROR, StageKind.SHARE]


def test_what_is_answered_differently_in_the_dark_is_told(world: World) -> None:
    world.deploy()

    def ask(rollout: Rollout) -> None:
        if rollout.counters is not None and not world.answers.pairs:
            for path, old, new in (("/a", 200, 200), ("/b", 200, 500), ("/b", 200, 500), ("/c", 404, 200)):
                world.answers.pairs.append(_pair(path, _answer(rollout.former, old), _answer(rollout.set, new)))
            world.answers.pairs.append(_pair("/other", _answer(rollout.former, 200), _answer(SetId("other"), 500)))

    world.asked = ask
    rollout = world.rollout(world.deploy(released("{mirror: {share: 50%, for: 20s}}")))
    found = rollout.differences
    assert found is not None
    assert (found.pairs, found.differing, dict(found.by)) == (4, 3, {Differing.STATUS: 3})
    assert [(one.path, one.old, one.new) for one in found.examples] == [
        ("/b", "200, 2 bytes", "500, 2 bytes"),
        ("/c", "404, 2 bytes", "200, 2 bytes"),
    ]


STEPS = (
    "{strategy: canary, mirror: {steps: {little: {share: 1%, for: 10s}, half: {share: 50%, for: 10s, requests: 40}}, "
    "differing: 10%}, stages: {few: {share: 5%, for: 20s}}}"
)


def test_copies_grow_in_steps_that_wait_for_answers_of_both(world: World) -> None:
    world.deploy()
    shares: list[tuple[str, int]] = []

    def ask(rollout: Rollout) -> None:
        shares.append((rollout.now.plan.name, rollout.now.plan.parts))
        if rollout.now.dark and len(shares) > 30:  # until then nobody's answers are known
            alike = _answer(rollout.set, 200)
            world.answers.pairs += [_pair("/", _answer(rollout.former, 200), alike) for _ in range(4)]

    world.asked = ask
    ended = world.deploy(released(STEPS))
    assert ended.state is DeploymentState.SUCCEEDED
    assert list(dict.fromkeys(shares)) == [("little", 1_000), ("half", 50_000), ("few", 5_000)]
    assert shares.count(("half", 50_000)) > 15
    found = world.rollout(ended).differences
    assert found is not None
    assert found.of(1).pairs >= 40


def test_too_many_differences_pause_it_until_somebody_lets_it_go_on(world: World) -> None:
    world.deploy()
    held: list[float] = []

    def ask(rollout: Rollout) -> None:
        if rollout.now.dark:
            other = _answer(rollout.set, 404)
            world.answers.pairs += [_pair("/", _answer(rollout.former, 200), other) for _ in range(4)]
        if rollout.hold is Hold.DIFFERENCES:
            assert rollout.stage == len(held) // 10
            assert "answered differently: 100 % and not 10 %" in rollout.reason
            held.append(world.clock.now().timestamp())
            if len(held) % 10 == 0:
                with world.local.database.transaction() as tx:
                    world.service.wish(tx, SYSTEM, rollout.id, Wish.RESUME)

    world.asked = ask
    ended = world.deploy(released(STEPS))
    assert ended.state is DeploymentState.SUCCEEDED
    assert len(held) == 20, "once in each step"


def _pair(path: str, served: Answer, dark: Answer) -> Pair:
    return Pair(
        time=0,
        service=STORE,
        environment="production",
        request="",
        method="GET",
        path=path,
        served=served,
        dark=dark,
    )


def _answer(of: SetId, status: int) -> Answer:
    return Answer(set=of, status=status, duration=1000, sent=2, content_type="", digest="")


def test_what_fails_in_the_dark_harms_nobody(world: World) -> None:
    good = world.deploy()
    ended = world.deploy(released("{mirror: {share: 50%, for: 60s}}"), failing=0.9)
    assert ended.state is DeploymentState.FAILED
    assert world.parts() == {good.commit: 100_000}
    (failed,) = world.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.harmed == 0


def test_an_audience_gets_it_first(world: World) -> None:
    world.deploy()
    ours = "{to: {cookie: employee}, for: 10s, requests: 0}"
    text = released(f"{{strategy: canary, stages: {{ours: {ours}, few: {{share: 5%, for: 10s}}}}}}")
    found: list[object] = []

    def ask(rollout: Rollout) -> None:
        with world.local.database.reading() as reading:
            plan = world.local.router.plan(reading, rollout.service, rollout.environment)
        if plan is not None and rollout.stage == 0:
            found.append(plan)
            (match,) = plan.matches
            assert match.set == rollout.set
            assert plan.parts(rollout.set) == 0
            world.asked = at(world, 0, Wish.PROMOTE)

    world.asked = ask
    ended = world.deploy(text)
    assert found
    assert ended.state is DeploymentState.SUCCEEDED


def test_fresh_instances_of_the_former_version_are_compared_with_and_gone_afterwards(world: World) -> None:
    first = world.deploy()
    text = released(
        "{strategy: canary, baseline: true, stages: {few: {share: 5%, for: 20s}, most: {share: 80%, for: 20s}}}"
    )
    arms: list[dict[Arm, int]] = []

    def ask(rollout: Rollout) -> None:
        with world.local.database.reading() as reading:
            plan = world.local.router.plan(reading, rollout.service, rollout.environment)
        if plan is not None:
            arms.append({arm: plan.parts(one) for one, arm in plan.arms.items()})

    world.asked = ask
    ended = world.deploy(text)
    rollout = world.rollout(ended)
    assert rollout.baseline is not None
    seen = [dict(one) for one in dict.fromkeys(tuple(sorted(each.items())) for each in arms)]
    assert {Arm.STABLE: 90_000, Arm.CANARY: 5_000, Arm.BASELINE: 5_000} in seen
    assert {Arm.STABLE: 0, Arm.CANARY: 80_000, Arm.BASELINE: 20_000} in seen
    with world.local.database.reading() as reading:
        baseline = world.local.environments.set(reading, rollout.baseline)
    assert (baseline.commit, baseline.standing) == (first.commit, Standing.RETIRED)
    assert rollout.baseline not in world.local.environments.running()


def test_fresh_instances_are_gone_after_a_failure_too(world: World) -> None:
    world.deploy()
    text = released("{strategy: canary, baseline: true, stages: {few: {share: 20%, for: 20s}}}")
    rollout = world.rollout(world.deploy(text, failing=0.9))
    assert rollout.state is RolloutState.FAILED
    assert rollout.baseline is not None
    assert rollout.baseline not in world.local.environments.running()


def test_cancelled_before_the_fresh_instances_are_healthy_nobody_is_sent_to_them(world: World) -> None:
    good = world.deploy()
    text = released("{strategy: canary, baseline: true, stages: {few: {share: 20%, for: 20s}}}")
    second = world.version(text)
    healthy = threading.Event()
    world.local.environments.imagine(good.commit, Imagined(healthy_after=healthy))
    made = world.local.request(second)
    deadline = time.monotonic() + 60
    while not world.local.events(RolloutStarted):
        world.local.react()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with world.local.database.transaction() as tx:
        world.local.deployments.cancel(tx, SYSTEM, made)
    world.local.settle()
    assert world.local.state(made) is DeploymentState.CANCELLED
    assert world.local.events(StageEntered) == []
    rollout = world.rollout(world.local.view(made))
    assert rollout.state is RolloutState.ABORTED
    assert rollout.baseline not in world.local.environments.running()


def test_telemetry_that_is_away_promotes_nothing(make: Callable[..., World]) -> None:
    from andon.feedback.rollouts.model.watching import MEASURED  # noqa: PLC0415 - told beside the test

    signals = Telemetry(MEASURED)
    world = make(signals=signals)
    world.deploy()
    away: list[float] = []
    began = world.clock.now()

    def ask(rollout: Rollout) -> None:
        now = (world.clock.now() - began).total_seconds()
        if rollout.counters is not None and not away:
            away.append(now)
            signals.away = True
        if signals.away and now - away[0] > 100:
            assert rollout.stage == 0
            signals.away = False

    world.asked = ask
    ended = world.deploy()
    assert ended.state is DeploymentState.SUCCEEDED
    assert signals.times
    assert all(start < end for start, end in signals.times)


def test_a_version_that_got_all_traffic_at_once_is_compared_with_the_past(make: Callable[..., World]) -> None:
    judge = Plain()
    world = make(judge=judge)
    good = world.deploy()
    ended = world.deploy(released("{strategy: canary, stages: {few: {share: 50%, for: 10s}}}"))
    assert "no worse than before" in next(one.reason for one in ended.steps if one.name.value == "confirm")
    assert judge.histories[-1], "what the former version did beside it is the past"
    assert good.commit != world.local.live()


def test_what_gets_worse_once_everybody_has_it_is_brought_back(world: World) -> None:
    good = world.deploy()
    second = world.version()

    def ask(rollout: Rollout) -> None:
        if rollout.stage == 1:
            world.asked = lambda _rollout: None

    world.asked = ask
    original = world.serve

    def serve(seconds: float) -> None:
        if world.parts() == {second: 100_000}:
            world.behaviours[second].failing = 0.9
        original(seconds)

    world.serve = serve  # type: ignore[method-assign] # what happens as soon as all customers have it
    ended = world.local.deploy(second)
    assert ended.state is DeploymentState.ROLLED_BACK
    assert world.parts() == {good.commit: 100_000}
