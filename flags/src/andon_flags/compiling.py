"""Each flag becomes one function of Python, made when it is first asked for.

The text of a function is put together of words of this package alone; what a document says (texts, numbers, lists,
values) is bound to names, as arguments of the function around it. So nothing of a document can become code.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from time import time
from typing import Any, Optional, Protocol

from andon_flags.buckets import FINAL, MASK, least, numbers_of
from andon_flags.conditions import Attributes, Names, expression
from andon_flags.document.limits import BUCKETS
from andon_flags.document.model import SEGMENTAL, Document, Flag, Kind, Range, Rule, Segment, Serve, Value
from andon_flags.outcomes import MISSING, NOT_HASHED, Outcome, TargetingKeyMissing, folded, individual, off, served

Context = Mapping[str, object]
Function = Callable[[Any], Any]
"""Of a flag, for a context: its value, or what else it was made to return. Raises one of ``NOT_HASHED``."""

_CHAIN = 6  # ranges that are compared one after the other; from more on, the place is looked up


class Counting(Protocol):
    """Who counts what is served."""

    def told(
        self, flag: Flag, variant: str
    ) -> "tuple[Optional[Callable[[], object]], Optional[Callable[[Context], object]]]":
        """What to call each time the variant is served: without anything, and with the context."""

    def noting(self, flag: Flag, outcome: Outcome) -> "Callable[[], object]":
        """What to call besides, of a flag that is watched."""


class Compiled:
    """The functions of a document. Flags that did not change keep the functions that ``previous`` has of them."""

    booleans: "dict[str, Function]"
    strings: "dict[str, Function]"
    numbers: "dict[str, Function]"
    objects: "dict[str, Function]"
    outcomes: "_Table"
    variants: "_Table"

    def __init__(
        self, document: Document, counting: Optional[Counting] = None, previous: "Optional[Compiled]" = None
    ) -> None:
        self.document = document
        self._counting = counting
        self._segments: dict[str, tuple[Segment, Callable[..., bool]]] = {}
        kept: Callable[[str], bool] = _never
        if previous is not None and previous._counting is counting:
            kept = unchanged(previous.document, document)
        # Plain dictionaries of functions that were asked for: what Python looks up fastest. `function` adds to them.
        self.booleans = _kept(previous.booleans if previous else None, kept)
        self.strings = _kept(previous.strings if previous else None, kept)
        self.numbers = _kept(previous.numbers if previous else None, kept)
        self.objects = _kept(previous.objects if previous else None, kept)
        self.outcomes = _Table(self, "outcome", _kept(previous.outcomes if previous else None, kept))
        self.variants = _Table(self, "variant", _kept(previous.variants if previous else None, kept))

    def function(self, name: str) -> Function:
        """What gives a flag's value, of whatever kind, and counts it. Raises ``KeyError`` for no flag."""
        flag = self.document.flags[name]
        table = {
            Kind.BOOLEAN: self.booleans,
            Kind.STRING: self.strings,
            Kind.NUMBER: self.numbers,
            Kind.OBJECT: self.objects,
        }[flag.kind]
        made = table.get(name)
        if made is None:
            made = table[flag.name] = self._made(flag, flag.kind)
        return made

    def outcome(self, name: str, context: Context) -> Outcome:
        """Variant and reason, uncounted; an error where there is nothing to hash. Raises ``KeyError`` for no flag."""
        try:
            found: Outcome = self.outcomes[name](context)
        except NOT_HASHED:
            return MISSING
        return found

    def value(self, name: str, variant: str) -> Value:
        """What a variant of a flag is."""
        return self.document.flags[name].variants[variant]

    def _made(self, flag: Flag, what: "Kind | str") -> Function:
        counting = self._counting if isinstance(what, Kind) else None
        # who depends on a watched flag is served by it too
        noting = self._counting if flag.watched and (counting is not None or what == "variant") else None
        writer = _Writer(self, flag, counting, noting)
        if what == "outcome":
            return writer.function(lambda outcome: outcome)
        if what == "variant":
            return writer.function(lambda outcome: outcome.variant)
        return writer.function(lambda outcome: flag.variants[outcome.variant or ""])

    def _segment(self, name: str) -> "Callable[..., bool]":
        segment = self.document.segments[name]
        known = self._segments.get(name)
        if known is None:
            known = self._segments[name] = segment, segment_function(segment)
        return known[1]


class _Table(dict[str, Function]):
    """Functions by the names of flags; one that is not there yet is made. Raises ``KeyError`` for no flag."""

    __slots__ = ("_of", "_what")

    def __init__(self, of: Compiled, what: str, kept: "dict[str, Function]") -> None:
        super().__init__(kept)
        self._of = of
        self._what = what

    def __missing__(self, name: str) -> Function:
        flag = self._of.document.flags[name]
        made = self[flag.name] = self._of._made(flag, self._what)
        return made


def _kept(known: "Optional[dict[str, Function]]", kept: "Callable[[str], bool]") -> "dict[str, Function]":
    if not known or kept is _never:
        return {}
    # copied at once: other threads may be adding to it
    return {name: function for name, function in known.copy().items() if kept(name)}


def _never(name: str) -> bool:
    return False


def unchanged(old: Document, new: Document) -> "Callable[[str], bool]":
    """Of a flag of ``old``: whether its functions are still right, since neither it nor what it asks has changed."""
    other_segments = {name for name, segment in new.segments.items() if old.segments.get(name) is not segment}
    known: dict[str, bool] = {}

    def same(name: str) -> bool:  # no deeper than prerequisites may go
        if name not in known:
            flag = new.flags.get(name)
            known[name] = (
                flag is not None
                and old.flags.get(name) is flag
                and not (other_segments and other_segments & segments_of(flag))
                and all(same(one.flag) for one in flag.prerequisites)
            )
        return known[name]

    return same


def segments_of(flag: Flag) -> "set[str]":
    """Names of the segments that a flag's rules name."""
    return {
        str(name)
        for rule in flag.rules
        for condition in rule.when
        if condition.operator in SEGMENTAL
        for name in condition.values
    }


def segment_function(segment: Segment) -> "Callable[..., bool]":
    """Of a context and a unit: whether it is in the segment."""
    names = Names()
    asked: dict[str, int] = {}
    for every in segment.when:
        for condition in every:
            asked[condition.attribute] = asked.get(condition.attribute, 0) + 1
    attributes = Attributes(names, asked)
    lines = []
    if len(segment.members):
        lines += [f"if u in {names.bind(segment.members)}:", "    return True"]
    lines += attributes.beginning()
    for every in segment.when:
        # one after the other: an expression of hundreds of parts is more than the compiler's stack may hold
        lines += [f"if {' and '.join(expression(one, names, attributes, {}) for one in every)}:", "    return True"]
    lines.append("return False")
    return _function("context, u", lines, names)


class _Writer:
    """Writes the function of one flag."""

    def __init__(self, of: Compiled, flag: Flag, counting: Optional[Counting], noting: Optional[Counting]) -> None:
        self.of = of
        self.flag = flag
        self.counting = counting
        self.noting = noting
        self.names = Names()
        self.returned: Callable[[Outcome], object] = lambda outcome: outcome
        self.leaves: dict[Outcome, list[str]] = {}
        asked: dict[str, int] = {}
        for rule in flag.rules:
            for condition in rule.when:
                asked[condition.attribute] = asked.get(condition.attribute, 0) + 1
        self.attributes = Attributes(self.names, asked)
        self.splits = sum(not isinstance(folded(one.serve), str) for one in flag.rules)
        self.splits += not isinstance(folded(flag.default), str)

    def function(self, returned: "Callable[[Outcome], object]") -> Function:
        """The function; ``returned`` says what it returns of an outcome."""
        self.returned = returned
        return _function("context", self._lines(), self.names)

    def _lines(self) -> "list[str]":
        flag = self.flag
        if not flag.enabled:
            return self._leaf(off(flag))
        lines = []
        if flag.begins is not None or flag.ends is not None:
            lines.append(f"n = {self.names.bind(time)}()")
            for bound, sign in ((flag.begins, "<"), (flag.ends, ">=")):
                if bound is not None:
                    lines += [f"if n {sign} {self.names.bind(bound)}:", *_inner(self._leaf(off(flag)))]
        for one in flag.prerequisites:
            other, wanted = self.names.bind(self.of.variants[one.flag]), self.names.bind(frozenset(one.variants))
            lines += [
                f"if {self.names.bind(_asked)}({other}, context) not in {wanted}:",
                *_inner(self._leaf(off(flag))),
            ]
        if flag.individuals or self.splits:
            key = self.names.constant(flag.unit)
            lines += [f"k = context.get({key})", "if k.__class__ is not str:", "    k = unit(k)"]
        by_variant: dict[str, list[str]] = {}
        for unit, variant in flag.individuals.items():
            by_variant.setdefault(variant, []).append(unit)
        for variant, units in by_variant.items():
            lines += [f"if k in {self.names.bind(frozenset(units))}:", *_inner(self._leaf(individual(variant)))]
        lines += self.attributes.beginning()
        if self.splits > 1:
            lines.append("h = -1")
        segments = {name: self._segment(name) for name in segments_of(flag)}
        for rule in flag.rules:
            lines += self._rule(rule, segments)
            if not rule.when and isinstance(folded(rule.serve), str):
                return lines  # nobody comes by
        return lines + self._serve(None, flag.default)

    def _segment(self, name: str) -> str:
        bound = self.names.bind(self.of._segment(name))
        if not len(self.of.document.segments[name].members):
            return bound
        self.names.bound[f"m{bound}"] = self.names.bound[bound]  # “m”: it asks for the unit
        return f"m{bound}"

    def _rule(self, rule: Rule, segments: "dict[str, str]") -> "list[str]":
        served = self._serve(rule.id, rule.serve)
        if not rule.when or not served:
            return served
        conditions = [expression(one, self.names, self.attributes, segments) for one in rule.when]
        return [f"if {' and '.join(conditions)}:", *_inner(served)]

    def _serve(self, rule: "str | None", serve: Serve) -> "list[str]":
        serve = folded(serve)
        if isinstance(serve, str):
            return self._leaf(served(self.flag, rule, serve, serve))
        if not serve:
            return []
        by, plus = (self.names.constant(number) for number in numbers_of(self.flag.salt))
        mask, final = self.names.constant(MASK), self.names.constant(FINAL)
        hashing = [
            "if not k:",
            f"    raise {self.names.bind(TargetingKeyMissing)}",
            f"h = crc32(k.encode()) * {by} + {plus} & {mask}",
            f"h = (h >> 32 ^ h) * {final} & {mask}",
        ]
        lines = hashing if self.splits == 1 else ["if h < 0:", *_inner(hashing)]
        many = self._looked_up if len(serve) > _CHAIN else self._chained
        return lines + many(rule, serve)

    def _chained(self, rule: "str | None", ranges: "tuple[Range, ...]") -> "list[str]":
        lines: list[str] = []
        served_up_to = 0  # everybody below has been served; up to the first gap, a lower bound need not be compared
        for start, end, variant in ranges:
            leaf = self._leaf(served(self.flag, rule, ranges, variant))
            asked = []
            if start > served_up_to:
                asked.append(f"h >= {self.names.constant(least(start))}")
            if end < BUCKETS:
                asked.append(f"h < {self.names.constant(least(end))}")
            lines += [f"if {' and '.join(asked)}:", *_inner(leaf)] if asked else leaf
            if start == served_up_to:
                served_up_to = end
        return lines

    def _looked_up(self, rule: "str | None", ranges: "tuple[Range, ...]") -> "list[str]":
        """Of many ranges, the place of the hash among all bounds says the leaf, by a number of its own."""
        bounds, numbers = [0], [-1]
        variants = list({one.variant: None for one in ranges})
        for start, end, variant in ranges:
            if bounds[-1] == least(start):
                numbers[-1] = variants.index(variant)
            else:
                bounds.append(least(start))
                numbers.append(variants.index(variant))
            bounds.append(least(end))
            numbers.append(-1)
        found = f"{self.names.bind(tuple(numbers))}[{self.names.bind(bisect_right)}({self.names.bind(bounds)}, h) - 1]"
        lines = [f"n = {found}"]
        for number, variant in enumerate(variants):
            leaf = self._leaf(served(self.flag, rule, ranges, variant))
            lines += [f"if n == {number}:", *_inner(leaf)]
        return lines

    def _leaf(self, outcome: Outcome) -> "list[str]":
        known = self.leaves.get(outcome)
        if known is None:
            known = []
            if self.counting is not None and outcome.variant is not None:
                plainly, with_context = self.counting.told(self.flag, outcome.variant)
                if plainly is not None:
                    known.append(f"{self.names.bind(plainly)}()")
                if with_context is not None:
                    known.append(f"{self.names.bind(with_context)}(context)")
            if self.noting is not None and outcome.variant is not None:
                known.append(f"{self.names.bind(self.noting.noting(self.flag, outcome))}()")
            value = self.returned(outcome)
            known.append(f"return {value}" if isinstance(value, bool) else f"return {self.names.bind(value)}")
            self.leaves[outcome] = known
        return known


def _asked(other: Function, context: Context) -> object:
    """A prerequisite's variant; one that cannot be told is none that is wanted."""
    try:
        return other(context)
    except NOT_HASHED:
        return None


def _inner(lines: "list[str]") -> "list[str]":
    return ["    " + line for line in lines]


def _function(arguments: str, lines: "list[str]", names: Names) -> "Callable[..., Any]":
    """Bound names are variables of the function around it: found faster than globals, and nothing else is there."""
    whole = "\n".join(
        [
            f"def bind({', '.join(names.bound)}):",
            f"    def flag({arguments}):",
            *_inner(_inner(lines)),
            "    return flag",
        ]
    )
    scope: dict[str, Any] = {"__builtins__": {}}
    exec(compile(whole, "<andon-flags>", "exec"), scope)  # noqa: S102 - of words of this package only, see above
    function: Callable[..., Any] = scope["bind"](**names.bound)
    return function
