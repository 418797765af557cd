"""A file cut into statements: where each begins, what the author said of it, how it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from andon.flow.schema.contract import Rule

MOST_TEXT = 1_000_000
"""Characters of one file. A dump belongs into the database, not into a migration."""
MOST_STATEMENTS = 20_000
"""Of one file."""
_SHOWN = 200
_LEADING = re.compile(r"[\s;]+|--[^\n]*|/\*.*?\*/", re.DOTALL)
_ACCEPTS = re.compile(r"^--\s*andon:\s*accept\s+([a-z-]+)\s*:?\s*(.*)$", re.MULTILINE)


class Unreadable(Exception):
    """The text is not SQL of this dialect; ``offset`` is the character where that shows."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Cut:
    """A statement's text and place."""

    text: str
    """Without the comments before it."""
    line: int
    accepts: dict[Rule, str] = field(default_factory=dict)
    """What the comments before it say may be: rule → reason."""

    @property
    def shown(self) -> str:
        one_line = " ".join(self.text.split())
        return one_line if len(one_line) <= _SHOWN else one_line[: _SHOWN - 1] + "…"


class Lines:
    """Line numbers of offsets that are asked for in rising order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._line = 1

    def at(self, offset: int) -> int:
        if offset < self._offset:
            self._offset, self._line = 0, 1
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line


def cut(text: str, begin: int, end: int, lines: Lines) -> Cut | None:
    """The statement in ``text[begin:end]``, which may start with comments; ``None`` if there is nothing else."""
    at = begin
    while at < end and (found := _LEADING.match(text, at, end)):
        at = found.end()
    body = text[at:end].rstrip().rstrip(";").rstrip()
    if not body:
        return None
    return Cut(text=body, line=lines.at(at), accepts=_accepted(text[begin:at]))


def _accepted(comments: str) -> dict[Rule, str]:
    found: dict[Rule, str] = {}
    for name, reason in _ACCEPTS.findall(comments):
        if name in _RULES and reason.strip():
            found[_RULES[name]] = reason.strip()[:_SHOWN]
    return found


_RULES = {str(rule): rule for rule in Rule}
