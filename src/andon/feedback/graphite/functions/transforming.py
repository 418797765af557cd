"""One value after another, each by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from andon.feedback.graphite.aggregating import along, consolidation_name
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.functions.combining import powered
from andon.feedback.graphite.registry import CONSOLIDATION, SERIES, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Floats, Row

KNOWN: dict[str, Function] = {}
_LARGEST_PRECISION = 15


def rounded(values: Floats, digits: int) -> Floats:
    """To so many digits as Python rounds: to the nearest, and halves to even."""
    return np.array([one if math.isnan(one) else round(one, digits) for one in values.tolist()], dtype=np.float64)


def _each(given: Given, name: str, change: Callable[[Floats], Floats]) -> list[Row]:
    """``name`` is the new name, ``{}`` in it the old one."""
    found = []
    with np.errstate(all="ignore"):
        for row in given.rows():
            found.append(row.as_is(name.replace("{}", row.name), change(row.values)))
    return found


@declare(KNOWN, "Transform", "scale", SERIES, needs("factor", Type.FLOAT))
def scale(given: Given) -> list[Row]:
    """Each value times a factor."""
    factor = given.number("factor")
    return _each(given, f"scale({{}},{factor:g})", lambda values: values * factor)


@declare(KNOWN, "Transform", "scaleToSeconds", SERIES, needs("seconds", Type.FLOAT))
def scale_to_seconds(given: Given) -> list[Row]:
    """Values that are per step as values per so many seconds."""
    seconds = given.number("seconds")
    return [
        row.as_is(f"scaleToSeconds({row.name},{int(seconds)})", np.round(row.values * (seconds / row.step), 6))
        for row in given.rows()
    ]


@declare(KNOWN, "Transform", "offset", SERIES, needs("factor", Type.FLOAT))
def offset(given: Given) -> list[Row]:
    """Each value plus a number."""
    factor = given.number("factor")
    return _each(given, f"offset({{}},{factor:g})", lambda values: values + factor)


@declare(KNOWN, "Transform", "add", SERIES, needs("constant", Type.FLOAT))
def add(given: Given) -> list[Row]:
    """Each value plus a number."""
    number = given.number("constant")
    return _each(given, f"add({{}},{int(number)})", lambda values: values + number)


@declare(KNOWN, "Transform", "offsetToZero", SERIES)
def offset_to_zero(given: Given) -> list[Row]:
    """Each series less its own smallest value."""
    return [row.as_is(f"offsetToZero({row.name})", row.values - row.reduced("min")) for row in given.rows()]


@declare(KNOWN, "Transform", "absolute", SERIES)
def absolute(given: Given) -> list[Row]:
    """Each value without its sign."""
    return _each(given, "absolute({})", np.abs)


@declare(KNOWN, "Transform", "invert", SERIES)
def invert(given: Given) -> list[Row]:
    """One over each value."""
    return _each(given, "invert({})", lambda values: powered(np.where(values == 0, np.nan, values), -1.0))


@declare(KNOWN, "Transform", "squareRoot", SERIES)
def square_root(given: Given) -> list[Row]:
    """The square root of each value."""
    return _each(given, "squareRoot({})", lambda values: powered(values, 0.5))


@declare(KNOWN, "Transform", "pow", SERIES, needs("factor", Type.FLOAT))
def power(given: Given) -> list[Row]:
    """Each value to a power."""
    factor = given.number("factor")
    return _each(given, f"pow({{}},{factor:g})", lambda values: powered(values, factor))


@declare(KNOWN, "Transform", "exp", SERIES)
def exponential(given: Given) -> list[Row]:
    """e to the power of each value."""
    return _each(given, "exp({})", np.exp)


@declare(KNOWN, "Transform", "log logarithm", SERIES, takes("base", Type.FLOAT, 10))
def logarithm(given: Given) -> list[Row]:
    """The logarithm of each value; none for what is not above zero."""
    base, told = given.number("base"), given.plain("base")
    if base <= 0 or base == 1:
        raise BadTarget(f"There is no logarithm to the base {base:g}.", remedy="Use one above 1, such as 10.")
    told = int(base) if base == int(base) and not isinstance(told, str) else told
    return _each(
        given, f"log({{}}, {told})", lambda values: np.log(np.where(values > 0, values, np.nan)) / np.log(base)
    )


@declare(KNOWN, "Transform", "sigmoid", SERIES)
def sigmoid(given: Given) -> list[Row]:
    """1 / (1 + exp(-value)) of each value."""
    return _each(given, "sigmoid({})", lambda values: 1 / (1 + np.exp(-values)))


@declare(KNOWN, "Transform", "logit", SERIES)
def logit(given: Given) -> list[Row]:
    """log(value / (1 - value)) of each value from 0 to 1."""

    def change(values: Floats) -> Floats:
        inside = np.where((values > 0) & (values < 1), values, np.nan)
        found: Floats = np.log(inside / (1 - inside))
        return found

    return _each(given, "logit({})", change)


@declare(KNOWN, "Transform", "minMax", SERIES)
def min_max(given: Given) -> list[Row]:
    """Each series from 0, where it is smallest, to 1, where it is largest."""
    found = []
    for row in given.rows():
        least, most = row.reduced("min"), row.reduced("max")
        apart = row.values - least
        found.append(row.as_is(f"minMax({row.name})", apart / (most - least) if most > least else apart * 0.0))
    return found


@declare(KNOWN, "Transform", "round", SERIES, takes("precision", Type.INTEGER))
def round_values(given: Given) -> list[Row]:
    """Each value to so many digits behind the point."""
    digits = given.whole("precision") if given.has("precision") else 0
    if abs(digits) > _LARGEST_PRECISION:
        raise BadTarget(f"No number has {digits} digits.", remedy=f"Use {_LARGEST_PRECISION} at most.")
    name = f"round({{}},{digits:g})" if given.has("precision") else "round({})"
    return _each(given, name, lambda values: rounded(values, digits))


@declare(
    KNOWN,
    "Transform",
    "transformNull",
    SERIES,
    takes("default", Type.FLOAT, 0),
    takes("referenceSeries", Type.SERIES),
)
def transform_null(given: Given) -> list[Row]:
    """A number where there is no value; with reference series only where one of them has one."""
    default, references = given.number("default"), given.rows("referenceSeries")
    name = f"transformNull({{}},{default:g}{',referenceSeries' if references else ''})"
    if not references:
        return _each(given, name, lambda values: np.where(np.isnan(values), default, values))
    length = max(len(row) for row in references)
    there = np.zeros(length, dtype=np.bool_)
    for row in references:
        there[: len(row)] |= ~np.isnan(row.values)

    def change(values: Floats) -> Floats:
        use = np.zeros(max(len(values), length), dtype=np.bool_)
        use[:length] = there
        whole = np.full(len(use), np.nan)
        whole[: len(values)] = values
        return np.where(np.isnan(whole) & use, default, whole)

    return _each(given, name, change)


@declare(KNOWN, "Combine", "isNonNull", SERIES)
def is_non_null(given: Given) -> list[Row]:
    """1 where there is a value, 0 where there is none."""
    return _each(given, "isNonNull({})", lambda values: (~np.isnan(values)).astype(np.float64))


@declare(KNOWN, "Transform", "keepLastValue", SERIES, takes("limit", Type.INTEGER_OR_INFINITE, float("inf")))
def keep_last_value(given: Given) -> list[Row]:
    """The last value again where there is none, for gaps of so many steps at most."""
    limit = given.number("limit")

    def change(values: Floats) -> Floats:
        known = np.flatnonzero(~np.isnan(values))
        if not len(known):
            return values
        places = np.arange(len(values))
        before = np.searchsorted(known, places, side="right") - 1
        ends = np.append(known[1:], len(values))
        gap = ends[np.maximum(before, 0)] - known[np.maximum(before, 0)] - 1
        return np.where(np.isnan(values) & (before >= 0) & (gap <= limit), values[known[np.maximum(before, 0)]], values)

    return _each(given, "keepLastValue({})", change)


@declare(KNOWN, "Transform", "interpolate", SERIES, takes("limit", Type.INTEGER_OR_INFINITE, float("inf")))
def interpolate(given: Given) -> list[Row]:
    """A straight line through gaps of so many steps at most."""
    limit = given.number("limit")

    def change(values: Floats) -> Floats:
        known = np.flatnonzero(~np.isnan(values))
        if len(known) < 2:
            return values
        places = np.arange(len(values))
        after = np.clip(np.searchsorted(known, places), 1, len(known) - 1)
        gap = known[after] - known[after - 1] - 1
        fill = np.isnan(values) & (places > known[0]) & (places < known[-1]) & (gap <= limit)
        return np.where(fill, np.interp(places, known, values[known]), values)

    return _each(given, "interpolate({})", change)


@declare(KNOWN, "Special", "changed", SERIES)
def changed(given: Given) -> list[Row]:
    """1 where the value is another than the last one before, else 0."""

    def change(values: Floats) -> Floats:
        known = np.flatnonzero(~np.isnan(values))
        found = np.zeros(len(values))
        found[known[1:]] = values[known[1:]] != values[known[:-1]]
        return found

    return _each(given, "changed({})", change)


@declare(KNOWN, "Special", "consolidateBy", SERIES, CONSOLIDATION)
def consolidate_by(given: Given) -> list[Row]:
    """How several points become one where there are more than can be drawn."""
    return _consolidating(given.rows(), consolidation_name(given.text("consolidationFunc")))


@declare(KNOWN, "Special", "cumulative", SERIES)
def cumulative(given: Given) -> list[Row]:
    """The same as ``consolidateBy(…, "sum")``."""
    return _consolidating(given.rows(), "sum")


def _consolidating(rows: list[Row], function: str) -> list[Row]:
    return [replace(row.as_is(f'consolidateBy({row.name},"{function}")'), consolidation=function) for row in rows]


@declare(KNOWN, "Special", "setXFilesFactor xFilesFactor", SERIES, needs("xFilesFactor", Type.FLOAT))
def set_threshold(given: Given) -> list[Row]:
    """Which share of the values must be there for a summary of them to be, from here on."""
    share = given.number("xFilesFactor")
    given.asked.threshold = share
    return [replace(row, threshold=share) for row in given.rows()]


@declare(
    KNOWN,
    "Calculate",
    "aggregateLine",
    SERIES,
    takes("func", Type.AGGREGATION, "average"),
    takes("keepStep", Type.BOOLEAN, False),
)
def aggregate_line(given: Given) -> list[Row]:
    """A level line at what all values of a series come to."""
    from_to = given.asked
    found = []
    for row in given.rows():
        value = along(given.text("func"), row.values[None, :])[0]
        name = f"aggregateLine({row.name}, {'None' if np.isnan(value) else f'{value:g}'})"
        if given.flag("keepStep"):
            found.append(row.as_is(name, np.full(len(row), value)))
        else:
            step = max(1, (from_to.end - from_to.start) // 2)
            found.append(replace(row.as_is(name, np.full(3, value)), start=from_to.start, end=from_to.end, step=step))
    return found
