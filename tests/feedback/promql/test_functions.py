from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from andon.feedback.promql.contract import QueryFailed, Vector
from andon.feedback.telemetry.contract.metrics import Kind
from tests.feedback.promql.measured import Told, engine, every, instant, labels, over


def _buckets(counts: dict[str, float], **more: str) -> list[Told]:
    return [
        every(15, [count, count * 2], "took_bucket", Kind.GAUGE, start=0, le=bound, **more)
        for bound, count in counts.items()
    ]


FOUR = {"0.1": 1.0, "0.5": 3.0, "1": 4.0, "+Inf": 4.0}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("0", 0.0), ("0.25", 0.1), ("0.5", 0.3), ("0.75", 0.5), ("1", 1.0), ("-1", -math.inf), ("2", math.inf)],
)
def test_a_quantile_lies_within_its_bucket(wanted: str, expected: float) -> None:
    found = instant(engine(*_buckets(FOUR, pod="a")), f"histogram_quantile({wanted}, took_bucket)", 5)
    assert found == {labels(pod="a"): pytest.approx(expected)}


def test_beyond_the_last_bound_the_last_bound_is_told() -> None:
    asked = engine(*_buckets({"1": 1.0, "2": 2.0, "+Inf": 10.0}))
    assert instant(asked, "histogram_quantile(0.9, took_bucket)", 5) == {(): 2.0}


def test_without_an_infinite_bucket_nothing_is_known() -> None:
    (found,) = instant(engine(*_buckets({"1": 1.0, "2": 2.0})), "histogram_quantile(0.5, took_bucket)", 5).values()
    assert math.isnan(found)


def test_buckets_that_fall_are_lifted_and_equal_bounds_are_one() -> None:
    falling = engine(*_buckets({"1": 5.0, "2": 4.0, "+Inf": 10.0}))
    level = engine(*_buckets({"1": 5.0, "2": 5.0, "+Inf": 10.0}))
    query = "histogram_quantile(0.4, took_bucket)"
    assert instant(falling, query, 5) == instant(level, query, 5)
    doubled = engine(*_buckets({"1": 2.0, "1.0": 3.0, "2": 5.0, "+Inf": 10.0}))
    assert instant(doubled, query, 5) == instant(level, query, 5)


def test_a_bucket_that_is_missing_at_a_step_is_not_asked_there() -> None:
    told = [*_buckets({"1": 1.0, "+Inf": 2.0}), every(15, [None, 2.0], "took_bucket", le="2")]
    asked = engine(*told)
    answers = over(asked, "histogram_quantile(0.9, took_bucket)", 0, 15, 15)
    assert answers == {(): {0: 1.0, 15: 2.0}}


def test_a_share_of_observations_is_told_between_two_values() -> None:
    asked = engine(*_buckets(FOUR))
    assert instant(asked, "histogram_fraction(0, 0.5, took_bucket)", 5) == {(): pytest.approx(0.75)}
    assert instant(asked, "histogram_fraction(0.1, 0.3, took_bucket)", 5) == {(): pytest.approx(0.25)}
    assert instant(asked, "histogram_fraction(0.5, 0.1, took_bucket)", 5) == {(): 0.0}


def _info(**told: str) -> Told:
    return every(15, [1.0], "info", Kind.GAUGE, start=0, **told)


@pytest.mark.parametrize(
    ("template", "pattern", "expected"),
    [
        ("$1", "(.*):.*", "alpha"),
        ("${1}-$2", "(.*):(.*)", "alpha-9100"),
        ("$1x", "(.*):.*", None),
        ("$$1", "(.*):.*", "$1"),
        ("$port", "(?P<host>.*):(?P<port>.*)", "9100"),
        ("$2", "[(]?(?:a)(lph)(a).*", "a"),
        ("$0!", "alpha.*", "alpha:9100!"),
        ("$9", "(.*)", None),
        ("x", "alpha", None),
        ("x", "(a+)+:.*", None),
    ],
)
def test_labels_are_written_from_groups(template: str, pattern: str, expected: str | None) -> None:
    asked = engine(_info(instance="alpha:9100"))
    found = instant(asked, f'label_replace(info, "host", "{template}", "instance", "{pattern}")', 5)
    wanted = {"name": "info", "instance": "alpha:9100"} | ({"host": expected} if expected else {})
    assert list(found) == [labels(**wanted)]


def test_a_pattern_takes_linear_time_whoever_wrote_it() -> None:
    asked = engine(_info(word="a" * 1_000))
    assert len(instant(asked, 'label_replace(info, "x", "$1", "word", "(a+)+(a+)+(a+)+b")', 5)) == 1
    for pattern in ("(", "(?=a)", "(a)\\\\1", "x" * 2_000, "(a{1000}){1000}"):
        with pytest.raises(QueryFailed):
            instant(asked, f'label_replace(info, "x", "", "word", "{pattern}")', 5)


def test_labels_are_joined_and_empty_ones_taken_away() -> None:
    asked = engine(_info(a="1", b="2"))
    assert list(instant(asked, 'label_join(info, "c", "-", "a", "none", "b")', 5)) == [
        labels(name="info", a="1", b="2", c="1--2")
    ]
    assert list(instant(asked, 'label_join(info, "a", "", "none")', 5)) == [labels(name="info", b="2")]
    with pytest.raises(QueryFailed, match="same labelset"):
        instant(engine(_info(a="1"), _info(a="2")), 'label_replace(info, "a", "", "a", ".*")', 5)


def test_sorting_is_by_value_with_nan_last_or_by_labels_with_numbers_as_such() -> None:
    asked = engine(
        *(every(15, [value], "x", pod=f"p{pod}") for pod, value in ((10, 2.0), (9, math.nan), (1, 3.0), (2, 1.0)))
    )

    def order(query: str) -> list[str]:
        answer = asked.instant(query, 5_000, sight=None)
        assert isinstance(answer, Vector)
        return [dict(point.labels)["pod"] for point in answer.points]

    assert order("sort(x)") == ["p2", "p10", "p1", "p9"]
    assert order("sort_desc(x)") == ["p1", "p10", "p2", "p9"]
    strange = engine(_info(word="²"), _info(word="٣"), _info(word="x2"))
    assert len(instant(strange, 'sort_by_label(info, "word")', 5)) == 3
    assert order('sort_by_label(x, "pod")') == ["p1", "p2", "p9", "p10"]
    assert order('sort_by_label_desc(x, "pod")') == ["p10", "p9", "p2", "p1"]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 0, 1, tzinfo=UTC),
        datetime(2100, 3, 1, tzinfo=UTC),
    ],
)
def test_the_calendar_is_utc(moment: datetime) -> None:
    expected = {
        "year": moment.year,
        "month": moment.month,
        "day_of_month": moment.day,
        "day_of_week": moment.isoweekday() % 7,
        "day_of_year": moment.timetuple().tm_yday,
        "days_in_month": 29 if moment.month == 2 else 31,
        "hour": moment.hour,
        "minute": moment.minute,
    }
    for function, value in expected.items():
        assert instant(engine(), f"{function}(vector({moment.timestamp():.0f}))", 0) == {(): value}


def test_numbers_are_bounded_and_rounded_halves_up() -> None:
    asked = engine(every(15, [2.5], "x"), every(15, [-2.5], "y"))
    assert instant(asked, "round(x)", 5) == {(): 3.0}
    assert instant(asked, "round(y)", 5) == {(): -2.0}
    assert instant(asked, "round(x, 2)", 5) == {(): 2.0}
    assert instant(asked, "clamp(x, 0, 1)", 5) == {(): 1.0}
    assert instant(asked, "clamp(x, 1, 0)", 5) == {}
    assert instant(asked, "clamp_min(y, -1)", 5) == {(): -1.0}
    assert instant(asked, "sgn(y) + abs(y)", 5) == {(): 1.5}


def test_scalar_and_vector_turn_into_each_other() -> None:
    asked = engine(every(15, [2.0], "x", a="1"), every(15, [3.0], "x", a="2"))
    assert instant(asked, 'scalar(x{a="1"})', 5) == {(): 2.0}
    assert math.isnan(instant(asked, "scalar(x)", 5)[()])
    assert instant(asked, "vector(7)", 5) == {(): 7.0}


def test_factors_of_smoothing_lie_between_0_and_1() -> None:
    asked = engine(every(15, [1.0, 2.0, 3.0], "x"))
    assert instant(asked, "holt_winters(x[1m], 0.5, 0.5)", 40) == {(): 3.0}
    with pytest.raises(QueryFailed):
        instant(asked, "holt_winters(x[1m], 1, 0.5)", 40)
