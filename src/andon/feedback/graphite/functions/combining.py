"""Several series as one: sums, averages, quotients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from andon.feedback.graphite.aggregating import along, enough, function_name, percentile
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.functions.constant import constant
from andon.feedback.graphite.registry import (
    SERIES,
    SERIES_LISTS,
    Asked,
    Body,
    Function,
    Given,
    Type,
    declare,
    needs,
    takes,
)
from andon.feedback.graphite.rows import Floats, Row, aligned, common_tags, expressions

KNOWN: dict[str, Function] = {}
_PAIR = (needs("seriesListFirstPos", Type.SERIES), needs("seriesListSecondPos", Type.SERIES))


def combined(asked: Asked, rows: Sequence[Row], function: str, threshold: float | None = None) -> list[Row]:
    """All of them as one series; none where there is none."""
    if not rows:
        return []
    plain = function_name(function)
    block = aligned(rows)
    least = threshold if threshold is not None else asked.threshold or 0.0
    values = along(plain, block.values.T)
    name = f"{plain}Series({expressions(rows)})"
    tags = {"name": name, **common_tags(rows), "aggregatedBy": plain}
    return [
        Row(
            name=name,
            start=block.start,
            end=block.end,
            step=block.step,
            values=np.where(enough(block.values.T, least), values, np.nan),
            expression=name,
            tags=tags,
            threshold=least,
        )
    ]


@declare(KNOWN, "Combine", "aggregate", SERIES, needs("func", Type.AGGREGATION), takes("xFilesFactor", Type.FLOAT))
def aggregate(given: Given) -> list[Row]:
    """All series as one, by the function that is named."""
    return combined(given.asked, given.rows(), given.text("func"), given.maybe("xFilesFactor"))


def _declare_combination(names: str, function: str, says: str) -> None:
    def body(given: Given) -> list[Row]:
        return combined(given.asked, given.all(), function)

    body.__doc__ = says
    declare(KNOWN, "Combine", names, SERIES_LISTS)(body)


for _names, _function, _says in (
    ("sumSeries sum", "sum", "The sum of all series at each moment."),
    ("averageSeries avg", "average", "The average of all series at each moment."),
    ("minSeries", "min", "The smallest value of all series at each moment."),
    ("maxSeries", "max", "The largest value of all series at each moment."),
    ("diffSeries", "diff", "The first series less all others."),
    ("stddevSeries", "stddev", "The standard deviation of all series at each moment."),
    ("rangeOfSeries", "rangeOf", "The largest less the smallest value at each moment."),
    ("medianSeries", "median", "The median of all series at each moment."),
    ("lastSeries", "last", "The last of the series that has a value, at each moment."),
):
    _declare_combination(_names, _function, _says)


@declare(KNOWN, "Combine", "multiplySeries", SERIES_LISTS)
def multiply_series(given: Given) -> list[Row]:
    """The product of all series at each moment; one series alone stays as it is."""
    lists = given.lists()
    if len(lists) == 1 and len(lists[0]) == 1:
        return lists[0]
    return combined(given.asked, given.all(), "multiply")


@declare(KNOWN, "Combine", "countSeries", takes("seriesLists", Type.SERIES, multiple=True))
def count_series(given: Given) -> list[Row]:
    """How many series there are, whether or not they have values."""
    rows = given.all()
    if not given.lists():
        return [replace(constant(given.asked, 0, "0"), expression="countSeries()")]
    if not rows:
        return []
    block = aligned(rows)
    name = f"countSeries({expressions(rows)})"
    values = np.full(block.values.shape[1], float(len(rows)))
    return [
        Row(
            name=name,
            start=block.start,
            end=block.end,
            step=block.step,
            values=values,
            expression=name,
            tags={"name": name},
        )
    ]


@declare(
    KNOWN, "Combine", "percentileOfSeries", SERIES, needs("n", Type.FLOAT), takes("interpolate", Type.BOOLEAN, False)
)
def percentile_of_series(given: Given) -> list[Row]:
    """The n-th percentile of all series at each moment."""
    rows, percent = given.rows(), given.number("n")
    if not percent > 0:
        raise BadTarget("The requested percent is required to be greater than 0", remedy="Use one up to 100.")
    if not rows:
        return []
    block = aligned(rows)
    name = f"percentileOfSeries({rows[0].expression},{percent:g})"
    values = percentile(block.values, percent, interpolate=given.flag("interpolate"))
    return [
        Row(
            name=name,
            start=block.start,
            end=block.end,
            step=block.step,
            values=values,
            expression=name,
            tags={"name": name},
        )
    ]


@declare(KNOWN, "Combine", "powSeries", SERIES_LISTS)
def pow_series(given: Given) -> list[Row]:
    """The first series to the power of the second, that to the power of the third, and so on."""
    rows = given.all()
    if not rows:
        return []
    block = aligned(rows)
    values = block.values[0]
    with np.errstate(all="ignore"):
        for row in block.values[1:]:
            values = powered(values, row)
    name = f"powSeries({','.join(row.name for row in rows)})"
    return [
        Row(
            name=name,
            start=block.start,
            end=block.end,
            step=block.step,
            values=values,
            expression=name,
            tags={"name": name},
        )
    ]


def powered(values: Floats, exponent: Floats | float) -> Floats:
    """NaN where either is none (NumPy has 1 there) or where there is no such power."""
    with np.errstate(all="ignore"):
        found = np.power(values, exponent)
    found = np.where(np.isnan(values) | np.isnan(exponent), np.nan, found)
    return np.where(np.isinf(found) & np.isfinite(values), np.nan, found)


def quotient(name: str, dividend: Row, divisor: Row, *, times: float = 1.0) -> Row:
    """One series over another; none where the other is zero."""
    block = aligned([dividend, divisor])
    with np.errstate(all="ignore"):
        values = np.where(block.values[1] == 0, np.nan, block.values[0] / block.values[1])
    if times != 1.0:
        values = values * times
    return Row(
        name=name,
        start=block.start,
        end=block.end,
        step=block.step,
        values=values,
        expression=name,
        tags={**common_tags([dividend, divisor]), "name": name},
    )


@declare(
    KNOWN, "Combine", "divideSeries", needs("dividendSeriesList", Type.SERIES), needs("divisorSeries", Type.SERIES)
)
def divide_series(given: Given) -> list[Row]:
    """Each series over the one of the second argument."""
    dividends, divisors = given.rows("dividendSeriesList"), given.rows("divisorSeries")
    if not divisors:
        return [row.as_is(f"divideSeries({row.name},MISSING)", np.full(len(row), np.nan)) for row in dividends]
    if len(divisors) > 1:
        raise BadTarget(
            f"divideSeries second argument must reference exactly 1 series (got {len(divisors)})",
            remedy="Sum them up, or use divideSeriesLists.",
        )
    return [quotient(f"divideSeries({row.name},{divisors[0].name})", row, divisors[0]) for row in dividends]


@declare(
    KNOWN,
    "Combine",
    "divideSeriesLists",
    needs("dividendSeriesList", Type.SERIES),
    needs("divisorSeriesList", Type.SERIES),
)
def divide_series_lists(given: Given) -> list[Row]:
    """Each series of the first list over the one at the same place in the second."""
    dividends, divisors = given.rows("dividendSeriesList"), given.rows("divisorSeriesList")
    _same_length(dividends, divisors)
    return [
        quotient(f"divideSeries({one.name},{other.name})", one, other)
        for one, other in zip(dividends, divisors, strict=True)
    ]


def _same_length(first: Sequence[Row], second: Sequence[Row]) -> None:
    if len(first) != len(second):
        raise BadTarget(
            f"The lists have {len(first)} and {len(second)} series, and must have equal length.",
            remedy="Use patterns that fit the same things.",
        )


def _pairwise(function: str, says: str) -> Body:
    def body(given: Given) -> list[Row]:
        first, second = given.rows("seriesListFirstPos"), given.rows("seriesListSecondPos")
        return _paired(given, first, second, function)

    body.__doc__ = says
    return body


def _paired(given: Given, first: list[Row], second: list[Row], function: str) -> list[Row]:
    _same_length(first, second)
    found = []
    for one, other in zip(first, second, strict=True):
        for row in combined(given.asked, [one, other], function, given.maybe("xFilesFactor")):
            found.append(row.titled(f"{function}Series({one.name},{other.name})"))
    return found


for _name, _function in (("sumSeriesLists", "sum"), ("diffSeriesLists", "diff"), ("multiplySeriesLists", "multiply")):
    declare(KNOWN, "Combine", _name, *_PAIR)(
        _pairwise(_function, "Each series of the first list with the one at the same place in the second.")
    )


@declare(
    KNOWN,
    "Combine",
    "aggregateSeriesLists",
    *_PAIR,
    needs("func", Type.AGGREGATION),
    takes("xFilesFactor", Type.FLOAT),
)
def aggregate_series_lists(given: Given) -> list[Row]:
    """Each series of the first list with the one at the same place in the second, by the function that is named."""
    first, second = given.rows("seriesListFirstPos"), given.rows("seriesListSecondPos")
    return _paired(given, first, second, function_name(given.text("func")))


@declare(KNOWN, "Combine", "group", SERIES_LISTS)
def group(given: Given) -> list[Row]:
    """All series as one list."""
    return given.all()
