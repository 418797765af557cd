"""What people type on the command line about requests and who serves them, as values."""

from __future__ import annotations

from collections.abc import Iterable

from andon.flow.routing.contract.dividing import Comparison, Condition, Where
from andon.kernel.errors import Invalid


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


def conditions_of(path: str, headers: Iterable[str], cookies: Iterable[str]) -> list[Condition]:
    """Of ``--path``, ``--header`` and ``--cookie``. Raises ``PlanInvalid``."""
    found = [Condition(Where.PATH, how=Comparison.PREFIX, value=path)] if path else []
    for where, asked in ((Where.HEADER, headers), (Where.COOKIE, cookies)):
        for one in asked:
            name, has_value, value = one.partition("=")
            found.append(Condition(where, name, Comparison.IS if has_value else Comparison.PRESENT, value))
    return found
