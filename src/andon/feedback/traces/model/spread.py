"""How long the traces that were found took: one dot a trace over time, and how many of each duration beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.traces import TraceSummary
from andon.feedback.traces.model.ranges import said

HEIGHT, TOP, FOOT = 200, 10, 24
BINS = 24
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """``x`` in percent of the width, ``y`` in pixels from above."""

    x: float
    y: float
    trace: TraceSummary
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """``width`` in percent of the fullest one."""

    y: float
    height: float
    width: float
    failed: float
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    dots: tuple[Dot, ...]
    lines: tuple[tuple[float, str], ...]
    """Where a line of the scale lies, and its duration."""
    bins: tuple[Bin, ...]
    middle: str
    """The median."""
    slow: str
    """The duration that 95 of 100 did not exceed; empty of fewer than 20."""
    n: int
    low: float
    high: float

    def place(self, duration: int) -> float:
        """Where a duration lies from the shortest on the scale to the longest, in percent."""
        part = math.log(max(duration, self.low) / self.low) / (math.log(self.high / self.low) or 1.0)
        return round(min(100.0, part * 100), 2)


def spread(found: Sequence[TraceSummary], start: int, end: int) -> Spread | None:
    """``None`` of nothing. The scale of durations is logarithmic."""
    if not found:
        return None
    durations = sorted(max(1, one.duration) for one in found)
    low, high = _floor(durations[0]), _ceiling(durations[-1])
    span = math.log(high / low) or 1.0
    depth = HEIGHT - TOP - FOOT

    def level(duration: float) -> float:
        return round(HEIGHT - FOOT - math.log(max(duration, low) / low) / span * depth, 1)

    dots = tuple(
        Dot(
            x=round(min(100.0, max(0.0, (one.start - start) / (end - start) * 100)), 2),
            y=level(one.duration),
            trace=one,
            told=f"{one.service} {one.name}: {said(one.duration)}{', failed' if one.errors else ''}",
        )
        for one in found
    )
    return Spread(
        dots=dots,
        lines=tuple((level(one), said(one)) for one in _lines(low, high)),
        bins=_bins(found, low, span, depth),
        middle=said(durations[(len(durations) - 1) // 2]),
        slow=said(durations[math.ceil(0.95 * len(durations)) - 1]) if len(durations) >= 20 else "",
        n=len(durations),
        low=low,
        high=high,
    )


def _bins(found: Sequence[TraceSummary], low: float, span: float, depth: float) -> tuple[Bin, ...]:
    counts, failed = [0] * BINS, [0] * BINS
    for one in found:
        place = min(BINS - 1, int(math.log(max(1, one.duration, low) / low) / span * BINS))
        counts[place] += 1
        failed[place] += one.errors > 0
    most, height = max(counts), depth / BINS
    return tuple(
        Bin(
            y=round(HEIGHT - FOOT - (place + 1) * height + 0.5, 1),
            height=round(height - 1, 1),
            width=round(count / most * 100, 1),
            failed=round(failed[place] / most * 100, 1),
            told=f"{count:,} of {said(low * math.exp(place / BINS * span))} to "
            f"{said(low * math.exp((place + 1) / BINS * span))}"
            + (f", {failed[place]:,} failed" if failed[place] else ""),
        )
        for place, count in enumerate(counts)
        if count
    )


def _floor(value: float) -> float:
    size = 10.0 ** math.floor(math.log10(value))
    return max(step * size for step in _STEPS if step * size <= value * 1.000001)


def _ceiling(value: float) -> float:
    size = 10.0 ** math.floor(math.log10(value))
    return next((step * size for step in _STEPS if step * size > value * 1.000001), 10 * size)


def _lines(low: float, high: float) -> list[float]:
    """At most seven lines of 1, 2, 5, or of whole powers of ten."""
    every = [
        step * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for step in _STEPS
        if low * 0.999 <= step * 10.0**power <= high * 1.001
    ]
    if len(every) <= 7:
        return every
    tens = [one for one in every if abs(math.log10(one) - round(math.log10(one))) < 1e-9]
    return tens[:: max(1, -(-len(tens) // 7))]
