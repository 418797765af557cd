"""The API of graphs: data, causes, annotations, dashboards."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.feedback.graphs.definition import dashboard_of
from andon.feedback.graphs.model.panels import Version
from andon.feedback.graphs.service import GraphsService
from andon.feedback.graphs.views import (
    AnnotationMade,
    AnnotationWanted,
    CauseShape,
    CausesShape,
    DashboardRow,
    Dashboards,
    DashboardShape,
    DefinitionShape,
)
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def graph_routes(graphs: GraphsService) -> Handlers:
    @api.get("/causes")
    def list_causes(
        call: Call, since: datetime, until: datetime, service: str | None = None, environment: str | None = None
    ) -> CausesShape:
        """What happened between two moments that graphs show as lines."""
        call.principal.require_reading()
        if service is not None:
            call.principal.require_sight(service)
        with call.database.reading() as reading:
            found, left_out = graphs.causes(
                reading,
                call.principal,
                _ms(since),
                _ms(until),
                service=service,
                environment=environment,
            )
        return CausesShape(causes=[CauseShape.of(one) for one in found], left_out=left_out)

    @api.post("/annotations", status=201)
    def annotate(call: Call, data: AnnotationWanted) -> AnnotationMade:
        """Mark a moment, or the time until another one, on graphs."""
        with call.database.transaction() as tx:
            made = graphs.annotate(
                tx,
                call.principal,
                data.text,
                service=data.service,
                environment=data.environment,
                at=_zoned(data.at),
                until=_zoned(data.until),
            )
        return AnnotationMade(id=made)

    @api.delete("/annotations/{annotation:str}")
    def remove_annotation(call: Call, annotation: str) -> None:
        """Draw an annotation no longer."""
        with call.database.transaction() as tx:
            graphs.remove_annotation(tx, call.principal, annotation)

    @api.get("/dashboards")
    def list_dashboards(call: Call) -> Dashboards:
        """Every dashboard that you may see."""
        with call.database.reading() as reading:
            found = graphs.dashboards(reading, call.principal)
        return Dashboards(dashboards=[DashboardRow.of(one) for one in found])

    @api.get("/dashboards/{name:str}")
    def show_dashboard(call: Call, name: str) -> DashboardShape:
        """One dashboard with its definition."""
        with call.database.reading() as reading:
            return _shape(graphs.dashboard(reading, call.principal, name))

    @api.put("/dashboards/{name:str}")
    def save_dashboard(call: Call, name: str, data: DefinitionShape) -> DashboardShape:
        """Make a dashboard, or change it; the same definition again changes nothing."""
        with call.database.transaction() as tx:
            return _shape(graphs.save(tx, call.principal, dashboard_of(name, data)))

    @api.delete("/dashboards/{name:str}")
    def remove_dashboard(call: Call, name: str) -> None:
        """Offer a dashboard no longer; its versions are kept."""
        with call.database.transaction() as tx:
            graphs.remove(tx, call.principal, name)

    return [
        list_causes,
        annotate,
        remove_annotation,
        list_dashboards,
        show_dashboard,
        save_dashboard,
        remove_dashboard,
    ]


def _shape(one: Version) -> DashboardShape:
    return DashboardShape(
        name=one.dashboard.name,
        version=one.version,
        saved_at=datetime.fromtimestamp(one.at / 1000, UTC),
        person=one.person,
        definition=DefinitionShape.of(one.dashboard),
    )


def _zoned(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid("A moment without a time zone.", safe="Nothing was changed.", remedy="Put a Z behind it for UTC.")
    return at


def _ms(at: datetime) -> int:
    zoned = _zoned(at)
    assert zoned is not None  # noqa: S101 - it was given
    return int(zoned.timestamp() * 1000)
