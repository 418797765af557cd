from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from andon.feedback.judge.contract import (
    Because,
    Histogram,
    Kind,
    Look,
    Metric,
    MetricJudgement,
    Observation,
    Samples,
    Verdict,
)
from andon.feedback.judge.latencies import quantile
from tests.feedback.judge.canaries import ENVOY, MINUTE, judge, looks, most, only, plan

P99 = Metric(name="p99", kind=Kind.LATENCY, title="p99", unit="ms")
MEDIAN = Metric(name="p99", kind=Kind.LATENCY, title="Median", unit="ms", quantile=0.5)
Made = Callable[[np.ndarray], Observation]


def histogram(values: np.ndarray) -> Histogram:
    found = np.searchsorted(np.asarray(ENVOY), values)
    return Histogram(ENVOY, tuple(np.bincount(found, minlength=len(ENVOY) + 1).tolist()))


def samples(values: np.ndarray) -> Samples:
    return Samples(tuple(values.tolist()))


def durations(random: np.random.Generator, n: int = 1_000) -> np.ndarray:
    return random.lognormal(math.log(40), 0.9, n)


def rollout(
    seed: int, change: Callable[[np.ndarray], np.ndarray], *, points: int = 10, n: int = 1_000, made: Made = histogram
) -> list[Look]:
    random = np.random.default_rng(seed)
    return looks(
        [{"p99": made(change(durations(random, n)))} for _ in range(points)],
        [{"p99": made(durations(random, n))} for _ in range(points)],
    )


@pytest.mark.parametrize("made", [histogram, samples])
def test_a_tail_half_as_slow_again_fails_with_both_quantiles_in_the_sentence(made: Made) -> None:
    told = only(judge(plan(P99, alpha=0.001), rollout(1, lambda slow: slow * 1.5, made=made)))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.WORSE)
    assert told.effect is not None
    assert told.effect.canary is not None
    assert told.effect.baseline is not None
    assert 1.2 < told.effect.canary / told.effect.baseline < 2
    assert " ms in the new version, " in told.reason
    assert f"took more than {told.effect.threshold:.0f} ms" in told.reason


def test_slow_requests_alone_are_seen_while_the_median_stays() -> None:
    def change(slow: np.ndarray) -> np.ndarray:
        return np.where(slow > 200, slow * 1.5, slow)

    assert judge(plan(P99, alpha=0.001), rollout(2, change, points=30)).verdict is Verdict.FAIL
    assert judge(plan(MEDIAN, alpha=0.001), rollout(2, change, points=30)).verdict is Verdict.PASS


def test_faster_is_no_failure() -> None:
    assert judge(plan(P99), rollout(3, lambda slow: slow / 2, points=30)).verdict is Verdict.PASS


def test_rising_variance_around_the_same_median_fails() -> None:
    def change(slow: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(math.log(40) + 1.5 * (np.log(slow) - math.log(40))))

    assert judge(plan(P99, alpha=0.001), rollout(4, change)).verdict is Verdict.FAIL
    assert judge(plan(MEDIAN, alpha=0.001), rollout(4, change, points=30)).verdict is Verdict.PASS


@pytest.mark.parametrize("made", [histogram, samples])
def test_the_same_latencies_raise_as_few_alarms_as_promised(made: Made) -> None:
    false = sum(
        judge(plan(P99, alpha=0.05), rollout(seed, lambda slow: slow, n=300, points=30, made=made)).verdict
        is Verdict.FAIL
        for seed in range(40)
    )
    assert false <= most(0.05, 40)


def test_many_more_slow_ones_are_no_harm_where_they_are_hardly_slower() -> None:
    """All take about as long: a shift of 5 % has three times as many beyond the threshold."""

    def arm(random: np.random.Generator, middle: float) -> list[dict[str, Observation]]:
        return [{"p99": samples(random.lognormal(math.log(middle), 0.1, 3_000))} for _ in range(30)]

    def told(factor: float) -> MetricJudgement:
        random = np.random.default_rng(11)
        return only(judge(plan(P99), looks(arm(random, 80 * factor), arm(random, 80))))

    shifted = told(1.05)
    assert shifted.verdict is Verdict.PASS
    assert shifted.effect is not None
    assert shifted.effect.ratio is not None
    assert shifted.effect.ratio > 2
    assert told(1.5).verdict is Verdict.FAIL


def test_what_is_less_than_anybody_minds_is_no_harm_however_much_more_it_is() -> None:
    def told(scale: float) -> Verdict:
        random = np.random.default_rng(13)
        mine: list[dict[str, Observation]] = [{"p99": samples(durations(random) * scale * 2)} for _ in range(30)]
        other: list[dict[str, Observation]] = [{"p99": samples(durations(random) * scale)} for _ in range(30)]
        return judge(plan(replace(P99, least=1.0)), looks(mine, other)).verdict

    assert told(0.001) is Verdict.PASS, "0.3 ms have become 0.7"
    assert told(0.01) is Verdict.FAIL, "3 ms have become 7"


def test_what_sets_in_after_a_quiet_hour_is_not_hidden_by_it() -> None:
    random = np.random.default_rng(12)
    for late in (2, 8):
        factors = [1.0] * 60 + [2.0] * late
        mine: list[dict[str, Observation]] = [{"p99": histogram(durations(random) * factor)} for factor in factors]
        other: list[dict[str, Observation]] = [{"p99": histogram(durations(random))} for _ in factors]
        found = judge(plan(P99, horizon=90 * MINUTE), looks(mine, other))
        assert found.verdict is Verdict.FAIL


def test_latencies_that_rise_with_the_hour_in_both_arms_are_no_alarm() -> None:
    random = np.random.default_rng(6)
    arms = [[{"p99": histogram(durations(random) * (1 + index / 5))} for index in range(30)] for _ in range(2)]
    assert judge(plan(P99), looks(arms[0], arms[1])).verdict is Verdict.PASS


def test_a_version_that_has_to_get_warm_is_given_its_grace() -> None:
    random = np.random.default_rng(7)

    def cold(index: int) -> float:
        return 8.0 if index < 2 else 1.0

    seen = looks(
        [{"p99": histogram(durations(random) * cold(index))} for index in range(30)],
        [{"p99": histogram(durations(random))} for _ in range(30)],
    )
    assert judge(plan(P99), seen).verdict is Verdict.FAIL
    assert judge(plan(P99, grace=2 * MINUTE), seen).verdict is Verdict.PASS


def test_its_own_past_stands_in_where_no_old_version_runs() -> None:
    random = np.random.default_rng(8)
    history = [
        Look(at=-60.0 * index, seconds=MINUTE, baseline={"p99": histogram(durations(random))}) for index in range(60)
    ]

    def after(factor: float) -> list[Look]:
        return [
            Look(at=one.at, seconds=MINUTE, canary=one.canary)
            for one in rollout(9, lambda slow: slow * factor, points=30)
        ]

    assert only(judge(plan(P99), after(1.6), history)).because is Because.WORSE_THAN_HISTORY
    assert judge(plan(P99), after(1.0), history).verdict is Verdict.PASS


def test_buckets_that_were_changed_on_the_way_are_read_as_well_as_they_can_be() -> None:
    random = np.random.default_rng(10)
    coarse = (1.0, 100.0, 1_000.0)

    def one(index: int) -> Histogram:
        values = durations(random)
        bounds = coarse if index < 5 else ENVOY
        return Histogram(
            bounds, tuple(np.bincount(np.searchsorted(np.asarray(bounds), values), minlength=len(bounds) + 1).tolist())
        )

    seen = looks([{"p99": one(i)} for i in range(30)], [{"p99": one(i)} for i in range(30)])
    told = only(judge(plan(P99), seen))
    assert told.verdict is Verdict.PASS
    assert told.unreadable == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        Histogram((1.0, 2.0), (1, 2)),
        Histogram((2.0, 1.0), (1, 2, 3)),
        Histogram((1.0,), (-1, 2)),
        Histogram((1.0,), (math.nan, 2)),
        Histogram((), (5,)),
    ],
)
def test_a_histogram_that_cannot_be_is_left_out(nonsense: Histogram) -> None:
    seen = rollout(11, lambda slow: slow, points=30)
    seen[2] = Look(at=seen[2].at, seconds=MINUTE, canary={"p99": nonsense}, baseline=seen[2].baseline)
    told = only(judge(plan(P99), seen))
    assert (told.verdict, told.unreadable) == (Verdict.PASS, 1)


def test_nan_among_samples_are_left_out() -> None:
    told = only(judge(plan(P99), looks([{"p99": Samples((math.nan, 1.0, 2.0))}] * 3, [{"p99": Samples((1.0,))}] * 3)))
    assert (told.n.canary, told.n.baseline) == (6, 3)


def test_looks_without_a_single_value_do_not_pass() -> None:
    empty: Observation
    for empty in (Samples(()), Histogram(ENVOY, (0,) * (len(ENVOY) + 1))):
        assert judge(plan(P99), looks([{"p99": empty}] * 30, [{"p99": empty}] * 30)).verdict is Verdict.INCONCLUSIVE


def test_a_histogram_that_restarts_is_counted_from_zero() -> None:
    before, after = Histogram((1.0, 2.0), (5, 5, 5)), Histogram((1.0, 2.0), (6, 5, 9))
    assert Histogram.between(before, after) == Histogram((1.0, 2.0), (1, 0, 4))
    assert Histogram.between(after, before) == before


def test_both_distributions_are_there_to_be_drawn_and_each_is_whole() -> None:
    told = only(judge(plan(P99), rollout(12, lambda slow: slow * 2)))
    assert 5 <= len(told.bins) <= 24
    assert sum(one.canary for one in told.bins) == pytest.approx(1)
    assert sum(one.baseline for one in told.bins) == pytest.approx(1)
    assert all(a.high == b.low for a, b in zip(told.bins, told.bins[1:], strict=False))


def test_quantiles_lie_in_their_bucket_and_above_the_last_bound_nowhere() -> None:
    bounds = np.asarray([10.0, 20.0])
    assert quantile(np.asarray([50.0, 50.0, 0.0]), bounds, 0.75) == pytest.approx(15)
    assert quantile(np.asarray([1.0, 1.0, 98.0]), bounds, 0.99) == math.inf
    assert quantile(np.asarray([0.0, 0.0, 0.0]), bounds, 0.5) is None
