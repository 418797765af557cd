"""Paths and tags as Graphite knows them, over the series that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.forms import FORMS, PLAIN, Form, Reading, plain_reading
from andon.feedback.graphite.globs import Glob, glob, name_pattern
from andon.feedback.graphite.patterns import found_in
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    NAME,
    SERVICE,
    VERSION,
    Comparison,
    Kind,
    Matcher,
    Measurements,
    Series,
    Sight,
)

MOST_SELECTED = 100_000
"""Series that a pattern may have to be compared with."""
_OWN = frozenset({SERVICE, ENVIRONMENT, VERSION, INSTANCE})
_LONGEST_CONDITION = 900
_COMPARISONS = {
    "=": Comparison.EQUAL,
    "!=": Comparison.UNEQUAL,
    "=~": Comparison.LIKE,
    "!=~": Comparison.UNLIKE,
}
_CONDITION = re.compile(r"([^;!^=~]+)(!?=~?)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A path with values: those of all of these series together."""

    path: str
    series: tuple[Series, ...]
    reading: Reading
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return ";".join([self.path, *(f"{tag}={value}" for tag, value in self.tags)])


@dataclass(frozen=True, slots=True)
class Found:
    """A node of the tree."""

    path: str
    is_leaf: bool


class Catalogue:
    """One request's view of the series from ``start`` to ``end`` (seconds); the same are not selected twice."""

    def __init__(self, measurements: Measurements, sight: Sight) -> None:
        self._measurements, self._sight = measurements, sight
        self._selected: dict[tuple[tuple[Matcher, ...], int, int], tuple[Series, ...]] = {}

    def leaves(self, pattern: str, start: int, end: int) -> list[Leaf]:
        """Every path that the pattern is of, by name. Series of one path and kind are one, whatever their labels."""
        wanted = glob(pattern)
        members: dict[tuple[str, Reading], list[Series]] = {}
        for series, path in self._fitting(wanted, start, end):
            for form in FORMS:
                for full, reading in _leaves_of(form, series, path, wanted):
                    members.setdefault((full, reading), []).append(series)
        return [
            Leaf(path=path, series=tuple(found), reading=reading)
            for (path, reading), found in sorted(members.items(), key=lambda one: one[0][0])
        ]

    def children(self, pattern: str, start: int, end: int) -> list[Found]:
        """The nodes of the tree that the pattern is of, by path; one may be a branch and a leaf."""
        wanted = glob(pattern)
        depth = len(wanted.nodes)
        found: set[tuple[str, bool]] = set()
        for series, path in self._fitting(wanted, start, end):
            for form in FORMS:
                if not form.takes(series, path):
                    continue
                body = (*form.prefix, *path)
                if len(body) >= depth and wanted.fits(body[:depth]):
                    is_leaf = len(body) == depth and (form is PLAIN or "" in form.endings)
                    found.add((".".join(body[:depth]), is_leaf))
                found |= {(full, True) for full, _ in _leaves_of(form, series, path, wanted)}
        return [Found(path, is_leaf) for path, is_leaf in sorted(found)]

    def everything(self, start: int, end: int) -> list[str]:
        """Every path there is."""
        found: set[str] = set()
        for series in self._select((), start, end):
            path = _path(series)
            if not _is_found_by_path(series):
                continue
            for form in FORMS:
                if form.takes(series, path):
                    body = ".".join((*form.prefix, *path))
                    found |= {f"{body}.{one}" if one else body for one in form.endings or ("",)}
        return sorted(found)

    def tagged(self, conditions: Sequence[str], start: int, end: int) -> list[Leaf]:
        """Each series that meets all conditions (``name=…``, ``service!=…``, ``tag=~…``, ``tag!=~…``) by itself."""
        if not conditions:
            raise BadTarget("seriesByTag(): no tag expressions specified", remedy='Name one: "service=shop".')
        matchers: list[Matcher] = []
        names: list[Matcher] = []
        for one in conditions:
            matcher = condition(one)
            (names if matcher.label == NAME else matchers).append(matcher)
        if not any(_asks_for_something(one) for one in [*matchers, *names]):
            raise BadTarget("At least one tagspec must require a non-empty value", remedy='Add "name=~.+".')
        found = list(self._named(names, tuple(matchers), start, end))
        return sorted(found, key=lambda leaf: leaf.name)

    def tags(self, conditions: Sequence[str], start: int, end: int) -> list[str]:
        names: set[str] = {"name"}
        if not conditions:
            return sorted(
                names | set(self._measurements.label_names((), start * 1000, end * 1000, sight=self._sight)) - {NAME}
            )
        for leaf in self.tagged(conditions, start, end):
            names |= {tag for tag, _ in leaf.tags}
        return sorted(names)

    def values(self, tag: str, conditions: Sequence[str], start: int, end: int) -> dict[str, int]:
        """The values of a tag, and how many series have each."""
        found: dict[str, int] = {}
        leaves = self.tagged(conditions, start, end) if conditions else None
        if leaves is None:
            for series in self._select((), start, end):
                value = (series.path or series.name) if tag == "name" else series.label(tag)
                found[value] = found.get(value, 0) + 1
        else:
            for leaf in leaves:
                value = leaf.path if tag == "name" else dict(leaf.tags).get(tag, "")
                found[value] = found.get(value, 0) + 1
        found.pop("", None)
        return dict(sorted(found.items()))

    def _named(self, names: Sequence[Matcher], matchers: tuple[Matcher, ...], start: int, end: int) -> Iterator[Leaf]:
        exact = next((one.value for one in names if one.comparison is Comparison.EQUAL), None)
        pattern = glob(_literally(exact or ""))
        narrowed = matchers if exact is None else (*matchers, *_name_condition(pattern))
        selected = self._select(narrowed, start, end)
        leaves = []
        for series in selected:
            path = _path(series)
            for form in FORMS if exact is not None else (PLAIN,):
                leaves += [
                    Leaf(path=full, series=(series,), reading=reading, tags=series.labels)
                    for full, reading in (
                        [(".".join(path), plain_reading(series.kind))]
                        if form is PLAIN
                        else _leaves_of(form, series, path, pattern)
                    )
                ]
        for matcher in names:
            leaves = _those_called(leaves, matcher)
        yield from leaves

    def _fitting(self, wanted: Glob, start: int, end: int) -> Iterator[tuple[Series, tuple[str, ...]]]:
        for series in self._select(_name_condition(wanted), start, end):
            if _is_found_by_path(series):
                yield series, _path(series)

    def _select(self, matchers: tuple[Matcher, ...], start: int, end: int) -> tuple[Series, ...]:
        key = (matchers, start, end)
        if key not in self._selected:
            found = self._measurements.select(
                matchers, start * 1000, end * 1000, sight=self._sight, limit=MOST_SELECTED
            )
            if len(found) >= MOST_SELECTED:
                raise BadTarget(
                    f"The pattern has to be compared with {MOST_SELECTED:,} series or more.",
                    remedy="Write more of the path out, from its beginning.",
                )
            self._selected[key] = found
        return self._selected[key]


def _literally(name: str) -> str:
    return re.sub(r"([*?\[{])", r"[\1]", name)


def _path(series: Series) -> tuple[str, ...]:
    return tuple((series.path or series.name).split("."))


def _is_found_by_path(series: Series) -> bool:
    """Counts and observations add up over all labels; of other series those with tags are found by their tags, save
    for the labels that Andon itself gives to whatever an instance sends."""
    return series.kind in {Kind.DELTA, Kind.OBSERVATION} or all(label in _OWN for label, _ in series.labels)


def _leaves_of(form: Form, series: Series, path: tuple[str, ...], wanted: Glob) -> list[tuple[str, Reading]]:
    length, ahead = len(wanted.nodes), len(form.prefix)
    whole = ahead + len(path)
    if not whole <= length <= whole + 1 or not form.takes(series, path):
        return []
    body = (*form.prefix, *path)
    if not all(one.fits(node) for one, node in zip(wanted.nodes, body, strict=False)):
        return []
    if length == whole:
        if form is PLAIN:
            return [(".".join(body), plain_reading(series.kind))]
        return [(".".join(body), form.endings[""])] if "" in form.endings else []
    return [(f"{'.'.join(body)}.{ending}", reading) for ending, reading in form.matched(wanted) if ending]


def _name_condition(wanted: Glob) -> tuple[Matcher, ...]:
    """What the store is asked for: no series that fits is left out by it."""
    told: list[str] = []
    for form in FORMS:
        ahead = len(form.prefix)
        if not all(one.fits(node) for one, node in zip(wanted.nodes, form.prefix, strict=False)):
            continue
        rest = wanted.nodes[ahead:]
        if not rest:
            return ()
        told.append(name_pattern(rest))
        if len(rest) > 1 and form is not PLAIN and "" not in form.endings:
            told.append(name_pattern(rest[:-1]))
    pattern = "|".join(dict.fromkeys(told))
    if not pattern:
        pattern = name_pattern(wanted.nodes)
    if len(pattern) > _LONGEST_CONDITION:
        return ()
    return (Matcher(NAME, Comparison.LIKE, pattern),)


def condition(text: str) -> Matcher:
    """``tag=value`` and its kin as a matcher; a pattern begins where the value does and may end before it does."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise BadTarget(f"`{text[:80]}` is no tag expression.", remedy='Write it like "service=shop".')
    label = NAME if found[1] in {"name", NAME} else found[1]
    comparison, value = _COMPARISONS[found[2]], found[3]
    if comparison in {Comparison.LIKE, Comparison.UNLIKE}:
        value = f"(?:{value}).*"
    return Matcher(label, comparison, value)


def _asks_for_something(matcher: Matcher) -> bool:
    match matcher.comparison:
        case Comparison.EQUAL:
            return bool(matcher.value)
        case Comparison.LIKE:
            return not found_in(f"^(?:{matcher.value})$", [""])[0]
        case Comparison.UNEQUAL:
            return not matcher.value
        case Comparison.UNLIKE:
            return found_in(f"^(?:{matcher.value})$", [""])[0]


def _those_called(leaves: list[Leaf], matcher: Matcher) -> list[Leaf]:
    """By the path, or by the name that PromQL has for the series."""
    wanted = matcher.value
    match matcher.comparison:
        case Comparison.EQUAL:
            return [leaf for leaf in leaves if wanted in {leaf.path, leaf.series[0].name}]
        case Comparison.UNEQUAL:
            return [leaf for leaf in leaves if leaf.path != wanted]
        case _:
            fits = found_in(f"^(?:{wanted})$", [leaf.path for leaf in leaves])
            keeps = matcher.comparison is Comparison.LIKE
            return [leaf for leaf, one in zip(leaves, fits, strict=True) if one is keeps]
