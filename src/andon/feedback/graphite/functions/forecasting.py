"""What is to be expected: Holt-Winters with a season, and straight lines.

Holt-Winters is Brutlag's (Aberrant Behavior Detection in Time Series for Network Monitoring, LISA 2000) with the
constants that Graphite has: alpha and gamma 0.1, beta 0.0035.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.registry import SERIES, Function, Given, Type, declare, takes
from andon.feedback.graphite.rows import Floats, Row
from andon.feedback.graphite.times import seconds_of

KNOWN: dict[str, Function] = {}
_ALPHA, _BETA, _GAMMA = 0.1, 0.0035, 0.1
_BOOTSTRAP = (takes("bootstrapInterval", Type.INTERVAL, "7d"), takes("seasonality", Type.INTERVAL, "1d"))
_BANDS = (takes("delta", Type.FLOAT, 3), *_BOOTSTRAP)


def _analysed(row: Row, season: int) -> tuple[Floats, Floats]:
    """The forecast of each point, and how far points are from theirs."""
    forecasts: list[float] = []
    deviations: list[float] = []
    seasonals: list[float] = []
    intercept: float | None = None
    slope, upcoming = 0.0, np.nan

    def season_ago(kept: Sequence[float], place: int) -> float:
        return kept[place - season] if 0 <= place - season < len(kept) else 0.0

    for place, actual in enumerate(row.values.tolist()):
        if math.isnan(actual):
            forecasts.append(upcoming)
            deviations.append(0.0)
            seasonals.append(0.0)
            intercept, slope, upcoming = None, 0.0, np.nan
            continue
        forecast = actual if place == 0 else upcoming
        before = actual if intercept is None else intercept
        last_slope = slope
        last_season = season_ago(seasonals, place)
        intercept = _ALPHA * (actual - last_season) + (1 - _ALPHA) * (before + last_slope)
        slope = _BETA * (intercept - before) + (1 - _BETA) * last_slope
        seasonals.append(_GAMMA * (actual - intercept) + (1 - _GAMMA) * last_season)
        away = abs(actual - (0.0 if math.isnan(forecast) else forecast))
        deviations.append(_GAMMA * away + (1 - _GAMMA) * season_ago(deviations, place))
        forecasts.append(forecast)
        upcoming = intercept + slope + season_ago(seasonals, place + 1)
    return np.array(forecasts), np.array(deviations)


def _forecasts(given: Given) -> list[tuple[Row, Row, Floats]]:
    """Each series with what came before the window, its forecast within it, and the deviations."""
    before = abs(seconds_of(given.text("bootstrapInterval")))
    found = []
    for row in given.wider(given.asked.start - before, given.asked.end):
        given.asked.check()
        season = abs(seconds_of(given.text("seasonality"))) // row.step
        if season < 1:
            raise BadTarget(f"{given.function} needs a season longer than a step.", remedy="Use 1d for example.")
        forecasts, deviations = _analysed(row, season)
        skipped = before // row.step
        made = replace(row, values=forecasts[skipped:], start=row.start + before)
        found.append((row, made, deviations[skipped:]))
    return found


@declare(KNOWN, "Calculate", "holtWintersForecast", SERIES, *_BOOTSTRAP)
def forecast(given: Given) -> list[Row]:
    """What Holt-Winters expects, from the days before."""
    return [made.as_is(f"holtWintersForecast({row.name})") for row, made, _ in _forecasts(given)]


def _bands(given: Given) -> list[Row]:
    wide = given.number("delta")
    found = []
    for row, made, deviations in _forecasts(given):
        for side, sign in (("Lower", -1), ("Upper", 1)):
            name = f"holtWintersConfidence{side}({row.name})"
            found.append(replace(made, name=name, values=made.values + sign * wide * deviations))
    return found


@declare(KNOWN, "Calculate", "holtWintersConfidenceBands", SERIES, *_BANDS)
def confidence_bands(given: Given) -> list[Row]:
    """Between which values a series is expected to be."""
    return _bands(given)


@declare(KNOWN, "Calculate", "holtWintersConfidenceArea", SERIES, *_BANDS)
def confidence_area(given: Given) -> list[Row]:
    """The same as two series of one name, for drawing what is between them."""
    found = []
    bands = _bands(given)
    for lower, upper in zip(bands[::2], bands[1::2], strict=True):
        name = f"holtWintersConfidenceArea({upper.expression})"
        found += [lower.as_is(name), upper.as_is(name)]
    return found


@declare(KNOWN, "Calculate", "holtWintersAberration", SERIES, *_BANDS)
def aberration(given: Given) -> list[Row]:
    """How far a series is outside of what is expected; 0 inside."""
    bands = {row.name: row for row in _bands(given)}
    found = []
    for row in given.rows():
        lower = bands.get(f"holtWintersConfidenceLower({row.name})")
        upper = bands.get(f"holtWintersConfidenceUpper({row.name})")
        if lower is None or upper is None:
            continue
        length = min(len(row), len(lower), len(upper))
        values = np.zeros(len(row))
        actual, low, high = row.values[:length], lower.values[:length], upper.values[:length]
        values[:length] = np.where(actual > high, actual - high, np.where(actual < low, actual - low, 0.0))
        found.append(row.as_is(f"holtWintersAberration({row.name})", values))
    return found


@declare(
    KNOWN,
    "Calculate",
    "linearRegression",
    SERIES,
    takes("startSourceAt", Type.DATE),
    takes("endSourceAt", Type.DATE),
)
def linear_regression(given: Given) -> list[Row]:
    """The straight line with the least squares through a series, of this window or of another."""
    asked = given.asked
    start = asked.moment(given.text("startSourceAt")) if given.has("startSourceAt") else asked.start
    end = asked.moment(given.text("endSourceAt")) if given.has("endSourceAt") else asked.end
    found = []
    for source, row in zip(given.wider(start, end), given.rows(), strict=False):
        places = np.flatnonzero(~np.isnan(source.values)).astype(np.float64)
        if len(places) < 2:
            continue
        known = source.values[~np.isnan(source.values)]
        middle = places.mean()
        slope = float(((places - middle) * known).sum() / ((places - middle) ** 2).sum())
        times = (row.start - source.start + np.arange(len(row)) * row.step) / source.step
        values = known.mean() + slope * (times - middle)
        found.append(row.as_is(f"linearRegression({row.name}, {start}, {end})", values))
    return found
