"""Where graphs begin, and the dashboard that each service has by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from andon.feedback.graphs.addresses import GraphView, service_address, wanted
from andon.feedback.graphs.asking import Asking
from andon.feedback.graphs.model.ranges import DAY, MINUTE, USUAL, opening, range_of
from andon.feedback.graphs.model.rules import level_panels, title_of
from andon.feedback.graphs.model.units import said
from andon.feedback.graphs.pages.drawing import board, graph_views
from andon.feedback.graphs.service import GraphsService
from andon.feedback.registry.contract import service_address as registry_address
from andon.feedback.telemetry.contract.levels import LEVELS, TITLES, Filler, filler
from andon.feedback.telemetry.contract.metrics import SERVICE, Kind, Level, MetricName, Series, Sight
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.ranges import length_of
from andon.feedback.telemetry.contract.sight import sight_of
from andon.flow.sources.contract import Service, Sources
from andon.kernel.errors import NotFound, Unavailable
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Trend
from andon.web.rendering import plural
from andon.web.shell import Crumb, Page

MOST_SERVICES = 30
"""Shown on the first page with their figures."""
MOST_SENDERS = 1_000
MOST_NAMES = 400
MOST_COUNTED = 6
"""Business metrics of which a service's first one is shown on its card."""
_REQUESTS = "sum by (service) (rate(andon_requests_total[$window]))"
_FAILED = (
    f'(sum by (service) (rate(andon_requests_total{{code_class=~"5.*"}}[$window])) or 0 * {_REQUESTS}) / {_REQUESTS}'
)
_DURATION = "histogram_quantile(0.95, sum by (service, le) (rate(andon_request_duration_seconds_bucket[$window])))"
_FIGURES = (("Requests", _REQUESTS, "1/s"), ("Failed", _FAILED, "%"), ("Duration, p95", _DURATION, "s"))
"""Asked for all services at once: the page takes no longer with many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCard:
    name: str
    href: str
    figures: tuple[tuple[str, str], ...]
    silent: bool
    trend: Trend


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelView:
    level: Level
    title: str
    graphs: tuple[GraphView, ...]
    filler: Filler
    own: bool
    left_out: int


def service_pages(graphs: GraphsService, asking: Asking, sources: Sources) -> Handlers:
    def visible(context: PageContext) -> tuple[Service, ...]:
        services = context.principal.visible_services()
        with context.database.reading() as reading:
            return tuple(one for one in sources.services(reading) if services is None or one in services)

    def measured(now: int, sight: Sight) -> tuple[str, ...]:
        """Services that sent anything in the last week, whoever runs them."""
        start = now - 7 * DAY
        return asking.measurements.label_values(SERVICE, (), start, now, sight=sight, limit=MOST_SENDERS)

    def cards(services: Sequence[str], names: Sequence[MetricName], now: int, sight: Sight) -> tuple[ServiceCard, ...]:
        span = range_of("15m", "", now)
        found = [(name, asking.last(query, span, now, sight), unit) for name, query, unit in _FIGURES]
        counted = [one for one in names if one.level is Level.BUSINESS and one.kind in (Kind.COUNTER, Kind.DELTA)]
        business = [
            (title_of(one.name), asking.last(f"sum by (service) (rate({one.name}[$window]))", span, now, sight))
            for one in counted[:MOST_COUNTED]
        ]
        trends = asking.by_service(_REQUESTS, range_of(USUAL, "", now, points=40), sight)
        made = []
        for service in services:
            told = tuple((name, said(values.get(service), unit)) for name, values, unit in found)
            own = ((title, said(values[service], "1/s")) for title, values in business if service in values)
            trend = trends.get(service, ())
            made.append(
                ServiceCard(
                    name=service,
                    href=service_address(service),
                    figures=(next(own, ("Business", "no data")), *told),
                    silent=all(value == "no data" for _, value in told),
                    trend=Trend(values=trend, n=sum(one is not None for one in trend), says="requests, 6 h"),
                )
            )
        return tuple(made)

    @page("/graphs")
    def home(context: PageContext) -> Html:
        sight = sight_of(context.principal)
        now = now_ms()
        deployed = visible(context)
        services: tuple[str, ...] = deployed
        trouble: Unavailable | None = None
        shown: tuple[ServiceCard, ...] = ()
        names: tuple[MetricName, ...] = ()
        try:
            names = asking.names(now, sight)
            services += tuple(one for one in measured(now, sight) if one not in deployed)
            shown = cards(services[:MOST_SERVICES], names, now, sight)
        except Unavailable as error:
            trouble = error
        asked = context.query.get("q", "").strip()[:100]
        fit = [one for one in names if all(word in one.name for word in asked.lower().split())]
        with context.database.reading() as reading:
            dashboards = graphs.dashboards(reading, context.principal)
        silent = sum(one.silent for one in shown if one.name in deployed)
        sentence = (
            f"{plural(len(names), 'metric')} of {plural(len(services), 'service') if services else 'this machine'}"
            if names
            else "Telemetry does not answer"
            if trouble
            else "Nothing is measured yet"
        )
        return context.page(
            "graphs/home.html",
            Page(
                title="Graphs",
                sentence=sentence,
                lede=f"{plural(silent, 'service')} without traffic in the last quarter of an hour." if silent else "",
                wide=True,
            ),
            cards=shown,
            trouble=trouble,
            more=services[len(shown) :],
            grouped=_by_level(fit[:MOST_NAMES]),
            left_out=max(0, len(fit) - MOST_NAMES),
            asked=asked,
            measured=bool(names),
            dashboards=dashboards,
            filler=filler(Level.BUSINESS),
        )

    @page("/graphs/services/{service:str}")
    def show(context: PageContext, service: str) -> Html:
        context.principal.require_sight(service)
        deployed = service in visible(context)
        sight = sight_of(context.principal)
        asked = wanted(context.scope["query_string"])
        now = now_ms()
        default, life = USUAL, None
        trouble: Unavailable | None = None
        environments: tuple[str, ...] = ()
        series: tuple[Series, ...] = ()
        environment = asked.get("environment")
        try:
            environments = asking.environments_of(service, now, sight)
            if not environment and "environment" not in asked.first and "production" in environments:
                environment = "production"
            if not asked.get("from").strip() and not asked.end:
                life = asking.life(service, environment, length_of(USUAL), now, sight)
                default = opening(life)
                asked = replace(asked, start=default)
            series = asking.series_of(service, environment, asked.span(now), sight)
            if not deployed:
                if service not in measured(now, sight):
                    raise NotFound(
                        f"Neither is there a repository {service!r} that you may see, nor has anything of that name "
                        "sent telemetry within a week.",
                        remedy="See what has: /registry.",
                    )
                series = tuple(one for one in series if one.label(SERVICE))  # the machine is not known to be its own
        except Unavailable as error:
            trouble = error
        found = level_panels(series, service, environment)
        levels, number = [], 1
        for one in found:
            views = graph_views(
                context, asking, one.panels, asked, service=service, environment=environment, first=number
            )
            number += len(views)
            fills = filler(one.level, deployed=deployed)
            levels.append(
                LevelView(
                    level=one.level,
                    title=TITLES[one.level],
                    graphs=views,
                    filler=replace(fills, line=fills.of(service)),
                    own=one.own,
                    left_out=one.left_out,
                )
            )
        missing = [TITLES[one.level].lower() for one in found if not one.own]
        return context.page(
            "graphs/service.html",
            Page(
                title=f"{service} · Graphs",
                sentence="Telemetry does not answer" if trouble else _sentence(service, environment, missing),
                lede="" if life is None else _young(life),
                crumbs=(
                    Crumb("Graphs", "/graphs"),
                    Crumb(service, f"/services/{service}" if deployed else registry_address(service)),
                ),
                wide=True,
            ),
            levels=() if trouble else levels,
            trouble=trouble,
            board=board(
                context,
                graphs,
                asked,
                default=default,
                here=f"{service_address(service)}?{urlencode(asked.pairs)}",
                service=service,
                environment=environment,
                environments=environments,
            ),
            table=asked.table,
        )

    return [home, show]


def _sentence(service: str, environment: str, missing: list[str]) -> str:
    place = f"{service} in {environment}" if environment else service
    if not missing:
        return f"{place} is measured on all five levels"
    if len(missing) == len(LEVELS):
        return f"{place} is not measured yet"
    told = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
    return f"{place} is measured, and silent on {told}"


def _young(life: int) -> str:
    minutes = -(-life // MINUTE)
    told = plural(minutes, "minute") if minutes < 120 else plural(minutes // 60, "hour")
    return f"Measured for {told} so far."


def _by_level(names: Iterable[MetricName]) -> tuple[tuple[str, tuple[MetricName, ...]], ...]:
    every = tuple(names)
    grouped = ((TITLES[level], tuple(one for one in every if one.level is level)) for level in LEVELS)
    return tuple((title, some) for title, some in grouped if some)
