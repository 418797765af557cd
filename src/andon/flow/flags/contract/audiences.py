"""Segments as audiences: what a room asks that gives a segment's members something else than a flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from andon.flow.flags.contract.names import SegmentName
from andon.flow.sources.contract import Service

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentAudience:
    """Who belongs to a segment, as far as that can be said without asking the service."""

    name: SegmentName
    service: Service
    """Whose people change it. Whoever may not look at that service is not told that there is such a segment."""
    version: int
    """Grows with every change of it."""
    size: int
    """Members, those that only fulfil conditions not counted."""
    members: frozenset[str] | None
    """Nobody's business but the router's: they belong in no event, page or log. ``None`` for a segment of more than
    1,000, of whom no names are kept."""
    conditional: bool
    """Whoever fulfils its conditions belongs to it as well."""


class AudienceUses(Protocol):
    """Where a segment's members are given something else than a flag."""

    def places(self, reading: Reading, name: str) -> tuple[tuple[Service, str], ...]:
        """Environments in which that is under way, or will be before what is under way there is over."""
        ...


class NoUses:
    def places(self, reading: Reading, name: str) -> tuple[tuple[Service, str], ...]:
        return ()


class Segments(Protocol):
    def audience(self, reading: Reading, name: str) -> SegmentAudience | None:
        """``None`` when there is no such segment. Remembered until it changes."""
        ...

    def used_by(self, uses: AudienceUses) -> None:
        """Let changes of a segment wait there as well for a second person, where the environment asks for one."""
        ...


class NoSegments:
    """Nobody keeps segments."""

    def audience(self, reading: Reading, name: str) -> SegmentAudience | None:
        return None

    def used_by(self, uses: AudienceUses) -> None:
        return
