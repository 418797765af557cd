"""Heat maps of what was observed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from andon.feedback.graphs.observing import bounds_of, observed, selector, summed_selector
from andon.feedback.telemetry.contract.metrics import Comparison, Kind, Matcher, Series, canonical, named, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.flow.sources.contract import Service

TOLD = canonical({"service": "store"})
TIMER = Series(id=series_id("t", TOLD), name="t", labels=TOLD, kind=Kind.OBSERVATION)
GAUGE = Series(id=series_id("g", TOLD), name="g", labels=TOLD, kind=Kind.GAUGE)
TIMES = np.array([10_000, 20_000, 25_000], dtype=np.int64)
STORE = MemoryMeasurements(
    [TIMER, GAUGE],
    {
        TIMER.id: ([500, 1, 10_000, 10_001, 20_001], [0.3, 0.03, float("nan"), 0.03, 4.0]),
        GAUGE.id: ([10_000], [1.0]),
    },
)


def test_each_observation_counts_once_in_its_bucket_and_its_step() -> None:
    found = observed(STORE, 't{service="store"}', TIMES, 10_000, None)
    assert found is not None
    rows = {float(labels[0][1]): totals.tolist() for labels, totals in found}
    assert rows[0.05] == [0.1, 0.1, 0.0]
    assert rows[0.5] == [0.2, 0.1, 0.0]
    assert rows[max(rows)] == [0.2, 0.1, 0.2], "the last step is half as long: one in five seconds"


@pytest.mark.parametrize("text", ["rate(t[1m])", "t{", "g", "nothing", "t{service!~'x'}", "t + t", ""])
def test_what_is_no_selector_of_observations_is_asked_otherwise(text: str) -> None:
    assert observed(STORE, text, TIMES, 10_000, None) is None


def test_the_sum_of_a_selector_is_one_too() -> None:
    for text in ("t", "sum(t)", "sum by (a, b) (t)", "sum (t) without (a)"):
        assert summed_selector(text) == selector("t")
    for text in ("sum(rate(t[1m]))", "sum(t) + sum(t)", "max(t)", "sum(t) > 1"):
        assert summed_selector(text) is None


def test_it_is_cut_by_sight() -> None:
    assert observed(STORE, "t", TIMES, 10_000, frozenset({Service("other")})) is None


def test_a_selector_is_read_as_promql_reads_it() -> None:
    read = selector('a{b="x\\"}", d!~"e" , }')
    assert read == [*named("a"), Matcher("b", Comparison.EQUAL, 'x"}'), Matcher("d", Comparison.UNLIKE, "e")]


@given(some.lists(some.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=30))
def test_bounds_are_few_and_reach_the_most(values: list[float]) -> None:
    found = bounds_of(np.array(values))
    assert 1 <= len(found) <= 45
    assert (np.diff(found) > 0).all()
    assert found[-1] >= max(values) or max(values) <= 0


@given(some.text(max_size=60))
def test_any_text_is_a_selector_or_none(text: str) -> None:
    selector(text)
