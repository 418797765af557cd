"""A new service takes over from an old one in stages, and loses what it got when it does worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from andon.feedback.judge.contract import Verdict
from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import (
    Hold,
    RolloutFailed,
    RolloutPassed,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    RolloutState,
    StageEntered,
    Wish,
)
from andon.feedback.rollouts.model.records import AlreadyTaking, Rollout
from andon.feedback.rollouts.model.takeovers import StagesInvalid, Takeover, TakeoverStage
from andon.feedback.rollouts.model.taking import Led, Side, sorted_out
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import PARTS, Comparison, Condition, Forward, Forwarding, Where
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Grant, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Conflict, Forbidden, NotFound
from andon.kernel.workflows import Interrupted
from tests.feedback.rollouts.moving import CATALOGUE, PARTS_PAGES, STAGES, Moving, line
from tests.feedback.rollouts.world import Plain
from tests.flow.installation import STORE


@pytest.fixture
def moving(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> Moving:
    return Moving(sqlite_database, clock, tmp_path, Plain())


@pytest.fixture
def judged(sqlite_database: Database, clock: SettableClock, tmp_path: Path) -> Moving:
    """By the judge who needs statistics."""
    return Moving(sqlite_database, clock, tmp_path, Statistics())


def test_a_new_service_that_does_well_takes_over_stage_by_stage(
    database: Database, clock: SettableClock, tmp_path: Path
) -> None:
    moving = Moving(database, clock, tmp_path, Plain())
    ended = moving.conduct(moving.begin())
    assert ended.state is RolloutState.PASSED
    assert list(dict.fromkeys(moving.shares)) == [5_000, 50_000]
    assert [one.parts for one in moving.forwarding().forwards] == [PARTS]
    kinds = [type(one) for one in moving.local.events(RolloutStarted, StageEntered, RolloutPassed)]
    assert kinds == [RolloutStarted, StageEntered, StageEntered, RolloutPassed]
    (passed,) = moving.local.events(RolloutPassed)
    assert isinstance(passed, RolloutPassed)
    assert (passed.takeover, passed.deployment) == ("/parts/… to catalogue/production", None)
    assert 20 * 20 * 0.5 < passed.requests < 20 * 60 * 0.6


def test_a_new_service_that_fails_requests_loses_them_within_seconds_and_other_rules_stay(judged: Moving) -> None:
    judged.way.failing, judged.rate = 0.3, 100.0
    about = Forward(service=CATALOGUE, environment="production", when=(Condition(Where.PATH, value="/about"),))
    with judged.local.database.transaction() as tx:
        by = SYSTEM.actor
        judged.local.router.forward(tx, STORE, "production", Forwarding(forwards=(about,)), by=by)
    began = judged.clock.now()
    ended = judged.conduct(judged.begin())
    assert ended.state is RolloutState.FAILED
    assert (judged.clock.now() - began).total_seconds() < 30
    assert judged.forwarding().forwards == (about,)
    (failed,) = judged.local.events(RolloutFailed)
    assert isinstance(failed, RolloutFailed)
    assert failed.metric == "errors"
    assert "in the new service" in failed.reason
    assert failed.harmed is not None
    assert 0 < failed.harmed < 100 * 30 * 0.05


def test_a_new_service_that_is_slower_loses_them(judged: Moving) -> None:
    judged.way.milliseconds, judged.rate = 50, 100.0
    ended = judged.conduct(judged.begin())
    assert (ended.state, ended.stage) == (RolloutState.FAILED, 0)
    with judged.local.database.reading() as reading:
        verdict = judged.service.verdict(reading, ended)
    assert verdict is not None
    names = {one.metric for one in verdict.metrics}
    assert names == {"errors", "latency-p50", "latency-p95", "latency-p99", "traffic"}
    assert {one.metric.partition("-")[0] for one in verdict.metrics if one.verdict is Verdict.FAIL} == {"latency"}


def test_what_the_old_service_answers_for_one_that_cannot_be_reached_counts_against_the_new_one(judged: Moving) -> None:
    judged.way.unreachable = True
    ended = judged.conduct(judged.begin())
    assert ended.state is RolloutState.FAILED
    assert judged.forwarding().forwards == ()


def test_requests_that_nobody_takes_over_say_nothing(moving: Moving) -> None:
    """A quarter of the old service's other requests fails in this world, and the old side has none of it."""
    rollout = moving.begin()
    moving.asked = lambda now: moving.taking.stop() if len(moving.world.looks(now)) > 5 else None
    with pytest.raises(Interrupted):
        moving.conduct(rollout)
    assert all(one.baseline.counts["errors"][0] == 0 for one in moving.world.looks(rollout))


def test_a_log_that_cannot_be_read_pauses_it_and_it_goes_on_by_itself(moving: Moving) -> None:
    looked: list[int] = []

    def ask(rollout: Rollout) -> None:
        looked.append(len(moving.world.looks(rollout)))
        moving.log.broken = looked[-1] > 5 and len(looked) < 40
        assert not (moving.log.broken and rollout.stage)

    moving.asked = ask
    assert moving.conduct(moving.begin()).state is RolloutState.PASSED
    told = moving.local.events(RolloutPaused, RolloutResumed)
    assert [type(one) for one in told] == [RolloutPaused, RolloutResumed]
    assert isinstance(told[0], RolloutPaused)
    assert told[0].hold is Hold.NO_DATA


def test_without_requests_nothing_is_promoted(moving: Moving) -> None:
    moving.rate = 0.0
    rollout = moving.begin()
    began = moving.clock.now()

    def ask(now: Rollout) -> None:
        if (moving.clock.now() - began).total_seconds() > 60 and now.wish is None:
            assert (now.stage, now.state.ended) == (0, False)
            with moving.local.database.transaction() as tx:
                moving.service.wish(tx, SYSTEM, rollout.id, Wish.ABORT)

    moving.asked = ask
    assert moving.conduct(rollout).state is RolloutState.ABORTED
    assert moving.forwarding().forwards == ()


def test_somebody_promotes_and_finishes(moving: Moving) -> None:
    rollout = moving.begin()

    def ask(now: Rollout) -> None:
        if now.wish is None:
            with moving.local.database.transaction() as tx:
                moving.service.wish(tx, SYSTEM, rollout.id, Wish.FINISH if now.stage else Wish.PROMOTE)

    moving.asked = ask
    assert moving.conduct(rollout).state is RolloutState.PASSED
    assert list(dict.fromkeys(moving.shares)) == [5_000, 50_000]
    assert [one.parts for one in moving.forwarding().forwards] == [PARTS]


def test_after_a_crash_it_goes_on_where_it_was_with_what_it_had_seen(moving: Moving) -> None:
    rollout = moving.begin()

    def crash(now: Rollout) -> None:
        if now.stage == 1 and len(moving.world.looks(now)) > 12:
            raise Interrupted

    moving.asked = crash
    with pytest.raises(Interrupted):
        moving.conduct(rollout)
    before = moving.world.looks(rollout)
    moving.asked = lambda now: None
    moving.way.failing = 0.5
    moving.serve(2)  # the router goes on meanwhile
    moving.taking = moving.awake()
    ended = moving.conduct(rollout)
    assert (ended.state, ended.stage) == (RolloutState.FAILED, 1)
    after = moving.world.looks(rollout)
    assert after[: len(before)] == before
    assert after[len(before)].canary.counts["errors"][0] > 0, "what came while it was away is among what it sees"


def test_before_it_begins_it_says_the_smallest_harm_that_it_could_see_of_these_requests(judged: Moving) -> None:
    judged.before(300, seconds=3_000, failing=2)  # too long ago
    judged.clock.advance(1)
    judged.before(6_000, seconds=1_200, failing=200)
    rollout = judged.begin(stages=(TakeoverStage(parts=5_000, seconds=600),))
    assert rollout.smallest_harm.startswith("Errors: from 0.5 % to ")
    assert "Latency (p99): from " in rollout.smallest_harm
    assert rollout.smallest_harm.endswith("That is from 6,000 such requests in the router's log, of the last 20 min.")
    assert rollout.proposal.startswith("With 50 % of the traffic for 10 min, Errors would be seen at ")
    assert " for 8 h, Errors would be seen at " in rollout.proposal
    assert "would be seen" not in rollout.smallest_harm
    (began,) = judged.local.events(RolloutStarted)
    assert isinstance(began, RolloutStarted)
    assert (began.smallest_harm, began.proposal) == (rollout.smallest_harm, rollout.proposal)


def test_with_few_requests_it_says_that_they_are_too_few(judged: Moving) -> None:
    judged.before(30, seconds=300)
    told = judged.begin().smallest_harm
    assert "requests in the new service are too few to find anything" in told
    assert "30 such requests in the router's log, of the last 5 min" in told


def test_what_the_log_does_not_tell_it_does_not_guess(judged: Moving) -> None:
    assert "has no answer of the old service to such a request" in judged.begin().smallest_harm
    judged.before(600, failing=10)
    asked = (*PARTS_PAGES, Condition(Where.HEADER, "x-shop", value="7"))
    told = judged.begin(when=asked).smallest_harm
    assert told.startswith("The router's log does not tell which requests have header x-shop 7, so ")
    judged.log.broken = True
    told = judged.begin(when=(Condition(Where.PATH, value="/about"),)).smallest_harm
    assert told.startswith("The router's log cannot be read, so ")


def test_of_the_past_it_takes_what_its_rule_would_have_taken() -> None:
    def takeover(*when: Condition) -> Takeover:
        return Takeover(service=CATALOGUE, environment="production", when=when)

    path = Condition(Where.PATH, how=Comparison.PREFIX, value="/parts")
    longer = takeover(Condition(Where.PATH, how=Comparison.PREFIX, value="/parts/new")).forward(PARTS)
    shorter = takeover().forward(10_000)
    of_header = takeover(path, Condition(Where.HEADER, "x-shop", value="7"))
    asked = [
        line(SetId("old"), rule, path=path)
        for rule, path in (
            ("", "/parts"),
            ("", "/parts/7"),
            ("", "/partsunlimited"),
            (longer.rule, "/parts/new/7"),
            (shorter.rule, "/parts/8"),
            (of_header.rule, "/parts/9"),
        )
    ]
    forwarding = Forwarding(forwards=(longer, shorter))
    assert [one.path for one in Led(takeover(path), forwarding).of(asked)] == [
        "/parts",
        "/parts/7",
        "/parts/8",
        "/parts/9",
    ]
    assert len(Led(takeover(), Forwarding()).of(asked)) == 6
    assert [one.path for one in Led(of_header, forwarding).of(asked)] == ["/parts/9"], "the log names its rule"


def test_whoever_changes_the_rule_by_hand_ends_it_and_keeps_what_they_said(moving: Moving) -> None:
    def change(now: Rollout) -> None:
        if now.takeover is not None and now.takeover.position is not None:
            moving.asked = lambda _now: None
            before = moving.forwarding()
            with moving.local.database.transaction() as tx:
                changed = now.takeover.applied(before, 70_000)
                moving.local.router.forward(tx, STORE, "production", changed, by=SYSTEM.actor)

    moving.asked = change
    ended = moving.conduct(moving.begin())
    assert ended.state is RolloutState.ABORTED
    assert "by hand" in ended.reason
    assert [one.parts for one in moving.forwarding().forwards] == [70_000]


def test_what_cannot_be_is_refused_before_anything_is_moved(moving: Moving) -> None:
    contributor = moving.local.sign_up("Wes", Grant(Role.CONTRIBUTOR))
    with pytest.raises(Forbidden):
        moving.begin(contributor)
    only_here = moving.local.sign_up("Maxine", Grant(Role.DEVELOPER, service=STORE))
    with pytest.raises(NotFound):
        moving.begin(only_here)
    for stages in ((), (TakeoverStage(parts=PARTS),), (STAGES[1], STAGES[0]), (replace(STAGES[0], seconds=0),)):
        with pytest.raises(StagesInvalid):
            moving.begin(stages=stages)
    moving.local.create(Service("empty"))
    with pytest.raises(Conflict, match="Nothing is live in empty/production"):
        moving.begin(to=Service("empty"))
    with pytest.raises(Conflict, match="come back"):
        moving.begin(to=STORE)
    assert moving.forwarding().version == 0
    moving.begin()
    with pytest.raises(AlreadyTaking, match="taking over /parts/… already"):
        moving.begin()
    others = (Condition(Where.PATH, value="/about"),)
    moving.begin(when=others)
    assert [one.parts for one in moving.forwarding().forwards] == [5_000, 5_000]


def test_only_as_many_repeated_requests_count_as_connections_failed() -> None:
    old, new = SetId("old"), SetId("new")
    sides = {old: Side.OLD, new: Side.NEW}
    rule = Forward(service=CATALOGUE, environment="production", when=PARTS_PAGES)
    asked = [(old, 2), (old, 2), (old, 1), (new, 1), (SetId("gone"), 1)]
    log = [line(served, rule.rule, attempts=attempts) for served, attempts in asked]
    answered, kept = sorted_out(log, sides, 1)
    assert (answered.requests, answered.failed) == (2, 1)
    assert (kept.requests, kept.failed) == (2, 0)
