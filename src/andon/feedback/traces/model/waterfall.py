"""Spans put together to one request: who called whom, what each did itself, and what the whole waited for.

What comes in was sent by programs with clocks of their own, perhaps not all of it, perhaps twice. Whatever it is, every
span has its place: a span whose parent is not here begins a tree of its own, a circle is cut at its earliest span, and
a span of another machine that would have begun before it was called is moved to where it fits, which is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from andon.feedback.telemetry.contract.traces import Span, SpanKind, SpanStatus


@dataclass(slots=True)
class Node:
    """A span in its place. Times are nanoseconds since 1970, moved by ``moved`` from what was sent."""

    span: Span
    start: int
    end: int
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    """In the order in which they began."""
    depth: int = 0
    moved: int = 0
    orphan: bool = False
    """Its parent is not here."""
    cut: bool = False
    """It was its own ancestor."""
    self_time: int = 0
    """Nanoseconds in which none of its children ran."""
    critical: tuple[tuple[int, int], ...] = ()
    """When the whole waited for this span itself, oldest first."""
    below: int = 0
    """How many spans there are below."""
    failed_below: int = 0

    @property
    def failed(self) -> bool:
        return self.span.status is SpanStatus.ERROR

    @property
    def waited(self) -> int:
        """Nanoseconds of the critical path."""
        return sum(end - start for start, end in self.critical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """``order`` has every node's place once, each parent before its children."""

    nodes: tuple[Node, ...]
    roots: tuple[int, ...]
    order: tuple[int, ...]
    main: int
    """The root that the critical path leads through."""
    start: int
    end: int
    repeated: int
    """Spans that came twice and are counted once."""

    @property
    def duration(self) -> int:
        return self.end - self.start

    @property
    def orphans(self) -> int:
        return sum(one.orphan for one in self.nodes)

    @property
    def moved(self) -> int:
        """How many spans were moved because their clock is another one."""
        return sum(one.moved != 0 for one in self.nodes)


def waterfall(spans: Sequence[Span]) -> Waterfall:
    """Put spans of one trace together. ``spans`` is not empty. Takes n log n steps and no recursion."""
    nodes, repeated = _nodes(spans)
    _cut_circles(nodes)
    for place, one in enumerate(nodes):
        if one.parent is not None:
            nodes[one.parent].children.append(place)
    roots = [place for place, one in enumerate(nodes) if one.parent is None]
    roots.sort(key=lambda place: (nodes[place].span.start, nodes[place].span.id))
    order = _in_order(nodes, roots)
    for place in order:
        _move(nodes, place)
    for one in nodes:
        one.children.sort(key=lambda child: (nodes[child].start, nodes[child].span.id))
    order = _in_order(nodes, roots)
    for place in reversed(order):
        one = nodes[place]
        one.self_time = (one.end - one.start) - covered(
            [(nodes[child].start, nodes[child].end) for child in one.children], one.start, one.end
        )
        one.below = sum(1 + nodes[child].below for child in one.children)
        one.failed_below = sum(nodes[child].failed + nodes[child].failed_below for child in one.children)
    main = min(roots, key=lambda place: (nodes[place].orphan, nodes[place].cut, nodes[place].start))
    _find_critical(nodes, main)
    return Waterfall(
        nodes=tuple(nodes),
        roots=tuple(roots),
        order=tuple(order),
        main=main,
        start=min(one.start for one in nodes),
        end=max(one.end for one in nodes),
        repeated=repeated,
    )


def covered(intervals: list[tuple[int, int]], start: int, end: int) -> int:
    """How much of ``start`` to ``end`` the intervals cover together."""
    total, reached = 0, start
    for begins, ends in sorted(intervals):
        until = min(ends, end)
        if until > max(begins, reached):
            total += until - max(begins, reached)
            reached = until
    return total


def _nodes(spans: Sequence[Span]) -> tuple[list[Node], int]:
    nodes: list[Node] = []
    known: dict[str, int] = {}
    repeated = 0
    shared: list[tuple[int, int]] = []
    for one in spans:
        first = known.get(one.id)
        if first is None:
            known[one.id] = len(nodes)
        elif (nodes[first].span.service, nodes[first].span.kind) == (one.service, one.kind):
            repeated += 1
            continue
        else:  # Zipkin's way: caller and callee share an id
            shared.append((len(nodes), first))
        nodes.append(Node(span=one, start=one.start, end=one.start + max(0, one.duration)))
    for place, node in enumerate(nodes):
        if node.span.parent:
            node.parent = known.get(node.span.parent)
            node.orphan = node.parent is None
            if node.parent == place:
                node.parent, node.cut = None, True
    for place, first in shared:
        nodes[place].parent, nodes[place].orphan = first, False
    return nodes, repeated


def _cut_circles(nodes: list[Node]) -> None:
    """Walk up from each; whoever is met again on the same walk is in a circle, which is cut at its earliest span."""
    done = [0] * len(nodes)  # the number of the walk that was here; all earlier walks ended at a root
    for number, begin in enumerate(range(len(nodes)), 1):
        at: int | None = begin
        while at is not None and not done[at]:
            done[at] = number
            at = nodes[at].parent
        if at is None or done[at] != number:
            continue
        circle, step = [at], nodes[at].parent
        while step is not None and step != at:
            circle.append(step)
            step = nodes[step].parent
        earliest = min(circle, key=lambda place: (nodes[place].span.start, nodes[place].span.id))
        nodes[earliest].parent, nodes[earliest].cut = None, True


def _in_order(nodes: list[Node], roots: Sequence[int]) -> list[int]:
    order: list[int] = []
    waiting = list(reversed(roots))
    while waiting:
        place = waiting.pop()
        order.append(place)
        one = nodes[place]
        one.depth = 0 if one.parent is None else nodes[one.parent].depth + 1
        waiting.extend(reversed(one.children))
    return order


def _move(nodes: list[Node], place: int) -> None:
    """Put a span of another machine inside the one that called it, where its own clock says something impossible."""
    one = nodes[place]
    if one.parent is None:
        return
    caller = nodes[one.parent]
    if _clock(one.span) == _clock(caller.span):
        one.moved = caller.moved  # the same clock
    else:
        answers = caller.span.kind is SpanKind.CLIENT and one.span.kind is not SpanKind.CONSUMER
        early, late = one.start < caller.start, answers and one.end > caller.end
        spare = (caller.end - caller.start) - (one.end - one.start)
        if answers and spare >= 0 and (early or late):
            one.moved = caller.start + spare // 2 - one.start  # as long there as back
        elif early:
            one.moved = caller.start - one.start
    one.start += one.moved
    one.end += one.moved


def _clock(span: Span) -> tuple[str, str]:
    return (span.service, span.instance)


def _find_critical(nodes: list[Node], main: int) -> None:
    """From the end backwards: the child that ended last before is what was waited for, and so on inside it."""
    sections: dict[int, list[tuple[int, int]]] = {}
    waiting = [(main, nodes[main].start, nodes[main].end)]
    while waiting:
        place, begin, cursor = waiting.pop()
        mine = sections.setdefault(place, [])
        ends = cursor
        for child in sorted(nodes[place].children, key=lambda child: nodes[child].end, reverse=True):
            start, end = max(nodes[child].start, begin), min(nodes[child].end, ends)
            if end > cursor or end <= start:
                continue
            if end < cursor:
                mine.append((end, cursor))
            waiting.append((child, start, end))
            cursor = start
        if begin < cursor:
            mine.append((begin, cursor))
    for place, found in sections.items():
        nodes[place].critical = tuple(reversed(found))
