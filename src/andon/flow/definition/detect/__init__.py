"""Looks at a checkout and proposes an ``andon.yaml`` for it: what ``andon init`` writes.

It reads a few well-known files, bounded in size and never through a link, and runs nothing. A guess that
cannot be made well is left as a comment to fill in rather than made badly; and where it does not know how
the repository is tested, it proposes a job that fails, because a test that tests nothing is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from andon.flow.definition.detect.checkout import Checkout
from andon.flow.definition.detect.others import go, make, node, plain
from andon.flow.definition.detect.plan import RepositoryKind, render
from andon.flow.definition.detect.python import python

__all__ = ["DEFAULT_SCHEMA", "Proposal", "RepositoryKind", "propose"]

DEFAULT_SCHEMA = "./andon.schema.json"
"""What the editor comment names if nobody says where the schema is."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An ``andon.yaml`` that somebody may take as it is, or as a beginning."""

    kind: RepositoryKind
    text: str
    """The file to write; reads without faults as it is."""
    notes: tuple[str, ...]
    """What was guessed and should be looked at, a sentence each."""


def propose(root: Path, *, schema_url: str = DEFAULT_SCHEMA) -> Proposal:
    """A commented ``andon.yaml`` for the checkout at ``root``; nothing is written."""
    checkout = Checkout(root)
    plan = python(checkout) or node(checkout) or go(checkout) or make(checkout) or plain()
    if plan.command is not None:
        plan.notes.append("Health check and smoke test ask for '/': name another path if nothing is there.")
    return Proposal(plan.kind, render(plan, schema_url), tuple(plan.notes))
