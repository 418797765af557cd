"""What the pages of graphs have in common: the board with its bar, graphs, causes, and the form to annotate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from andon.feedback.graphs.addresses import Bar, GraphView, TableView, TraceRow, Wanted, bar, graph_view
from andon.feedback.graphs.asking import Asked, Asking
from andon.feedback.graphs.model.answers import Columns, figures
from andon.feedback.graphs.model.causes import Cause
from andon.feedback.graphs.model.exemplars import Mark
from andon.feedback.graphs.model.panels import Panel, PanelKind
from andon.feedback.graphs.model.ranges import Range
from andon.feedback.graphs.model.units import said
from andon.feedback.graphs.picture import sentence
from andon.feedback.graphs.service import GraphsService
from andon.feedback.telemetry.contract.metrics import ENVIRONMENT, VERSION, Sight
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.sight import sight_of
from andon.feedback.traces.contract import trace_address
from andon.kernel.errors import AndonError
from andon.web.http.pages import PageContext
from andon.web.model import State

TABLE_POINTS = 40
MOST_COLUMNS = 12
MOST_TRACES = 20
"""Rows of them below a table."""
SHOWN_CAUSES = 60
_ICONS = {
    "deployment": "deploy",
    "roll-back": "back",
    "migration": "database",
    "flag": "flag",
    "configuration": "settings",
    "incident": "alert",
    "alert": "alert",
    "annotation": "flag",
    "environment": "environment",
    "instance": "retry",
}
_STATES = {
    "deployment": State.RUN,
    "roll-back": State.WARN,
    "migration": State.HOLD,
    "flag": State.HOLD,
    "configuration": State.HOLD,
    "incident": State.BAD,
    "alert": State.BAD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseLine:
    cause: Cause
    at: datetime
    until: datetime | None
    icon: str
    state: State
    place: str
    removable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseList:
    """Newest first; ``left_out`` counts those there was no room for."""

    lines: tuple[CauseLine, ...]
    left_out: int
    address: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    bar: Bar
    causes: CauseList
    service: str
    environment: str
    may_annotate: bool
    here: str
    """The page's own address, to come back to after a deed."""


def cause_list(
    context: PageContext, graphs: GraphsService, asked: Wanted, service: str = "", environment: str = ""
) -> CauseList:
    span = asked.span(now_ms())
    with context.database.reading() as reading:
        found, left_out = graphs.causes(
            reading,
            context.principal,
            span.start,
            span.end + span.step,
            service=service or None,
            environment=environment or None,
        )
    shown = found[::-1][:SHOWN_CAUSES]
    query = asked.with_(service=service, environment=environment)
    return CauseList(
        lines=tuple(_line(one, context, graphs) for one in shown),
        left_out=left_out + len(found) - len(shown),
        address=f"/graphs/causes/list?{query}",
        topics=(f"service:{service}",) if service else ("record",),
    )


def _line(one: Cause, context: PageContext, graphs: GraphsService) -> CauseLine:
    return CauseLine(
        cause=one,
        at=datetime.fromtimestamp(one.time / 1000, UTC),
        until=None if one.until is None else datetime.fromtimestamp(one.until / 1000, UTC),
        icon=_ICONS[one.kind.value],
        state=State.BAD if one.failed else _STATES.get(one.kind.value, State.NONE),
        place="/".join(part for part in (one.service, one.environment) if part),
        removable=one.kind.value == "annotation" and graphs.may_write(context.principal, one.service or None),
    )


def board(
    context: PageContext,
    graphs: GraphsService,
    asked: Wanted,
    *,
    default: str,
    here: str,
    service: str = "",
    environment: str = "",
    environments: Sequence[str] = (),
) -> Board:
    return Board(
        bar=bar(asked, default, environments, environment),
        causes=cause_list(context, graphs, asked, service, environment),
        service=service,
        environment=environment,
        may_annotate=graphs.may_write(context.principal, service or None),
        here=here,
    )


def graph_views(
    context: PageContext,
    asking: Asking,
    panels: Sequence[Panel],
    asked: Wanted,
    *,
    service: str = "",
    environment: str = "",
    size: str = "",
    first: int = 1,
) -> tuple[GraphView, ...]:
    """As a table where that is asked for: then the questions are asked here."""
    sight, span = sight_of(context.principal), asked.span(now_ms())
    made = [
        graph_view(
            number, fitting(asking, panel, span, sight), asked, service=service, environment=environment, size=size
        )
        for number, panel in enumerate(panels, first)
    ]
    return tuple(with_table(context, asking, one, asked) for one in made) if asked.table else tuple(made)


def fitting(asking: Asking, panel: Panel, span: Range, sight: Sight) -> Panel:
    """Drawn as it fits what it asks for; as it was where that cannot be told."""
    try:
        return asking.fitting(panel, span, sight)
    except AndonError:
        return panel


def with_table(context: PageContext, asking: Asking, view: GraphView, asked: Wanted) -> GraphView:
    now = now_ms()
    question = Asked(queries=view.panel.queries, range=asked.span(now, TABLE_POINTS), kind=view.panel.kind)
    sight = sight_of(context.principal)
    try:
        columns = asking.columns(question, sight)
        marks = asking.exemplars(question, sight) if view.exemplars else ()
    except AndonError as error:
        return replace(view, sentence=str(error))
    unit = "1/s" if view.panel.kind is PanelKind.HEAT else view.panel.unit
    table = replace(table_of(columns, unit), traces=trace_rows(marks, view.panel.unit))
    return replace(view, sentence=sentence(columns, unit), table=table)


def trace_rows(marks: Sequence[Mark], unit: str) -> tuple[TraceRow, ...]:
    """The highest first."""
    highest = sorted(marks, key=lambda one: (one.value is None, -(one.value or 0.0), -one.time))[:MOST_TRACES]
    return tuple(
        TraceRow(
            at=f"{datetime.fromtimestamp(one.time / 1000, UTC):%d %b %H:%M:%S}",
            value="" if one.value is None else said(one.value, unit),
            place=" ".join(value for name, value in one.labels if name in (VERSION, ENVIRONMENT)),
            trace=one.trace,
            href=trace_address(one.trace, one.span),
        )
        for one in highest
    )


def table_of(columns: Columns, unit: str) -> TableView:
    lines = [one for one in columns.lines if not one.past][:MOST_COLUMNS]
    rows = [
        (
            f"{datetime.fromtimestamp(at / 1000, UTC):%d %b %H:%M:%S}",
            tuple(said(one.values[place], unit) for one in lines),
        )
        for place, at in reversed(list(enumerate(columns.times)))
    ]
    told = [figures(one.values) for one in lines]
    summary = [
        ("least", tuple(said(one.least, unit) for one in told)),
        ("mean", tuple(said(one.mean, unit) for one in told)),
        ("most", tuple(said(one.most, unit) for one in told)),
    ]
    return TableView(heads=tuple(one.label for one in lines), rows=(*summary, *rows) if lines else ())
