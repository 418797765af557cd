"""Many metrics at once: the false alarms of a rollout are those of all of them together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andon.feedback.judge.contract import Counts, Kind, Metric, MetricJudgement, Verdict
from tests.feedback.judge.canaries import ERRORS, MINUTE, errors, judge, looks, most, plan

NINE = tuple(Metric(name=f"m{number}", kind=Kind.SHARE) for number in range(9))


def test_ten_metrics_together_raise_no_more_false_alarms_than_one_may() -> None:
    """Each of them at the whole level would be wrong in more than every third of these rollouts."""
    ten = (*NINE, Metric(name="m9", kind=Kind.SHARE))

    def told(seed: int) -> Verdict:
        random = np.random.default_rng(seed)

        def arm() -> list[dict[str, Counts]]:
            events = random.binomial(500, 0.02, (15, 10))
            return [{f"m{number}": Counts(float(row[number]), 500) for number in range(10)} for row in events]

        return judge(plan(*ten, horizon=15 * MINUTE, alpha=0.05), looks(arm(), arm())).verdict

    assert sum(told(seed) is Verdict.FAIL for seed in range(40)) <= most(0.05, 40)


def test_what_is_enough_for_one_metric_alone_is_not_for_one_of_ten_unless_it_weighs_more() -> None:
    seen = errors([16.0] * 10, [11.0] * 10)

    def of_errors(*metrics: Metric) -> MetricJudgement:
        told = judge(plan(*metrics, horizon=10 * MINUTE), seen)
        return next(one for one in told.metrics if one.metric == "errors")

    assert of_errors(ERRORS).verdict is Verdict.FAIL
    assert of_errors(ERRORS, *NINE).verdict is Verdict.PASS
    assert of_errors(replace(ERRORS, weight=81.0), *NINE).verdict is Verdict.FAIL
