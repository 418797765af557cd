"""Segments, for rooms that give their members something else than a flag."""

from __future__ import annotations

from andon.flow.flags.contract.audiences import AudienceUses, SegmentAudience
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.segment_changes import SegmentChanges
from andon.flow.flags.storage import segments as storage
from andon.kernel.db import Reading


class AudienceService:
    """Implements :class:`andon.flow.flags.contract.audiences.Segments`. Safe to share between threads."""

    def __init__(self, documents: Documents, changes: SegmentChanges) -> None:
        self._documents = documents
        self._changes = changes

    def audience(self, reading: Reading, name: str) -> SegmentAudience | None:
        """See :class:`~andon.flow.flags.contract.audiences.Segments`."""
        found = storage.find(reading.connection, name)
        if found is None:
            return None
        members = self._documents.segment(reading, found).members
        return SegmentAudience(
            name=found.name,
            service=found.service,
            version=found.version,
            size=found.size,
            members=members if isinstance(members, frozenset) else None,
            conditional=bool(found.when),
        )

    def used_by(self, uses: AudienceUses) -> None:
        """See :class:`~andon.flow.flags.contract.audiences.Segments`."""
        self._changes.used_by(uses)
