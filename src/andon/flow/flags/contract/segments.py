"""What happens to segments."""

from __future__ import annotations

from dataclasses import dataclass

from andon.flow.flags.contract.names import ProposalId, SegmentName
from andon.flow.sources.contract import Service
from andon.kernel.events import Event, event


@event("dev.andon.segment.changed.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChanged(Event):
    """Other people belong to a segment from now on; ``sentence`` says so without naming anybody."""

    segment: SegmentName
    service: Service
    version: int
    sentence: str
    why: str = ""


@event("dev.andon.segment.change-proposed.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChangeProposed(Event):
    """A change of a segment waits for a second person, because a flag names it where one has to agree; nothing has
    changed yet."""

    segment: SegmentName
    service: Service
    proposal: ProposalId
    sentence: str
    """As in ``SegmentChanged``."""
    why: str


@event("dev.andon.segment.change-approved.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChangeApproved(Event):
    """A second person said yes to a change of a segment; it is made at once."""

    segment: SegmentName
    service: Service
    proposal: ProposalId
    sentence: str


@event("dev.andon.segment.change-rejected.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChangeRejected(Event):
    """A proposed change of a segment will not be made: somebody said no, or it was overtaken by another."""

    segment: SegmentName
    service: Service
    proposal: ProposalId
    sentence: str
    why: str


@event("dev.andon.segment.removed.v1", subject="segment")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRemoved(Event):
    """A segment that no flag used is gone."""

    segment: SegmentName
    service: Service
