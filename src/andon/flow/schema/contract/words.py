"""A report in words, for logs and terminals: the same ones wherever it is told."""

from __future__ import annotations

from collections.abc import Iterator

from andon.flow.schema.contract import Finding, Report, Weight

_MARKS = {Weight.REFUSED: "✗", Weight.ACCEPTED: "–", Weight.TOLD: "!", Weight.HINT: "i"}


def lines(report: Report) -> Iterator[str]:
    """Each finding as a fault is told: file, line, what breaks, the safe way, an example; at last the sum."""
    for one in report.findings:
        yield from finding_lines(one)
        yield ""
    yield summary(report)


def finding_lines(finding: Finding) -> Iterator[str]:
    yield f"{_MARKS[finding.weight]} {finding.file}:{finding.line}: {finding.rule}: {_visible(finding.breaks)}"
    if finding.statement:
        yield f"      {_visible(finding.statement)}"
    if finding.weight is Weight.ACCEPTED:
        yield f"  accepted: {_visible(finding.reason)}"
        return
    if finding.weight is Weight.TOLD:
        yield "  It takes that away on purpose: run it once no version that may come back needs it."
        return
    yield f"  {_visible(finding.safe)}"
    for line in finding.example.splitlines():
        yield f"      {_visible(line)}"


def summary(report: Report) -> str:
    """Such as "3 files, 12 statements: 1 refused, 2 hints"."""
    counts = {weight: sum(1 for one in report.findings if one.weight is weight) for weight in Weight}
    words = [
        (counts[Weight.REFUSED], "refused", "refused"),
        (counts[Weight.ACCEPTED], "accepted by its author", "accepted by their authors"),
        (counts[Weight.TOLD], "taken away", "taken away"),
        (counts[Weight.HINT], "hint", "hints"),
    ]
    said = ", ".join(f"{count} {one if count == 1 else more}" for count, one, more in words if count)
    return f"{_count(len(report.files), 'file')}, {_count(report.statements, 'statement')}: {said or 'nothing to say'}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _visible(text: str) -> str:
    """Without what could steer a terminal: the statement is whoever pushed it."""
    return "".join(one if one.isprintable() else "�" for one in text)
