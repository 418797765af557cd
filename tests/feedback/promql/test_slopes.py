from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.promql.contract import Dialect
from andon.feedback.telemetry.contract.metrics import Kind
from tests.feedback.promql import literal
from tests.feedback.promql.measured import alike, engine, every, instant, over, series

GAPS = st.lists(st.integers(1, 40_000), min_size=0, max_size=40)


@st.composite
def samples(draw: st.DrawFn, values: st.SearchStrategy[float]) -> list[literal.Sample]:
    at, found = draw(st.integers(0, 60_000)), []
    for gap in draw(GAPS):
        at += gap
        found.append((at, draw(values)))
    return found


COUNTERS = st.one_of(st.integers(0, 1_000).map(float), st.floats(0, 1e12))
GAUGES = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def test_a_steady_counter_has_its_rate_to_the_edges_of_the_window() -> None:
    asked = engine(every(15, [10.0 * index for index in range(20)], "hits", Kind.COUNTER))
    assert instant(asked, "rate(hits[1m])", 120) == pytest.approx({(): 10 / 15})
    assert instant(asked, "increase(hits[1m])", 120) == pytest.approx({(): 40.0})
    assert instant(asked, "irate(hits[1m])", 120) == pytest.approx({(): 10 / 15})


def test_a_counter_that_begins_anew_loses_nothing() -> None:
    asked = engine(every(10, [100, 110, 5, 15], "hits", Kind.COUNTER))
    # 10 before, 5 and 10 after the new beginning: 25 in 30 s, over 40 s with the edges 10 s apart
    assert instant(asked, "increase(hits[40s])", 30) == pytest.approx({(): 25 * 40 / 30})
    assert instant(asked, "resets(hits[1m])", 30) == {(): 1.0}
    assert instant(asked, "irate(hits[11s])", 20) == pytest.approx({(): 0.5})


def test_a_counter_is_not_carried_on_below_zero() -> None:
    asked = engine(every(10, [None, 1, 11, 21], "hits", Kind.COUNTER))
    # it would have been 0 one second before its first sample, though the window begins nine seconds earlier
    assert instant(asked, "increase(hits[30s])", 30) == pytest.approx({(): 20 * 21 / 20})


def test_generations_differ_in_what_bounds_a_counter_first() -> None:
    told = every(10, [None, None, None, 9, 19, 29], "hits", Kind.COUNTER)
    # the first sample is 20 s into the window: 3 takes half an interval, 2 the nine seconds down to zero
    assert instant(engine(told), "increase(hits[40s])", 50) == pytest.approx({(): 20 * (20 + 5) / 20})
    older = engine(told, dialect=Dialect.PROMETHEUS_2)
    assert instant(older, "increase(hits[40s])", 50) == pytest.approx({(): 20 * (20 + 9) / 20})


def test_one_sample_has_no_rate() -> None:
    asked = engine((series("hits"), [10_000], [5.0]))
    for function in ("rate", "increase", "delta", "irate", "idelta", "deriv"):
        assert instant(asked, f"{function}(hits[1m])", 30) == {}


def test_a_gauge_may_fall() -> None:
    asked = engine(every(10, [50, 40, 30, 20], "level"))
    assert instant(asked, "delta(level[30s])", 30) == pytest.approx({(): -30.0})
    assert instant(asked, "idelta(level[30s])", 30) == {(): -10.0}
    assert instant(asked, "deriv(level[40s])", 30) == pytest.approx({(): -1.0})
    assert instant(asked, "predict_linear(level[40s], 20)", 30) == pytest.approx({(): 0.0})


@settings(max_examples=150, deadline=None)
@given(samples(COUNTERS), st.integers(1_000, 300_000), st.sampled_from(Dialect))
def test_rates_are_those_of_the_formula(found: list[literal.Sample], width: int, dialect: Dialect) -> None:
    told = (series("hits", Kind.COUNTER), [at for at, _ in found], [value for _, value in found])
    answers = over(engine(told, dialect=dialect), f"rate(hits[{width}ms])", 0, 600, 37)
    expected = {at: literal.rate(found, at * 1_000, width, dialect) for at in range(0, 601, 37)}
    wanted = {at: value for at, value in expected.items() if value is not None}
    (got,) = answers.values() or ({},)
    assert got.keys() == wanted.keys()
    assert all(alike(got[at], wanted[at]) for at in wanted)


@settings(max_examples=100, deadline=None)
@given(samples(GAUGES), st.integers(1_000, 300_000), st.sampled_from(sorted(literal.OVER_TIME)))
def test_functions_over_time_are_those_of_their_definitions(
    found: list[literal.Sample], width: int, function: str
) -> None:
    told = (series("level"), [at for at, _ in found], [value for _, value in found])
    answers = over(engine(told), f"{function}(level[{width}ms])", 0, 600, 41)
    windows = {at: literal.window(found, at * 1_000, width, Dialect.PROMETHEUS_3) for at in range(0, 601, 41)}
    wanted = {at: literal.OVER_TIME[function]([value for _, value in one]) for at, one in windows.items() if one}
    (got,) = answers.values() or ({},)
    assert got.keys() == wanted.keys()
    for at, value in wanted.items():
        assert math.isclose(got[at], value, rel_tol=1e-9, abs_tol=1e-4), (at, got[at], value)


@settings(max_examples=60, deadline=None)
@given(samples(GAUGES), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_quantiles_lines_and_smoothing_are_those_of_their_definitions(
    found: list[literal.Sample], first: float, second: float
) -> None:
    told = (series("level"), [at for at, _ in found], [value for _, value in found])
    asked = engine(told)
    one = literal.window(found, 300_000, 200_000, Dialect.PROMETHEUS_3)
    values = [value for _, value in one]
    quantile = instant(asked, f"quantile_over_time({first!r}, level[200s])", 300)
    assert list(quantile.values()) == pytest.approx([literal.quantile(values, first)] if one else [])
    smooth = instant(asked, f"double_exponential_smoothing(level[200s], {first!r}, {second!r})", 300)
    many = len(one) > 1
    assert list(smooth.values()) == pytest.approx([literal.smoothed(values, first, second)] if many else [])
    slope = instant(asked, "deriv(level[200s])", 300)
    assert list(slope.values()) == pytest.approx([literal.slope(one)] if many else [], rel=1e-6, abs=1e-6)
