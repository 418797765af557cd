"""What people type on the command line, as values."""

from __future__ import annotations

import re

from andon.flow.definition.contract import PARTS
from andon.kernel.errors import Invalid

_TIME = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")


def shares_of(text: str) -> list[int]:
    """Parts of :data:`PARTS`, without a last 100 %: everything follows anyway. Raises ``Invalid``."""
    found = []
    for word in text.split(","):
        fits = _SHARE.fullmatch(word.strip())
        if fits is None or float(fits[1]) > 100:
            raise Invalid(f"{word.strip()!r} is no share.", safe="Nothing was changed.", remedy="Write 1%,10%,50%.")
        found.append(round(float(fits[1]) * PARTS / 100))
    return found[:-1] if len(found) > 1 and found[-1] == PARTS else found


def seconds_of(text: str) -> float:
    """Raises ``Invalid``."""
    fits = _TIME.fullmatch(text.strip())
    if fits is None:
        raise Invalid(f"{text!r} is no time.", safe="Nothing was changed.", remedy="Write it like 30s, 10m or 2h.")
    return float(int(fits[1]) * _SECONDS[fits[2]])
