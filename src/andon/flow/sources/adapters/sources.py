"""Answers to other rooms' questions about repositories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

from andon.flow.sources import history
from andon.flow.sources import service as repositories
from andon.flow.sources.contract import Commit, CommitHash, Difference, Service
from andon.flow.sources.git import Git
from andon.kernel.db import Reading

REMEMBERED = 8192
"""Commits whose author and message are kept in memory: they never change, and asking costs a process."""


class GitSources:
    """:class:`andon.flow.sources.contract.Sources`, asked of git."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._commit = lru_cache(REMEMBERED)(partial(history.commit, git))

    def services(self, reading: Reading) -> tuple[Service, ...]:
        return tuple(one.service for one in repositories.all_repositories(reading))

    def default_branch(self, reading: Reading, service: Service) -> str:
        return repositories.repository(reading, service).default_branch

    def resolve(self, service: Service, revision: str) -> CommitHash:
        return history.resolve(self._git, service, revision)

    def commit(self, service: Service, commit: CommitHash) -> Commit:
        return self._commit(service, commit)

    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        return history.read(self._git, service, commit, path)

    def below(self, service: Service, commit: CommitHash, folder: str) -> tuple[str, ...]:
        return history.below(self._git, service, commit, folder)

    def export(self, service: Service, commit: CommitHash, folder: Path) -> None:
        history.export(self._git, service, commit, folder)

    def difference(self, service: Service, base: CommitHash | None, head: CommitHash) -> Difference:
        return history.difference(self._git, service, base, head)

    def written(self, service: Service, commit: CommitHash, path: str, lines: Sequence[int]) -> dict[int, datetime]:
        return history.written(self._git, service, commit, path, lines)

    def contains(self, service: Service, branch: str, commit: CommitHash) -> bool:
        return history.contains(self._git, service, branch, commit)
