"""Segments, for rooms that give their members something else than a flag."""

from __future__ import annotations

from andon.flow.flags.contract.audiences import SegmentAudience
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.storage import segments as storage
from andon.kernel.db import Reading


class AudienceService:
    """Implements :class:`andon.flow.flags.contract.audiences.Segments`. Safe to share between threads."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def audience(self, reading: Reading, name: str) -> SegmentAudience | None:
        """See :class:`~andon.flow.flags.contract.audiences.Segments`."""
        found = storage.find(reading.connection, name)
        if found is None:
            return None
        members = self._documents.segment(reading, found).members
        return SegmentAudience(
            name=found.name,
            version=found.version,
            size=found.size,
            members=members if isinstance(members, frozenset) else None,
            conditional=bool(found.when),
        )
