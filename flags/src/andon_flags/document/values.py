"""An attribute as a text, a number, a time, a version; ``None`` where it is none. Shared by all who compare."""

import math
import re
from datetime import date, datetime, timezone
from typing import Optional, Union

LONGEST_VERSION = 100
_VERSION = re.compile(
    r"[vV]?([0-9]{1,18}(?:\.[0-9]{1,18}){0,9})(?:-([0-9A-Za-z-]{1,40}(?:\.[0-9A-Za-z-]{1,40}){0,9}))?"
    r"(?:\+[0-9A-Za-z.-]{1,80})?"
)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)

Version = tuple[tuple[int, ...], tuple[int, tuple[tuple[int, int, str], ...]]]


def text_of(value: object) -> Optional[str]:
    """A text as exactly a ``str``: members of a ``str`` enumeration have a hash of their own."""
    return str.__str__(value) if isinstance(value, str) else None


def unit_of(value: object) -> Optional[str]:
    """What is hashed, and looked up among individuals and members: a text that is not empty, or a whole number as one.

    ``True`` is no whole number here.
    """
    if isinstance(value, str):
        return str.__str__(value) or None
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**64:
        return int.__repr__(value)
    return None


def number_of(value: object) -> Union[int, float, None]:
    """A number; ``True`` and what is not a number (NaN) are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and not math.isnan(value):
        return float(value)
    return None


def time_of(value: object) -> Optional[float]:
    """Seconds since 1970 of an ISO 8601 text, a ``datetime`` or a ``date``; what names no zone is in UTC."""
    try:
        if isinstance(value, str):
            return _read_time(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return None
    return None


def _read_time(said: str) -> Optional[float]:
    # Python 3.9 reads less of ISO 8601 than 3.11; here all read the same.
    if len(said) > 40 or _TIME.fullmatch(said) is None:
        return None
    plain = said.replace("t", "T").replace(" ", "T").replace(",", ".")
    if plain[-1] in "zZ":
        plain = plain[:-1] + "+00:00"
    day, _, rest = plain.partition("T")
    sign = max(rest.find("+"), rest.find("-"))
    clock, zone = (rest, "") if sign < 0 else (rest[:sign], rest[sign:])
    if zone and ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    whole, _, fraction = clock.partition(".")
    if fraction:
        whole = f"{whole}.{fraction:0<6.6}"
    found = datetime.fromisoformat(f"{day}T{whole}{zone}" if whole else day)
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def version_of(value: object) -> Optional[Version]:
    """Something that orders as versions do (SemVer 2.0, §11): 1.2 is 1.2.0, and 2.0-rc.1 comes before 2.0."""
    if not isinstance(value, str) or len(value) > LONGEST_VERSION:
        return None
    found = _VERSION.fullmatch(value)
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    if found[2] is None:
        return tuple(numbers), (1, ())
    parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in found[2].split("."))
    return tuple(numbers), (0, parts)
