"""The search of lines, and one line with what was said around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from andon.feedback.logs.addresses import Bar, Wanted, bar, line_mark, wanted
from andon.feedback.logs.drawing import Facet, Histogram, LineView, facet, field_facets, histogram, line_views
from andon.feedback.logs.model.marking import Marker, head_and_rest
from andon.feedback.logs.model.ranges import DAY, at_of, bars_of
from andon.feedback.logs.patterns import new_ones, parts_of, service_of
from andon.feedback.logs.service import Deployed, LogsService
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogStore, Template
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.contract.ranges import Span
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.access import Principal
from andon.kernel.errors import Invalid, NotFound, Unavailable
from andon.kernel.logs.text import plain
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.rendering import exact, plural
from andon.web.shell import Crumb, Page

SHOWN = 100
AROUND = 20
FRESH = 4
_FACETS = ("service", "environment", "version", "instance", "source")
_MOST_VALUES = 10
_AT_ONCE = 1_000
"""Lines of one microsecond among which one is looked for."""
LOGS = Crumb("Logs", "/logs")
_POOL = ThreadPoolExecutor(8, thread_name_prefix="logs")
"""One page asks several things of the store, which answers them side by side. Threads begin when they are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshPattern:
    parts: tuple[tuple[str, bool], ...]
    lines: int
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a search found, drawn."""

    lines: tuple[LineView, ...]
    histogram: Histogram
    facets: tuple[Facet, ...]
    older: str
    newest: str
    fresh: tuple[FreshPattern, ...]
    """Patterns that came with the last deployment of the one service that is searched."""
    fresh_count: int
    deployed: Deployed | None


def searching_pages(logs: LogStore, service: LogsService) -> Handlers:
    @page("/logs")
    def search(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        sight = sight_of(context.principal)
        if "add" in context.query:
            return context.go(asked.address())
        try:
            span = asked.span(now_us())
            query = asked.query(span)
            asked.cursor()
        except Invalid as error:
            head = Page(title="Logs", sentence="The search cannot be read", wide=True)
            return _drawn(context, head, bar(asked, error), status=400)
        try:
            answer = _answer(context, logs, service, asked, span, query, sight)
        except Unavailable as error:
            head = Page(title="Logs", sentence="The telemetry store does not answer", wide=True)
            return _drawn(context, head, bar(asked), status=503, down=error)
        head = Page(title=asked.text[:60] or "Logs", sentence=_sentence(answer.histogram, asked, span), wide=True)
        return _drawn(context, head, bar(asked), answer=answer)

    @page("/logs/line")
    def line(context: PageContext) -> Html:
        sight = sight_of(context.principal)
        found = line_at(logs, context.query, sight)
        around = logs.around(found, sight=sight, lines=AROUND)
        place = next((turn for turn, one in enumerate(around) if one == found), len(around))
        first = max(0, place - AROUND)
        near = list(around[first : place + AROUND + 1]) or [found]
        (whole,) = line_views((found,), Marker(None), whole=True)
        said = plain(head_and_rest(found.body)[0])
        whose = found.instance or found.origin or found.service or "whoever sent it"
        return context.page(
            "logs/line.html",
            Page(
                title="A line of the log",
                sentence=said[:120] + ("…" if len(said) > 120 else "") if said.strip() else "An empty line",
                lede=f"{exact(at_of(found.time))}, said by {plain(whose)[:120]}",
                crumbs=(LOGS,),
                wide=True,
            ),
            line=whole,
            micro=f"{at_of(found.time):%Y-%m-%d %H:%M:%S}.{found.time % 1_000_000:06}",
            around=line_views(near, Marker(None)),
            mark=line_mark(found),
            bar=bar(Wanted()),
            may_count=service.may_count(context.principal, found.service),
        )

    return [search, line]


def _drawn(
    context: PageContext,
    head: Page,
    above: Bar,
    *,
    status: int = 200,
    answer: Answer | None = None,
    down: Unavailable | None = None,
) -> Html:
    return context.page("logs/search.html", head, status=status, bar=above, answer=answer, down=down)


def _answer(
    context: PageContext,
    logs: LogStore,
    service: LogsService,
    asked: Wanted,
    span: Span,
    query: LogQuery,
    sight: Sight,
) -> Answer:
    start, end, width = bars_of(span)
    bars = replace(query, start=start, end=end)
    counted = _POOL.submit(logs.histogram, bars, sight=sight, buckets=(end - start) // width)
    lines = _POOL.submit(logs.search, query, sight=sight, limit=SHOWN, before=asked.cursor())
    values = {one: _POOL.submit(logs.facets, query, one, sight=sight, limit=_MOST_VALUES) for one in _FACETS}
    named = service_of(query.terms)
    deployed, last = _deployments(context, service, start, end, named)
    fresh = _fresh(logs, query, span, sight, last)
    found = lines.result()
    fixed = {"from": str(span.start // 1000), "to": str(-(-span.end // 1000))}
    older = asked.address(**fixed, before=f"{found.older.time}.{found.older.tie}") if found.older else ""
    facets = (facet(one, counts.result(), asked, query.terms) for one, counts in values.items())
    return Answer(
        lines=line_views(found.lines, Marker.of(query.terms)),
        histogram=histogram(counted.result(), asked, span, deployed),
        facets=(
            *(one for one in facets if one is not None),
            *field_facets(found.lines, asked, query.terms),
        ),
        older=older,
        newest=asked.address() if asked.before else "",
        fresh=tuple(
            FreshPattern(parts=parts_of(one.text[:200]), lines=one.lines, href=asked.address(q=f"template:{one.id}"))
            for one in fresh[:FRESH]
        ),
        fresh_count=len(fresh),
        deployed=last,
    )


def _deployments(
    context: PageContext, service: LogsService, start: int, end: int, named: str
) -> tuple[tuple[Deployed, ...], Deployed | None]:
    if named and not _sees(context.principal, named):
        return (), None
    with context.database.reading() as reading:
        marks = service.deployments(reading, context.principal, start, end, named or None)
        return marks, service.last_deployment(reading, context.principal, named) if named else None


def _fresh(logs: LogStore, query: LogQuery, span: Span, sight: Sight, last: Deployed | None) -> tuple[Template, ...]:
    """Patterns that are new since the last deployment, whatever else is searched for."""
    if last is None or span.end - span.start > 2 * DAY or last.at >= span.end:
        return ()
    named = tuple(one for one in query.terms if one.field == "service")
    whole = LogQuery(start=span.start, end=span.end, terms=named)
    return new_ones(logs.templates(whole, sight=sight, limit=500), last)


def _sees(principal: Principal, service: str) -> bool:
    visible = principal.visible_services()
    return visible is None or service in visible


def line_at(logs: LogStore, asked: Mapping[str, str], sight: Sight) -> LogLine:
    """The line that an address names. Raises ``NotFound``."""
    at, mark = asked.get("at", ""), asked.get("is", "")
    if re.fullmatch(r"-?\d{1,18}", at) and re.fullmatch(r"[0-9a-f]{10}", mark):
        moment = LogQuery(start=int(at), end=int(at) + 1)
        for one in logs.search(moment, sight=sight, limit=_AT_ONCE).lines:
            if line_mark(one) == mark:
                return one
    raise NotFound(
        "There is no such line, or it is kept no longer.",
        remedy="Search for it: /logs",
    )


def _sentence(drawn: Histogram, asked: Wanted, span: Span) -> str:
    if not drawn.total:
        return f"No line fits {span.words}" if asked.text or asked.floor else f"Nobody said anything {span.words}"
    errors = sum(count for gravity, count, _ in drawn.counts if gravity.word in ("error", "fatal"))
    grave = f", {plural(errors, 'error')} among them" if errors else ""
    if errors == drawn.total:
        grave = ", an error" if errors == 1 else ", all of them errors"
    return f"{plural(drawn.total, 'line')} {span.words}{grave}"
