"""Deltas and observations: what PromQL means for series that Prometheus has none of."""

from __future__ import annotations

import pytest

from andon.feedback.telemetry.contract.metrics import Kind
from tests.feedback.promql.measured import engine, every, instant, labels, over, series

SIGN_INS = every(10, [3, 0, 2, 5, 1, 1, 4, 2, 0, 6, 1, 1, 3], "sign_ins", Kind.DELTA)
TOOK = (series("took", Kind.OBSERVATION), [1_000, 2_000, 2_000, 14_000, 59_000, 70_000], [5.0, 1.0, 3.0, 9.0, 2.0, 8.0])


def test_an_increase_of_deltas_is_their_sum_and_nothing_is_extrapolated() -> None:
    asked = engine(SIGN_INS)
    assert instant(asked, "increase(sign_ins[30s])", 35) == {(): 7.0}
    assert instant(asked, "rate(sign_ins[30s])", 35) == {(): pytest.approx(7 / 30)}
    assert instant(asked, "increase(sign_ins[5s])", 30) == {(): 5.0}
    assert instant(asked, "increase(sign_ins[5s])", 38) == {}


def test_increases_of_adjoining_windows_add_up_to_everything() -> None:
    (found,) = over(engine(SIGN_INS), "increase(sign_ins[30s])", 0, 120, 30).values()
    assert sum(found.values()) == sum(SIGN_INS[2])


def test_a_plain_selector_of_deltas_is_their_sum_since_the_step_before() -> None:
    asked = engine(SIGN_INS)
    name = labels(name="sign_ins")
    assert over(asked, "sign_ins", 0, 120, 60) == {name: {0: 3.0, 60: 13.0, 120: 13.0}}
    assert instant(asked, "sign_ins", 120) == {name: 29.0}
    assert over(asked, "sum_over_time(sign_ins[1m])", 60, 60, 1) == {(): {60: 13.0}}


def test_observations_are_counted_by_rate_and_averaged_otherwise() -> None:
    asked = engine(TOOK)
    assert instant(asked, "increase(took[1m])", 60) == {(): 5.0}
    assert instant(asked, "rate(took[1m])", 60) == {(): pytest.approx(5 / 60)}
    assert instant(asked, "avg_over_time(took[1m])", 60) == {(): 4.0}
    assert instant(asked, "quantile_over_time(0.5, took[1m])", 60) == {(): 3.0}
    assert instant(asked, "max_over_time(took[1m])", 60) == {(): 9.0}
    assert instant(asked, "count_over_time(took[1m])", 60) == {(): 5.0}


def test_a_plain_selector_of_observations_is_their_mean_since_the_step_before() -> None:
    asked = engine(TOOK)
    name = labels(name="took")
    assert over(asked, "took", 0, 120, 60) == {name: {60: 4.0, 120: 8.0}}
    assert instant(asked, "took", 120) == {name: pytest.approx(28 / 6)}


def test_kinds_may_be_asked_for_together() -> None:
    asked = engine(SIGN_INS, TOOK, every(10, [0, 10, 20, 30, 40, 50, 60], "hits", Kind.COUNTER))
    found = instant(asked, 'sum by (__name__) ({__name__=~"hits|took|sign_ins"})', 60)
    assert found == {labels(name="hits"): 60.0, labels(name="sign_ins"): 16.0, labels(name="took"): 4.0}
    assert instant(asked, "sum(increase(sign_ins[1m])) + sum(increase(hits[1m]))", 60) == {(): pytest.approx(73.0)}
