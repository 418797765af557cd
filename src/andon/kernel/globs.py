"""Which paths a pattern of ``andon.yaml`` means: ``*``, ``?`` and ``[…]`` stay in one folder, ``**`` crosses folders.

A pattern that ends in ``/`` means everything below that folder. Patterns are hostile: matching takes time
proportional to the parts of the pattern times the parts of the path.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

_Part = re.Pattern[str] | None
"""``None`` is ``**``."""


class Globs:
    """Chooses among relative paths with ``/`` between their parts."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_parts(pattern) for pattern in patterns]

    def match(self, path: str) -> bool:
        names = path.split("/")
        return any(_match(pattern, names) for pattern in self._patterns)


def _parts(pattern: str) -> list[_Part]:
    pattern = pattern.removeprefix("./")
    if pattern.endswith("/"):
        pattern += "**"
    return [None if part == "**" else re.compile(fnmatch.translate(part)) for part in pattern.split("/")]


def _match(pattern: list[_Part], names: list[str]) -> bool:
    # reached[i]: the parts so far match the first i names
    reached = [True] + [False] * len(names)
    for place, part in enumerate(pattern):
        if part is None:
            first = reached.index(True) if True in reached else len(reached)
            # a last "**" means what is in the folder, not the folder itself
            first += place == len(pattern) - 1
            reached = [at >= first for at in range(len(reached))]
        else:
            reached = [False] + [reached[at] and part.match(name) is not None for at, name in enumerate(names)]
    return reached[-1]
