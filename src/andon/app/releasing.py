"""Where a deployment asks the room that releases: that room is made after the deployments, which know nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.deployments.contract.release import Candidate, ReleaseOutcome, Releasing


class BoundReleasing:
    """Implements :class:`~andon.flow.deployments.contract.release.Releasing` with whoever it is bound to."""

    def __init__(self) -> None:
        self._bound: Releasing | None = None

    def bind(self, releasing: Releasing) -> None:
        self._bound = releasing

    def release(
        self, candidate: Candidate, *, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> ReleaseOutcome:
        return self._who().release(candidate, cancelled=cancelled, interrupted=interrupted)

    def confirm(self, candidate: Candidate, *, interrupted: Callable[[], bool]) -> ReleaseOutcome:
        return self._who().confirm(candidate, interrupted=interrupted)

    def _who(self) -> Releasing:
        if self._bound is None:
            raise RuntimeError("the room that releases has not been made yet")
        return self._bound
