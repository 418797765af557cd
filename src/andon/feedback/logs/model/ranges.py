"""From when to when, in the words that graphs use too; times are microseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.feedback.telemetry.contract import ranges
from andon.feedback.telemetry.contract.ranges import Span, Unit, in_words

MS, SECOND, MINUTE, HOUR, DAY = 1_000, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
LONGEST_DAYS = 800
CHOICES = ("15m", "1h", "6h", "24h", "7d", "30d")
USUAL = "1h"
MOST_BARS = 90
_UNITS = {"ms": MS, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
STEPS = tuple(
    [n * MS for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)]
    + [n * SECOND for n in (1, 2, 5, 10, 15, 30)]
    + [n * MINUTE for n in (1, 2, 5, 10, 15, 30)]
    + [n * HOUR for n in (1, 2, 3, 6, 12)]
    + [n * DAY for n in (1, 2, 7, 14)]
)


def span_of(start: str, end: str, now: int) -> Span:
    """The time that an address names. Raises :class:`~andon.kernel.errors.Invalid`."""
    return ranges.span_of(start, end, now, Unit.US, usual=USUAL, days=LONGEST_DAYS)


def bars_of(span: Span) -> tuple[int, int, int]:
    """Where a histogram of it begins and ends, and how long one of its bars is."""
    length = span.end - span.start
    width = next((one for one in STEPS if length / one <= MOST_BARS), STEPS[-1])
    return span.start // width * width, -(-span.end // width) * width, width


def width_in_words(width: int) -> str:
    """The length of a bar: ``minute``, ``15 seconds``."""
    unit, size = next((name, one) for name, one in reversed(_UNITS.items()) if width % one == 0)
    return in_words(width // size, unit)


def at_of(microseconds: int) -> datetime:
    """The moment; the end of the calendar for one that lies behind it."""
    try:
        return datetime.fromtimestamp(microseconds / SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime(9999, 12, 31, tzinfo=UTC)
