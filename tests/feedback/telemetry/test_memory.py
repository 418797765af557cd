from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from andon.feedback.telemetry.contract.metrics import (
    NAME,
    Column,
    Comparison,
    Exemplar,
    Kind,
    Level,
    Matcher,
    Measurements,
    Resolution,
    Series,
    SeriesId,
    canonical,
    named,
    series_id,
)
from andon.feedback.telemetry.memory import DAY, MemoryMeasurements
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

NOON = 20_000 * DAY + DAY // 2


def _series(name: str, kind: Kind = Kind.GAUGE, unit: str = "", **labels: str) -> Series:
    kept = canonical(labels)
    return Series(id=series_id(name, kept), name=name, labels=kept, kind=kind, unit=unit)


def _held(*told: tuple[Series, Sequence[int], Sequence[float]]) -> MemoryMeasurements:
    samples: dict[SeriesId, tuple[Sequence[int], Sequence[float]]] = {
        one.id: (times, values) for one, times, values in told
    }
    return MemoryMeasurements([one for one, _, _ in told], samples)


SHOP = _series("hits", Kind.COUNTER, service="shop", pod="a-1")
BANK = _series("hits", Kind.COUNTER, service="bank", pod="b-1")
HOST = _series("load", unit="1", host="alpha")
ALL: Measurements = _held(*((one, [NOON], [1.0]) for one in (SHOP, BANK, HOST)))


def _found(*matchers: Matcher, sight: frozenset[Service] | None = None) -> tuple[Series, ...]:
    return ALL.select(matchers, NOON, NOON, sight=sight)


def test_series_come_sorted_by_name_and_labels() -> None:
    assert _found() == (SHOP, BANK, HOST)
    assert ALL.select((), NOON, NOON, sight=None, limit=2) == (SHOP, BANK)


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        (Comparison.EQUAL, "a-1", (SHOP,)),
        (Comparison.UNEQUAL, "a-1", (BANK, HOST)),
        (Comparison.EQUAL, "", (HOST,)),
        (Comparison.LIKE, "a-.", (SHOP,)),
        (Comparison.LIKE, "a", ()),
        (Comparison.LIKE, "a-1|b-1", (SHOP, BANK)),
        (Comparison.LIKE, "(?i)A-\\d", (SHOP,)),
        (Comparison.LIKE, ".*", (SHOP, BANK, HOST)),
        (Comparison.LIKE, ".+", (SHOP, BANK)),
        (Comparison.UNLIKE, "a.*", (BANK, HOST)),
        (Comparison.UNLIKE, ".+", (HOST,)),
    ],
)
def test_patterns_match_the_whole_value_and_a_missing_label_is_empty(
    comparison: Comparison, value: str, expected: tuple[Series, ...]
) -> None:
    assert _found(Matcher("pod", comparison, value)) == expected


def test_the_name_is_a_label_like_others() -> None:
    assert _found(*named("hits", service="shop")) == (SHOP,)
    assert _found(Matcher(NAME, Comparison.LIKE, "h.ts|load")) == (SHOP, BANK, HOST)


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", "(?<!a)b", "(a)\\1", "a" * 2_000, "(.{1000}){1000}"])
def test_a_pattern_that_re2_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        _found(Matcher("pod", Comparison.LIKE, pattern))


def test_a_hostile_pattern_takes_no_longer_than_another() -> None:
    held = _held((_series("x", word="a" * 1_000), [NOON], [1.0]))
    assert held.select((Matcher("word", Comparison.LIKE, "(a+)+(a+)+(a+)+b"),), NOON, NOON, sight=None) == ()


def test_sight_hides_what_belongs_to_other_services_and_nothing_else() -> None:
    sight = frozenset({Service("shop")})
    assert _found(sight=sight) == (SHOP, HOST)
    assert _found(sight=frozenset()) == (HOST,)
    assert [(one.name, one.series) for one in ALL.names(NOON, NOON, sight=sight)] == [("hits", 1), ("load", 1)]
    assert ALL.label_values("pod", (), NOON, NOON, sight=sight) == ("a-1",)
    assert ALL.label_names((), NOON, NOON, sight=frozenset()) == (NAME, "host")


def test_series_are_there_on_the_days_on_which_they_were_measured() -> None:
    day = NOON - DAY // 2
    for start, end, there in (
        (day, day, 3),
        (day + DAY - 1, NOON + DAY, 3),
        (day - 1, day - 1, 0),
        (day + DAY, NOON + DAY, 0),
    ):
        assert len(ALL.select((), start, end, sight=None)) == there


def test_names_tell_what_is_measured() -> None:
    hits, load = ALL.names(NOON, NOON, sight=None)
    assert (hits.kind, hits.series, hits.level) == (Kind.COUNTER, 2, Level.APPLICATION)
    assert (load.unit, load.series) == ("1", 1)
    assert ALL.label_names(named("load"), NOON, NOON, sight=None) == (NAME, "host")
    assert ALL.label_values(NAME, (), NOON, NOON, sight=None) == ("hits", "load")


def test_samples_are_cut_to_the_time_in_the_order_of_the_series() -> None:
    a, b = _series("a"), _series("b")
    held = _held((a, [30, 10, 20], [3.0, 1.0, 2.0]), (b, [15, 25], [7.0, 8.0]))
    found = held.samples([b, a], 15, 25)
    assert [one.tolist() for one in found.of(0)] == [[15, 25], [7.0, 8.0]]
    assert [one.tolist() for one in found.of(1)] == [[20], [2.0]]
    assert len(held.samples([], 0, 100).times) == 0


def test_of_a_running_value_the_last_one_sent_for_a_millisecond_counts_and_of_others_all_do() -> None:
    for kind, expected in (
        (Kind.GAUGE, [2.0]),
        (Kind.COUNTER, [2.0]),
        (Kind.DELTA, [1.0, 2.0]),
        (Kind.OBSERVATION, [1.0, 2.0]),
    ):
        one = _series("x", kind)
        assert _held((one, [5, 5], [1.0, 2.0])).samples([one], 0, 9).values.tolist() == expected


def test_rollups_tell_of_whole_buckets_at_their_ends() -> None:
    one = _series("x", Kind.COUNTER)
    held = _held((one, [0, 30_000, 59_999, 60_000, 200_000], [5.0, 9.0, 2.0, 4.0, 1.0]))

    def column(which: Column) -> list[tuple[int, float]]:
        found = held.samples([one], 0, 10**9, resolution=Resolution.MINUTE, column=which)
        return list(zip(found.times.tolist(), found.values.tolist(), strict=True))

    assert column(Column.LAST) == [(60_000, 2.0), (120_000, 4.0), (240_000, 1.0)]
    assert column(Column.SUM) == [(60_000, 16.0), (120_000, 4.0), (240_000, 1.0)]
    assert column(Column.MIN) == [(60_000, 2.0), (120_000, 4.0), (240_000, 1.0)]
    assert column(Column.MAX) == [(60_000, 9.0), (120_000, 4.0), (240_000, 1.0)]
    assert column(Column.COUNT) == [(60_000, 3.0), (120_000, 1.0), (240_000, 1.0)]
    assert column(Column.INCREASE) == [(60_000, 6.0), (120_000, 2.0), (240_000, 1.0)]
    hours = held.samples([one], 0, 3_600_000, resolution=Resolution.HOUR, column=Column.COUNT)
    assert hours.times.tolist() == [3_600_000]
    assert hours.values.tolist() == [5.0]


def test_nan_is_in_no_bucket() -> None:
    one = _series("x")
    held = _held((one, [0, 1], [math.nan, math.nan]))
    assert len(held.samples([one], 0, 10**9, resolution=Resolution.MINUTE, column=Column.MAX).times) == 0


def test_exemplars_are_those_of_the_series_in_the_time() -> None:
    told = [Exemplar(series=one.id, time=at, value=1.0, trace="ab" * 16) for one in (SHOP, BANK) for at in (30, 10)]
    held = MemoryMeasurements([SHOP, BANK], {}, exemplars=told)
    assert [one.time for one in held.exemplars([SHOP], 0, 100)] == [10, 30]
    assert held.exemplars([BANK], 11, 29) == ()


def test_a_resolution_keeps_everything_unless_it_is_told_otherwise() -> None:
    held = MemoryMeasurements([], {}, horizons={Resolution.RAW: DAY})
    assert held.horizon(Resolution.RAW) == DAY
    assert held.horizon(Resolution.HOUR) > 10**15
