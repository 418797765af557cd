"""What holds between the flags and segments of a document."""

from collections.abc import Set as AbstractSet

from andon_flags.document.checking import Checks, quoted
from andon_flags.document.limits import DEEPEST_PREREQUISITES, MOST_ASKED
from andon_flags.document.model import SEGMENTAL, Document, Flag


def check_whole(checks: Checks, document: Document) -> None:
    """Whatever is named is there, and prerequisites come to an end soon."""
    before = len(checks.faults)
    for flag in document.flags.values():
        _names(checks, document, flag)
    if len(checks.faults) == before:
        _circles(checks, document)


def check_change(checks: Checks, old: Document, new: Document, named: "AbstractSet[str]") -> None:
    """The same, where ``old`` is known to be good and the change names the flags ``named``: of those, and of what asks
    for them.

    Five hundred clients may hear of a change at one moment, so what is the same is not looked at again.
    """
    if any(name not in new.segments for name in old.segments):
        check_whole(checks, new)
        return
    before = len(checks.faults)
    for name, flag in new.flags.items():
        if name in named or (flag.prerequisites and any(one.flag in named for one in flag.prerequisites)):
            _names(checks, new, flag)
    # a circle, or a longer way, needs a new prerequisite
    changed = (new.flags.get(name) for name in named)
    if len(checks.faults) == before and any(flag is not None and flag.prerequisites for flag in changed):
        _circles(checks, new)


def _names(checks: Checks, document: Document, flag: Flag) -> None:
    for at, prerequisite in enumerate(flag.prerequisites):
        path = f"flags.{flag.name}.prerequisites[{at}]"
        other = document.flags.get(prerequisite.flag)
        if other is None:
            checks.fault(f"{path}.flag", f"{quoted(prerequisite.flag)} is no flag of this document")
            continue
        for variant in prerequisite.variants:
            if variant not in other.variants:
                there = ", ".join(list(other.variants)[:10])
                checks.fault(f"{path}.variants", f"{quoted(variant)} is no variant of {other.name}; there are {there}")
    for number, rule in enumerate(flag.rules):
        for place, condition in enumerate(rule.when):
            if condition.operator in SEGMENTAL:
                for name in condition.values:
                    if name not in document.segments:
                        path = f"flags.{flag.name}.rules[{number}].when[{place}].values"
                        checks.fault(path, f"{quoted(name)} is no segment of this document")


def _circles(checks: Checks, document: Document) -> None:
    """Depth first without recursion: how deep they go and how many flags are asked, or a way round."""
    known: dict[str, tuple[int, int]] = {}
    for first in document.flags:
        way: list[str] = [first] if first not in known else []
        on_way = set(way)
        while way:
            flag = document.flags[way[-1]]
            waiting = [one.flag for one in flag.prerequisites if one.flag not in known]
            if waiting:
                if waiting[0] in on_way:
                    circle = [*way[way.index(waiting[0]) :], waiting[0]]
                    shown = " → ".join(circle if len(circle) < 12 else [*circle[:6], "…", *circle[-4:]])
                    checks.fault(f"flags.{flag.name}.prerequisites", f"go round in a circle: {shown}")
                    return
                way.append(waiting[0])
                on_way.add(waiting[0])
                continue
            below = [known[one.flag] for one in flag.prerequisites]
            deep = 1 + max((depth for depth, _ in below), default=0)
            asked = min(1 + sum(count for _, count in below), MOST_ASKED + 1)
            if deep > DEEPEST_PREREQUISITES or asked > MOST_ASKED:
                checks.fault(
                    f"flags.{flag.name}.prerequisites",
                    f"go too far: {DEEPEST_PREREQUISITES} deep and {MOST_ASKED} flags are the most that one may ask",
                )
                return
            known[way[-1]] = deep, asked
            on_way.discard(way.pop())
