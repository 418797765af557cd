"""Traces: one request through all services that it needed."""

from __future__ import annotations

from collections.abc import Iterator

from andon.feedback.telemetry.contract.traces import TraceStore
from andon.feedback.traces.api import trace_routes
from andon.feedback.traces.contract import SEARCH
from andon.feedback.traces.pages import trace_pages
from andon.feedback.traces.service import TracesService
from andon.flow.deployments.contract import Deployments
from andon.flow.sources.contract import Sources
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.web.room import Entry, Room
from andon.web.shell import NavItem


def traces_room(*, traces: TraceStore, sources: Sources, deployments: Deployments) -> Room:
    service = TracesService(traces)

    def entries(reading: Reading, principal: Principal) -> Iterator[Entry]:
        visible = principal.visible_services()
        if visible is None or visible:
            yield Entry("Traces that failed", f"{SEARCH}?failed=1", "trace", "traces")

    return Room(
        name="traces",
        templates="andon.feedback.traces",
        handlers=(*trace_pages(service, sources, deployments), *trace_routes(service)),
        navigation=(NavItem("Feedback", "Traces", SEARCH, "trace", "t"),),
        entries=entries,
    )
