"""Functions by numbers that can be worked out by hand; `benchmarks/graphite_conformance.py` asks Graphite itself."""

from __future__ import annotations

import pytest

from andon.feedback.graphite.functions import FUNCTIONS
from tests.feedback.graphite.measured import Told, every, values_of

Values = list[float | None]


def told() -> Told:
    return (
        Told()
        .graphite("s.a.load", every(10, 1, 2, None, 4, 5, 6))
        .graphite("s.b.load", every(10, 10, 20, 30, None, 50, 60))
        .graphite("c.total", every(10, 100, 130, 190, 10, 40, 40))
        .graphite("past", [*[(at, 100 + at / 10) for at in range(-3_600, 10, 10)], *every(10, 1, 2, 3, 4, 5, 6)])
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("sumSeries(s.*.load)", [11, 22, 30, 4, 55, 66]),
        ("averageSeries(s.*.load)", [5.5, 11, 30, 4, 27.5, 33]),
        ("minSeries(s.*.load)", [1, 2, 30, 4, 5, 6]),
        ("maxSeries(s.*.load)", [10, 20, 30, 4, 50, 60]),
        ("diffSeries(s.b.load,s.a.load)", [9, 18, 30, 4, 45, 54]),
        ("multiplySeries(s.*.load)", [10, 40, None, None, 250, 360]),
        ("rangeOfSeries(s.*.load)", [9, 18, 0, 0, 45, 54]),
        ("stddevSeries(s.*.load)", [4.5, 9, 0, 0, 22.5, 27]),
        ("medianSeries(s.*.load)", [5.5, 11, 30, 4, 27.5, 33]),
        ("countSeries(s.*.load)", [2, 2, 2, 2, 2, 2]),
        ("aggregate(s.*.load,'sum',1)", [11, 22, None, None, 55, 66]),
        ("divideSeries(s.b.load,s.a.load)", [10, 10, None, None, 10, 10]),
        ("asPercent(s.a.load,200)", [0.5, 1, None, 2, 2.5, 3]),
        ("asPercent(s.a.load,s.b.load)", [10, 10, None, None, 10, 10]),
        ("percentileOfSeries(s.*.load,50)", [10, 20, 30, 4, 50, 60]),
        ("scale(s.a.load,2)", [2, 4, None, 8, 10, 12]),
        ("offset(s.a.load,-1)", [0, 1, None, 3, 4, 5]),
        ("offsetToZero(s.b.load)", [0, 10, 20, None, 40, 50]),
        ("invert(s.a.load)", [1, 0.5, None, 0.25, 0.2, pytest.approx(1 / 6)]),
        ("derivative(s.a.load)", [None, 1, None, None, 1, 1]),
        ("nonNegativeDerivative(c.total)", [None, 30, 60, None, 30, 0]),
        ("nonNegativeDerivative(c.total,199)", [None, 30, 60, 20, 30, 0]),
        ("perSecond(c.total)", [None, 3, 6, None, 3, 0]),
        ("scaleToSeconds(s.a.load,1)", [0.1, 0.2, None, 0.4, 0.5, 0.6]),
        ("integral(s.a.load)", [1, 3, None, 7, 12, 18]),
        ("delay(s.a.load,2)", [None, None, 1, 2, None, 4]),
        ("keepLastValue(s.a.load)", [1, 2, 2, 4, 5, 6]),
        ("keepLastValue(s.a.load,0)", [1, 2, None, 4, 5, 6]),
        ("interpolate(s.a.load)", [1, 2, 3, 4, 5, 6]),
        ("transformNull(s.a.load,-1)", [1, 2, -1, 4, 5, 6]),
        ("isNonNull(s.a.load)", [1, 1, 0, 1, 1, 1]),
        ("changed(c.total)", [0, 1, 1, 1, 1, 0]),
        ("removeAboveValue(s.a.load,4)", [1, 2, None, 4, None, None]),
        ("removeBelowValue(s.a.load,4)", [None, None, None, 4, 5, 6]),
        ("nPercentile(s.b.load,50)", [30, 30, 30, 30, 30, 30]),
        ("summarize(s.a.load,'30s')", [3, 9, 6]),
        ("summarize(s.a.load,'30s','max',true)", [2, 6]),
        ("movingAverage(past,2)", [pytest.approx(99.5), pytest.approx(50.5), 1.5, 2.5, 3.5, 4.5]),
        ("movingSum(past,'20s')", [199, pytest.approx(101), 3, 5, 7, 9]),
        ("movingMax(past,3)", [100, 100, 100, 3, 4, 5]),
        ("timeShift(past,'10s')", [100, 1, 2, 3, 4, 5]),
        ("pow(s.a.load,2)", [1, 4, None, 16, 25, 36]),
        ("minMax(c.total)", [0.5, pytest.approx(2 / 3), 1, 0, pytest.approx(1 / 6), pytest.approx(1 / 6)]),
        ("sumSeries(s.*.load) | scale(0.5)", [5.5, 11, 15, 2, 27.5, 33]),
    ],
)
def test_a_function_makes_of_numbers_what_graphite_makes_of_them(target: str, expected: Values) -> None:
    assert told().values(target) == expected


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("aliasByNode(s.*.load,1)", ["a", "b"]),
        ("aliasByNode(scale(s.*.load,2),1,-1)", ["a.load", "b.load"]),
        ("aliasSub(s.*.load,'^s\\.(.)\\..*$','\\1!')", ["a!", "b!"]),
        ("aliasByMetric(s.a.load)", ["load"]),
        ("alias(s.a.load,'A')", ["A"]),
        ("substr(s.a.load,1,3)", ["a.load"]),
        ("highestAverage(s.*.load,1)", ["s.b.load"]),
        ("lowestCurrent(s.*.load,1)", ["s.a.load"]),
        ("currentAbove(s.*.load,10)", ["s.b.load"]),
        ("averageBelow(s.*.load,10)", ["s.a.load"]),
        ("sortByMaxima(s.*.load)", ["s.b.load", "s.a.load"]),
        ("sortByName(s.*.load,false,true)", ["s.b.load", "s.a.load"]),
        ("limit(s.*.load,1)", ["s.a.load"]),
        ("grep(s.*.load,'b')", ["s.b.load"]),
        ("exclude(s.*.load,'b')", ["s.a.load"]),
        ("unique(s.a.load,s.*.load)", ["s.a.load", "s.b.load"]),
        ("mostDeviant(s.*.load,1)", ["s.b.load"]),
        ("filterSeries(s.*.load,'max','>=',60)", ["s.b.load"]),
        ("fallbackSeries(nothing,s.a.load)", ["s.a.load"]),
        ("removeEmptySeries(group(s.a.load,removeAboveValue(s.b.load,0)))", ["s.a.load"]),
        ("sumSeries(s.a.load,s.b.load)", ["sumSeries(s.a.load,s.b.load)"]),
        ("sumSeriesWithWildcards(s.*.load,1)", ["s.load"]),
        ("groupByNode(s.*.load,0,'sum')", ["s"]),
        ("groupByNodes(s.*.load,'max',2,0)", ["load.s"]),
        ("applyByNode(s.*.load,1,'scale(%.load,2)','%.twice')", ["s.a.twice", "s.b.twice"]),
        ("dashed(secondYAxis(s.a.load))", ["dashed(secondYAxis(s.a.load), 5)"]),
        ("threshold(5,'limit','red')", ["limit"]),
        ("template(s.$1.load,'b')", ["s.b.load"]),
    ],
)
def test_series_are_chosen_ordered_and_named_as_graphite_does_it(target: str, names: list[str]) -> None:
    assert [row.name for row in told().asked(target)] == names


def test_series_of_different_steps_meet_at_the_longer_one() -> None:
    both = Told().graphite("slow", every(60, 6, 12, 18)).graphite("fast", every(10, *([1] * 24)))
    [row] = both.asked("sumSeries(slow,fast)", seconds=180)
    assert row.step == 60
    assert values_of(row)[:2] == [7, 13]


def test_a_holt_winters_forecast_follows_what_repeats_itself() -> None:
    week = [(at, 10.0 + (at // 3_600) % 2 * 5) for at in range(-86_400, 3_700, 60)]
    [forecast] = Told().graphite("wave", week).asked("holtWintersForecast(wave,'1d','2h')", seconds=3_600)
    expected = [10.0 + (at // 3_600) % 2 * 5 for at in range(60, 3_660, 60)]
    apart = [abs(one - other) for one, other in zip(forecast.values.tolist(), expected, strict=True)]
    assert sum(apart) / len(apart) < 1.5


def test_every_function_says_what_it_does_and_what_it_takes() -> None:
    assert len(FUNCTIONS) >= 130
    for name, one in FUNCTIONS.items():
        assert one.description, name
        assert one.group, name
