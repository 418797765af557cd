"""Moving windows: each point is of the points before it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from andon.feedback.graphite.aggregating import along, enough
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.functions.transforming import rounded
from andon.feedback.graphite.registry import SERIES, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Floats, Row
from andon.feedback.graphite.times import seconds_of

KNOWN: dict[str, Function] = {}
_AT_ONCE = 4_000_000
"""Values that a piece of the windows holds."""
_WINDOW = needs("windowSize", Type.INTEGER_OR_INTERVAL)
_THRESHOLD = takes("xFilesFactor", Type.FLOAT)


def preview(given: Given) -> tuple[int, int | None, str]:
    """The seconds before the window that are looked at, how many points those are if that was told, and how it was."""
    size = given.plain("windowSize")
    if isinstance(size, str):
        seconds = abs(seconds_of(size))
        told, points = f'"{size}"', None
    else:
        points = given.whole("windowSize")
        seconds, told = max((row.step for row in given.rows()), default=1) * points, str(points)
    if seconds <= 0:
        raise BadTarget(f"{given.function} needs a window longer than nothing.", remedy="Use 5min for example.")
    return seconds, points, told


def moved(values: Floats, points: int, function: str, threshold: float, given: Given) -> Floats:
    """Of the so many values before each, from the first that has as many before it."""
    length = len(values) - points
    if length <= 0:
        return np.zeros(0)
    if points == 0:
        return np.full(length, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, points)[:length]
    found = np.empty(length)
    piece = max(1, _AT_ONCE // points)
    for begin in range(0, length, piece):
        given.asked.check()
        part = windows[begin : begin + piece]
        found[begin : begin + piece] = np.where(enough(part, threshold), _along(function, part), np.nan)
    return found


def _along(function: str, part: Floats) -> Floats:
    # a product is none where one value is; of a window only the values that are there count
    return along(function, np.where(np.isnan(part), 1.0, part) if function == "multiply" else part)


def _moving(given: Given, function: str) -> list[Row]:
    if not given.rows():
        return []
    seconds, told_points, told = preview(given)
    name = f"moving{function.capitalize()}"
    found = []
    for row in given.wider(given.asked.start - seconds, given.asked.end):
        points = seconds // row.step if told_points is None else told_points
        least = given.number("xFilesFactor") if given.has("xFilesFactor") else row.threshold
        values = moved(row.values, points, function, least, given)
        found.append(replace(row.as_is(f"{name}({row.name},{told})", values), start=row.start + seconds))
    return found


@declare(KNOWN, "Calculate", "movingWindow", SERIES, _WINDOW, takes("func", Type.AGGREGATION, "average"), _THRESHOLD)
def moving_window(given: Given) -> list[Row]:
    """What the points before each come to, by the function that is named."""
    return _moving(given, given.text("func"))


def _declare_moving(name: str, function: str) -> None:
    def body(given: Given) -> list[Row]:
        return _moving(given, function)

    body.__doc__ = f"The {function} of the points before each; the window is a number of points or a time like 5min."
    declare(KNOWN, "Calculate", name, SERIES, _WINDOW, _THRESHOLD)(body)


for _name, _function in (
    ("movingAverage", "average"),
    ("movingMedian", "median"),
    ("movingMin", "min"),
    ("movingMax", "max"),
    ("movingSum", "sum"),
):
    _declare_moving(_name, _function)


@declare(KNOWN, "Calculate", "exponentialMovingAverage", SERIES, _WINDOW)
def exponential_moving_average(given: Given) -> list[Row]:
    """An average in which what was long ago counts less: ``c * value + (1 - c) * before``, c is 2 / (window + 1)."""
    if not given.rows():
        return []
    seconds, told_points, told = preview(given)
    weight = 2.0 / ((seconds if told_points is None else told_points) + 1)
    found = []
    for row in given.wider(given.asked.start - seconds, given.asked.end):
        given.asked.check()
        points = seconds // row.step if told_points is None else told_points
        first = along("average", row.values[None, :points])[0]
        average = 0.0 if np.isnan(first) else float(first)
        values = [average]
        for value in row.values[points:].tolist():
            if not math.isnan(value):
                average = weight * value + (1 - weight) * average
                values.append(average)
            else:
                values.append(value)
        made = row.as_is(f"exponentialMovingAverage({row.name},{told})", rounded(np.array(values), 6))
        found.append(replace(made, start=row.start + seconds))
    return found
