"""Functions of one value at a time: arithmetic, trigonometry, the calendar."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from andon.feedback.promql.frames import Floats, Ints


def _signed(values: Floats) -> Floats:
    return np.where(np.isnan(values), np.nan, np.sign(values))


SIMPLE: Mapping[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": _signed,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def rounded(values: Floats, nearest: Floats) -> Floats:
    """To the nearest multiple, halves upwards."""
    inverse = 1.0 / nearest
    result: Floats = np.floor(values * inverse + 0.5) / inverse
    return result


_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_FURTHEST = 1e14
"""Seconds; numpy's calendar ends not far behind."""


def calendar(function: str, seconds: Floats) -> Floats:
    """``hour``, ``day_of_week`` (Sunday is 0) and so on, in UTC; NaN of what is no date."""
    usable = np.abs(seconds) < _FURTHEST
    whole = np.trunc(np.where(usable, seconds, 0)).astype(np.int64)
    return np.where(usable, CALENDAR[function](whole), np.nan)


def _month(seconds: Ints) -> Ints:
    """Months since 1970."""
    return seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _first_day(months: Ints) -> Ints:
    """Days since 1970 of the first of a month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _day_of_year(seconds: Ints) -> Ints:
    years = seconds.astype("datetime64[s]").astype("datetime64[Y]")
    return seconds // _DAY - years.astype("datetime64[D]").astype(np.int64) + 1


CALENDAR: Mapping[str, Callable[[Ints], Ints]] = {
    "minute": lambda seconds: seconds // _MINUTE % 60,
    "hour": lambda seconds: seconds // _HOUR % 24,
    "day_of_week": lambda seconds: (seconds // _DAY + 4) % 7,
    "day_of_month": lambda seconds: seconds // _DAY - _first_day(_month(seconds)) + 1,
    "day_of_year": _day_of_year,
    "days_in_month": lambda seconds: _first_day(_month(seconds) + 1) - _first_day(_month(seconds)),
    "month": lambda seconds: _month(seconds) % 12 + 1,
    "year": lambda seconds: _month(seconds) // 12 + 1970,
}


def limited(values: Floats, least: Floats, most: Floats) -> Floats:
    return larger(least, smaller(most, values))


def smaller(left: Floats, right: Floats) -> Floats:
    """The smaller of two; NaN where one is, but negative infinity is smaller even than that (as in Go)."""
    return np.where(np.isneginf(left) | np.isneginf(right), -np.inf, np.minimum(left, right))


def larger(left: Floats, right: Floats) -> Floats:
    return np.where(np.isposinf(left) | np.isposinf(right), np.inf, np.maximum(left, right))
