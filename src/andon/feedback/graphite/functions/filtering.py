"""Some of the series, or some of their values; and their order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from andon.feedback.graphite.aggregating import enough, percentile
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.patterns import matching
from andon.feedback.graphite.registry import SERIES, SERIES_LISTS, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Floats, Row

KNOWN: dict[str, Function] = {}
_N = needs("n", Type.FLOAT)
_PATTERN = needs("pattern", Type.STRING)


def _fits(value: float, operator: str, threshold: float) -> bool:
    """No value is unequal to, and below, every number."""
    missing = math.isnan(value)
    match operator:
        case "=":
            return value == threshold
        case "!=":
            return missing or value != threshold
        case ">":
            return value > threshold
        case ">=":
            return value >= threshold
        case "<":
            return missing or value < threshold
        case "<=":
            return missing or value <= threshold
    raise BadTarget(f"Unsupported operator: {operator}", remedy="Use =, !=, >, >=, < or <=.")


def _filtered(rows: Sequence[Row], function: str, operator: str, threshold: float) -> list[Row]:
    return [row for row in rows if _fits(row.reduced(function), operator, threshold)]


@declare(
    KNOWN,
    "Filter Series",
    "filterSeries",
    SERIES,
    needs("func", Type.AGGREGATION),
    needs("operator", Type.STRING, options=("!=", "<", "<=", "=", ">", ">=")),
    needs("threshold", Type.FLOAT),
)
def filter_series(given: Given) -> list[Row]:
    """The series of which all values together are above, below or equal to a number."""
    return _filtered(given.rows(), given.text("func"), given.text("operator"), given.number("threshold"))


def _declare_bound(name: str, function: str, operator: str) -> None:
    def body(given: Given) -> list[Row]:
        return _filtered(given.rows(), function, operator, given.number("n"))

    body.__doc__ = f"The series whose {function} is {'above' if operator == '>' else 'not above'} n."
    declare(KNOWN, "Filter Series", name, SERIES, _N)(body)


def _declare_best(name: str, function: str, *, highest: bool) -> None:
    def body(given: Given) -> list[Row]:
        return _ordered(given.rows(), function, descending=highest)[: max(0, given.whole("n"))]

    body.__doc__ = f"The n series with the {'highest' if highest else 'lowest'} {function}."
    declare(KNOWN, "Filter Series", name, SERIES, needs("n", Type.INTEGER))(body)


for _word, _function in (("maximum", "max"), ("minimum", "min"), ("current", "last"), ("average", "average")):
    _declare_bound(f"{_word}Above", _function, ">")
    _declare_bound(f"{_word}Below", _function, "<=")
for _word, _function in (("Average", "average"), ("Current", "last"), ("Max", "max")):
    _declare_best(f"highest{_word}", _function, highest=True)
for _word, _function in (("Average", "average"), ("Current", "last")):
    _declare_best(f"lowest{_word}", _function, highest=False)


def _ordered(rows: Sequence[Row], function: str, *, descending: bool) -> list[Row]:
    """By what all values come to, those without any as the lowest; equal ones stay in their order."""

    def key(row: Row) -> float:
        value = row.reduced(function)
        return -np.inf if math.isnan(value) else value

    return sorted(rows, key=key, reverse=descending)


@declare(
    KNOWN,
    "Filter Series",
    "highest",
    SERIES,
    takes("n", Type.INTEGER, 1),
    takes("func", Type.AGGREGATION, "average"),
)
def highest(given: Given) -> list[Row]:
    """The n series with the highest value of a function."""
    return _ordered(given.rows(), given.text("func"), descending=True)[: max(0, given.whole("n"))]


@declare(
    KNOWN, "Filter Series", "lowest", SERIES, takes("n", Type.INTEGER, 1), takes("func", Type.AGGREGATION, "average")
)
def lowest(given: Given) -> list[Row]:
    """The n series with the lowest value of a function."""
    return _ordered(given.rows(), given.text("func"), descending=False)[: max(0, given.whole("n"))]


@declare(KNOWN, "Filter Series", "limit", SERIES, needs("n", Type.INTEGER))
def limit(given: Given) -> list[Row]:
    """The first n series."""
    return given.rows()[: given.whole("n")]


@declare(KNOWN, "Filter Series", "grep", SERIES, _PATTERN)
def grep(given: Given) -> list[Row]:
    """The series in whose name the pattern is found."""
    rows = given.rows()
    return [row for row, fits in zip(rows, matching(given.text("pattern"), rows), strict=True) if fits]


@declare(KNOWN, "Filter Series", "exclude", SERIES, _PATTERN)
def exclude(given: Given) -> list[Row]:
    """The series in whose name the pattern is not found."""
    rows = given.rows()
    return [row for row, fits in zip(rows, matching(given.text("pattern"), rows), strict=True) if not fits]


@declare(KNOWN, "Filter Series", "unique", SERIES_LISTS)
def unique(given: Given) -> list[Row]:
    """The first series of each name."""
    found: dict[str, Row] = {}
    for row in given.all():
        found.setdefault(row.name, row)
    return list(found.values())


@declare(KNOWN, "Filter Series", "removeEmptySeries", SERIES, takes("xFilesFactor", Type.FLOAT))
def remove_empty(given: Given) -> list[Row]:
    """The series that have values, or at least this share of them."""
    least = given.number("xFilesFactor") if given.has("xFilesFactor") else 0.0
    return [row for row in given.rows() if len(row) and enough(row.values[None, :], least)[0]]


@declare(KNOWN, "Special", "fallbackSeries", SERIES, needs("fallback", Type.SERIES))
def fallback(given: Given) -> list[Row]:
    """The second where there is no series of the first."""
    return given.rows() or given.rows("fallback")


@declare(KNOWN, "Filter Series", "mostDeviant", SERIES, needs("n", Type.INTEGER))
def most_deviant(given: Given) -> list[Row]:
    """The n series whose values are furthest from their own average."""
    known = [row for row in given.rows() if not np.isnan(row.reduced("stddev"))]
    return _ordered(known, "stddev", descending=True)[: max(0, given.whole("n"))]


def _percentile(values: Floats, percent: float) -> float:
    return float(percentile(values[:, None], percent)[0])


@declare(KNOWN, "Calculate", "nPercentile", SERIES, _N)
def n_percentile(given: Given) -> list[Row]:
    """A level line at the n-th percentile of each series."""
    percent = given.number("n")
    if not percent:
        raise BadTarget("The requested percent is required to be greater than 0", remedy="Use one up to 100.")
    found = []
    for row in given.rows():
        value = _percentile(row.values, percent)
        if not math.isnan(value):
            points = max(0, (row.end - row.start) // row.step)
            found.append(row.as_is(f"nPercentile({row.name}, {percent:g})", np.full(points, value)))
    return found


@declare(KNOWN, "Filter Series", "averageOutsidePercentile", SERIES, _N)
def average_outside_percentile(given: Given) -> list[Row]:
    """The series whose average is not between the two percentiles."""
    rows, percent = given.rows(), given.number("n")
    percent = 100 - percent if percent < 50 else percent
    averages = np.array([row.reduced("average") for row in rows])
    low, high = (_percentile(averages, one) for one in (100 - percent, percent)) if rows else (np.nan, np.nan)
    return [row for row, value in zip(rows, averages.tolist(), strict=True) if not low < value < high]


@declare(KNOWN, "Filter Series", "removeBetweenPercentile", SERIES, _N)
def remove_between_percentile(given: Given) -> list[Row]:
    """The series with a value at some moment that is not between the two percentiles of that moment."""
    rows, percent = given.rows(), given.number("n")
    if not rows:
        return []
    percent = 100 - percent if percent < 50 else percent
    length = min(len(row) for row in rows)
    values = np.array([row.values[:length] for row in rows])
    low, high = percentile(values, 100 - percent), percentile(values, percent)
    outside = ~((low < values) & (values < high)) & ~np.isnan(values)
    return [row for row, is_out in zip(rows, outside.any(axis=1).tolist(), strict=True) if is_out]


_Cut = Callable[[Floats, float], Floats]
_CUTS: Mapping[str, _Cut] = {
    "Above": lambda values, bound: np.where(values > bound, np.nan, values),
    "Below": lambda values, bound: np.where(values < bound, np.nan, values),
}


def _declare_cut(side: str, cut: _Cut, *, percentile_: bool) -> None:
    name = f"remove{side}{'Percentile' if percentile_ else 'Value'}"

    def body(given: Given) -> list[Row]:
        number = given.number("n")
        found = []
        for row in given.rows():
            bound = _percentile(row.values, number) if percentile_ else number
            found.append(row.as_is(f"{name}({row.name}, {number:g})", cut(row.values, bound)))
        return found

    body.__doc__ = f"No values {side.lower()} {'the n-th percentile' if percentile_ else 'n'}."
    declare(KNOWN, "Filter Data", name, SERIES, _N)(body)


for _side, _cut in _CUTS.items():
    _declare_cut(_side, _cut, percentile_=True)
    _declare_cut(_side, _cut, percentile_=False)


@declare(
    KNOWN,
    "Sorting",
    "sortBy",
    SERIES,
    takes("func", Type.AGGREGATION, "average"),
    takes("reverse", Type.BOOLEAN, False),
)
def sort_by(given: Given) -> list[Row]:
    """By what all values come to, the lowest first."""
    return _ordered(given.rows(), given.text("func"), descending=given.flag("reverse"))


@declare(
    KNOWN, "Sorting", "sortByName", SERIES, takes("natural", Type.BOOLEAN, False), takes("reverse", Type.BOOLEAN, False)
)
def sort_by_name(given: Given) -> list[Row]:
    """By name; naturally means that 9 comes before 10."""
    natural = given.flag("natural")

    def key(row: Row) -> str:
        return re.sub(r"\d+", lambda found: found[0].zfill(10), row.name) if natural else row.name

    return sorted(given.rows(), key=key, reverse=given.flag("reverse"))


@declare(KNOWN, "Sorting", "sortByTotal", SERIES)
def sort_by_total(given: Given) -> list[Row]:
    """The largest sum first."""
    return _ordered(given.rows(), "sum", descending=True)


@declare(KNOWN, "Sorting", "sortByMaxima", SERIES)
def sort_by_maxima(given: Given) -> list[Row]:
    """The largest value first."""
    return _ordered(given.rows(), "max", descending=True)


@declare(KNOWN, "Sorting", "sortByMinima", SERIES)
def sort_by_minima(given: Given) -> list[Row]:
    """The smallest value first, of those that are above zero at all."""
    return _ordered([row for row in given.rows() if row.reduced("max") > 0], "min", descending=False)
