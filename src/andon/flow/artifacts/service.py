"""Use cases of artifacts: publishing once, finding, checking, retention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from andon.flow.artifacts import storage
from andon.flow.artifacts.contract import (
    Artifact,
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactPublished,
    ArtifactRemoved,
    Digest,
    InUse,
    Provenance,
)
from andon.flow.artifacts.store import FileStore
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading, Transaction
from andon.kernel.events import ANDON, append


class ArtifactService:
    """Implements :class:`andon.flow.artifacts.contract.Artifacts`."""

    def __init__(self, store: FileStore, *, keep_days: int) -> None:
        self._store = store
        self._keep_days = keep_days
        self._in_use: list[InUse] = []

    def keep(self, in_use: InUse) -> None:
        """Ask this as well before anything is removed."""
        self._in_use.append(in_use)

    def pack(self, tree: Path, globs: Sequence[str]) -> tuple[Digest, int, int]:
        return self._store.pack(tree, globs)

    def publish(
        self, tx: Transaction, *, service: Service, digest: Digest, size: int, files: int, provenance: Provenance
    ) -> Artifact:
        known = storage.of_run(tx.connection, provenance.run)
        if known is not None:
            return known
        made = Artifact(
            digest=digest,
            service=service,
            commit=provenance.commit,
            run=provenance.run,
            size=size,
            files=files,
            built_at=tx.now,
            provenance=provenance,
        )
        storage.insert(tx.connection, made)
        append(
            tx,
            ArtifactPublished(
                digest=digest,
                service=service,
                commit=provenance.commit,
                run=provenance.run,
                size=size,
                files=files,
            ),
            by=ANDON,
        )
        return made

    def get(self, reading: Reading, digest: Digest) -> Artifact:
        found = storage.of_digest(reading.connection, digest)
        if found is None:
            raise ArtifactMissing(f"No package {digest[:12]} was ever published.")
        return found

    def of_run(self, reading: Reading, run: str) -> Artifact | None:
        return storage.of_run(reading.connection, run)

    def of_commit(self, reading: Reading, service: Service, commit: CommitHash) -> Artifact | None:
        return storage.of_commit(reading.connection, service, commit)

    def unpack(self, digest: Digest, folder: Path) -> None:
        self._store.unpack(digest, folder)

    def list(
        self,
        reading: Reading,
        *,
        services: Iterable[str] | None = None,
        service: Service | None = None,
        commit: str | None = None,
        before: str | None = None,
        limit: int = 20,
    ) -> tuple[Artifact, ...]:
        """Newest first; ``services`` is what the asker may see, ``before`` the run of the last one seen."""
        return storage.page(
            reading.connection,
            services=services,
            service=service,
            commit=commit,
            before=before,
            limit=limit,
        )

    def publications(self, reading: Reading, digest: str) -> tuple[Artifact, ...]:
        """Every run's publication of the bytes whose digest is, or begins with, this; of one digest only."""
        return storage.publications(reading.connection, digest)

    def file(self, digest: Digest) -> Path:
        """Where a package's bytes are. Raises ``ArtifactMissing``."""
        path = self._store.path(digest)
        if not path.is_file():
            raise ArtifactMissing(
                f"The package {digest[:12]} is not kept any more.",
                safe="Its record is.",
                remedy="Start a new run of its commit to build it again: andon run",
            )
        return path

    def damaged(self, reading: Reading) -> tuple[Digest, ...]:
        """Compare every stored package with its digest; those that no longer match or are gone."""
        found = []
        for digest in sorted(storage.kept_digests(reading.connection)):
            try:
                sound = self._store.intact(digest)
            except ArtifactMissing:
                sound = False
            if not sound:
                found.append(digest)
        return tuple(found)

    def report_damage(self, tx: Transaction, damaged: Iterable[Digest]) -> None:
        """Record packages that were found damaged."""
        for digest in damaged:
            append(tx, ArtifactDamaged(digest=digest, service=self.get(tx, digest).service), by=ANDON)

    def expire(self, tx: Transaction) -> tuple[Digest, ...]:
        """Mark what is past its time and in nobody's use as removed; :meth:`sweep` then frees the disk."""
        kept = frozenset[Digest]().union(*(one.digests_in_use(tx) for one in self._in_use))
        limit = tx.now - timedelta(days=self._keep_days)
        gone: list[Digest] = []
        for artifact in storage.built_before(tx.connection, limit):
            if artifact.digest in kept or artifact.digest in gone:
                continue
            storage.mark_removed(tx.connection, artifact.digest, tx.now)
            append(
                tx,
                ArtifactRemoved(
                    digest=artifact.digest, service=artifact.service, reason=f"older than {self._keep_days} days"
                ),
                by=ANDON,
            )
            gone.append(artifact.digest)
        return tuple(gone)

    def sweep(self, tx: Transaction) -> int:
        """Remove files that no artifact names any more, a day after they were written; how many.

        The day leaves room for a package that has been stored and is about to be published.
        """
        named = storage.kept_digests(tx.connection)
        removed = 0
        for digest in self._store.stored() - named:
            path = self._store.path(digest)
            if tx.now.timestamp() - path.stat().st_mtime > timedelta(days=1).total_seconds():
                self._store.remove(digest)
                removed += 1
        return removed
