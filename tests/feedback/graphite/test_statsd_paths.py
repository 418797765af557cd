"""Dashboards that were made for StatsD find what they look for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from andon.feedback.graphite.service import Graphite, Question
from andon.feedback.telemetry.contract.metrics import Column, Kind, Resolution, Samples, Series
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.kernel.errors import Invalid
from tests.feedback.graphite.measured import START, Told, every, values_of

TIMES = [(11.0, 30.0), (12.0, 10.0), (13.0, 20.0), (14.0, 100.0), (31.0, 7.0)]


def test_a_counter_is_counted_by_slot_and_is_nought_where_nobody_counted() -> None:
    told = Told().statsd("login.success", Kind.DELTA, [(12, 1), (15, 4), (33, 10)])
    assert told.values("stats.counters.login.success.count", seconds=50) == [5, 0, 10, 0, 0]
    assert told.values("stats.counters.login.success.rate", seconds=50) == [0.5, 0, 1, 0, 0]
    assert told.values("stats.login.success", seconds=50) == [0.5, 0, 1, 0, 0]
    assert told.values("stats_counts.login.success", seconds=50) == [5, 0, 10, 0, 0]
    assert told.values("login.success", seconds=50) == [5, 0, 10, 0, 0]


def test_counts_of_several_instances_add_up_whatever_their_labels() -> None:
    told = (
        Told()
        .statsd("login", Kind.DELTA, [(12, 1)], service="shop", instance="a")
        .statsd("login", Kind.DELTA, [(13, 2), (23, 3)], service="shop", instance="b")
        .statsd("login", Kind.DELTA, [(14, 10)], service="shop", country="de")
    )
    assert told.values("stats.counters.login.count", seconds=20) == [13, 3]


@pytest.mark.parametrize(
    ("ending", "first", "third"),
    [
        ("count", 4, 1),
        ("count_ps", 0.4, 0.1),
        ("lower", 10, 7),
        ("upper", 100, 7),
        ("mean", 40, 7),
        ("median", 25, 7),
        ("sum", 160, 7),
        ("sum_squares", 900 + 100 + 400 + 10_000, 49),
        ("std", math.sqrt((100 + 900 + 400 + 3_600) / 4), 0),
        ("upper_75", 30, 7),
        ("mean_75", 20, 7),
        ("sum_75", 60, 7),
        ("count_75", 3, 1),
        ("upper_90", 100, 7),
        ("upper_99_9", 100, 7),
    ],
)
def test_a_timer_tells_what_statsd_tells_of_it(ending: str, first: float, third: float) -> None:
    told = Told().statsd("checkout.time", Kind.OBSERVATION, TIMES)
    found = told.values(f"stats.timers.checkout.time.{ending}", seconds=30)
    silent = 0 if ending in {"count", "count_ps"} else None
    assert found == [pytest.approx(first), silent, pytest.approx(third)]


def test_a_timer_of_several_instances_is_one_whose_percentile_is_of_all_together() -> None:
    told = (
        Told()
        .statsd("t", Kind.OBSERVATION, [(11, 1), (12, 2)], instance="a")
        .statsd("t", Kind.OBSERVATION, [(11, 3), (12, 50)], instance="b")
    )
    assert told.values("stats.timers.t.upper_75", seconds=10) == [3]


def test_a_gauge_of_statsd_stays_what_it_was_until_it_is_told_anew_or_an_hour_is_over() -> None:
    told = Told().statsd("queue.size", Kind.GAUGE, [(-50, 4), (25, 9)])
    assert told.values("stats.gauges.queue.size", seconds=40) == [4, 9, 9, 9]
    assert told.values("queue.size", seconds=40) == [None, 9, None, None]
    late = told.values("stats.gauges.queue.size", seconds=3_700)
    assert late[-1] is None
    assert late[355] == 9


def test_a_set_is_nought_where_nobody_was_there() -> None:
    told = Told().statsd("visitors", Kind.GAUGE, [(19, 3)])
    assert told.values("stats.sets.visitors.count", seconds=30) == [3, 0, 0]


def test_what_came_over_graphites_own_protocol_is_no_gauge_of_statsds() -> None:
    told = Told().graphite("servers.a.load", every(10, 1, 2, 3))
    assert told.asked("stats.gauges.servers.a.load") == []
    assert told.values("servers.a.load", seconds=30) == [1, 2, 3]


def test_nothing_is_told_of_slots_that_have_not_begun() -> None:
    told = Told().statsd("login", Kind.DELTA, [(12, 1)])
    [row] = told.asked("stats.counters.login.count", seconds=25)
    assert row.start == START + 10
    assert values_of(row) == [1, 0]


def test_after_its_raw_samples_a_timer_still_has_what_roll_ups_know_and_says_nothing_else() -> None:
    told = Told().statsd("t", Kind.OBSERVATION, [(61, 1), (70, 3), (125, 8)])
    gone = {Resolution.RAW: 0, Resolution.MINUTE: 10**12, Resolution.HOUR: 10**12}

    def asked(ending: str) -> list[float | None]:
        [row] = told.asked(f"stats.timers.t.{ending}", seconds=150, horizons=gone)
        assert row.step == 60
        return values_of(row)

    assert asked("mean") == [2, 8]
    assert asked("upper") == [3, 8]
    assert asked("lower") == [1, 8]
    assert asked("count") == [2, 1]
    assert asked("sum") == [4, 8]
    assert asked("upper_90") == [None, None]
    assert asked("std") == [None, None]


def test_roll_ups_answer_where_there_are_more_samples_than_may_be_read() -> None:
    told = Told().statsd("t", Kind.OBSERVATION, [(at / 1000, at) for at in range(61_000, 119_000)])
    measurements = told.measurements()

    class Strict(MemoryMeasurements):
        def samples(
            self,
            series: Sequence[Series],
            start: int,
            end: int,
            *,
            resolution: Resolution = Resolution.RAW,
            column: Column = Column.LAST,
        ) -> Samples:
            if resolution is Resolution.RAW:
                raise Invalid("More than may be read.")
            return measurements.samples(series, start, end, resolution=resolution, column=column)

    [known] = measurements.select((), START * 1000, (START + 120) * 1000, sight=None)
    graphite = Graphite(Strict([known], {known.id: ([START * 1000], [0])}), clock=lambda: (START + 120) * 1000)
    question = Question(targets=("stats.timers.t.upper",), start=START, end=START + 119, now=START + 119)
    [row] = graphite.rows(question, sight=None)
    assert (row.step, values_of(row)) == (60, [118_999])


def test_a_series_that_is_sent_once_a_minute_has_steps_of_a_minute() -> None:
    told = Told().graphite("slow", every(60, 1, 2, 4, 8)).graphite("fast", every(10, *range(24)))
    slow, fast = told.asked("slow", "fast", seconds=240)
    assert (slow.step, values_of(slow)) == (60, [1, 2, 4, 8])
    assert fast.step == 10
    assert told.values("derivative(slow)", seconds=240) == [None, 1, 2, 4]


def test_the_tree_can_be_walked_down_to_the_leaves() -> None:
    told = (
        Told()
        .statsd("login.success", Kind.DELTA, [(12, 1)])
        .statsd("t", Kind.OBSERVATION, [(12, 1)])
        .graphite("servers.a.load", [(12, 1)])
    )
    graphite = Graphite(told.measurements())

    def below(pattern: str) -> list[tuple[str, bool]]:
        return [(one.path, one.is_leaf) for one in graphite.find(pattern, START, START + 60, sight=None)]

    assert below("*") == [
        ("login", False),
        ("servers", False),
        ("stats", False),
        ("stats_counts", False),
        ("t", True),
    ]
    assert below("stats.*") == [("stats.counters", False), ("stats.login", False), ("stats.timers", False)]
    assert below("stats.counters.login.success.*") == [
        ("stats.counters.login.success.count", True),
        ("stats.counters.login.success.rate", True),
    ]
    assert ("stats.timers.t.upper_90", True) in below("stats.timers.t.*")
    assert below("servers.a.load") == [("servers.a.load", True)]
    assert below("nothing.*") == []


def test_every_listed_path_has_values() -> None:
    told = (
        Told()
        .statsd("login.success", Kind.DELTA, [(12, 1)])
        .statsd("t", Kind.OBSERVATION, [(12, 1)])
        .statsd("g", Kind.GAUGE, [(12, 1)])
        .graphite("servers.a.load", [(12, 1)])
    )
    graphite = Graphite(told.measurements())
    paths = graphite.paths(START, START + 60, sight=None)
    assert len(paths) > 30
    for path in paths:
        assert [row.name for row in told.asked(path)] == [path]
