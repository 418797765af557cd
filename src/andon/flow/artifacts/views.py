"""The shapes in which the API speaks of artifacts; shared with the commands."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.flow.artifacts.contract import Artifact


class ArtifactShape(msgspec.Struct, kw_only=True):
    """A package: what it is, from what and by what it was built. ``size`` is in bytes."""

    digest: str
    service: str
    commit: str
    run: str
    size: int
    files: int
    built_at: datetime
    command: str
    """What built it; empty when the files were taken as they are."""
    builder: str
    inputs: list[str]
    """What went in beside the commit, such as ``cache:.venv``."""
    removed_at: datetime | None
    """When its bytes were removed; its record stays."""

    @classmethod
    def of(cls, one: Artifact) -> ArtifactShape:
        return cls(
            digest=one.digest,
            service=one.service,
            commit=one.commit,
            run=one.run,
            size=one.size,
            files=one.files,
            built_at=one.built_at,
            command=one.provenance.command,
            builder=one.provenance.builder,
            inputs=list(one.provenance.inputs),
            removed_at=one.removed_at,
        )


class ArtifactList(msgspec.Struct, kw_only=True):
    """``next`` goes into ``before`` for the page behind; ``None`` at the end."""

    artifacts: list[ArtifactShape]
    next: str | None
