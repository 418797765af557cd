"""Files of migrations: which phase a name says, in which order they run, what a header asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from andon.flow.schema.contract import FlagNeed, Phase

_ORDER = {Phase.EXPAND: 0, Phase.BACKFILL: 1, Phase.CONTRACT: 2}
_MOST_TEXT = 1_000_000
_LINE_COMMENT = re.compile(r"^\s*--(.*)$", re.MULTILINE)
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


def needs_of(text: str) -> tuple[FlagNeed, ...]:
    """What the comments of a contract migration ask of flags: ``-- needs flag new-orders at on``."""
    found = (_NEEDS.match(one) for one in _LINE_COMMENT.findall(text[:_MOST_TEXT]))
    return tuple(FlagNeed(flag=one["flag"], variant=one["variant"]) for one in found if one is not None)
