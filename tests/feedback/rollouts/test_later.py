"""A version that nobody could confirm when it got all traffic is looked at until telemetry can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import ReleaseRefuted
from andon.feedback.rollouts.later import LateConfirmation
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import LookRecord
from andon.feedback.rollouts.model.watching import ERRORS, LATENCY
from andon.flow.deployments.contract import (
    DeploymentConfirmed,
    DeploymentFinished,
    DeploymentId,
    DeploymentLeftUnconfirmed,
    DeploymentRequested,
    DeploymentState,
    DeploymentView,
    Kind,
    StepFinished,
    StepName,
    StepStarted,
    StepState,
)
from andon.flow.deployments.drawing import outcome_of, sentence_of
from andon.flow.deployments.service.doubts import DeploymentDoubts
from andon.flow.environments.contract import SetId, Standing
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Unavailable
from andon.web.model import State
from tests.feedback.rollouts.test_judged import past
from tests.feedback.rollouts.world import BOUNDS, Telemetry, World
from tests.flow.installation import STORE, Installation, definition

LONG = {LATENCY: (BOUNDS, (0.0, 0.0, 0.0, 0.0, 0.0, 3_000.0, 0.0))}


class Seldom(Telemetry):
    """Knows each set's minutes; what it was not told of, nobody asked."""

    def __init__(self) -> None:
        super().__init__()
        self.minutes: dict[SetId, Sequence[LookRecord]] = {}
        self.slow: set[SetId] = set()
        """Of these the store does not find the answer in time."""

    def history(
        self, service: Service, environment: str, set_id: SetId, *, before: int, minutes: int
    ) -> tuple[LookRecord, ...]:
        self._answer()
        if set_id in self.slow:
            raise Unavailable("The telemetry store did not find the answer within 30 seconds.")
        return tuple(self.minutes.get(set_id, ()))


class Late:
    def __init__(self, local: Installation, clock: SettableClock) -> None:
        self.local, self.clock, self.signals = local, clock, Seldom()
        self.world = World(local, clock, judge=Statistics(), signals=self.signals)
        self.world.rate = 0.0
        self.doubts = DeploymentDoubts(local.deployments, local.environments)
        self.late = LateConfirmation(
            database=local.database,
            deployments=self.doubts,
            service=self.world.service,
            judge=Statistics(),
            signals=self.signals,
            rhythm=Rhythm(),
        )
        self.former = self.world.deploy(definition())
        assert self.former.set is not None
        self.signals.minutes[self.former.set] = past(clock)
        self.doubted = self.world.deploy(definition())

    def visited(
        self, minutes: int, *, failing: float = 0.001, cold: int = 0, since: DeploymentView | None = None
    ) -> None:
        """Customers come: as many a minute as came before, of whom that share fails; in cold minutes all wait long."""
        carrier = since or self.doubted
        assert carrier.switched_at is not None
        assert carrier.set is not None
        began = carrier.switched_at
        self.signals.minutes[carrier.set] = [
            replace(
                one,
                at=began + timedelta(minutes=place + 1),
                baseline=replace(
                    one.baseline,
                    counts={ERRORS: (3_000.0 * failing, 3_000.0)},
                    histograms=LONG if place < cold else one.baseline.histograms,
                ),
            )
            for place, one in enumerate(past(self.clock, minutes))
        ]
        self.clock.advance((began + timedelta(minutes=minutes, seconds=10) - self.clock.now()).total_seconds())

    def confirm(self, deployment: DeploymentView | None = None) -> tuple[StepState, str]:
        view = self.local.view((deployment or self.doubted).id)
        return next((one.state, one.reason) for one in view.steps if one.name is StepName.CONFIRM)

    def rebuilt(self) -> DeploymentView:
        with self.local.database.transaction() as tx:
            made = self.local.deployments.rebuild(tx, SYSTEM, STORE, "production")
        self.local.settle()
        return self.local.view(made)

    def way_back(self) -> tuple[StepState, str]:
        back = self.local.view(self.doubted.id).way_back
        assert back is not None
        return back.state, back.reason

    def standing(self, of: SetId | None) -> Standing:
        assert of is not None
        with self.local.database.reading() as reading:
            return self.local.environments.set(reading, of).standing

    def settled(self) -> DeploymentView:
        self.local.settle()
        with self.local.database.reading() as reading:
            return self.local.deployments.recent(reading, STORE, "production", limit=1)[0]


@pytest.fixture
def late(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> Late:
    local = Installation(sqlite_database, tmp_path)
    local.create()
    return Late(local, clock)


def test_it_is_confirmed_when_customers_come_and_it_does_well(late: Late) -> None:
    assert late.confirm()[0] is StepState.INCONCLUSIVE
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE, "nobody has come yet"
    late.visited(8)
    late.late.look()
    state, reason = late.confirm()
    assert state is StepState.PASSED
    assert reason == "8 min after it got all traffic: no worse than before: 24,000 requests, 24 failed"
    (event,) = late.local.events(DeploymentConfirmed)
    assert isinstance(event, DeploymentConfirmed)
    assert (event.deployment, round(event.seconds)) == (late.doubted.id, 490)
    late.late.look()
    assert len(late.local.events(DeploymentConfirmed)) == 1
    assert late.settled().id == late.doubted.id


def test_harm_that_shows_later_takes_it_back(late: Late) -> None:
    late.visited(4, failing=0.2)
    late.late.look()
    assert late.confirm()[0] is StepState.FAILED
    (event,) = late.local.events(ReleaseRefuted)
    assert isinstance(event, ReleaseRefuted)
    assert (event.metric, event.harmed, event.former) == (ERRORS, 2_400, late.former.commit)
    back = late.settled()
    assert (back.kind, back.state, back.commit) == (Kind.ROLL_BACK, DeploymentState.SUCCEEDED, late.former.commit)
    assert back.person is None
    late.late.look()
    assert len(late.local.events(ReleaseRefuted)) == 1


def test_what_is_taken_back_later_is_put_aside_until_a_newer_version_comes(late: Late) -> None:
    late.visited(4, failing=0.2)
    late.late.look()
    late.settled()
    assert late.doubted.set is not None
    assert late.standing(late.doubted.set) is Standing.QUARANTINED
    assert late.doubted.set in late.local.environments.running()
    with late.local.database.reading() as reading:
        targets = late.local.deployments.rollback_targets(reading, STORE, "production")
    assert {one.commit: one.set for one in targets}[late.doubted.commit] is None, "it is not warm"
    late.world.deploy(definition())
    assert late.standing(late.doubted.set) is Standing.RETIRED
    assert late.doubted.set not in late.local.environments.running()


def test_that_it_is_to_be_taken_back_and_that_it_was_are_told_one_after_the_other(late: Late) -> None:
    late.visited(4, failing=0.2)
    late.late.look()
    asked = late.local.view(late.doubted.id)
    assert late.way_back()[0] is StepState.RUNNING
    assert outcome_of(asked) == (State.BAD, "refuted, is being taken back")
    assert sentence_of(asked).endswith("telemetry found harm in it later: it is being taken back")
    late.settled()
    done = late.local.view(late.doubted.id)
    assert late.way_back() == (StepState.PASSED, f"{late.former.commit[:7]} has all traffic again")
    assert outcome_of(done) == (State.BAD, "taken back later")
    assert sentence_of(done).endswith("telemetry found harm in it later: it was taken back")
    told = [
        one
        for one in late.local.events(StepStarted, StepFinished, DeploymentRequested, DeploymentFinished)
        if getattr(one, "step", None) is StepName.RESTORE or getattr(one, "kind", None) is Kind.ROLL_BACK
    ]
    assert [type(one) for one in told] == [StepStarted, DeploymentRequested, StepFinished, DeploymentFinished]


def test_a_roll_back_that_comes_to_nothing_is_told_as_that(late: Late) -> None:
    late.visited(4, failing=0.2)
    late.late.look()
    with late.local.database.transaction() as tx:
        (waiting,) = late.local.deployments.lock(tx, STORE, "production").queue
        late.local.deployments.cancel(tx, SYSTEM, waiting)
    late.local.settle()
    assert late.way_back() == (
        StepState.FAILED,
        f"The roll-back to {late.former.commit[:7]} was not done: cancelled while it waited",
    )
    assert outcome_of(late.local.view(late.doubted.id)) == (State.BAD, "refuted, not taken back")
    assert late.local.live() == late.doubted.commit


@pytest.mark.parametrize(("cold", "state"), [(2, StepState.PASSED), (6, StepState.FAILED)])
def test_that_it_has_to_get_warm_is_no_harm_and_that_it_stays_slow_is(late: Late, cold: int, state: StepState) -> None:
    late.visited(8, cold=cold)
    late.late.look()
    assert late.confirm()[0] is state


def test_what_cannot_be_taken_back_is_told_once_and_stays(late: Late) -> None:
    with late.local.database.transaction() as tx:
        late.local.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)
    late.local.settle()
    late.visited(4, failing=0.2)
    late.late.look()
    late.late.look()
    (event,) = late.local.events(ReleaseRefuted)
    assert isinstance(event, ReleaseRefuted)
    assert event.stays
    assert late.way_back() == (StepState.FAILED, event.stays)
    assert late.local.live() == late.doubted.commit


def test_what_has_no_traffic_any_more_or_is_old_is_let_be(late: Late) -> None:
    newer = late.world.deploy(definition())
    assert newer.set is not None
    late.visited(8, failing=0.2)
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE, "customers have the newer one"
    late.signals.minutes[newer.set] = past(late.clock)
    late.clock.advance(7_200)
    late.late.look()
    assert late.local.events(ReleaseRefuted) == late.local.events(DeploymentConfirmed) == []


def test_a_version_that_another_follows_before_it_was_confirmed_is_told_as_that(late: Late) -> None:
    late.clock.advance(300)
    newer = late.world.deploy(definition())
    (event,) = late.local.events(DeploymentLeftUnconfirmed)
    assert isinstance(event, DeploymentLeftUnconfirmed)
    assert (event.deployment, event.successor) == (late.doubted.id, newer.id)
    assert 300 <= event.seconds < 360
    state, reason = late.confirm()
    assert state is StepState.INCONCLUSIVE
    assert reason.endswith(f"; {newer.commit[:7]} took its place before it could")
    late.clock.advance(7_200)
    late.world.deploy(definition())
    assert len(late.local.events(DeploymentLeftUnconfirmed)) == 1, "nobody looked at the newer one any more"


@pytest.mark.parametrize(
    ("failing", "state"), [(0.001, StepState.PASSED), (0.2, StepState.FAILED)], ids=["well", "harm"]
)
def test_a_version_in_fresh_instances_is_looked_at_on(late: Late, failing: float, state: StepState) -> None:
    late.clock.advance(300)
    rebuilt = late.rebuilt()
    assert late.confirm(rebuilt)[0] is StepState.INCONCLUSIVE
    assert late.local.events(DeploymentLeftUnconfirmed) == []
    late.visited(8, failing=failing, cold=2, since=rebuilt)
    late.late.look()
    assert late.confirm()[0] is late.confirm(rebuilt)[0] is state
    told: list[DeploymentId] = [
        one.deployment
        for one in late.local.events(DeploymentConfirmed, ReleaseRefuted)
        if isinstance(one, DeploymentConfirmed | ReleaseRefuted)
    ]
    assert told == [late.doubted.id]
    late.settled()
    harmful = state is StepState.FAILED
    assert late.local.live() == (late.former if harmful else late.doubted).commit
    assert late.standing(rebuilt.set) is (Standing.QUARANTINED if harmful else Standing.LIVE)


def test_a_version_is_not_confirmed_beside_itself(late: Late) -> None:
    assert late.doubted.set is not None
    late.signals.minutes[late.doubted.set] = past(late.clock)
    late.world.rate = 50.0
    again = late.local.deploy(late.doubted.commit)
    state, reason = late.confirm(again)
    assert state is StepState.INCONCLUSIVE
    assert "no worse than before" in reason
    assert reason.endswith("; telemetry has not confirmed this version")
    late.visited(8, failing=0.2, since=again)
    late.late.look()
    assert late.confirm()[0] is late.confirm(again)[0] is StepState.FAILED
    assert late.settled().commit == late.former.commit


def test_what_comes_to_another_place_or_does_not_come_at_all_ends_no_doubt(late: Late) -> None:
    other = late.world.version(definition())
    late.local.deploy(other, "acceptance")
    waiting = late.local.request(late.world.version(definition()))
    with late.local.database.transaction() as tx:
        late.local.deployments.cancel(tx, SYSTEM, waiting)
    late.local.settle()
    assert late.local.events(DeploymentLeftUnconfirmed) == []
    late.visited(8)
    late.late.look()
    assert late.confirm()[0] is StepState.PASSED


def test_a_past_in_which_hardly_anybody_came_confirms_nothing(late: Late) -> None:
    assert late.former.set is not None
    (minute, *_) = late.signals.minutes[late.former.set]
    late.signals.minutes[late.former.set] = [
        replace(minute, baseline=replace(minute.baseline, counts={ERRORS: (0, 2)}))
    ]
    late.visited(8, failing=0.3)
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE


def test_what_waits_for_its_turn_is_not_taken_back_by_a_roll_back_behind_it(late: Late) -> None:
    late.visited(4, failing=0.2)
    mended = late.world.version(definition())
    late.local.request(mended)
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE
    assert late.settled().kind is Kind.DEPLOY
    assert late.local.live() == mended


def test_who_goes_back_to_it_by_hand_has_decided(late: Late) -> None:
    for commit in (late.former.commit, late.doubted.commit):
        with late.local.database.transaction() as tx:
            late.local.deployments.roll_back(tx, SYSTEM, STORE, "production", to=commit)
        late.local.settle()
    live = late.local.place().live
    assert live is not None
    assert live.id == late.doubted.set, "in the very instances"
    late.visited(4, failing=0.2)
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE
    assert late.settled().commit == late.doubted.commit


def test_while_telemetry_is_away_nothing_is_said(late: Late) -> None:
    late.visited(8)
    late.signals.away = True
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE
    late.signals.away = False
    late.late.look()
    assert late.confirm()[0] is StepState.PASSED


def test_a_service_that_telemetry_cannot_answer_for_keeps_no_other_waiting(late: Late) -> None:
    assert late.former.set is not None
    assert late.doubted.set is not None
    with late.local.database.transaction() as tx:
        late.local.deployments.create_environment(
            tx, SYSTEM, STORE, late.former.commit, name="twin", like="production", time_to_live=None
        )
    late.local.settle()
    former = late.local.place("twin").live
    assert former is not None
    twin = late.local.deploy(late.doubted.commit, "twin")
    assert twin.set is not None
    late.visited(8)
    late.signals.minutes |= {
        former.id: late.signals.minutes[late.former.set],
        twin.set: late.signals.minutes[late.doubted.set],
    }
    late.signals.slow = {late.doubted.set}
    late.late.look()
    assert late.confirm()[0] is StepState.INCONCLUSIVE
    assert late.confirm(twin)[0] is StepState.PASSED
