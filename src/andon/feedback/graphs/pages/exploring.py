"""One question, or several: put together from choices, or written in PromQL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from andon.feedback.graphs.addresses import Wanted, graph_view, wanted
from andon.feedback.graphs.asking import Asked, Asking
from andon.feedback.graphs.model.editing import DRAWN, Choices, Function, filters_from, functions_for, question, unit_of
from andon.feedback.graphs.model.panels import Panel, PanelKind, Query
from andon.feedback.graphs.model.ranges import USUAL
from andon.feedback.graphs.model.rules import value_unit
from andon.feedback.graphs.pages.drawing import board, fitting, with_table
from andon.feedback.graphs.service import GraphsService
from andon.feedback.telemetry.contract.metrics import Comparison, Kind, MetricName, Sight
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.sight import sight_of
from andon.kernel.errors import AndonError, Invalid
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.shell import Crumb, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """What may be chosen next."""

    names: tuple[MetricName, ...]
    metric: str
    functions: tuple[Function, ...]
    function: str
    labels: dict[str, tuple[str, ...]]
    rows: tuple[tuple[str, str, str], ...]
    by: tuple[str, ...]
    comparisons: tuple[str, ...] = tuple(one.value for one in Comparison)


def exploring_pages(graphs: GraphsService, asking: Asking) -> Handlers:
    def builder(asked: Wanted, now: int, sight: Sight) -> tuple[Builder, Query | None, str]:
        """What may be chosen, and the question and its unit once something was."""
        metric = asked.get("metric").strip()
        known = asking.kind_of(metric, now, sight) if metric else None
        filters = filters_from(asked.first)
        by = asked.all("by")
        choices = Choices(metric=metric, function=asked.get("function"), filters=filters, by=by)
        kind, unit = known or (Kind.GAUGE, "")
        functions = functions_for(kind, metric) if known else ()
        chosen = choices.function if any(one.key == choices.function for one in functions) else ""
        chosen = chosen or (functions[0].key if functions else "")
        made = Builder(
            names=asking.names(now, sight)[:5000],
            metric=metric,
            functions=functions,
            function=chosen,
            labels=asking.labels_of(metric, now, sight) if known else {},
            rows=(*filters, ("", "=", "")),
            by=by,
        )
        if metric and known is None:
            raise Invalid(
                f"Nothing called {metric[:80]!r} was measured in the last week.", remedy="Choose one from the list."
            )
        text = question(choices, kind) if known else ""
        return made, Query(text=text) if text else None, unit_of(chosen, value_unit(metric, unit))

    @page("/graphs/explore")
    def explore(context: PageContext) -> Html:
        sight = sight_of(context.principal)
        now = now_ms()
        asked = wanted(context.scope["query_string"])
        trouble: AndonError | None = None
        queries = asked.queries()
        unit = asked.get("unit")[:30]
        try:
            build, made, its_unit = builder(asked, now, sight)
        except Invalid as error:
            trouble = error
            build, made, its_unit = builder(Wanted(), now, sight)
        if made is not None and not queries:
            kind = DRAWN.get(build.function)
            chosen = {"kind": kind.value} if kind else {}
            pairs = {**dict(asked.range_pairs()), **chosen, "query": made.text, "unit": its_unit}
            kept = [(name, value) for name, value in asked.pairs if name in _BUILT]
            return context.go(f"/graphs/explore?{urlencode([*pairs.items(), *kept])}")
        view = None
        if queries:
            title = asked.get("title")[:200] or queries[0].text[:120]
            panel = Panel(title=title, queries=queries, kind=asked.kind, unit=unit)
            panel = fitting(asking, panel, asked.span(now), sight)
            service, environment = asked.get("service")[:80], asked.get("environment")[:80]
            if service:
                context.principal.require_sight(service)
            view = graph_view(1, panel, asked, service=service, environment=environment, size="tall")
            trouble = trouble or _tried(context, asking, queries, asked, now)
            if asked.table:
                view = with_table(context, asking, view, asked)
        return context.page(
            "graphs/explore.html",
            Page(
                title="Explore",
                sentence=view.panel.title if view and asked.get("title") else "Ask what you want to see",
                crumbs=(Crumb("Graphs", "/graphs"),),
                wide=True,
            ),
            view=view,
            queries=queries or (Query(text=""),),
            kinds=tuple(PanelKind),
            kind=asked.kind,
            unit=unit,
            build=build,
            built=bool(build.metric),
            trouble=trouble,
            table=asked.table,
            range_pairs=asked.range_pairs(),
            board=board(
                context,
                graphs,
                asked,
                default=USUAL,
                here=f"/graphs/explore?{urlencode(asked.pairs)}",
                service=asked.get("service")[:80],
                environment=asked.get("environment")[:80],
            ),
        )

    return [explore]


_BUILT = frozenset(
    {"metric", "function", "by", *(f"{part}{n}" for n in range(1, 9) for part in ("label", "is", "value"))}
)


def _tried(
    context: PageContext, asking: Asking, queries: tuple[Query, ...], asked: Wanted, now: int
) -> AndonError | None:
    """Whether the questions can be asked at all: at one moment, so that a mistake stands beside its field."""
    span = asked.span(now, 10)
    try:
        asking.columns(Asked(queries=queries, range=span, since=span.end - span.step), sight_of(context.principal))
    except AndonError as error:
        return error
    return None
