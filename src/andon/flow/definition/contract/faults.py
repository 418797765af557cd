"""What is wrong in a definition, where, and what would have been right."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from andon.kernel.errors import Invalid

DEFINITION_FILE = "andon.yaml"

FAULTS_PRINTED = 50
"""``str()`` of :class:`DefinitionInvalid` prints this many faults and counts the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong in a definition, and where.

    Texts may quote the file, which anybody who can push wrote: ``str()`` is safe to print on a terminal,
    the fields alone are not.
    """

    file: str
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    path: str
    """Such as ``stages.commit.jobs.test.timout``; empty for the file as a whole."""
    message: str
    """What is wrong."""
    expected: str = ""
    """What would have been right, with an example where one helps."""
    nearest: str | None = None
    """The known word closest to the one found."""
    excerpt: str = ""
    """The line, as it stands in the file."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        said = f"{where}{self.message}"
        if self.nearest is not None:
            said += f"; did you mean {self.nearest!r}?"
        lines = [_printable(said)]
        if self.excerpt.strip():
            shown, caret = _window(self.excerpt, self.column - 1)
            lines += [f"    {shown}", f"    {caret}"]
        if self.expected:
            lines.append(f"    expected: {_printable(self.expected)}")
        return "\n".join(lines)


class DefinitionInvalid(Invalid):
    """``andon.yaml`` breaks a rule; ``faults`` has every one found, in the order of the lines."""

    code = "definition.invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.column)))
        file = self.faults[0].file if self.faults else DEFINITION_FILE
        number = len(self.faults)
        super().__init__(
            _printable(f"{file} has {number} {'fault' if number == 1 else 'faults'}."),
            safe="Nothing was run.",
            remedy="Mend the lines named and push again.",
        )

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults[:FAULTS_PRINTED]]
        if len(self.faults) > FAULTS_PRINTED:
            lines.append(f"… and {len(self.faults) - FAULTS_PRINTED} more")
        return "\n".join([*lines, f"{self.message} {self.safe} {self.remedy}"])


def _printable(text: str) -> str:
    """``text`` with everything that could steer a terminal, or hide, written out."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    # C: control, format (bidirectional overrides, zero width), surrogates, unassigned. Zl, Zp: line breaks.
    if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029":
        return character.encode("unicode_escape", "backslashreplace").decode("ascii")
    return character


def _window(line: str, at: int, *, before: int = 60, after: int = 40) -> tuple[str, str]:
    """The part of ``line`` around index ``at``, and a caret that stands below that character."""
    start = max(0, at - before)
    end = at + after
    head = ("…" if start else "") + _printable(line[start:at])
    tail = _printable(line[at:end]) + ("…" if end < len(line) else "")
    return head + tail, " " * sum(_cells(character) for character in head) + "^"


def _cells(character: str) -> int:
    """How many columns of a terminal ``character`` takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
