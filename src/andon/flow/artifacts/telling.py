"""How packages are told."""

from __future__ import annotations

from andon.flow.artifacts.contract import ArtifactDamaged, ArtifactPublished, ArtifactRemoved
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.rendering import plural, size
from andon.web.telling import Names, Sentence, Telling


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case ArtifactPublished(digest=digest, commit=commit, run=run):
            told = f"{size(happened.size)} in {plural(happened.files, 'file')}, sha256 {_short(digest)}"
            of = f", built by {names.of('run', run, 'its run')}"
            return Sentence("stored the package of", commit[:7], f"/runs/{run}", of, told, "artifact")
        case ArtifactRemoved(digest=digest, reason=reason):
            return Sentence("removed the package", f"sha256 {_short(digest)}", detail=reason, icon="trash")
        case ArtifactDamaged(digest=digest):
            told = "its bytes no longer match their digest; nothing is deployed from them"
            return Sentence(
                "found damaged the package", f"sha256 {_short(digest)}", detail=told, icon="artifact", state=State.BAD
            )
    return None


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:12]


TELLING = Telling(tell=tell)
