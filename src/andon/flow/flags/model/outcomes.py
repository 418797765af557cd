"""What came of a change, and what keeps one from being made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.flow.flags.contract import ProposalId
from andon.kernel.errors import Conflict, Invalid
from andon.kernel.events import Actor

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Author:
    """Whose change it is."""

    actor: Actor
    person: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``version`` is the present one; with a ``proposal`` it is the one before it, and nothing has changed yet."""

    version: int
    proposal: ProposalId | None = None
    sentence: str = ""
    """Empty when nothing was to change."""
    warnings: tuple[str, ...] = ()
    """What is allowed and can hardly be meant, such as a rule that never matches."""


class FlagInvalid(Invalid):
    """A flag, setting or segment breaks a rule; ``faults`` has every one found."""

    code = "flags.invalid"

    def __init__(self, what: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        more = f" And {len(faults) - _SHOWN} more." if len(faults) > _SHOWN else ""
        super().__init__(
            f"{what}: {' '.join(_sentence(one) for one in faults[:_SHOWN])}{more}",
            safe="Nothing was changed.",
            remedy="Mend what is named and save again.",
        )


class FlagChanged(Conflict):
    """Somebody changed the flag since it was read."""

    code = "flags.changed"


class KeptInCode(Conflict):
    """The flag's source of truth is a file."""

    code = "flags.kept_in_code"


class NeedsSecondPerson(Conflict):
    """The environment asks for a second person, and there is nobody to wait for one."""

    code = "flags.needs_second_person"


class RampOver(Conflict):
    """The ramp has ended, or ends at this moment: nothing can be asked of it any more."""

    code = "flags.ramp_over"


class RampMoved(Conflict):
    """The ramp has made a step since it was read."""

    code = "flags.ramp_moved"


class NothingToDo(Conflict):
    """The ramp is in that state already."""

    code = "flags.nothing_to_do"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
