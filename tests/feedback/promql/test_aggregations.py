from __future__ import annotations

import math

import pytest

from andon.feedback.promql.contract import Dialect, QueryFailed, Vector
from tests.feedback.promql.measured import Told, engine, every, instant, labels, over

CPUS: tuple[Told, ...] = tuple(
    every(15, [value, value + 1], "cpu", mode=mode, host=host)
    for mode, host, value in (("user", "a", 1.0), ("idle", "a", 2.0), ("user", "b", 3.0), ("idle", "b", 8.0))
)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("sum", 14.0),
        ("avg", 3.5),
        ("min", 1.0),
        ("max", 8.0),
        ("count", 4.0),
        ("group", 1.0),
        ("stdvar", 7.25),
        ("stddev", math.sqrt(7.25)),
    ],
)
def test_one_number_comes_of_all_series(operator: str, expected: float) -> None:
    assert instant(engine(*CPUS), f"{operator}(cpu)", 5) == {(): pytest.approx(expected)}


def test_groups_are_told_by_labels_that_are_kept_or_left_out() -> None:
    by_mode = {labels(mode="user"): 4.0, labels(mode="idle"): 10.0}
    assert instant(engine(*CPUS), "sum by (mode) (cpu)", 5) == by_mode
    assert instant(engine(*CPUS), "sum without (host) (cpu)", 5) == by_mode
    assert instant(engine(*CPUS), "sum by (nothing) (cpu)", 5) == {(): 14.0}
    assert instant(engine(*CPUS), "sum by (__name__) (cpu)", 5) == {labels(name="cpu"): 14.0}


def test_only_series_that_are_there_count() -> None:
    asked = engine(every(15, [1.0, None, 5.0], "x", a="1"), every(15, [None, 2.0], "x", a="2"))
    answer = asked.range("count(x)", 0, 15_000, 15_000, sight=None, lookback_ms=10_000)
    assert [line.values.tolist() for line in answer.lines] == [[1.0, 1.0]]
    assert over(asked, "sum(x)", 0, 30, 15) == {(): {0: 1.0, 15: 3.0, 30: 7.0}}


def test_nan_is_the_worst_of_all() -> None:
    asked = engine(every(15, [math.nan], "x", a="1"), every(15, [2.0], "x", a="2"), every(15, [3.0], "x", a="3"))
    assert instant(asked, "max(x)", 5) == {(): 3.0}
    assert instant(asked, "min(x)", 5) == {(): 2.0}
    assert instant(asked, "topk(2, x)", 5).keys() == {labels(name="x", a="2"), labels(name="x", a="3")}
    assert instant(asked, "bottomk(2, x)", 5).keys() == {labels(name="x", a="2"), labels(name="x", a="3")}
    assert math.isnan(instant(asked, "sum(x)", 5)[()])
    assert math.isnan(instant(asked, "quantile(0, x)", 5)[()])


def test_the_best_come_first_at_one_moment() -> None:
    answer = engine(*CPUS).instant("topk(3, cpu)", 5_000, sight=None)
    assert isinstance(answer, Vector)
    assert [point.value for point in answer.points] == [8.0, 3.0, 2.0]
    answer = engine(*CPUS).instant("bottomk by (host) (1, cpu)", 5_000, sight=None)
    assert isinstance(answer, Vector)
    assert [point.value for point in answer.points] == [1.0, 3.0]


def test_the_best_are_chosen_at_every_step() -> None:
    asked = engine(every(15, [1, 5, 1], "x", a="1"), every(15, [3, 3, 3], "x", a="2"))
    assert over(asked, "topk(1, x)", 0, 30, 15) == {
        labels(name="x", a="1"): {15: 5.0},
        labels(name="x", a="2"): {0: 3.0, 30: 3.0},
    }


def test_how_many_are_wanted_may_change_and_may_be_none() -> None:
    asked = engine(*CPUS)
    assert instant(asked, "topk(0, cpu)", 5) == instant(asked, "topk(-3, cpu)", 5) == {}
    assert len(instant(asked, "topk(100, cpu)", 5)) == 4
    assert len(instant(asked, "limitk(2, cpu)", 5)) == 2
    found = over(asked, "count(topk(scalar(time()) + 1, cpu))".replace("scalar(time())", "time()"), 0, 2, 1)
    assert found == {(): {0: 1.0, 1: 2.0, 2: 3.0}}
    for wanted in ("NaN", "Inf", "1e30"):
        with pytest.raises(QueryFailed):
            instant(asked, f"topk({wanted}, cpu)", 5)


def test_of_equal_series_those_are_taken_that_prometheus_would_take() -> None:
    told = [every(15, [value], "x", a=str(index)) for index, value in enumerate((1, 2, 1, 2, 1, 3))]
    for dialect in Dialect:
        found = instant(engine(*told, dialect=dialect), "topk(2, x)", 5)
        assert sorted(found.values()) == [2.0, 3.0]
    nans = [every(15, [math.nan], "x", a=str(index)) for index in range(3)]
    assert instant(engine(*nans), "topk(1, x)", 5).keys() == {labels(name="x", a="0")}
    assert instant(engine(*nans, dialect=Dialect.PROMETHEUS_2), "topk(1, x)", 5).keys() == {labels(name="x", a="2")}


def test_quantiles_lie_between_ranks() -> None:
    asked = engine(*CPUS)
    assert instant(asked, "quantile(0.5, cpu)", 5) == {(): 2.5}
    assert instant(asked, "quantile by (host) (0.25, cpu)", 5) == {labels(host="a"): 1.25, labels(host="b"): 4.25}
    assert instant(asked, "quantile(-1, cpu)", 5) == {(): -math.inf}
    assert instant(asked, "quantile(2, cpu)", 5) == {(): math.inf}


def test_values_become_labels() -> None:
    told = [every(15, [value], "build", a=str(index)) for index, value in enumerate((1.0, 0.25, 1.0, 1e21))]
    asked = engine(*told)
    assert instant(asked, 'count_values("version", build)', 5) == {
        labels(version="1"): 2.0,
        labels(version="0.25"): 1.0,
        labels(version="1000000000000000000000"): 1.0,
    }
    with pytest.raises(QueryFailed, match="invalid label name"):
        instant(asked, 'count_values("no-label", build)', 5)


def test_a_sum_out_of_range_leaves_its_mean_in_range() -> None:
    told = [every(15, [1e308, 1.5e308], "x", a=str(index)) for index in range(4)]
    assert instant(engine(*told), "sum(x)", 5) == {(): math.inf}
    assert instant(engine(*told), "avg(x)", 5) == {(): pytest.approx(1e308)}
    assert instant(engine(*told), 'avg_over_time(x{a="1"}[1m])', 20) == {labels(a="1"): pytest.approx(1.25e308)}
    infinite = engine(every(15, [math.inf], "x", a="1"), every(15, [1.0], "x", a="2"))
    assert instant(infinite, "avg(x)", 5) == {(): math.inf}


def test_generations_differ_in_the_deviation_of_a_single_nan() -> None:
    told = every(15, [math.nan], "x")
    assert math.isnan(instant(engine(told), "stddev(x)", 5)[()])
    assert instant(engine(told, dialect=Dialect.PROMETHEUS_2), "stddev(x)", 5) == {(): 0.0}
