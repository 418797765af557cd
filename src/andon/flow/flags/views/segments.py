"""Segments, as API and command line have them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.flow.flags.model.flag import StoredSegment
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


class SegmentDetails(msgspec.Struct, kw_only=True):
    segment: SegmentShape
    members: list[str] | None
    """``None`` for a large one, of which only hashes are kept."""
    uses: list[SegmentUse]
    warnings: list[str] = []


class SegmentList(msgspec.Struct, kw_only=True):
    segments: list[SegmentShape]


class SegmentPut(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``when``: whoever fulfils all conditions of one of the lists belongs to it, beside its members."""

    service: str
    description: str = ""
    when: list[list[ConditionShape]] = []


class MembersChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    add: list[str] = []
    remove: list[str] = []


class MembersPart(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    members: list[str]


class Upload(msgspec.Struct, kw_only=True):
    upload: int
    size: int
    """Members by now."""
