"""Everything the page of one service shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.flow.overview.drawing import (
    RUN_STATES,
    Drawing,
    deploy_address,
    environment_word,
    place_address,
    run_address,
    steps_of,
    trends_of,
    who,
)
from andon.flow.overview.glance import TOLD, drawing_of
from andon.flow.overview.model import Line, Refusal, figures_of
from andon.flow.overview.saying import service_sentence
from andon.flow.overview.service import OverviewService
from andon.flow.overview.telling import Told, happened
from andon.flow.pipelines.contract import RunSummary
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.events import Facets
from andon.web.model import Cell, EventLine, Fact, State, Step, Trend
from andon.web.rendering import plural

RUNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An environment as a card: on the line, or made by hand."""

    cell: Cell
    address: str
    """Where it can be reached; empty as long as it is not there."""
    instances: str
    expires_at: datetime | None
    deploy: tuple[str, str]
    """Label and address of the way to the deploy console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    number: int
    title: str
    href: str
    commit: str
    branch: str
    who: str
    at: datetime
    state: State
    word: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    service: Service
    branch: str
    sentence: str
    refused: Refusal | None
    newest: Cell
    steps: tuple[Step, ...]
    places: tuple[Place, ...]
    own: tuple[Place, ...]
    runs: tuple[PastRun, ...]
    trends: tuple[tuple[State, Trend], ...]
    events: tuple[EventLine, ...]
    pushes: bool
    """Whether the reader may push."""
    pushed: bool
    """Whether anybody has."""
    facts: tuple[Fact, ...]


def portrait(
    overview: OverviewService, reading: Reading, principal: Principal, service: Service, told: Told
) -> Portrait:
    """Raises ``NotFound``, the same for what is not there and for what may not be seen."""
    line = overview.line(reading, principal, service)
    runs = overview.recent_runs(reading, None, service, RUNS)
    outcomes = overview.outcomes(reading, (line,)).get(service, ())
    since = reading.now - timedelta(days=30)
    drawing = drawing_of(overview, reading, (line,), runs, ())
    return Portrait(
        service=service,
        branch=line.branch,
        sentence=service_sentence(line, _waiting(overview, line)),
        refused=line.refused,
        newest=drawing.newest(line),
        steps=() if line.newest is None else steps_of(line.newest),
        places=_places(drawing, line, principal),
        own=_own(line, principal),
        runs=tuple(_past(run, drawing) for run in runs),
        trends=trends_of(figures_of(outcomes, reading.now)),
        events=happened(reading, told, Facets(service=service, since=since), TOLD),
        pushes=principal.may(Permission.PUSH, service),
        pushed=bool(runs) or line.refused is not None,
        facts=_facts(line),
    )


def _waiting(overview: OverviewService, line: Line) -> int | None:
    last = line.production
    if line.newest is None or last is None or last.commit is None:
        return None
    return overview.commits.between(line.service, last.commit, line.newest.commit)


def _places(drawing: Drawing, line: Line, principal: Principal) -> tuple[Place, ...]:
    return tuple(
        Place(
            cell=drawing.cell(line, station),
            address="" if station.place is None else station.place.address,
            instances="" if station.live is None else plural(len(station.live.instances), "instance"),
            expires_at=None if station.place is None else station.place.expires_at,
            deploy=_deploy(principal, line.service, station.environment),
        )
        for station in line.stations
    )


def _own(line: Line, principal: Principal) -> tuple[Place, ...]:
    found = []
    for place in line.own:
        state, word = environment_word(place)
        live = place.live
        found.append(
            Place(
                cell=Cell(
                    environment=place.name,
                    commit="" if live is None else live.commit,
                    state=state,
                    word=word,
                    since=place.created_at if live is None else live.created_at,
                    href=place_address(line.service, place.name),
                ),
                address=place.address,
                instances="" if live is None else plural(len(live.instances), "instance"),
                expires_at=place.expires_at,
                deploy=_deploy(principal, line.service, place.name),
            )
        )
    return tuple(found)


def _deploy(principal: Principal, service: Service, environment: str) -> tuple[str, str]:
    label = "Deploy" if principal.may(Permission.DEPLOY, service, environment) else "What could go"
    return label, deploy_address(service, environment)


def _past(run: RunSummary, drawing: Drawing) -> PastRun:
    state, word = RUN_STATES[run.state]
    return PastRun(
        number=run.number,
        title=drawing.commits.subject(run.service, run.commit) or run.commit[:7],
        href=run_address(run),
        commit=run.commit,
        branch=run.branch,
        who=who(run.person, drawing.names),
        at=run.pushed_at,
        state=state,
        word=word,
        steps=steps_of(run),
    )


def _facts(line: Line) -> tuple[Fact, ...]:
    last = line.production
    serving = None if last is None else last.serving
    lead = None if serving is None or serving.lead_time is None else timedelta(seconds=serving.lead_time)
    name = "Customers" if last is None else last.environment.capitalize()
    return (
        Fact("Default branch", line.branch, mono=True),
        Fact(f"{name} since", None if serving is None else serving.switched_at),
        Fact("Lead time of what runs there", lead),
    )
