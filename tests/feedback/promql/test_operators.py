from __future__ import annotations

import math

import pytest

from andon.feedback.promql.contract import Dialect, QueryFailed
from tests.feedback.promql.measured import Told, engine, every, instant, labels, over, series

REQUESTS: tuple[Told, ...] = tuple(
    every(15, [value], "requests", code=code, pod=pod)
    for code, pod, value in (("200", "a", 90.0), ("500", "a", 10.0), ("200", "b", 40.0), ("500", "b", 0.0))
)
PODS: tuple[Told, ...] = tuple(
    every(15, [value], "limit", pod=pod, zone=zone) for pod, zone, value in (("a", "x", 100.0), ("b", "y", 50.0))
)


def test_arithmetic_drops_the_name_and_matches_on_all_other_labels() -> None:
    asked = engine(*PODS)
    assert instant(asked, "limit + limit * 2", 5) == {
        labels(pod="a", zone="x"): 300.0,
        labels(pod="b", zone="y"): 150.0,
    }
    assert instant(asked, "2 ^ (limit / 50)", 5) == {labels(pod="a", zone="x"): 4.0, labels(pod="b", zone="y"): 2.0}
    assert instant(asked, "-limit % 30", 5) == {labels(pod="a", zone="x"): -10.0, labels(pod="b", zone="y"): -20.0}


def test_a_comparison_lets_through_what_it_holds_for_with_its_name() -> None:
    asked = engine(*PODS)
    high = labels(name="limit", pod="a", zone="x")
    assert instant(asked, "limit > 60", 5) == {high: 100.0}
    assert instant(asked, "60 < limit", 5) == {high: 100.0}
    assert instant(asked, "limit > bool 60", 5) == {labels(pod="a", zone="x"): 1.0, labels(pod="b", zone="y"): 0.0}
    assert instant(asked, "1 > bool 2", 5) == {(): 0.0}


def test_nan_equals_nothing() -> None:
    asked = engine(every(15, [math.nan], "x"))
    assert instant(asked, "x == x", 5) == {}
    assert instant(asked, "x != x", 5).keys() == {labels(name="x")}
    assert instant(asked, "x == bool x", 5) == {(): 0.0}


def test_the_many_side_keeps_its_labels_and_takes_what_it_is_told_from_the_one_side() -> None:
    asked = engine(*REQUESTS, *PODS)
    assert instant(asked, "requests / on(pod) group_left(zone) limit", 5) == {
        labels(code="200", pod="a", zone="x"): 0.9,
        labels(code="500", pod="a", zone="x"): 0.1,
        labels(code="200", pod="b", zone="y"): 0.8,
        labels(code="500", pod="b", zone="y"): 0.0,
    }
    assert instant(asked, "limit / on(pod) group_right() requests > 2", 5) == {
        labels(code="500", pod="a"): 10.0,
        labels(code="500", pod="b"): math.inf,
    }


def test_a_comparison_with_group_right_answers_the_left_value() -> None:
    asked = engine(*REQUESTS, *PODS)
    assert instant(asked, "limit < on(pod) group_right requests * 2", 5) == {
        labels(code="200", pod="a"): 100.0,
        labels(code="200", pod="b"): 50.0,
    }


def test_two_of_one_side_need_a_word() -> None:
    asked = engine(*REQUESTS, *PODS)
    with pytest.raises(QueryFailed, match="many-to-one matching must be explicit"):
        instant(asked, "requests / on(pod) limit", 5)
    with pytest.raises(QueryFailed, match="many-to-many matching not allowed"):
        instant(asked, "limit / on(pod) requests", 5)
    with pytest.raises(QueryFailed, match="grouping labels must ensure unique matches"):
        instant(asked, 'requests{pod="a"} / on(pod) group_left(code) label_replace(limit, "code", "1", "", "")', 5)


def test_two_of_one_side_at_different_times_are_no_conflict() -> None:
    asked = engine(
        every(60, [1.0], "one", id="1"), every(60, [2.0], "one", id="2", start=600_000), every(60, [4.0], "all")
    )
    lookback = "all @ 0 * on() one"
    assert over(asked, lookback, 0, 600, 600) == {(): {0: 4.0, 600: 8.0}}


def test_sets_go_by_labels_alone() -> None:
    asked = engine(*REQUESTS, *PODS)
    good = {labels(name="requests", code="200", pod=pod): value for pod, value in (("a", 90.0), ("b", 40.0))}
    assert instant(asked, "requests and on(pod) (limit > 60)", 5) == {
        labels(name="requests", code="200", pod="a"): 90.0,
        labels(name="requests", code="500", pod="a"): 10.0,
    }
    assert instant(asked, 'requests unless requests{code="500"}', 5) == good
    assert instant(asked, 'requests{code="200"} or requests * 0', 5) == {
        **good,
        labels(code="500", pod="a"): 0.0,
        labels(code="500", pod="b"): 0.0,
    }
    assert instant(asked, "(requests > 1000) or vector(0)", 5) == {(): 0.0}


def test_sets_are_made_anew_at_every_step() -> None:
    asked = engine(every(60, [1, 0, 1, 0], "a"), every(60, [5, 6, 7, 8], "b"))
    assert over(asked, "a == 1 or b", 0, 180, 60) == {
        labels(name="a"): {0: 1.0, 120: 1.0},
        labels(name="b"): {60: 6.0, 180: 8.0},
    }


def test_series_made_alike_are_refused() -> None:
    asked = engine(series_pair := every(15, [1.0], "a", x="1"), every(15, [2.0], "b", x="1"))
    assert series_pair[0] != series("b")
    for query in ('{x="1"} + 1', 'abs({x="1"})', 'rate({x="1"}[1m] offset 1m) or -{x="1"}', '-{x="1"}'):
        with pytest.raises(QueryFailed, match="same labelset"):
            instant(asked, query, 5)


def test_generations_differ_in_the_name_of_atan2() -> None:
    told = every(15, [1.0], "a")
    assert instant(engine(told), "a atan2 1", 5).keys() == {()}
    assert instant(engine(told, dialect=Dialect.PROMETHEUS_2), "a atan2 1", 5).keys() == {labels(name="a")}
