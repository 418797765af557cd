from __future__ import annotations

import math
from dataclasses import replace

import pytest

from andon.feedback.promql.contract import Dialect, Matrix, QueryFailed, String
from andon.feedback.telemetry.contract.metrics import Kind, SeriesId
from tests.feedback.promql.measured import (
    MINUTE,
    STALE,
    engine,
    every,
    instant,
    labels,
    lines,
    measurements,
    over,
    series,
)

UP = labels(name="up")


def test_a_sample_stands_for_its_series_for_five_minutes() -> None:
    asked = engine((series("up"), [0], [7.0]))
    assert instant(asked, "up", 299.999) == {UP: 7.0}
    assert instant(asked, "up", 300) == {}


def test_prometheus_2_counts_the_left_edge_in() -> None:
    asked = engine((series("up"), [0], [7.0]), dialect=Dialect.PROMETHEUS_2)
    assert instant(asked, "up", 300) == {UP: 7.0}
    assert instant(asked, "up", 300.001) == {}
    assert instant(asked, "count_over_time(up[1m])", 60) == {(): 1.0}
    assert instant(engine((series("up"), [0], [7.0])), "count_over_time(up[1m])", 60) == {}


def test_the_lookback_can_be_chosen() -> None:
    asked = engine((series("up"), [0], [7.0]))
    assert asked.instant("up", 60_001, sight=None, lookback_ms=MINUTE) != asked.instant("up", 59_999, sight=None)
    assert lines(asked.range("up", 0, 180_000, MINUTE, sight=None, lookback_ms=MINUTE)) == {UP: {0: 7.0}}


def test_a_stale_marker_ends_a_series_at_once_and_a_nan_does_not() -> None:
    asked = engine(every(15, [1, STALE, None, 3], "up"), every(15, [1, math.nan], "other"))
    assert over(asked, "up", 0, 60, 15) == {UP: {0: 1.0, 45: 3.0, 60: 3.0}}
    (told,) = over(asked, "other", 0, 60, 15).values()
    assert list(told) == [0, 15, 30, 45, 60]
    assert math.isnan(told[60])


def test_stale_markers_are_no_samples_of_a_window() -> None:
    asked = engine(every(15, [1, STALE, 3, STALE], "up"))
    assert instant(asked, "count_over_time(up[1m])", 50) == {(): 2.0}
    assert instant(asked, "last_over_time(up[1m])", 50) == {UP: 3.0}
    assert instant(asked, "changes(up[1m])", 50) == {(): 1.0}


def test_offsets_look_back_and_ahead() -> None:
    asked = engine(every(60, [0, 1, 2, 3, 4, 5], "up"))
    assert instant(asked, "up offset 2m", 240) == {UP: 2.0}
    assert instant(asked, "up offset -1m", 240) == {UP: 5.0}


def test_at_holds_the_time_still() -> None:
    asked = engine(every(60, [0, 1, 2, 3, 4, 5], "up"))
    assert over(asked, "up @ 120", 180, 300, 60) == {UP: {180: 2.0, 240: 2.0, 300: 2.0}}
    assert over(asked, "up @ start()", 180, 300, 60) == {UP: {180: 3.0, 240: 3.0, 300: 3.0}}
    assert over(asked, "sum_over_time(up[2m] @ end() offset 1m)", 180, 300, 60) == {
        (): dict.fromkeys((180, 240, 300), 7)
    }


def test_start_means_the_whole_query_within_a_subquery_too() -> None:
    asked = engine(every(60, [0, 1, 2, 3, 4, 5], "up"))
    assert instant(asked, "max_over_time((up @ start())[3m:1m])", 240) == {(): 4.0}


def test_a_range_selector_alone_answers_its_samples() -> None:
    asked = engine(every(15, [0, 1, 2, 3, STALE], "up"))
    answer = asked.instant("up[31s]", 60_000, sight=None)
    assert lines(answer) == {UP: {30: 2.0, 45: 3.0}}
    assert asked.instant("nothing[5m]", 60_000, sight=None) == Matrix(())


def test_a_subquery_is_asked_at_multiples_of_its_step() -> None:
    asked = engine(every(1, [float(index) for index in range(100)], "up"))
    assert lines(asked.instant("up[25s:10s]", 57_000, sight=None)) == {UP: {40: 40.0, 50: 50.0}}
    assert lines(asked.instant("up[20s:10s]", 60_000, sight=None)) == {UP: {50: 50.0, 60: 60.0}}
    older = engine(every(1, [float(index) for index in range(100)], "up"), dialect=Dialect.PROMETHEUS_2)
    assert lines(older.instant("up[20s:10s]", 60_000, sight=None)) == {UP: {40: 40.0, 50: 50.0, 60: 60.0}}


def test_subqueries_nest() -> None:
    asked = engine(every(10, [float(index) for index in range(100)], "up"))
    assert instant(asked, "max_over_time(min_over_time(up[1m])[2m:1m])", 600) == {(): 55.0}


def test_timestamp_tells_when_a_sample_was_taken_or_else_the_time_itself() -> None:
    asked = engine(every(15, [5, 6], "up"))
    assert instant(asked, "timestamp(up)", 100) == {(): 15.0}
    assert instant(asked, "timestamp((up))", 100) == {(): 15.0}
    assert instant(asked, "timestamp(up + 0)", 100) == {(): 100.0}


def test_two_ids_of_one_name_and_labels_are_one_series() -> None:
    first, times, values = every(20, [1, 3, 5], "up", job="a")
    second = replace(first, id=SeriesId(first.id + 1))
    asked = engine((first, times, values), (second, [10_000, 30_000, 40_000], [2.0, 4.0, 9.0]))
    assert lines(asked.instant("up[2m]", 60_000, sight=None)) == {
        labels(name="up", job="a"): {0: 1.0, 10: 2.0, 20: 3.0, 30: 4.0, 40: 9.0}
    }
    assert instant(asked, "count(up)", 50) == {(): 1.0}


def test_two_ids_that_disagree_about_their_kind_are_still_one_series() -> None:
    gauge, delta = every(20, [1, 3, 5], "up"), every(20, [2], "up", Kind.DELTA, start=10_000)
    other = replace(delta[0], id=SeriesId(delta[0].id + 1))
    asked = engine(gauge, (other, delta[1], delta[2]))
    assert instant(asked, "count(up)", 50) == {(): 1.0}
    assert instant(asked, "sum_over_time(up[1m])", 50) == {(): 11.0}


def test_what_a_caller_may_not_see_is_not_there() -> None:
    asked = engine(every(15, [1], "up", service="shop"), every(15, [2], "up", service="bank"), every(15, [3], "up"))
    seen = asked.instant("sum(up)", 1_000, sight=frozenset())
    assert str(seen) == str(engine(every(15, [3], "up")).instant("sum(up)", 1_000, sight=None))


def test_absent_tells_the_labels_that_were_asked_for() -> None:
    asked = engine(every(15, [1], "up", job="a"))
    assert instant(asked, "absent(up)", 10) == {}
    assert instant(asked, 'absent(up{job="b", x=~"y", z!="w"})', 10) == {labels(job="b"): 1.0}
    assert instant(asked, 'absent_over_time(up{job="a"}[10s])', 60) == {labels(job="a"): 1.0}
    assert over(asked, "absent_over_time(up[1m])", 0, 120, 60) == {(): {60: 1.0, 120: 1.0}}


def test_a_string_and_a_number_answer_themselves() -> None:
    asked = engine()
    assert asked.instant('"word"', 5_000, sight=None) == String(time=5_000, value="word")
    assert instant(asked, "1 + 2 * 3 ^ 2", 5) == {(): 19.0}
    assert over(asked, "time()", 0, 2, 1) == {(): {0: 0.0, 1: 1.0, 2: 2.0}}


def test_native_histograms_are_refused_by_name() -> None:
    for query in ("histogram_count(up)", "histogram_avg(up)"):
        with pytest.raises(QueryFailed, match="native histograms"):
            engine().instant(query, 0, sight=None)


def test_kinds_do_not_change_what_prometheus_would_say_of_gauges_and_counters() -> None:
    values = [1.0, 5.0, 2.0, 8.0]
    as_gauge, as_counter = engine(every(15, values, "x")), engine(every(15, values, "x", Kind.COUNTER))
    for query in ("x", "rate(x[1m])", "increase(x[1m])", "avg_over_time(x[1m])", "delta(x[1m])"):
        assert instant(as_gauge, query, 50) == instant(as_counter, query, 50)


def test_measurements_may_be_empty() -> None:
    assert measurements().select((), 0, 1, sight=None) == ()
    for query in ("up", "rate(up[5m])", "sum(up)", "topk(1, up)", "up + up", "up or up", "histogram_quantile(1, up)"):
        assert over(engine(), query, 0, 60, 15) == {}
    for query in ("count_values('x', up)", "quantile(0.5, up)", "sort(up)", "label_replace(up, 'a', '', 'b', '')"):
        assert instant(engine(), query, 0) == {}
