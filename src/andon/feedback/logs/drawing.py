"""Lines, their histogram and their facets, as the templates draw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from andon.feedback.logs.addresses import (
    SEARCH,
    Wanted,
    line_address,
    line_mark,
    origin_address,
    term_text,
    trace_address,
    with_term,
)
from andon.feedback.logs.model.marking import SHOWN, SHOWN_OPEN, Marker, Piece, head_and_rest, seen
from andon.feedback.logs.model.ranges import DAY, STEPS, at_of, bars_of, width_in_words
from andon.feedback.logs.service import Deployed
from andon.feedback.telemetry.contract.logs import LogCount, LogLine, Severity, Term, TermKind
from andon.feedback.telemetry.contract.ranges import Span
from andon.feedback.telemetry.contract.searching import OWN_FIELDS
from andon.web.model import Choice, State

WIDTH, HEIGHT = 1000.0, 72.0
"""Of the histogram; it is stretched to the page's width."""
_LONGEST_VALUE = 240
_MOST_FIELDS = 40
"""Of a line in a list; its own page has all of them, and the whole of each."""
_MOST_FIELD_FACETS = 6
_MOST_VALUES = 8


class Gravity(NamedTuple):
    """How a severity is drawn: never by its colour alone."""

    word: str
    state: State
    icon: str
    kind: str
    """Of its bars."""


GRAVITY: Mapping[Severity, Gravity] = {
    Severity.FATAL: Gravity("fatal", State.BAD, "bad", "fatal"),
    Severity.ERROR: Gravity("error", State.BAD, "bad", "error"),
    Severity.WARN: Gravity("warn", State.WARN, "warn", "warn"),
    Severity.INFO: Gravity("info", State.RUN, "dot", "info"),
    Severity.DEBUG: Gravity("debug", State.NONE, "dot", "debug"),
    Severity.UNKNOWN: Gravity("plain", State.NONE, "none", "plain"),
}
"""The gravest first, as bars stand on one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    name: str
    value: str
    wanted: str
    """A term that finds it; empty where no search can say it."""
    unwanted: str
    href: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    mark: str
    at: datetime
    day: str
    """Empty where it is the same as that of the line above."""
    gravity: Gravity
    service: str
    place: str
    head: tuple[Piece, ...]
    cut: bool
    """Whether the head is only the beginning of the line."""
    rest: tuple[tuple[Piece, ...], ...]
    """What is shown of it when it is opened: the whole text, line by line."""
    more_lines: int
    left_out: int
    """Characters that even the opened line does not show."""
    fields: tuple[FieldView, ...]
    more_fields: int
    address: str
    trace: str
    origin: str
    origin_words: str
    count: str
    """Where its counting begins; empty for a line of no service."""


def line_views(
    lines: Sequence[LogLine], marker: Marker, *, countable: bool = True, whole: bool = False
) -> tuple[LineView, ...]:
    drawn = []
    day = ""
    for line in lines:
        at = at_of(line.time)
        here = f"{at:%A}, {at.day} {at:%B}"
        drawn.append(_line_view(line, marker, here if here != day else "", countable=countable, whole=whole))
        day = here
    return tuple(drawn)


def _line_view(line: LogLine, marker: Marker, day: str, *, countable: bool, whole: bool) -> LineView:
    head, rest = head_and_rest(line.body)
    limit = len(line.body) if whole else SHOWN_OPEN
    text = line.body[:limit]
    long = len(head) > SHOWN
    told = text.strip("\n").split("\n") if rest or long else []
    origin, origin_words = origin_address(line)
    fields = _fields(line, whole=whole)
    return LineView(
        mark=line_mark(line),
        at=at_of(line.time),
        day=day,
        gravity=GRAVITY[line.severity],
        service=seen(line.service),
        place=seen("/".join(one for one in (line.service, line.environment) if one)),
        head=marker.pieces(head[:SHOWN]),
        cut=long,
        rest=tuple(marker.pieces(one) for one in told),
        more_lines=rest.count("\n") + 1 if rest else 0,
        left_out=len(line.body) - len(text),
        fields=fields,
        more_fields=max(0, sum(bool(own_value(line, one)) for one in OWN_FIELDS) + len(line.fields) - len(fields)),
        address=line_address(line),
        trace=trace_address(line.trace),
        origin=origin,
        origin_words=origin_words,
        count=f"/logs/count?at={line.time}&is={line_mark(line)}" if line.service and countable else "",
    )


def _fields(line: LogLine, *, whole: bool) -> tuple[FieldView, ...]:
    own = {name: value for name in OWN_FIELDS if (value := own_value(line, name))}
    hrefs = {"trace": trace_address(line.trace), "origin": origin_address(line)[0]}
    pairs = [*own.items(), *sorted(line.fields.items())]
    longest = max((len(value) for _, value in pairs), default=0) if whole else _LONGEST_VALUE
    return tuple(
        _field(name, value, hrefs.get(name, "") if name in own else "", longest)
        for name, value in (pairs if whole else pairs[:_MOST_FIELDS])
    )


def _field(name: str, value: str, href: str, longest: int) -> FieldView:
    # what cannot be shown as it is cannot be put into a search either
    sayable = len(value) <= longest and seen(value) == value
    return FieldView(
        name=seen(name[:200]),
        value=seen(value[:longest]),
        wanted=term_text(name, value) if sayable else "",
        unwanted=term_text(name, value, negated=True) if sayable else "",
        href=href,
        note=f"and {len(value) - longest:,} characters more" if len(value) > longest else "",
    )


def own_value(line: LogLine, name: str) -> str:
    match name:
        case "service" | "environment" | "version" | "instance" | "trace" | "span" | "origin":
            return str(getattr(line, name))
        case "source":
            return line.source.value
        case "template":
            return str(line.template) if line.template else ""
    return ""


# The histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Brick:
    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    x: float
    width: float
    start: int
    """Milliseconds since 1970, for the script that draws a range."""
    href: str
    says: str
    bricks: tuple[Brick, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    x: float
    says: str
    href: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    columns: tuple[Column, ...]
    causes: tuple[Cause, ...]
    ticks: tuple[tuple[float, str], ...]
    counts: tuple[tuple[Gravity, int, str], ...]
    """For each severity there is: how many, and the address of those that are at least as grave."""
    total: int
    peak: int
    per: str
    start: int
    end: int
    """Milliseconds."""
    moves: tuple[Choice, ...]
    """The same search at other times."""
    says: str


def histogram(counts: Iterable[LogCount], asked: Wanted, span: Span, deployed: Iterable[Deployed] = ()) -> Histogram:
    start, end, width = bars_of(span)
    length = end - start
    by_bar: dict[int, Counter[Severity]] = {}
    for one in counts:
        by_bar.setdefault((one.time - start) // width, Counter())[one.severity] += one.lines
    totals: Counter[Severity] = sum(by_bar.values(), Counter())
    peak = max((sum(one.values()) for one in by_bar.values()), default=0)
    slot = WIDTH * width / length
    columns = []
    for place, held in sorted(by_bar.items()):
        at = start + place * width
        said = ", ".join(f"{held[one]:,} {GRAVITY[one].word}" for one in GRAVITY if held[one])
        columns.append(
            Column(
                x=round(place * slot, 2),
                width=round(max(slot - min(2.0, slot / 4), 0.5), 2),
                start=at // 1000,
                href=asked.narrowed(span, at, at + width),
                says=f"{moment_text(at, length)}: {said}",
                bricks=_bricks(held, peak),
            )
        )
    causes = tuple(
        Cause(
            x=round((one.at - start) / length * 100, 2),
            says=f"{'Deployed' if one.succeeded else 'Could not deploy'} {one.version} to "
            f"{one.service}/{one.environment}, {moment_text(one.at, length)}",
            href=f"/deployments/{one.deployment}",
            failed=not one.succeeded,
        )
        for one in deployed
        if start <= one.at < end
    )
    total = sum(totals.values())
    grave = totals[Severity.ERROR] + totals[Severity.FATAL]
    return Histogram(
        columns=tuple(columns),
        causes=causes,
        ticks=_ticks(start, end),
        counts=tuple(
            (drawn, totals[one], asked.address(severity=one.name.lower() if one else ""))
            for one, drawn in GRAVITY.items()
            if totals[one]
        ),
        total=total,
        peak=peak,
        per=width_in_words(width),
        start=start // 1000,
        end=end // 1000,
        moves=_moves(asked, span),
        says=f"{total:,} lines, {grave:,} of them errors; at most {peak:,} a {width_in_words(width)}",
    )


def _moves(asked: Wanted, span: Span) -> tuple[Choice, ...]:
    half = (span.end - span.start) // 2
    found = [("Earlier", span.start - half, span.end - half), ("Zoom out", span.start - half, span.end + half)]
    if not span.live:
        found.append(("Later", span.start + half, span.end + half))
    return tuple(
        Choice(label, asked.address(**{"from": str(max(0, start) // 1000), "to": str(max(0, end) // 1000)}))
        for label, start, end in found
    )


def _bricks(held: Counter[Severity], peak: int) -> tuple[Brick, ...]:
    found, y = [], HEIGHT
    for severity, drawn in GRAVITY.items():
        if held[severity]:
            height = max(2.0, held[severity] / peak * (HEIGHT - 4))  # one error among thousands is seen too
            y = max(0.0, y - height)
            found.append(Brick(kind=drawn.kind, y=round(y, 2), height=round(min(height, HEIGHT), 2)))
    return tuple(found)


def _ticks(start: int, end: int, most: int = 7) -> tuple[tuple[float, str], ...]:
    """Where whole hours or minutes are."""
    length = end - start
    step = next((one for one in STEPS if length / one <= most), STEPS[-1])
    first = -(-start // step) * step
    places = (round((at - start) / length * 100, 2) for at in range(first, end, step))
    told = (moment_text(at, length) for at in range(first, end, step))
    return tuple((x, text) for x, text in zip(places, told, strict=True) if x <= 95)


def moment_text(microseconds: int, length: int) -> str:
    """A moment, as exactly as a range of this length needs it."""
    at = at_of(microseconds)
    if length >= 20 * DAY:
        return f"{at.day} {at:%b}"
    if length >= DAY:
        return f"{at.day} {at:%b %H:%M}"
    if length >= 600_000_000:
        return f"{at:%H:%M}"
    return f"{at:%H:%M:%S}" if length >= 10_000_000 else f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


# Facets


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    name: str
    choices: tuple[Choice, ...]


def facet(
    field: str, counted: Mapping[str, int], asked: Wanted, terms: Sequence[Term], *, path: str = SEARCH
) -> Facet | None:
    """A field's values as links that add a term, or take it away again."""
    choices = []
    chosen = [one.value for one in terms if one.kind is TermKind.FIELD and one.field == field and not one.negated]
    values = {**dict.fromkeys(chosen, 0), **counted}
    for value, count in values.items():
        if term_text(field, value):
            term = Term(TermKind.FIELD, value, field)
            choices.append(
                Choice(
                    seen(value[:120]),
                    asked.address(path, q=with_term(terms, term)),
                    current=value in chosen,
                    count=count if value in counted else None,
                )
            )
    return Facet(name=seen(field), choices=tuple(choices)) if choices else None


def field_facets(lines: Sequence[LogLine], asked: Wanted, terms: Sequence[Term]) -> tuple[Facet, ...]:
    """Fields that came with the lines shown, those that part them best first: counted among these lines only."""
    values: dict[str, Counter[str]] = {}
    for line in lines:
        for name, value in line.fields.items():
            if len(value) <= 120:
                values.setdefault(name, Counter())[value] += 1
    telling = {
        name: counts
        for name, counts in values.items()
        if 1 < len(counts) <= max(20, len(lines) // 4) or any(one.field == name for one in terms)
    }
    best = sorted(telling, key=lambda name: (-sum(telling[name].values()), name))[:_MOST_FIELD_FACETS]
    found = (facet(name, dict(telling[name].most_common(_MOST_VALUES)), asked, terms) for name in best)
    return tuple(Facet(name=f"{one.name}, of the lines shown", choices=one.choices) for one in found if one is not None)
