"""The API of the value stream."""

from __future__ import annotations

from andon.flow.overview.drawing import Drawing
from andon.flow.overview.glance import drawing_of
from andon.flow.overview.model import Line
from andon.flow.overview.saying import light_of, sentence_of
from andon.flow.overview.service import OverviewService
from andon.flow.overview.views import PlaceStatus, ServiceStatus, Status
from andon.web.http import api
from andon.web.http.api import Call, Handlers
from andon.web.model import State


def overview_routes(overview: OverviewService) -> Handlers:
    @api.get("/status")
    def show_status(call: Call) -> Status:
        """What runs where, how it is, and what is on its way."""
        with call.database.reading() as reading:
            lines = overview.stream(reading, call.principal).lines
            waiting = overview.runs_waiting(reading, call.principal)
            under_way = overview.deployments_under_way(reading, call.principal)
            drawing = drawing_of(overview, reading, lines, (), ())
            light = light_of(lines, waiting, under_way, reading.now)
        return Status(
            light=State.NONE.value if light is None else light.state.value,
            sentence=sentence_of(lines, waiting),
            services=[_service(drawing, one) for one in lines],
        )

    return [show_status]


def _service(drawing: Drawing, line: Line) -> ServiceStatus:
    newest = drawing.newest(line)
    places = []
    for station in line.stations:
        cell = drawing.cell(line, station)
        places.append(
            PlaceStatus(
                environment=station.environment,
                commit=station.commit,
                health=cell.word,
                well=cell.state is State.OK,
                since=cell.since,
                by=cell.who,
                lead_time=None if cell.lead is None else cell.lead.total_seconds(),
                coming=None if station.coming is None else station.coming.commit,
                address="" if station.place is None else station.place.address,
            )
        )
    return ServiceStatus(service=line.service, newest=newest.commit or None, newest_is=newest.word, places=places)
