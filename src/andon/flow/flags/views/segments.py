"""Segments, as API and command line have them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from andon.flow.flags.contract import ProposalState
from andon.flow.flags.model.flag import StoredSegment
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.model.segment import SegmentProposal, SegmentVersion
from andon.flow.flags.views.settings import ConditionShape

# Any, in this package: a variant is whatever JSON somebody has their service get, a context whatever a program sends


class SegmentShape(msgspec.Struct, kw_only=True):
    name: str
    service: str
    version: int
    description: str
    when: list[list[ConditionShape]]
    size: int
    changed_at: datetime

    @classmethod
    def of(cls, one: StoredSegment) -> SegmentShape:
        return cls(
            name=one.name,
            service=one.service,
            version=one.version,
            description=one.description,
            when=[[ConditionShape.of(it) for it in every] for every in one.when],
            size=one.size,
            changed_at=one.changed_at,
        )


class SegmentUse(msgspec.Struct, kw_only=True):
    service: str
    environment: str
    flag: str


class SegmentDone(SegmentShape, kw_only=True):
    """A segment as it is after somebody changed it. With a ``proposal`` the change waits for a second person, and the
    segment is as it was."""

    sentence: str = ""
    """What has changed, or would; empty when nothing was to."""
    proposal: str | None = None

    @classmethod
    def after(cls, one: StoredSegment, outcome: Outcome) -> SegmentDone:
        told = msgspec.structs.asdict(SegmentShape.of(one))
        return cls(**told, sentence=outcome.sentence, proposal=outcome.proposal)


class SegmentProposalShape(msgspec.Struct, kw_only=True):
    id: str
    segment: str
    service: str
    """The segment's."""
    base: int
    """The version that it was made from."""
    places: list[str]
    """Where a second person has to agree, as far as you may see it: ``store/production``."""
    hidden: int
    """Places beside that you may not see."""
    sentence: str
    diff: list[str]
    """What would be added (``+``) and removed (``-``)."""
    why: str
    by: str | None
    """A person's name, where there is one."""
    at: datetime
    state: ProposalState

    @classmethod
    def of(
        cls, one: SegmentProposal, name: str | None, *, diff: Iterable[str], visible: frozenset[str] | None
    ) -> SegmentProposalShape:
        places = [f"{service}/{place}" for service, place in one.places if visible is None or service in visible]
        return cls(
            id=one.id,
            segment=one.segment,
            service=one.service,
            base=one.base,
            places=places,
            hidden=len(one.places) - len(places),
            sentence=one.sentence,
            diff=list(diff),
            why=one.why,
            by=name,
            at=one.at,
            state=one.state,
        )


class SegmentVersionShape(msgspec.Struct, kw_only=True):
    number: int
    sentence: str
    why: str
    by: str
    at: datetime
    size: int
    """Members by then."""
    added: int
    removed: int
    digest: str
    """Of an exchanged list: BLAKE2b, 8 bytes, of its members' hashes in ascending order; empty for other changes."""
    diff: list[str]
    """What it added (``+``) and removed (``-``): lists of conditions, and up to 100 members each; of a segment with
    more than 1,000 members how many."""

    @classmethod
    def of(cls, one: SegmentVersion, by: str, diff: Iterable[str]) -> SegmentVersionShape:
        return cls(
            number=one.number,
            sentence=one.sentence,
            why=one.why,
            by=by,
            at=one.at,
            size=one.members.size,
            added=one.members.added,
            removed=one.members.removed,
            digest=one.members.digest,
            diff=list(diff),
        )


class SegmentHistory(msgspec.Struct, kw_only=True):
    versions: list[SegmentVersionShape]


class SegmentDetails(msgspec.Struct, kw_only=True):
    segment: SegmentShape
    members: list[str] | None
    """``None`` for a large one, of which only hashes are kept."""
    uses: list[SegmentUse]
    releases: list[str]
    """Where a release is under way that names it, as far as you may see that: ``store/production``."""
    warnings: list[str] = []
    waiting: list[SegmentProposalShape] = []
    """Changes that wait for a second person."""
    proposal: str | None = None
    """The one that your change is, where it waits."""


class SegmentList(msgspec.Struct, kw_only=True):
    segments: list[SegmentShape]


class SegmentPut(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``when``: whoever fulfils all conditions of one of the lists belongs to it, beside its members."""

    service: str
    description: str = ""
    when: list[list[ConditionShape]] = []
    why: str = ""


class MembersChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    add: list[str] = []
    remove: list[str] = []
    why: str = ""


class MembersPart(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    members: list[str]


class Upload(msgspec.Struct, kw_only=True):
    upload: int
    size: int
    """Members by now."""
