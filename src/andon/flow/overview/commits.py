"""What git knows of commits, remembered: a commit never changes, and asking costs a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from andon.flow.sources.contract import Commit, CommitHash, Service, Sources
from andon.kernel.errors import NotFound

REMEMBERED = 5000
MOST_COUNTED = 200
"""Of more commits than this a difference tells no number."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class _Memory(Generic[_K, _V]):
    """The values of the last few thousand keys that were asked for."""

    def __init__(self) -> None:
        self._known: OrderedDict[_K, _V] = OrderedDict()
        self._guard = Lock()

    def get(self, key: _K, ask: Callable[[], _V]) -> _V:
        with self._guard:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        value = ask()
        with self._guard:
            self._known[key] = value
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return value


class Commits:
    """Safe to share between threads."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._commits: _Memory[tuple[Service, CommitHash], Commit] = _Memory()
        self._between: _Memory[tuple[Service, CommitHash, CommitHash], int] = _Memory()

    def get(self, service: Service, commit: CommitHash) -> Commit | None:
        """``None`` for one that is gone."""
        try:
            return self._commits.get((service, commit), lambda: self._sources.commit(service, commit))
        except NotFound:
            return None

    def subject(self, service: Service, commit: CommitHash | None) -> str:
        found = None if commit is None else self.get(service, commit)
        return "" if found is None else found.subject

    def between(self, service: Service, base: CommitHash, head: CommitHash) -> int | None:
        """How many commits ``head`` brings that ``base`` does not have; ``None`` when one of them is gone."""
        try:
            return self._between.get(
                (service, base, head), lambda: len(self._sources.difference(service, base, head).commits)
            )
        except NotFound:
            return None
