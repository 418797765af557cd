"""What others may know of artifacts: packages built once and kept by their digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.errors import Conflict, Invalid, NotFound
from andon.kernel.events import Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

Digest = NewType("Digest", str)
"""SHA-256 of the stored bytes, 64 hexadecimal digits."""


class PackageInvalid(Invalid):
    """What a build left behind is no package: nothing matches, or a link leaves the tree."""

    code = "artifacts.package_invalid"


class ArtifactMissing(NotFound):
    """There is no such artifact, or its bytes are gone."""

    code = "artifacts.missing"


class ArtifactCorrupt(Conflict):
    """The stored bytes no longer match their digest."""

    code = "artifacts.corrupt"


@event("dev.andon.artifact.published.v1", subject="digest", cdevents="dev.cdevents.artifact.published.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactPublished(Event):
    """A package became an artifact: built once, stored under its digest, the same bytes for every environment."""

    digest: Digest
    service: Service
    commit: CommitHash
    run: str
    size: int
    """Bytes."""
    files: int


@event("dev.andon.artifact.removed.v1", subject="digest", cdevents="dev.cdevents.artifact.deleted.0.1.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRemoved(Event):
    """The bytes of an artifact that nothing needs any more were removed; what is known of it stays."""

    digest: Digest
    service: Service
    reason: str


@event("dev.andon.artifact.damaged.v1", subject="digest")
@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactDamaged(Event):
    """The stored bytes no longer match their digest; nothing is deployed from them."""

    digest: Digest
    service: Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """From what, by what and how the package was built."""

    commit: CommitHash
    run: str
    command: str
    builder: str
    """Name and version of what built it, such as ``andon 0.1.0``."""
    inputs: tuple[str, ...]
    """Digests of what went in beside the commit: caches are named, not hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    digest: Digest
    service: Service
    commit: CommitHash
    run: str
    size: int
    files: int
    built_at: datetime
    provenance: Provenance
    removed_at: datetime | None = None


class Artifacts(Protocol):
    """The store of packages."""

    def pack(self, tree: Path, globs: Sequence[str]) -> tuple[Digest, int, int]:
        """Pack what the globs match below ``tree`` into the store; digest, size in bytes, number of files.

        The same files give the same bytes (sorted names, fixed times and owners). Not yet an artifact: only
        :meth:`publish` makes it one. Raises ``PackageInvalid`` when nothing matches or a link leaves the tree.
        """
        ...

    def publish(
        self, tx: Transaction, *, service: Service, digest: Digest, size: int, files: int, provenance: Provenance
    ) -> Artifact:
        """Record the package of a run: the first one wins, a repeated call answers what was published."""
        ...

    def get(self, reading: Reading, digest: Digest) -> Artifact:
        """Raises ``NotFound``."""
        ...

    def of_run(self, reading: Reading, run: str) -> Artifact | None: ...

    def of_commit(self, reading: Reading, service: Service, commit: CommitHash) -> Artifact | None:
        """The newest artifact built from the commit."""
        ...

    def unpack(self, digest: Digest, folder: Path) -> None:
        """Check the bytes against the digest, then unpack them into the new folder ``folder``, whole or not at all.

        Raises ``ArtifactMissing`` or ``ArtifactCorrupt``.
        """
        ...


class InUse(Protocol):
    """Registered by whoever needs artifacts to stay."""

    def digests_in_use(self, reading: Reading) -> frozenset[Digest]: ...
