"""What people type on the command line about requests and who serves them, as values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from andon.flow.definition.contract import PARTS
from andon.flow.routing.contract.dividing import Comparison, Condition, Where
from andon.kernel.errors import Invalid

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%")


def place_of(text: str) -> tuple[str, str]:
    """Of ``--to``: service and environment. Raises ``Invalid``."""
    service, is_pair, environment = text.partition("/")
    if not is_pair or not service or not environment:
        raise Invalid(
            f"{text!r} is no SERVICE/ENVIRONMENT.",
            safe="Nothing was changed.",
            remedy="Write --to with both, such as catalogue/production.",
        )
    return service, environment


def share_of(text: str) -> int:
    """Of ``--share``: parts of :data:`PARTS`, written as in andon.yaml; a blank before the ``%`` does no harm.

    Raises ``Invalid``, also for what is finer than 0.001 %.
    """
    fits = _SHARE.fullmatch(text.strip())
    parts = -1 if fits is None else int(Fraction(fits[1]) * PARTS / 100)
    if not 0 <= parts <= PARTS:
        raise Invalid(f"{text.strip()!r} is no share.", safe="Nothing was changed.", remedy="Write it like 5% or 0.1%.")
    return parts


def shares_of(text: str) -> list[int]:
    """Several of them, with commas between. Raises ``Invalid``."""
    return [share_of(word) for word in text.split(",")]


def conditions_of(path: str, headers: Iterable[str], cookies: Iterable[str]) -> list[Condition]:
    """Of ``--path``, ``--header`` and ``--cookie``. Raises ``PlanInvalid``."""
    found = [Condition(Where.PATH, how=Comparison.PREFIX, value=path)] if path else []
    for where, asked in ((Where.HEADER, headers), (Where.COOKIE, cookies)):
        for one in asked:
            name, has_value, value = one.partition("=")
            found.append(Condition(where, name, Comparison.IS if has_value else Comparison.PRESENT, value))
    return found
