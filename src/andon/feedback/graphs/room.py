"""Graphs with causes: what is measured, what happened, and what somebody wants to see together."""

from __future__ import annotations

from collections.abc import Iterator

from andon.feedback.graphs.addresses import service_address
from andon.feedback.graphs.api import graph_routes
from andon.feedback.graphs.asking import Asking
from andon.feedback.graphs.pages import graph_pages
from andon.feedback.graphs.service import GraphsService
from andon.feedback.graphs.telling import TELLING
from andon.feedback.promql.contract import Questions
from andon.feedback.telemetry.contract.metrics import Measurements
from andon.flow.sources.contract import Sources
from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.web.room import Entry, Room
from andon.web.shell import NavItem


def graphs_room(*, measurements: Measurements, questions: Questions, sources: Sources, people: People) -> Room:
    graphs = GraphsService(people)
    asking = Asking(measurements, questions)

    def entries(reading: Reading, principal: Principal) -> Iterator[Entry]:
        visible = principal.visible_services()
        for service in sources.services(reading):
            if visible is None or service in visible:
                yield Entry(f"Graphs of {service}", service_address(service), "graph")
        if visible is None or visible:
            for one in graphs.dashboards(reading, principal):
                yield Entry(f"{one.dashboard.title}", f"/graphs/dashboards/{one.dashboard.name}", "graph", "dashboard")
            yield Entry("Explore metrics", "/graphs/explore", "search", "graphs")

    return Room(
        name="graphs",
        templates="andon.feedback.graphs",
        handlers=(*graph_pages(graphs, asking, sources), *graph_routes(graphs)),
        navigation=(NavItem("Feedback", "Graphs", "/graphs", "graph", "g"),),
        entries=entries,
        telling=TELLING,
    )
