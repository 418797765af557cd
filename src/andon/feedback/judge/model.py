"""What is taken where a metric says nothing, and how the false alarms are divided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from andon.feedback.judge.contract import Kind, Metric, Plan

TOLERANCE: Mapping[Kind, float] = {  # beside what chance can do; see ``Terms.ratio``
    Kind.SHARE: 0.05,
    Kind.RATE: 0.10,
    Kind.LATENCY: 0.25,
    Kind.GAUGE: 0.20,
    Kind.TRAFFIC: 1.0,  # half of what the router sends, or less, is a loss
}
MINIMUM: Mapping[Kind, float] = {
    Kind.SHARE: 200,
    Kind.RATE: 200,
    Kind.LATENCY: 300,
    Kind.GAUGE: 8,
    Kind.TRAFFIC: 20,
}
HISTORY = 0.2  # of a metric's false alarms go to the question whether both are worse than before, where that is asked
TAIL = 2.0  # t times as slow, t² times as many beyond a threshold: a heavier tail than most, so nothing is promised
GROSS = 2.0  # so many times worse than before both versions have to be: the hour of the day alone may double much


@dataclass(frozen=True, slots=True)
class Terms:
    """One metric's share of a plan, with all that it leaves open filled in."""

    metric: Metric
    alpha: float
    """Probability of a false alarm of this metric in the whole rollout."""
    horizon: float
    grace: float
    ratio: float
    """Up to so many times as bad is put up with."""
    minimum: float
    limit: float
    confidence: float
    """Of all intervals of the rollout together."""

    @property
    def title(self) -> str:
        return self.metric.title or self.metric.name


def terms(plan: Plan) -> tuple[Terms, ...]:
    """False alarms divided by weight (Bonferroni): metrics of one service go up and down together, nobody knows how.

    Raises ValueError for a plan that cannot be followed.
    """
    if not (plan.horizon > 0 and math.isfinite(plan.horizon)):
        raise ValueError(f"a rollout takes some time, not {plan.horizon} s")
    if not 0 < plan.alpha < 0.5:
        raise ValueError(f"false alarms of {plan.alpha}: between 0 and 0.5 makes sense")
    if len({one.name for one in plan.metrics}) != len(plan.metrics):
        raise ValueError("two metrics have the same name")
    whole = sum(one.weight for one in plan.metrics)
    if any(not one.weight > 0 for one in plan.metrics) or not math.isfinite(whole):
        raise ValueError("a metric without weight would never be heard")
    return tuple(_of(plan, one, plan.alpha * one.weight / whole) for one in plan.metrics)


def _of(plan: Plan, metric: Metric, alpha: float) -> Terms:
    kind = metric.kind
    if not 0 < metric.quantile < 1:
        raise ValueError(f"a quantile of {metric.quantile}: between 0 and 1 makes sense")
    tolerance = TOLERANCE[kind] if metric.tolerance is None else metric.tolerance
    if not (tolerance >= 0 and math.isfinite(tolerance)):
        raise ValueError(f"a tolerance of {tolerance}: 0 or more makes sense")
    if not (metric.least >= 0 and math.isfinite(metric.least)):
        raise ValueError(f"at least {metric.least} more: 0 or more makes sense")
    if metric.clusters is not None and not (metric.clusters > 0 and math.isfinite(metric.clusters)):
        raise ValueError(f"clusters of {metric.clusters}: above 0 makes sense")
    warms = kind in {Kind.LATENCY, Kind.GAUGE}
    return Terms(
        metric=metric,
        alpha=alpha,
        horizon=plan.horizon,
        grace=metric.grace if metric.grace is not None else plan.grace if warms else 0.0,
        ratio=1 + tolerance,
        minimum=MINIMUM[kind] if metric.minimum is None else metric.minimum,
        limit=metric.limit if metric.limit is not None else 0.5 if kind is Kind.SHARE else math.inf,
        confidence=1 - plan.alpha,
    )
