"""What a query reads, and whether one observation has a place beside its answer."""

from __future__ import annotations

import pytest

from andon.feedback.promql.contract import Source
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import named
from andon.feedback.telemetry.memory import MemoryMeasurements

BUCKETS, TIMER = named("d_bucket"), named("t")


def told(query: str) -> dict[str, tuple[bool, bool]]:
    """By name: whether it is measured, and whether it is moved."""
    found = Engine(MemoryMeasurements([], {})).sources(query)
    return {one.matchers[0].value: (one.measured, one.moved) for one in found}


@pytest.mark.parametrize(
    "query",
    [
        "histogram_quantile(0.95, sum by (le) (rate(d_bucket[5m])))",
        "max by (version) (histogram_quantile(0.5, rate(d_bucket[5m])))",
        "histogram_quantile(0.95, rate(d_bucket[5m])) > 2",
        "histogram_quantile(0.95, rate(d_bucket[5m])) or histogram_quantile(0.5, rate(d_bucket[5m]))",
        "quantile_over_time(0.95, d_bucket[5m])",
        "d_bucket",
    ],
)
def test_a_quantile_can_be_compared_with_what_was_observed(query: str) -> None:
    assert told(query)["d_bucket"] == (True, False)


@pytest.mark.parametrize(
    "query",
    [
        "rate(d_bucket[5m])",
        "sum(d_bucket)",
        "histogram_quantile(0.95, rate(d_bucket[5m])) * 1000",
        "-histogram_quantile(0.95, rate(d_bucket[5m]))",
        "histogram_quantile(0.95, rate(d_bucket[5m])) > bool 2",
        "count_over_time(d_bucket[5m])",
    ],
)
def test_a_rate_a_sum_and_another_unit_cannot(query: str) -> None:
    assert told(query)["d_bucket"] == (False, False)


def test_what_is_read_at_another_time_is_said() -> None:
    assert told("d_bucket offset 1d") == {"d_bucket": (True, True)}
    assert told("max_over_time(rate(d_bucket[1m])[1h:1m] @ 5)") == {"d_bucket": (False, True)}


def test_every_selector_is_told_once() -> None:
    found = Engine(MemoryMeasurements([], {})).sources("rate(d_bucket[1m]) + d_bucket / on () t and t")
    assert found == (
        Source(matchers=BUCKETS, measured=False, moved=False),
        Source(matchers=TIMER, measured=False, moved=False),
    )
