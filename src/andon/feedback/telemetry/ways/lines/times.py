"""Times as logs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

_LIKE_A_TIME = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d")


def moment(value: object, zone: tzinfo | None = UTC) -> int | None:
    """Microseconds since 1970 from a number (seconds to nanoseconds, told by its size) or ISO 8601; else ``None``.

    A time without a zone is one of ``zone``, and ``None`` if that is ``None``.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_number(value)
    if not isinstance(value, str) or not 8 <= len(value) <= 40:
        return None
    if _LIKE_A_TIME.match(value):
        try:
            found = datetime.fromisoformat(value.replace("/", "-").replace(" UTC", "Z"))
            if found.tzinfo is None:
                if zone is None:
                    return None
                found = found.replace(tzinfo=zone)
            seconds = int(found.replace(microsecond=0).timestamp())
        except (ValueError, OverflowError):
            return None
        return seconds * 1_000_000 + found.microsecond
    try:
        return _from_number(float(value))
    except ValueError:
        return None


def _from_number(number: float) -> int | None:
    if not 0 < number < 1e20:  # compared before anything else: an integer of a line may be larger than any float
        return None
    # the same digits mean 1970 in one unit and the year 5000 in the next: there is room between them
    for limit, factor in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (1e20, 1e-3)):
        if number < limit:
            if isinstance(number, int) and factor >= 1:
                return number * int(factor)
            return round(number * factor)
    return None
