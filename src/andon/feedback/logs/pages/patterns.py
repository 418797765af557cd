"""Patterns of lines: what is said, how often, since when, and by which version first."""

from __future__ import annotations

from andon.feedback.logs.addresses import Bar, bar, wanted
from andon.feedback.logs.drawing import Facet, facet
from andon.feedback.logs.model.ranges import USUAL
from andon.feedback.logs.pages.searching import LOGS
from andon.feedback.logs.patterns import MOST, PatternView, pattern_views
from andon.feedback.logs.service import LogsService
from andon.feedback.telemetry.contract.logs import LogStore
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.errors import Invalid, Unavailable
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import State
from andon.web.rendering import plural
from andon.web.shell import Page

_PATH = "/logs/templates"


def pattern_pages(logs: LogStore, service: LogsService) -> Handlers:
    @page(_PATH)
    def patterns(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        sight = sight_of(context.principal)
        try:
            span = asked.span(now_us())
            query = asked.query(span)
        except Invalid as error:
            return _drawn(context, "The search cannot be read", bar(asked, error, path=_PATH), status=400)
        try:
            values = logs.facets(query, "service", sight=sight, limit=50)
            visible = context.principal.visible_services()
            with context.database.reading() as reading:
                last = {
                    one: service.last_deployment(reading, context.principal, one)
                    for one in values
                    if visible is None or one in visible
                }
            found = pattern_views(logs, query, span, sight, last)
        except Unavailable as error:
            return _drawn(
                context, "The telemetry store does not answer", bar(asked, path=_PATH), status=503, down=error
            )
        fresh = sum(one.came_with is not None for one in found)
        sentence = f"{plural(len(found), 'pattern')} {span.words}" if found else f"Nobody said anything {span.words}"
        if len(found) == MOST:
            sentence = f"The {MOST} most frequent patterns {span.words}"
        return _drawn(
            context,
            f"{sentence}, {fresh} new since the last deployment" if fresh else sentence,
            bar(asked, path=_PATH),
            found=found,
            facet=facet("service", values, asked, query.terms, path=_PATH) if len(values) > 1 else None,
            state=State.WARN if fresh else None,
            start=asked.start or USUAL,
        )

    return [patterns]


def _drawn(
    context: PageContext,
    sentence: str,
    above: Bar,
    *,
    status: int = 200,
    found: tuple[PatternView, ...] = (),
    facet: Facet | None = None,
    down: Unavailable | None = None,
    state: State | None = None,
    start: str = "",
) -> Html:
    head = Page(
        title="Patterns of lines",
        sentence=sentence,
        lede="Lines that are one sentence with other values in it.",
        crumbs=(LOGS,),
        state=state,
        word="new patterns" if state else "",
        wide=True,
    )
    return context.page(
        "logs/templates.html", head, status=status, bar=above, found=found, facet=facet, down=down, start=start
    )
