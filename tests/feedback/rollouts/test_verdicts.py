"""What a verdict shows of each kind of metric: both distributions, the numbers, and the reason in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from andon.feedback.judge.contract import Counts, Gauges, Histogram, Kind, Look, Observation, Plan, Traffic
from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.drawing import MetricRow, rows_of
from andon.feedback.rollouts.model.judging import kept
from andon.feedback.rollouts.model.records import MetricVerdict, Watched
from andon.feedback.rollouts.reports import metric_shape
from andon.feedback.rollouts.terminal import levels

BOUNDS = (5.0, 10.0, 50.0, 100.0, 500.0)


def observed(kind: Kind, random: np.random.Generator, times: float) -> Observation:
    match kind:
        case Kind.LATENCY:
            found = np.searchsorted(np.asarray(BOUNDS), random.lognormal(3, 0.9, 500) * times)
            return Histogram(BOUNDS, tuple(np.bincount(found, minlength=len(BOUNDS) + 1).tolist()))
        case Kind.GAUGE:
            return Gauges({"one": 100 * times * float(random.normal(1, 0.03))})
        case Kind.TRAFFIC:
            return Traffic(float(random.poisson(500)) / times)
    return Counts(float(random.binomial(500, min(1.0, 0.01 * times))), 500)


def kept_of(kind: Kind, times: float) -> MetricVerdict:
    random = np.random.default_rng(20260105)
    one = Watched(name="it", kind=kind, title="This", unit="ms" if kind is Kind.LATENCY else "")
    looks = [
        Look(
            at=60.0 * number,
            seconds=60.0,
            share=0.5,
            canary={"it": observed(kind, random, times)},
            baseline={"it": observed(kind, random, 1.0)},
        )
        for number in range(1, 21)
    ]
    told = Statistics().judge(Plan(metrics=(one.metric,), horizon=1200.0), looks)
    (metric,) = kept(told, (one,), datetime(2026, 1, 5, tzinfo=UTC)).metrics
    return metric


def shown(kind: Kind, times: float) -> MetricRow:
    (row,) = rows_of([kept_of(kind, times)])
    return row


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("times", [1.0, 6.0], ids=["alike", "worse"])
def test_each_kind_shows_both_distributions_the_numbers_and_the_reason(kind: Kind, times: float) -> None:
    row = shown(kind, times)
    assert row.old_shape.startswith("M")
    assert row.new_shape.startswith("M")
    assert row.low
    assert row.high
    assert row.title == "This"
    assert row.old not in {"", "no data", "not yet"}
    assert row.new not in {"", "no data", "not yet"}
    assert (row.state == "bad") is (times > 1)
    assert (row.old_shape != row.new_shape) or times == 1
    assert row.reason.startswith("This: ")
    assert row.reason.endswith(".")
    assert "new version" in row.reason
    assert row.n.count("/") == 1


def test_a_quantile_above_the_last_bound_is_told_as_more_and_not_as_no_data() -> None:
    metric = kept_of(Kind.LATENCY, 6.0)
    (row,) = rows_of([metric])
    assert (row.new, row.old) == ("more than 500 ms", "394 ms")
    assert row.difference.startswith("at least × ")
    assert row.reason.startswith("This: more than 500 ms in the new version, 394 ms in the old one")
    told = metric_shape(metric)
    assert (told.new, told.new_above, told.old_above) == (None, 500.0, None)
    assert levels(told) == "394 ms → more than 500 ms"
