"""Changes of segments that wait for a second person, as pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import StoredSegment
from andon.flow.flags.model.segment import SegmentProposal
from andon.flow.flags.views.segments import SegmentProposalShape
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.web.shell import Action

_LINES = 30


@dataclass(frozen=True, slots=True)
class WaitingSegment:
    proposal: SegmentProposalShape
    where: str
    """Where flags name it and a second person has to agree."""
    lines: tuple[str, ...]
    """The first of its diff."""
    more: int
    approve: Action
    reject: Action


def waiting_segments(
    desk: Desk,
    reading: Reading,
    principal: Principal,
    *,
    service: Service | None = None,
    segment: StoredSegment | None = None,
) -> list[WaitingSegment]:
    """Newest first."""
    found = desk.segment_proposals(reading, principal, service=service, segment=segment)
    return [_waiting(principal, one, shape) for one, shape in found]


def places_words(places: Iterable[str], hidden: int) -> str:
    told = list(places)
    if hidden:
        unseen = f"{hidden} {'place' if hidden == 1 else 'places'} that you may not see"
        told.append(f"and {unseen}" if told else unseen)
    return ", ".join(told)


def _waiting(principal: Principal, one: SegmentProposal, shape: SegmentProposalShape) -> WaitingSegment:
    blocked = ""
    if not all(principal.may(Permission.RELEASE, *place) for place in one.places):
        blocked = "This needs the role developer in all environments that are concerned."
    elif principal.person is None or principal.person == one.person:
        blocked = "You proposed it: somebody else has to agree."
    address = f"/flags/proposals/{one.id}"
    return WaitingSegment(
        proposal=shape,
        where=places_words(shape.places, shape.hidden),
        lines=tuple(shape.diff[:_LINES]),
        more=max(0, len(shape.diff) - _LINES),
        approve=Action("Approve and make it", f"{address}/approve", kind="primary", icon="ok", blocked=blocked),
        reject=Action("Turn down", f"{address}/reject", icon="cancel"),
    )
