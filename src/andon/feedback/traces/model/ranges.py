"""From when to when and how long, in the words that graphs use too; times are nanoseconds."""

from __future__ import annotations

import re

from andon.feedback.telemetry.contract import ranges
from andon.feedback.telemetry.contract.ranges import Span, Unit
from andon.kernel.errors import Invalid

US, MS, SECOND, MINUTE, HOUR, DAY = 10**3, 10**6, 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
LONGEST_DAYS = 400
CHOICES = ("15m", "1h", "6h", "24h", "7d")
USUAL = "1h"
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ns|us|µs|ms|s|m|min)?", re.ASCII)
_SHORT = {"ns": 1, "us": US, "µs": US, "ms": MS, "": MS, "s": SECOND, "m": MINUTE, "min": MINUTE}


def span_of(start: str, end: str, now: int) -> Span:
    """The time that an address names. Raises :class:`Invalid`."""
    return ranges.span_of(start, end, now, Unit.NS, usual=USUAL, days=LONGEST_DAYS)


def duration_of(text: str) -> int:
    """Nanoseconds of ``250ms``, ``1.5 s``, ``250`` (milliseconds); nothing is 0. Raises :class:`Invalid`."""
    text = text.strip()
    if not text:
        return 0
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Invalid(f"{text[:40]!r} is no duration.", remedy="Write a number and µs, ms, s or m: 250ms.")
    return min(int(float(found[1]) * _SHORT[found[2] or ""]), DAY)


def said(nanoseconds: int | float) -> str:
    """``340 ns``, ``12 µs``, ``4.25 ms``, ``1.2 s``, ``3 m 12 s``: three digits that count."""
    size = abs(nanoseconds)
    sign = "−" if nanoseconds < 0 else ""
    for limit, divisor, name in ((999.5, 1, "ns"), (999.5e3, 1e3, "µs"), (999.5e6, 1e6, "ms"), (59.95e9, 1e9, "s")):
        if size < limit:
            return f"{sign}{_digits(size / divisor)} {name}"
    seconds = round(size / 1e9)
    whole, part, names = (
        (seconds // 60, seconds % 60, "ms") if seconds < 3600 else (*divmod(round(seconds / 60), 60), "hm")
    )
    return f"{sign}{whole} {names[0]} {part} {names[1]}" if part else f"{sign}{whole} {names[0]}"


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    places = 0 if value >= 99.5 else 1 if value >= 9.95 else 2
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
