"""Lines that become a metric: proposed, looked at, saved, ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from andon.feedback.logs.declared import DeclaredCounts
from andon.feedback.logs.drawing import LineView, line_views
from andon.feedback.logs.model.counting import as_phrases, as_words, metric_of
from andon.feedback.logs.model.marking import Marker
from andon.feedback.logs.model.ranges import DAY, HOUR
from andon.feedback.logs.pages.searching import LOGS, line_at
from andon.feedback.logs.service import LogsService
from andon.feedback.telemetry.contract.logs import LogQuery, LogStore, Template, Term, TermKind
from andon.feedback.telemetry.contract.metrics import Sight, metric_name
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.contract.searching import parse
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.access import PersonId
from andon.kernel.access.contract import People
from andon.kernel.errors import Invalid, Unavailable
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.rendering import plural
from andon.web.shell import Action, Crumb, Page

_COUNTED = "/logs/counted"
_SHOWN = 5
_CRUMBS = (LOGS, Crumb("Counted lines", _COUNTED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a search finds in the last hour."""

    lines: int
    some: tuple[LineView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountView:
    service: str
    metric: str
    query: str
    lines: str
    graph: str
    at: datetime | None = None
    person: str = ""
    end: Action | None = None


def counting_pages(logs: LogStore, service: LogsService, declared: DeclaredCounts | None, people: People) -> Handlers:
    def counted(context: PageContext) -> dict[str, list[CountView]]:
        visible = context.principal.visible_services()
        with context.database.reading() as reading:
            found = service.counted_for(reading, context.principal)
            said = declared.all(reading) if declared is not None else {}
            names = people.names(reading, {one.person for one in found})
        views = [
            CountView(
                service=one.service,
                metric=one.metric,
                query=one.query,
                lines=_lines(one.service, one.query),
                graph=_graph(one.service, one.metric),
                at=one.at,
                person=names.get(PersonId(one.person), one.person),
                end=_end(one.id, one.metric, one.service)
                if service.may_count(context.principal, one.service)
                else None,
            )
            for one in found
        ]
        views += [
            CountView(service=name, metric=metric, query=query, lines=_lines(name, query), graph=_graph(name, metric))
            for name, counts in said.items()
            if visible is None or name in visible
            for metric, query in counts.items()
        ]
        grouped: dict[str, list[CountView]] = {}
        for view in sorted(views, key=lambda one: (one.service, one.metric)):
            grouped.setdefault(view.service, []).append(view)
        return grouped

    @page(_COUNTED)
    def listed(context: PageContext) -> Html:
        sight_of(context.principal)
        grouped = counted(context)
        number = sum(len(one) for one in grouped.values())
        sentence = f"{plural(number, 'metric')} counted from lines" if number else "No line is counted yet"
        head = Page(title="Counted lines", sentence=sentence, crumbs=_CRUMBS[:1])
        return context.page("logs/counted.html", head, grouped=grouped)

    @page("/logs/count")
    def propose(context: PageContext) -> Html:
        sight = sight_of(context.principal)
        asked = context.query
        name = asked.get("service", "")[:80]
        pattern = ""
        if "is" in asked:
            line = line_at(logs, asked, sight)
            name = line.service
            found = _template(logs, line.template, line.time, sight)
            pattern = found.text if found is not None else line.body.split("\n", 1)[0][:200]
        elif asked.get("template", "").isdecimal():
            found = _template(logs, int(asked["template"][:19]), now_us(), sight)
            pattern = found.text if found is not None else ""
            name = found.service if found is not None else name
        if name:
            context.principal.require_sight(name)
        query, metric = asked.get("query", "").strip()[:500], asked.get("metric", "").strip()[:200]
        if pattern:
            with context.database.reading() as reading:
                taken = [one.metric for one in service.counted_for(reading, context.principal, name)]
            query = query or _proposed(logs, name, pattern, sight)
            metric = metric or metric_of(pattern, taken)
        error: Invalid | None = None
        looked: Looked | None = None
        down: Unavailable | None = None
        try:
            if query and name:
                looked = _look(logs, name, query, sight)
        except Invalid as raised:
            error = raised
        except Unavailable as raised:
            down = raised
        return _form(context, name, metric, query, looked=looked, error=error, down=down)

    def _form(
        context: PageContext,
        name: str,
        metric: str,
        query: str,
        *,
        looked: Looked | None,
        error: Invalid | None = None,
        down: Unavailable | None = None,
    ) -> Html:
        may = service.may_count(context.principal, name)
        save = Action(
            f"Count these lines as {metric}",
            _COUNTED,
            hidden=(("service", name), ("metric", metric), ("query", query)),
            kind="primary",
            icon="graph",
            blocked="" if may else "This needs the role 'contributor' on the service.",
        )
        return context.page(
            "logs/count.html",
            Page(
                title="Count lines",
                sentence=f"Count lines of {name}" if name else "Count lines",
                lede="Each line that fits adds one to a metric, by environment and version, from now on.",
                crumbs=_CRUMBS,
            ),
            status=400 if error is not None else 200,
            service=name,
            metric=metric,
            query=query,
            looked=looked,
            error=error,
            down=down,
            save=save if metric and query and name and error is None else None,
            yaml=_as_code(metric, query) if metric and query else "",
            all_lines=_lines(name, query) if query and name else "",
        )

    @deed(_COUNTED)
    def save(context: PageContext) -> Html:
        name, metric, query = (context.required(one) for one in ("service", "metric", "query"))
        context.principal.require_sight(name)
        with context.database.reading() as reading:
            known = declared is not None and declared.has(reading, name, metric)
        try:
            with context.database.transaction() as tx:
                service.count(tx, context.principal, name, metric, query, known=known)
        except Invalid as error:
            return _form(context, name, metric, query, looked=None, error=error)
        return context.go(f"{_COUNTED}#{name}")

    @deed(f"{_COUNTED}/{{count:str}}/end")
    def end(context: PageContext, count: str) -> Html:
        with context.database.transaction() as tx:
            service.end(tx, context.principal, count)
        return context.go(_COUNTED)

    return [listed, propose, save, end]


def _look(logs: LogStore, service: str, query: str, sight: Sight) -> Looked:
    end = now_us()
    terms = parse(query)
    asked = LogQuery(start=end - HOUR, end=end, terms=(Term(TermKind.FIELD, service, "service"), *terms))
    lines = sum(one.lines for one in logs.histogram(asked, sight=sight, buckets=1))
    some = logs.search(asked, sight=sight, limit=_SHOWN).lines
    return Looked(lines=lines, some=line_views(some, Marker.of(terms), countable=False))


def _proposed(logs: LogStore, service: str, pattern: str, sight: Sight) -> str:
    """What finds the pattern's lines: what is always said in it as phrases, or, where that finds nothing, as words."""
    phrases, words = as_phrases(pattern), as_words(pattern)
    try:
        finds = phrases and _look(logs, service, phrases, sight).lines
        return phrases if finds or not words or not _look(logs, service, words, sight).lines else words
    except (Unavailable, Invalid):
        return phrases or words


def _template(logs: LogStore, identity: int, around: int, sight: Sight) -> Template | None:
    if not identity:
        return None
    term = Term(TermKind.FIELD, str(identity), "template")
    asked = LogQuery(start=around - 7 * DAY, end=around + DAY, terms=(term,))
    return next(iter(logs.templates(asked, sight=sight, limit=1)), None)


def _lines(service: str, query: str) -> str:
    quoted = f'service:"{service}"' if not service.replace("-", "").isalnum() else f"service:{service}"
    return "/logs?" + urlencode({"q": f"{quoted} {query}", "from": "24h"})


def _graph(service: str, metric: str) -> str:
    return "/graphs/explore?" + urlencode({"metric": metric_name(metric), "service": service})


def _end(identity: str, metric: str, service: str) -> Action:
    return Action("End", f"{_COUNTED}/{identity}/end", spoken=f"End counting {metric} on {service}")


def _as_code(metric: str, query: str) -> str:
    quoted = query.replace("'", "''")
    return f"telemetry:\n  count:\n    {metric}: '{quoted}'"
