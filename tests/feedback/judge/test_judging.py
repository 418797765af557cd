"""What the verdicts are, in the cases that people meet, and in those that are known to fool others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from andon.feedback.judge.contract import Because, Counts, Direction, Kind, Look, Metric, Plan, Traffic, Verdict
from tests.feedback.judge.canaries import (
    ERRORS,
    LOGGED,
    MINUTE,
    ORDERS,
    TRAFFIC,
    drawn,
    errors,
    judge,
    looks,
    most,
    only,
    past,
    plan,
)

FEW = (0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0)


# fail


def test_more_errors_than_the_old_version_beside_it_fail_with_the_numbers_in_the_sentence() -> None:
    told = only(judge(plan(), drawn(1, 0.03, 0.004, points=4)))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.WORSE)
    assert told.reason == (
        "Errors: 3.3 % of 4,000 requests in the new version, 0.375 % of 4,000 in the old one running beside it: "
        "8.8 times, at least 3.1 (99 %)."
    )
    assert told.evidence is not None
    assert told.evidence.p <= told.evidence.boundary


def test_the_sentence_of_all_begins_with_what_to_act_on() -> None:
    seen = [
        Look(
            at=one.at,
            seconds=one.seconds,
            canary={**one.canary, "orders": Counts(30, 1_000)},
            baseline={**one.baseline, "orders": Counts(30, 1_000)},
        )
        for one in drawn(1, 0.03, 0.004)
    ]
    told = judge(plan(ORDERS, ERRORS), seen)
    assert told.verdict is Verdict.FAIL
    assert told.because is Because.WORSE
    assert told.sentence.startswith("The new version fails. Errors: ")
    assert [one.verdict for one in told.metrics] == [Verdict.PASS, Verdict.FAIL]


def test_what_has_failed_stays_failed_while_the_looks_go_on() -> None:
    seen = errors([60, 60, 60, *[1] * 27], [1] * 30)
    first = next(end for end in range(1, 31) if judge(plan(), seen[:end]).verdict is Verdict.FAIL)
    told = [judge(plan(), seen[:end]) for end in range(first, 31)]
    assert {one.verdict for one in told} == {Verdict.FAIL}
    assert {only(one).since for one in told} == {first * MINUTE}


def test_a_fault_of_one_in_five_is_seen_within_seconds_when_one_looks_every_two() -> None:
    seen = drawn(2, 0.2, 0.005, points=15, n=100, seconds=2.0)
    failed = next(end for end in range(1, 16) if judge(plan(alpha=0.001), seen[:end]).verdict is Verdict.FAIL)
    assert failed * 2 <= 10


def test_a_fault_that_sets_in_after_an_hour_of_quiet_is_not_drowned_in_it() -> None:
    seen = drawn(3, lambda index: 0.2 if index >= 600 else 0.005, 0.005, points=620, n=100, seconds=2.0)
    ask = plan(horizon=3_600, alpha=0.001)
    assert judge(ask, seen[:600]).verdict is not Verdict.FAIL
    failed = next(end for end in range(601, 621) if judge(ask, seen[:end]).verdict is Verdict.FAIL)
    assert (failed - 600) * 2 <= 14
    assert only(judge(ask, seen[:failed])).since == failed * 2


def test_seven_points_of_ten_at_a_hundred_times_fail() -> None:
    mine = [100 if index % 10 < 7 else 1 for index in range(10)]
    assert judge(plan(horizon=10 * MINUTE), errors(mine, [1] * 10)).verdict is Verdict.FAIL


def test_errors_where_there_were_none_fail() -> None:
    assert judge(plan(), errors([4.0] * 10, [0.0] * 10)).verdict is Verdict.FAIL


def test_rare_errors_fail_once_they_are_too_many_together() -> None:
    """Never more than two in a minute, most minutes none: no single point is remarkable."""
    mine = [1.0 if index % 3 else 2.0 for index in range(30)]
    other = [1.0 if index % 10 == 0 else 0.0 for index in range(30)]
    assert judge(plan(), errors(mine, other, 100)).verdict is Verdict.FAIL


def test_a_business_metric_that_fell_fails() -> None:
    random = np.random.default_rng(3)
    seen = looks(
        [{"orders": Counts(float(random.binomial(1_000, 0.015)), 1_000)} for _ in range(30)],
        [{"orders": Counts(float(random.binomial(1_000, 0.03)), 1_000)} for _ in range(30)],
    )
    told = only(judge(plan(ORDERS), seen))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.WORSE)
    assert "it fell to 48.1 %, at most" in told.reason
    assert told.effect is not None
    assert told.effect.high is not None
    assert told.effect.high < 1


def test_a_business_metric_that_rose_does_not() -> None:
    seen = looks([{"orders": Counts(60, 1_000)}] * 30, [{"orders": Counts(30, 1_000)}] * 30)
    assert judge(plan(ORDERS), seen).verdict is Verdict.PASS


@pytest.mark.parametrize("share", [0.02, 0.005])
def test_of_a_metric_that_should_stay_both_ways_fail(share: float) -> None:
    both = Metric(name="errors", kind=Kind.SHARE, direction=Direction.EITHER)
    assert judge(plan(both), drawn(4, share, 0.01, n=2_000)).verdict is Verdict.FAIL


def test_a_difference_that_is_certain_but_does_not_matter_passes() -> None:
    """Three in a hundred more, of millions: the default puts up with one in twenty."""
    seen = errors([10_300.0] * 30, [10_000.0] * 30, 1_000_000)
    told = only(judge(plan(), seen))
    assert told.verdict is Verdict.PASS
    assert told.effect is not None
    assert told.effect.low is not None
    assert told.effect.low > 1


# traffic


def arrived(mine: list[float], other: list[float], share: float) -> list[Look]:
    return looks([{"traffic": Traffic(x)} for x in mine], [{"traffic": Traffic(y)} for y in other], share=share)


def test_traffic_that_disappears_is_a_failure() -> None:
    told = only(judge(plan(TRAFFIC), arrived([100.0] * 5 + [0.0] * 5, [900.0] * 5 + [1_000.0] * 5, 0.1)))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.TRAFFIC_GONE)
    assert told.reason.startswith("Traffic: 500 requests reached the new version, where 1,000 were to be expected")


def test_traffic_that_comes_as_the_router_sends_it_passes_at_any_share() -> None:
    assert judge(plan(TRAFFIC), arrived([10.0] * 30, [990.0] * 30, 0.01)).verdict is Verdict.PASS


@pytest.mark.parametrize("share", [None, 1.0])
def test_where_nobody_knows_what_should_arrive_something_has_to(share: float | None) -> None:
    """Employees by a header, or everybody."""

    def told(requests: float) -> Verdict:
        arm = [{"traffic": Traffic(requests)}] * 30
        return judge(plan(TRAFFIC), looks(arm, [{"traffic": Traffic(500)}] * 30, share=share)).verdict

    assert told(20) is Verdict.PASS
    assert told(0) is Verdict.INCONCLUSIVE


def test_without_any_traffic_at_night_nothing_fails_and_nothing_passes() -> None:
    told = judge(plan(TRAFFIC, ERRORS), errors([0.0] * 30, [0.0] * 30, 0) and arrived([0.0] * 30, [0.0] * 30, 0.5))
    assert told.verdict is Verdict.INCONCLUSIVE


def test_errors_alone_do_not_pass_once_requests_have_stopped_coming() -> None:
    """A thousand good requests at first, then none: what is not asked cannot fail."""
    seen = looks(
        [{"errors": Counts(0, 1_000 if index < 1 else 0)} for index in range(30)],
        [{"errors": Counts(0, 1_000)}] * 30,
    )
    told = only(judge(plan(), seen))
    assert (told.verdict, told.because) == (Verdict.INCONCLUSIVE, Because.TOO_FEW)
    assert "of late" in told.reason


# inconclusive


def test_nothing_seen_is_no_pass() -> None:
    told = judge(plan(), [])
    assert told.verdict is Verdict.INCONCLUSIVE
    assert not told.should_pause
    assert judge(Plan(metrics=(), horizon=60), drawn(1, 0, 0)).verdict is Verdict.INCONCLUSIVE


def test_before_the_stage_is_over_nothing_passes() -> None:
    told = judge(plan(until=20 * MINUTE), drawn(5, 0.001, 0.001, points=19))
    assert (told.verdict, told.because) == (Verdict.INCONCLUSIVE, Because.TOO_EARLY)
    assert not told.should_pause
    assert judge(plan(until=20 * MINUTE), drawn(5, 0.001, 0.001, points=20)).verdict is Verdict.PASS


def test_too_few_samples_do_not_pass_when_the_time_is_over() -> None:
    told = only(judge(plan(), errors([0.0] * 30, [0.0] * 30, 5)))
    assert (told.verdict, told.because) == (Verdict.INCONCLUSIVE, Because.TOO_FEW)
    assert "150 requests in one of the versions are too few" in told.reason


def test_only_what_came_in_this_stage_counts_towards_its_minimum() -> None:
    seen = errors([0.0] * 30, [0.0] * 30, 100)
    assert judge(plan(), seen).verdict is Verdict.PASS
    assert judge(plan(since=29 * MINUTE), seen).because is Because.TOO_FEW


def test_telemetry_that_stops_is_inconclusive_and_asks_for_a_pause() -> None:
    good = drawn(6, 0.001, 0.001, points=10)
    silent = [Look(at=(11 + index) * MINUTE, seconds=MINUTE) for index in range(20)]
    told = judge(plan(), [*good, *silent])
    assert (told.verdict, told.because) == (Verdict.INCONCLUSIVE, Because.NO_TELEMETRY)
    assert told.should_pause
    assert "no telemetry of the new version has come for 20 min" in told.sentence


def test_telemetry_of_the_old_version_alone_that_stops_is_inconclusive_too() -> None:
    seen = [
        Look(at=one.at, seconds=one.seconds, canary=one.canary, baseline=one.baseline if index < 10 else {})
        for index, one in enumerate(drawn(6, 0.001, 0.001))
    ]
    assert judge(plan(), seen).because is Because.NO_TELEMETRY


def test_telemetry_that_returns_is_judged_again() -> None:
    seen = drawn(6, 0.001, 0.001, points=30)
    gap = [*seen[:10], *(Look(at=one.at, seconds=MINUTE) for one in seen[10:15]), *seen[15:]]
    assert judge(plan(), gap[:15]).because is Because.NO_TELEMETRY
    assert judge(plan(), gap).verdict is Verdict.PASS


def test_a_failure_stays_one_when_telemetry_stops_afterwards() -> None:
    seen = [*drawn(1, 0.05, 0.004, points=5), *(Look(at=(6 + i) * MINUTE, seconds=MINUTE) for i in range(20))]
    assert judge(plan(), seen).verdict is Verdict.FAIL


def test_without_an_old_version_and_without_a_past_there_is_nothing_to_compare_with() -> None:
    seen = [Look(at=one.at, seconds=MINUTE, canary=one.canary) for one in drawn(1, 0.001, 0.001)]
    told = judge(plan(), seen)
    assert told.because is Because.NO_BASELINE
    assert told.should_pause


def test_one_doubt_leaves_all_in_doubt() -> None:
    assert judge(plan(ERRORS, ORDERS), drawn(5, 0.001, 0.001)).verdict is Verdict.INCONCLUSIVE


# both broken


def test_both_versions_broken_is_inconclusive_without_a_past_and_said_so() -> None:
    told = only(judge(plan(), drawn(8, 0.8, 0.8)))
    assert (told.verdict, told.because) == (Verdict.INCONCLUSIVE, Because.BOTH_BROKEN)
    assert "both versions are past 50 %" in told.reason


def test_both_versions_broken_is_a_failure_against_the_past() -> None:
    told = only(judge(plan(), drawn(8, 0.3, 0.3), past(0.004)))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.BOTH_WORSE)
    assert told.against_history
    assert "both versions are worse than this service was before" in told.reason


def test_two_good_versions_pass_beside_a_good_past() -> None:
    assert judge(plan(), drawn(10, 0.004, 0.004), past(0.004)).verdict is Verdict.PASS


# blue-green: its own history in place of an old version


def alone(seen: list[Look]) -> list[Look]:
    return [Look(at=one.at, seconds=one.seconds, canary=one.canary) for one in seen]


def test_where_no_old_version_runs_the_past_stands_in_for_it() -> None:
    bad = only(judge(plan(), alone(drawn(1, 0.03, 0.004)), past(0.004)))
    assert (bad.verdict, bad.because, bad.against_history) == (Verdict.FAIL, Because.WORSE_THAN_HISTORY, True)
    assert "before, when the old one ran" in bad.reason
    assert judge(plan(), alone(drawn(1, 0.004, 0.004)), past(0.004)).verdict is Verdict.PASS


def test_a_past_of_a_few_requests_confirms_nothing() -> None:
    seen = alone(drawn(1, 0.2, 0.2, points=5, n=60))
    told = only(judge(plan(until=5 * MINUTE), seen, past(0.0, points=3, n=1)))
    assert (told.verdict, told.because) == (Verdict.INCONCLUSIVE, Because.TOO_FEW)


def test_telemetry_that_stops_is_inconclusive_beside_a_past_too() -> None:
    seen = [*alone(drawn(1, 0.004, 0.004)), *(Look(at=(31 + i) * MINUTE, seconds=MINUTE) for i in range(5))]
    assert judge(plan(), seen, past(0.004)).because is Because.NO_TELEMETRY


def test_a_past_that_goes_up_and_down_by_itself_asks_for_more() -> None:
    """A level that is twice the mean of the last hour is nothing where every tenth minute was that bad."""
    calm = [Look(at=-float(i), seconds=MINUTE, baseline={"errors": Counts(10, 1_000)}) for i in range(60)]
    restless = [
        Look(at=-float(i), seconds=MINUTE, baseline={"errors": Counts(50 if i % 20 < 3 else 3, 1_000)})
        for i in range(60)
    ]
    seen = alone(errors([20.0] * 10, [0.0] * 10))
    assert judge(plan(until=10 * MINUTE), seen, calm).verdict is Verdict.FAIL
    assert judge(plan(until=10 * MINUTE), seen, restless).verdict is Verdict.PASS


def test_traffic_that_stays_away_after_a_switch_is_a_failure() -> None:
    seen = [Look(at=(i + 1) * MINUTE, seconds=MINUTE, canary={"traffic": Traffic(0)}) for i in range(10)]
    assert only(judge(plan(TRAFFIC), seen, past(0.0))).because is Because.TRAFFIC_GONE


# what does not alarm


@pytest.mark.parametrize(
    ("what", "level"),
    [
        ("nothing at all", lambda _: 0.01),
        ("a day that goes up and down in both", lambda index: 0.01 * (1 + 0.9 * math.sin(index / 5))),
        ("one burst in both", lambda index: 0.4 if index == 12 else 0.005),
        ("load that is like the minute before", lambda index: 0.002 if index // 7 % 2 else 0.03),
    ],
)
def test_what_both_arms_share_is_no_alarm(what: str, level: object) -> None:
    false = sum(
        judge(plan(alpha=0.05), drawn(seed, level, level)).verdict is Verdict.FAIL  # type: ignore[arg-type]  # a function or a number each
        for seed in range(80)
    )
    assert false <= most(0.05, 80), what


@pytest.mark.parametrize(("n", "m"), [(10, 990), (300, 700), (990, 10)])
def test_unequal_shares_raise_no_more_alarms_than_equal_ones(n: int, m: int) -> None:
    false = sum(
        judge(plan(alpha=0.05), drawn(seed, 0.02, 0.02, n=n, m=m)).verdict is Verdict.FAIL for seed in range(80)
    )
    assert false <= most(0.05, 80)


def test_a_share_that_is_raised_while_the_level_changes_is_no_alarm() -> None:
    """Few requests at the quiet hour, many at the busy one: the sums of the arms differ, no single look does."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        seen = []
        for index in range(30):
            share, level = (0.05, 0.002) if index < 15 else (0.5, 0.05)
            n, m = int(2_000 * share), int(2_000 * (1 - share))
            seen.append(
                Look(
                    at=(index + 1) * MINUTE,
                    seconds=MINUTE,
                    share=share,
                    canary={"errors": Counts(float(random.binomial(n, level)), n)},
                    baseline={"errors": Counts(float(random.binomial(m, level)), m)},
                )
            )
        assert judge(plan(), seen).verdict is Verdict.PASS


def test_log_errors_that_come_in_bursts_are_not_as_many_single_ones() -> None:
    """Clusters of eight: a test that took each for itself would be wrong about every third rollout."""

    def told(seed: int) -> Verdict:
        random = np.random.default_rng(seed)

        def arm() -> list[dict[str, Counts]]:
            return [
                {"logged": Counts(float(random.geometric(1 / 8, random.poisson(4)).sum()), 1_000)} for _ in range(30)
            ]

        return judge(plan(LOGGED, alpha=0.01), looks(arm(), arm())).verdict

    false = sum(told(seed) is Verdict.FAIL for seed in range(100))
    assert false <= most(0.01, 100)


def test_one_burst_in_one_arms_log_is_no_failure_but_bursts_all_the_time_are() -> None:
    quiet = [2.0, 3.0, 1.0, 2.0, 4.0, 2.0] * 5
    once = [*quiet[:14], 45.0, *quiet[15:]]

    def seen(mine: list[float]) -> list[Look]:
        return looks([{"logged": Counts(x, 1_000)} for x in mine], [{"logged": Counts(x, 1_000)} for x in quiet])

    assert judge(plan(LOGGED), seen(once)).verdict is Verdict.PASS
    assert judge(plan(LOGGED), seen([25.0 if i % 3 == 0 else 6.0 for i in range(30)])).verdict is Verdict.FAIL


# what cannot be so


@pytest.mark.parametrize("nonsense", [Counts(math.nan, 10), Counts(-1, 10), Counts(11, 10), Counts(1, math.inf)])
def test_what_cannot_be_so_is_left_out_and_counted(nonsense: Counts) -> None:
    seen = drawn(5, 0.002, 0.002)
    seen[3] = Look(at=seen[3].at, seconds=MINUTE, canary={"errors": nonsense}, baseline=seen[3].baseline)
    told = only(judge(plan(), seen))
    assert told.verdict is Verdict.PASS
    assert told.unreadable == 1
    assert told.n.canary == 29_000


def test_another_kind_of_observation_than_the_metrics_is_not_read() -> None:
    told = only(judge(plan(), looks([{"errors": Traffic(5)}] * 5, [{"errors": Counts(0, 5)}] * 5)))
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.unreadable == 5


def test_a_look_that_is_sent_twice_or_late_counts_once_and_in_its_place() -> None:
    seen = drawn(1, 0.03, 0.004, points=6)
    assert judge(plan(), [*seen[3:], *seen, seen[0]]) == judge(plan(), seen)


def test_counters_that_restart_are_counted_from_zero_again() -> None:
    assert Counts.between(Counts(10, 1_000), Counts(12, 1_500)) == Counts(2, 500)
    assert Counts.between(Counts(10, 1_000), Counts(1, 40)) == Counts(1, 40)
    assert Counts.between(Counts(0, 1_000), Counts(0, 40)) == Counts(0, 40)


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": 0.0},
        {"horizon": math.nan},
        {"alpha": 0.0},
        {"alpha": 0.7},
        {"metrics": (ERRORS, ERRORS)},
        {"metrics": (Metric(name="e", kind=Kind.SHARE, weight=0),)},
        {"metrics": (Metric(name="e", kind=Kind.SHARE, tolerance=-1),)},
        {"metrics": (Metric(name="e", kind=Kind.LATENCY, quantile=1.0),)},
        {"metrics": (Metric(name="e", kind=Kind.LATENCY, least=-1),)},
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(wrong: dict[str, object]) -> None:
    given = {"metrics": (ERRORS,), "horizon": 60.0, **wrong}
    with pytest.raises(ValueError, match=r"\w"):
        judge(Plan(**given), [])  # type: ignore[arg-type]  # told wrong on purpose
