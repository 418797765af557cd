"""Lines out of nothing, and series on top of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.functions.constant import constant
from andon.feedback.graphite.patterns import substituted
from andon.feedback.graphite.registry import SERIES, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Row

KNOWN: dict[str, Function] = {}
_DEFAULT_STACK = "__DEFAULT__"
_MOST_POINTS = 100_000


def _text(given: Given) -> str:
    return str(_number(given))


@declare(KNOWN, "Special", "constantLine", needs("value", Type.ANY))
def constant_line(given: Given) -> list[Row]:
    """A level line."""
    return [constant(given.asked, _number(given), _text(given))]


def _number(given: Given) -> float:
    value = given.plain("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadTarget(f"{given.function} needs a number.", remedy="Leave out the quotes.")
    return float(value)


@declare(
    KNOWN, "Graph", "threshold", needs("value", Type.ANY), takes("label", Type.STRING), takes("color", Type.STRING)
)
def threshold(given: Given) -> list[Row]:
    """A level line with a name of its own."""
    line = constant(given.asked, _number(given), _text(given))
    return [line.titled(given.text("label")) if given.text("label") else line]


@declare(
    KNOWN, "Graph", "verticalLine", needs("ts", Type.DATE), takes("label", Type.STRING), takes("color", Type.STRING)
)
def vertical_line(given: Given) -> list[Row]:
    """A line from top to bottom at one moment."""
    at = given.asked.moment(given.text("ts"))
    if not given.asked.start <= at <= given.asked.end:
        raise BadTarget(f"verticalLine(): timestamp {at} exists outside of range", remedy="Use one of the window.")
    name = given.text("label")
    return [
        Row(
            name=name,
            start=at,
            end=at,
            step=1,
            values=np.ones(2),
            expression=name or "verticalLine",
            tags={"name": name},
        )
    ]


@declare(KNOWN, "Special", "identity", needs("name", Type.STRING))
def identity(given: Given) -> list[Row]:
    """Each minute's own time, in seconds since 1970."""
    return _clock(given, 60, f'identity("{given.text("name")}")')


@declare(KNOWN, "Special", "time timeFunction", needs("name", Type.STRING), takes("step", Type.INTEGER, 60))
def time_function(given: Given) -> list[Row]:
    """Each step's own time, in seconds since 1970."""
    return _clock(given, given.whole("step"), given.text("name"))


def _clock(given: Given, step: int, expression: str) -> list[Row]:
    start, end = given.asked.start, given.asked.end
    if step < 1 or (end - start) // step > _MOST_POINTS:
        raise BadTarget(f"{given.function} needs a longer step.", remedy="Use 60.")
    values = np.arange(start, end, step).astype(np.float64)
    name = given.text("name")
    return [Row(name=name, start=start, end=end, step=step, values=values, expression=expression, tags={"name": name})]


@declare(KNOWN, "Graph", "stacked", SERIES, takes("stackName", Type.STRING, _DEFAULT_STACK))
def stacked(given: Given) -> list[Row]:
    """Each series on top of those before it."""
    name = given.text("stackName")
    found = []
    for row in given.rows():
        total = given.asked.stacks.get(name, np.zeros(0))
        below = np.zeros(max(len(total), len(row)))
        below[: len(total)] = total
        values = row.values + below[: len(row)]
        below[: len(row)] = np.where(np.isnan(values), below[: len(row)], values)
        given.asked.stacks[name] = below
        title = f"stacked({row.name})" if name == _DEFAULT_STACK else row.name
        found.append(replace(row.as_is(title, values)))
    return found


@declare(
    KNOWN,
    "Filter Series",
    "useSeriesAbove",
    SERIES,
    needs("value", Type.FLOAT),
    needs("search", Type.STRING),
    needs("replace", Type.STRING),
)
def use_series_above(given: Given) -> list[Row]:
    """For each series that is above a value somewhere the one whose name a pattern makes of its own."""
    above = [row.name for row in given.rows() if row.reduced("max") > given.number("value")]
    names = substituted(given.text("search"), given.text("replace"), above) if above else []
    return [row for name in names for row in given.asked.target(name)]
