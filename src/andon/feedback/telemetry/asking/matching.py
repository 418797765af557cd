"""Matchers as conditions on the table of series."""

from __future__ import annotations

import re
from collections.abc import Sequence

from andon.feedback.telemetry.asking.statements import LONGEST_PATTERN, Conditions
from andon.feedback.telemetry.contract.metrics import NAME, Comparison, Matcher, Sight
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.kernel.errors import Invalid

_LITERALS = re.compile(r"[\w :/@,%=~&-]+(?:\|[\w :/@,%=~&-]+){0,63}", re.ASCII)
"""What dashboards make of a choice: ``a|b|c``, which an index answers."""


def fitting(matchers: Sequence[Matcher], start: int, end: int, sight: Sight) -> Conditions:
    """Series that fit and were seen on the days of these milliseconds."""
    found = Conditions()
    first, last = (found.value(min(max(0, one // DAY_MS), 65_535), "UInt16") for one in (start, end))
    found.say(f"day BETWEEN {first} AND {last}")
    found.see(sight)
    for matcher in matchers:
        found.say(_condition(found, matcher))
    return found


def _condition(found: Conditions, matcher: Matcher) -> str:
    # a label that is not there reads as empty, which is just what a matcher takes it for
    column = "name" if matcher.label == NAME else f"labels[{found.value(matcher.label)}]"
    match matcher.comparison:
        case Comparison.EQUAL:
            return _equal(found, matcher.label, column, matcher.value)
        case Comparison.UNEQUAL:
            return f"{column} != {found.value(matcher.value)}"
        case Comparison.LIKE:
            if _LITERALS.fullmatch(matcher.value):
                each = [_equal(found, matcher.label, column, one) for one in matcher.value.split("|")]
                return f"({' OR '.join(each)})"
            return _like(found, column, matcher.value)
        case Comparison.UNLIKE:
            return f"NOT {_like(found, column, matcher.value)}"


def _equal(found: Conditions, label: str, column: str, value: str) -> str:
    if label == NAME or not value:
        return f"{column} = {found.value(value)}"
    return f"has(pairs, {found.value(f'{label}={value}')})"


def _like(found: Conditions, column: str, pattern: str) -> str:
    if len(pattern) > LONGEST_PATTERN:
        raise Invalid(f"The pattern is longer than {LONGEST_PATTERN} characters.", remedy="Use a shorter one.")
    return f"match({column}, {found.value(f'^(?s:{pattern})$')})"
