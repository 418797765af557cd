"""How pushes are told."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from andon.flow.sources.contract import (
    BranchDeleted,
    BranchPushed,
    CommitHash,
    PushAbandoned,
    PushAnnounced,
    RepositoryCreated,
    Service,
    Sources,
    TagDeleted,
    TagPushed,
)
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Event
from andon.kernel.logs.text import plain
from andon.web.model import State
from andon.web.rendering import plural
from andon.web.telling import Names, Sentence, Telling

_NAMED = 3
"""Refs of a push that are called by name."""


def source_telling(sources: Sources) -> Telling:
    def title(service: str, commit: str) -> str:
        return plain(sources.commit(Service(service), CommitHash(commit)).subject)

    def name(_reading: Reading, kind: str, id: str) -> str | None:
        if kind != "commit":
            return None
        service, _, commit = id.partition("/")
        try:
            return title(service, commit)
        except NotFound:
            return None  # the record outlives what was removed from the repository

    return Telling(tell=tell, name=name)


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case RepositoryCreated(service=service):
            return Sentence("made the repository", service, _address(service), icon="change")
        case PushAnnounced(service=service, refs=refs):
            return Sentence("began to push", _refs(refs), _address(service), icon="change", minor="announced push")
        case PushAbandoned(service=service, reason=reason):
            return Sentence(
                "pushed to", service, _address(service), ", which moved nothing", reason, "change", State.WARN
            )
        case BranchPushed(service=service, branch=branch, commit=commit, forced=forced):
            return Sentence(
                "pushed",
                commit[:7],
                _commit(service, commit),
                f"to {branch}, by force" if forced else f"to {branch}",
                names.title(service, commit),
                "change",
                State.WARN if forced else None,
            )
        case BranchDeleted(service=service, branch=branch, before=before):
            was = f"was at {before[:7]}"
            return Sentence("deleted the branch", branch, _address(service), detail=was, icon="trash")
        case TagPushed(service=service, tag=tag, commit=commit, forced=forced):
            what, state = ("moved the tag", State.WARN) if forced else ("set the tag", None)
            return Sentence(
                what, tag, _commit(service, commit), f"to {commit[:7]}", names.title(service, commit), "change", state
            )
        case TagDeleted(service=service, tag=tag):
            return Sentence("deleted the tag", tag, _address(service), icon="trash")
    return None


def _address(service: str) -> str:
    return f"/services/{quote(service, safe='')}"


def _commit(service: str, commit: str) -> str:
    """Everything that happened to the commit."""
    return f"/record?service={quote(service, safe='')}&commit={commit}"


def _refs(refs: Sequence[str]) -> str:
    """ "main", "main and v1.0", "12 branches and tags"."""
    short = [one.removeprefix("refs/heads/").removeprefix("refs/tags/") for one in refs]
    if len(short) > _NAMED:
        return plural(len(short), "branch or tag", "branches and tags")
    return " and ".join([", ".join(short[:-1]), short[-1]] if len(short) > 1 else short) or "nothing"
