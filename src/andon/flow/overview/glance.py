"""Everything the overview shows, gathered from one reading of the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.flow.deployments.contract import DeploymentView
from andon.flow.overview.drawing import (
    DEPLOYMENT_STATES,
    NEWEST,
    RUN_STATES,
    Drawing,
    break_address,
    deed_of,
    deployment_address,
    deployment_steps,
    doing,
    run_address,
    service_address,
    steps_of,
    who,
)
from andon.flow.overview.model import Figures, Line, figures_of
from andon.flow.overview.saying import sentence_of
from andon.flow.overview.service import OverviewService, Stream
from andon.flow.overview.telling import Told, happened
from andon.flow.pipelines.contract import RunSummary, StageState
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.events import Facets
from andon.web.model import EventLine, ServiceRow, State, Step
from andon.web.rendering import duration, percent, plural
from andon.web.shell import Action

TOLD = 12
"""Events shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a list: what it is, how it is, and what can be done about it."""

    title: str
    href: str
    meta: str
    state: State
    word: str
    since: datetime | None
    steps: tuple[Step, ...] = ()
    action: Action | None = None
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    sentence: str
    lede: str
    rows: tuple[ServiceRow, ...]
    columns: tuple[str, ...]
    under_way: tuple[Row, ...]
    waiting: tuple[Row, ...]
    events: tuple[EventLine, ...]


def look(overview: OverviewService, reading: Reading, principal: Principal, told: Told) -> Glance:
    stream = overview.stream(reading, principal)
    waiting = overview.runs_waiting(reading, principal)
    runs = overview.runs_under_way(reading, principal)
    deployments = overview.deployments_under_way(reading, principal)
    outcomes = overview.outcomes(reading, stream.lines)
    wanted = Facets(sight=principal.sight(), since=reading.now - timedelta(days=1))
    drawing = drawing_of(overview, reading, stream.lines, (*waiting, *runs), deployments)
    figures = {service: figures_of(found, reading.now) for service, found in outcomes.items()}
    return Glance(
        sentence=sentence_of(stream.lines, waiting),
        lede=_lede(figures_of((one for found in outcomes.values() for one in found), reading.now)),
        rows=drawing.rows(stream, figures),
        columns=(NEWEST, *(name.capitalize() for name in stream.columns)),
        under_way=_under_way(drawing, runs, deployments),
        waiting=(*_stopped(drawing, stream), *_held(drawing, waiting, principal)),
        events=happened(reading, told, wanted, TOLD),
    )


def drawing_of(
    overview: OverviewService,
    reading: Reading,
    lines: Iterable[Line],
    runs: Iterable[RunSummary],
    deployments: Iterable[DeploymentView],
) -> Drawing:
    """Knows the name of everybody who stands on what is drawn."""
    persons: set[str | None] = {one.person for one in runs} | {one.person for one in deployments}
    for line in lines:
        persons.add(None if line.newest is None else line.newest.person)
        for station in line.stations:
            persons |= {one.person for one in (station.serving, station.coming) if one is not None}
    return Drawing(overview.commits, overview.names(reading, persons))


def _lede(figures: Figures) -> str:
    if figures.share is None:
        return ""
    said = "Over the last 30 days "
    if figures.lead_time is not None:
        said += f"a change took {duration(figures.lead_time)} from its push to customers (median of {figures.led}); "
    return said + f"{percent(figures.share)} of {plural(figures.changes, 'change')} were taken back."


def _under_way(drawing: Drawing, runs: Sequence[RunSummary], deployments: Sequence[DeploymentView]) -> tuple[Row, ...]:
    of_runs = {one.run for one in runs}
    rows = [
        Row(
            title=drawing.commits.subject(one.service, one.commit) or one.commit[:7],
            href=run_address(one),
            meta=f"{one.service} · {one.commit[:7]} · {who(one.person, drawing.names)}",
            state=RUN_STATES[one.state][0],
            word=RUN_STATES[one.state][1],
            since=one.started_at or one.pushed_at,
            steps=steps_of(one),
        )
        for one in runs
    ]
    rows += [
        Row(
            title=deed_of(one),
            href=deployment_address(one),
            meta=f"{doing(one)} · {who(one.person, drawing.names)}",
            state=DEPLOYMENT_STATES[one.state][0],
            word=DEPLOYMENT_STATES[one.state][1],
            since=one.started_at or one.requested_at,
            steps=deployment_steps(one),
        )
        for one in deployments
        # A run's own deployment is a stage of its line already.
        if one.run not in of_runs
    ]
    return tuple(rows)


def _stopped(drawing: Drawing, stream: Stream) -> tuple[Row, ...]:
    rows = []
    for line in stream.lines:
        if line.refused is not None:
            rows.append(
                Row(
                    title=f"andon.yaml of {line.service} at {line.refused.commit[:7]} is faulty",
                    href=service_address(line.service),
                    meta=line.refused.fault,
                    state=State.BAD,
                    word="stopped",
                    since=line.refused.at,
                    link=("See the fault", service_address(line.service)),
                )
            )
        elif line.stopped and line.newest is not None:
            run = line.newest
            where = f" in {line.broken_stage.name}" if line.broken_stage is not None else ""
            rows.append(
                Row(
                    title=f"{run.commit[:7]} of {line.service} {line.broke}{where}",
                    href=break_address(line),
                    meta=f"the line is stopped · pushed by {who(run.person, drawing.names)}",
                    state=State.BAD,
                    word="stopped",
                    since=run.ended_at,
                    link=("See the failure", break_address(line)),
                )
            )
    return tuple(rows)


def _held(drawing: Drawing, waiting: Sequence[RunSummary], principal: Principal) -> tuple[Row, ...]:
    rows = []
    for run in waiting:
        stage = next((one for one in run.stages if one.state is StageState.WAITING), None)
        if stage is None:
            continue
        to = stage.environment or stage.name
        permission = Permission.RUN if stage.environment is None else Permission.DEPLOY
        may = principal.may(permission, run.service, stage.environment)
        label = f"Let {run.commit[:7]} go on to {to}"
        rows.append(
            Row(
                title=drawing.commits.subject(run.service, run.commit) or run.commit[:7],
                href=run_address(run),
                meta=f"{run.service} · {run.commit[:7]} by {who(run.person, drawing.names)} waits for {to}",
                state=State.HOLD,
                word="waits for a person",
                since=_waits_since(run),
                action=Action(label, f"/overview/runs/{run.run}/proceed", icon="arrow") if may else None,
                link=None if may else ("See it", run_address(run)),
            )
        )
    return tuple(rows)


def _waits_since(run: RunSummary) -> datetime:
    """The end of the stage before."""
    ended = [one.ended_at for one in run.stages if one.state is StageState.PASSED and one.ended_at is not None]
    return max(ended, default=run.pushed_at)
