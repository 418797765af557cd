"""What every question to the store has in common: what may stand in a statement, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.store.engine import StoreError, Value
from andon.kernel.errors import AndonError, Invalid, Unavailable

SECONDS: Final = 20
"""What one statement may take: half a minute later nobody looks at the page any more."""
LONGEST_PATTERN: Final = 1_000

BOUNDS: Final = f"max_execution_time = {SECONDS}"
"""Stands in the statement itself, since the store's door passes on nothing else."""

_TOO_MANY_ROWS = 396
_TOO_SLOW = frozenset({159, 160})
_NO_PATTERN = frozenset({427})
_NO_MEMORY = 241


@dataclass(slots=True)
class Conditions:
    """What a ``WHERE`` says, and the values that its parameters stand for."""

    said: list[str] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)

    def value(self, value: Value, type_: str = "String") -> str:
        """How the statement names this value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{type_}}}"

    def say(self, condition: str) -> None:
        self.said.append(condition)

    def see(self, sight: Sight) -> None:
        """Only what somebody with this sight may see."""
        if sight is not None:
            seen = self.value(sorted(str(one) for one in sight), "Array(String)")
            self.say(f"(service IN {seen} OR service = '')")

    def __str__(self) -> str:
        return " AND ".join(self.said) or "1"


@contextmanager
def understood() -> Iterator[None]:
    """Tell what the store refuses in the asker's words."""
    try:
        yield
    except StoreError as error:
        raise meaning(error) from error


def meaning(error: StoreError) -> AndonError:
    if error.code in _NO_PATTERN:
        return Invalid(
            "A pattern is none that RE2 understands.",
            remedy="Look-around and back references are not among what it knows.",
        )
    if error.code == _TOO_MANY_ROWS:
        return Invalid("The question is for more than 50 million samples.", remedy=_LESS)
    if error.code in _TOO_SLOW:
        return Unavailable(f"The telemetry store did not find the answer within {SECONDS} seconds.", remedy=_LESS)
    if error.code == _NO_MEMORY:
        return Unavailable(
            "The answer takes more memory than the telemetry store may use.",
            remedy=f"{_LESS} Or give it more: `telemetry.memory` in the settings.",
        )
    return Unavailable(
        "The telemetry store could not answer.",
        safe="Nothing stored was changed.",
        remedy=f"If it happens again, its log is log/telemetry.log. It said: {str(error)[:300]}",
    )


_LESS = "Ask for fewer series or a shorter time."


def listed(ids: list[int]) -> str:
    """Whole numbers of our own as they stand in a statement: as a parameter they would be in its address, which is
    short."""
    return f"({','.join(str(int(one)) for one in ids)})"
