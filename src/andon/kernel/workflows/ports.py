"""What rooms see of durable work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

Primitive = str | int | float | bool | None
"""What a step may answer: it is stored as JSON and must be readable by later releases."""

_P = TypeVar("_P", bound=Primitive)


class Interrupted(BaseException):
    """Raised by a step that waits when Andon is about to stop. Nothing is recorded: the step runs again at the next
    start. No ``Exception``, so that nobody takes it for the failure of a job."""


class Step(Protocol):
    """Runs the steps of one workflow."""

    def __call__(self, name: str, action: Callable[[], _P]) -> _P:
        """Run ``action`` unless an earlier life of this workflow has finished it; then answer what it answered.

        An action runs *at least* once: when Andon dies in the middle, it runs again. It must be safe to
        repeat. Its answer is kept as JSON. What it raises is kept, too, and ends the workflow unless caught: an
        ``AndonError`` comes as itself, anything else as :class:`~andon.kernel.workflows.outcomes.StepFailed`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Workflow:
    """A named piece of durable work over one subject.

    ``name`` is for ever; ``run(step, subject)`` gives the order of steps and nothing else. Steps must come in
    the same order on every replay: decisions depend only on what steps answered. Never insert a step into a
    workflow in flight: give the changed order a new workflow name and keep the old one for a release.
    """

    name: str
    run: Callable[[Step, str], None]


class Workflows(Protocol):
    """Starts durable work."""

    def start(self, workflow: str, subject: str, *, key: str | None = None) -> None:
        """Start ``workflow`` over ``subject``; does nothing when it was started before under the same key.

        ``key`` defaults to ``workflow:subject``. Returns as soon as the start is recorded.
        """
        ...
