"""From when to when, in the words that addresses of graphs, logs and traces share: ``6h`` (ago), ``now``, milliseconds
since 1970, or ISO 8601."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from andon.kernel.errors import Invalid

_LENGTH = re.compile(r"(?:now-|-)?([0-9]{1,6})(ms|s|m|h|d|w)")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_WORDS = {"ms": "millisecond", "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = (2**63 - 1) // 1_000_000
"""The last millisecond whose nanoseconds are 64 bits: the year 2262."""


class Unit(IntEnum):
    """What times are told in: so many are a millisecond."""

    MS = 1
    """Samples."""
    US = 1_000
    """Lines."""
    NS = 1_000_000
    """Spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``start <= time < end``."""

    start: int
    end: int
    words: str
    """Such as ``in the last hour``."""
    live: bool
    """Whether it ends now and goes on."""


def length_of(text: str, unit: Unit = Unit.MS) -> int:
    """Of ``90s``, ``6h``, ``7d``, ``1w``, ``now-6h``. Raises :class:`Invalid`."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise Invalid(f"{text[:40]!r} is no length of time.", remedy="Write a number and s, m, h, d or w: 6h.")
    return int(found[1]) * _UNITS[found[2]] * unit


def moment_of(text: str, now: int, unit: Unit = Unit.MS) -> int:
    """Since 1970, of ``now``, ``6h`` (ago), a number of milliseconds, or ISO 8601 (UTC without a zone).

    ``now`` and the answer are in ``unit``, what is written in figures is always milliseconds. Raises :class:`Invalid`.
    """
    text = text.strip()
    if text in ("", "now"):
        return now
    if _LENGTH.fullmatch(text):
        return now - length_of(text, unit)
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        found = int(text) * unit
    else:
        try:
            at = datetime.fromisoformat(text)
            passed = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
        except (ValueError, OverflowError):
            raise _no_moment(text) from None
        found = passed // timedelta(microseconds=1) * unit // Unit.US
    if abs(found) > _LATEST * unit:
        raise _no_moment(text)
    return found


def span_of(start: str, end: str, now: int, unit: Unit = Unit.MS, *, usual: str, days: int) -> Span:
    """The time that an address names; ``usual`` is the beginning of one that names none, ``days`` the longest.

    Raises :class:`Invalid`.
    """
    start = start.strip() or usual
    first, last = moment_of(start, now, unit), moment_of(end, now, unit)
    if not 0 < last - first <= days * _UNITS["d"] * unit:
        raise Invalid(
            f"The range begins after it ends, or is longer than {days} days.", remedy="Choose another one: from=6h"
        )
    live = end.strip() in ("", "now")
    length = _LENGTH.fullmatch(start)
    words = f"in the last {in_words(int(length[1]), length[2])}" if live and length else "in the time chosen"
    return Span(start=first, end=last, words=words, live=live)


def in_words(count: int, unit: str) -> str:
    """``15 minutes``, ``hour``."""
    return _WORDS[unit] if count == 1 else f"{count} {_WORDS[unit]}s"


def _no_moment(text: str) -> Invalid:
    return Invalid(
        f"{text[:40]!r} is no moment.", remedy="Write 6h (ago), 2026-11-23T14:00, or milliseconds since 1970."
    )
