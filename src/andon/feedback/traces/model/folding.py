"""Which spans of a trace are drawn. A trace of 20,000 is not read row by row: what repeats itself is drawn a few times
and counted, what is small is counted, and every count leads to what it stands for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from andon.feedback.traces.model.waterfall import Node, Waterfall

MOST_ROWS = 300
ALIKE = 6
"""So many siblings of one name are drawn; of more the :data:`OF_MANY` that matter most."""
OF_MANY = 3


MOST_NAMED = 2
"""Piles of one name below one span; the others are one pile together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """Spans below ``parent`` that are not drawn: themselves and all below them are counted."""

    parent: int | None
    depth: int
    name: str
    """Empty where they have different ones."""
    service: str
    direct: int
    """How many of them are children of ``parent``."""
    spans: int
    failed: int
    start: int
    end: int
    together: int
    """Nanoseconds of the direct ones, added up."""


Row = int | Folded
"""A node's place, or what stands for several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    rows: tuple[Row, ...]
    drawn: int
    """Spans with a row of their own."""
    inside: int
    """Spans in the part that is looked at."""
    start: int
    end: int


def view(whole: Waterfall, *, focus: str = "", opened: str = "", most: int = MOST_ROWS) -> View:
    """What is drawn of ``focus`` (a span's id; empty is all of it). Of the span ``opened`` no siblings are folded
    because they are alike. A focus that is not there is all of it."""
    nodes = whole.nodes
    place = next((at for at, one in enumerate(nodes) if one.span.id == focus), None) if focus else None
    roots = whole.roots if place is None else (place,)
    inside = whole.order if place is None else tuple(_below(nodes, place))
    start = whole.start if place is None else nodes[place].start
    end = max(nodes[at].end for at in inside)
    shown = _chosen(nodes, roots, inside, opened, most)
    rows: list[Row] = []
    # what stands below a span that is drawn, newest on top of the pile
    pile: list[Row] = list(reversed(_level(nodes, roots, None, shown, 0)))
    base = 0 if place is None else nodes[place].depth
    while pile:
        row = pile.pop()
        rows.append(row)
        if isinstance(row, int):
            below = _level(nodes, nodes[row].children, row, shown, nodes[row].depth - base + 1)
            pile.extend(reversed(below))
    return View(rows=tuple(rows), drawn=len(shown), inside=len(inside), start=start, end=end)


def _below(nodes: Sequence[Node], place: int) -> Iterable[int]:
    waiting = [place]
    while waiting:
        at = waiting.pop()
        yield at
        waiting.extend(reversed(nodes[at].children))


def _weight(one: Node) -> tuple[bool, bool, int]:
    return (one.failed or one.failed_below > 0, bool(one.critical), one.end - one.start)


def _chosen(nodes: Sequence[Node], roots: Sequence[int], inside: Sequence[int], opened: str, most: int) -> set[int]:
    hidden: set[int] = set()
    for brothers, parent in [(roots, None), *((nodes[at].children, at) for at in inside)]:
        if parent is not None and nodes[parent].span.id == opened:
            continue
        for alike in _alike(nodes, brothers).values():
            if len(alike) > ALIKE:
                alike.sort(key=lambda at: _weight(nodes[at]), reverse=True)
                hidden.update(alike[OF_MANY:])
    begin = set(roots)
    shown: set[int] = set()
    for at in sorted(inside, key=lambda at: (at in begin, _weight(nodes[at])), reverse=True):
        if len(shown) >= most:
            break
        way = []
        step: int | None = at
        while step is not None and step not in shown:
            way.append(step)
            # a way that is too long is given up before it is walked to its end
            if step in hidden or len(shown) + len(way) > most:
                way = []
                break
            step = None if step in begin else nodes[step].parent
        shown.update(way)
    return shown


def _alike(nodes: Sequence[Node], places: Iterable[int]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at in places:
        found[nodes[at].span.service, nodes[at].span.name].append(at)
    return found


def _level(nodes: Sequence[Node], places: Sequence[int], parent: int | None, shown: set[int], depth: int) -> list[Row]:
    """The rows of brothers: those that are drawn, each followed by the others like it if there are any."""
    left = [at for at in places if at not in shown]
    groups = _alike(nodes, left)
    rows: list[Row] = [at for at in places if at in shown]
    large = {key: some for key, some in groups.items() if len(some) > ALIKE - OF_MANY}
    rest = [at for key, some in groups.items() if key not in large for at in some]
    named = sorted(large.items(), key=lambda item: -len(item[1]))
    for (service, name), some in named[:MOST_NAMED]:
        rows.append(_folded(nodes, some, parent, depth, name, service))
    rest += [at for _, some in named[MOST_NAMED:] for at in some]
    if rest:
        rows.append(_folded(nodes, rest, parent, depth, "", ""))
    return rows


def _folded(
    nodes: Sequence[Node], places: Sequence[int], parent: int | None, depth: int, name: str, service: str
) -> Folded:
    return Folded(
        parent=parent,
        depth=depth,
        name=name,
        service=service,
        direct=len(places),
        spans=sum(1 + nodes[at].below for at in places),
        failed=sum(nodes[at].failed + nodes[at].failed_below for at in places),
        start=min(nodes[at].start for at in places),
        end=max(nodes[at].end for at in places),
        together=sum(nodes[at].end - nodes[at].start for at in places),
    )
