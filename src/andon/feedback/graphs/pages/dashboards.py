"""Dashboards that people make: looked at, changed, kept as code, and shown on a wall."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urlencode

from litestar import Response

from andon.feedback.graphs.addresses import wanted
from andon.feedback.graphs.asking import Asking
from andon.feedback.graphs.contract import DashboardName
from andon.feedback.graphs.definition import yaml_of
from andon.feedback.graphs.model.panels import MOST_PANELS, Dashboard, Panel, PanelKind, Query
from andon.feedback.graphs.model.ranges import USUAL
from andon.feedback.graphs.pages.drawing import board, graph_views
from andon.feedback.graphs.service import GraphsService
from andon.feedback.telemetry.contract.sight import sight_of
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.rendering import plural
from andon.web.shell import Action, Crumb, Page

_SECONDS = (5, 3600)
"""Between two dashboards of a wall."""
_EMPTY = Panel(title="", queries=(Query(text=""),))
_CRUMBS = (Crumb("Graphs", "/graphs"), Crumb("Dashboards", "/graphs/dashboards"))


def dashboard_pages(graphs: GraphsService, asking: Asking) -> Handlers:
    @page("/graphs/dashboards")
    def listed(context: PageContext) -> Html:
        with context.database.reading() as reading:
            found = graphs.dashboards(reading, context.principal)
        sentence = plural(len(found), "dashboard") if found else "No dashboard has been made yet"
        return context.page(
            "graphs/dashboards.html",
            Page(title="Dashboards", sentence=sentence, crumbs=_CRUMBS[:1]),
            found=found,
            may_make=graphs.may_write(context.principal, None),
        )

    @page("/graphs/dashboards/{name:str}")
    def show(context: PageContext, name: str) -> Html:
        with context.database.reading() as reading:
            found = graphs.dashboard(reading, context.principal, name)
        one = found.dashboard
        asked = wanted(context.scope["query_string"])
        sight_of(context.principal)
        service, environment = one.service or "", one.environment or ""
        views = graph_views(context, asking, one.panels, asked, service=service, environment=environment)
        return context.page(
            "graphs/dashboard.html",
            Page(title=one.title, sentence=one.title, lede=one.note, crumbs=_CRUMBS, wide=True),
            views=views,
            one=one,
            version=found.version,
            may_change=graphs.may_write(context.principal, one.service),
            board=board(
                context,
                graphs,
                asked,
                default=USUAL,
                here=f"/graphs/dashboards/{one.name}?{urlencode(asked.pairs)}",
                service=service,
                environment=environment,
            ),
            table=asked.table,
        )

    @page("/graphs/dashboards/{name:str}/definition")
    def definition(context: PageContext, name: str) -> Html:
        with context.database.reading() as reading:
            found = graphs.dashboard(reading, context.principal, name)
        headers = {"content-disposition": f'inline; filename="{found.dashboard.name}.yaml"'}
        return Response(yaml_of(found.dashboard), media_type="text/plain; charset=utf-8", headers=headers)

    @page("/graphs/dashboards/{name:str}/history")
    def history(context: PageContext, name: str) -> Html:
        with context.database.reading() as reading:
            found = graphs.history(reading, context.principal, name)
        title = found[0].dashboard.title
        return context.page(
            "graphs/history.html",
            Page(
                title=f"History of {title}",
                sentence=f"{plural(found[0].version, 'version')} of {title}",
                crumbs=(*_CRUMBS, Crumb(title, f"/graphs/dashboards/{name}")),
            ),
            found=found,
            name=name,
        )

    @page("/graphs/new")
    def new(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        queries = asked.queries() or _EMPTY.queries
        panel = Panel(title=asked.get("title")[:200], queries=queries, kind=asked.kind, unit=asked.get("unit")[:30])
        with context.database.reading() as reading:
            others = graphs.dashboards(reading, context.principal) if asked.queries() else ()
        return _editor(
            context,
            Dashboard(name=DashboardName(""), title="", panels=(panel,)),
            fresh=True,
            others=tuple(
                (one.dashboard.title, f"/graphs/dashboards/{one.dashboard.name}/edit?{urlencode(asked.pairs)}")
                for one in others
                if graphs.may_write(context.principal, one.dashboard.service)
            ),
        )

    @page("/graphs/dashboards/{name:str}/edit")
    def edit(context: PageContext, name: str) -> Html:
        with context.database.reading() as reading:
            found = graphs.dashboard(reading, context.principal, name)
        added = wanted(context.scope["query_string"])
        one = found.dashboard
        if added.queries():
            panel = Panel(
                title=added.get("title")[:200], queries=added.queries(), kind=added.kind, unit=added.get("unit")[:30]
            )
            one = replace(one, panels=(*one.panels, panel))
        return _editor(context, one, fresh=False)

    @deed("/graphs/dashboards")
    def save(context: PageContext) -> Html:
        sent, act = _from_form(context)
        if act != "save":
            return _editor(context, _acted(sent, act), fresh=context.form.get("fresh") == "yes")
        kept = replace(sent, panels=tuple(one for one in sent.panels if one.title or one.queries[0].text))
        try:
            with context.database.transaction() as tx:
                graphs.save(tx, context.principal, kept)
        except Invalid as error:
            return _editor(context, sent, fresh=context.form.get("fresh") == "yes", error=error)
        return context.go(f"/graphs/dashboards/{quote(kept.name, safe='')}")

    @deed("/graphs/dashboards/{name:str}/remove")
    def remove(context: PageContext, name: str) -> Html:
        with context.database.transaction() as tx:
            graphs.remove(tx, context.principal, name)
        return context.go("/graphs/dashboards")

    @page("/graphs/wall/{name:str}")
    def wall(context: PageContext, name: str) -> Html:
        with context.database.reading() as reading:
            found = graphs.dashboard(reading, context.principal, name)
        one = found.dashboard
        asked = wanted(context.scope["query_string"])
        service, environment = one.service or "", one.environment or ""
        views = graph_views(
            context, asking, one.panels, replace(asked, table=False), service=service, environment=environment
        )
        round_ = [part for part in asked.get("next").split(",") if part][:50]
        seconds = min(max(asked.number("seconds", 30), _SECONDS[0]), _SECONDS[1])
        then = ""
        if round_:
            order = ",".join([*round_[1:], name])
            then = f"/graphs/wall/{quote(round_[0], safe='')}?{asked.with_(next=order)}"
        return context.part(
            "graphs/wall.html", one=one, views=views, next=then, seconds=seconds, default=asked.start, named=name
        )

    return [listed, show, definition, history, new, edit, save, remove, wall]


def _from_form(context: PageContext) -> tuple[Dashboard, str]:
    """The dashboard as the form has it, and the button that was pressed. Each panel's fields stand in order; its
    queries are lines, with the legend behind ``#``."""
    titles, texts = context.all("panel-title"), context.all("panel-queries")
    kinds, units, notes = context.all("panel-kind"), context.all("panel-unit"), context.all("panel-note")
    wides = set(context.all("panel-wide"))
    if not len(titles) == len(texts) == len(kinds) == len(units) == len(notes) or len(titles) > MOST_PANELS + 1:
        raise Invalid("The form is not whole.", safe="Nothing was saved.", remedy="Open the page again.")
    panels = tuple(
        Panel(
            title=title.strip(),
            queries=_queries(text) or _EMPTY.queries,
            kind=PanelKind(kind) if kind in set(PanelKind) else PanelKind.LINE,
            unit=unit.strip(),
            note=note.strip(),
            wide=str(place) in wides,
        )
        for place, (title, text, kind, unit, note) in enumerate(zip(titles, texts, kinds, units, notes, strict=True), 1)
    )
    made = Dashboard(
        name=DashboardName(context.form.get("name", "").strip()),
        title=context.form.get("title", "").strip(),
        panels=panels,
        service=Service(context.form["service"].strip()) if context.form.get("service", "").strip() else None,
        environment=context.form.get("environment", "").strip() or None,
        note=context.form.get("note", "").strip(),
    )
    return made, context.form.get("act", "save")


def _queries(text: str) -> tuple[Query, ...]:
    """One a line; `` # `` begins the legend."""
    found = []
    for line in text.splitlines():
        query, _, legend = line.partition(" # ")
        if query.strip():
            found.append(Query(text=query.strip(), legend=legend.strip()))
    return tuple(found)


def _acted(one: Dashboard, act: str) -> Dashboard:
    """A panel added, removed, or moved up or down."""
    panels = list(one.panels)
    what, _, number = act.partition(" ")
    place = int(number) - 1 if number.isdecimal() else -1
    if what == "add" and len(panels) < MOST_PANELS:
        panels.append(_EMPTY)
    elif 0 <= place < len(panels):
        panel = panels.pop(place)
        if what == "up":
            panels.insert(max(0, place - 1), panel)
        elif what == "down":
            panels.insert(place + 1, panel)
    return replace(one, panels=tuple(panels))


def _editor(
    context: PageContext,
    one: Dashboard,
    *,
    fresh: bool,
    error: Invalid | None = None,
    others: tuple[tuple[str, str], ...] = (),
) -> Html:
    context.principal.require_reading()
    name = one.title or one.name
    remove = None if fresh else Action(f"Remove {name}", f"/graphs/dashboards/{one.name}/remove", kind="danger")
    return context.page(
        "graphs/edit.html",
        Page(
            title="Dashboard",
            sentence=f"Change {name}" if not fresh else "Make a dashboard",
            crumbs=_CRUMBS if fresh else (*_CRUMBS, Crumb(name, f"/graphs/dashboards/{one.name}")),
        ),
        status=200 if error is None else 400,
        one=one,
        fresh=fresh,
        error=error,
        others=others,
        remove=remove,
        kinds=tuple(PanelKind),
        lines=[
            "\n".join(f"{query.text} # {query.legend}" if query.legend else query.text for query in panel.queries)
            for panel in one.panels
        ],
    )
