"""A deployment whose version comes to a few customers first, and what becomes of one that does them harm."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from andon.flow.definition.contract import Strategy
from andon.flow.deployments.board import traffic_of
from andon.flow.deployments.contract import DeploymentState, DeploymentView, StepName, StepState
from andon.flow.deployments.contract.release import Candidate, ReleaseEnd, ReleaseOutcome
from andon.flow.deployments.drawing import line_of, outcome_of, sentence_of, shares_of
from andon.flow.deployments.execution import Execution
from andon.flow.deployments.storage.doubts import settle
from andon.flow.deployments.workflows import deploy_workflow
from andon.flow.environments.contract import SetId, Standing
from andon.flow.pipelines.contract import StageState, StageSummary
from andon.flow.pipelines.pages.line import mini_line
from andon.flow.routing.contract import Arm, Plan, Share
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import SYSTEM
from andon.kernel.workflows import Interrupted
from andon.web.model import State, Step
from tests.flow.deployments.test_workflow import FULL, steps, under_way, wait_until
from tests.flow.installation import STORE, Installation, definition

CANARY = {
    "andon.yaml": definition().replace("    keep_warm: 2\n", "    keep_warm: 2\n    release: {strategy: canary}\n")
    + "telemetry: {business: [orders.*]}\n"
}
WELL = ReleaseOutcome(end=ReleaseEnd.PASSED, reason="no harm seen in 400 requests")
HARM = ReleaseOutcome(end=ReleaseEnd.FAILED, reason="3 % of requests failed, 0.1 % beside it")


class Customers:
    """Says what it was told to say, and remembers what it was asked."""

    def __init__(self, local: Installation) -> None:
        self.local = local
        self.released = WELL
        self.confirmed = WELL
        self.asked: list[Candidate] = []
        self.gate: threading.Event | None = None
        self.breaks = False

    def release(
        self, candidate: Candidate, *, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> ReleaseOutcome:
        self.asked.append(candidate)
        if self.breaks:
            raise RuntimeError("a fault of our own")
        while self.gate is not None and not self.gate.wait(0.01):
            if interrupted():
                raise Interrupted
            if cancelled():
                return ReleaseOutcome(end=ReleaseEnd.CANCELLED, reason="")
        return self.released

    def confirm(self, candidate: Candidate, *, interrupted: Callable[[], bool]) -> ReleaseOutcome:
        return self.confirmed


@pytest.fixture
def customers(local: Installation) -> Customers:
    made = Customers(local)
    execution = Execution(
        database=local.database,
        service=local.deployments,
        environments=local.environments,
        router=local.router,
        confirm_seconds=0,
        releasing=made,
    )
    local.execution = execution
    local.workflows.register(deploy_workflow(execution))
    return made


def canary(local: Installation) -> CommitHash:
    return local.built(CANARY)


def standing(local: Installation, of: SetId | None) -> Standing:
    assert of is not None
    with local.database.reading() as reading:
        return local.environments.set(reading, of).standing


def reason(view: DeploymentView, step: StepName) -> str:
    return next(one.reason for one in view.steps if one.name is step)


def test_a_few_customers_come_before_the_switch(local: Installation, customers: Customers) -> None:
    first = local.deploy(canary(local))
    assert "release passed" not in steps(first), "there was nothing to compare the first with"
    commit = canary(local)
    ended = local.deploy(commit)
    staged = [*FULL[:4], "release", *FULL[4:]]
    assert steps(ended) == [f"{name} passed" for name in staged]
    assert reason(ended, StepName.RELEASE) == WELL.reason
    assert WELL.reason in reason(ended, StepName.CONFIRM)
    assert local.live() == commit
    (asked,) = customers.asked
    assert (asked.deployment, asked.commit, asked.set) == (ended.id, commit, ended.set)
    assert (asked.former, asked.former_commit) == (first.set, first.commit)
    assert asked.release.strategy is Strategy.CANARY
    assert [one.parts for one in asked.release.stages] == [5_000, 50_000]
    assert asked.business == ("orders.*",)


def test_what_harms_a_few_is_put_aside_and_kept_to_be_looked_at(local: Installation, customers: Customers) -> None:
    good = local.deploy(canary(local))
    customers.released = HARM
    ended = local.deploy(canary(local))
    assert ended.state is DeploymentState.FAILED
    assert HARM.reason in ended.reason
    assert local.live() == good.commit
    assert standing(local, ended.set) is Standing.QUARANTINED
    assert ended.set in local.environments.running()
    assert outcome_of(ended) == (State.BAD, "taken back during its release")
    assert sentence_of(ended).endswith("all traffic is where it was")
    with local.database.reading() as reading:
        targets = local.deployments.rollback_targets(reading, STORE, "production")
        route = local.router.route(reading, STORE, "production")
    assert ended.set not in {one.set for one in targets}
    assert route is not None
    assert route.set == good.set


def test_one_bad_version_at_a_time_is_kept_and_a_good_one_ends_that(local: Installation, customers: Customers) -> None:
    local.deploy(canary(local))
    customers.released = HARM
    first, second = local.deploy(canary(local)), local.deploy(canary(local))
    assert standing(local, first.set) is Standing.RETIRED
    assert first.set not in local.environments.running()
    assert standing(local, second.set) is Standing.QUARANTINED
    customers.released = WELL
    local.deploy(canary(local))
    assert standing(local, second.set) is Standing.RETIRED
    assert second.set not in local.environments.running()


def test_the_deploy_page_shows_how_the_traffic_is_divided(local: Installation, customers: Customers) -> None:
    former = local.deploy(canary(local))
    customers.gate = threading.Event()
    asked = under_way(local, canary(local))
    wait_until(lambda: customers.asked)
    (candidate,) = customers.asked
    plan = Plan(
        shares=(Share(candidate.former, 99_500), Share(candidate.set, 500)),
        arms={candidate.former: Arm.STABLE, candidate.set: Arm.CANARY},
    )
    with local.database.transaction() as tx:
        local.router.divide(tx, STORE, "production", plan, fence=candidate.fence, deployment=asked)
    with local.database.reading() as reading:
        drawn = shares_of(local.place(), traffic_of(local.router, reading, local.place()))
    assert {one.name: (one.share, one.note) for one in drawn} == {
        former.commit[:7]: (0.995, "serves"),
        candidate.commit[:7]: (0.005, "serves 0.5 % of the requests"),
    }
    customers.gate.set()
    local.workflows.join()
    assert local.live() == candidate.commit


def test_what_telemetry_does_not_confirm_is_taken_back(local: Installation, customers: Customers) -> None:
    good = local.deploy(local.built())
    customers.confirmed = HARM
    ended = local.deploy(local.built())
    assert ended.state is DeploymentState.ROLLED_BACK
    assert steps(ended)[-2:] == ["confirm failed", "restore passed"]
    assert HARM.reason in ended.reason
    assert local.live() == good.commit
    assert standing(local, good.set) is Standing.LIVE
    assert standing(local, ended.set) is Standing.QUARANTINED
    assert ended.set in local.environments.running()


def test_what_telemetry_cannot_confirm_is_never_shown_as_confirmed(local: Installation, customers: Customers) -> None:
    local.deploy(local.built())
    customers.confirmed = ReleaseOutcome(end=ReleaseEnd.INCONCLUSIVE, reason="nobody asked it anything yet")
    ended = local.deploy(local.built())
    customers.confirmed = WELL
    better = local.deploy(local.built())
    assert ended.state is better.state is DeploymentState.SUCCEEDED
    assert steps(ended)[-2:] == ["confirm inconclusive", "retire passed"]
    assert ended.unconfirmed is not None
    assert "nobody asked it anything yet" in ended.unconfirmed.reason
    assert better.unconfirmed is None
    with local.database.reading() as reading:
        assert local.deployments.unconfirmed(reading, {ended.id, better.id}) == {ended.id: StepState.INCONCLUSIVE}
        assert local.deployments.unconfirmed(reading, ()) == {}
    assert dict(zip(steps(ended), line_of(ended), strict=True))["confirm inconclusive"].state is State.NONE

    def stations(one: DeploymentView) -> tuple[Step, ...]:
        stage = StageSummary(
            name="production",
            state=StageState.PASSED,
            environment="production",
            started_at=None,
            ended_at=None,
            deployment=one.id,
        )
        with local.database.reading() as reading:
            run = local.pipelines.list_runs(reading, service=STORE, limit=1)[0]
            among = local.deployments.unconfirmed(reading, {ended.id, better.id})
        return mini_line(replace(run, stages=(stage,)), unconfirmed=among)

    assert (stations(ended)[-1].state, stations(ended)[-1].word) == (State.NONE, "not by telemetry")
    assert (stations(better)[-1].state, stations(better)[-1].word) == (State.OK, "confirmed")
    with local.database.transaction() as tx:
        settle(tx.connection, ended.id, StepState.FAILED, "4 min after the switch: 3 % of requests failed")
    refuted = local.view(ended.id)
    assert (stations(refuted)[-1].state, stations(refuted)[-1].word) == (State.BAD, "refuted")
    assert outcome_of(refuted) == (State.BAD, "refuted later")
    assert "telemetry found harm in it later" in sentence_of(refuted)


def test_what_nobody_confirmed_is_not_by_fresh_instances_of_it(local: Installation, customers: Customers) -> None:
    local.deploy(local.built())
    customers.confirmed = ReleaseOutcome(end=ReleaseEnd.INCONCLUSIVE, reason="nobody asked it anything yet")
    doubted = local.deploy(local.built())
    customers.confirmed = WELL
    again = local.deploy(doubted.commit)
    with local.database.transaction() as tx:
        rebuilt = local.deployments.rebuild(tx, SYSTEM, STORE, "production")
    local.settle()
    for one in (again, local.view(rebuilt)):
        assert steps(one)[-2:] == ["confirm inconclusive", "retire passed"]
        assert reason(one, StepName.CONFIRM).endswith("; telemetry has not confirmed this version")
    assert local.deploy(local.built()).unconfirmed is None


def test_a_release_that_is_cancelled_leaves_no_instance(local: Installation, customers: Customers) -> None:
    good = local.deploy(canary(local))
    customers.gate = threading.Event()
    asked = under_way(local, canary(local))
    wait_until(lambda: customers.asked)
    with local.database.transaction() as tx:
        local.deployments.cancel(tx, SYSTEM, asked)
    local.workflows.join()
    ended = local.view(asked)
    assert ended.state is DeploymentState.CANCELLED
    assert local.live() == good.commit
    assert ended.set not in local.environments.running()


def test_a_fault_of_our_own_in_a_release_brings_the_traffic_back(local: Installation, customers: Customers) -> None:
    good = local.deploy(canary(local))
    customers.breaks = True
    ended = local.deploy(canary(local))
    assert ended.state is DeploymentState.FAILED
    assert "Andon itself failed" in ended.reason
    with local.database.reading() as reading:
        route = local.router.route(reading, STORE, "production")
    assert route is not None
    assert route.set == good.set
    assert ended.set not in local.environments.running()


def test_the_same_version_in_fresh_instances_comes_at_once(local: Installation, customers: Customers) -> None:
    commit = canary(local)
    local.deploy(commit)
    with local.database.transaction() as tx:
        asked = local.deployments.rebuild(tx, SYSTEM, STORE, "production")
    local.settle()
    assert local.view(asked).state is DeploymentState.SUCCEEDED
    assert not customers.asked


def test_a_release_that_waits_is_interrupted_when_andon_stops(local: Installation, customers: Customers) -> None:
    local.deploy(canary(local))
    customers.gate = threading.Event()
    asked = under_way(local, canary(local))
    wait_until(lambda: customers.asked)
    local.execution.close()
    with pytest.raises(Interrupted):
        local.workflows.join()
    view = local.view(asked)
    assert view.state is DeploymentState.RUNNING
    assert steps(view)[-1] == "release running"
