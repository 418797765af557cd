"""How available a service was to those who used it: which share of real requests was not answered with 500 and above.

No requests is no data. A service that nobody asked was neither up nor down, and its share is not 100 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    SERVICE,
    Column,
    Measurements,
    Resolution,
    Samples,
    Sight,
    named,
)
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own.names import REQUESTS
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MOST_WINDOWS = 10_000
_RAW_UP_TO, _MINUTES_UP_TO = 6 * HOUR, 14 * DAY
_CODE_CLASS = "code_class"
_BEFORE = 5 * MINUTE
"""How far back the sample before the first one is looked for."""


class Step(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    """Of UTC."""

    @property
    def milliseconds(self) -> int:
        return {Step.MINUTE: MINUTE, Step.HOUR: HOUR, Step.DAY: DAY}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """``start <= time < end``, in milliseconds."""

    start: int
    end: int
    requests: float
    """Whole but where a roll-up's bucket begins in another window."""
    failed: float

    @property
    def share(self) -> float | None:
        """From 0 to 1; ``None`` where there were no requests."""
        return None if self.requests <= 0 else 1.0 - self.failed / self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    windows: tuple[Window, ...]
    """Without gaps from the start to the end, those without requests too."""

    @property
    def whole(self) -> Window:
        """All of it as one: each request counts the same, whenever it came."""
        return Window(
            start=self.windows[0].start,
            end=self.windows[-1].end,
            requests=sum(one.requests for one in self.windows),
            failed=sum(one.failed for one in self.windows),
        )

    @property
    def without_data(self) -> int:
        """How many windows had no request."""
        return sum(one.requests <= 0 for one in self.windows)


class Availability:
    """``now`` answers milliseconds since 1970."""

    def __init__(self, measurements: Measurements, now: Callable[[], int] = now_ms) -> None:
        self._measurements, self._now = measurements, now

    def of(self, service: Service, environment: str, start: int, end: int, *, step: Step, sight: Sight) -> Available:
        """From ``start`` to ``end`` in milliseconds, both widened to whole steps.

        Raises :class:`~andon.kernel.errors.Invalid` for more than :data:`MOST_WINDOWS` steps, for a time that ends
        before it starts, and for minutes that are not kept any more; and ``Unavailable``.
        """
        length = step.milliseconds
        start, end = start // length * length, -(-end // length) * length
        count = (end - start) // length
        if not 0 < count <= MOST_WINDOWS:
            raise Invalid(
                f"That is {count:,} {step.value}s; between 1 and {MOST_WINDOWS:,} can be asked for.",
                remedy="Ask for a shorter time, or by hour or day.",
            )
        matchers = named(REQUESTS.name, **{SERVICE: service, ENVIRONMENT: environment})
        series = self._measurements.select(matchers, start - _BEFORE, end, sight=sight)
        resolution = self._resolution(start, end, step)
        if resolution is Resolution.RAW:
            found = self._measurements.samples(series, start - _BEFORE, end - 1)
        else:
            # a roll-up's time is its bucket's end
            found = self._measurements.samples(series, start + 1, end, resolution=resolution, column=Column.INCREASE)
        return Available(windows=windows_of(found, start, length, count, raw=resolution is Resolution.RAW))

    def _resolution(self, start: int, end: int, step: Step) -> Resolution:
        """The finest that is not too much to read and still kept for that time."""
        age = self._now() - start
        if end - start <= _RAW_UP_TO and age <= self._measurements.horizon(Resolution.RAW):
            return Resolution.RAW
        minutes = self._measurements.horizon(Resolution.MINUTE)
        if age <= minutes and (step is Step.MINUTE or end - start <= _MINUTES_UP_TO):
            return Resolution.MINUTE
        if step is Step.MINUTE:
            raise Invalid(
                f"Single minutes are kept for {minutes // DAY} days.", remedy="Ask for a later time, or by hour or day."
            )
        return Resolution.HOUR


def windows_of(found: Samples, start: int, length: int, count: int, *, raw: bool) -> tuple[Window, ...]:
    """Counts by window: ``raw`` samples are running totals, others what was added in the bucket that ends there."""
    requests, failed = np.zeros(count), np.zeros(count)
    for place, one in enumerate(found.series):
        times, values = found.of(place)
        if raw:
            times, values = times[1:], increases(values)
        else:
            times = times - 1
        places = (times - start) // length
        inside = (places >= 0) & (places < count) & np.isfinite(values)
        counted = np.bincount(places[inside], weights=values[inside], minlength=count)
        requests += counted
        if one.label(_CODE_CLASS).startswith("5"):
            failed += counted
    return tuple(
        Window(
            start=start + place * length,
            end=start + (place + 1) * length,
            requests=float(requests[place]),
            failed=float(failed[place]),
        )
        for place in range(count)
    )


def increases(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each total of a counter is more than the one before; a smaller one has begun at nothing."""
    added = np.diff(values)
    return np.where(added < 0, values[1:], added)


def below(found: Sequence[Window], share: float) -> int:
    """In how many windows that had requests fewer than this share of them were answered well."""
    return sum(one.share is not None and one.share < share for one in found)
