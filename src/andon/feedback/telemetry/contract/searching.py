"""What people type to find lines: words, ``"a phrase"``, ``field:value``, and ``-`` before what must not be there.

The same text finds lines on a page, in the terminal, through the API, and says in ``andon.yaml`` which lines are
counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from andon.feedback.telemetry.contract.logs import LogLine, Severity, Term, TermKind
from andon.kernel.errors import Invalid

MOST_TERMS = 30
LONGEST = 1000

OWN_FIELDS = ("service", "environment", "version", "instance", "trace", "span", "source", "origin", "template")
"""Fields that every line has by itself; all others are among those that came with it."""

_TOKEN = re.compile(
    r"""\s*(?P<minus>-)?(?:(?P<field>[A-Za-z_][\w.@/-]*):)?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|$)|(?P<plain>[^\s"]\S*))""",
)
_WORD = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff]+")


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a search. Raises :class:`~andon.kernel.errors.Invalid` for one that cannot be read."""
    if len(text) > LONGEST:
        raise Invalid(f"The search has {len(text):,} characters.", remedy=f"At most {LONGEST:,} are read.")
    terms: list[Term] = []
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            rest = text[at:].strip()
            raise Invalid(
                f"The search cannot be read from {rest[:30]!r} on.", remedy='Put a phrase in quotes: "like this".'
            )
        at = found.end()
        terms.append(_term(found))
        if len(terms) > MOST_TERMS:
            raise Invalid(f"The search has more than {MOST_TERMS} terms.", remedy="Leave some out.")
    return tuple(terms)


def _term(found: re.Match[str]) -> Term:
    negated = found["minus"] is not None
    quoted = found["quoted"]
    value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found["plain"]
    if found["field"] is not None:
        return Term(TermKind.FIELD, value, found["field"], negated)
    whole = quoted is None and _WORD.fullmatch(value) is not None
    return Term(TermKind.WORD if whole else TermKind.PHRASE, value, "", negated)


def written(terms: Iterable[Term]) -> str:
    """The text that :func:`parse` reads as these terms."""
    return " ".join(_written(term) for term in terms)


def _written(term: Term) -> str:
    bare = re.fullmatch(r"[^\s\"\\:-][^\s\"\\:]*", term.value)
    escaped = re.sub(r'(["\\])', r"\\\1", term.value)
    if term.kind is TermKind.FIELD:
        value = f"{term.field}:{term.value}" if bare else f'{term.field}:"{escaped}"'
    elif term.kind is TermKind.WORD:
        value = term.value
    else:
        value = f'"{escaped}"'
    return f"-{value}" if term.negated else value


class Matching:
    """A search that is asked of one line after another. Says the same as the store does of the same line."""

    def __init__(self, terms: Sequence[Term], at_least: Severity = Severity.UNKNOWN) -> None:
        self._at_least = at_least
        self._pieces: list[tuple[str, bool]] = []
        self._words: list[tuple[re.Pattern[str], bool]] = []
        self._fields: list[Term] = []
        for term in terms:
            match term.kind:
                case TermKind.PHRASE:
                    self._pieces.append((term.value.lower(), not term.negated))
                case TermKind.WORD:
                    # bounded as the store's index bounds words: by anything that is no letter or digit of ASCII
                    edge = r"[a-z0-9\u0080-\U0010ffff]"
                    word = re.compile(rf"(?<!{edge}){re.escape(term.value.lower())}(?!{edge})")
                    self._words.append((word, not term.negated))
                case TermKind.FIELD:
                    self._fields.append(term)

    def fits(self, line: LogLine) -> bool:
        if line.severity < self._at_least:
            return False
        if self._pieces or self._words:
            body = line.body.lower()
            if any((piece in body) is not wanted for piece, wanted in self._pieces):
                return False
            if any((word.search(body) is not None) is not wanted for word, wanted in self._words):
                return False
        return all((_field(line, term.field) == term.value) is not term.negated for term in self._fields)


def _field(line: LogLine, name: str) -> str:
    own: Mapping[str, str] = {
        "service": line.service,
        "environment": line.environment,
        "version": line.version,
        "instance": line.instance,
        "trace": line.trace,
        "span": line.span,
        "source": line.source.value,
        "origin": line.origin,
        "template": str(line.template),
    }
    return own[name] if name in own else line.fields.get(name, "")
