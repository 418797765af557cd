"""What a document may say, and nobody can have meant: rules that never match, variants that nobody gets."""

from collections.abc import Iterable
from typing import NamedTuple, Optional

from andon_flags.document.limits import BUCKETS
from andon_flags.document.model import (
    NUMERIC,
    SEGMENTAL,
    TEXTUAL,
    TIMED,
    VERSIONED,
    Condition,
    Document,
    Flag,
    Operator,
    Prerequisite,
    Rule,
    Segment,
    Serve,
)
from andon_flags.document.values import time_of, version_of


class Doubt(NamedTuple):
    """A warning: what about ``path`` cannot have been meant."""

    path: str
    says: str

    def __str__(self) -> str:
        return f"{self.path}: {self.says}"


def warnings(document: Document) -> tuple[Doubt, ...]:
    """Rules that never match, variants nobody gets, prerequisites that cannot hold, segments of nobody."""
    found = [
        Doubt(f"segments.{segment.name}", "has neither members nor conditions, so nobody is in it")
        for segment in document.segments.values()
        if _of_nobody(segment)
    ]
    for flag in document.flags.values():
        found += warnings_of(document, flag)
    return tuple(found)


def warnings_of(document: Document, flag: Flag) -> tuple[Doubt, ...]:
    """The same for one flag of the document."""
    found: list[Doubt] = []
    path = f"flags.{flag.name}"
    for at, prerequisite in enumerate(flag.prerequisites):
        says = _cannot_hold(document, prerequisite)
        if says:
            found.append(Doubt(f"{path}.prerequisites[{at}]", says))
    for at, says in _dead_rules(document, flag):
        found.append(Doubt(f"{path}.rules[{at}]", says))
    served = _served(document, flag)
    for variant in flag.variants:
        if variant not in served:
            found.append(Doubt(f"{path}.variants.{variant}", "nobody gets this variant"))
    return tuple(found)


# Inside


def _dead_rules(document: Document, flag: Flag) -> list[tuple[int, str]]:
    dead: list[tuple[int, str]] = []
    catching: list[tuple[int, Rule]] = []
    for at, rule in enumerate(flag.rules):
        says = _never(document, rule)
        behind = next((n for n, earlier in catching if set(earlier.when) <= set(rule.when)), None)
        if says is None and behind is not None:
            whom = "everybody" if not flag.rules[behind].when else "all whom this one could match"
            says = f"never matches: rule {behind + 1} before it, “{flag.rules[behind].id}”, serves {whom}"
        if says is not None:
            dead.append((at, says))
        elif _covered(rule.serve) == BUCKETS:
            catching.append((at, rule))
    return dead


def _never(document: Document, rule: Rule) -> Optional[str]:
    if not _covered(rule.serve):
        return "never serves anybody: its share is 0 %"
    for condition in rule.when:
        if condition.operator in SEGMENTAL:
            named = [document.segments[str(name)] for name in condition.values]
            if condition.operator is Operator.IN_SEGMENT and all(_of_nobody(segment) for segment in named):
                return "never matches: nobody is in " + (" or ".join(one.name for one in named) or "no segment at all")
        elif _needs_values(condition.operator) and not condition.values:
            return f"never matches: “{condition.attribute}” is compared with an empty list"
    by_attribute: dict[str, list[Condition]] = {}
    for condition in rule.when:
        by_attribute.setdefault(condition.attribute, []).append(condition)
    for attribute, conditions in by_attribute.items():
        if _contradict(conditions):
            return f"never matches: what it asks of “{attribute}” contradicts itself"
    return None


def _needs_values(operator: Operator) -> bool:
    return operator in TEXTUAL or operator is Operator.IN


def _contradict(conditions: list[Condition]) -> bool:
    operators = {one.operator for one in conditions}
    if Operator.ABSENT in operators:
        return operators != {Operator.ABSENT}  # every other one needs the attribute to be there
    if len({kind for one in conditions if (kind := _kind_asked(one)) is not None}) > 1:
        return True
    if _empty_interval(conditions):
        return True
    segments = [set(one.values) for one in conditions if one.operator is Operator.NOT_IN_SEGMENT]
    excluded = set().union(*segments)
    if any(one.operator is Operator.IN_SEGMENT and set(one.values) <= excluded for one in conditions):
        return True
    left: Optional[set[tuple[type, object]]] = None
    for one in conditions:
        if one.operator is Operator.IN:
            listed = {_keyed(value) for value in one.values}
            left = listed if left is None else left & listed
    if left is None:
        return False
    for one in conditions:
        if one.operator is Operator.NOT_IN:
            left -= {_keyed(value) for value in one.values}
        elif one.operator is not Operator.IN:
            left = {value for value in left if _may_hold(one, value[1])}
    return not left


def _keyed(value: object) -> tuple[type, object]:
    return (float if isinstance(value, int) and not isinstance(value, bool) else type(value)), value


def _kind_asked(condition: Condition) -> Optional[type]:
    """The one type of attribute that the condition can hold for, where there is only one."""
    if condition.operator in TEXTUAL | VERSIONED:
        return str
    if condition.operator in NUMERIC:
        return float
    if condition.operator is Operator.IN:
        kinds = {_keyed(value)[0] for value in condition.values}
        return kinds.pop() if len(kinds) == 1 else None
    return None


def _may_hold(condition: Condition, value: object) -> bool:
    if condition.operator in NUMERIC:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _within(condition, value)
    if condition.operator is Operator.STARTS_WITH:
        return isinstance(value, str) and value.startswith(tuple(map(str, condition.values)))
    if condition.operator is Operator.ENDS_WITH:
        return isinstance(value, str) and value.endswith(tuple(map(str, condition.values)))
    if condition.operator is Operator.CONTAINS:
        return isinstance(value, str) and any(str(part) in value for part in condition.values)
    return True


def _within(condition: Condition, value: float) -> bool:
    bound = condition.values[0]
    if isinstance(bound, str):
        return False
    return {
        Operator.LESS: value < bound,
        Operator.AT_MOST: value <= bound,
        Operator.MORE: value > bound,
        Operator.AT_LEAST: value >= bound,
    }[condition.operator]


_UPPER = {Operator.LESS: False, Operator.AT_MOST: True, Operator.BEFORE: False, Operator.VERSION_LESS: False}
_LOWER = {Operator.MORE: False, Operator.AT_LEAST: True, Operator.AFTER: False, Operator.VERSION_AT_LEAST: True}
"""Whether the bound itself is within."""


def _empty_interval(conditions: Iterable[Condition]) -> bool:
    for family in (NUMERIC, TIMED, VERSIONED):
        ordered = [one for one in conditions if one.operator in family]
        for upper in ordered:
            for lower in ordered:
                if upper.operator not in _UPPER or lower.operator not in _LOWER:
                    continue
                most, least = _ordering(upper), _ordering(lower)
                touches = _UPPER[upper.operator] and _LOWER[lower.operator]
                if least > most or (least == most and not touches):  # type: ignore[operator]  # of one family
                    return True
    return False


def _ordering(condition: Condition) -> object:
    value = condition.values[0]
    if condition.operator in TIMED:
        return time_of(value)
    return version_of(value) if condition.operator in VERSIONED else value


def _covered(serve: Serve) -> int:
    return BUCKETS if isinstance(serve, str) else sum(end - start for start, end, _ in serve)


def _of_nobody(segment: Segment) -> bool:
    return not len(segment.members) and not segment.when


def _variants(serve: Serve) -> set[str]:
    return {serve} if isinstance(serve, str) else {one.variant for one in serve}


def _served(document: Document, flag: Flag) -> set[str]:
    """What somebody may get of a flag while it is enabled: a kill switch that is pulled is no doubt."""
    dead = {at for at, _ in _dead_rules(document, flag)}
    found = {flag.off, *flag.individuals.values()}
    caught = False
    for at, rule in enumerate(flag.rules):
        if at not in dead:
            found |= _variants(rule.serve)
            caught = caught or (not rule.when and _covered(rule.serve) == BUCKETS)
    return found if caught else found | _variants(flag.default)


def _cannot_hold(document: Document, prerequisite: Prerequisite) -> Optional[str]:
    other = document.flags[prerequisite.flag]
    if not prerequisite.variants:
        return f"can never hold: it wants no variant of “{other.name}”"
    wanted = set(prerequisite.variants)
    if not wanted & _served(document, other):
        return f"can never hold: “{other.name}” never serves {' or '.join(prerequisite.variants)}"
    if not other.enabled and other.off not in wanted:
        return f"does not hold while “{other.name}” is disabled: it serves “{other.off}” then"
    return None
