"""Files of migrations: which phase a name says, in which order they run, what a header asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from andon.flow.schema.contract import FlagNeed, Phase, Source
from andon.flow.schema.statement import LINE_COMMENT, MOST_TEXT

MOST_FILES = 2_000
_ORDER = {Phase.EXPAND: 0, Phase.BACKFILL: 1, Phase.CONTRACT: 2}
_NEEDS = re.compile(r"^\s*needs flag\s+(?P<flag>[a-z0-9][a-z0-9._-]{0,99})\s+at\s+(?P<variant>\S{1,100})\s*$")
_NUMBER = re.compile(r"^[^0-9]*([0-9]{1,18})")


def phase_of(path: str) -> Phase | None:
    """``0007_state.expand.sql`` or ``expand/0007-state.sql``; ``None`` for what is no migration."""
    name = PurePosixPath(path)
    if name.suffix.lower() != ".sql":
        return None
    words = [PurePosixPath(name.stem).suffix.removeprefix(".").lower(), name.parent.name.lower()]
    return next((phase for word in words for phase in Phase if phase.value == word), None)


def in_order(paths: Iterable[str]) -> list[str]:
    """As they run one day: by number, and of one number expand, backfill, contract."""

    def key(path: str) -> tuple[int, int, str]:
        phase = phase_of(path)
        found = _NUMBER.match(PurePosixPath(path).name)
        return (int(found[1]) if found else 0, _ORDER[phase] if phase else 0, path)

    return sorted(paths, key=key)


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


def needs_of(text: str) -> tuple[FlagNeed, ...]:
    """What the comments of a contract migration ask of flags: ``-- needs flag new-orders at on``."""
    found = (_NEEDS.match(one) for one in LINE_COMMENT.findall(text[:MOST_TEXT]))
    return tuple(FlagNeed(flag=one["flag"], variant=one["variant"]) for one in found if one is not None)
