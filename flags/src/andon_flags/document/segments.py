"""Takes in conditions, and the segments made of them."""

import base64
import binascii
import sys
from array import array
from typing import Union

from andon_flags.document.checking import Checks, quoted
from andon_flags.document.limits import (
    LONGEST_ATTRIBUTE,
    LONGEST_TEXT,
    MOST_ALTERNATIVES,
    MOST_CONDITIONS,
    MOST_MEMBERS,
    MOST_SEGMENTS_NAMED,
    MOST_VALUES,
)
from andon_flags.document.model import (
    NUMERIC,
    SEGMENTAL,
    TEXTUAL,
    TIMED,
    VERSIONED,
    WITHOUT_VALUES,
    Condition,
    Hashed,
    Operator,
    Scalar,
    Segment,
)
from andon_flags.document.patterns import PatternError, compiled
from andon_flags.document.values import time_of, version_of

_KEYS = ("members", "hashed", "when")
_CONDITION_KEYS = ("attribute", "is", "values")


def segment_at(checks: Checks, path: str, name: str, value: object) -> Segment:
    """A segment; what cannot be told of it is left empty, with a fault."""
    said = checks.object_at(path, value, _KEYS)
    members: Union[frozenset[str], Hashed] = frozenset()
    if "members" in said and "hashed" in said:
        checks.fault(path, "has members and hashed: one of them is to be there")
    elif "members" in said:
        listed = checks.list_at(f"{path}.members", said["members"], MOST_MEMBERS, "members")
        members = frozenset(
            checks.text(f"{path}.members[{at}]", member, LONGEST_TEXT) for at, member in enumerate(listed)
        )
    elif "hashed" in said:
        members = _hashed(checks, f"{path}.hashed", said["hashed"])
    alternatives = []
    for at, one in enumerate(checks.list_at(f"{path}.when", said.get("when", []), MOST_ALTERNATIVES, "alternatives")):
        alternatives.append(conditions_at(checks, f"{path}.when[{at}]", one, in_segment=True))
        if isinstance(one, (list, tuple)) and not one:
            checks.fault(f"{path}.when[{at}]", "has no condition, so that everybody would be in the segment")
    return Segment(name, members, tuple(alternatives))


def _hashed(checks: Checks, path: str, value: object) -> Hashed:
    found = array("Q")
    if not isinstance(value, str):
        checks.fault(path, f"is {quoted(value)} and must be a text of base64")
        return Hashed(found)
    if len(value) > MOST_MEMBERS * 11:
        checks.fault(path, f"has more than {MOST_MEMBERS:,} members")
        return Hashed(found)
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        checks.fault(path, "is no base64")
        return Hashed(found)
    if len(content) % 8 or len(content) > MOST_MEMBERS * 8:
        checks.fault(path, f"must be eight bytes for each of up to {MOST_MEMBERS:,} members")
        return Hashed(found)
    found.frombytes(content)
    if sys.byteorder == "little":
        found.byteswap()
    if any(map(int.__ge__, found, found[1:])):
        checks.fault(path, "is not sorted, or has a member twice")
        return Hashed(array("Q"))
    return Hashed(found)


def conditions_at(checks: Checks, path: str, value: object, *, in_segment: bool = False) -> "tuple[Condition, ...]":
    """Conditions that must all hold. A segment's may not name segments: that could go round in circles."""
    found = []
    for at, one in enumerate(checks.list_at(path, value, MOST_CONDITIONS, "conditions")):
        condition = _condition(checks, f"{path}[{at}]", one)
        if condition is None:
            continue
        if in_segment and condition.operator in SEGMENTAL:
            checks.fault(f"{path}[{at}]", "is a segment within a segment, which is not allowed: name its conditions")
        found.append(condition)
    return tuple(found)


def _condition(checks: Checks, path: str, value: object) -> "Condition | None":
    said = checks.object_at(path, value, _CONDITION_KEYS)
    attribute = checks.text(f"{path}.attribute", said.get("attribute"), LONGEST_ATTRIBUTE)
    try:
        operator = Operator(said.get("is"))
    except ValueError:
        there = ", ".join(one.value for one in Operator)
        checks.fault(f"{path}.is", f"{quoted(said.get('is'))} is no operator; there are {there}")
        return None
    most = MOST_SEGMENTS_NAMED if operator in SEGMENTAL else MOST_VALUES
    listed = checks.list_at(f"{path}.values", said.get("values", []), most, "values")
    if operator in WITHOUT_VALUES and listed:
        checks.fault(f"{path}.values", f"must be empty: “{operator.value}” compares with nothing")
        return None
    if operator in NUMERIC | TIMED | VERSIONED and len(listed) != 1:
        checks.fault(f"{path}.values", f"has {len(listed)} values; “{operator.value}” compares with exactly one")
        return None
    values = [_value(checks, f"{path}.values[{at}]", operator, one) for at, one in enumerate(listed)]
    return Condition(attribute, operator, tuple(one for one in values if one is not None))


def _value(checks: Checks, path: str, operator: Operator, value: object) -> "Scalar | None":
    """One value to compare with, in the kind that the operator compares."""
    if operator in SEGMENTAL:
        return checks.name(path, value)
    if operator in NUMERIC:
        return checks.number(path, value)
    if operator in TEXTUAL:
        text = checks.text(path, value, LONGEST_TEXT)
        if text and operator is Operator.MATCHES:
            try:
                compiled(text)
            except PatternError as error:
                checks.fault(path, f"{quoted(text)} {error}")
        return text
    if operator in TIMED:
        if not isinstance(value, str) or time_of(value) is None:
            checks.fault(path, f"{quoted(value)} is no time; one is written 2026-03-01T08:00:00Z")
            return None
        return value
    if operator in VERSIONED:
        if not isinstance(value, str) or version_of(value) is None:
            checks.fault(path, f"{quoted(value)} is no version; one is written 2.10.3 or 2.10.3-rc.1")
            return None
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "" if not value else checks.text(path, value, LONGEST_TEXT)
    return checks.number(path, value)
