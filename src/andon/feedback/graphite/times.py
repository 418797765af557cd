"""Graphite's ways to write a time: ``-1h``, ``now-5min``, ``midnight``, ``10:00_20260301``, seconds since 1970."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from andon.feedback.graphite.contract import BadTarget

LONGEST = 64
FURTHEST = 4_102_444_800
"""The year 2100, in seconds since 1970."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = (
    ("s", 1),
    ("min", 60),
    ("h", 3_600),
    ("d", 86_400),
    ("w", 7 * 86_400),
    ("mon", 30 * 86_400),
    ("y", 365 * 86_400),
)
"""What a unit begins with, and its seconds: a month has 30 days, a year 365."""
_STEP = re.compile(r"(\d{1,9})([a-z]+)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(am|pm)?")
_HOUR = re.compile(r"(\d{1,2})(am|pm)")
_NAMED = {"noon": 12, "midnight": 0, "teatime": 16}


def unit_seconds(unit: str) -> int:
    """Raises :class:`BadTarget`."""
    for begins, seconds in _UNITS:
        if unit.startswith(begins):
            return seconds
    raise BadTarget(f"`{unit}` is no unit of time.", remedy="Use s, min, h, d, w, mon or y.")


def seconds_of(offset: str) -> int:
    """The signed seconds of ``-1h30min``; no sign is plus. Raises :class:`BadTarget`."""
    text = offset.strip().lower()
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"+", "-"} else text
    if len(text) > LONGEST or not rest:
        raise BadTarget(f"`{offset[:LONGEST]}` is no span of time.", remedy="Write it like 1h or 30min.")
    total = place = 0
    while place < len(rest):
        found = _STEP.match(rest, place)
        if found is None:
            raise BadTarget(f"`{offset}` is no span of time.", remedy="Write it like 1h or 30min.")
        total += int(found[1]) * unit_seconds(found[2])
        place = found.end()
    if total > FURTHEST:
        raise BadTarget(f"`{offset}` is longer than anything is kept.", remedy="Ask for less.")
    return sign * total


def moment(text: str, *, now: int, zone: tzinfo) -> int:
    """Seconds since 1970 of an absolute or relative time. Raises :class:`BadTarget`."""
    told = text.strip().lower().replace("_", "").replace(",", "").replace(" ", "")
    if len(told) > LONGEST:
        raise _unknown(text)
    if told.isascii() and told.isdigit() and not _is_date(told):
        return _bounded(int(told), text)
    place = next((index for index, sign in enumerate(told) if sign in "+-"), len(told))
    reference = _reference(told[:place], now, zone, text)
    return _bounded(reference + (seconds_of(told[place:]) if place < len(told) else 0), text)


def _is_date(told: str) -> bool:
    return len(told) == 8 and int(told[:4]) > 1900 and int(told[4:6]) < 13 and int(told[6:]) < 32


def _bounded(seconds: int, text: str) -> int:
    if not 0 <= seconds <= FURTHEST:
        raise BadTarget(f"`{text}` is out of the time that can be asked for.", remedy="Use a time from 1970 to 2100.")
    return seconds


def _unknown(text: str) -> BadTarget:
    return BadTarget(
        f"`{text[:LONGEST]}` is no time.", remedy="Use -1h, now-5min, midnight, 10:00_20260301 or seconds since 1970."
    )


def _reference(told: str, now: int, zone: tzinfo, text: str) -> int:
    if told in {"", "now"}:
        return now
    hour, minute, rest = _time_of_day(told)
    try:
        day = datetime.fromtimestamp(now, zone).replace(hour=hour, minute=minute, second=0, microsecond=0)
        return int(_on_day(day, rest, text).timestamp())
    except (ValueError, OverflowError) as error:
        raise _unknown(text) from error


def _time_of_day(told: str) -> tuple[int, int, str]:
    """Hour, minute, and what is left: the day."""
    if found := _CLOCK.match(told):
        hour = int(found[1])
        return (hour + 12) % 24 if found[3] == "pm" else hour, int(found[2]), told[found.end() :]
    if found := _HOUR.match(told):
        hour = int(found[1])
        return (hour + 12) % 24 if found[2] == "pm" else hour, 0, told[found.end() :]
    for name, hour in _NAMED.items():
        if told.startswith(name):
            return hour, 0, told[len(name) :]
    return 0, 0, told


def _on_day(day: datetime, rest: str, text: str) -> datetime:
    if rest in {"", "today"}:
        return day
    if rest in {"yesterday", "tomorrow"}:
        return day + timedelta(days=1 if rest == "tomorrow" else -1)
    if rest.count("/") == 2:
        month, number, year = (int(part) for part in rest.split("/"))
        if year < 70:
            year += 2000
        elif year < 100:
            year += 1900
        return day.replace(year=year, month=month, day=number)
    if len(rest) == 8 and rest.isdigit():
        return day.replace(year=int(rest[:4]), month=int(rest[4:6]), day=int(rest[6:]))
    if rest[:3] in _MONTHS:
        found = re.search(r"\d{1,2}$", rest)
        if found is None:
            raise _unknown(text)
        return day.replace(month=_MONTHS.index(rest[:3]) + 1, day=int(found[0]))
    if rest[:3] in _WEEKDAYS:
        return day - timedelta(days=(day.weekday() - _WEEKDAYS.index(rest[:3])) % 7)
    raise _unknown(text)
