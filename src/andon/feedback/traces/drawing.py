"""What the page of one trace draws: rows with bars in percent, and what stands behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from andon.feedback.telemetry.contract.traces import Span
from andon.feedback.traces.contract import search_address, trace_address
from andon.feedback.traces.model.folding import Folded, View
from andon.feedback.traces.model.insight import Part
from andon.feedback.traces.model.ranges import HOUR, MINUTE, MS, said
from andon.feedback.traces.model.waterfall import Node, Waterfall

DEEPEST = 14
"""What lies deeper is not moved further to the right."""
MOST_DETAILED = 120
"""In a trace with more rows than this only failed spans show their attributes in place; the others by themselves."""
MOST_MARKS = 24
MOST_ATTRIBUTES = 64
MOST_EVENTS = 20
MOST_LINKS = 10
LONGEST_VALUE = 1_000
_AROUND = 10 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """In percent of what is drawn."""

    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    name: str
    after: str
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    id: str
    anchor: str
    service: str
    name: str
    colour: int
    depth: int
    took: str
    failed: bool
    bar: Piece
    critical: tuple[Piece, ...]
    marks: tuple[float, ...]
    facts: tuple[tuple[str, str], ...]
    message: str
    attributes: tuple[tuple[str, str], ...]
    events: tuple[Happened, ...]
    links: tuple[tuple[str, str], ...]
    """Trace and address."""
    left_out: str
    """What of it there was no room for, in words."""
    detailed: bool
    alone: str
    """Where it is looked at by itself, with all below it."""
    below: int
    alike: str
    logs: str
    graphs: str
    deployment: str
    open: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    depth: int
    says: str
    failed: int
    bar: Piece
    href: str
    link: str
    folded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    x: float
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    service: str
    colour: int
    spans: int
    failed: int
    itself: str
    waited: str
    share: float
    """From 0 to 1."""
    graphs: str


def at(nanoseconds: int) -> datetime:
    """A moment; times that no calendar has are its ends."""
    return datetime.fromtimestamp(min(max(nanoseconds, 0), 253_402_300_799 * 10**9) / 1e9, UTC)


def ticks(view: View) -> tuple[Tick, ...]:
    """Five, the first at the beginning and the last at the end."""
    length = max(1, view.end - view.start)
    return tuple(Tick(x=part * 25.0, told=said(length * part / 4) if part else "0") for part in range(5))


def rows(
    whole: Waterfall,
    view: View,
    colours: Mapping[str, int],
    deployments: Mapping[tuple[str, str, str], str],
    known: Set[str] = frozenset(),
) -> tuple[SpanRow | FoldRow, ...]:
    """``deployments`` has addresses by service, environment and version; ``known`` services have graphs."""
    short = len(view.rows) <= MOST_DETAILED
    first = next((one for one in view.rows if isinstance(one, int)), None)
    base = 0 if first is None else whole.nodes[first].depth
    drawn: list[SpanRow | FoldRow] = []
    for one in view.rows:
        if isinstance(one, Folded):
            drawn.append(_fold(whole, view, one))
        else:
            node = whole.nodes[one]
            detailed = short or node.failed
            drawn.append(_span(whole, view, node, node.depth - base, colours, deployments, known, detailed=detailed))
    return tuple(drawn)


def _span(
    whole: Waterfall,
    view: View,
    one: Node,
    depth: int,
    colours: Mapping[str, int],
    deployments: Mapping[tuple[str, str, str], str],
    known: Set[str],
    *,
    detailed: bool,
) -> SpanRow:
    span = one.span
    near = {"from": str((one.start - _AROUND) // MS), "to": str((one.end + _AROUND) // MS)}
    alike = {"service": span.service, "name": span.name, "environment": span.environment}
    hour = {"from": str((span.start - HOUR // 2) // MS), "to": str((span.start + HOUR // 2) // MS)}
    return SpanRow(
        id=span.id,
        anchor=f"span-{span.id}",
        service=span.service or "no service",
        name=span.name,
        colour=colours.get(span.service, 1),
        depth=min(depth, DEEPEST),
        took=said(span.duration),
        failed=one.failed,
        bar=_piece(view, one.start, one.end),
        critical=tuple(_piece(view, *each) for each in one.critical[:MOST_MARKS]),
        marks=tuple(_place(view, each.time + one.moved) for each in span.events[:MOST_MARKS]),
        facts=_facts(whole, view, one),
        message=span.message,
        attributes=_attributes(span.attributes) if detailed else (),
        events=tuple(
            Happened(name=each.name, after=said(each.time - span.start), attributes=_attributes(each.attributes))
            for each in span.events[:MOST_EVENTS]
        )
        if detailed
        else (),
        links=tuple((trace, trace_address(trace, linked)) for trace, linked in span.links[:MOST_LINKS]),
        left_out=_left_out(span) if detailed else "",
        detailed=detailed,
        alone=f"{trace_address(span.trace)}?{urlencode({'focus': span.id})}",
        below=one.below,
        alike=search_address(alike | hour),
        logs=logs_address(f"service:{span.service}" if span.service else "", near),
        graphs=graphs_address(span.service, span.environment, near) if span.service in known else "",
        deployment=deployments.get((span.service, span.environment, span.version), ""),
    )


def _facts(whole: Waterfall, view: View, one: Node) -> tuple[tuple[str, str], ...]:
    span = one.span
    told = [
        ("Began", f"{said(one.start - whole.start)} after the beginning"),
        ("Took", said(span.duration)),
        ("Itself", f"{said(one.self_time)} in none of its calls" if one.children else ""),
        ("Waited for", f"{said(one.waited)} of the whole" if one.critical else ""),
        ("Kind", span.kind.value),
        ("Status", "failed" if one.failed else span.status.value if span.status.value != "unset" else ""),
        ("Environment", span.environment),
        ("Version", span.version),
        ("Instance", span.instance),
        ("Span", span.id),
        ("Parent", f"{span.parent}, which is not here" if one.orphan else ""),
        ("Order", "It was named as its own ancestor; the circle is cut here." if one.cut else ""),
        (
            "Clock",
            f"drawn {said(abs(one.moved))} {'later' if one.moved > 0 else 'earlier'} than its own clock says"
            if one.moved
            else "",
        ),
    ]
    return tuple((name, value) for name, value in told if value)


def _fold(whole: Waterfall, view: View, one: Folded) -> FoldRow:
    what = f"{one.service} {one.name}".strip()
    more = f"{one.direct:,} more" + (f" of {what}" if what else " smaller ones")
    below = f", {one.spans - one.direct:,} below them" if one.spans > one.direct else ""
    parent = None if one.parent is None else whole.nodes[one.parent].span
    query = {} if parent is None else {"focus": parent.id, "open": parent.id}
    return FoldRow(
        depth=min(one.depth, DEEPEST),
        says=f"{more}: {said(one.together)} together{below}",
        failed=one.failed,
        bar=_piece(view, one.start, one.end),
        href=f"?{urlencode(query)}" if query else "",
        link="Show them" if query else "",
    )


def part_rows(
    whole: Waterfall, parts: Sequence[Part], colours: Mapping[str, int], known: Set[str]
) -> tuple[PartRow, ...]:
    root = whole.nodes[whole.main]
    length = max(1, root.end - root.start)
    near = {"from": str((whole.start - _AROUND) // MS), "to": str((whole.end + _AROUND) // MS)}
    return tuple(
        PartRow(
            service=one.service or "no service",
            colour=colours.get(one.service, 1),
            spans=one.spans,
            failed=one.failed,
            itself=said(one.itself),
            waited=said(one.waited),
            share=one.waited / length,
            graphs=graphs_address(one.service, root.span.environment, near) if one.service in known else "",
        )
        for one in parts
    )


def graphs_address(service: str, environment: str, near: Mapping[str, str]) -> str:
    """The service's graphs at that time; empty where no service is known."""
    if not service:
        return ""
    query = {"environment": environment, **near} if environment else dict(near)
    return f"/graphs/services/{quote(service, safe='')}?{urlencode(query)}"


def logs_address(search: str, near: Mapping[str, str] | None = None) -> str:
    return f"/logs?{urlencode({'q': search, **(near or {})}, quote_via=quote)}"


def _attributes(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…")
        for name, value in sorted(given.items())[:MOST_ATTRIBUTES]
    )


def _left_out(span: Span) -> str:
    counted = (
        (len(span.attributes) - MOST_ATTRIBUTES, "attributes"),
        (len(span.events) - MOST_EVENTS, "events"),
        (len(span.links) - MOST_LINKS, "links"),
    )
    return ", ".join(f"{count:,} more {what}" for count, what in counted if count > 0)


def _place(view: View, moment: int) -> float:
    return round(min(100.0, max(0.0, (moment - view.start) / max(1, view.end - view.start) * 100)), 3)


def _piece(view: View, start: int, end: int) -> Piece:
    """At least a hair wide, and never beyond the right edge."""
    first = min(_place(view, start), 99.75)
    return Piece(x=first, width=round(max(0.25, _place(view, end) - first), 3))
