"""What is searched for in lines, as conditions that the table's indexes answer.

``hasToken`` on ``lower(body)`` uses the index of words, ``LIKE`` on it the index of pieces of four letters. Both know
the case of ASCII's letters only; what has others is left to RE2, which knows them all and reads every line.
"""

from __future__ import annotations

import re

from andon.feedback.telemetry.asking.statements import Conditions
from andon.feedback.telemetry.contract.logs import LogQuery, Severity, Term, TermKind
from andon.feedback.telemetry.contract.metrics import Sight
from andon.kernel.errors import Invalid

COLUMNS = frozenset({"service", "environment", "version", "instance", "trace", "span", "source", "origin", "template"})
"""What a line has beside the fields that it was given."""

LONGEST_TERM = 1_000
_WORD = re.compile(r"[a-z0-9]+")
_MOST_TERMS = 50


def fitting(query: LogQuery, sight: Sight, *, timeless: bool = False) -> Conditions:
    """Lines that fit; ``timeless`` leaves out the end, for those that are still to come. Raises ``Invalid``."""
    found = Conditions()
    found.say(f"time >= {found.value(query.start, 'Int64')}")
    if not timeless:
        found.say(f"time < {found.value(query.end, 'Int64')}")
    if query.at_least is not Severity.UNKNOWN:
        found.say(f"severity >= {found.value(int(query.at_least), 'UInt8')}")
    found.see(sight)
    if len(query.terms) > _MOST_TERMS:
        raise Invalid(f"A search has at most {_MOST_TERMS} terms.", remedy="Leave some out.")
    for term in query.terms:
        condition = _condition(found, term)
        found.say(f"NOT ({condition})" if term.negated else condition)
    return found


def value_of(found: Conditions, name: str) -> str:
    """The value of a line's field; empty where there is none."""
    if name == "template":
        return "toString(template)"
    return name if name in COLUMNS else f"fields[{found.value(name)}]"


def _condition(found: Conditions, term: Term) -> str:
    if len(term.value) > LONGEST_TERM:
        raise Invalid(f"A term is longer than {LONGEST_TERM} characters.", remedy="Search for a part of it.")
    match term.kind:
        case TermKind.WORD:
            return _word(found, term.value.lower())
        case TermKind.PHRASE:
            return _phrase(found, term.value.lower())
        case TermKind.FIELD:
            return _field(found, term)


def _word(found: Conditions, word: str) -> str:
    if _WORD.fullmatch(word):
        return f"hasToken(lower(body), {found.value(word)})"
    if word.isalnum():
        edge = r"[^\pL\pN]"
        return f"match(body, {found.value(f'(?i)(?:^|{edge}){re.escape(word)}(?:$|{edge})')})"
    return _phrase(found, word)


def _phrase(found: Conditions, phrase: str) -> str:
    if not phrase:
        raise Invalid("A search for nothing finds everything.", remedy="Say what to search for.")
    if not phrase.isascii():
        return f"match(body, {found.value(f'(?i){_quoted(phrase)}')})"
    escaped = phrase.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"lower(body) LIKE {found.value(f'%{escaped}%')}"


def _quoted(text: str) -> str:
    """As RE2 takes it for itself."""
    return "".join(rf"\x{{{ord(one):x}}}" if one.isascii() and not one.isalnum() else one for one in text)


def _field(found: Conditions, term: Term) -> str:
    if term.field == "template":
        number = int(term.value) if re.fullmatch(r"[0-9]{1,19}", term.value) else 0
        return f"template = {found.value(number, 'UInt64')}"
    column = value_of(found, term.field)
    if term.field in COLUMNS or not term.value:
        return f"{column} = {found.value(term.value)}"
    value = found.value(term.value)
    # the index knows which values there are, not of which field
    return f"(has(mapValues(fields), {value}) AND {column} = {value})"
