"""What graphs ask for: columns as JSON and CSV, a picture, the causes; and annotating."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import msgspec
from litestar import Response

from andon.feedback.graphs.addresses import Wanted, wanted
from andon.feedback.graphs.asking import Asked, Asking
from andon.feedback.graphs.model.answers import Columns
from andon.feedback.graphs.model.exemplars import Mark
from andon.feedback.graphs.model.panels import PanelKind
from andon.feedback.graphs.pages.drawing import cause_list
from andon.feedback.graphs.picture import picture
from andon.feedback.graphs.service import GraphsService, moment
from andon.feedback.graphs.views import (
    AnswerShape,
    CauseShape,
    CausesShape,
    ExemplarShape,
    ExemplarsShape,
    LineShape,
)
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.ranges import moment_of
from andon.feedback.telemetry.contract.sight import sight_of
from andon.feedback.traces.contract import trace_address
from andon.kernel.errors import Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed, page

_MOST_POINTS = 10_000


def answer_pages(graphs: GraphsService, asking: Asking) -> Handlers:
    def answered(context: PageContext, asked: Wanted, points: int) -> Columns:
        sight, now = sight_of(context.principal), now_ms()
        span = asked.span(now, min(points, _MOST_POINTS))
        service = _place(context, asked)
        versions: dict[str, int] = {}
        if service is not None and not asked.number("since", 0):
            environment = asked.get("environment") or None
            with context.database.reading() as reading:
                versions = graphs.version_colours(reading, service, environment, span.start, span.end)
        question = Asked(
            versions=versions,
            queries=asked.queries(),
            range=span,
            kind=asked.kind,
            compare=asked.earlier,
            since=asked.number("since", 0),
            now=now,
        )
        return asking.columns(question, sight)

    @page("/graphs/data")
    def data(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        return _json(_shape(answered(context, asked, asked.number("points", 480))))

    @page("/graphs/data.csv")
    def as_csv(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        columns = answered(context, asked, asked.number("points", 2000))
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["time", *(_cell(f"{one.label}{' (then)' if one.past else ''}") for one in columns.lines)])
        for place, at in enumerate(columns.times):
            when = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
            rows.writerow(
                [when, *("" if (value := one.values[place]) is None else repr(value) for one in columns.lines)]
            )
        headers = {"content-disposition": 'attachment; filename="graph.csv"'}
        return Response(text.getvalue(), media_type="text/csv", headers=headers)

    @page("/graphs/exemplars")
    def exemplars(context: PageContext) -> Html:
        asked, now = wanted(context.scope["query_string"]), now_ms()
        question = Asked(queries=asked.queries(), range=asked.span(now), kind=asked.kind, now=now)
        found = asking.exemplars(question, sight_of(context.principal))
        return _json(ExemplarsShape(exemplars=[_exemplar(one) for one in found]))

    @page("/graphs/image.svg")
    def image(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        columns = answered(context, asked, 80 if asked.kind is PanelKind.BARS else 300)
        with context.database.reading() as reading:
            found, _ = graphs.causes(
                reading,
                context.principal,
                columns.start,
                columns.end,
                service=_place(context, asked),
                environment=asked.get("environment") or None,
                most=60,
            )
        drawn = picture(columns, asked.get("unit")[:30], asked.kind, found, asked.get("title")[:200])
        return Response(drawn, media_type="image/svg+xml")

    @page("/graphs/causes")
    def causes(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        context.principal.require_reading()
        span = asked.span(now_ms())
        with context.database.reading() as reading:
            found, left_out = graphs.causes(
                reading,
                context.principal,
                span.start,
                span.end + max(span.step, 60_000),
                service=_place(context, asked),
                environment=asked.get("environment") or None,
            )
        return _json(CausesShape(causes=[CauseShape.of(one) for one in found], left_out=left_out))

    @page("/graphs/causes/list")
    def listed(context: PageContext) -> Html:
        asked = wanted(context.scope["query_string"])
        service = _place(context, asked) or ""
        causes = cause_list(context, graphs, asked, service, asked.get("environment"))
        return context.part("graphs/causes.html", causes=causes, here=_back(asked.get("here")))

    @deed("/graphs/annotations")
    def annotate(context: PageContext) -> Html:
        now = now_ms()
        at, until = context.form.get("at", ""), context.form.get("until", "")
        with context.database.transaction() as tx:
            graphs.annotate(
                tx,
                context.principal,
                context.required("text"),
                service=context.form.get("service", "").strip() or None,
                environment=context.form.get("environment", "").strip() or None,
                at=moment(moment_of(at, now)) if at.strip() else None,
                until=moment(moment_of(until, now)) if until.strip() else None,
            )
        return context.go(_back(context.form.get("back", "")))

    @deed("/graphs/annotations/{annotation:str}/remove")
    def remove(context: PageContext, annotation: str) -> Html:
        with context.database.transaction() as tx:
            graphs.remove_annotation(tx, context.principal, annotation)
        return context.go(_back(context.form.get("back", "")))

    return [data, as_csv, exemplars, image, causes, listed, annotate, remove]


def _place(context: PageContext, asked: Wanted) -> str | None:
    """The service that the address names. Raises ``NotFound`` for one out of sight."""
    service = asked.get("service")
    if not service:
        return None
    if len(service) > 80:
        raise Invalid("No service is called like that.")
    context.principal.require_sight(service)
    return service


def _back(to: str) -> str:
    return to if to.startswith("/graphs") else "/graphs"


def _cell(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _exemplar(one: Mark) -> ExemplarShape:
    href = trace_address(one.trace, one.span)
    return ExemplarShape(time=one.time, value=one.value, trace=one.trace, href=href, labels=dict(one.labels))


def _shape(columns: Columns) -> AnswerShape:
    return AnswerShape(
        start=columns.start,
        end=columns.end,
        step=columns.step,
        head=columns.head,
        times=columns.times,
        left_out=columns.left_out,
        lines=[
            LineShape(
                label=one.label,
                labels=dict(one.labels),
                values=one.values,
                colour=one.colour,
                query=one.query,
                past=one.past,
            )
            for one in columns.lines
        ],
    )


def _json(shape: msgspec.Struct) -> Html:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(shape).decode(), media_type="application/json", headers=headers)
