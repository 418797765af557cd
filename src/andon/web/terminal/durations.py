"""Lengths of time, as people write them in a command."""

from __future__ import annotations

import re

from andon.kernel.errors import Invalid

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """``8h`` in seconds. Raises ``Invalid``."""
    found = re.fullmatch(r"(\d{1,6})([smhd]?)", text.strip())
    if found is None:
        raise Invalid(f"{text!r} is no length of time.", remedy="Write it as 30m, 8h or 2d.")
    return float(found[1]) * _UNITS[found[2] or "s"]
