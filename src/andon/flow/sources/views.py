"""Shapes of the API of repositories; server and command line share them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.flow.sources.contract import Commit, CommitHash
    from andon.flow.sources.model import Repository


class RepositoryRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``name`` is the service's name as well: lower case, digits and dashes, at most 40 characters."""

    name: str
    default_branch: str = "main"


class RepositoryView(msgspec.Struct, kw_only=True):
    """``address`` is what git is given; ``branches`` is branch → commit, empty in lists."""

    name: str
    default_branch: str
    created_at: datetime
    address: str
    branches: dict[str, str] = {}

    @classmethod
    def of(cls, one: Repository, console: str, branches: Mapping[str, CommitHash] | None = None) -> RepositoryView:
        return cls(
            name=one.service,
            default_branch=one.default_branch,
            created_at=one.created_at,
            address=f"{console}/git/{one.service}.git",
            branches=dict(branches or {}),
        )


class Repositories(msgspec.Struct, kw_only=True):
    """By name."""

    repositories: list[RepositoryView]


class CommitView(msgspec.Struct, kw_only=True):
    """``subject`` and ``author`` are what the commit says."""

    commit: str
    subject: str
    author: str
    authored_at: datetime
    committed_at: datetime
    parents: list[str]

    @classmethod
    def of(cls, one: Commit) -> CommitView:
        return cls(
            commit=one.hash,
            subject=one.subject,
            author=one.author,
            authored_at=one.authored_at,
            committed_at=one.committed_at,
            parents=list(one.parents),
        )


class Commits(msgspec.Struct, kw_only=True):
    """Newest first."""

    commits: list[CommitView]
