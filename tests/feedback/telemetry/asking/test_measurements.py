"""What measurements answer, wherever they are kept; every test runs for the store and for those in memory."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.metrics import (
    NAME,
    Column,
    Comparison,
    Exemplar,
    Kind,
    Level,
    Matcher,
    Resolution,
    Series,
    SeriesId,
    Sight,
    named,
)
from andon.feedback.telemetry.store.retention import Keep
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from tests.feedback.telemetry.asking.filling import DAY, NOW, Filling, InStore, series

HOUR = 3_600_000


def chosen(filling: Filling, *matchers: Matcher, sight: Sight = None) -> list[str]:
    """The label ``l`` of all series that fit."""
    return [one.label("l") for one in filling.measurements().select(matchers, NOW, NOW, sight=sight)]


@pytest.mark.parametrize(
    ("comparison", "value", "fitting"),
    [
        (Comparison.EQUAL, "a", ["a"]),
        (Comparison.EQUAL, "", [""]),
        (Comparison.UNEQUAL, "a", ["", "a\nb", "ab", "b.c", "ü"]),
        (Comparison.UNEQUAL, "", ["a", "a\nb", "ab", "b.c", "ü"]),
        (Comparison.LIKE, "a", ["a"]),
        (Comparison.LIKE, "a|b.c", ["a", "b.c"]),
        (Comparison.LIKE, "a.*", ["a", "a\nb", "ab"]),
        (Comparison.LIKE, "b.c|", ["", "b.c"]),
        (Comparison.LIKE, ".*", ["", "a", "a\nb", "ab", "b.c", "ü"]),
        (Comparison.LIKE, ".+", ["a", "a\nb", "ab", "b.c", "ü"]),
        (Comparison.LIKE, r"b\.c|ü", ["b.c", "ü"]),
        (Comparison.LIKE, "(?i)A", ["a"]),
        (Comparison.LIKE, "b", []),
        (Comparison.UNLIKE, "a.*", ["", "b.c", "ü"]),
        (Comparison.UNLIKE, ".*", []),
        (Comparison.UNLIKE, "", ["a", "a\nb", "ab", "b.c", "ü"]),
        (Comparison.EQUAL, "a' OR 1=1 --", []),
        (Comparison.EQUAL, "{v0:String}", []),
    ],
)
def test_a_label_that_is_not_there_is_empty_and_patterns_match_the_whole(
    filling: Filling, comparison: Comparison, value: str, fitting: list[str]
) -> None:
    for label in ("", "a", "ab", "b.c", "a\nb", "ü"):
        filling.put(series("up", l=label), [NOW], [1])
    filling.put(series("down", l="a"), [NOW], [1])
    assert chosen(filling, *named("up"), Matcher("l", comparison, value)) == fitting


def test_the_name_is_matched_like_a_label(filling: Filling) -> None:
    for name in ("http_requests_total", "http_errors_total", "up"):
        filling.put(series(name, l=name), [NOW], [1])
    assert chosen(filling, Matcher(NAME, Comparison.LIKE, "http_.*")) == ["http_errors_total", "http_requests_total"]
    assert chosen(filling, Matcher(NAME, Comparison.UNEQUAL, "up")) == ["http_errors_total", "http_requests_total"]
    assert chosen(filling, Matcher(NAME, Comparison.LIKE, "up|http_errors_total")) == ["http_errors_total", "up"]


@pytest.mark.parametrize("pattern", ["(", "a{2000}", r"(a)\1", "(?=a)"])
def test_what_is_no_pattern_is_refused_with_words(filling: Filling, pattern: str) -> None:
    filling.put(series("up", l="a"), [NOW], [1])
    with pytest.raises(Invalid, match="pattern"):
        chosen(filling, Matcher("l", Comparison.LIKE, pattern))


def test_only_what_one_may_see_is_found_and_what_names_no_service(filling: Filling) -> None:
    for service in ("shop", "till", ""):
        filling.put(series(f"of_{service}", l=f"of {service}", service=service), [NOW], [1])
    shop = frozenset({Service("shop")})
    assert chosen(filling, sight=shop) == ["of ", "of shop"]
    assert chosen(filling, sight=frozenset()) == ["of "]
    assert chosen(filling, sight=None) == ["of ", "of shop", "of till"]
    found = filling.measurements()
    assert [one.name for one in found.names(NOW, NOW, sight=shop)] == ["of_", "of_shop"]
    assert found.label_values("service", (), NOW, NOW, sight=shop) == ("shop",)
    assert found.label_names((), NOW, NOW, sight=frozenset()) == (NAME, "l")


def test_a_series_is_found_on_the_days_on_which_it_had_samples_and_once(filling: Filling) -> None:
    filling.put(series("up", l="old"), [NOW - 5 * DAY], [1])
    filling.put(series("up", l="both"), [NOW - 5 * DAY, NOW], [1, 1])
    filling.put(series("up", l="new"), [NOW], [1])

    def days(start: int, end: int) -> list[str]:
        found = filling.measurements().select(named("up"), NOW + start * DAY, NOW + end * DAY, sight=None)
        return [one.label("l") for one in found]

    # what came late may be found on the day on which it came as well
    assert [one for one in days(0, 0) if one != "old"] == ["both", "new"]
    assert days(-5, -5) == ["both", "old"]
    assert days(-9, 9) == ["both", "new", "old"]
    assert days(-4, -1) == []


def test_a_series_comes_back_as_it_was_named(filling: Filling) -> None:
    one = series(
        "duration_seconds", Kind.OBSERVATION, Level.BUSINESS, service="shop", route="/basket/{id}", a="ü\n\x00"
    )
    filling.put(one, [NOW], [0.25])
    assert filling.measurements().select((), NOW, NOW, sight=None) == (one,)


def test_no_more_series_than_asked_for_come_back_and_those_are_the_first(filling: Filling) -> None:
    for number in (3, 1, 2, 0):
        filling.put(series("up", l=str(number)), [NOW], [1])
    found = filling.measurements()
    assert [one.label("l") for one in found.select((), NOW, NOW, sight=None, limit=2)] == ["0", "1"]
    assert found.label_values("l", (), NOW, NOW, sight=None, limit=3) == ("0", "1", "2")


def test_samples_come_in_the_order_asked_for_and_only_of_the_time_asked_for(filling: Filling) -> None:
    random.seed(7)
    all_ = [series("load", host=str(number)) for number in range(5)]
    for place, one in enumerate(all_):
        filling.put(one, [NOW + 10 * step for step in range(20)], [place + step / 10 for step in range(20)])
    unknown = series("nothing")
    asked = [all_[3], unknown, all_[0], all_[4], all_[3]]
    found = filling.measurements().samples(asked, NOW + 50, NOW + 70)
    assert found.series == tuple(asked)
    assert found.offsets.tolist() == [0, 3, 3, 6, 9, 12]
    for place, number in ((0, 3), (2, 0), (3, 4), (4, 3)):
        times, values = found.of(place)
        assert times.tolist() == [NOW + 50, NOW + 60, NOW + 70]
        assert values.tolist() == [number + step / 10 for step in (5, 6, 7)]
    assert filling.measurements().samples([], NOW, NOW).offsets.tolist() == [0]


def test_of_gauges_and_counters_the_last_sent_of_a_millisecond_counts_and_all_of_the_others(filling: Filling) -> None:
    times = [NOW + 5, NOW, NOW, NOW + 5, NOW + 5, NOW + 9]
    values = [1.0, 2.0, 3.0, 4.0, 0.5, 6.0]
    kept = {}
    for kind in Kind:
        one = filling.put(series(f"of_{kind}", kind), times[:3], values[:3])
        filling.put(one, times[3:], values[3:])
        kept[kind] = filling.measurements().samples([one], NOW, NOW + 9).of(0)
    for kind in (Kind.GAUGE, Kind.COUNTER):
        assert [part.tolist() for part in kept[kind]] == [[NOW, NOW + 5, NOW + 9], [3.0, 0.5, 6.0]]
    for kind in (Kind.DELTA, Kind.OBSERVATION):
        found, told = kept[kind]
        assert found.tolist() == [NOW, NOW, NOW + 5, NOW + 5, NOW + 5, NOW + 9]
        assert sorted(told.tolist()) == sorted(values)


def test_every_number_comes_back_to_the_last_bit(filling: Filling) -> None:
    values = [0.0, -0.0, 1.5, 0.1 + 0.2, 1e300, 5e-324, 1 / 3, float(2**53), math.inf, -math.inf, math.nan, 123.456]
    one = filling.put(series("odd"), range(NOW, NOW + 12), values)
    (_, found) = filling.measurements().samples([one], NOW, NOW + 12).of(0)
    assert found.view(np.int64).tolist() == np.array(values).view(np.int64).tolist()


def irregular(filling: Filling, kind: Kind) -> tuple[list[int], list[float]]:
    """Some hours of samples at odd intervals, with gaps and new beginnings."""
    random.seed(f"irregular {kind}")
    times, values, at, total = [], [], NOW - 5 * HOUR, 0.0
    while at < NOW:
        at += random.choice([1, 900, 10_000, 10_000, 61_000, 400_000])
        total = 0.0 if random.random() < 0.05 else total + random.randrange(10)
        times.append(at)
        values.append(math.nan if random.random() < 0.02 else total)
    return times, values


def _said(column: Column, values: list[float], gains: list[float]) -> float:
    match column:
        case Column.LAST:
            return values[-1]
        case Column.SUM:
            return sum(values)
        case Column.MIN:
            return min(values)
        case Column.MAX:
            return max(values)
        case Column.INCREASE:
            return sum(gains)
        case Column.COUNT:
            return len(values)


@pytest.mark.parametrize("resolution", [Resolution.MINUTE, Resolution.HOUR])
@pytest.mark.parametrize("column", list(Column))
def test_roll_ups_are_what_the_samples_of_their_bucket_say(
    filling: Filling, resolution: Resolution, column: Column
) -> None:
    times, values = irregular(filling, Kind.COUNTER)
    one = filling.put(series("requests", Kind.COUNTER), times, values)
    end = NOW // HOUR * HOUR
    found = filling.measurements().samples([one], NOW - 4 * HOUR, end, resolution=resolution, column=column)
    known = [(at, value) for at, value in zip(times, values, strict=True) if not math.isnan(value)]
    gains = [0.0] + [b - a if b >= a else b for (_, a), (_, b) in pairwise(known)]
    expected: dict[int, list[tuple[float, float]]] = {}
    for (at, value), gained in zip(known, gains, strict=True):
        bucket = (at // resolution.milliseconds + 1) * resolution.milliseconds
        if NOW - 4 * HOUR <= bucket <= end:
            expected.setdefault(bucket, []).append((value, gained))
    wanted = [_said(column, [value for value, _ in held], [gained for _, gained in held]) for held in expected.values()]
    assert found.of(0)[0].tolist() == list(expected)
    assert found.of(0)[1].tolist() == wanted


def test_names_tell_what_their_series_are(filling: Filling) -> None:
    for host in ("a", "b"):
        filling.put(series("load", Kind.GAUGE, Level.INFRASTRUCTURE, host=host), [NOW], [1])
    filling.put(series("orders", Kind.DELTA, Level.BUSINESS), [NOW], [1])
    first, second = filling.measurements().names(NOW, NOW, sight=None)
    assert (first.name, first.kind, first.level, first.series) == ("load", Kind.GAUGE, Level.INFRASTRUCTURE, 2)
    assert (second.name, second.kind, second.level, second.series) == ("orders", Kind.DELTA, Level.BUSINESS, 1)


def test_labels_and_their_values_are_those_of_the_series_that_fit(filling: Filling) -> None:
    filling.put(series("up", host="a", zone="x"), [NOW], [1])
    filling.put(series("up", host="b"), [NOW], [1])
    filling.put(series("load", disk="sda"), [NOW], [1])
    found = filling.measurements()
    assert found.label_names(named("up"), NOW, NOW, sight=None) == (NAME, "host", "zone")
    assert found.label_values("host", named("up"), NOW, NOW, sight=None) == ("a", "b")
    assert found.label_values(NAME, (), NOW, NOW, sight=None) == ("load", "up")
    assert found.label_values("host", named("load"), NOW, NOW, sight=None) == ()


def test_exemplars_lead_from_a_series_to_traces(filling: Filling) -> None:
    one = filling.put(series("latency", Kind.OBSERVATION), [NOW], [1])
    mine = Exemplar(series=one.id, time=NOW, value=0.7, trace="a" * 32, span="b" * 16, labels=(("k", "v"),))
    filling.put_exemplar(mine)
    filling.put_exemplar(Exemplar(series=one.id, time=NOW + DAY, value=0.7, trace="c" * 32))
    filling.put_exemplar(Exemplar(series=series("other").id, time=NOW, value=0.7, trace="d" * 32))
    assert filling.measurements().exemplars([one], NOW - 1, NOW + 1) == (mine,)


def test_of_many_exemplars_the_highest_and_the_first_of_each_time_are_kept(filling: Filling) -> None:
    one = filling.put(series("latency", Kind.OBSERVATION), [NOW], [1])
    other = filling.put(series("latency", Kind.OBSERVATION, version="b"), [NOW], [1])
    for number, value in enumerate((0.2, 0.9, 0.1, 0.4, 0.3, 0.8)):
        filling.put_exemplar(
            Exemplar(series=(one, other)[number % 2].id, time=NOW + number * 1000, value=value, trace=f"{number:032x}")
        )
    found = filling.measurements().exemplars([one, other], NOW, NOW + HOUR, every=3000)
    assert [int(each.trace, 16) for each in found] == [0, 1, 3, 5]
    assert [each.value for each in filling.measurements().exemplars([one], NOW, NOW + HOUR, every=HOUR)] == [0.2, 0.3]


# What only the store has


def test_thousands_of_series_are_fetched_at_once(in_store: InStore) -> None:
    in_store.engine.command(
        "INSERT INTO samples (series, time, level, m, e) "
        "SELECT number % 12000, {now:Int64} + intDiv(number, 12000), 'application', number, 0 FROM numbers(36000)",
        {"now": NOW},
        insert_deduplication_token="thousands",
    )
    asked = [Series(id=SeriesId(number), name="many", labels=(), kind=Kind.GAUGE) for number in range(12_000)]
    found = in_store.measurements().samples(asked[::-1], NOW, NOW + 10)
    assert np.diff(found.offsets).tolist() == [3] * 12_000
    assert found.of(0)[1].tolist() == [11_999, 23_999, 35_999]


def test_the_bucket_that_still_runs_ends_where_the_question_ends(in_store: InStore) -> None:
    one = in_store.put(series("load"), [NOW - 30_000, NOW + 20_000], [1, 2])
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        found = in_store.measurements().samples([one], NOW - HOUR, NOW + 30_000, resolution=resolution)
        assert [part.tolist() for part in found.of(0)] == [[NOW, NOW + 30_000], [1, 2]]


@pytest.mark.parametrize("rolled", [0, 1, 90, 5 * 60])
@pytest.mark.parametrize("resolution", [Resolution.MINUTE, Resolution.HOUR])
def test_it_makes_no_difference_how_much_is_rolled_up_yet(
    in_store: InStore, resolution: Resolution, rolled: int
) -> None:
    times, values = irregular(in_store, Kind.COUNTER)
    one = in_store.put(series("requests", Kind.COUNTER), times, values)

    def answers() -> list[list[float]]:
        found = in_store.measurements()
        return [
            part.tolist()
            for column in Column
            for part in found.samples([one], NOW - 4 * HOUR, NOW, resolution=resolution, column=column).of(0)
        ]

    before = answers()
    in_store.now = NOW - 5 * HOUR + rolled * 60_000
    in_store.rollups.roll()
    assert answers() == before


def test_a_series_whose_level_was_declared_anew_keeps_its_past(in_store: InStore) -> None:
    old = in_store.put(series("orders", level=Level.APPLICATION, service="shop"), [NOW], [1])
    in_store.now += DAY
    new = in_store.put(series("orders", level=Level.BUSINESS, service="shop"), [NOW + DAY], [2])
    assert old.id == new.id
    found = in_store.measurements()
    (one,) = found.select(named("orders"), NOW, NOW + DAY, sight=None)
    assert one.level is Level.BUSINESS
    assert found.samples([one], NOW, NOW + DAY).values.tolist() == [1, 2]


def test_what_comes_late_for_a_series_that_was_declared_anew_is_found(in_store: InStore) -> None:
    in_store.put(series("orders", level=Level.APPLICATION), [NOW], [1])
    in_store.now += 2 * DAY
    one = in_store.put(series("orders", level=Level.BUSINESS), [NOW + 1, NOW + DAY], [2, 3])
    found = in_store.measurements()
    assert len(found.select(named("orders"), NOW + DAY, NOW + DAY, sight=None)) == 1
    (same,) = found.select(named("orders"), NOW, NOW, sight=None)
    assert same.id == one.id
    assert found.samples([same], NOW, NOW + DAY).values.tolist() == [1, 2, 3]


@pytest.mark.parametrize("step", [2 * 60_000, HOUR])
@pytest.mark.parametrize(
    "query", ["increase(orders[{0}s])", "orders", "increase(hits[{0}s])", "count_over_time(load[{0}s])"]
)
def test_the_bucket_that_still_runs_makes_no_sum_longer_than_its_window(
    in_store: InStore, query: str, step: int
) -> None:
    times = range(NOW - 8 * HOUR, NOW - 15_000, 10_000)
    in_store.put(series("orders", Kind.DELTA), times, [1] * len(times))
    in_store.put(series("hits", Kind.COUNTER), times, range(len(times)))
    in_store.put(series("load"), times, [1] * len(times))
    for end in (NOW - 15_000, NOW - HOUR // 2):
        keep = Keep(raw_days=dict.fromkeys(Level, 0), minute_days=0 if step == HOUR else 90)
        measured = StoredMeasurements(in_store.engine, keep)
        asked = Engine(measured, now=lambda: NOW)
        (line,) = asked.range(query.format(step // 1000), end - 3 * step, end, step, sight=None).lines
        assert line.values.tolist() == [step / 10_000] * 4
