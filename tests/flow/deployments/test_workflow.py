"""A deployment from its first step to its last, and what each failure leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from andon.flow.deployments.contract import (
    CommandRan,
    DeploymentId,
    DeploymentState,
    DeploymentView,
    StepName,
    StepStarted,
    StepState,
)
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.model import AlreadyEnded, StepOutcome
from andon.flow.deployments.service.steps import StepRecord
from andon.flow.deployments.workflows import deploy_workflow
from andon.flow.environments.contract import Standing
from andon.flow.environments.memory import Behaviour
from andon.flow.routing.contract import Served, TrafficSwitched
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import SYSTEM
from andon.kernel.errors import Unavailable
from andon.kernel.workflows import Primitive
from tests.flow.installation import STORE, Installation, definition

FULL = ["expand", "start", "health", "smoke", "switch", "confirm", "retire"]


def steps(view: DeploymentView) -> list[str]:
    return [f"{step.name.value} {step.state.value}" for step in view.steps]


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to this"
        time.sleep(0.01)


def under_way(local: Installation, commit: CommitHash) -> DeploymentId:
    """A deployment that has begun in a thread of its own."""
    asked = local.request(commit)
    while local.react():
        pass
    return asked


def test_a_deployment_takes_its_steps_and_then_the_traffic(local: Installation) -> None:
    commit = local.built()
    ended = local.deploy(commit)
    assert ended.state is DeploymentState.SUCCEEDED
    assert steps(ended) == ["confirm inconclusive" if name == "confirm" else f"{name} passed" for name in FULL]
    assert ended.unconfirmed is not None
    assert "there was no version to compare it with" in ended.unconfirmed.reason
    assert local.live() == commit
    assert [one.key.partition("-")[0] for one in local.environments.commands] == ["expand", "smoke", "smoke"]
    assert ended.switched_at is not None


def test_commands_are_recorded_with_output_and_authority(local: Installation) -> None:
    commit = local.built()
    local.environments.imagine(commit, Behaviour(outputs={"expand": "1 migration applied\n"}))
    ended = local.deploy(commit)
    with local.database.reading() as reading:
        expand, order, clean_up = StepRecord().commands(reading, ended.id)
    assert (expand.command, expand.exit_code, expand.output) == (
        "python3 -m migrate expand",
        0,
        "1 migration applied",
    )
    assert (order.name, clean_up.name) == ("one order", "one order (clean-up)")
    assert [one.name for one in local.events(CommandRan) if isinstance(one, CommandRan)] == [
        "expand",
        "one order",
        "one order (clean-up)",
    ]
    identities = {one.variables.get("ANDON_SMOKE_IDENTITY") for one in local.environments.commands[1:]}
    assert identities == {f"smoke-{ended.id}@andon.invalid"}


@pytest.mark.parametrize(
    ("behaviour", "step", "reason"),
    [
        (Behaviour(commands={"expand": 3}, outputs={"expand": "no such table\n"}), "expand", "no such table"),
        (Behaviour(start_fails=Unavailable("The disk is full.")), "start", "The disk is full."),
        (Behaviour(never_healthy="web 2: it ended with 1"), "health", "web 2: it ended with 1"),
        (Behaviour(commands={"smoke": 1}, outputs={"one order": "500\n"}), "smoke", "one order ended with 1"),
    ],
    ids=["expand", "start", "health", "smoke"],
)
def test_a_failure_before_the_switch_leaves_the_traffic_alone(
    local: Installation, behaviour: Behaviour, step: str, reason: str
) -> None:
    good, bad = local.built(), local.built()
    local.deploy(good)
    before = local.place().live
    local.environments.imagine(bad, behaviour)
    ended = local.deploy(bad)
    assert ended.state is DeploymentState.FAILED
    assert steps(ended)[-1] == f"{step} failed"
    assert ended.reason.startswith(f"{step}: ")
    assert reason in ended.reason
    assert local.live() == good
    assert local.place().live == before
    assert len(local.events(TrafficSwitched)) == 1
    assert ended.set is not None
    assert ended.set not in local.environments.running()
    assert [one.standing for one in local.place().sets] == [Standing.LIVE]


def test_a_smoke_test_is_cleaned_up_after_and_its_own_failure_is_the_reason(local: Installation) -> None:
    commit = local.built()
    behaviour = Behaviour(commands={"one order": 7}, outputs={"one order": "refused\n"})
    local.environments.imagine(commit, behaviour)
    ended = local.deploy(commit)
    assert [one.key for one in local.environments.commands[-2:]] == [
        "smoke-one order",
        "smoke-one order (clean-up)",
    ]
    assert "one order ended with 7" in ended.reason
    assert "clean-up" not in ended.reason


def test_a_clean_up_that_fails_fails_the_smoke_test(local: Installation) -> None:
    commit = local.built()
    local.environments.imagine(commit, Behaviour(commands={"(clean-up)": 1}))
    ended = local.deploy(commit)
    assert ended.state is DeploymentState.FAILED
    assert "one order (clean-up) ended with 1" in ended.reason


def test_an_unhealthy_version_with_traffic_is_taken_back(local: Installation) -> None:
    good, bad = local.built(), local.built()
    former = local.deploy(good)
    local.environments.imagine(bad, Behaviour(unhealthy_with_traffic="web 1 answers 503"))
    ended = local.deploy(bad)
    assert ended.state is DeploymentState.ROLLED_BACK
    assert steps(ended)[-2:] == ["confirm failed", "restore passed"]
    assert "web 1 answers 503" in ended.reason
    assert local.live() == good
    live = local.place().live
    assert live is not None
    assert live.id == former.set
    assert ended.set not in local.environments.running()


def test_a_version_whose_answers_fail_is_taken_back(local: Installation) -> None:
    good, bad = local.built(), local.built()
    local.deploy(good)
    asked = under_way_until_switched(local, bad)
    assert local.state(asked) is DeploymentState.ROLLED_BACK
    assert "8 of 10 requests failed" in local.view(asked).reason
    assert local.live() == good


def under_way_until_switched(local: Installation, commit: CommitHash) -> DeploymentId:
    """Deploy with a router that counts ten requests, eight of them failed, from the moment of the switch on."""
    counts = iter([Served(requests=0, failed=0, active=0), Served(requests=10, failed=8, active=0)])
    router = local.router
    seen: dict[str, Served] = {}

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(router, name)

        def served(self, set_id: object) -> Served:
            seen["last"] = next(counts, seen.get("last", Served(requests=0, failed=0, active=0)))
            return seen["last"]

    execution = Execution(
        database=local.database,
        service=local.deployments,
        environments=local.environments,
        router=Counting(),  # type: ignore[arg-type]  # the router itself, but for what it counts
        confirm_seconds=0,
    )
    local.workflows.register(deploy_workflow(execution))
    asked = local.request(commit)
    local.settle()
    return asked


def test_the_first_version_that_fails_with_traffic_leaves_no_traffic(local: Installation) -> None:
    commit = local.built()
    local.environments.imagine(commit, Behaviour(unhealthy_with_traffic="web 1 answers 503"))
    ended = local.deploy(commit)
    assert ended.state is DeploymentState.ROLLED_BACK
    assert local.live() is None
    assert local.place().sets == ()
    assert local.environments.running() == frozenset()


def test_a_switch_that_may_have_happened_is_taken_back(local: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = local.built(), local.built()
    local.deploy(good)
    follow = local.plane.follow
    answers = iter([Unavailable("The router does not follow."), None])

    def stubborn(table: object) -> None:
        follow(table)  # type: ignore[arg-type]  # passed on as it came
        if (error := next(answers, None)) is not None:
            raise error

    monkeypatch.setattr(local.plane, "follow", stubborn)
    ended = local.deploy(bad)
    assert ended.state is DeploymentState.ROLLED_BACK
    assert local.live() == good


def test_cancelled_before_the_switch_it_ends_without_a_trace_in_the_traffic(local: Installation) -> None:
    good, slow = local.built(), local.built()
    local.deploy(good)
    gate = threading.Event()
    local.environments.imagine(slow, Behaviour(healthy_after=gate))
    asked = under_way(local, slow)
    wait_until(lambda: any(step.name is StepName.HEALTH for step in local.view(asked).steps))
    with local.database.transaction() as tx:
        local.deployments.cancel(tx, SYSTEM, asked)
    local.workflows.join()
    ended = local.view(asked)
    assert ended.state is DeploymentState.CANCELLED
    assert local.live() == good
    assert ended.set not in local.environments.running()


def test_a_running_smoke_test_is_stopped_and_still_cleaned_up_when_cancelled(local: Installation) -> None:
    commit = local.built()
    local.deploy(local.built())
    gate = threading.Event()
    local.environments.imagine(commit, Behaviour(runs_until=gate))
    asked = under_way(local, commit)
    # the migration waits at the same gate; it is stopped first, which ends the deployment before any smoke test
    wait_until(lambda: any(one.commit == commit for one in local.environments.commands))
    with local.database.transaction() as tx:
        local.deployments.cancel(tx, SYSTEM, asked)
    local.workflows.join()
    assert local.state(asked) is DeploymentState.CANCELLED
    gate.set()


def test_a_cancelled_smoke_test_is_cleaned_up(local: Installation) -> None:
    commit = local.built({"andon.yaml": definition().replace("  expand: python3 -m migrate expand\n", "")})
    gate = threading.Event()
    local.environments.imagine(commit, Behaviour(runs_until=gate))
    asked = under_way(local, commit)
    wait_until(lambda: local.environments.commands)
    with local.database.transaction() as tx:
        local.deployments.cancel(tx, SYSTEM, asked)
    wait_until(lambda: len(local.environments.commands) == 2)
    gate.set()
    local.workflows.join()
    assert local.environments.commands[1].key == "smoke-one order (clean-up)"
    assert local.state(asked) is DeploymentState.CANCELLED


def test_cancelled_between_the_smoke_tests_and_the_switch_it_does_not_switch(local: Installation) -> None:
    good, commit = local.built(), local.built()
    local.deploy(good)
    asked = local.request(commit)
    with local.database.transaction() as tx:
        local.deployments.dispatch(tx, STORE, "production")

    def step(name: str, action: Callable[[], Primitive]) -> Primitive:
        if name == "switch":
            with local.database.transaction() as tx:
                local.deployments.cancel(tx, SYSTEM, asked)
        return action()

    deploy_workflow(local.execution).run(step, asked)  # type: ignore[arg-type]  # a step of any primitive
    assert local.state(asked) is DeploymentState.CANCELLED
    assert local.live() == good
    assert local.view(asked).set not in local.environments.running()


def test_what_has_switched_is_no_longer_cancelled(local: Installation) -> None:
    ended = local.deploy(local.built())
    with pytest.raises(AlreadyEnded), local.database.transaction() as tx:
        local.deployments.cancel(tx, SYSTEM, ended.id)


def test_steps_repeated_after_a_crash_do_nothing_twice(local: Installation) -> None:
    """Every step's action is called twice, as after a crash between its end and the note that it has ended."""
    local.deploy(local.built())
    commit = local.built()

    def twice(name: str, action: Callable[[], Primitive]) -> Primitive:
        first = action()
        assert action() == first, f"{name} answers something else the second time"
        return first

    asked = local.request(commit)
    with local.database.transaction() as tx:
        local.deployments.dispatch(tx, STORE, "production")
    commands, started = len(local.environments.commands), len(local.environments.started)
    deploy_workflow(local.execution).run(twice, asked)  # type: ignore[arg-type]  # a step of any primitive
    ended = local.view(asked)
    assert ended.state is DeploymentState.SUCCEEDED
    assert local.live() == commit
    assert len(local.environments.commands) == commands + 3
    assert len(local.environments.started) == started + 1
    begun = [one for one in local.events(StepStarted) if isinstance(one, StepStarted) and one.deployment == asked]
    assert [one.attempt for one in begun] == [1] * len(FULL)
    assert len(local.events(TrafficSwitched)) == 2


class Killed(BaseException):
    """What a SIGKILL would be, if one could be survived."""


def killed(*_arguments: object) -> None:
    raise Killed


def test_a_step_that_a_crash_cut_off_runs_again_with_a_visible_attempt(
    local: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, commit = local.built(), local.built()
    former = local.deploy(good)
    asked = local.request(commit)
    with local.database.transaction() as tx:
        local.deployments.dispatch(tx, STORE, "production")
    local.execution.plan(asked)
    for name in (StepName.EXPAND, StepName.START, StepName.HEALTH, StepName.SMOKE):
        assert local.execution.perform(asked, name) is StepOutcome.PASSED
    # Andon dies in the middle of the switch: it is recorded, and the router has not been told.
    with monkeypatch.context() as patch:
        patch.setattr(local.plane, "follow", killed)
        with pytest.raises(Killed):
            local.execution.perform(asked, StepName.SWITCH)
    assert local.live() == good
    local.workflows.start("deployments.deploy", asked)
    local.workflows.join()
    ended = local.view(asked)
    assert ended.state is DeploymentState.SUCCEEDED
    assert local.live() == commit
    assert (
        max(
            one.attempt for one in local.events(StepStarted) if isinstance(one, StepStarted) and one.deployment == asked
        )
        == 2
    )
    standing = {one.id: one.standing for one in local.place().sets}
    assert former.set is not None
    assert standing[former.set] is Standing.WARM, "what had the traffic before the crash is the way back"
    with local.database.reading() as reading:
        assert [one.commit for one in local.deployments.rollback_targets(reading, STORE, "production")] == [good]


def test_a_restore_that_a_crash_cut_off_is_finished(local: Installation) -> None:
    good, bad = local.built(), local.built()
    local.deploy(good)
    local.environments.imagine(bad, Behaviour(unhealthy_with_traffic="web 1 answers 503"))

    def twice(name: str, action: Callable[[], Primitive]) -> Primitive:
        first = action()
        assert action() == first, f"{name} answers something else the second time"
        return first

    asked = local.request(bad)
    with local.database.transaction() as tx:
        local.deployments.dispatch(tx, STORE, "production")
    deploy_workflow(local.execution).run(twice, asked)  # type: ignore[arg-type]  # a step of any primitive
    assert local.state(asked) is DeploymentState.ROLLED_BACK
    assert local.live() == good
    assert steps(local.view(asked))[-1] == "restore passed"


def test_former_versions_stay_warm_as_many_as_asked_for(local: Installation) -> None:
    commits = [local.built() for _ in range(4)]
    sets = [local.deploy(commit).set for commit in commits]
    standing = {one.id: one.standing for one in local.place().sets}
    assert [standing.get(one) for one in sets if one is not None] == [None, Standing.WARM, Standing.WARM, Standing.LIVE]
    assert local.environments.running() == frozenset(one for one in sets[1:] if one is not None)


def test_a_second_set_of_a_version_takes_no_former_versions_place(local: Installation) -> None:
    old, new = local.built(), local.built()
    for commit in (old, new, new, new):
        local.deploy(commit)
    warm = [one.commit for one in local.place().sets if one.standing is Standing.WARM]
    assert warm == [old]


def test_rolling_back_keeps_what_was_left_warm(local: Installation) -> None:
    old, new = local.built(), local.built()
    local.deploy(old)
    left = local.deploy(new)
    with local.database.transaction() as tx:
        local.deployments.roll_back(tx, SYSTEM, STORE, "production")
    local.settle()
    warm = [one.id for one in local.place().sets if one.standing is Standing.WARM]
    assert warm == [left.set]


def test_the_next_in_the_queue_begins_when_one_has_failed(local: Installation) -> None:
    bad, good = local.built(), local.built()
    local.environments.imagine(bad, Behaviour(never_healthy="web 1 never listened"))
    first, second = local.request(bad), local.request(good)
    local.settle()
    assert [local.state(one) for one in (first, second)] == [DeploymentState.FAILED, DeploymentState.SUCCEEDED]
    assert local.live() == good


def test_a_contract_that_fails_touches_no_traffic(local: Installation) -> None:
    commit = local.built()
    local.deploy(commit)
    local.environments.imagine(commit, Behaviour(commands={"contract": 1}, outputs={"contract": "column in use\n"}))
    with local.database.transaction() as tx:
        made = local.deployments.contract(tx, SYSTEM, STORE, "production")
    local.settle()
    ended = local.view(made)
    assert ended.state is DeploymentState.FAILED
    assert "column in use" in ended.reason
    assert local.live() == commit
    assert local.place().live is not None
    assert [step.state for step in ended.steps] == [StepState.FAILED]


# What was asked for about something that has changed since


def test_a_warm_version_that_was_put_away_meanwhile_starts_cold(local: Installation) -> None:
    commits = [local.built() for _ in range(4)]
    for commit in commits[:3]:
        local.deploy(commit)
    local.request(commits[3])
    with local.database.transaction() as tx:
        back = local.deployments.roll_back(tx, SYSTEM, STORE, "production", to=commits[0])
    local.settle()
    ended = local.view(back)
    assert ended.state is DeploymentState.SUCCEEDED
    assert steps(ended)[0] == "start passed"
    assert local.live() == commits[0]


def test_a_rebuild_never_brings_an_older_version_back(local: Installation) -> None:
    old, new = local.built(), local.built()
    local.deploy(old)
    local.request(new)
    with local.database.transaction() as tx:
        made = local.deployments.rebuild(tx, SYSTEM, STORE, "production")
    local.settle()
    assert local.state(made) is DeploymentState.FAILED
    assert "not what runs in production any more" in local.view(made).reason
    assert local.live() == new


def test_a_contract_asked_for_before_a_newer_version_came_does_not_run(local: Installation) -> None:
    old, new = local.built(), local.built()
    local.deploy(old)
    local.request(new)
    with local.database.transaction() as tx:
        made = local.deployments.contract(tx, SYSTEM, STORE, "production")
    local.settle()
    assert local.state(made) is DeploymentState.FAILED
    assert not any(one.command.endswith("contract") for one in local.environments.commands)
    with local.database.reading() as reading:
        assert [one.commit for one in local.deployments.rollback_targets(reading, STORE, "production")] == [old]
