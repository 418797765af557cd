"""What others may know of repositories and what is pushed to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NewType, Protocol

from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading

Service = NewType("Service", str)
"""A repository's name, which is its service's name: lower case, digits and dashes, at most 40 characters."""
CommitHash = NewType("CommitHash", str)
"""40 hexadecimal digits."""
PushId = NewType("PushId", str)

NO_COMMIT = CommitHash("0" * 40)
"""What git says for "there is none": a branch that is being made or deleted."""


@event("dev.andon.repository.created.v1", subject="service", cdevents="dev.cdevents.repository.created.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryCreated(Event):
    """A service exists from now on, with a repository to push to."""

    service: Service
    default_branch: str


@event("dev.andon.push.announced.v1", subject="push")
@dataclass(frozen=True, slots=True, kw_only=True)
class PushAnnounced(Event):
    """Git is about to move these refs: the intent, from which a crash between push and record is mended."""

    push: PushId
    service: Service
    refs: tuple[str, ...]


@event("dev.andon.push.abandoned.v1", subject="push")
@dataclass(frozen=True, slots=True, kw_only=True)
class PushAbandoned(Event):
    """An announced push moved nothing: it was refused, broken off, or overtaken."""

    push: PushId
    service: Service
    reason: str


@event("dev.andon.branch.pushed.v1", subject="service", cdevents="dev.cdevents.change.merged.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPushed(Event):
    """A branch came to point at another commit; this is where a change's lead time begins."""

    push: PushId
    service: Service
    branch: str
    before: CommitHash
    commit: CommitHash
    forced: bool
    """Whether commits that were there before are no longer reachable from the branch."""


@event("dev.andon.branch.deleted.v1", subject="service", cdevents="dev.cdevents.branch.deleted.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class BranchDeleted(Event):
    """A branch is gone; its commits stay in the repository."""

    push: PushId
    service: Service
    branch: str
    before: CommitHash


@event("dev.andon.tag.pushed.v1", subject="service")
@dataclass(frozen=True, slots=True, kw_only=True)
class TagPushed(Event):
    """A tag was made, or (``forced``) came to name something else."""

    push: PushId
    service: Service
    tag: str
    commit: CommitHash
    """The commit it names, also when the tag is an object of its own."""
    forced: bool


@event("dev.andon.tag.deleted.v1", subject="service")
@dataclass(frozen=True, slots=True, kw_only=True)
class TagDeleted(Event):
    """A tag is gone; the commit it named stays."""

    push: PushId
    service: Service
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    hash: CommitHash
    subject: str
    """First line of the message; hostile text."""
    author: str
    """Name as git has it; hostile text, not a person of Andon's."""
    authored_at: datetime
    committed_at: datetime
    parents: tuple[CommitHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    path: str
    added: int
    """Lines; -1 for a binary file."""
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What lies between two commits."""

    commits: tuple[Commit, ...]
    """Newest first, those in ``head`` and not in ``base``."""
    undone: tuple[Commit, ...]
    """Those in ``base`` and not in ``head``: what a deployment of ``head`` would take away."""
    files: tuple[ChangedFile, ...]
    truncated: bool


class Sources(Protocol):
    """Questions about repositories. All raise ``NotFound`` for what is not there."""

    def services(self, reading: Reading) -> tuple[Service, ...]: ...

    def default_branch(self, reading: Reading, service: Service) -> str: ...

    def resolve(self, service: Service, revision: str) -> CommitHash:
        """The commit a branch, tag or (short) hash names. ``revision`` may be hostile."""
        ...

    def commit(self, service: Service, commit: CommitHash) -> Commit: ...

    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        """A file's content at a commit, at most 1 MiB; ``None`` when there is no such file."""
        ...

    def below(self, service: Service, commit: CommitHash, folder: str) -> tuple[str, ...]:
        """Paths of the files in a folder and all below it, at most 500; links are left out."""
        ...

    def export(self, service: Service, commit: CommitHash, folder: Path) -> None:
        """Write the commit's tree into ``folder`` (made if missing), without ``.git``; links leaving it are refused."""
        ...

    def difference(self, service: Service, base: CommitHash | None, head: CommitHash) -> Difference: ...

    def written(self, service: Service, commit: CommitHash, path: str, lines: Sequence[int]) -> dict[int, datetime]:
        """When lines of a file at a commit were last changed, by number from 1; lines that it has not are left out."""
        ...

    def contains(self, service: Service, branch: str, commit: CommitHash) -> bool:
        """Whether the commit is reachable from the branch as it is now."""
        ...


class Announcer(Protocol):
    """Says on the pusher's terminal what a push has set in motion. Called from a thread; lines have no line end."""

    def announce(self, pushed: Sequence[BranchPushed]) -> Sequence[str]:
        """What to tell at once, such as the address of each run. Must answer within a fraction of a second."""
        ...

    def follow(self, pushed: Sequence[BranchPushed]) -> Iterator[str]:
        """What happens, line by line as it happens, until there is nothing more; for ``git push -o follow``.

        Yields an empty line at least every few seconds when nothing happens, so that a pusher who has gone is
        noticed; those are not printed.
        """
        ...
