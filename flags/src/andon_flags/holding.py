"""Whether a condition holds, and in words why; the plain form of what conditions.py compiles."""

import re
from collections.abc import Iterable, Mapping

from andon_flags.document.checking import quoted
from andon_flags.document.model import (
    NUMERIC,
    SEGMENTAL,
    TEXTUAL,
    TIMED,
    Condition,
    Document,
    Hashed,
    Operator,
    Segment,
)
from andon_flags.document.patterns import LONGEST_SUBJECT
from andon_flags.document.values import number_of, text_of, time_of, unit_of, version_of

_SHOWN = 5
_WORDS = {
    Operator.IN: "wants",
    Operator.NOT_IN: "wants other than",
    Operator.CONTAINS: "wants to contain",
    Operator.STARTS_WITH: "wants to start with",
    Operator.ENDS_WITH: "wants to end with",
    Operator.MATCHES: "wants to match",
    Operator.LESS: "wants less than",
    Operator.AT_MOST: "wants at most",
    Operator.MORE: "wants more than",
    Operator.AT_LEAST: "wants at least",
    Operator.BEFORE: "wants before",
    Operator.AFTER: "wants after",
    Operator.VERSION_LESS: "wants a version before",
    Operator.VERSION_AT_LEAST: "wants a version from",
}


def listed(values: "Iterable[object]") -> str:
    """One of them, some of them, or how many."""
    every = list(values)
    if not every:
        return "one of none"
    shown = ", ".join(quoted(value) for value in every[:_SHOWN])
    if len(every) == 1:
        return shown
    more = f" and {len(every) - _SHOWN:,} more" if len(every) > _SHOWN else ""
    return f"one of {shown}{more}"


class Judge:
    """Of one context."""

    def __init__(self, document: Document, context: "Mapping[str, object]") -> None:
        self._document = document
        self._context = context

    def condition(self, condition: Condition) -> "tuple[bool, str]":
        """Whether it holds, and what there is and what is wanted."""
        value = self._context.get(condition.attribute)
        if condition.operator is Operator.PRESENT:
            return value is not None, f"{condition.attribute} is {'there' if value is not None else 'missing'}"
        if condition.operator is Operator.ABSENT:
            return value is None, f"{condition.attribute} is {'there' if value is not None else 'missing'}"
        if condition.operator in SEGMENTAL:
            return self._in_segments(condition, value)
        wanted = f"{_WORDS[condition.operator]} {listed(condition.values)}"
        if value is None:
            return False, f"{condition.attribute} is missing, {wanted}"
        has = f"{condition.attribute} is {quoted(value)}"
        if condition.operator in {Operator.IN, Operator.NOT_IN}:
            return self._listed(condition, value, has, wanted)
        if condition.operator in TEXTUAL:
            text = text_of(value)
            if text is None:
                return False, f"{has}, which is no text, {wanted}"
            if condition.operator is Operator.MATCHES and len(text) > LONGEST_SUBJECT:
                return False, f"{has}, longer than the {LONGEST_SUBJECT} characters a pattern is tried on, {wanted}"
            return _textual(condition, text), f"{has}, {wanted}"
        if condition.operator in NUMERIC:
            number, bound = number_of(value), number_of(condition.values[0])
            if number is None or bound is None:
                return False, f"{has}, which is no number, {wanted}"
            return _ordered(condition.operator, number < bound, number == bound), f"{has}, {wanted}"
        if condition.operator in TIMED:
            moment, border = time_of(value), time_of(condition.values[0])
            if moment is None or border is None:
                return False, f"{has}, which is no time such as 2026-03-01T08:00:00Z, {wanted}"
            return _ordered(condition.operator, moment < border, moment == border), f"{has}, {wanted}"
        version, other = version_of(value), version_of(condition.values[0])
        if version is None or other is None:
            return False, f"{has}, which is no version, {wanted}"
        return _ordered(condition.operator, version < other, version == other), f"{has}, {wanted}"

    @staticmethod
    def _listed(condition: Condition, value: object, has: str, wanted: str) -> "tuple[bool, str]":
        same = [_kind(one) for one in condition.values]
        kind = _kind(value)
        if kind == "other" or (same and kind not in same):
            return False, f"{has}, which is of another kind than the values, {wanted}"
        plain = text_of(value) if kind == "text" else number_of(value) if kind == "number" else value
        found = any(_kind(one) == kind and one == plain for one in condition.values)
        return found is (condition.operator is Operator.IN), f"{has}, {wanted}"

    def _in_segments(self, condition: Condition, value: object) -> "tuple[bool, str]":
        segments = [self._document.segments[str(name)] for name in condition.values]
        names = " or ".join(segment.name for segment in segments) or "no segment at all"
        inside = condition.operator is Operator.IN_SEGMENT
        wanted = f"wants to be {'' if inside else 'not '}in {names}"
        unit = unit_of(value)
        if unit is None and any(len(segment.members) for segment in segments):
            kind = "missing" if value is None else f"{quoted(value)}, which nobody is a member by"
            return False, f"{condition.attribute} is {kind}, {wanted}"
        for segment in segments:
            found = self._within(segment, unit)
            if found:
                return inside, f"{condition.attribute} {quoted(unit)} is in {segment.name} ({found}), {wanted}"
        return not inside, f"{condition.attribute} {quoted(unit)} is in none of them, {wanted}"

    def _within(self, segment: Segment, unit: "str | None") -> str:
        if unit is not None and unit in segment.members:
            return f"one of {len(segment.members):,} {'hashed ' if isinstance(segment.members, Hashed) else ''}members"
        for every in segment.when:
            judged = [self.condition(one) for one in every]
            if all(held for held, _ in judged):
                return " and ".join(says for _, says in judged)
        return ""


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, str):
        return "text"
    return "other" if number_of(value) is None else "number"


def _textual(condition: Condition, text: str) -> bool:
    for value in condition.values:
        part = str(value)
        if condition.operator is Operator.CONTAINS and part in text:
            return True
        if condition.operator is Operator.STARTS_WITH and text[: len(part)] == part:
            return True
        if condition.operator is Operator.ENDS_WITH and text[-len(part) :] == part:
            return True
        if condition.operator is Operator.MATCHES and re.search(part, text):
            return True
    return False


def _ordered(operator: Operator, less: bool, equal: bool) -> bool:
    if operator in {Operator.LESS, Operator.BEFORE, Operator.VERSION_LESS}:
        return less
    if operator is Operator.AT_MOST:
        return less or equal
    if operator in {Operator.MORE, Operator.AFTER}:
        return not less and not equal
    return not less
