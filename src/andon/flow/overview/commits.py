"""What git knows of commits, where one that is gone is no error."""

from __future__ import annotations

from functools import lru_cache

from andon.flow.sources.contract import Commit, CommitHash, Service, Sources
from andon.kernel.errors import NotFound

REMEMBERED = 5000
MOST_COUNTED = 200
"""Of more commits than this a difference tells no number."""


class Commits:
    """Safe to share between threads."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        # Commits never change, nor what is between them, and counting costs a process.
        self._between = lru_cache(REMEMBERED)(self._count)

    def get(self, service: Service, commit: CommitHash) -> Commit | None:
        """``None`` for one that is gone."""
        try:
            return self._sources.commit(service, commit)
        except NotFound:
            return None

    def subject(self, service: Service, commit: CommitHash | None) -> str:
        found = None if commit is None else self.get(service, commit)
        return "" if found is None else found.subject

    def between(self, service: Service, base: CommitHash, head: CommitHash) -> int | None:
        """How many commits ``head`` brings that ``base`` does not have; ``None`` when one of them is gone."""
        try:
            return self._between(service, base, head)
        except NotFound:
            return None

    def _count(self, service: Service, base: CommitHash, head: CommitHash) -> int:
        return len(self._sources.difference(service, base, head).commits)
