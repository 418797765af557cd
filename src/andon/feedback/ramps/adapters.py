"""Telemetry, asked for the outcomes that services tell by flag and variant."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from andon.feedback.ramps.model.looks import Arm, Sides
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    NAME,
    SERVICE,
    Comparison,
    Matcher,
    Measurements,
    Series,
)
from andon.flow.flags.contract import RampView
from andon.flow.sources.contract import Service
from andon_flags.watching import BOUNDS, BY_DEFAULT, NOT_DIVIDED

REQUESTS, ERRORS, DURATIONS, TRACKED, WATCHING = (
    "flags_requests",
    "flags_errors",
    "flags_durations",
    "flags_tracked",
    "flags_watching",
)
"""As telemetry keeps what ``andon-flags`` sends."""
_MOST_SERIES = 5_000
_SIGN = 30_000
"""Milliseconds in which each process says at least twice that it watches."""
_NOTHING = "-"


@dataclass(slots=True)
class _Sum:
    requests: float = 0.0
    errors: float = 0.0
    durations: list[float] = field(default_factory=lambda: [0.0] * (len(BOUNDS) + 1))
    events: dict[str, float] = field(default_factory=dict)

    def arm(self) -> Arm:
        return Arm(
            requests=self.requests, errors=self.errors, durations=tuple(self.durations), events=dict(self.events)
        )


class TelemetryOutcomes:
    """Implements :class:`andon.feedback.ramps.ports.Outcomes`. It sees everybody's telemetry: Andon itself asks."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def measure(self, ramp: RampView, start: int, end: int) -> Sides | None:
        names = "|".join((REQUESTS, ERRORS, DURATIONS, TRACKED, WATCHING))
        series = self._measurements.select(
            (
                Matcher(NAME, Comparison.LIKE, names),
                Matcher(SERVICE, Comparison.EQUAL, ramp.service),
                Matcher(ENVIRONMENT, Comparison.EQUAL, ramp.environment),
                # who only says that it watches names no flag
                Matcher("flag", Comparison.LIKE, f"({re.escape(ramp.flag)})?"),
            ),
            start - _SIGN,
            end,
            sight=None,
            limit=_MOST_SERIES,
        )
        if not series:
            return None
        found = self._measurements.samples(series, start - _SIGN, end)
        mine, others, anybody = _Sum(), _Sum(), False
        for place, one in enumerate(found.series):
            times, values = found.of(place)
            if one.name == WATCHING:
                anybody = anybody or len(times) > 0
                continue
            count = float(values[(times > start) & (times <= end)].clip(min=0).sum())
            side = _side(ramp, one)
            if side is None or not count:
                continue
            anybody = True
            _add(mine if side else others, one, count)
        return Sides(mine.arm(), others.arm()) if anybody else None

    def listeners(self, start: int, end: int) -> Mapping[tuple[Service, str], tuple[str, ...]]:
        series = self._measurements.select(
            (Matcher(NAME, Comparison.EQUAL, WATCHING),), start, end, sight=None, limit=_MOST_SERIES
        )
        if not series:
            return {}
        samples = self._measurements.samples(series, start, end)
        found: dict[tuple[Service, str], set[str]] = {}
        for place, one in enumerate(samples.series):
            if len(samples.of(place)[0]) and one.label(SERVICE) and one.label(ENVIRONMENT):
                events = found.setdefault((Service(one.label(SERVICE)), one.label(ENVIRONMENT)), set())
                events.update({one.label("event")} - {"", _NOTHING})
        return {where: tuple(sorted(events)) for where, events in found.items()}


def _side(ramp: RampView, series: Series) -> bool | None:
    """Whether it tells of the variant; ``None`` for neither side.

    Those whom no rule serves are divided by lot: they are compared with one another alone. Of a rule, who falls out of
    its share goes on to other rules, so its own are compared with all others that were not served by name.
    """
    rule = series.label("rule")
    if series.label("variant") == ramp.variant:
        return True if rule == (ramp.rule or BY_DEFAULT) else None
    other = rule == BY_DEFAULT if not ramp.rule else rule != NOT_DIVIDED
    return False if other else None


def _add(to: _Sum, series: Series, count: float) -> None:
    if series.name == REQUESTS:
        to.requests += count
    elif series.name == ERRORS:
        to.errors += count
    elif series.name == TRACKED:
        event = series.label("event")
        to.events[event] = to.events.get(event, 0.0) + count
    else:
        to.durations[_place(series.label("le"))] += count


def _place(bound: str) -> int:
    """A bound that this release does not know belongs to the next that it does."""
    try:
        value = float(bound)
    except ValueError:
        value = math.inf
    return bisect_left(BOUNDS, value) if value <= BOUNDS[-1] else len(BOUNDS)
