"""From when to when, in which steps, and compared with when."""

from __future__ import annotations

from dataclasses import dataclass

from andon.feedback.telemetry.contract.ranges import length_of, span_of
from andon.kernel.errors import Invalid

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
LONGEST_DAYS = 800
STEPS = tuple(
    [n * SECOND for n in (1, 2, 5, 10, 15, 30)]
    + [n * MINUTE for n in (1, 2, 5, 10, 15, 30)]
    + [n * HOUR for n in (1, 2, 3, 6, 12)]
    + [n * DAY for n in (1, 2, 7)]
)
"""Distances of two points: each divides the next larger thing that people count time by."""
USUAL_POINTS = 480
MOST_POINTS = 10_800
"""Of one line: what a question in PromQL may answer."""
CHOICES = ("15m", "1h", "6h", "24h", "7d", "30d", "90d")
USUAL = "6h"
"""What graphs open with."""
COMPARISONS = {"": "nothing", "1d": "the day before", "1w": "the week before"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """``start`` and ``end`` in milliseconds; both lie on a whole ``step``."""

    start: int
    end: int
    step: int
    live: bool
    """Whether it ends now and goes on."""

    @property
    def window(self) -> int:
        """The milliseconds that ``$window`` stands for: long enough for a few samples of what is sent each quarter of
        a minute, and never shorter than a step, so that nothing between two points is overlooked."""
        return max(4 * self.step, MINUTE) if self.step < MINUTE else max(self.step, 4 * MINUTE)

    @property
    def length(self) -> int:
        return self.end - self.start


def range_of(start: str, end: str, now: int, *, points: int = USUAL_POINTS, step: int = 0) -> Range:
    """The range that an address names; ``step`` (ms) is chosen for about so many ``points`` unless given.

    Raises :class:`Invalid`.
    """
    asked = span_of(start, end, now, usual=USUAL, days=LONGEST_DAYS)
    first, last = asked.start, asked.end
    last = min(last, now + DAY)
    step = step if step >= SECOND else step_for(last - first, points)
    if (last - first) // step > MOST_POINTS:
        step = step_for(last - first, MOST_POINTS)
    return Range(start=first // step * step, end=last // step * step, step=step, live=asked.live and last == now)


def opening(life: int | None) -> str:
    """What graphs of something open with that was first measured ``life`` ms ago: the shortest choice that holds all of
    it, and no longer one than usual. ``None`` is longer ago, or never."""
    fit = (one for one in CHOICES[: CHOICES.index(USUAL)] if life is not None and life <= length_of(one))
    return next(fit, USUAL)


def step_for(length: int, points: int) -> int:
    """The smallest usual step that gives no more than so many points."""
    wanted = length / max(10, min(points, MOST_POINTS))
    return next((one for one in STEPS if one >= wanted), int(wanted // DAY + 1) * DAY)


def compared(text: str) -> int:
    """How many milliseconds earlier the pale lines are; 0 is none. Raises :class:`Invalid`."""
    if text not in COMPARISONS:
        raise Invalid(f"Nothing is compared with {text[:20]!r}.", remedy="Compare with 1d (the day before) or 1w.")
    return length_of(text) if text else 0


def promql_length(milliseconds: int) -> str:
    """As PromQL writes it."""
    return f"{milliseconds}ms" if milliseconds % SECOND else f"{milliseconds // SECOND}s"
