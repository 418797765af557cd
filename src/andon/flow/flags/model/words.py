"""Flags in sentences: who gets what, and what a change changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from andon.flow.flags.contract import Judging
from andon.flow.flags.model.flag import Head, Setting, Step
from andon.flow.flags.model.heads import variants_changed
from andon.flow.flags.model.wishes import percent_of
from andon_flags.document import BUCKETS, Condition, Operator, Segment, Serve

_VERBS: dict[Operator, str] = {
    Operator.IN: "is",
    Operator.NOT_IN: "is not",
    Operator.CONTAINS: "contains",
    Operator.STARTS_WITH: "starts with",
    Operator.ENDS_WITH: "ends with",
    Operator.MATCHES: "matches",
    Operator.LESS: "<",
    Operator.AT_MOST: "≤",
    Operator.MORE: ">",
    Operator.AT_LEAST: "≥",
    Operator.BEFORE: "before",
    Operator.AFTER: "after",
    Operator.VERSION_LESS: "older than",
    Operator.VERSION_AT_LEAST: "at least",
    Operator.PRESENT: "is there",
    Operator.ABSENT: "is not there",
}
_MOST = 5


def percent(share: float) -> str:
    return f"{round(share, 3):g} %"


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def condition(one: Condition) -> str:
    """Such as ``country is CH or DE`` or ``employees``, a segment's name alone."""
    values = _some(str(value) for value in one.values)
    if one.operator is Operator.IN_SEGMENT:
        return values
    if one.operator is Operator.NOT_IN_SEGMENT:
        return f"not {values}"
    return f"{one.attribute} {_VERBS[one.operator]} {values}".rstrip()


def audience(when: tuple[Condition, ...]) -> str:
    return " and ".join(condition(one) for one in when) or "everybody"


def serving(serve: Serve) -> str:
    """``on``, or ``on for 5 %, off for 95 %``."""
    if isinstance(serve, str):
        return serve
    return ", ".join(f"{name} for {percent(share)}" for name, share in percent_of(serve).items()) or "nobody"


def who_gets_what(setting: Setting) -> str:
    """A setting as one sentence: ``employees: on · 5 % of others: on · rest: off``."""
    if not setting.enabled:
        return f"killed: everybody gets {setting.off}"
    parts: list[str] = []
    if setting.begins is not None:
        parts.append(f"from {moment(setting.begins)}")
    if setting.ends is not None:
        parts.append(f"until {moment(setting.ends)}")
    parts += [
        f"only where {one.flag} is {' or '.join(one.variants)}, else {setting.off}" for one in setting.prerequisites
    ]
    if setting.individuals:
        by_variant: dict[str, int] = {}
        for variant in setting.individuals.values():
            by_variant[variant] = by_variant.get(variant, 0) + 1
        parts += [
            f"{count} named {'user' if count == 1 else 'users'}: {variant}" for variant, count in by_variant.items()
        ]
    for rule in setting.rules:
        who = audience(rule.when)
        if isinstance(rule.serve, str):
            parts.append(f"{who}: {rule.serve}")
        else:
            parts += [f"{percent(share)} of {who}: {name}" for name, share in percent_of(rule.serve).items()]
    others = bool(setting.rules or setting.individuals)
    if isinstance(setting.default, str):
        parts.append(f"{'rest' if others else 'everybody'}: {setting.default}")
    else:
        shares = [(name, share) for name, share in percent_of(setting.default).items() if name != setting.off]
        whom = "others" if others else "everybody"
        parts += [f"{percent(share)} of {whom}: {name}" for name, share in shares]
        if setting.off in percent_of(setting.default):
            parts.append(f"rest: {setting.off}")
    return " · ".join(parts)


def changes(old: Setting, new: Setting) -> tuple[str, ...]:
    """What a change changes, a sentence each; empty when nothing does."""
    found: list[str] = []
    if old.enabled != new.enabled:
        found.append("on again" if new.enabled else f"killed: everybody gets {new.off}")
    if old.off != new.off:
        found.append(f"serves {new.off} when it is off, was {old.off}")
    if old.begins != new.begins:
        found.append("begins at once" if new.begins is None else f"begins {moment(new.begins)}")
    if old.ends != new.ends:
        found.append("has no end" if new.ends is None else f"ends {moment(new.ends)}")
    found += _prerequisites(old, new)
    found += _individuals(old, new)
    found += _rules(old, new)
    others = "others" if new.rules or new.individuals else "everybody"
    if old.default != new.default:
        found += _share(old.default, new.default, new.off, others) or [f"{serving(new.default)} for other {others}"]
    return tuple(found)


def _share(old: Serve, new: Serve, off: str, whom: str) -> list[str]:
    before, after = percent_of(old), percent_of(new)
    names = [name for name in {**after, **before} if before.get(name, 0.0) != after.get(name, 0.0)]
    if len({**before, **after}) == 2 and len(names) == 2:
        # of two variants one says it all: what is new, and of two new ones that which grows
        names = [max(names, key=lambda name: (name != off, after.get(name, 0.0) - before.get(name, 0.0)))]
    return [
        f"{name} for {percent(after.get(name, 0.0))} of {whom}, was {percent(before.get(name, 0.0))}" for name in names
    ]


def _prerequisites(old: Setting, new: Setting) -> list[str]:
    if old.prerequisites == new.prerequisites:
        return []
    if not new.prerequisites:
        return ["asks for no other flag"]
    return ["only where " + " and ".join(f"{one.flag} is {' or '.join(one.variants)}" for one in new.prerequisites)]


def _individuals(old: Setting, new: Setting) -> list[str]:
    added = sum(1 for key, value in new.individuals.items() if old.individuals.get(key) != value)
    gone = sum(1 for key in old.individuals if key not in new.individuals)
    said = []
    if added:
        said.append(f"{added} {'user' if added == 1 else 'users'} named")
    if gone:
        said.append(f"{gone} {'user' if gone == 1 else 'users'} no longer named")
    return said


def _rules(old: Setting, new: Setting) -> list[str]:
    before, after = {one.id: one for one in old.rules}, {one.id: one for one in new.rules}
    found = [f"no longer {serving(one.serve)} for {audience(one.when)}" for one in old.rules if one.id not in after]
    for one in new.rules:
        was = before.get(one.id)
        who = audience(one.when)
        if was is None:
            found.append(f"{serving(one.serve)} for {who}")
            continue
        if was.when != one.when:
            found.append(f"for {who}, was for {audience(was.when)}")
        if was.serve != one.serve:
            found += _share(was.serve, one.serve, new.off, who) or [f"other {who} than before"]
    kept = [one.id for one in old.rules if one.id in after]
    if kept != [one.id for one in new.rules if one.id in before]:
        found.append("rules in another order")
    return found


def head_changes(old: Head, new: Head) -> tuple[str, ...]:
    found: list[str] = []
    added, gone, other = variants_changed(old, new)
    for names, word in ((added, "with"), (gone, "without"), (other, "another value of")):
        if names:
            found.append(f"{word} {'the variant' if len(names) == 1 else 'the variants'} {_some(names)}")
    if old.description != new.description:
        found.append("another description" if new.description else "no description")
    for was, now, word in (
        (old.owner, new.owner, "owner"),
        (old.card, new.card, "card"),
        (old.code, new.code, "link to the code"),
    ):
        if was != now:
            found.append(f"{word}: {now}" if now else f"no {word}")
    if (old.ends, old.permanent) != (new.ends, new.permanent):
        found.append("stays for good" if new.permanent else f"to be gone by {new.ends}" if new.ends else "no end named")
    if old.off != new.off:
        found.append(f"serves {new.off} where nothing is set")
    if old.unit != new.unit:
        found.append(f"draws by {new.unit}, was {old.unit}: other users than before")
    return tuple(found)


def segment_changes(old: Segment | None, new: Segment, before: int, now: int) -> str:
    said = []
    if old is None or old.when != new.when:
        said.append(_some(" and ".join(condition(one) for one in every) for every in new.when) or "no conditions")
    if before != now:
        said.append(f"{now:,} members, was {before:,}")
    return ", ".join(said) or "other members"


def ramp(variant: str, who: str, steps: Iterable[Step]) -> str:
    """Such as ``on for employees: 1 % now, 5 % after 1 h, 100 % after 1 d``."""
    said = []
    for one in steps:
        when = f"at {one.at:%Y-%m-%d %H:%M} UTC" if one.at else f"after {length(one.after)}" if one.after else "now"
        said.append(f"{percent(one.percent)} {when}")
    return f"{variant} for {who}: {', '.join(said)}"


def judging(service: str, environment: str, wish: Judging, *, judged: bool, can: bool) -> tuple[str, ...]:
    """What whoever begins a ramp should know of who watches it; nothing where it is judged as it should be."""
    if judged and can:
        return ()
    if judged:
        return (f"{service} in {environment} does not tell how its requests end, so the ramp will wait after step 1.",)
    if wish is Judging.NONE:
        return ("Nobody watches this ramp, as you wished: it goes by time alone.",)
    silent = f"{service} in {environment} does not tell how its requests end"
    return (f"Nobody watches this ramp: {silent}, so it goes by time alone.",)


def length(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and not seconds % size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:g} s"


def rest(seconds: float) -> str:
    """What is left of a time, in its two largest units: ``1 h 20 min``."""
    left = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= size:
            more = left % size // part
            return f"{left // size} {unit} {more} {smaller}" if more else f"{left // size} {unit}"
    return f"{left} s"


def whole(serve: Serve) -> str | None:
    """The variant that everybody gets, if one does."""
    if isinstance(serve, str):
        return serve
    only = {name for _, _, name in serve}
    return only.pop() if len(only) == 1 and sum(end - start for start, end, _ in serve) == BUCKETS else None


def _some(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = len(listed) - _MOST
    return " or ".join(listed[:_MOST]) + (f" or {more} more" if more > 0 else "")
