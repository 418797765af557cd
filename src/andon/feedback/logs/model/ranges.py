"""From when to when, in the words that graphs use too; times are microseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from andon.kernel.errors import Invalid

MS, SECOND, MINUTE, HOUR, DAY = 1_000, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
LONGEST = 800 * DAY
CHOICES = ("15m", "1h", "6h", "24h", "7d", "30d")
USUAL = "1h"
MOST_BARS = 90
_LENGTH = re.compile(r"(\d{1,6})(ms|s|m|h|d|w)")
_UNITS = {"ms": MS, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_WORDS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
STEPS = tuple(
    [n * MS for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)]
    + [n * SECOND for n in (1, 2, 5, 10, 15, 30)]
    + [n * MINUTE for n in (1, 2, 5, 10, 15, 30)]
    + [n * HOUR for n in (1, 2, 3, 6, 12)]
    + [n * DAY for n in (1, 2, 7, 14)]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``start <= time < end``."""

    start: int
    end: int
    words: str
    """Such as ``in the last hour``."""
    live: bool
    """Whether it ends now and goes on."""

    @property
    def bars(self) -> tuple[int, int, int]:
        """Where a histogram of it begins and ends, and how long one of its bars is."""
        length = self.end - self.start
        width = next((one for one in STEPS if length / one <= MOST_BARS), STEPS[-1])
        return self.start // width * width, -(-self.end // width) * width, width


def span_of(start: str, end: str, now: int) -> Span:
    """The time that an address names. Raises :class:`Invalid`."""
    first, last = moment_of(start or USUAL, now), moment_of(end, now)
    if not 0 < last - first <= LONGEST:
        raise Invalid(
            "The range begins after it ends, or is longer than two years.", remedy="Choose another one: from=6h"
        )
    live = end.strip() in ("", "now")
    length = _LENGTH.fullmatch(start.strip() or USUAL)
    words = f"in the last {_in_words(length)}" if live and length else "in the time chosen"
    return Span(start=first, end=last, words=words, live=live)


def moment_of(text: str, now: int) -> int:
    """Microseconds since 1970 of ``now``, ``6h`` (ago), a number of milliseconds, or ISO 8601 (UTC without a zone).

    Raises :class:`Invalid`.
    """
    text = text.strip()
    if text in ("", "now"):
        return now
    if text.isascii() and text.isdecimal() and len(text) <= 14:
        return int(text) * MS
    if found := _LENGTH.fullmatch(text.removeprefix("now-").removeprefix("-")):
        return now - int(found[1]) * _UNITS[found[2]]
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * SECOND)
    except (ValueError, OverflowError):
        raise Invalid(
            f"{text[:40]!r} is no moment.", remedy="Write 6h (ago), 2026-11-23T14:00, or milliseconds since 1970."
        ) from None


def width_in_words(width: int) -> str:
    """The length of a bar: ``minute``, ``15 seconds``."""
    unit, size = next((name, one) for name, one in reversed(_UNITS.items()) if width % one == 0)
    return _plain(width // size, unit)


def at_of(microseconds: int) -> datetime:
    """The moment; the end of the calendar for one that lies behind it."""
    try:
        return datetime.fromtimestamp(microseconds / SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime(9999, 12, 31, tzinfo=UTC)


def _in_words(length: re.Match[str]) -> str:
    return _plain(int(length[1]), length[2])


def _plain(count: int, unit: str) -> str:
    word = _WORDS[unit]
    return word[:-1] if count == 1 else f"{count} {word}"
