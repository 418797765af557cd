"""What people type on the command line, as values."""

from __future__ import annotations

import re

from andon.flow.routing.contract import PARTS, shares_of
from andon.kernel.errors import Invalid

_TIME = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def stages_of(text: str) -> list[int]:
    """Parts of :data:`PARTS`, without a last 100 %: everything follows anyway. Raises ``Invalid``."""
    found = shares_of(text)
    return found[:-1] if len(found) > 1 and found[-1] == PARTS else found


def seconds_of(text: str) -> float:
    """Raises ``Invalid``."""
    fits = _TIME.fullmatch(text.strip())
    if fits is None:
        raise Invalid(f"{text!r} is no time.", safe="Nothing was changed.", remedy="Write it like 30s, 10m or 2h.")
    return float(int(fits[1]) * _SECONDS[fits[2]])
