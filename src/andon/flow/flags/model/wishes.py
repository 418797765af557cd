"""What people ask for, in percent, and what becomes of it: ranges of buckets that move as few as can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from andon.flow.flags.model.flag import Head, Setting
from andon_flags.document import BUCKETS, Condition, Prerequisite, Range, Rule, Serve, allocate, shares

Share = str | Mapping[str, float]
"""One variant for everybody, or percent of each."""

WHOLE = 100.0
_PART = WHOLE / BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRule:
    when: tuple[Condition, ...]
    serve: Share
    id: str = ""
    """Empty for one that is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A whole setting as people write it. ``default`` has to give everybody something; a rule may leave some over,
    who pass on to the next."""

    enabled: bool = True
    off: str
    default: Share
    prerequisites: tuple[Prerequisite, ...] = ()
    individuals: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[WantedRule, ...] = ()
    begins: float | None = None
    ends: float | None = None


def ranges_of(serve: Serve) -> tuple[Range, ...]:
    return (Range(0, BUCKETS, serve),) if isinstance(serve, str) else tuple(serve)


def percent_of(serve: Serve) -> dict[str, float]:
    """Percent of each variant, those with most first."""
    found = shares(ranges_of(serve))
    return {name: round(count * _PART, 3) for name, count in sorted(found.items(), key=lambda one: -one[1])}


def share_of(serve: Serve) -> Share:
    return serve if isinstance(serve, str) else percent_of(serve)


def wanted_of(setting: Setting) -> Wanted:
    """The setting in percent: what somebody changes who wants to change one thing of it."""
    return Wanted(
        enabled=setting.enabled,
        off=setting.off,
        default=share_of(setting.default),
        prerequisites=setting.prerequisites,
        individuals=setting.individuals,
        rules=tuple(WantedRule(id=one.id, when=one.when, serve=share_of(one.serve)) for one in setting.rules),
        begins=setting.begins,
        ends=setting.ends,
    )


def settled(wanted: Wanted, head: Head, old: Setting) -> tuple[Setting, tuple[str, ...]]:
    """The setting that is meant, with ranges made of the old ones, and every fault in words.

    What a document can have wrong besides (types, circles, unknown names) its reader says.
    """
    faults: list[str] = []

    def serve(share: Share, before: Serve, where: str, *, whole: bool) -> Serve:
        if isinstance(share, str):
            if share not in head.variants:
                faults.append(f"{where}: there is no variant {share!r}; there are {_listed(head)}.")
            return share
        unknown = [name for name in share if name not in head.variants]
        faults.extend(f"{where}: there is no variant {name!r}; there are {_listed(head)}." for name in unknown)
        if unknown:
            return before
        buckets, wrong = _buckets(share)
        faults.extend(f"{where}: {one}" for one in wrong)
        if wrong:
            return before
        total = sum(buckets.values())
        if whole and total < BUCKETS:
            left = _percent(BUCKETS - total)
            faults.append(f"{where}: the shares are {_percent(total)} together. Say who gets the other {left}.")
            return before
        try:
            ranges = allocate(ranges_of(before), buckets)
        except ValueError as error:
            faults.append(f"{where}: {error}")
            return before
        if len(ranges) == 1 and ranges[0].start == 0 and ranges[0].end == BUCKETS:
            return ranges[0].variant
        return ranges

    known = {rule.id: rule for rule in old.rules}
    rules: list[Rule] = []
    taken: set[str] = set()
    for number, one in enumerate(wanted.rules, 1):
        name = one.id or _free(taken | known.keys())
        if name in taken:
            faults.append(f"rule {number}: another rule is called {name!r}.")
        taken.add(name)
        before: Serve = known[name].serve if name in known else ()
        rules.append(Rule(id=name, when=one.when, serve=serve(one.serve, before, f"rule {number}", whole=False)))
    setting = Setting(
        enabled=wanted.enabled,
        off=wanted.off,
        default=serve(wanted.default, old.default, "default", whole=True),
        prerequisites=wanted.prerequisites,
        individuals=dict(wanted.individuals),
        rules=tuple(rules),
        begins=wanted.begins,
        ends=wanted.ends,
    )
    return setting, tuple(faults)


def raised(setting: Setting, rule: str, variant: str, percent: float) -> Wanted | None:
    """The setting with a variant's share set, the others in proportion; ``None`` when there is no such rule.

    What a rule leaves over passes on to the next rule, so its other variants keep what they have as long as there is
    room. ``default`` has to be whole: the variants that have something now share the rest.
    """
    wanted = wanted_of(setting)
    if rule:
        found = next((one for one in wanted.rules if one.id == rule), None)
        if found is None:
            return None
        others = {name: share for name, share in _shares(found.serve).items() if name != variant}
        changed = WantedRule(id=found.id, when=found.when, serve=_with(others, variant, percent, whole=False))
        rules = tuple(changed if one.id == rule else one for one in wanted.rules)
        return _replace(wanted, rules=rules)
    others = {name: share for name, share in _shares(wanted.default).items() if name != variant}
    if not others and percent < WHOLE:
        others = {setting.off: WHOLE} if setting.off != variant else {}
    return _replace(wanted, default=_with(others, variant, percent, whole=True))


def reached(setting: Setting, rule: str, variant: str) -> float | None:
    """Percent that a variant has, of a rule's or of everybody else; ``None`` when there is no such rule."""
    if not rule:
        return percent_of(setting.default).get(variant, 0.0)
    found = next((one for one in setting.rules if one.id == rule), None)
    return None if found is None else percent_of(found.serve).get(variant, 0.0)


def _replace(wanted: Wanted, *, default: Share | None = None, rules: tuple[WantedRule, ...] | None = None) -> Wanted:
    return Wanted(
        enabled=wanted.enabled,
        off=wanted.off,
        default=wanted.default if default is None else default,
        prerequisites=wanted.prerequisites,
        individuals=wanted.individuals,
        rules=wanted.rules if rules is None else rules,
        begins=wanted.begins,
        ends=wanted.ends,
    )


def _shares(share: Share) -> dict[str, float]:
    return {share: WHOLE} if isinstance(share, str) else dict(share)


def _with(others: Mapping[str, float], variant: str, percent: float, *, whole: bool) -> Share:
    left, had = WHOLE - percent, sum(others.values())
    if whole or had > left:
        scale = left / had if had else 0.0
        parts = {name: int(share * scale / _PART) for name, share in others.items()}
        if parts:  # what rounding leaves over goes to whoever has most
            first = max(parts, key=lambda name: parts[name])
            parts[first] += round(left / _PART) - sum(parts.values())
        found = {name: count * _PART for name, count in parts.items() if count}
    else:
        found = dict(others)
    if percent:
        found[variant] = percent
    if len(found) == 1 and percent in (0.0, WHOLE) and whole:
        return next(iter(found))
    return found


def _buckets(share: Mapping[str, float]) -> tuple[dict[str, int], list[str]]:
    found: dict[str, int] = {}
    wrong: list[str] = []
    for name, percent in share.items():
        if not 0 <= percent <= 10 * WHOLE:  # NaN is neither
            wrong.append(f"{name} is {percent} %: a share is between 0 and 100 %.")
            continue
        count = round(percent / _PART)
        if abs(count * _PART - percent) > 1e-6:
            wrong.append(f"{name} is {percent} %: a share is set to 0.001 %.")
        if count:
            found[name] = count
    return found, wrong


def _percent(count: int) -> str:
    return f"{round(count * _PART, 3):g} %"


def _listed(head: Head) -> str:
    return ", ".join(list(head.variants)[:10])


def _free(taken: set[str]) -> str:
    number = 1
    while f"r{number}" in taken:
        number += 1
    return f"r{number}"
