from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from andon.feedback.judge.contract import Because, Direction, Gauges, Kind, Look, Metric, Verdict
from andon.feedback.judge.gates import bins
from tests.feedback.judge.canaries import MEMORY, MINUTE, gauges, judge, looks, most, only, plan, wandering

Change = Callable[[np.ndarray], np.ndarray]


def rollout(
    seed: int, change: Change, *, points: int = 30, seconds: float = MINUTE, spread: float = 0.05
) -> list[Look]:
    """Memory that wanders about 100 MB in both, and up and down with the hour; ``change`` of the canary's minutes."""
    random = np.random.default_rng(seed)
    when = np.arange(1, points + 1) * seconds
    hour = 100 * np.exp(0.3 * np.sin(when / 900))
    mine, other = (hour * wandering(random, points, spread=spread) for _ in range(2))
    return looks(gauges((mine * change(when)).tolist()), gauges(other.tolist()), seconds=seconds)


def same(when: np.ndarray) -> np.ndarray:
    return np.ones_like(when)


def test_a_level_half_as_high_again_fails() -> None:
    told = only(judge(plan(MEMORY, alpha=0.001), rollout(1, lambda when: 1.5 * same(when))))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.WORSE)
    assert told.effect is not None
    assert told.effect.low is not None
    assert 1.2 < told.effect.low < 1.5
    assert " MB on average in the new version" in told.reason


def test_a_leak_fails_as_one_that_grows() -> None:
    told = only(judge(plan(MEMORY, alpha=0.001), rollout(2, lambda when: 1 + 2 * when / when[-1], spread=0.02)))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.GROWING)
    assert "at this pace it grows by" in told.reason


def test_a_cache_that_fills_and_then_stays_is_no_leak() -> None:
    def filled(when: np.ndarray) -> np.ndarray:
        return 1.1 - 0.5 * np.exp(-when / 120)

    assert judge(plan(MEMORY), rollout(3, filled)).verdict is Verdict.PASS


def test_a_level_that_swings_fails_though_its_mean_is_the_same() -> None:
    random = np.random.default_rng(4)
    told = only(judge(plan(MEMORY, alpha=0.001), rollout(4, lambda when: np.exp(random.normal(0, 0.5, len(when))))))
    assert (told.verdict, told.because) == (Verdict.FAIL, Because.UNSTEADY)
    assert "times as much" in told.reason


def test_seven_points_of_ten_at_a_hundred_times_fail() -> None:
    def mostly(when: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(when)) % 10 < 7, 100.0, 1.0)

    assert judge(plan(MEMORY, horizon=10 * MINUTE), rollout(5, mostly, points=10)).verdict is Verdict.FAIL


def test_something_where_there_was_nothing_fails() -> None:
    seen = looks(gauges([5.0] * 30), gauges([0.0] * 30))
    assert judge(plan(MEMORY), seen).verdict is Verdict.FAIL


def test_one_instance_of_three_that_leaks_is_found_and_named() -> None:
    random = np.random.default_rng(6)
    arms = []
    for prefix in ("new", "old"):
        levels = [100 * wandering(random, 30, spread=0.03) for _ in range(3)]
        if prefix == "new":
            levels[1] = levels[1] * (1 + np.arange(30) / 10)
        arms.append([{"memory": Gauges({f"{prefix}-{i}": float(levels[i][k]) for i in range(3)})} for k in range(30)])
    told = only(judge(plan(MEMORY, alpha=0.001), looks(arms[0], arms[1])))
    assert told.verdict is Verdict.FAIL
    assert "new-1" in told.reason


@pytest.mark.parametrize(("points", "seconds"), [(30, 60.0), (300, 6.0)])
def test_what_is_like_the_moment_before_raises_as_few_alarms_as_promised(points: int, seconds: float) -> None:
    keep = math.exp(-seconds / 90)

    def told(seed: int) -> Verdict:
        random = np.random.default_rng(seed)
        arms = [gauges((100 * wandering(random, points, keep=keep)).tolist()) for _ in range(2)]
        return judge(plan(MEMORY, alpha=0.05), looks(arms[0], arms[1], seconds=seconds)).verdict

    assert sum(told(seed) is Verdict.FAIL for seed in range(60)) <= most(0.05, 60)


def test_a_fall_fails_only_where_less_is_worse() -> None:
    seen = rollout(8, lambda when: 0.5 * same(when))
    free = Metric(name="memory", kind=Kind.GAUGE, direction=Direction.LESS_IS_WORSE)
    assert judge(plan(free), seen).verdict is Verdict.FAIL
    assert judge(plan(MEMORY), seen).verdict is Verdict.PASS


def test_its_own_past_stands_in_where_no_old_version_runs() -> None:
    random = np.random.default_rng(9)
    history = [
        Look(at=-60.0 * (60 - index), seconds=MINUTE, baseline=arm)
        for index, arm in enumerate(gauges((100 * wandering(random, 60)).tolist()))
    ]

    def after(factor: float) -> list[Look]:
        arm = gauges((100 * factor * wandering(random, 30)).tolist())
        return [Look(at=(index + 1) * MINUTE, seconds=MINUTE, canary=one) for index, one in enumerate(arm)]

    told = only(judge(plan(MEMORY), after(1.8), history))
    assert (told.because, told.against_history) == (Because.WORSE_THAN_HISTORY, True)
    assert judge(plan(MEMORY), after(1.0), history).verdict is Verdict.PASS


def test_few_values_do_not_pass_and_none_do_not_either() -> None:
    few = looks(gauges([100.0] * 4), gauges([100.0] * 4), seconds=450.0)
    assert judge(plan(MEMORY), few).because is Because.TOO_FEW
    assert judge(plan(MEMORY), looks([{}] * 30, [{}] * 30)).because is Because.NO_TELEMETRY


def test_values_that_are_none_are_left_out() -> None:
    seen = rollout(10, same)
    seen[4] = Look(at=seen[4].at, seconds=MINUTE, canary={"memory": Gauges({"one": math.nan})}, baseline={})
    told = only(judge(plan(MEMORY), seen))
    assert (told.verdict, told.unreadable) == (Verdict.PASS, 1)


def test_what_is_nought_all_the_time_is_drawn_from_nought_up_and_a_level_around_itself() -> None:
    none, level = np.zeros(8), np.full(8, 40.0)
    assert (bins(none, none)[0].low, bins(none, none)[0].canary) == (0.0, 1.0)
    drawn = bins(level, level)
    assert (drawn[0].low, drawn[-1].high) == (20.0, 60.0)
