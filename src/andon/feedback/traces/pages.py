"""Where traces are found, and where one is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from andon.feedback.telemetry.contract.traces import TraceSummary
from andon.feedback.traces.addresses import Wanted, wanted
from andon.feedback.traces.contract import SEARCH, is_trace, trace_address
from andon.feedback.traces.drawing import at, graphs_address, logs_address, part_rows, rows, ticks
from andon.feedback.traces.model.folding import view
from andon.feedback.traces.model.insight import Part, causes, colours, parts, repeats
from andon.feedback.traces.model.ranges import MS, SECOND, said
from andon.feedback.traces.model.spread import Spread, spread
from andon.feedback.traces.model.waterfall import Node, Waterfall, waterfall
from andon.feedback.traces.service import LONGEST_TRACE, TracesService, nanoseconds
from andon.flow.deployments.contract import Deployments
from andon.flow.sources.contract import Service, Sources
from andon.kernel.errors import Invalid
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import State
from andon.web.rendering import percent, plural
from andon.web.shell import Crumb, Page

SHOWN = 100
MOST_FAILURES = 8
_RECENT = 50
"""Deployments of a service in an environment among which a version's is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRow:
    trace: TraceSummary
    href: str
    at: datetime
    took: str
    place: float
    """On the plot's scale of durations, 0 to 100."""
    colour: int
    others: tuple[tuple[str, int], ...]
    """Other services of the trace with their colours."""


def trace_pages(traces: TracesService, sources: Sources, deployments: Deployments) -> Handlers:
    def services(context: PageContext) -> tuple[Service, ...]:
        visible = context.principal.visible_services()
        with context.database.reading() as reading:
            return tuple(one for one in sources.services(reading) if visible is None or one in visible)

    @page(SEARCH)
    def find(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        now = nanoseconds()
        trouble: Invalid | None = None
        found: tuple[TraceSummary, ...] = ()
        words = ""
        drawn = None
        edges = ("", "")
        known = context.query.get("id", "").strip().lower().replace("-", "")
        if is_trace(known):
            return context.go(trace_address(known))
        try:
            span = asked.span(now)
            words = span.words
            edges = (f"{at(span.start):%d %b %H:%M} UTC", f"{at(span.end):%d %b %H:%M} UTC")
            found = traces.find(context.principal, asked.query(span), limit=SHOWN)
            drawn = spread(found, span.start, span.end)
        except Invalid as error:
            trouble = error
        more = len(found) == SHOWN
        failed = sum(one.errors > 0 for one in found)
        return context.page(
            "traces/traces.html",
            Page(
                title="Traces",
                sentence=_sentence(asked, len(found), words, more=more) if trouble is None else "Find a request",
                lede=_lede(failed, drawn.middle, drawn.slow) if drawn else "",
                wide=True,
            ),
            asked=asked,
            rows=() if drawn is None else _found_rows(found, drawn),
            spread=drawn,
            services=services(context),
            trouble=trouble,
            older=asked.before(found[-1].start) if more else "",
            shown=SHOWN,
            edges=edges,
        )

    @page(f"{SEARCH}/{{trace:str}}")
    def show(context: PageContext, trace: str) -> Html:
        spans = traces.spans(context.principal, trace)
        whole = waterfall(spans)
        focus, opened = context.query.get("focus", "")[:64], context.query.get("open", "")[:64]
        looked = view(whole, focus=focus, opened=opened)
        focused = next((one for one in whole.nodes if one.span.id == focus), None) if focus else None
        coloured = colours(one.span.service for one in whole.nodes)
        shares = parts(whole)
        root = whole.nodes[whole.main].span
        near = {"from": str((whole.start - 600 * SECOND) // MS), "to": str((whole.end + 600 * SECOND) // MS)}
        failures = causes(whole)
        known = {str(one) for one in services(context)}
        return context.page(
            "traces/trace.html",
            Page(
                title=f"{root.service} {root.name}".strip() or "Trace",
                sentence=_about(whole, shares),
                lede=_broken(whole, len(spans)),
                crumbs=(Crumb("Traces", SEARCH),),
                state=State.BAD if failures else None,
                word="failed" if failures else "",
                wide=True,
            ),
            trace=spans[0].trace,
            began=at(whole.start),
            whole=whole,
            view=looked,
            focused=focused,
            ticks=ticks(looked),
            rows=rows(whole, looked, coloured, _deployments(context, deployments, whole), known),
            parts=part_rows(whole, shares, coloured, known),
            repeats=tuple(
                (one, said(one.together), f"{trace_address(spans[0].trace)}?focus={one.caller.span.id}")
                for one in repeats(whole)
            ),
            failures=tuple(_failure(spans[0].trace, one, whole) for one in failures[:MOST_FAILURES]),
            more_failures=max(0, len(failures) - MOST_FAILURES),
            whole_address=trace_address(spans[0].trace),
            logs=logs_address(f"trace:{spans[0].trace}", near),
            graphs=graphs_address(root.service, root.environment, near) if root.service in known else "",
        )

    return [find, show]


def _deployments(context: PageContext, deployments: Deployments, whole: Waterfall) -> dict[tuple[str, str, str], str]:
    """Where the deployments are seen that brought the versions of this trace; a bounded look at the recent ones."""
    wanted = {(one.span.service, one.span.environment, one.span.version) for one in whole.nodes}
    places = sorted({key[:2] for key in wanted if all(key)})[:20]
    found: dict[tuple[str, str, str], str] = {}
    with context.database.reading() as reading:
        for service, environment in places:
            context.principal.require_sight(service)
            for one in deployments.recent(reading, Service(service), environment, limit=_RECENT):
                found.setdefault((service, environment, one.commit[:7]), f"/deployments/{one.id}")
    return found


def _sentence(asked: Wanted, count: int, words: str, *, more: bool) -> str:
    what = "traced request" if count == 1 else "traced requests"
    through = f" through {asked.service}" if asked.service else ""
    failed = " that failed" if asked.failed else ""
    many = f"The newest {count:,}" if more else f"{count:,}" if count else "No"
    return f"{many} {what}{through}{failed} {words}"


def _lede(failed: int, middle: str, slow: str) -> str:
    told = [f"Half of them took no longer than {middle}"]
    if slow:
        told.append(f"95 % no longer than {slow}")
    told.append(f"{failed:,} had an error in them" if failed else "none had an error in it")
    return ", ".join(told) + "."


def _found_rows(found: tuple[TraceSummary, ...], drawn: Spread) -> tuple[FoundRow, ...]:
    coloured = colours(service for one in found for service in (*one.services, one.service))
    return tuple(
        FoundRow(
            trace=one,
            href=trace_address(one.trace),
            at=at(one.start),
            took=said(one.duration),
            place=drawn.place(one.duration),
            colour=coloured.get(one.service, 1),
            others=tuple((other, coloured[other]) for other in one.services if other != one.service),
        )
        for one in found
    )


def _about(whole: Waterfall, shares: tuple[Part, ...]) -> str:
    root = whole.nodes[whole.main]
    name = root.span.name or root.span.service or "This request"
    services = sum(bool(one.service) for one in shares)
    told = f"{name} took {said(root.end - root.start)}"
    if services > 1:
        told += f" through {services} services"
    length = root.end - root.start
    if services > 1 and length and shares[0].service and shares[0].waited > 0.4 * length:
        told += f", {percent(shares[0].waited / length)} of it in {shares[0].service}"
    failed = sum(one.failed for one in whole.nodes)
    return f"{told}; {plural(failed, 'span')} failed" if failed else told


def _broken(whole: Waterfall, spans: int) -> str:
    """What is not as it should be with what was sent."""
    told = []
    if spans >= LONGEST_TRACE:
        told.append(f"Only its first {LONGEST_TRACE:,} spans are read")
    if whole.orphans:
        told.append(f"{plural(whole.orphans, 'span')} without its caller, which was not sent or may not be seen by you")
    if cut := sum(one.cut for one in whole.nodes):
        told.append(f"{plural(cut, 'circle')} cut")
    if whole.moved:
        told.append(f"{plural(whole.moved, 'span')} moved, because clocks of machines disagree")
    if whole.repeated:
        told.append(f"{plural(whole.repeated, 'span')} came twice")
    return ". ".join(told) + "." if told else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    service: str
    name: str
    says: str
    after: str
    href: str


def _failure(trace: str, one: Node, whole: Waterfall) -> Failure:
    span = one.span
    says = span.message or next(
        (
            each.attributes.get("exception.message", "") or each.attributes.get("exception.type", "")
            for each in span.events
            if each.name == "exception"
        ),
        "",
    )
    return Failure(
        service=span.service or "no service",
        name=span.name,
        says=says[:300],
        after=said(one.start - whole.start),
        href=f"{trace_address(trace)}?focus={span.id}",
    )
