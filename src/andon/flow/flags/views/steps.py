"""Steps of a ramp as people write them, in a command and in the console."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from andon.flow.flags.views.asking import StepShape
from andon.kernel.errors import Invalid
from andon.web.terminal.durations import seconds_of

LONGEST_STEPS = 5_000
"""Characters."""


def step_of(text: str, zone: tzinfo | None = None) -> StepShape:
    """``5@1h``, ``100@2026-12-01T09:00``, or a share alone for now. A moment that names no zone is of ``zone``, or else
    of this machine's. Raises ``Invalid``."""
    percent, _, when = text.partition("@")
    try:
        share = float(percent.removesuffix("%"))
    except ValueError as error:
        raise Invalid(f"{text[:40]!r} is no step.", safe="Nothing was begun.", remedy="Write 5@1h.") from error
    if not when:
        return StepShape(percent=share)
    if when[:4].isdigit() and "-" in when:
        try:
            at = datetime.fromisoformat(when)
            at = at.replace(tzinfo=at.tzinfo or zone).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise Invalid(
                f"{when[:40]!r} is no moment.", safe="Nothing was begun.", remedy="Write 2026-12-01T09:00."
            ) from error
        return StepShape(percent=share, at=at)
    return StepShape(percent=share, after=seconds_of(when))


def steps_of(text: str, zone: tzinfo | None = None) -> list[StepShape]:
    """Steps one after another, with blanks between. Raises ``Invalid``."""
    if len(text) > LONGEST_STEPS:
        raise Invalid("These are more steps than anybody reads.", safe="Nothing was begun.")
    return [step_of(one, zone) for one in text.split()]
