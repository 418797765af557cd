"""The text of a line as it is drawn: pieces with their colours, and what was searched for marked in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.logs import Term, TermKind
from andon.kernel.logs.text import spans

SHOWN = 1_200
"""Characters of a line in a list; its own page has the whole."""
SHOWN_OPEN = 4_000
MOST_MARKS = 200

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Controls, and the marks that turn text around or hide it."""

Piece = tuple[str, str, bool]
"""Text, CSS classes, and whether it was searched for."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Finds what is searched for in a line's own text."""

    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, terms: Iterable[Term]) -> Marker:
        edge = r"[A-Za-z0-9\u0080-\U0010ffff]"
        wanted = [
            rf"(?<!{edge}){re.escape(term.value)}(?!{edge})" if term.kind is TermKind.WORD else re.escape(term.value)
            for term in terms
            if term.kind is not TermKind.FIELD and not term.negated and term.value
        ]
        return cls(re.compile("|".join(wanted), re.IGNORECASE) if wanted else None)

    def pieces(self, text: str) -> tuple[Piece, ...]:
        """One line, safe to show once it is escaped: colours become classes, every other control is dropped."""
        drawn = spans(text)
        if self.pattern is None:
            return tuple((piece, classes, False) for piece, classes in drawn)
        whole = "".join(piece for piece, _ in drawn)
        found: list[tuple[int, int]] = []
        for match in self.pattern.finditer(whole):
            if match.end() > match.start():
                found.append(match.span())
            if len(found) == MOST_MARKS:
                break
        return tuple(_cut(drawn, found))


def _cut(drawn: Sequence[tuple[str, str]], found: Sequence[tuple[int, int]]) -> Iterable[Piece]:
    begin, turn = 0, 0
    for text, classes in drawn:
        end, at = begin + len(text), begin
        while at < end:
            while turn < len(found) and found[turn][1] <= at:
                turn += 1
            first, last = found[turn] if turn < len(found) else (end, end)
            inside = first <= at
            stop = min(end, last if inside else first)
            yield text[at - begin : stop - begin], classes, inside
            at = stop
        begin = end


def head_and_rest(body: str) -> tuple[str, str]:
    """The first line that says something, and what comes after it."""
    lines = body.strip("\n").split("\n", 1)
    return lines[0], lines[1] if len(lines) > 1 else ""


def seen(text: str) -> str:
    """A value with a sign for each character that would steer, turn or hide what is shown: unlike in a line, where
    colours are drawn, nothing of it is left out."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
