from __future__ import annotations

import numpy as np
import pytest

from andon.feedback.judge.contract import Counts, Direction, Expected, Kind, Look, Metric, Plan, Verdict
from andon.feedback.judge.service import Statistics
from tests.feedback.judge.canaries import ERRORS, MEMORY, MINUTE, ORDERS, TRAFFIC, judge, plan

HALF = [(0.5, 30 * MINUTE)]


def harm(
    given: Plan, stages: list[tuple[float, float]], level: float, rate: float, *, power: float = 0.9
) -> float | None:
    expected = [Expected(metric=given.metrics[0].name, level=level, exposure=rate)]
    (seen,) = Statistics().smallest_harm(given, stages, expected, power=power).visible
    return seen.harm


@pytest.mark.parametrize(
    ("stages", "rate", "level"),
    [
        (HALF, 10.0, 0.005),
        (HALF, 1.0, 0.02),
        ([(0.1, 30 * MINUTE)], 20.0, 0.01),
        ([(0.05, 10 * MINUTE), (0.25, 10 * MINUTE), (0.5, 10 * MINUTE)], 10.0, 0.01),
    ],
)
def test_what_is_said_to_be_found_nine_times_of_ten_is(
    stages: list[tuple[float, float]], rate: float, level: float
) -> None:
    given = plan(alpha=0.001)
    share_at = [share for share, seconds in stages for _ in range(round(seconds / MINUTE))]
    worse = harm(given, stages, level, rate)
    assert worse is not None

    def found(seed: int) -> bool:
        random = np.random.default_rng(seed)
        seen = []
        for index, share in enumerate(share_at):
            n, m = (int(random.poisson(rate * MINUTE * part)) for part in (share, 1 - share))
            seen.append(
                Look(
                    at=(index + 1) * MINUTE,
                    seconds=MINUTE,
                    share=share,
                    canary={"errors": Counts(float(random.binomial(n, worse)), n)},
                    baseline={"errors": Counts(float(random.binomial(m, level)), m)},
                )
            )
        return judge(given, seen).verdict is Verdict.FAIL

    times = sum(found(seed) for seed in range(120))
    assert 94 <= times <= 119, "of 120 by nine in ten, but for one time in a thousand"


def test_more_traffic_a_larger_share_and_more_time_see_less_harm() -> None:
    few, many = (harm(plan(), HALF, 0.005, rate) for rate in (1.0, 100.0))
    narrow = harm(plan(), [(0.01, 30 * MINUTE)], 0.005, 10.0)
    wide = harm(plan(), HALF, 0.005, 10.0)
    short = harm(plan(horizon=MINUTE), [(0.5, MINUTE)], 0.005, 10.0)
    assert few is not None
    assert many is not None
    assert narrow is not None
    assert wide is not None
    assert short is not None
    assert 0.005 < many < wide < min(few, narrow, short)


def test_more_metrics_watched_see_less_each() -> None:
    others = tuple(Metric(name=str(index), kind=Kind.SHARE) for index in range(9))
    one, ten = harm(plan(), HALF, 0.005, 10.0), harm(plan(ERRORS, *others), HALF, 0.005, 10.0)
    assert one is not None
    assert ten is not None
    assert one < ten


def test_it_is_said_in_a_sentence_with_a_way_to_see_more() -> None:
    told = Statistics().smallest_harm(
        plan(ERRORS, ORDERS, TRAFFIC, MEMORY),
        [(0.01, 10 * MINUTE)],
        [
            Expected(metric="errors", level=0.005, exposure=20.0),
            Expected(metric="orders", level=0.03, exposure=20.0),
            Expected(metric="traffic", level=20.0, exposure=20.0),
            Expected(metric="memory", level=200.0, exposure=0.0),
        ],
    )
    assert [one.metric for one in told.visible] == ["errors", "orders", "traffic", "memory"]
    assert told.visible[0].sentence.startswith("Errors: from 0.5 % to ")
    assert told.visible[0].sentence.endswith(" is found with 90 % power.")
    wider, longer = told.proposals
    assert wider.share > 0.01
    assert longer.share == 0.01
    assert longer.horizon > 600
    assert wider.metric == longer.metric == "orders"


def test_a_rollout_that_sees_enough_gets_no_proposal() -> None:
    told = Statistics().smallest_harm(plan(), HALF, [Expected(metric="errors", level=0.005, exposure=100.0)])
    assert told.proposals == ()


def test_without_traffic_no_harm_would_be_found_and_that_is_said() -> None:
    told = Statistics().smallest_harm(plan(), HALF, [Expected(metric="errors", level=0.005, exposure=0.0)])
    assert told.visible[0].harm is None
    assert "too few to find anything" in told.sentence


def test_of_what_nothing_is_known_nothing_is_said() -> None:
    told = Statistics().smallest_harm(plan(), HALF, [])
    assert told.visible == ()
    assert told.sentence.startswith("Nothing is known")


def test_of_a_level_that_should_not_fall_the_harm_is_below_it() -> None:
    fall = harm(plan(Metric(name="o", kind=Kind.SHARE, direction=Direction.LESS_IS_WORSE)), HALF, 0.03, 10.0)
    assert fall is not None
    assert 0 < fall < 0.03


@pytest.mark.parametrize("stages", [[], [(0.0, 60.0)], [(1.1, 60.0)], [(0.5, 0.0)]])
def test_stages_that_are_none_are_refused(stages: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="stages"):
        Statistics().smallest_harm(plan(), stages, [])
