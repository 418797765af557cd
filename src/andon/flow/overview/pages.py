"""The value stream at a glance, and one service's part of it."""

from __future__ import annotations

from urllib.parse import quote

from andon.flow.overview.glance import Glance, look
from andon.flow.overview.portrait import Portrait, portrait
from andon.flow.overview.service import OverviewService
from andon.flow.pipelines.contract import RunId
from andon.flow.sources.contract import Service
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.shell import Crumb, Page


def overview_pages(overview: OverviewService, console: str) -> Handlers:
    """``console`` is the address under which Andon is reached."""
    return [*_at_a_glance(overview, console), *_one_service(overview, console)]


def _at_a_glance(overview: OverviewService, console: str) -> Handlers:
    def glance(context: PageContext) -> Glance:
        with context.database.reading() as reading:
            return look(overview, reading, context.principal, context.told)

    @page("/")
    def show(context: PageContext) -> Html:
        found = glance(context)
        return context.page(
            "overview/overview.html",
            Page(title="Overview", sentence=found.sentence, lede=found.lede, wide=True),
            glance=found,
            console=console,
        )

    @page("/overview")
    def region(context: PageContext) -> Html:
        return context.part("overview/glance.html", glance=glance(context), console=console)

    @page("/overview/sentence")
    def sentence(context: PageContext) -> Html:
        return context.part("overview/sentence.html", glance=glance(context))

    @deed("/overview/runs/{run:str}/proceed")
    def proceed(context: PageContext, run: str) -> Html:
        with context.database.transaction() as tx:
            overview.proceed(tx, context.principal, RunId(run))
        return context.go("/")

    return [show, region, sentence, proceed]


def _one_service(overview: OverviewService, console: str) -> Handlers:
    def drawn(context: PageContext, service: str) -> Portrait:
        with context.database.reading() as reading:
            return portrait(overview, reading, context.principal, Service(service), context.told)

    @page("/services")
    def services(context: PageContext) -> Html:
        return context.go("/")

    @page("/services/{service:str}")
    def show(context: PageContext, service: str) -> Html:
        found = drawn(context, service)
        return context.page(
            "overview/service.html",
            Page(title=service, sentence=found.sentence, crumbs=(Crumb("Overview", "/"),)),
            one=found,
            remote=f"{console}/git/{quote(service, safe='')}.git",
        )

    @page("/services/{service:str}/line")
    def region(context: PageContext, service: str) -> Html:
        return context.part(
            "overview/portrait.html",
            one=drawn(context, service),
            remote=f"{console}/git/{quote(service, safe='')}.git",
        )

    return [services, show, region]
