"""Reads migrations from a tree that somebody pushed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from andon.flow.schema.contract import Source
from andon.flow.schema.contract.files import in_order, phase_of
from andon.flow.schema.statement import MOST_TEXT

MOST_FILES = 2_000


def found_below(tree: Path, folder: str) -> list[str]:
    """Paths of migrations below ``tree/folder``, relative to ``tree``. No link is followed: the tree is hostile."""
    top = tree / folder
    found: list[str] = []
    if top.is_symlink() or not top.is_dir():
        return []
    pending = [top]
    while pending:
        for one in sorted(pending.pop().iterdir()):
            if one.is_symlink():
                continue
            if one.is_dir():
                pending.append(one)
            elif one.is_file() and phase_of(one.name if one.parent == top else f"{one.parent.name}/{one.name}"):
                found.append(one.relative_to(tree).as_posix())
                if len(found) > MOST_FILES:
                    return in_order(found)
    return in_order(found)


def sources_below(tree: Path, folder: str, judged: Collection[str] | None) -> list[Source]:
    """The files as sources in their order. ``judged`` names those that are to be judged; ``None`` is all of them."""
    found = []
    for path in found_below(tree, folder):
        phase = phase_of(path)
        assert phase is not None  # noqa: S101 - found_below() leaves out the others
        with (tree / path).open("rb") as file:
            text = file.read(4 * MOST_TEXT + 4).decode("utf-8", "replace")
        found.append(Source(file=path, phase=phase, text=text, judged=judged is None or path in judged))
    return found
