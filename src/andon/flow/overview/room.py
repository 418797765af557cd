"""What the overview offers to the application: the first page, a service's page, the Andon light, the palette."""

from __future__ import annotations

from collections.abc import Iterator

from andon.flow.deployments.contract import DeploymentSurvey
from andon.flow.environments.contract import Environments
from andon.flow.overview.api import overview_routes
from andon.flow.overview.drawing import RUN_STATES, place_address, run_address, service_address
from andon.flow.overview.pages import overview_pages
from andon.flow.overview.saying import light_of
from andon.flow.overview.service import OverviewService
from andon.flow.pipelines.contract import RunSurvey
from andon.flow.sources.contract import Sources
from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.web.room import Entry, Room
from andon.web.shell import Light, NavItem

RUNS_FOUND = 30
"""Runs that the palette knows."""


def overview_room(
    *,
    sources: Sources,
    runs: RunSurvey,
    deployments: DeploymentSurvey,
    environments: Environments,
    people: People,
    console: str,
) -> Room:
    """``console`` is the address under which Andon is reached, such as ``http://127.0.0.1:7766``."""
    overview = OverviewService(
        sources=sources, runs=runs, deployments=deployments, environments=environments, people=people
    )

    def light(reading: Reading, principal: Principal) -> Light | None:
        return light_of(
            overview.stream(reading, principal).lines,
            overview.runs_waiting(reading, principal),
            overview.deployments_under_way(reading, principal),
            reading.now,
        )

    def entries(reading: Reading, principal: Principal) -> Iterator[Entry]:
        services = overview.services(reading, principal)
        for service in services:
            yield Entry(service, service_address(service), "service")
        for place in environments.all(reading):
            if place.service in services:
                note = "" if place.live is None else f"runs {place.live.commit[:7]}"
                href = place_address(place.service, place.name)
                yield Entry(f"{place.service}/{place.name}", href, "environment", note)
        for run in overview.recent_runs(reading, principal.visible_services(), limit=RUNS_FOUND):
            note = f"{run.commit[:7]} on {run.branch}, {RUN_STATES[run.state][1]}"
            yield Entry(f"Run {run.number} of {run.service}", run_address(run), "run", note)

    return Room(
        name="overview",
        templates="andon.flow.overview",
        handlers=(*overview_pages(overview, console), *overview_routes(overview)),
        navigation=(NavItem("", "Overview", "/", "overview", "o"),),
        light=light,
        entries=entries,
    )
