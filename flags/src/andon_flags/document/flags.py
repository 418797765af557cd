"""Takes in one flag."""

from typing import Optional

from andon_flags.document.checking import QUOTES, Checks, quoted
from andon_flags.document.limits import (
    BUCKETS,
    LATEST_TIME,
    LONGEST_ATTRIBUTE,
    LONGEST_SALT,
    LONGEST_TEXT,
    LONGEST_VARIANT,
    MOST_INDIVIDUALS,
    MOST_PREREQUISITES,
    MOST_RANGES,
    MOST_RULES,
    MOST_VARIANTS,
)
from andon_flags.document.model import Flag, Kind, Prerequisite, Range, Rule, Serve, Value
from andon_flags.document.ranges import percent
from andon_flags.document.segments import conditions_at

_KEYS = (
    "kind",
    "variants",
    "enabled",
    "off",
    "salt",
    "unit",
    "prerequisites",
    "individuals",
    "rules",
    "default",
    "from",
    "until",
    "watched",
)
_RULE_KEYS = ("id", "when", "serve")
_PREREQUISITE_KEYS = ("flag", "variants")


def flag_at(checks: Checks, path: str, name: str, value: object) -> Flag:
    """A flag; what cannot be told of it is left out, with a fault."""
    said = checks.object_at(path, value, _KEYS)
    kind = _kind(checks, f"{path}.kind", said.get("kind"))
    variants: dict[str, Value] = {}
    for where, variant, content in checks.named(f"{path}.variants", said.get("variants"), MOST_VARIANTS, "variants"):
        found = _content(checks, where, kind, content)
        if found is not None:
            variants[variant] = found
    if not variants:
        checks.fault(f"{path}.variants", "has no variant: at least one is needed")
    begins, ends = (
        _moment(checks, f"{path}.from", said.get("from")),
        _moment(checks, f"{path}.until", said.get("until")),
    )
    if begins is not None and ends is not None and begins >= ends:
        checks.fault(f"{path}.until", "is not after “from”")
    return Flag(
        name=name,
        kind=kind,
        variants=variants,
        enabled=checks.yes_or_no(f"{path}.enabled", said.get("enabled", True)),
        off=_variant(checks, f"{path}.off", said.get("off"), variants),
        salt=checks.text(f"{path}.salt", said.get("salt", name), LONGEST_SALT),
        unit=checks.text(f"{path}.unit", said.get("unit", "targetingKey"), LONGEST_ATTRIBUTE),
        default=_default(checks, f"{path}.default", said.get("default"), variants),
        prerequisites=_prerequisites(checks, f"{path}.prerequisites", said.get("prerequisites", [])),
        individuals=_individuals(checks, f"{path}.individuals", said.get("individuals", {}), variants),
        rules=_rules(checks, f"{path}.rules", said.get("rules", []), variants),
        begins=begins,
        ends=ends,
        watched=checks.yes_or_no(f"{path}.watched", said.get("watched", False)),
    )


def _kind(checks: Checks, path: str, value: object) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        checks.fault(path, f"is {quoted(value)}; there are boolean, string, number and object")
        return Kind.OBJECT


def _content(checks: Checks, path: str, kind: Kind, value: object) -> Optional[Value]:
    if kind is Kind.BOOLEAN:
        return checks.yes_or_no(path, value)
    if kind is Kind.NUMBER:
        return checks.number(path, value)
    if kind is Kind.STRING:
        return "" if isinstance(value, str) and not value else checks.text(path, value, LONGEST_VARIANT)
    if not isinstance(value, (dict, list)):
        checks.fault(path, f"is {quoted(value)} and must be an object or a list")
        return None
    return checks.json(path, value)  # type: ignore[return-value]  # a copy of a mapping or a list is one


def _variant(checks: Checks, path: str, value: object, variants: "dict[str, Value]") -> str:
    if isinstance(value, str) and value in variants:
        return value
    there = ", ".join(list(variants)[:10]) or "none"
    checks.fault(path, f"{quoted(value)} is no variant of this flag; there are {there}")
    return ""


def _moment(checks: Checks, path: str, value: object) -> Optional[float]:
    if value is None:
        return None
    found = checks.number(path, value)
    if found is not None and not 0 <= found <= LATEST_TIME:
        checks.fault(path, f"is {quoted(value)} and must be seconds since 1970")
        return None
    return None if found is None else float(found)


def _prerequisites(checks: Checks, path: str, value: object) -> "tuple[Prerequisite, ...]":
    found = []
    for at, one in enumerate(checks.list_at(path, value, MOST_PREREQUISITES, "prerequisites")):
        said = checks.object_at(f"{path}[{at}]", one, _PREREQUISITE_KEYS)
        name = checks.name(f"{path}[{at}].flag", said.get("flag"))
        listed = checks.list_at(f"{path}[{at}].variants", said.get("variants"), MOST_VARIANTS, "variants")
        wanted = [checks.name(f"{path}[{at}].variants[{place}]", variant) or "" for place, variant in enumerate(listed)]
        found.append(Prerequisite(name or "", tuple(wanted)))
    return tuple(found)


def _individuals(checks: Checks, path: str, value: object, variants: "dict[str, Value]") -> "dict[str, str]":
    listed = checks.object_at(path, value)
    if len(listed) > MOST_INDIVIDUALS:
        checks.fault(path, f"has {len(listed):,} units; {MOST_INDIVIDUALS:,} are the most: make a segment of them")
        return {}
    found = {}
    for unit, variant in listed.items():
        where = f"{path}.{quoted(unit).strip(QUOTES)}"
        found[checks.text(where, unit, LONGEST_TEXT)] = _variant(checks, where, variant, variants)
    return found


def _rules(checks: Checks, path: str, value: object, variants: "dict[str, Value]") -> "tuple[Rule, ...]":
    found: dict[str, Rule] = {}
    for at, one in enumerate(checks.list_at(path, value, MOST_RULES, "rules")):
        said = checks.object_at(f"{path}[{at}]", one, _RULE_KEYS)
        name = checks.name(f"{path}[{at}].id", said.get("id")) or f"#{at}"
        if name in found:
            checks.fault(f"{path}[{at}].id", f"{quoted(name)} is the id of another rule of this flag")
        when = conditions_at(checks, f"{path}[{at}].when", said.get("when", []))
        serve = said.get("serve")
        if isinstance(serve, str):
            found[name] = Rule(name, when, _variant(checks, f"{path}[{at}].serve", serve, variants))
        else:
            found[name] = Rule(name, when, _ranges(checks, f"{path}[{at}].serve", serve, variants))
    return tuple(found.values())


def _default(checks: Checks, path: str, value: object, variants: "dict[str, Value]") -> Serve:
    if isinstance(value, str):
        return _variant(checks, path, value, variants)
    before = len(checks.faults)
    ranges = _ranges(checks, path, value, variants)
    covered = sum(end - start for start, end, _ in ranges)
    if len(checks.faults) == before and covered != BUCKETS:
        checks.fault(path, f"covers {percent(covered)}; the default must cover 100 %")
    return ranges


def _ranges(checks: Checks, path: str, value: object, variants: "dict[str, Value]") -> "tuple[Range, ...]":
    if not isinstance(value, (list, tuple)):
        checks.fault(path, f"is {quoted(value)} and must be a variant, or a list of [start, end, variant]")
        return ()
    found: list[Range] = []
    reached = 0
    for at, one in enumerate(checks.list_at(path, value, MOST_RANGES, "ranges")):
        where = f"{path}[{at}]"
        if not isinstance(one, (list, tuple)) or len(one) != 3:
            checks.fault(where, "must be [start, end, variant]")
            continue
        start, end, variant = one
        if not _bucket(start) or not _bucket(end) or start >= end:
            checks.fault(where, f"must begin before it ends, in whole numbers from 0 to {BUCKETS}")
            continue
        if start < reached:
            checks.fault(where, f"begins at {start}, within the range before it, which ends at {reached}")
        reached = max(reached, end)
        found.append(Range(start, end, _variant(checks, where, variant, variants)))
    return tuple(found)


def _bucket(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BUCKETS
